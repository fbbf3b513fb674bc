"""`kill -9` of a drive, and a new start: mounted again without a manual step, whatever the killed one hangs in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from tests.conftest import leave_out
from wsfs import mountinfo
from wsfs.cli import healing
from wsfs.emulator.testing import Process

from .conftest import QUIET, Mounter
from .drives import CONNECTIONS, Mount, eventually, has_fusectl, run

TASK = Path("Project 001/Task 001-0001")
PROJECTS = ["Project 001", "Project 002"]


def killed(mount: Mount) -> None:
    mount.process.kill()
    mount.process.wait(20)


def again(mount: Mount, mounting: Mounter, service: Process) -> Mount:
    """The same mount once more, by the command alone."""
    fresh = mounting(service, options=QUIET, scratch=mount.scratch)
    assert run("ls", fresh.place).lines == PROJECTS
    [found] = [one for one in mountinfo.mounts() if one.mountpoint == fresh.place]
    assert found.is_wsfs
    return fresh


@pytest.mark.promise(
    "A drive whose process was killed is mounted again by the next start without another step; one that lives is "
    "never touched."
)
def test_killed_and_started_again(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=QUIET)
    killed(mount)
    assert mount.mounted
    fresh = again(mount, mounting, small_service)
    assert f"the drive that was at {mount.place} had died" in fresh.log.read_text()
    refused = run(*fresh.command, env=fresh.env, ok=False)
    assert f"{fresh.place} is already mounted (process {fresh.process.pid})" in refused.err
    assert run("ls", fresh.place).lines == PROJECTS


def test_killed_again_and_again_leaves_one_mount(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=QUIET)
    for _ in range(3):
        killed(mount)
        mount = again(mount, mounting, small_service)


def test_though_a_shell_stands_in_it_and_a_file_is_open(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=QUIET)
    file = os.open(mount.place / TASK / "file 01.jpg", os.O_RDONLY)
    with subprocess.Popen(["sleep", "60"], cwd=mount.place / TASK) as shell:
        killed(mount)
        again(mount, mounting, small_service)
        with pytest.raises(OSError, match="not connected"):
            os.close(file)
        shell.kill()


def test_in_the_background_too(small_service: Process, tmp_path: Path) -> None:
    place = tmp_path / "drive"
    for directory in (place, tmp_path / "run"):
        directory.mkdir()
    env = {"WSFS_API_KEY": small_service.api_key, "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    command = [sys.executable, "-P", "-m", "wsfs", "mount", "--rate", "0", "-o", QUIET]
    command += ["--cache-dir", str(tmp_path / "cache"), "--data-dir", str(tmp_path / "data")]
    command += [small_service.url, str(place)]
    try:
        run(*command, env=env)
        pid = int(next(iter((tmp_path / "data/mount.json").read_text().split('"pid": ')[1].split(","))))
        os.kill(pid, signal.SIGKILL)
        said = run(*command, env=env)
        assert (
            said.err == f"wsfs: the drive that was at {place} had died; what was left of it is cleared away\n"
        )
        assert run("ls", place).lines == PROJECTS
        run(sys.executable, "-P", "-m", "wsfs", "umount", place, env=env)
    finally:
        if mountinfo.find(place) is not None:
            run("fusermount3", "-uz", place)


# A thread of the mount that tells the kernel of a name in a directory which a program holds: the program makes a file
# there and waits for the mount, the thread waits for the directory. Killed, the mount can't end: the thread is in the
# kernel, and holds the connection that the program waits for.
HANGING = textwrap.dedent(
    """
    import os, signal, sys, threading, time
    import pyfuse3
    from wsfs.cli import main
    from wsfs.fuse.operations import Operations

    begun = threading.Event()
    create = Operations.create

    async def held(self, parent, name, mode, flags, context):
        def tell():
            time.sleep(0.5)
            begun.set()
            pyfuse3.invalidate_entry(parent, b"another")
        threading.Thread(target=tell, daemon=True).start()
        import trio
        await trio.sleep_forever()

    Operations.create = held
    sys.argv[0] = "wsfs"
    main()
    """
)


@pytest.mark.parametrize("way", ["mount", "umount", "mount without fusectl"])
def test_though_a_thread_of_it_hangs_in_the_kernel(
    way: str, mounting: Mounter, small_service: Process, tmp_path: Path
) -> None:
    if way == "mount without fusectl" and os.geteuid() != 0:
        leave_out("without it only root has a way")
    leave_out(None if has_fusectl() else f"{CONNECTIONS} is empty: scripts/setup mounts it")
    program = tmp_path / "hanging.py"
    program.write_text(HANGING)
    mount = mounting(small_service, options=QUIET, program=program)
    run("ls", mount.place / TASK)
    failure: list[OSError] = []

    def make() -> None:
        try:
            (mount.place / TASK / "new.txt").touch()
        except OSError as error:
            failure.append(error)

    maker = threading.Thread(target=make)
    maker.start()
    eventually(lambda: in_the_kernel(mount.process.pid), "a thread that tells the kernel")
    mount.process.kill()
    with pytest.raises(subprocess.TimeoutExpired):
        mount.process.wait(2)
    assert healing.is_dying(mount.process.pid)
    if way == "mount without fusectl":
        apart = (
            "unshare",
            "--mount",
            "--propagation",
            "slave",
            "sh",
            "-c",
            f'umount {CONNECTIONS} && exec "$@"',
            "sh",
        )
        said = run(*apart, *HEAL, mount.place, env=mount.env)
        assert said.out == "True\n"
        mount.process.wait(20)
        again(mount, mounting, small_service)
    elif way == "mount":
        again(mount, mounting, small_service)
    else:
        assert "had died" in mount.wsfs("umount", mount.place).err
        assert mountinfo.find(mount.place) is None
    maker.join(20)
    assert not maker.is_alive()
    assert failure  # the program got its answer
    mount.process.wait(20)


# What a start does first.
HEAL = (
    sys.executable,
    "-P",
    "-c",
    "import sys; from wsfs.cli.healing import *; print(heal(Path(sys.argv[1])))",
)


def in_the_kernel(pid: int) -> bool:
    """Whether a thread of the process waits in a way that no signal ends."""
    states = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        states.append((thread / "stat").read_text().rpartition(") ")[2][0])
    return "D" in states
