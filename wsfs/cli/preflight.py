"""What has to be right before a mount is tried: each failure one sentence that says what to do.

A mountpoint is looked up in the kernel's table before it is touched, as a dead mount answers a stat with an error
and a hung one not at all.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

from wsfs import control, mountinfo
from wsfs.cli.errors import UserError
from wsfs.config import Settings

DEVICE = Path("/dev/fuse")
FUSE_CONF = Path("/etc/fuse.conf")
PROBE_SECONDS = 2.0


def check(settings: Settings) -> None:
    """Raise UserError for whatever would keep the mount from working on this machine."""
    check_fuse()
    if settings.allow_other:
        check_allow_other()
    check_mountpoint(settings.mountpoint)


def check_fuse() -> None:
    """The kernel's device and the program that lets an ordinary user mount."""
    if not DEVICE.exists():
        raise UserError(
            f"there is no {DEVICE} on this machine; load the kernel's module with `sudo modprobe fuse` "
            "(a container has to be given the device)"
        )
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        raise UserError(
            f"you may not open {DEVICE}; `sudo chmod 666 {DEVICE}` allows it, as systems usually do"
        )
    if shutil.which("fusermount3") is None:
        raise UserError("fusermount3 is missing; install it with `sudo apt install fuse3`")


def check_allow_other() -> None:
    """Only root may let other users in, unless /etc/fuse.conf says that everybody may."""
    if os.geteuid() == 0:
        return
    try:
        lines = FUSE_CONF.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    if "user_allow_other" not in (line.strip() for line in lines):
        raise UserError(
            f"allow_other isn't permitted to ordinary users here; an administrator permits it by the line "
            f"user_allow_other in {FUSE_CONF}"
        )


def make_mountpoint(place: Path) -> None:
    """Make the directory of a mountpoint that nobody named at the prompt, if it isn't there. Raises UserError."""
    try:
        place.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        pass  # no directory, which the check will tell
    except OSError as error:
        raise UserError(f"the mountpoint {place} can't be made: {error.strerror}") from error


def check_mountpoint(place: Path) -> None:
    """An empty directory of this user's, with nothing mounted on it. `place` has to be canonical."""
    mount = mountinfo.find(place)
    if mount is not None:
        raise UserError(_occupied(place, mount))
    try:
        with os.scandir(place) as entries:
            empty = next(entries, None) is None
    except FileNotFoundError:
        raise UserError(f"{place} doesn't exist; make it with `mkdir -p {place}`") from None
    except NotADirectoryError:
        raise UserError(f"{place} is not a directory; choose an empty directory to mount at") from None
    except OSError as error:
        if error.errno == errno.ENOTCONN:  # below a dead mount
            raise UserError(
                f"{place} lies in a dead mount; clear that one first, see `wsfs status`"
            ) from None
        raise UserError(f"{place} can't be looked into: {error.strerror}") from error
    if not empty:
        raise UserError(f"{place} is not empty; choose an empty directory to mount at")
    if not os.access(place, os.W_OK):
        raise UserError(
            f"you may not write to {place}, which mounting at it needs; choose a directory of yours"
        )


def _occupied(place: Path, mount: mountinfo.Mount) -> str:
    if not mount.fstype.startswith("fuse"):
        return f"something else is mounted at {place} ({mount.fstype}); choose another directory"
    live = control.find_mount(place)
    if live is not None and live.socket is not None:
        try:
            pid = control.server_pid(live.socket)
        except control.NotServed:
            pass
        else:
            return f"{place} is already mounted (process {pid}); `wsfs umount {place}` ends that"
    match probe(place):
        case None:
            return f"{place} is a mount that doesn't answer; `fusermount3 -uz {place}` takes it away"
        case errno.ENOTCONN:
            return (
                f'{place} is a mount whose process is gone ("Transport endpoint is not connected"); '
                f"`wsfs umount {place}` clears it"
            )
        case _:
            return f"{place} is already mounted ({mount.source}); choose another directory"


def probe(place: Path, seconds: float = PROBE_SECONDS) -> int | None:
    """The errno of a statfs of `place`, 0 when it works, None when there is no answer in time.

    A stat would be answered by the kernel, which remembers attributes beyond the death of a mount's process.
    The call is made in a thread that is left behind if it hangs; a wait for FUSE ends with the process.
    """
    outcome: list[int] = []

    def look() -> None:
        try:
            os.statvfs(place)
        except OSError as error:
            outcome.append(error.errno or errno.EIO)
        else:
            outcome.append(0)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(seconds)
    return outcome[0] if outcome else None
