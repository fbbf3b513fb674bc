"""What is mounted where, read from the kernel's table without touching any mount.

A FUSE mount whose process has died answers every stat with an error, and one whose process hangs doesn't
answer at all; so nothing here follows a path into a mount of ours before the table has been asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")

_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """One line of the table; `user` is the uid that mounted a FUSE file system, None for others.

    `device` is "MAJOR:MINOR"; of a FUSE file system, MINOR is the number of its connection.
    """

    mountpoint: Path
    fstype: str
    source: str
    user: int | None = None
    device: str = ""

    @property
    def is_wsfs(self) -> bool:
        return self.fstype == "fuse.wsfs"


def parse(table: str) -> list[Mount]:
    """Read the text of /proc/PID/mountinfo (proc(5)); lines of an unknown shape are skipped."""
    mounts = []
    for line in table.splitlines():
        before, separator, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if not separator or len(fields) < 6 or len(rest) < 2:
            continue
        user = re.search(r"(?:^|,)user_id=(\d+)", rest[2] if len(rest) > 2 else "")
        mounts.append(
            Mount(
                mountpoint=Path(_unescape(fields[4])),
                fstype=rest[0],
                source=_unescape(rest[1]),
                user=int(user[1]) if user else None,
                device=fields[2],
            )
        )
    return mounts


def mounts() -> list[Mount]:
    """Everything mounted, as this process sees it, in the order of mounting; OSError without /proc."""
    return parse(MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape"))


def find(mountpoint: Path, table: Sequence[Mount] | None = None) -> Mount | None:
    """The mount on top of exactly `mountpoint` (an absolute path), or None."""
    found = None
    for mount in mounts() if table is None else table:
        if mount.mountpoint == mountpoint:
            found = mount  # a later line lies over an earlier one
    return found


def containing(path: Path, table: Sequence[Mount] | None = None) -> Mount | None:
    """The mount that the absolute `path` lies in: the one with the longest mountpoint, the last of equals."""
    found: Mount | None = None
    for mount in mounts() if table is None else table:
        if path.is_relative_to(mount.mountpoint) and (
            found is None or len(mount.mountpoint.parts) >= len(found.mountpoint.parts)
        ):
            found = mount
    return found


def canonical(path: str | os.PathLike[str], table: Sequence[Mount] | None = None) -> Path:
    """`path` absolute and free of symbolic links, as the kernel's table spells it.

    Nothing below a mountpoint of wsfs is touched: what follows one is taken as written.
    """
    table = mounts() if table is None else table
    ours = {mount.mountpoint for mount in table if mount.is_wsfs}
    done = Path("/")
    parts = list(Path(os.path.normpath(Path(path).absolute())).parts[1:])
    links = 0
    while parts:
        if done in ours:
            return done.joinpath(*parts)
        step = done / parts.pop(0)
        target = _target(step) if step not in ours and links < 40 else None
        if target is not None:
            links += 1
            done, parts = Path("/"), [*Path(os.path.normpath(done / target)).parts[1:], *parts]
        else:
            done = step
    return done


def _target(path: Path) -> Path | None:
    """Where a symbolic link leads; None for everything else, and for what can't be looked at."""
    try:
        return path.readlink()
    except OSError:
        return None


def _unescape(field: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), field)
