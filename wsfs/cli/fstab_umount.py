"""The helper that umount(8) calls for a drive of wsfs: /sbin/umount.fuse.wsfs.

umount(8) looks for it where it has noted something of the mount in utab, such as the option _netdev; otherwise it knows
a drive as "fuse" alone, and unmounts it by itself.

At a person's hand it unmounts at once, and the process of the drive sends on by itself. At a shutdown, when systemd
unmounts, nobody would be left for that: there the drive is told to end, and waited for, within its own limit (`drain`).
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from wsfs import control, mountinfo
from wsfs.cli.errors import say
from wsfs.cli.fstab import FAILED, SUCCESS, USAGE

PROC = Path("/proc")
LIMIT = 600.0
"""Seconds at most: the unit of the mount has a limit of its own, 90 s unless x-systemd.mount-timeout says another."""
HELP = "usage: umount.fuse.wsfs DIRECTORY [-flnrv]; see docs/system.md"


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of umount.fuse.wsfs; ends the process with an exit code of umount(8)."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Do what umount(8) asks for; its exit code."""
    places: list[str] = []
    flags: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word in ("-t", "-N") and rest:
            rest.pop(0)
        elif word.startswith("-"):
            flags.append(word)
        else:
            places.append(word)
    if len(places) != 1:
        say(HELP)
        return USAGE
    place = mountinfo.canonical(places[0])
    if not flags and by_systemd() and end(place):
        return SUCCESS
    try:
        # -i: without a helper, which would be this one again.
        return subprocess.run(["umount", "-i", *flags, "--", str(place)], check=False).returncode
    except OSError as error:
        say(f"umount can't be started: {error.strerror}")
        return FAILED


def by_systemd(pid: int | None = None) -> bool:
    """Whether the umount(8) that started this process was started by the init process, as a unit's is."""
    try:
        parent = os.getppid() if pid is None else pid
        return (
            int((PROC / str(parent) / "stat").read_text(errors="replace").rpartition(") ")[2].split()[1]) == 1
        )
    except (OSError, ValueError, IndexError):
        return False


def end(place: Path, *, limit: float = LIMIT) -> bool:
    """Have the drive at `place` end as at a signal, and wait until its process has; whether that came true."""
    live = control.find_mount(place)
    if live is None or live.socket is None:
        return False
    try:
        descriptor = os.pidfd_open(control.server_pid(live.socket))
    except (control.ControlError, OSError):
        return False
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        until = time.monotonic() + limit
        while not _readable(descriptor, 1.0):
            if time.monotonic() > until:
                return False
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return mountinfo.find(place) is None


def _readable(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])
