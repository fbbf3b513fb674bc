"""Taking away what a mount of ours left behind when its process died, so that the next start needs nobody's hand.

A mount is dead when the kernel says so ("Transport endpoint is not connected"). Killed while a thread of it was in the
kernel, a process may hang there, and its mount with it: the thread tells the kernel of a change and waits for a
directory that a program holds, which waits for the mount. Only cutting the connection frees both, through
/sys/fs/fuse/connections, whose files belong to the user who mounted. Nothing that lives is ever touched.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from wsfs import control, mountinfo
from wsfs.cli import preflight
from wsfs.cli.errors import UserError

CONNECTIONS = Path("/sys/fs/fuse/connections")
PROC = Path("/proc")
END_SECONDS = 10.0
"""For a killed process to end once its connection is cut, and for one that is just dying."""
_LOOK_EVERY = 0.05
_CLEAR_SECONDS = 60.0
_LAYERS = 16  # dead mounts over each other, each of which a start put there that didn't look


def heal(place: Path, *, warn: Callable[[str], None] = lambda sentence: None) -> bool:
    """Take away dead mounts of wsfs at exactly `place` (canonical); whether there were any.

    A mount that lives, that is somebody else's, or that is no drive of wsfs is left alone, for `preflight` to tell
    of. One that a program stands in is detached: it is gone from the tree, and the program keeps what it holds.
    UserError when a dead one can't be taken away. `warn` is told what was done.
    """
    healed = False
    for _ in range(_LAYERS):
        mount = mountinfo.find(place)
        if mount is None or not mount.is_wsfs or not _may(mount):
            break
        dead = _is_dead(mount)
        if mountinfo.find(place) == mount:  # else it went as its connection was cut
            if not dead:
                break
            detach(place)
        healed = True
    if healed:
        warn(f"the drive that was at {place} had died; what was left of it is cleared away")
    return healed


def detach(place: Path) -> None:
    """Take a dead mount away: out of the tree at once, also when a program stands in it. Raises UserError."""
    try:
        clear(place)
    except UserError:
        if mountinfo.find(place) is not None:
            clear(place, lazy=True)


def clear(place: Path, *, lazy: bool = False) -> None:
    """Take away a mount without the help of its process; UserError with fusermount3's own words."""
    command = ["fusermount3", "-u", *(["-z"] if lazy else []), str(place)]
    try:
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=_CLEAR_SECONDS, check=False)
    except FileNotFoundError:
        raise UserError("fusermount3 is missing; install it with `sudo apt install fuse3`") from None
    except subprocess.TimeoutExpired:
        raise UserError(
            f"`{' '.join(command)}` doesn't come back; end the process of the mount first"
        ) from None
    if outcome.returncode != 0 and mountinfo.find(place) is not None:
        words = " ".join(outcome.stderr.split()) or f"code {outcome.returncode}"
        raise UserError(
            f"{place} can't be unmounted ({words}); `fusermount3 -uz {place}` does it in any case"
        )


def _may(mount: mountinfo.Mount) -> bool:
    return os.geteuid() in (0, mount.user)


def _is_dead(mount: mountinfo.Mount) -> bool:
    """Whether nobody serves a mount any more. May cut its connection, where the process of it was killed and hangs."""
    pid = _server(mount.mountpoint)
    if pid is not None:
        if not is_dying(pid):
            return False
        if not _ends(pid, END_SECONDS / 10):  # most are gone in a moment
            abort(mount)
            if not _ends(pid, END_SECONDS):
                raise UserError(
                    f"the process {pid} of the dead drive at {mount.mountpoint} can't end; "
                    f"`sudo umount -f {mount.mountpoint}` frees it"
                )
    return preflight.probe(mount.mountpoint) == errno.ENOTCONN


def _server(place: Path) -> int | None:
    """The process whose control socket stands for a mount, be it alive or hanging."""
    live = control.find_mount(place)
    if live is None or live.socket is None:
        return None
    try:
        return control.server_pid(live.socket)
    except control.NotServed:
        return None


def is_dying(pid: int) -> bool:
    """Whether a process is gone, or was killed and has only not come to its end (proc(5): status)."""
    try:
        lines = (PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        return False
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if status.get("State", "")[:1] in ("Z", "X"):
        return True
    killed = 1 << (signal.SIGKILL - 1)
    return any(int(status.get(name, "0"), 16) & killed for name in ("SigPnd", "ShdPnd"))


def _ends(pid: int, seconds: float) -> bool:
    """Wait until no thread of a process is left; whether that came true. A zombie has none that could hold anything."""
    until = time.monotonic() + seconds
    while _threads(pid):
        if time.monotonic() >= until:
            return False
        time.sleep(_LOOK_EVERY)
    return True


def _threads(pid: int) -> list[str]:
    """The threads of a process that have not ended."""
    alive = []
    with contextlib.suppress(OSError):
        for thread in (PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                if (thread / "stat").read_text(errors="replace").rpartition(") ")[2][:1] not in ("Z", "X"):
                    alive.append(thread.name)
    return alive


def abort(mount: mountinfo.Mount) -> None:
    """Cut the connection between the kernel and the process of a mount: every call that hangs in it returns.

    Root does it by a forced unmount where the kernel's switch isn't at hand, as fusectl isn't mounted; for everybody
    else that is a UserError.
    """
    switch = CONNECTIONS / mount.device.rpartition(":")[2] / "abort"
    try:
        switch.write_text("1")
    except OSError as error:
        if os.geteuid() == 0 and _force(mount.mountpoint):
            return
        raise UserError(
            f"the process of the drive at {mount.mountpoint} was killed and hangs in the kernel, and {switch} can't "
            f"be written ({error.strerror}); `sudo umount -f {mount.mountpoint}` frees it"
        ) from error


def _force(place: Path) -> bool:
    """Unmount by force, which cuts the connection first; whether that came true, be the mount in use or not."""
    command = ["umount", "-i", "-f", "--", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_CLEAR_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 or "busy" in done.stderr
