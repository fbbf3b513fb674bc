"""What is being read of one attachment: the streams and readers that share it, its turn, its room in the cache.

Theory of operation
    What is being read has one `Attachment`, however many readers it has. It holds the cache's entry, so that
    nothing that is open is evicted, and the running streams. A read looks in a loop: what is present is read;
    what isn't has a stream that will bring it, or gets one; then it waits for its own range and looks again.
    Streams are tasks of the nursery that was handed in and outlive their readers where the policy says so.

    A reader in the background lane (a thumbnailer) starts a stream in its turn only, see trickle.py, and keeps the
    turn until that stream has ended, or nobody has read for a while, or a person reads the attachment too.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Hashable, MutableMapping
from typing import Protocol

import trio

from wsfs.api.errors import LoginRefused
from wsfs.api.pacing import Lane
from wsfs.content.cache import Cache
from wsfs.content.entry import Entry
from wsfs.content.errors import ContentClosed, NoRoom, WrongSize
from wsfs.content.policy import Policy
from wsfs.content.source import Network
from wsfs.content.stream import Stream
from wsfs.content.transfer import Transfer
from wsfs.content.trickle import Trickle
from wsfs.content.window import Window

PIECE = 1 << 20
"""What is read of a window at once."""


class Shared(Protocol):
    """What all attachments of an account share: Content is that.

    `failures` answer further reads of a file for a moment, so that a program that hammers doesn't cost a request
    each.
    """

    cache: Cache
    policy: Policy
    network: Network
    trickle: Trickle

    @property
    def failures(self) -> MutableMapping[int, Exception]: ...

    def start_soon(self, task: Callable[[], Awaitable[None]]) -> None:
        """Let a task run until the drive is unmounted. Raises ContentClosed where it is."""

    def record_soon(self) -> None:
        """Have the cache record, in the background, if it wants to."""

    def ended(self, attachment: Attachment) -> None:
        """Nobody reads it and nothing runs for it."""


class Attachment:
    """What is shared by the readers and streams of one attachment."""

    def __init__(self, content: Shared, file_id: int, size: int) -> None:
        self.content = content
        self.file_id = file_id
        self.size = size
        self.readers = 0
        self.wanted = 0  # how far persons read
        self.asked_for = False  # whether somebody beside the programs in the background lane opened it
        self.read_at = 0.0  # when one of those read last
        self.streams: list[Stream] = []
        self.stale = False
        self.unkept = False  # the disk failed: go on without it
        self._in_turn: Stream | None = None  # it keeps the turn of the trickle
        self.entry: Entry | None = content.cache.find(file_id, size)
        if self.entry is not None:
            content.cache.hold(self.entry)

    # Made when they are needed: of a file that is on this machine neither is.
    @functools.cached_property
    def _starting(self) -> trio.Lock:
        return trio.Lock()

    @functools.cached_property
    def _queueing(self) -> trio.Lock:
        return trio.Lock()

    def stop(self) -> None:
        """End all streams; what came in stays."""
        for stream in self.streams:
            stream.stop()

    def supersede(self) -> None:
        """Worksection tells another size now: nothing of it is good any more, and who reads it learns so."""
        self.stale = True
        self.stop()
        if self.entry is not None:
            self.content.cache.discard(self.entry)

    def reader_left(self) -> None:
        """A reader closed. What it paid for is finished, unless that is large and barely begun."""
        self.readers -= 1
        if self.readers:
            return
        if self.streams:
            present = self.entry.present.total if self.entry is not None else 0
            finish = self.content.policy.finishes(
                self.size, present, wanted=self.wanted, ranges=self.content.network.ranges
            )
            for stream in self.streams:
                if isinstance(stream, Window) or not finish:
                    stream.stop()
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self.readers or self.streams:
            return
        self._let_go()
        self.content.ended(self)
        self.content.record_soon()

    def _let_go(self) -> None:
        entry, self.entry = self.entry, None
        if entry is not None:
            if entry.filling:
                self.content.cache.settle(entry)
            self.content.cache.release(entry)

    def _stream_ended(self, stream: Stream) -> None:
        self._let_others(stream)
        self.streams.remove(stream)
        content = self.content
        # A dead login fails without a request, and heals at any moment: there is nothing to be spared.
        if stream.failure is not None and not isinstance(stream.failure, LoginRefused):
            content.failures[self.file_id] = stream.failure
        if isinstance(stream, Transfer):
            self.unkept = self.unkept or stream.disk_failed
            if self.entry is not None and not any(isinstance(other, Transfer) for other in self.streams):
                content.cache.settle(self.entry)
        content.record_soon()
        self._end_if_idle()

    # ------------------------------------------------------------------ reading

    async def read(self, offset: int, end: int, lane: Lane, place: Hashable = None) -> bytes:
        """`[offset, end)`, which lies inside the attachment, as soon as all of it is there."""
        part = await self._next(offset, end, lane, place)
        if len(part) == end - offset:
            return part
        parts = [part]
        offset += len(part)
        while offset < end:
            part = await self._next(offset, end, lane, place)
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    async def _next(self, offset: int, end: int, lane: Lane, place: Hashable) -> bytes:
        """Some bytes from `offset` on: one at least, up to `end` at most."""
        content = self.content
        while True:
            self._check()
            if self.entry is not None and self.entry.dropped:
                self._let_go()
            entry = self.entry
            run = min(entry.present.run_end(offset), end) if entry is not None else offset
            if entry is not None and run > offset:
                # What is missing behind it is waited for first where it is on its way: all is read at once then.
                stream = self._choose(run, kept=True) if run < end else None
                if stream is None:
                    data = content.cache.read(entry, offset, run - offset)
                    if data is not None:
                        return data
                    continue
            else:
                run = offset
                stream = self._choose(offset)
            if stream is None:
                if self._full():
                    await trio.sleep(content.policy.look_again)
                elif lane is Lane.BACKGROUND and self._in_turn is None:
                    await self._start_in_turn(offset, place)
                else:
                    await self._start(offset, lane)
                continue
            stream.promote(lane)
            if lane is not Lane.BACKGROUND:
                self._let_others(stream)
            patience = self._patience(stream, run)
            if isinstance(stream, Window):
                data = await stream.fetch(offset, min(end, offset + PIECE), patience)
                if data:
                    return data
            else:
                limit = entry.present.gap_end(run, end) if entry is not None else end
                await stream.reach(limit, patience)

    async def fill(self, lane: Lane) -> None:
        """Have all of it in the cache."""
        content = self.content
        while self.size:
            self._check()
            if self.entry is not None and self.entry.complete:
                return
            if not await self._reserve():
                raise NoRoom(
                    f"the cache has no room for the {self.size:,} bytes of attachment {self.file_id}"
                )
            entry = self.entry
            if entry is None or entry.dropped:
                continue
            gap = next(entry.present.gaps(0, self.size), None)
            if gap is None:
                return
            stream = self._choose(gap[0], kept=True)
            if stream is not None:
                stream.promote(lane)
                await stream.reach(gap[1], self._patience(stream, gap[0]))
            elif self._full():
                await trio.sleep(content.policy.look_again)
            else:
                await self._start(gap[0], lane, kept=True)

    def _check(self) -> None:
        if self.content.network.closed:
            raise ContentClosed("the drive is being unmounted")
        if not self.readers:
            raise ContentClosed(f"attachment {self.file_id} was closed")
        if self.stale:
            raise WrongSize(self.file_id, self.size, "Worksection tells another size now")

    def _choose(self, offset: int, *, kept: bool = False) -> Stream | None:
        """The running stream to wait at for the missing byte `offset`; None where a new one is better.

        `kept`: only one that brings it into the cache will do.
        """
        network, policy = self.content.network, self.content.policy
        behind: Stream | None = None
        for stream in self.streams:
            if isinstance(stream, Window):
                if kept:
                    continue
                if stream.holds(offset):
                    return stream
            if stream.position <= offset and (behind is None or stream.position > behind.position):
                behind = stream
        if behind is None:
            return None
        if network.ranges is False or not behind.opened:
            return behind
        if offset - behind.position <= policy.near(behind.pace):
            return behind
        return behind if self._full() else None

    def _full(self) -> bool:
        """Whether no more streams may run; makes room where a running one has no readers."""
        if len(self.streams) < self.content.policy.streams:
            return False
        unread = [stream for stream in self.streams if not stream.readers]
        if unread and not any(stream.stopping for stream in self.streams):
            min(unread, key=lambda stream: stream.wanted_at).stop()
        return True

    def _patience(self, stream: Stream, offset: int) -> float:
        """Seconds until it is worth while to look whether a range would be faster."""
        policy = self.content.policy
        if self.content.network.ranges is False or offset - stream.position <= policy.near_least:
            return float("inf")
        return policy.look_again

    async def _start_in_turn(self, offset: int, place: Hashable) -> None:
        """As `_start`, for a reader in the background lane. Where others of this attachment wait already, with them."""
        content = self.content
        async with self._queueing:
            if self._in_turn is not None or self._choose(offset) is not None:
                return
            await content.trickle.acquire(place)
            stream: Stream | None = None
            try:
                self._check()
                entry = self.entry
                if entry is None or not entry.present.covers(offset, offset + 1):
                    stream = await self._start(offset, Lane.BACKGROUND)
            finally:
                if stream is None:
                    content.trickle.release()
        if stream is not None:
            self._in_turn = stream
            self.read_at = trio.current_time()
            content.start_soon(functools.partial(self._watch, stream))

    async def _watch(self, stream: Stream) -> None:
        """End the turn of a stream that nobody reads any more, and the stream where it isn't short."""
        policy = self.content.policy
        while self._in_turn is stream:
            idle = trio.current_time() - self.read_at
            if idle >= policy.idle and not stream.readers:
                if self.size > policy.small and not self.asked_for:
                    stream.stop()
                self._let_others(stream)
                return
            await trio.sleep(policy.idle - idle if idle < policy.idle else policy.idle)

    def _let_others(self, stream: Stream) -> None:
        """Give the turn back, where `stream` has it."""
        if self._in_turn is stream:
            self._in_turn = None
            self.content.trickle.release()

    async def _start(self, offset: int, lane: Lane, *, kept: bool = False) -> Stream | None:
        """Start a stream for the missing byte `offset` and return it, unless another reader did so meanwhile."""
        content = self.content
        async with self._starting:
            if self._choose(offset, kept=kept) is not None or self._full():
                return None
            failure = content.failures.get(self.file_id)
            if failure is not None:
                raise failure.with_traceback(None)
            reserved = await self._reserve()
            self._check()
            entry = self.entry
            if entry is not None and (entry.dropped or entry.present.covers(offset, offset + 1)):
                return None
            network = content.network
            gap = entry.present.gap_start(offset) if reserved and entry is not None else 0
            start = content.policy.start(
                gap,
                offset,
                ranges=network.ranges,
                rate=network.rate,
                passed=any(gap <= stream.position <= offset for stream in self.streams),
            )
            stream: Stream
            if reserved and entry is not None:
                stream = Transfer(
                    network, content.cache, entry, start, lane, self.streams, self._stream_ended, content.record_soon
                )  # fmt: skip
            elif kept:
                return None  # the caller looks again whether there is room
            else:
                stream = Window(network, self.file_id, self.size, start, offset, lane, self._stream_ended)
            content.start_soon(stream.run)
            self.streams.append(stream)
            return stream

    async def _reserve(self) -> bool:
        """Have room in the cache for the rest of the attachment; whether there is."""
        if self.unkept:
            return False
        cache = self.content.cache
        if self.entry is not None and self.entry.dropped:
            self._let_go()
        if self.entry is not None:
            return await cache.refill(self.entry)
        entry = await cache.create(self.file_id, self.size)
        if entry is None:
            return False
        self.entry = entry
        return True
