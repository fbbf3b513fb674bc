from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result

from tests.cli.conftest import FakeDrive
from wsfs.cli.pin import duration, words

Run = Callable[..., Result]


def test_a_directory_is_pinned(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["pin"] = {"files": 12, "bytes": 3 << 20, "left": []}
    result = wsfs("pin", drive.mountpoint / "Website")
    assert (result.exit_code, result.stdout) == (0, "12 files, 3.0 MiB, stay on this machine.\n")
    assert drive.calls == [("pin", "/Website")]


def test_the_whole_drive_and_several_paths_may_be_pinned(wsfs: Run, drive: FakeDrive) -> None:
    assert (
        wsfs("pin", drive.mountpoint, drive.mountpoint / "a.txt").stdout == "There is no file to pin.\n" * 2
    )
    assert drive.calls == [("pin", None), ("pin", "/a.txt")]


def test_what_could_not_be_fetched_is_named_and_fails(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["pin"] = {
        "files": 1,
        "bytes": 10,
        "left": [{"path": "/P/b\x1b.txt", "reason": "the server can't be reached; it is tried again"}],
    }
    result = wsfs("pin", drive.mountpoint)
    assert (result.exit_code, result.stdout) == (1, "1 file, 10 B, stay on this machine.\n")
    assert result.stderr == (
        "Not fetched: /P/b\N{REPLACEMENT CHARACTER}.txt (the server can't be reached; it is tried again)\n"
    )


def test_what_does_not_fit_is_refused_with_a_sentence(wsfs: Run, drive: FakeDrive) -> None:
    drive.refusals["pin"] = (
        "3 files of 9.0 MiB can't be pinned: the cache of 5.0 MiB has room for 2.0 MiB more"
    )
    result = wsfs("pin", drive.mountpoint)
    assert result.exit_code == 1
    assert result.stderr == f"wsfs: {drive.refusals['pin']}\n"


def test_a_path_is_needed_and_has_to_be_in_a_drive(wsfs: Run, drive: FakeDrive) -> None:
    for command in ("pin", "unpin"):
        assert wsfs(command).exit_code == 2
        assert "lies in no drive of wsfs" in wsfs(command, "/etc").stderr
    assert wsfs("pin", drive.mountpoint, "/etc").exit_code == 1
    assert drive.calls == []


def test_unpin_says_how_many(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["unpin"] = {"files": 2}
    assert wsfs("unpin", drive.mountpoint / "a", drive.mountpoint / "b").stdout == "4 files unpinned.\n"
    drive.answers["unpin"] = {"files": 0}
    assert wsfs("unpin", drive.mountpoint).stdout == "Nothing was pinned there.\n"
    assert drive.calls == [("unpin", "/a"), ("unpin", "/b"), ("unpin", None)]


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({}, "Looking into 0 directories"),
        ({"directories": 1}, "Looking into 1 directory"),
        (
            {"files": 100, "files_done": 10, "requests_left": 89, "seconds_left": 89.0},
            "Fetching 10 of 100 files, 89 requests left, 89 s at least",
        ),
        (
            {"files": 1, "files_done": 0, "requests_left": 1, "seconds_left": 0.0},
            "Fetching 0 of 1 file, 1 request left",
        ),
        ({"files": 3, "files_done": 2, "requests_left": 0, "seconds_left": 0.0}, "Fetching 2 of 3 files"),
    ],
)
def test_the_progress_says_files_requests_and_time(state: dict[str, float], told: str) -> None:
    assert words(state) == told


def test_durations_are_said_as_a_person_does() -> None:
    assert [duration(seconds) for seconds in (1, 89, 120, 3599, 7500)] == [
        "1 s",
        "89 s",
        "2 min",
        "1 h 0 min",
        "2 h 5 min",
    ]
