"""The last requests as text."""

from __future__ import annotations

from wsfs.api.client import RequestRecord
from wsfs.api.pacing import Lane
from wsfs.drive.request_log import RequestLog


def test_the_last_requests() -> None:
    log = RequestLog(kept=3)
    assert log.text() == b""
    assert log.troubles() == []
    log.add(RequestRecord(1.0, Lane.UPLOAD, "post_comment", 12, "Refused"))
    log.add(RequestRecord(1_700_000_000.5, Lane.PERSON, "get_projects", 7, "ok"))
    assert [one.doing for one in log.troubles()] == ["uploading files to a task"]
    log.add(RequestRecord(1_700_000_001.0, Lane.BACKGROUND, "download", 1234, "ok", "file 5"))
    log.add(RequestRecord(1_700_000_002.0, Lane.REFRESH, "get_events", 5, "ok"))
    lines = log.text().decode().splitlines()
    assert [line.split()[2:] for line in lines] == [
        ["person", "get_projects", "7", "ms", "ok"],
        ["background", "download", "1234", "ms", "ok", "file", "5"],
        ["refresh", "get_events", "5", "ms", "ok"],
    ]
    assert log.total == 4
    assert log.troubles() == []


def test_lines_that_a_follower_has_not_seen() -> None:
    log = RequestLog(kept=3)
    for number in range(5):
        log.add(RequestRecord(1_700_000_000.0, Lane.PERSON, "download", 1, "ok", f"file {number}"))

    def seen(after: int) -> list[str]:
        return [line.rpartition(" ")[2] for line in log.lines(after)]

    assert seen(0) == seen(2) == ["2", "3", "4"]
    assert seen(3) == ["3", "4"]
    assert seen(5) == seen(9) == []
