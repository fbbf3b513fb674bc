"""A download that nothing is kept of: for attachments that the cache has no room for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from wsfs.api.pacing import Lane
from wsfs.content.source import Network
from wsfs.content.stream import Stream

MIB = 1 << 20
KEEP = 8 * MIB
"""Bytes before `position` that stay readable: programs and the kernel's read-ahead ask out of order."""
AHEAD = 4 * MIB
"""How far the stream runs ahead of the furthest reader."""
IDLE = 30.0
"""Seconds after which a window that nobody reads lets go of its connection."""


class Window(Stream):
    """Keeps the last bytes in memory, and waits for its readers: they see every byte that they ask for in time."""

    def __init__(
        self,
        network: Network,
        file_id: int,
        size: int,
        start: int,
        wanted: int,
        lane: Lane,
        on_end: Callable[[Stream], None],
    ) -> None:
        super().__init__(network, file_id, size, start, lane, on_end)
        self._pieces: deque[tuple[int, bytes]] = deque()
        self._first = wanted  # nothing before this is worth keeping
        self._furthest = wanted
        self._reading: list[tuple[int, int]] = []
        self._parked: trio.Event | None = None

    def holds(self, offset: int) -> bool:
        """Whether the byte at `offset` can be had without waiting."""
        return bool(self._pieces) and self._pieces[0][0] <= offset < self.position

    async def fetch(self, offset: int, end: int, patience: float) -> bytes | None:
        """`[offset, end)` once it has come, less at the file's end; None: look for another stream, or here again.

        `end - offset` is far less than KEEP. Raises what the stream failed of.
        """
        reading = (offset, end)
        self._reading.append(reading)
        try:
            self._furthest = max(self._furthest, end)
            self.wanted_at = trio.current_time()
            if self._parked is not None:
                self._parked.set()
            if not self.holds(offset) or self.position < end:
                await self.reach(end, patience)
            return self._cut(offset, end)
        finally:
            self._reading.remove(reading)
            if self._parked is not None:
                self._parked.set()

    def _cut(self, offset: int, end: int) -> bytes | None:
        if not self.holds(offset) or self.position < end:
            return None
        parts = []
        for start, data in self._pieces:
            stop = start + len(data)
            if stop > offset and start < end:
                parts.append(data[max(0, offset - start) : min(len(data), end - start)])
        return b"".join(parts)

    def _take(self, offset: int, data: bytes) -> None:
        skip = max(0, max(self.position, self._first) - offset)
        if skip < len(data):
            self._pieces.append((offset + skip, data[skip:] if skip else data))
        lowest = min((start for start, _ in self._reading), default=self.position)
        keep = min(lowest, offset + len(data) - KEEP)
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][1]) <= keep:
            self._pieces.popleft()

    def _ahead(self) -> bool:
        if self.position >= self._furthest + AHEAD:
            return True
        return any(end <= self.position and self.position - start >= KEEP for start, end in self._reading)

    async def _room(self) -> None:
        while self._ahead():
            if await self._idle():
                self.stop()
                await trio.lowlevel.checkpoint()

    async def _linger(self) -> None:
        # Who is still reading what had come would otherwise need another download for the rest of it.
        while self._reading or self._furthest < self.position:
            if await self._idle():
                return

    async def _idle(self) -> bool:
        """Wait until a reader comes or goes; True where none has for a while."""
        self._parked = trio.Event()
        with trio.move_on_after(IDLE) as idle:
            await self._parked.wait()
        self._parked = None
        return idle.cancelled_caught and not self._reading
