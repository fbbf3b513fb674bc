"""What became of the content of attachments that are gone from the service: it leaves this machine, pinned or not.

Theory of operation
    A file that a colleague deleted can't be seen here any more, so nobody could read what is kept of it, nor unpin it.
    It goes a while after it went there: an answer that lacked something for once, or a task that moves, doesn't cost
    the download, or the pin, of what is told again. Nor does it go while it is open.

    What only isn't shown (an archived project, say) may come back as it was, and stays: see Sink.vanished.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

import trio

from wsfs.tree.nodes import File

log = logging.getLogger(__name__)

GRACE = 600.0
"""Seconds for which what is gone may come back."""
AGAIN = 60.0
"""Seconds after which one that was open is looked at again."""


class Contents(Protocol):
    """What it needs of the content cache."""

    def is_open(self, file_id: int) -> bool: ...
    async def forget(self, file_id: int) -> None: ...


class Pins(Protocol):
    """What it needs of the pins."""

    def unpin(self, files: Iterable[tuple[int, int]]) -> int: ...


class Departures:
    """Forgets the content of what is gone. `there` is the tree's table of attachments by id.

    `run` is its one long-lived task. Cancelled, it lets go of the pins of what it still waits for, as the next mount
    doesn't know of it; the room then goes to what is read.
    """

    def __init__(self, there: Mapping[int, object], contents: Contents, pins: Pins) -> None:
        self._there = there
        self._contents = contents
        self._pins = pins
        self._leaving: dict[int, tuple[int, float]] = {}  # file id → size, and when it goes
        self._news = trio.Event()

    def gone(self, files: Iterable[File]) -> None:
        """These attachments aren't on the service any more. Synchronous."""
        due = trio.current_time() + GRACE
        self._leaving.update({file.id: (file.size, due) for file in files})
        self._news.set()
        self._news = trio.Event()

    async def run(self) -> None:
        """Forget what has been gone for long enough, for ever."""
        try:
            while True:
                news = self._news
                next_due = min((due for _, due in self._leaving.values()), default=float("inf"))
                with trio.move_on_at(next_due):
                    await news.wait()
                await self._forget_due()
        finally:
            self._unpin(list(self._leaving))

    async def _forget_due(self) -> None:
        now = trio.current_time()
        due = [file_id for file_id, (_, when) in self._leaving.items() if when <= now]
        for file_id in due:
            if self._contents.is_open(file_id):
                self._leaving[file_id] = (self._leaving[file_id][0], now + AGAIN)
                continue
            unpinned = self._unpin([file_id])
            del self._leaving[file_id]
            if file_id in self._there:
                continue
            if unpinned:
                log.info(
                    "Attachment %d, which was pinned, is gone from Worksection, and now from here", file_id
                )
            await self._contents.forget(file_id)

    def _unpin(self, file_ids: list[int]) -> int:
        """Unpin those that haven't come back; how many were pinned."""
        return self._pins.unpin(
            [(file_id, self._leaving[file_id][0]) for file_id in file_ids if file_id not in self._there]
        )
