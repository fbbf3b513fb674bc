"""The last requests, as `/.wsfs/requests.log` shows them."""

from __future__ import annotations

import datetime
import itertools
from collections import deque

from wsfs.api.client import RequestRecord
from wsfs.drive.request_words import Trouble, troubles

KEPT = 1000


class RequestLog:
    """Keeps the last 1,000 requests; `add` is the client's observer."""

    def __init__(self, kept: int = KEPT) -> None:
        self._records: deque[RequestRecord] = deque(maxlen=kept)
        self.total = 0

    def add(self, record: RequestRecord) -> None:
        """Take one request down."""
        self.total += 1
        self._records.append(record)

    def troubles(self) -> list[Trouble]:
        """What failed lately, in words, the latest first."""
        return troubles(self._records)

    def text(self) -> bytes:
        """One line a request, oldest first: time, lane, action, milliseconds, result."""
        return "".join(f"{line}\n" for line in self.lines()).encode()

    def lines(self, after: int = 0) -> list[str]:
        """The lines of the requests that came after the first `after` ones of this mount, of those that are kept."""
        skipped = max(0, after - (self.total - len(self._records)))
        return [_line(record) for record in itertools.islice(self._records, skipped, None)]


def _line(record: RequestRecord) -> str:
    moment = datetime.datetime.fromtimestamp(record.time).isoformat(sep=" ", timespec="milliseconds")
    detail = f" {record.detail}" if record.detail else ""
    lane = record.lane.name.lower()
    return f"{moment} {lane:<10} {record.action:<16} {record.milliseconds:>6} ms {record.result}{detail}"
