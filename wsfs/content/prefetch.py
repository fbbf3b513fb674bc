"""Fetching ahead: the small files that come next in a directory whose files a person opens one after another.

A request is dear, so that this takes turns in the background lane alone, at a distance of each other, while no
person waits, and ends soon after the last read: a person who looks through the pictures of a task finds the next one
there, and one who opened two files and goes away cost a request too many at most.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from wsfs.api.errors import ApiError
from wsfs.api.pacing import Lane
from wsfs.content.errors import ContentClosed, ContentError
from wsfs.content.policy import Policy

logger = logging.getLogger(__name__)

Siblings = Callable[[], Sequence[tuple[int, int]]]
"""Tells the attachments of a directory, (file id, size), in the order in which a person goes through them."""

DIRECTORIES = 8
"""How many directories may be gone through at once."""
LISTED = 30.0
"""Seconds for which what `Siblings` told is good: it takes a while for ten thousand files."""
UNREAD = 600.0
"""Seconds after which what was fetched ahead and not looked at is the cache's business alone."""


class Room(Protocol):
    """A cache's limit in bytes."""

    limit: int


class Fetcher(Protocol):
    """What Content is to its prefetch."""

    waiting: int

    @property
    def cache(self) -> Room: ...
    def has(self, file_id: int, size: int) -> bool: ...
    async def fill(self, file_id: int, size: int, lane: Lane) -> None: ...
    def start_soon(self, task: Callable[[], Awaitable[None]]) -> None: ...


@dataclass(slots=True)
class _Listing:
    directory: Hashable
    made_at: float
    files: Sequence[tuple[int, int]]
    places: dict[int, int]


class Prefetch:
    """The prefetch of one account: one task at most, which runs while there is something to fetch ahead."""

    def __init__(self, fetcher: Fetcher, policy: Policy) -> None:
        self.requests = 0
        self._fetcher = fetcher
        self._policy = policy
        self._pause = policy.pause or 0.0
        self._recent: dict[Hashable, tuple[int, float]] = {}  # directory → the last file opened, and when
        self._unread: dict[int, tuple[int, float]] = {}  # fetched ahead: size, and when
        self._refused: set[int] = set()
        self._wish: tuple[Hashable, int, Siblings] | None = None
        self._listing: _Listing | None = None
        self._read_at = 0.0
        self._running = False

    def read(self) -> None:
        """A person read something."""
        self._read_at = trio.current_time()

    def opened(self, directory: Hashable, file_id: int, size: int, siblings: Siblings) -> None:
        """A person opened a file. Quick: it is called at every open, of what is cached too."""
        now = self._read_at = trio.current_time()
        last = self._recent.pop(directory, None)
        self._recent[directory] = (file_id, now)
        if len(self._recent) > DIRECTORIES:
            del self._recent[next(iter(self._recent))]
        was_ahead = self._unread.pop(file_id, None) is not None
        if last is None or last[0] == file_id or now - last[1] > self._policy.run:
            return
        if not was_ahead and self._fetcher.has(file_id, size):
            return
        self._wish = (directory, file_id, siblings)
        if not self._running:
            try:
                self._fetcher.start_soon(self._run)
            except ContentClosed:
                return
            self._running = True

    async def _run(self) -> None:
        try:
            while self._fetcher.waiting or trio.current_time() < self._read_at + self._policy.idle:
                if self._fetcher.waiting:
                    await trio.sleep(self._policy.idle / 20)
                    continue
                following = self._next()
                if following is None:
                    return
                began = trio.current_time()
                if not await self._fetch(*following):
                    return
                await trio.sleep(max(0.0, self._pause - (trio.current_time() - began)))
        except Exception:
            logger.exception("Fetching ahead failed")
        finally:
            self._running = False

    async def _fetch(self, file_id: int, size: int) -> bool:
        """Fetch one ahead; whether to go on."""
        self.requests += 1
        self._refused.add(file_id)  # until it is there
        try:
            await self._fetcher.fill(file_id, size, Lane.BACKGROUND)
        except (ApiError, ContentError) as error:
            logger.debug("Attachment %d was not fetched ahead: %s", file_id, error)
            if isinstance(error, ApiError) and not error.permanent:
                self._refused.discard(file_id)
                return False
            return True
        self._refused.discard(file_id)
        self._unread[file_id] = (size, trio.current_time())
        return True

    def _next(self) -> tuple[int, int] | None:
        """The next file that is worth a request."""
        if self._wish is None:
            return None
        directory, current, siblings = self._wish
        now = trio.current_time()
        listing = self._listing
        if (
            listing is None
            or listing.directory != directory
            or now - listing.made_at > LISTED
            or current not in listing.places
        ):
            files = siblings()
            places = {file_id: place for place, (file_id, _) in enumerate(files)}
            listing = self._listing = _Listing(directory, now, files, places)
        self._unread = {
            file_id: (size, at)
            for file_id, (size, at) in self._unread.items()
            if now - at < UNREAD and self._fetcher.has(file_id, size)
        }
        place = listing.places.get(current)
        if place is None:
            return None
        room = self._fetcher.cache.limit * self._policy.part - sum(size for size, _ in self._unread.values())
        for file_id, size in listing.files[place + 1 : place + 1 + self._policy.ahead]:
            if size > self._policy.small or file_id in self._refused or self._fetcher.has(file_id, size):
                continue
            return (file_id, size) if size <= room else None
        return None
