"""The last requests as text."""

from __future__ import annotations

from wsfs.api.client import RequestRecord
from wsfs.api.pacing import Lane
from wsfs.drive.request_log import RequestLog


def test_the_last_requests() -> None:
    log = RequestLog(kept=3)
    assert log.text() == b""
    assert log.last_failure() is None
    log.add(RequestRecord(1.0, Lane.UPLOAD, "post_comment", 12, "refused"))
    log.add(RequestRecord(1_700_000_000.5, Lane.PERSON, "get_projects", 7, "ok"))
    failure = log.last_failure()
    assert failure is not None
    assert failure.action == "post_comment"
    log.add(RequestRecord(1_700_000_001.0, Lane.BACKGROUND, "download", 1234, "ok", "file 5"))
    log.add(RequestRecord(1_700_000_002.0, Lane.REFRESH, "get_events", 5, "ok"))
    lines = log.text().decode().splitlines()
    assert [line.split()[2:] for line in lines] == [
        ["person", "get_projects", "7", "ms", "ok"],
        ["background", "download", "1234", "ms", "ok", "file", "5"],
        ["refresh", "get_events", "5", "ms", "ok"],
    ]
    assert log.total == 4
    assert log.last_failure() is None
