"""What failed, in words."""

from __future__ import annotations

import inspect

from wsfs.api import errors
from wsfs.api.client import Client, RequestRecord
from wsfs.api.pacing import Lane
from wsfs.drive.request_words import DOINGS, message, troubles


def record(time: float, action: str, result: str = "ok") -> RequestRecord:
    return RequestRecord(time, Lane.PERSON, action, 1, result)


def test_every_action_of_the_client_has_words() -> None:
    actions = {
        name
        for name, member in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_") and name != "aclose"
    }
    assert len(actions) > 10
    assert actions <= set(DOINGS)


def test_every_error_has_a_sentence() -> None:
    assert message("TimedOut") == errors.TimedOut.sentence
    assert message("OSError") == "it ended with OSError"  # no error of the API
    assert message("Callable") == "it ended with Callable"  # a name of that module that is no error


def test_failures_alike_are_one_and_the_latest_comes_first() -> None:
    found = troubles(
        [
            record(1, "get_files", "TimedOut"),
            record(2, "download", "Unreachable"),
            record(3, "get_files", "TimedOut"),
            record(4, "get_files", "Refused"),
            record(5, "get_tasks", "cancelled"),
        ]
    )
    assert [(one.time, one.doing, one.count) for one in found] == [
        (4, "listing files", 1),
        (3, "listing files", 2),
        (2, "fetching a file", 1),
    ]
    assert found[1].message == errors.TimedOut.sentence
    assert not any(one.over for one in found)


def test_what_worked_since_is_over_until_it_fails_again() -> None:
    records = [record(1, "download", "TimedOut"), record(2, "get_files"), record(3, "download")]
    assert [one.over for one in troubles(records)] == [True]
    again = troubles([*records, record(4, "download", "TimedOut")])
    assert [(one.over, one.count) for one in again] == [(False, 2)]


def test_no_more_than_asked_for() -> None:
    records = [record(number, f"get_{number}", "TimedOut") for number in range(9)]
    assert [one.time for one in troubles(records, 2)] == [8, 7]
