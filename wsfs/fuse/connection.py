"""The end of the connection between the kernel and a mount's process.

A program that makes a file holds the lock of its directory until it is answered. A thread that tells the kernel of a
name in there waits for that lock, in a write to /dev/fuse, and so keeps that open: once nobody answers any more, the
program, the thread and with it the process would wait for each other for ever, kill -9 or not (seen in a torture's
784th round). Cutting the connection answers the program with an error, and everything goes on.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

CONNECTIONS = Path("/sys/fs/fuse/connections")
ENOUGH = 0.2
"""Seconds in which a thread that isn't held up is out of the kernel again."""
_LOOK_EVERY = 0.01


def close(
    device: int,
    in_kernel: Callable[[], bool],
    unmount: Callable[[], None],
    *,
    connections: Path = CONNECTIONS,
) -> None:
    """Unmount, once nobody answers the kernel any more; `unmount` closes /dev/fuse, and `device` is the mount's st_dev.

    Where a thread is `in_kernel` and doesn't come back, the connection is cut afterwards. A failure of that only
    warns, and says what frees the program. Blocks: for a worker thread.
    """
    own = _duplicate() if _stays(in_kernel) else None
    if own is None:
        unmount()
        return
    try:
        unmount()
        # The number of a mount that has gone may be another's: only with ours alive it is ours.
        if _is_connected(own):
            _cut(connections / str(os.minor(device)) / "abort")
    finally:
        os.close(own)


def _stays(in_kernel: Callable[[], bool]) -> bool:
    until = time.monotonic() + ENOUGH
    while in_kernel():
        if time.monotonic() >= until:
            return True
        time.sleep(_LOOK_EVERY)
    return False


def _duplicate() -> int | None:
    """A descriptor more of /dev/fuse, of which this process has one: pyfuse3 doesn't tell its number."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if os.readlink(entry) == "/dev/fuse":  # noqa: PTH115 - no path: what it links to need not be there
                return os.dup(int(entry.name))
        except OSError:
            continue
    return None


def _is_connected(descriptor: int) -> bool:
    """Whether the kernel still has the mount, be it in the tree or detached: once it has gone, whoever has /dev/fuse
    open is told so (the kernel's fs/fuse/dev.c, fuse_dev_poll)."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return not poll.poll(0)


def _cut(switch: Path) -> None:
    try:
        switch.write_text("1")
    except OSError as error:
        log.warning(
            "A program waits for the drive that has ended, and %s can't be written (%s): as root, mount fusectl at "
            "%s, and write 1 to that",
            switch,
            error.strerror,
            switch.parent.parent,
        )
    else:
        log.info("A program was held up in the drive that has ended: its call failed")
