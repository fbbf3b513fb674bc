"""Reading attachments: from the cache where they are there, else by one download that serves everybody who reads.

`Content` is what the drive has of it, `Reader` one open attachment; what the readers of an attachment share, and how a
read finds its bytes, is in attachment.py.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable
from pathlib import Path

import trio
from cachetools import TTLCache

from wsfs.api.pacing import Lane
from wsfs.content.attachment import Attachment
from wsfs.content.cache import Cache
from wsfs.content.errors import ContentClosed
from wsfs.content.policy import Policy
from wsfs.content.prefetch import Prefetch, Siblings
from wsfs.content.source import Network, Source
from wsfs.content.trickle import Trickle

logger = logging.getLogger(__name__)

MEMORY = 1.0
"""Seconds for which a failure answers further reads, so that a program that hammers doesn't cost a request each."""


class Content:
    """The content of an account's attachments. Belongs to one trio thread; its tasks live in `nursery`.

    `download` makes one request (see Source). `ranges` is what an earlier mount found out about the server,
    `on_ranges` is called when something else is found. The cache is the caller's: started before, closed
    after the nursery's end.
    """

    def __init__(
        self,
        cache: Cache,
        download: Source,
        nursery: trio.Nursery,
        *,
        deadline: float = 30.0,
        ranges: bool | None = None,
        on_ranges: Callable[[bool], None] | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.cache = cache
        self.policy = policy or Policy()
        self.network = Network(download, deadline=deadline, ranges=ranges, on_ranges=on_ranges)
        self.waiting = 0
        """How many reads of persons wait."""
        self.prefetch = None if self.policy.pause is None else Prefetch(self, self.policy)
        self.failures: TTLCache[int, Exception] = TTLCache(1024, MEMORY, timer=trio.current_time)
        self.trickle = Trickle()
        self._nursery = nursery
        self._open: dict[int, Attachment] = {}
        self._recording = False

    def open(self, file_id: int, size: int, lane: Lane, place: Hashable = None) -> Reader:
        """A reader of the attachment that has `size` bytes by the API. No request, no waiting; close it.

        `place` is the directory that it is in: see Trickle.
        """
        attachment = self._open.get(file_id)
        if attachment is not None and attachment.size != size:
            # A file id names one content for ever; where the API says otherwise, believe the newer.
            attachment.supersede()
            attachment = None
        if attachment is None:
            attachment = self._open[file_id] = Attachment(self, file_id, size)
        return Reader(self, attachment, lane, place)

    def is_worth_it(self, file_id: int, size: int) -> bool:
        """Whether a program that reads on its own account gets to read it: see Policy."""
        return self.policy.is_worth_it(size, whole=size > self.policy.unasked and self.has(file_id, size))

    def looked(self, directory: Hashable) -> None:
        """A person opened `directory`: what is read of it unasked goes before what is read of others."""
        self.trickle.looked(directory)

    def opened(self, directory: Hashable, file_id: int, size: int, siblings: Siblings) -> None:
        """A person opened an attachment in `directory`, whose attachments `siblings` tells: see Prefetch."""
        if self.prefetch is not None:
            self.prefetch.opened(directory, file_id, size, siblings)

    async def fill(self, file_id: int, size: int, lane: Lane) -> None:
        """Have all of an attachment in the cache; costs no request where it is there.

        Raises NoRoom, the API's errors, WrongSize, ContentClosed. Cancellation leaves the download running,
        unless it is large and barely begun.
        """
        reader = self.open(file_id, size, lane)
        try:
            await reader.fill()
        finally:
            reader.close()

    def has(self, file_id: int, size: int) -> bool:
        """Whether all of it is on this machine."""
        entry = self.cache.find(file_id, size)
        return size == 0 or (entry is not None and entry.complete)

    def cached_percent(self, file_id: int, size: int) -> int:
        """How much of it is on this machine, rounded down."""
        if size == 0:
            return 100
        entry = self.cache.find(file_id, size)
        return entry.present.total * 100 // size if entry is not None else 0

    def is_open(self, file_id: int) -> bool:
        """Whether it is being read or fetched."""
        return file_id in self._open

    async def adopt(self, file_id: int, size: int, path: Path) -> None:
        """Move a file in as the content of a new attachment: see Cache.adopt. Costs no request."""
        await self.cache.adopt(file_id, size, path)
        self.record_soon()

    async def forget(self, file_id: int) -> None:
        """It vanished on the server: out of the cache. Who has it open sees what a new download says."""
        attachment = self._open.get(file_id)
        if attachment is not None:
            attachment.stop()
        await self.cache.forget(file_id)
        self.record_soon()

    async def clear(self) -> int:
        """Drop what is neither open nor pinned; the bytes that became free."""
        freed = await self.cache.clear()
        self.record_soon()
        return freed

    def status(self) -> dict[str, int]:
        """limit, used, files, pinned, hits, misses of the cache; downloads (requests made), open, streams (running)."""
        return {
            **self.cache.status(),
            "downloads": self.network.requests,
            "open": len(self._open),
            "streams": sum(len(attachment.streams) for attachment in self._open.values()),
        }

    # ------------------------------------------------------------------ for Attachment

    def start_soon(self, task: Callable[[], Awaitable[None]]) -> None:
        """Let a task run until the drive is unmounted. Raises ContentClosed where it is."""
        try:
            self._nursery.start_soon(task)
        except RuntimeError:  # the nursery's block is over
            self.network.closed = True
            raise ContentClosed("the drive is being unmounted") from None

    def record_soon(self) -> None:
        """Have the cache record, in the background, if it wants to."""
        if not self._recording and not self.network.closed and self.cache.wants_record:
            self._recording = True
            self._nursery.start_soon(self._record)

    async def _record(self) -> None:
        try:
            await self.cache.record()
        except Exception:
            logger.exception("The cache couldn't record what it has")
        finally:
            self._recording = False

    def ended(self, attachment: Attachment) -> None:
        """Nobody reads it and nothing runs for it."""
        if self._open.get(attachment.file_id) is attachment:
            del self._open[attachment.file_id]


class Reader:
    """An open attachment; read from one or many tasks. Made by Content.open, owned by the caller, who closes it."""

    __slots__ = ("_attachment", "_closed", "_content", "_furthest", "_place", "lane", "size")

    def __init__(self, content: Content, attachment: Attachment, lane: Lane, place: Hashable = None) -> None:
        attachment.readers += 1
        attachment.asked_for = attachment.asked_for or lane is not Lane.BACKGROUND
        self._attachment = attachment
        self._content = content
        self._closed = False
        self._furthest = 0
        self._place = place
        self.lane = lane
        self.size = attachment.size

    def read_now(self, offset: int, length: int) -> bytes | None:
        """min(length, size - offset) bytes by one pread, or None where not all of them are here: then await `read`."""
        end = min(offset + length, self.size)
        if end <= offset:
            return b""
        if end > self._furthest:
            self._furthest = end
        if self.lane is Lane.BACKGROUND:
            self._attachment.read_at = trio.current_time()
        entry = self._attachment.entry
        if entry is None or not entry.present.covers(offset, end):
            return None
        cache = self._content.cache
        data = cache.read(entry, offset, end - offset)
        if data is not None:
            cache.hits += 1
        return data

    async def read(self, offset: int, length: int) -> bytes:
        """min(length, size - offset) bytes, none beyond the end; waits for a download where they aren't here.

        Doesn't yield where they are. Waits as long as bytes move. Raises the API's errors, WrongSize,
        ContentClosed. Cancellation leaves the download running for others and for the cache.
        """
        data = self.read_now(offset, length)
        if data is not None:
            return data
        if self._closed:
            raise ContentClosed("this reader was closed")
        content = self._content
        content.cache.misses += 1
        end = min(offset + length, self.size)
        if self.lane is not Lane.PERSON:
            try:
                return await self._attachment.read(offset, end, self.lane, self._place)
            finally:
                self._attachment.read_at = trio.current_time()
        content.waiting += 1
        try:
            return await self._attachment.read(offset, end, Lane.PERSON)
        finally:
            content.waiting -= 1
            if content.prefetch is not None:
                content.prefetch.read()

    async def fill(self) -> None:
        """Have all of it in the cache: see Content.fill."""
        await self._attachment.fill(self.lane)

    def close(self) -> None:
        """Leave; the last one out may end the download (see Policy.finishes). May be called twice."""
        if not self._closed:
            self._closed = True
            if self.lane is not Lane.BACKGROUND:
                self._attachment.wanted = max(self._attachment.wanted, self._furthest)
            self._attachment.reader_left()
