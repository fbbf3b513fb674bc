"""The process's memory: how much of what it frees it keeps, and when the garbage collector looks through it.

What a download and a large read take, they take again at once: both allocate up to a megabyte at a time, and free it a
moment later. glibc gives the end of its heap back to the kernel as soon as a few megabytes of it are free, and takes it
again, cleared, with a page fault for each 4 KiB: with luck about what lies behind, never; without, 200,000 times while
1 GiB is downloaded, which took 2.7 s in place of 1.9.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
from collections.abc import Iterator

log = logging.getLogger(__name__)

KEPT = 32 * 1024 * 1024
"""Bytes: glibc's own limits, which it raises by what it sees a program free, go as far for mappings (mallopt(3))."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h."""


def keep_freed() -> bool:
    """Keep up to KEPT freed bytes, and map nothing smaller; False where the C library knows no such limits."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        log.debug("the C library has no mallopt(3): freed memory is kept as it likes")
        return False
    return bool(mallopt(_TRIM_THRESHOLD, KEPT)) and bool(mallopt(_MMAP_THRESHOLD, KEPT))


@contextlib.contextmanager
def collecting_later() -> Iterator[None]:
    """Fill the tree without the garbage collector, which would look through it again and again as it grows.

    Measured with 100,000 attachments: half the time. What is there then stays, and is left out of later looks.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
