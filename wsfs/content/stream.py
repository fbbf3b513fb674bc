"""One download that readers wait for: it advances, breaks, resumes, ends; where its bytes go is a subclass's business.

A stream is a task of the nursery, readers are other tasks. They meet in two synchronous facts, `position`
(every byte from where it began up to here has come) and `ended`; a reader waits with `reach` and then looks
again at what is there. Cancelling a reader leaves the stream alone, cancelling a stream wakes its readers,
which choose another.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable

import trio

from wsfs.api.errors import ApiError, BadAnswer, ConnectionBroken, TimedOut
from wsfs.api.pacing import Lane, Promotable
from wsfs.content.errors import WrongSize
from wsfs.content.source import Download, Network

logger = logging.getLogger(__name__)

RESUMES = 3
"""How often a stream is taken up again without a new MiB in between; the first of them needs no new byte at all."""
GAIN = 1 << 20
RATE_STEP = 0.25
"""Seconds over which a rate is measured."""
LAZY = 0.1
"""Seconds by which the second fence may stand too early: moving a deadline costs more than to take in a small piece."""


class Stream(ABC):
    """A download of `[start, size)` of an attachment, resumed where it breaks. Run once, by `run`.

    `begin` is where its first byte came from, `position` the offset of the next new byte, `rate` bytes a
    second or None while not measured. After `ended`, `failure` says what went wrong: None if nothing did, or
    if it was stopped.
    """

    def __init__(
        self,
        network: Network,
        file_id: int,
        size: int,
        start: int,
        lane: Lane,
        on_end: Callable[[Stream], None],
    ) -> None:
        self.file_id = file_id
        self.size = size
        self.begin = start
        self.position = start
        self.opened = False
        self.ended = False
        self.failure: Exception | None = None
        self.rate: float | None = None
        self.wanted_at = self._moved_at = trio.current_time()
        self._lane = Promotable(lane)
        self._network = network
        self._on_end = on_end
        self._scope = trio.CancelScope()
        self._attempt = trio.CancelScope()
        self._waiting: list[tuple[int, int, trio.Event]] = []
        self._ticket = itertools.count()

    # ------------------------------------------------------------------ for readers

    @property
    def readers(self) -> int:
        """How many wait for it now."""
        return len(self._waiting)

    async def reach(self, end: int, patience: float = float("inf")) -> None:
        """Wait until every byte up to `end` has come, the stream ended, or `patience` seconds are over.

        Raises what the stream failed of. Returning says nothing about what is there: look again. Cancellation
        leaves no trace.
        """
        if self.position < end and not self.ended:
            waiting = (end, next(self._ticket), trio.Event())
            heapq.heappush(self._waiting, waiting)
            self.wanted_at = trio.current_time()
            try:
                with trio.move_on_after(patience):
                    await waiting[2].wait()
            finally:
                if not waiting[2].is_set():
                    self._waiting.remove(waiting)
                    heapq.heapify(self._waiting)
        if self.failure is not None:
            raise self.failure.with_traceback(None)

    @property
    def pace(self) -> float | None:
        """The rate, and less and less of it while nothing comes; None while it is not known."""
        if self.rate is None:
            return None
        return self.rate * min(1.0, RATE_STEP / max(RATE_STEP, trio.current_time() - self._moved_at))

    def promote(self, lane: Lane) -> None:
        """Someone in a higher lane waits: a request that is still queued goes on in that lane."""
        self._lane.promote(lane)

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._scope.cancel_called

    def stop(self) -> None:
        """End it soon, without a failure; what came in stays."""
        self._scope.cancel()

    def _wake(self) -> None:
        while self._waiting and (self.ended or self._waiting[0][0] <= self.position):
            heapq.heappop(self._waiting)[2].set()

    # ------------------------------------------------------------------ for subclasses

    @abstractmethod
    def _take(self, offset: int, data: bytes) -> None:
        """Bytes that came in, in rising order; after a restart some come again."""

    def _enough(self) -> bool:
        """Whether nothing of the rest is wanted."""
        return False

    def _ahead(self) -> bool:
        """Whether the stream is too far ahead of its readers, and is to wait in `_room`."""
        return False

    async def _room(self) -> None:  # noqa: B027
        """Wait until readers have caught up."""

    async def _linger(self) -> None:  # noqa: B027
        """All has come: wait, without a connection, as long as what the stream holds may be wanted."""

    def _refused(self, error: WrongSize) -> None:  # noqa: B027
        """The content is not what the API says: nothing that came may stay."""

    # ------------------------------------------------------------------ the task

    async def run(self) -> None:
        """Download to the end, or until there is enough, or until stopped. Only outside cancellation leaves it."""
        try:
            with self._scope:
                await self._pull()
                await self._linger()
        except trio.Cancelled:
            self._network.closed = True  # the nursery is being cancelled: no new stream would live
            raise
        except WrongSize as error:
            logger.warning("%s", error)
            self._refused(error)
            self.failure = error
        except Exception as error:
            if isinstance(error, ApiError):
                logger.info("Attachment %d was not fetched: %s", self.file_id, error)
            else:
                logger.exception("Attachment %d was not fetched", self.file_id)
            self.failure = error
        finally:
            self.ended = True
            self._wake()
            self._on_end(self)

    async def _pull(self) -> None:
        broken = 0
        mark = self.position
        while True:
            before = self.position
            start = self.position if self._network.ranges is not False else 0
            try:
                await self._request(start)
            except ConnectionBroken as error:
                if self.position - mark >= GAIN:
                    broken, mark = 0, self.position
                broken += 1
                if broken > RESUMES or (broken > 1 and self.position == before):
                    logger.warning(
                        "The download of attachment %d broke off at %s of %s bytes: %s",
                        self.file_id, f"{self.position:,}", f"{self.size:,}", error,
                    )  # fmt: skip
                    raise
                logger.info("The download of attachment %d broke off and is resumed: %s", self.file_id, error)
            else:
                return

    async def _request(self, start: int) -> None:
        self._attempt = trio.CancelScope()
        self._network.requests += 1
        with self._attempt:
            async with self._network.source(self.file_id, lane=self._lane, start=start) as download:
                self._network.learn(asked=start, download=download)
                await self._receive(download, start)
        if self._attempt.cancelled_caught:
            # The client keeps this deadline itself; here stands a second fence, so that no reader hangs for ever.
            raise TimedOut("the download stands still", action="download")

    async def _receive(self, download: Download, asked: int) -> None:
        offset = download.start
        if offset not in (0, asked):
            raise BadAnswer(f"bytes from {asked} were asked for, and came from {offset}", action="download")
        told = download.size
        if told is not None and told != self.size:
            raise WrongSize(self.file_id, self.size, f"the download has {told:,}")
        if not self.opened:
            self.opened = True
            self.begin = self.position = offset
        self._bump()
        measured_at, measured = trio.current_time(), offset
        held_back = b""  # the last piece is taken in only when the body turned out to end there
        chunks = download.chunks()
        try:
            async for chunk in chunks:
                if not chunk:
                    continue
                if held_back:
                    raise WrongSize(self.file_id, self.size, "the download is longer")
                end = offset + len(chunk)
                if end > self.size:
                    raise WrongSize(self.file_id, self.size, "the download is longer")
                if end == self.size:
                    held_back = chunk
                    continue
                self._came(offset, chunk)
                offset = end
                now = self._bump()
                if now - measured_at >= RATE_STEP:
                    self._measure((offset - measured) / (now - measured_at))
                    measured_at, measured = now, offset
                if self._enough():
                    return
                if self._ahead():
                    self._attempt.deadline = float("inf")
                    await self._room()
                    measured_at, measured = self._bump(), offset
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
        if held_back:
            now = trio.current_time()
            if now > measured_at and self.size - measured >= GAIN:
                self._measure((self.size - measured) / (now - measured_at))
            self._came(offset, held_back)
        elif offset < self.size:
            raise WrongSize(self.file_id, self.size, f"the download ended after {offset:,}")

    def _came(self, offset: int, data: bytes) -> None:
        self._take(offset, data)
        self.position = max(self.position, offset + len(data))
        self._wake()

    def _measure(self, rate: float) -> None:
        self.rate = rate if self.rate is None else (self.rate + rate) / 2
        self._network.rate = self.rate

    def _bump(self) -> float:
        now = self._moved_at = trio.current_time()
        due = now + 2 * self._network.deadline
        if not due - LAZY < self._attempt.deadline <= due:
            self._attempt.deadline = due
        return now
