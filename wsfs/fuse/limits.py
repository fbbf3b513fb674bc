"""What the kernel allows a mount: how many calls may be under way at once, and how much a call reads.

A stalled download is to hold nobody else up.

By default the kernel lets 12 background requests of a mount be under way, read-ahead among them, and pyfuse3
serves with 99 tasks: twenty readers of a hanging download, and a read of a cached file waits for them
(measured: 7.3 s; with these limits 4 ms).

It reads 128 KiB ahead, with a call for each; where the mounting user may have it read more, a cached file is read
twice as fast (measured, seconds for 512 MiB: 0.35 at 128 KiB, 0.18 at 512, 0.16 at 1024, and no better beyond).
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from wsfs.fuse.connection import CONNECTIONS

log = logging.getLogger(__name__)

MAX_TASKS = 1000
MAX_BACKGROUND = 500
READ_AHEAD = 1024
"""KiB: as much as one READ may ask for."""
_BACKING = Path("/sys/class/bdi")
_ADMIN_LIMIT = Path("/sys/module/fuse/parameters/max_user_bgreq")


def raise_background_limit(
    device: int, *, connections: Path = CONNECTIONS, limit: Path = _ADMIN_LIMIT
) -> None:
    """Let more of the mount's requests be under way; `device` is the st_dev of its root.

    Up to what the administrator allows an ordinary user. A failure only warns: the drive works all the same.
    Blocks for a moment: for a worker thread.
    """
    wanted = MAX_BACKGROUND
    try:
        wanted = min(wanted, int(limit.read_text()))
    except (OSError, ValueError):
        pass
    directory = connections / str(os.minor(device))
    try:
        # In this order: the threshold may not be over the maximum.
        (directory / "max_background").write_text(f"{wanted}\n")
        (directory / "congestion_threshold").write_text(f"{wanted}\n")
    except OSError as error:
        log.warning(
            "%s can't be raised (%s): many stalled downloads at once may hold up other reads; "
            "mount fusectl at %s to mend it",
            directory / "max_background",
            error.strerror,
            connections,
        )


def raise_read_ahead(device: int, *, backing: Path = _BACKING) -> None:
    """Have the kernel read more of the mount ahead, where the user may: that is root alone, and nobody misses it.

    `device` is the st_dev of the mount's root. Blocks for a moment: for a worker thread.
    """
    setting = backing / f"{os.major(device)}:{os.minor(device)}" / "read_ahead_kb"
    try:
        if int(setting.read_text()) < READ_AHEAD:
            setting.write_text(f"{READ_AHEAD}\n")
    except (OSError, ValueError) as error:
        log.debug("%s can't be raised: %s", setting, error)
