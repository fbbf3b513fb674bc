"""`wsfs service` with a real systemd: a user's own, which is started and ended as a login and a logout do it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import leave_out
from wsfs.emulator.testing import Process

from .drives import eventually, files_of
from .machine import HOME, Machine, needs, wsfs_script

PLACE = HOME / "Worksection"
TASK = PLACE / "Project 001/Task 001-0001"
UNIT = "wsfs@acme.service"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    leave_out(needs())
    machine = Machine(tmp_path)
    yield machine
    machine.close()


@pytest.fixture
def olha(machine: Machine, small_service: Process) -> Machine:
    """The machine, with the account in olha's configuration."""
    configure(machine, small_service)
    return machine


def configure(machine: Machine, service: Process, more: str = "") -> None:
    text = f'[accounts.acme]\naddress = "{service.url}"\napi_key = "{service.api_key}"\nrate = 0\nsettle = 600\n{more}'
    machine.write(HOME / ".config/wsfs/config.toml", text, mode=0o600, user="olha")


def status(machine: Machine) -> dict[str, Any]:
    told = machine.wsfs("service", "status", "acme", "--json", user="olha", ok=False)
    state: dict[str, Any] = json.loads(told.out)[0]
    return state


def mounted(machine: Machine) -> bool:
    return bool(machine.mounts(PLACE))


def look(machine: Machine) -> list[str]:
    return machine.run("ls", PLACE, user="olha").lines


def test_after_each_login_it_is_back_by_itself(olha: Machine) -> None:
    with olha.logged_in():
        said = olha.wsfs("service", "install", "acme", user="olha")
        assert f"is mounted at {PLACE}, and will be at every login" in said.out
        assert look(olha) == ["Project 001", "Project 002"]
        state = status(olha)
        assert (state["state"], state["enabled"], state["mountpoint"]) == ("active", True, str(PLACE))
        assert f"is mounted at {PLACE}" in state["status"]
    assert not mounted(olha)
    with olha.logged_in():
        eventually(lambda: status(olha)["state"] == "active", "the service after the login")
        assert look(olha) == ["Project 001", "Project 002"]
        olha.wsfs("service", "stop", user="olha")
        assert not mounted(olha)
        assert olha.wsfs("service", "status", user="olha", ok=False).code == 3
        olha.wsfs("service", "start", user="olha")
        assert look(olha) == ["Project 001", "Project 002"]
        olha.wsfs("service", "uninstall", user="olha")
        assert not mounted(olha)
        left = olha.run("find", HOME / ".config/systemd", "-not", "-type", "d", user="olha")
        assert left.out == ""
    with olha.logged_in():
        assert not mounted(olha)
        assert "No service is installed" in olha.wsfs("service", "status", user="olha").out


def test_a_drive_whose_process_was_killed_is_mounted_again_though_a_shell_stands_in_it(olha: Machine) -> None:
    with olha.logged_in():
        olha.wsfs("service", "install", user="olha")  # the only account that is known
        first = status(olha)["pid"]
        with subprocess.Popen(olha.command("sh", "-c", f"cd '{TASK}'; exec sleep 60", user="olha")) as shell:
            eventually(lambda: standing(shell.pid) == str(TASK), "the shell in the drive")
            os.kill(first, signal.SIGKILL)
            eventually(
                lambda: status(olha)["state"] == "active" and status(olha)["pid"] != first, "the restart"
            )
            assert look(olha) == ["Project 001", "Project 002"]
            assert status(olha)["restarts"] == 1
            assert len(olha.mounts(PLACE)) == 1
            shell.kill()


def standing(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def test_what_is_stopped_while_its_process_is_dead_leaves_no_dead_mount(olha: Machine) -> None:
    with olha.logged_in():
        olha.wsfs("service", "install", "acme", user="olha")
        os.kill(status(olha)["pid"], signal.SIGKILL)
        olha.wsfs("service", "stop", user="olha")
        assert not mounted(olha)


def test_a_mistake_in_the_configuration_ends_it_until_it_is_mended(
    olha: Machine, small_service: Process
) -> None:
    with olha.logged_in():
        olha.wsfs("service", "install", "acme", "--no-start", user="olha")
        configure(olha, small_service, "poll = 'never'\n")
        refused = olha.wsfs("service", "start", user="olha", ok=False)
        assert refused.code == 1
        assert "poll has to be a number" in refused.err and "line 6" in refused.err
        assert status(olha)["state"] == "failed"
        assert olha.systemctl("show", "--property=ExecMainStatus", UNIT).out == "ExecMainStatus=78\n"
        assert status(olha)["restarts"] == 0
        configure(olha, small_service)
        olha.wsfs("service", "start", user="olha")
        assert look(olha) == ["Project 001", "Project 002"]


def test_a_wrong_login_is_told_at_the_start_and_not_tried_again_and_again(
    olha: Machine, small_service: Process
) -> None:
    text = f'[accounts.acme]\naddress = "{small_service.url}"\napi_key = "{"0" * 32}"\nrate = 0\n'
    olha.write(HOME / ".config/wsfs/config.toml", text, mode=0o600, user="olha")
    with olha.logged_in():
        refused = olha.wsfs("service", "install", "acme", user="olha", ok=False)
        assert "doesn't accept the API key" in refused.err
        assert (status(olha)["state"], status(olha)["restarts"]) == ("failed", 0)
        # Logged in, it goes on by itself.
        login = (wsfs_script(), "login", "acme", "--api-key")
        said = olha.run(*login, user="olha", stdin=f"{small_service.api_key}\n")
        assert "The service of acme, which had given up, is started again." in said.out
        eventually(lambda: status(olha)["state"] == "active", "the service")
        assert look(olha) == ["Project 001", "Project 002"]


def test_no_network_is_tried_again(olha: Machine) -> None:
    text = '[accounts.acme]\naddress = "http://127.0.0.1:1"\napi_key = "00"\nrate = 0\n'
    olha.write(HOME / ".config/wsfs/config.toml", text, mode=0o600, user="olha")
    with olha.logged_in():
        refused = olha.wsfs("service", "install", "acme", user="olha", ok=False)
        assert "check the network" in refused.err
        eventually(lambda: status(olha)["restarts"] > 0, "another try")


def test_an_account_of_an_odd_name_has_a_place_and_options_of_its_own(olha: Machine) -> None:
    other = HOME / 'Other "100%" drive'
    path = HOME / ".config/wsfs/config.toml"
    olha.write(path, olha.read(path).replace("accounts.acme", "accounts.'two/one'"), mode=0o600, user="olha")
    with olha.logged_in():
        olha.wsfs("service", "install", "two/one", other, "-o", "ro,done=hide", user="olha")
        [mount] = olha.mounts(other)
        assert mount.is_wsfs
        refused = olha.run("touch", other / "Project 001/Task 001-0001/x", user="olha", ok=False)
        assert "Read-only" in refused.err
        told = json.loads(olha.wsfs("service", "status", "--json", user="olha").out)
        assert [(one["account"], one["mountpoint"]) for one in told] == [("two/one", str(other))]
        olha.wsfs("service", "uninstall", "two/one", user="olha")
        assert not olha.mounts(other)


def test_a_drive_that_was_mounted_by_hand_is_let_be_and_one_of_its_own_is_renewed(olha: Machine) -> None:
    with olha.logged_in():
        olha.wsfs("mount", "acme", user="olha")
        refused = olha.wsfs("service", "install", "acme", user="olha", ok=False)
        assert f"{PLACE} is already mounted" in refused.err
        assert look(olha) == ["Project 001", "Project 002"]
        assert olha.run("find", HOME / ".config/systemd", user="olha", ok=False).out == ""
        olha.wsfs("umount", PLACE, user="olha")
        olha.wsfs("service", "install", "acme", user="olha")
        olha.wsfs("service", "install", "acme", "-o", "ro", user="olha")
        assert "ro" in olha.run("findmnt", "-n", "-o", "OPTIONS", PLACE).out.split(",")


def test_where_it_can_not_be_installed_one_sentence_says_why(olha: Machine) -> None:
    refused = olha.wsfs("service", "install", "acme", user="olha", ok=False)
    assert refused.code == 1
    assert refused.err.startswith("wsfs: your systemd doesn't answer")
    assert olha.run("find", HOME / ".config/systemd", user="olha", ok=False).out == ""
    refused = olha.wsfs("service", "install", "acme", "--system", user="olha", ok=False)
    assert "a service of the machine is root's" in refused.err


def test_at_the_end_what_is_pending_is_sent_first(olha: Machine, small_service: Process) -> None:
    with olha.logged_in():
        olha.wsfs("service", "install", "acme", user="olha")
        olha.run("sh", "-c", f"echo x > '{TASK}/pending.txt'", user="olha")
        olha.wsfs("service", "stop", user="olha")
        assert not mounted(olha)
    assert "pending.txt" in files_of(small_service, 1004)
