"""Where the sockets of running mounts are, and which mounts there are."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from wsfs import mountinfo

SYSTEM_RUNTIME = Path("/run/wsfs")
"""For the drives of the machine, which are there before anybody is logged in, and after."""
_FINISHING = "finishing-"


def runtime_directories(user: int | None = None) -> Iterator[Path]:
    """Where the sockets of `user` (a uid; None: this process's) may be, the best place first."""
    own = user is None or user == os.geteuid()
    uid = os.geteuid() if user is None else user
    candidates = [Path("/run/user") / str(uid)]
    if own and (named := os.environ.get("XDG_RUNTIME_DIR")):
        candidates.insert(0, Path(named))
    for directory in candidates:
        with contextlib.suppress(OSError):
            if directory.stat().st_uid == uid:
                yield directory / "wsfs"
    if uid == 0:
        yield SYSTEM_RUNTIME
    if own:
        yield platformdirs.user_data_path("wsfs") / "run"


def socket_name(mountpoint: Path) -> str:
    """The file name of the socket for `mountpoint`, which has to be canonical (see mountinfo.canonical)."""
    return hashlib.sha256(os.fsencode(mountpoint)).hexdigest()[:20] + ".sock"


def control_path(mountpoint: Path, *, system: bool = False) -> Path:
    """Where the mount at `mountpoint` has its socket: what a mount hands to `serve_control`."""
    return (SYSTEM_RUNTIME if system else next(runtime_directories())) / socket_name(mountpoint)


def finishing_path(*, system: bool = False) -> Path:
    """Where this process has its socket once its drive is gone and it only sends on: a start may be at the other."""
    return (SYSTEM_RUNTIME if system else next(runtime_directories())) / f"{_FINISHING}{os.getpid()}.sock"


def finishing_sockets() -> list[Path]:
    """The sockets of this user's processes whose drives are gone and that send on, those that died too."""
    return [path for place in runtime_directories() for path in sorted(place.glob(f"{_FINISHING}*.sock"))]


@dataclass(frozen=True)
class LiveMount:
    """A mount of wsfs in the kernel's table; `socket` is None where no process seems to serve it."""

    mountpoint: Path
    socket: Path | None


def find_mount(mountpoint: Path) -> LiveMount | None:
    """The wsfs mount at exactly `mountpoint` (canonical), or None when nothing of ours is there."""
    mount = mountinfo.find(mountpoint)
    if mount is None or not mount.fstype.startswith("fuse"):
        return None
    path = _socket_of(mount)
    return LiveMount(mountpoint, path) if mount.is_wsfs or path is not None else None


def live_mounts() -> list[LiveMount]:
    """Every mount of wsfs that this user may ask about, in the order of mounting."""
    found: dict[Path, LiveMount] = {}
    for mount in mountinfo.mounts():
        if os.geteuid() not in (0, mount.user) or not mount.fstype.startswith("fuse"):
            continue
        live = find_mount(mount.mountpoint)
        if live is not None:
            found[live.mountpoint] = live
    return list(found.values())


def _socket_of(mount: mountinfo.Mount) -> Path | None:
    name = socket_name(mount.mountpoint)
    return next((path for place in runtime_directories(mount.user) if (path := place / name).exists()), None)
