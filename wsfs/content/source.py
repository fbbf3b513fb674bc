"""What content needs of the API client, and what is learned about the service while downloading."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from wsfs.api.pacing import Lane, Promotable

logger = logging.getLogger(__name__)


class Download(Protocol):
    """An answer whose body is coming in."""

    @property
    def size(self) -> int | None:
        """Bytes of the whole attachment as this answer tells it; None where it doesn't."""

    @property
    def start(self) -> int:
        """The offset of the first byte: what was asked for, or 0 where the server ignored the range."""

    @property
    def ranges(self) -> bool | None:
        """Whether the server honours ranges, as far as this answer shows."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""


class Source(Protocol):
    """`Client.download`: one request, paced by its lane, with the deadline kept there."""

    def __call__(
        self, file_id: int, *, lane: Lane | Promotable, start: int = 0
    ) -> AbstractAsyncContextManager[Download]: ...


class Network:
    """What all downloads of an account share: the source, the deadline, and what was found out so far.

    `ranges` is None until an answer shows whether the server honours ranges; a change is told to `on_ranges`,
    so that the next mount starts with it. `rate` is the last measured speed of one stream in bytes a second.
    """

    def __init__(
        self,
        source: Source,
        *,
        deadline: float,
        ranges: bool | None = None,
        on_ranges: Callable[[bool], None] | None = None,
    ) -> None:
        self.source = source
        self.deadline = deadline
        self.ranges = ranges
        self.rate: float | None = None
        self.requests = 0
        self.closed = False
        self._on_ranges = on_ranges

    def learn(self, *, asked: int, download: Download) -> None:
        """Take from an answer whether ranges work: a served range proves it, an ignored one disproves it."""
        if asked > 0:
            found: bool | None = download.start == asked
        else:
            found = download.ranges
        if found is None or found == self.ranges:
            return
        if found and self.ranges is False and asked == 0:
            return  # it ignored one before: a header that promises them proves nothing
        logger.info("The server %s ranges.", "honours" if found else "doesn't honour")
        self.ranges = found
        if self._on_ranges is not None:
            self._on_ranges(found)
