"""Telling the kernel what is no longer so, from worker threads.

The tree is changed first and no lock is held. An invalidation of a name waits in the kernel for the lock of its
directory, which a lookup there holds while it waits for the network, and whoever comes next in that directory
waits behind the invalidation; so names of a directory that a handler waits in are kept back until it is done.
The asynchronous form of pyfuse3 is no help: one such wait holds up all that follow (measured: 4.7 s).
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import os
from collections import Counter
from collections.abc import Iterator

import pyfuse3
import trio

from wsfs.tree.layout import Changes

log = logging.getLogger(__name__)

THREADS = 4
DATES_WAIT = 0.5
"""Seconds in which the kernel hears that times are others: each file that is copied in changes its directory's."""

_EXPECTED = frozenset(
    {errno.ENOENT, errno.ENOTEMPTY, errno.EINVAL, errno.EBADF, errno.ENODEV, errno.ENOTCONN}
)


class Notifier:
    """Takes changes at any time (`tell`), and hands them to the kernel while `run` does."""

    def __init__(self) -> None:
        self._entries: dict[int, set[str]] = {}
        self._inodes: set[int] = set()
        self._dated: set[int] = set()
        self._dates_due = math.inf
        self._waiting: Counter[int] = Counter()
        self._under_way: set[int] = set()
        self._news = trio.Event()
        self._limiter = trio.CapacityLimiter(THREADS)

    def tell(self, changes: Changes) -> None:
        """Note what the kernel has to forget; never waits."""
        for directory, name in changes.entries:
            self._entries.setdefault(directory, set()).add(name)
        self._inodes |= changes.inodes
        self._news.set()

    def tell_dates(self, inodes: set[int]) -> None:
        """Note inodes whose times alone are others, for a moment later; never waits."""
        self._dated |= inodes
        if self._dates_due == math.inf:
            self._dates_due = trio.current_time() + DATES_WAIT
            self._news.set()

    @contextlib.contextmanager
    def waits_in(self, *directories: int) -> Iterator[None]:
        """While a handler waits for the network in these directories, their names are kept back."""
        self._waiting.update(directories)
        try:
            yield
        finally:
            for directory in directories:
                self._waiting[directory] -= 1
                if self._waiting[directory] <= 0:
                    del self._waiting[directory]
            self._news.set()

    def in_kernel(self) -> bool:
        """Whether a thread is telling the kernel something; one that `run` left behind too. In any thread."""
        return self._limiter.borrowed_tokens > 0

    async def run(self) -> None:
        """Hand changes over until cancelled; a thread that hangs in the kernel is left behind then."""
        async with trio.open_nursery() as nursery:
            while True:
                with trio.move_on_at(self._dates_due):
                    await self._news.wait()
                self._news = trio.Event()
                if self._dates_due <= trio.current_time():
                    self._inodes |= self._dated
                    self._dated, self._dates_due = set(), math.inf
                inodes, self._inodes = self._inodes, set()
                if inodes:
                    nursery.start_soon(self._hand_over, None, inodes, ())
                held = self._waiting.keys() | self._under_way
                for directory in [one for one in self._entries if one not in held]:
                    names = self._entries.pop(directory)
                    self._under_way.add(directory)
                    nursery.start_soon(self._hand_over, directory, (), names)
                await trio.lowlevel.checkpoint()

    async def _hand_over(
        self, directory: int | None, inodes: set[int] | tuple[()], names: set[str] | tuple[()]
    ) -> None:
        try:
            await trio.to_thread.run_sync(
                _invalidate, directory, inodes, names, limiter=self._limiter, abandon_on_cancel=True
            )
        finally:
            if directory is not None:
                self._under_way.discard(directory)
                self._news.set()


def _invalidate(directory: int | None, inodes: set[int] | tuple[()], names: set[str] | tuple[()]) -> None:
    for inode in inodes:
        with _expected_errors():
            pyfuse3.invalidate_inode(pyfuse3.InodeT(inode), attr_only=True)
    if directory is not None:
        for name in names:
            with _expected_errors():
                pyfuse3.invalidate_entry(pyfuse3.InodeT(directory), pyfuse3.FileNameT(os.fsencode(name)))


@contextlib.contextmanager
def _expected_errors() -> Iterator[None]:
    """What the kernel doesn't hold needs no forgetting; and an unmount may come in between."""
    try:
        yield
    except OSError as error:
        if error.errno not in _EXPECTED:
            log.info("The kernel couldn't be told of a change: %s", error)
