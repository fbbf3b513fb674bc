"""What is to stay on this machine: pinned attachments, and the fetching of those that aren't whole yet.

Theory of operation
    A pin is a property of the cache's entry, with the room for the whole file, and is written down at once: what was
    pinned and not yet fetched goes on after a remount. Here is the queue of what is missing, worked off by a few
    tasks; more than one, since the pacer limits the starts of requests and a large file takes its time. A
    failure that time may mend puts a file back; one that it can't takes the pin away. Whoever waits has a Job.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import trio

from wsfs.api.errors import ApiError, LoginRefused
from wsfs.api.pacing import Lane
from wsfs.content.entry import charge_for
from wsfs.content.errors import ContentClosed, ContentError, NoRoom, WrongSize
from wsfs.content.fetch import Content

logger = logging.getLogger(__name__)

WORKERS = 3
TRIES = 3
"""Failures of a file after which those who wait for it are told; it is tried again all the same."""
LONGEST_PAUSE = 300.0


@dataclass(eq=False)
class _Want:
    """A pinned file that isn't whole."""

    file_id: int
    size: int
    lane: Lane
    failures: int = 0
    reason: str | None = None
    settled: trio.Event = field(default_factory=trio.Event)
    running: trio.CancelScope | None = None

    def settle(self, reason: str | None = None) -> None:
        """It is there, or won't be for a while: tell those who wait."""
        self.reason = reason
        self.settled.set()


class Progress(NamedTuple):
    """How far a Job is; `requests_left` counts the files whose download hasn't begun."""

    files: int
    files_done: int
    bytes: int
    bytes_done: int
    requests_left: int


class Job:
    """Files that were pinned together, for those who wait till they are there.

    `left` are those that aren't, by file id, with the reason; it grows until `wait` returns.
    """

    def __init__(self, pins: Pins, files: int, bytes_: int) -> None:
        self.left: dict[int, str] = {}
        self._pins = pins
        self._files = files
        self._bytes = bytes_
        self._open: dict[int, _Want] = {}

    def _add(self, want: _Want) -> None:
        self._open[want.file_id] = want

    def _sweep(self) -> None:
        for file_id in [file_id for file_id, want in self._open.items() if want.settled.is_set()]:
            want = self._open.pop(file_id)
            if want.reason is not None:
                self.left[file_id] = want.reason
                self._bytes -= want.size

    def progress(self) -> Progress:
        """How far it is by now; what could not be had counts neither as done nor as to come."""
        self._sweep()
        begun = {want.file_id: self._pins.present(want) for want in self._open.values() if want.running}
        missing = sum(want.size for want in self._open.values()) - sum(begun.values())
        return Progress(
            self._files - len(self.left),
            self._files - len(self.left) - len(self._open),
            self._bytes,
            self._bytes - missing,
            len(self._open) - sum(present > 0 for present in begun.values()),
        )

    async def wait(self) -> None:
        """Return when every file is there or in `left`. Cancelled, the fetching goes on without the one who waits."""
        while self._open:
            await next(iter(self._open.values())).settled.wait()
            self._sweep()


class Pins:
    """The pins of one account's cache. Belongs to one trio thread; `run` is its long-lived task."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._cache = content.cache
        self._wants: dict[int, _Want] = {}
        self._wake = trio.Event()
        self._not_before = 0.0
        self._failed = 0  # in a row

    def is_pinned(self, file_id: int, size: int) -> bool:
        """Whether it stays here whatever happens; an empty file does by nature."""
        entry = self._cache.find(file_id, size)
        return size == 0 or (entry is not None and entry.pinned)

    def pinned(self) -> list[tuple[int, int, int]]:
        """File id, size and bytes present of everything that is pinned."""
        return [(entry.file_id, entry.size, entry.present.total) for entry in self._cache.pinned]

    def missing(self) -> int:
        """How many pinned files aren't whole."""
        return len(self._wants)

    def present(self, want: _Want) -> int:
        """The bytes of it that are there."""
        entry = self._cache.find(want.file_id, want.size)
        return 0 if entry is None else entry.present.total

    async def pin(self, files: Iterable[tuple[int, int]], lane: Lane) -> Job:
        """Pin attachments, (file id, size), and have what is missing fetched by `run`, in `lane`.

        Raises NoRoom, and pins none of them, where they don't fit into the cache beside what is pinned. Where the
        disk is too full for one, that one is left out and named in the job.
        """
        wanted = {file_id: size for file_id, size in files if size}
        fresh = [size for file_id, size in wanted.items() if not self.is_pinned(file_id, size)]
        needed, room = sum(map(charge_for, fresh)), self._cache.room_to_pin()
        if needed > room:
            raise NoRoom(
                f"{_count(len(fresh), 'file')} of {_size(needed)} can't be pinned: the cache of "
                f"{_size(self._cache.limit)} has room for {_size(max(0, room))} more; "
                "make it larger (cache_size), or unpin something"
            )
        job = Job(self, len(wanted), sum(wanted.values()))
        for file_id, size in wanted.items():
            if self._content.has(file_id, size):
                entry = self._cache.find(file_id, size)
                assert entry is not None
                self._cache.pin(entry)
                continue
            want = self._wants.get(file_id)
            if want is None:
                if not await self._reserve(file_id, size):
                    want = _Want(file_id, size, lane)
                    want.settle("there is no room for it: the disk is full, or open files take up the cache")
                    job._add(want)
                    continue
                want = self._wants.setdefault(file_id, _Want(file_id, size, lane))
            want.lane = min(want.lane, lane)
            if want.settled.is_set():
                want.settled, want.reason, want.failures = trio.Event(), None, 0
            job._add(want)
        self._failed, self._not_before = 0, 0.0
        self._content.record_soon()
        self._rouse()
        job.progress()
        return job

    async def _reserve(self, file_id: int, size: int) -> bool:
        """Make the pinned entry, with the room for the whole file."""
        entry = await self._cache.create(file_id, size)
        if entry is None:
            return False
        self._cache.pin(entry)
        if entry.holders == 1:
            self._cache.settle(entry)
        self._cache.release(entry)
        return True

    def unpin(self, files: Iterable[tuple[int, int]]) -> int:
        """Let attachments be evicted again, and fetch no more of them; how many were pinned. Synchronous."""
        count = 0
        for file_id, size in files:
            want = self._wants.pop(file_id, None)
            if want is not None:
                want.settle("it was unpinned")
                if want.running is not None:
                    want.running.cancel()
            entry = self._cache.find(file_id, size)
            if entry is not None and entry.pinned:
                count += 1
                self._cache.pin(entry, pinned=False)
        self._content.record_soon()
        return count

    # ------------------------------------------------------------------ the tasks

    async def run(self) -> None:
        """Fetch what is pinned and missing, for ever; what an earlier mount left comes first."""
        for entry in self._cache.pinned:
            if not entry.complete:
                self._wants.setdefault(entry.file_id, _Want(entry.file_id, entry.size, Lane.BACKGROUND))
        async with trio.open_nursery() as nursery:
            for _ in range(WORKERS):
                nursery.start_soon(self._work)

    async def _work(self) -> None:
        while True:
            waiting = [want for want in self._wants.values() if want.running is None]
            if not waiting or trio.current_time() < self._not_before:
                wake = self._wake
                with trio.move_on_at(self._not_before if waiting else float("inf")):
                    await wake.wait()
                continue
            await self._fetch(min(waiting, key=lambda want: (want.failures, want.lane)))

    def _rouse(self) -> None:
        self._wake.set()
        self._wake = trio.Event()

    async def _fetch(self, want: _Want) -> None:
        failure: Exception | None = None
        with trio.CancelScope() as want.running:
            try:
                await self._content.fill(want.file_id, want.size, want.lane)
            except ContentClosed:
                await trio.sleep_forever()  # the drive is being unmounted, and this task with it
            except (ApiError, ContentError) as error:
                failure = error
            except Exception as error:
                logger.exception("The pinned attachment %d was not fetched", want.file_id)
                failure = error
        want.running = None
        if self._wants.get(want.file_id) is not want:
            return  # it was unpinned meanwhile
        if failure is None:
            self._failed = 0
            del self._wants[want.file_id]
            want.settle(None if self.is_pinned(want.file_id, want.size) else "it could not be kept")
        elif _is_final(failure):
            logger.info("Attachment %d is no longer pinned: %s", want.file_id, failure)
            want.settle(str(failure))
            self.unpin([(want.file_id, want.size)])
        else:
            want.failures += 1
            self._not_before = trio.current_time() + min(LONGEST_PAUSE, 2.0**self._failed)
            self._failed = min(self._failed + 1, 16)
            if want.failures >= TRIES:
                want.settle(f"{failure}; it is tried again")


def _is_final(error: Exception) -> bool:
    """Whether the same file will fail in the same way again."""
    if isinstance(error, ApiError):
        return error.permanent and not isinstance(error, LoginRefused)
    return isinstance(error, WrongSize) or not isinstance(error, ContentError)


def _size(number: float) -> str:
    return f"{number / (1 << 20):,.1f} MiB"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
