"""Having the kernel begin to write a large content to the disk while it still comes in, so that its close waits less.

A close syncs the content, and for what was written without a pause the whole of it would be left to do then. This only
begins it: what is on the disk is for fsync alone to say, and to fail of.
"""

from __future__ import annotations

import ctypes
import os
import queue
import threading
from collections.abc import Callable

EVERY = 8 << 20
"""Bytes that are written to a content between two beginnings."""

MOST = 4
"""Beginnings that may wait for the disk; with more it has enough to do."""

_SYNC_FILE_RANGE_WRITE = 2  # linux/fs.h


def _begin() -> Callable[[int], None] | None:
    """What begins to write all that is dirty of a file: sync_file_range(2), which reports nothing and waits for
    nothing but a place in the disk's queue. None where the C library has none."""
    try:
        call = ctypes.CDLL(None, use_errno=True).sync_file_range
    except (OSError, AttributeError):
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return lambda descriptor: call(descriptor, 0, 0, _SYNC_FILE_RANGE_WRITE) and None


class Writeback:
    """Begins to write contents, in a thread of its own from the first one on; `close` ends that.

    `begin` is for tests.
    """

    def __init__(self, begin: Callable[[int], None] | None = None) -> None:
        self._begin = begin or _begin()
        self._descriptors: queue.Queue[int | None] = queue.Queue(MOST)
        self._thread: threading.Thread | None = None

    def begin(self, descriptor: int) -> None:
        """Begin to write the file, of which the caller may close the descriptor at once; never waits, never raises."""
        if self._begin is None or self._descriptors.full():
            return
        try:
            own = os.dup(descriptor)
        except OSError:
            return
        self._descriptors.put_nowait(own)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="wsfs-writeback", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait for what was begun; blocks on the disk."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._descriptors.put(None)
            thread.join()

    def _run(self) -> None:
        assert self._begin is not None
        while (descriptor := self._descriptors.get()) is not None:
            try:
                self._begin(descriptor)
            finally:
                os.close(descriptor)
