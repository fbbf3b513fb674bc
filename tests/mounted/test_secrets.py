"""No secret where another user of the machine can look, or in any log: looked for by one, with his own rights."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import leave_out
from wsfs.emulator.testing import Process

from .machine import HOME, Machine, needs, wsfs_script

PLACE = Path("/home/acme")
TASK = "Project 001/Task 001-0001"
CLIENT_SECRET = "shared-by-all-of-this-machine"
KEPT_IN = (HOME / ".config/wsfs/config.toml", Path("/var/lib/wsfs/logins"))
TREES = ("/etc", "/home", "/run", "/var/lib", "/var/cache", "/var/log", "/usr/sbin")

# What everybody may read of a process and of mounts, and what a process was handed, which only its user may read.
LOOK_AT_PROCESSES = """
import pathlib, sys
secrets = pathlib.Path(sys.argv[1]).read_bytes().split()
for process in pathlib.Path("/proc").glob("[0-9]*"):
    for name in ("cmdline", "environ", "mountinfo", "comm", "status"):
        try:
            text = (process / name).read_bytes()
        except OSError:
            continue
        if any(secret in text for secret in secrets):
            print(process / name)
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    leave_out(needs())
    machine = Machine(tmp_path)
    yield machine
    for place in (PLACE, HOME / "other"):
        for _ in machine.mounts(place):
            machine.wsfs("umount", "--now", place)
    machine.close()


def files_with(machine: Machine, secrets: Path, user: str) -> set[str]:
    """The files in which `user` finds one of the secrets."""
    found = machine.run(
        "grep", "-rlsFI", "--exclude-dir=stash", "-f", secrets, *TREES, user=user, ok=False, seconds=120
    )
    return set(found.lines)


def processes_with(machine: Machine, secrets: Path, user: str) -> list[str]:
    """The files of /proc in which `user` finds one of them, of processes of this machine alone."""
    found = machine.run(sys.executable, "-I", "-c", LOOK_AT_PROCESSES, secrets, user=user).lines
    return [path for path in found if machine.has(int(path.split("/")[2]))]


def test_no_other_user_finds_a_secret_and_no_log_holds_one(machine: Machine, small_service: Process) -> None:
    key = small_service.api_key
    secrets = Path("/run/stash-of-secrets")
    machine.write(secrets, f"{key}\n{CLIENT_SECRET}\n", mode=0o444)
    machine.write(
        "/etc/wsfs/config.toml",
        f'[defaults]\nclient_id = "id"\nclient_secret = "{CLIENT_SECRET}"\nrate = 0\nlog_level = "debug"\n'
        f'[accounts.acme]\naddress = "{small_service.url}"\n',
    )
    mine = f'[accounts.acme]\naddress = "{small_service.url}"\napi_key = "{key}"\n'
    machine.write(KEPT_IN[0], mine, mode=0o600, user="olha")
    # The machine's drive, by a login that is kept; a user's, by the key in his file; another, by his environment.
    machine.run(wsfs_script(), "login", "acme", "--api-key", "--system", stdin=f"{key}\n")
    machine.run("mkdir", PLACE)
    machine.run("mount", "-t", "fuse.wsfs", "acme", PLACE, "-o", "allow_other")
    with machine.logged_in():
        machine.wsfs("service", "install", "acme", user="olha")
        machine.run("mkdir", HOME / "other", user="olha")
        directories = ("--data-dir", HOME / "other-data", "--cache-dir", HOME / "other-cache")
        machine.run(
            *("env", f"WSFS_API_KEY={key}", wsfs_script(), "mount", "--debug", *directories),
            *("-o", "done=hide", small_service.url, HOME / "other"),
            user="olha",
        )
        for place, user in ((PLACE, "root"), (HOME / "Worksection", "olha"), (HOME / "other", "olha")):
            machine.run(
                "sh",
                "-c",
                f"cat '{place}/{TASK}'/* >/dev/null && echo x > '{place}/{TASK}/new.txt'",
                user=user,
            )
            machine.wsfs("flush", place, user=user)
        told = [
            machine.wsfs(*words, user="olha").out
            for words in (("config",), ("accounts",), ("status", "--json"))
        ]
        told += [
            machine.wsfs(*words).out
            for words in (("config", "--system"), ("accounts", "--system"), ("status",))
        ]
        assert key not in "".join(told) and CLIENT_SECRET not in "".join(told)

        # Somebody else finds the application's secret by its name, as he needs it to log in; and nothing more.
        assert files_with(machine, secrets, "nobody") - {str(secrets)} == {"/etc/wsfs/config.toml"}
        assert key not in machine.read("/etc/wsfs/config.toml")
        assert processes_with(machine, secrets, "nobody") == []
        # Not even root finds it at a drive, a child of one, or in its logs.
        assert processes_with(machine, secrets, "root") == []
        kept = files_with(machine, secrets, "root") - {str(secrets), "/etc/wsfs/config.toml"}
        assert {path for path in kept if not Path(path).is_relative_to(KEPT_IN[1])} == {str(KEPT_IN[0])}
        assert len(kept) == 2
        logs = machine.run("find", "/var/lib/wsfs", HOME / "other-data", "-name", "wsfs.log").lines
        assert len(logs) == 2
        for log in logs:
            text = machine.read(log)
            assert " DEBUG " in text and key not in text and CLIENT_SECRET not in text


def test_the_look_for_secrets_sees_what_is_there(machine: Machine) -> None:
    secrets = Path("/run/stash-of-secrets")
    machine.write(secrets, "a-secret-word\n", mode=0o444)
    machine.write("/home/open.txt", "a-secret-word", mode=0o644)
    machine.write("/home/closed.txt", "a-secret-word", mode=0o600)
    assert files_with(machine, secrets, "nobody") == {str(secrets), "/home/open.txt"}
    assert files_with(machine, secrets, "root") == {str(secrets), "/home/open.txt", "/home/closed.txt"}
    machine.write("/home/sleep.sh", "sleep 20; : $1", mode=0o644)
    process = machine.start("env", "WORD=a-secret-word", "sh", "/home/sleep.sh")
    other = machine.start("sh", "/home/sleep.sh", "a-secret-word")
    try:
        by_nobody = {path.split("/")[3] for path in processes_with(machine, secrets, "nobody")}
        assert by_nobody == {"cmdline"}
        assert "environ" in {path.split("/")[3] for path in processes_with(machine, secrets, "root")}
    finally:
        for one in (process, other):
            one.kill()
            one.wait()
