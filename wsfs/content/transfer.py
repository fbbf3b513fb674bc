"""A download into the cache's file of an attachment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from wsfs.api.pacing import Lane
from wsfs.content.cache import Cache
from wsfs.content.entry import Entry
from wsfs.content.errors import WrongSize
from wsfs.content.source import Network
from wsfs.content.stream import Stream

logger = logging.getLogger(__name__)


class Transfer(Stream):
    """Writes what comes in where it is missing; ends early when the rest is there, or another transfer fetches it.

    `siblings` is the live list of the streams of the same attachment. Where the disk fails, it ends with
    `disk_failed` and without a failure: its readers go on without the cache.
    """

    def __init__(
        self,
        network: Network,
        cache: Cache,
        entry: Entry,
        start: int,
        lane: Lane,
        siblings: Sequence[Stream],
        on_end: Callable[[Stream], None],
        on_record: Callable[[], None],
    ) -> None:
        super().__init__(network, entry.file_id, entry.size, start, lane, on_end)
        self.entry = entry
        self.disk_failed = False
        self._cache = cache
        self._siblings = siblings
        self._on_record = on_record

    def _take(self, offset: int, data: bytes) -> None:
        entry = self.entry
        if entry.dropped or self.disk_failed:
            return
        end = offset + len(data)
        try:
            if entry.present.gap_end(offset, end) == end and entry.present.run_end(offset) == offset:
                self._cache.write(entry, offset, data)
            else:
                view = memoryview(data)
                for start, stop in list(entry.present.gaps(offset, end)):
                    self._cache.write(entry, start, view[start - offset : stop - offset])
        except OSError as error:
            logger.warning("Attachment %d can't be kept: %s", entry.file_id, error)
            self.disk_failed = True
            self._cache.discard(entry)
        if self._cache.wants_record:
            self._on_record()

    def _enough(self) -> bool:
        entry, position = self.entry, self.position
        if entry.dropped or entry.complete:
            return True
        # A sibling that is here already and began later (or as far back, but is the older) goes on to the end.
        younger = False
        for other in self._siblings:
            if other is self:
                younger = True
            elif isinstance(other, Transfer) and other.opened and not other.ended and not other.stopping:
                begins = other.begin if younger else other.begin + 1
                if self.begin < begins and other.begin <= position <= other.position:
                    return True
        return False

    def _refused(self, error: WrongSize) -> None:
        self._cache.discard(self.entry)
