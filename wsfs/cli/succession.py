"""Who holds the directories of a mount, and how the next one comes after one that is only finishing.

A mount that was taken away from outside (`umount /mnt/acme`) goes on sending for a while, without a mount. The next one
asks it to leave off, and has what it left: nothing is lost, as all of it is in the journal.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

LOCKS = Path("/proc/locks")
NOTE = "mount.json"


@dataclass(frozen=True)
class Holder:
    """The process that holds a directory; `ending` once its mount is gone."""

    pid: int
    mountpoint: str
    ending: bool


def note(directory: Path, mountpoint: Path, *, ending: bool = False) -> None:
    """Say in a directory that this process holds who that is. A failure only costs those who come a good sentence."""
    text = json.dumps({"pid": os.getpid(), "mountpoint": str(mountpoint), "ending": ending})
    with contextlib.suppress(OSError):
        (directory / NOTE).write_text(text, encoding="utf-8")


def forget(directory: Path) -> None:
    """Take the note away, at the end."""
    with contextlib.suppress(OSError):
        (directory / NOTE).unlink(missing_ok=True)


def holder(directory: Path) -> Holder | None:
    """Who has locked a directory, by his own note; None where nobody has, or he isn't the one of the note."""
    try:
        said = json.loads((directory / NOTE).read_text(encoding="utf-8"))
        found = Holder(int(said["pid"]), str(said["mountpoint"]), bool(said["ending"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.pid in _lockers(directory) else None


def hurry(holder: Holder) -> None:
    """Ask a process that is only finishing to leave off."""
    with contextlib.suppress(OSError):
        os.kill(holder.pid, signal.SIGTERM)


def _lockers(directory: Path) -> set[int]:
    """The processes that hold a lock on a directory (proc(5): locks)."""
    try:
        inode = directory.stat().st_ino
        lines = LOCKS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    fields = [line.split() for line in lines if " FLOCK " in line and "->" not in line]
    return {int(one[4]) for one in fields if len(one) > 5 and one[5].rpartition(":")[2] == str(inode)}
