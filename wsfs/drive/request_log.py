"""The last requests, as `/.wsfs/requests.log` shows them."""

from __future__ import annotations

import datetime
from collections import deque

from wsfs.api.client import RequestRecord

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

    def last_failure(self) -> RequestRecord | None:
        """The newest request that failed, or None."""
        return next((one for one in reversed(self._records) if one.result != "ok"), None)

    def text(self) -> bytes:
        """One line a request, oldest first: time, lane, action, milliseconds, result."""
        lines = [_line(record) for record in self._records]
        return "".join(lines).encode()


def _line(record: RequestRecord) -> str:
    moment = datetime.datetime.fromtimestamp(record.time).isoformat(sep=" ", timespec="milliseconds")
    detail = f" {record.detail}" if record.detail else ""
    lane = record.lane.name.lower()
    return f"{moment} {lane:<10} {record.action:<16} {record.milliseconds:>6} ms {record.result}{detail}\n"
