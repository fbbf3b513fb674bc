"""A machine that boots and shuts down, by a real systemd: a line of fstab, and a service of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import leave_out
from wsfs.emulator.testing import Process

from .drives import eventually, files_of
from .machine import Machine, needs

BY_FSTAB = Path("/home/fstab")
BY_UNIT = Path("/home/unit")
TASKS = {BY_FSTAB: BY_FSTAB / "Project 001/Task 001-0001", BY_UNIT: BY_UNIT / "Project 001/Task 001-0002"}
PROJECTS = ["Project 001", "Project 002"]


@pytest.fixture
def machine(tmp_path: Path, small_service: Process) -> Iterator[Machine]:
    leave_out(needs())
    machine = Machine(tmp_path)
    machine.write(
        "/etc/wsfs/config.toml",
        f'[defaults]\napi_key = "{small_service.api_key}"\nrate = 0\nsettle = 600\n'
        f'[accounts.one]\naddress = "{small_service.url}"\n'
        f'[accounts.two]\naddress = "{small_service.url.replace("127.0.0.1", "localhost")}"\nlog_level = "debug"\n',
        mode=0o600,
    )
    machine.run("mkdir", *TASKS)
    yield machine
    machine.close()


@pytest.mark.promise(
    "A drive by a service or a line in fstab is back after every login or boot, and at a shutdown sends what waits."
)
def test_after_each_boot_both_are_back_and_a_shutdown_sends_what_is_pending(
    machine: Machine, small_service: Process
) -> None:
    machine.write("/etc/fstab", f"one {BY_FSTAB} fuse.wsfs _netdev,nofail,allow_other 0 0\n")
    with machine.booted():
        assert machine.run("ls", BY_FSTAB).lines == PROJECTS
        machine.wsfs("service", "install", "two", BY_UNIT, "--system", "-o", "allow_other,umask=0000")
        for place, task in TASKS.items():
            machine.run("sh", "-c", f"echo x > '{task}/of {place.name}.txt'")
        told = machine.wsfs("service", "status", "--system").out
        assert told.startswith("two: active – localhost:") and f"is mounted at {BY_UNIT}" in told
    assert "of fstab.txt" in files_of(small_service, 1004)
    assert "of unit.txt" in files_of(small_service, 1007)
    with machine.booted():
        eventually(
            lambda: machine.run("systemctl", "is-active", "wsfs@two", ok=False).code == 0, "the service"
        )
        for place, task in TASKS.items():
            assert machine.run("ls", place, user="olha").lines == PROJECTS
            assert f"of {place.name}.txt" in machine.run("ls", task).lines
        # In the journal each line has its level, and a time that is the journal's own.
        lines = machine.run(
            "journalctl", "--boot", "--unit=wsfs@two", "--priority=debug..debug", "-o", "cat"
        ).lines
        assert lines and not any(line.startswith("<") for line in lines)
        lines = machine.run(
            "journalctl", "--boot", "--unit=wsfs@two", "--priority=info..info", "-o", "cat"
        ).lines
        assert any("is mounted at" in line for line in lines)
        assert (
            machine.run("journalctl", "--boot", "--unit=wsfs@two", "--priority=warning", "-o", "cat").out
            == ""
        )
        assert "is mounted at" in machine.wsfs("log", BY_UNIT).out
        machine.wsfs("service", "uninstall", "two", "--system")
        assert machine.mounts(BY_UNIT) == []


def test_a_machine_boots_though_the_service_is_away(machine: Machine, small_service: Process) -> None:
    text = machine.read("/etc/wsfs/config.toml").replace(small_service.url, "http://127.0.0.1:1")
    machine.write("/etc/wsfs/config.toml", text, mode=0o600)
    machine.write("/etc/fstab", f"one {BY_FSTAB} fuse.wsfs _netdev,nofail 0 0\n")
    with machine.booted():
        shown = ("systemctl", "show", "--property=Result", "home-fstab.mount")
        eventually(lambda: machine.run(*shown).out == "Result=exit-code\n", "the failure")
        log = machine.run("journalctl", "--unit=home-fstab.mount", "-o", "cat").out
        assert "check the network" in log
