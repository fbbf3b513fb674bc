"""mount(8), umount(8), findmnt(8) and lines of fstab(5), each for real, as root and as an ordinary user."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import leave_out
from wsfs.emulator.testing import Process

from .drives import eventually, files_of
from .machine import HELPERS, HOME, UID, Machine, needs, wsfs_script

PLACE = Path("/home/acme")
TASK = PLACE / "Project 001/Task 001-0001"
DATA = Path("/var/lib/wsfs")
PROJECTS = ["Project 001", "Project 002"]


@pytest.fixture
def machine(tmp_path: Path, small_service: Process) -> Iterator[Machine]:
    """A machine whose administrator has configured the account acme."""
    leave_out(needs())
    machine = Machine(tmp_path)
    machine.write(
        "/etc/wsfs/config.toml",
        f'[accounts.acme]\naddress = "{small_service.url}"\napi_key = "{small_service.api_key}"\nrate = 0\n',
        mode=0o600,
    )
    machine.run("mkdir", PLACE)
    yield machine
    for _ in machine.mounts(PLACE):
        machine.run("umount", PLACE, ok=False)
    for pid in serving(machine):
        os.kill(pid, signal.SIGTERM)
    eventually(lambda: not serving(machine), "the end of every mount")
    machine.close()


def serving(machine: Machine) -> list[int]:
    """The processes of drives in this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if machine.has(int(path.name)) and b"mount" in words and b"--foreground" in words:
            found.append(int(path.name))
    return found


def in_fstab(machine: Machine, options: str, *, place: Path = PLACE) -> None:
    machine.write("/etc/fstab", f"acme {place} fuse.wsfs {options} 0 0\n")


def test_mounted_by_type_and_unmounted(machine: Machine) -> None:
    machine.run("mount", "-t", "fuse.wsfs", "acme", PLACE, "-o", "ro,noexec")
    assert machine.run("ls", PLACE).lines == PROJECTS
    found = machine.run("findmnt", "--noheadings", "--output", "SOURCE,FSTYPE,OPTIONS", PLACE).out.split()
    assert found[:2] == ["acme", "fuse.wsfs"]
    assert {"ro", "noexec", "nosuid", "nodev", "user_id=0"} <= set(found[2].split(","))
    assert "acme" in machine.run("df", PLACE).out
    [pid] = serving(machine)
    machine.run("umount", PLACE)
    assert machine.mounts(PLACE) == []
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the end of the process")
    assert machine.run("ls", "/run/wsfs").out == ""


def test_a_line_of_fstab_with_all_that_is_meant_for_others(machine: Machine) -> None:
    in_fstab(
        machine,
        "rw,nofail,_netdev,auto,nouser,noatime,x-systemd.automount,x-systemd.mount-timeout=2min,X-mount.mkdir,"
        "comment=x-udisks-auth,x-gvfs-name=Work,x-gvfs-show,uhelper=udisks2,allow_other,uid=4321,gid=4321",
    )
    assert "0 parse errors, 0 errors" in machine.run("findmnt", "--verify", ok=False).err
    machine.run("mount", "-a")
    assert machine.run("ls", PLACE, user="olha").lines == PROJECTS
    assert machine.run("stat", "-c", "%u %g", PLACE / "Project 001").out == "4321 4321\n"
    assert machine.run("findmnt", "--noheadings", "--output", "SOURCE", "--fstab", PLACE).out == "acme\n"
    machine.run("mount", "-a")
    assert len(machine.mounts(PLACE)) == 1
    machine.run("umount", PLACE)
    assert machine.mounts(PLACE) == []


def test_what_is_roots_is_read_by_root_alone(machine: Machine, small_service: Process) -> None:
    in_fstab(machine, "defaults,allow_other,log_level=debug")
    machine.run("mount", PLACE)
    machine.run("md5sum", TASK / "file 01.jpg")
    [pid] = serving(machine)
    for path in (f"/proc/{pid}/environ", f"/proc/{pid}/cmdline"):
        assert small_service.api_key not in Path(path).read_text()
    assert machine.run("find", DATA, "/var/cache/wsfs", "-mindepth", "1", "-perm", "/077").out == ""
    log = machine.run("sh", "-c", f"cat {DATA}/*/wsfs.log").out
    assert "DEBUG" in log and small_service.api_key not in log
    for path in (
        "/etc/wsfs/config.toml",
        "/run/wsfs/x",
        next(iter(machine.run("find", DATA, "-name", "*.db").lines)),
    ):
        assert "Permission denied" in machine.run("cat", path, user="olha", ok=False).err
    assert str(PLACE) in machine.wsfs("status").out
    assert machine.wsfs("status", PLACE, user="olha", ok=False).code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("acme", PLACE, "-o", "nonsense=1"), 1, "no option nonsense"),
        (("acme", PLACE, "-o", "done=never"), 32, "done has to be"),
        (("other", PLACE), 32, "no login for other.worksection.com"),
        (("acme", PLACE / "none"), 32, ""),
    ],
)
def test_what_can_not_be_is_told_with_mounts_own_exit_codes(
    machine: Machine, arguments: tuple[str | Path, ...], code: int, words: str
) -> None:
    refused = machine.run("mount", "-t", "fuse.wsfs", *arguments, ok=False)
    assert refused.code == code
    assert words in refused.err
    assert "Traceback" not in refused.err
    assert machine.mounts(PLACE) == []


def test_a_live_mount_is_not_touched(machine: Machine) -> None:
    machine.run("mount", "-t", "fuse.wsfs", "acme", PLACE)
    [pid] = serving(machine)
    refused = machine.run("mount", "-t", "fuse.wsfs", "acme", PLACE, ok=False)
    assert refused.code == 32
    assert f"{PLACE} is already mounted (process {pid})" in refused.err
    refused = machine.run("mount", "-o", "remount,ro", PLACE, ok=False)
    assert refused.code == 1 and "can't be mounted anew" in refused.err
    assert machine.run("ls", PLACE).lines == PROJECTS
    assert serving(machine) == [pid]


def test_a_line_with_user_is_a_users_own_mount(machine: Machine, small_service: Process) -> None:
    place = HOME / "drive"
    machine.run("mkdir", place, user="olha")
    in_fstab(machine, "user,noauto", place=place)
    text = (
        f'[accounts.acme]\naddress = "{small_service.url}"\napi_key = "{small_service.api_key}"\nrate = 0\n'
    )
    machine.write(HOME / ".config/wsfs/config.toml", text, mode=0o600, user="olha")
    machine.run("mount", place, user="olha")
    [mount] = machine.mounts(place)
    assert mount.user == UID
    assert machine.run("ls", place, user="olha").lines == PROJECTS
    assert machine.run("ls", place, ok=False).code != 0  # root has no business there
    options = machine.run("findmnt", "--noheadings", "--output", "OPTIONS", place).out
    assert "noexec" in options
    machine.run("umount", place, user="olha")
    assert machine.mounts(place) == []


def test_setuid_is_a_users_mount_by_roots_hand(machine: Machine, small_service: Process) -> None:
    place = HOME / "drive"
    machine.run("mkdir", place, user="olha")
    in_fstab(machine, "setuid=olha,_netdev", place=place)
    text = (
        f'[accounts.acme]\naddress = "{small_service.url}"\napi_key = "{small_service.api_key}"\nrate = 0\n'
    )
    machine.write(HOME / ".config/wsfs/config.toml", text, mode=0o600, user="olha")
    machine.run("mount", "-a")
    [mount] = machine.mounts(place)
    assert mount.user == UID
    [pid] = serving(machine)
    assert Path(f"/proc/{pid}").stat().st_uid == UID
    assert machine.run("ls", place, user="olha").lines == PROJECTS
    assert str(place) in machine.wsfs("status", user="olha").out
    machine.run("umount", place)
    assert machine.run("find", HOME, "-not", "-user", "olha").out == ""


def test_a_mount_while_the_former_one_is_still_sending(machine: Machine, small_service: Process) -> None:
    in_fstab(machine, "defaults,settle=0.2")
    machine.run("mount", PLACE)
    small_service.arm("delay:3:post_comment")
    machine.run("sh", "-c", f"echo x > '{TASK}/slow.txt'")
    eventually(
        lambda: [one for one in small_service.requests() if one["action"] == "post_comment"], "the post"
    )
    [pid] = serving(machine)
    machine.run("umount", PLACE)
    machine.run("mount", PLACE)
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the end of the former one")
    assert machine.run("cat", TASK / "slow.txt").out == "x\n"
    eventually(lambda: "slow.txt" in files_of(small_service, 1004), "the upload, once")


def test_killed_and_mounted_again_without_another_step(machine: Machine) -> None:
    in_fstab(machine, "defaults")
    machine.run("mount", PLACE)
    with subprocess.Popen(machine.command("sh", "-c", f"cd '{TASK}'; exec sleep 60")) as shell:
        eventually(lambda: str(TASK) in standing(shell.pid), "the shell in the drive")
        [pid] = serving(machine)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: machine.run("ls", PLACE, ok=False).code != 0, "the death of the drive")
        said = machine.run("mount", PLACE)
        assert f"the drive that was at {PLACE} had died" in said.err
        assert machine.run("ls", PLACE).lines == PROJECTS
        assert len(machine.mounts(PLACE)) == 1
        shell.kill()


def standing(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def test_a_login_of_the_machines_needs_no_key_in_a_file(machine: Machine, small_service: Process) -> None:
    machine.write("/etc/wsfs/config.toml", f'[accounts.acme]\naddress = "{small_service.url}"\nrate = 0\n')
    command = ("login", "acme", "--api-key", "--system")
    typed = f"{small_service.api_key}\n"
    refused = machine.run(wsfs_script(), *command, user="olha", stdin=typed, ok=False)
    assert "a login of the machine is root's" in refused.err
    said = machine.run(wsfs_script(), *command, stdin=typed)
    assert "The login is kept in /var/lib/wsfs/logins/" in said.out
    machine.run("mount", "-t", "fuse.wsfs", "acme", PLACE)
    assert machine.run("ls", PLACE).lines == PROJECTS
    assert machine.run("find", DATA, "-type", "f", "-perm", "/077").out == ""
    machine.wsfs("logout", "--system")
    machine.run("umount", PLACE)
    assert machine.run("mount", "-t", "fuse.wsfs", "acme", PLACE, ok=False).code == 32


def test_unmounting_sends_what_is_pending_and_a_new_mount_takes_over(
    machine: Machine, small_service: Process
) -> None:
    in_fstab(machine, "defaults,settle=600")
    machine.run("mount", PLACE)
    machine.run("sh", "-c", f"echo x > '{TASK}/pending.txt'")
    [pid] = serving(machine)
    machine.run("umount", PLACE)
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the end of the process")
    assert "pending.txt" in files_of(small_service, 1004)


# The first process of a name space: it mounts, writes, and unmounts as its end begins; with it all others end.
AS_INIT = """
mount "$1" && ls "$1" >/dev/null && echo x > "$2/pending.txt" && umount "$1" && ! mountpoint --quiet "$1"
"""


def test_at_a_shutdown_umount_waits_for_the_uploads(machine: Machine, small_service: Process) -> None:
    """As systemd does it: umount(8) is a child of the init process, of a name space here.

    umount(8) looks for our helper where it has noted an option of the mount for itself, as `_netdev` is one.
    """
    in_fstab(machine, "_netdev,settle=600")
    small_service.arm("delay:2:post_comment")
    machine.run(
        *("unshare", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child", "--"),
        *("sh", "-c", AS_INIT, "sh", PLACE, TASK),
    )
    told = machine.run("sh", "-c", f"cat {DATA}/*/wsfs.log").out
    assert "pending.txt" in files_of(small_service, 1004), told


def test_the_helper_of_the_package_fuse3_will_do(machine: Machine) -> None:
    machine.run("rm", *HELPERS)
    machine.write("/usr/sbin/wsfs", f'#!/bin/sh\nexec {wsfs_script()} "$@"\n', mode=0o755)
    machine.run("mount", "-t", "fuse.wsfs", "acme", PLACE, "-o", "ro")
    assert machine.run("ls", PLACE).lines == PROJECTS
    assert machine.run("findmnt", "--noheadings", "--output", "SOURCE", PLACE).out == "acme\n"
    machine.run("umount", PLACE)
    refused = machine.run("mount", "-t", "fuse.wsfs", "other", PLACE, ok=False)
    assert refused.code != 0 and "no login for other.worksection.com" in refused.err
