from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from tests.cli.conftest import FakeDrive
from wsfs.cli import flushing

Run = Callable[..., Result]


def test_a_path_within_the_drive_is_flushed(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["flush"] = {"sent": 2, "left": []}
    result = wsfs("flush", drive.mountpoint / "Website" / "a.txt")
    assert (result.exit_code, result.stdout) == (0, "Sent 2 files.\n")
    assert drive.calls == [("flush", "/Website/a.txt")]


def test_without_a_path_every_drive_is_flushed(wsfs: Run, add_drive: Callable[[str], FakeDrive]) -> None:
    drives = [add_drive("one"), add_drive("two")]
    result = wsfs("flush")
    assert result.exit_code == 0
    assert result.stdout == "Everything is on the server.\n" * 2
    assert [drive.calls for drive in drives] == [[("flush", None)]] * 2


def test_what_could_not_go_is_named_and_fails(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["flush"] = {
        "sent": 1,
        "left": [{"path": "/P/b\x1b[2J.txt", "state": "quarantined", "reason": "the task is closed"}],
    }
    result = wsfs("flush", drive.mountpoint)
    assert (result.exit_code, result.stdout) == (1, "Sent 1 file.\n")
    assert result.stderr == "Not sent: /P/b\N{REPLACEMENT CHARACTER}[2J.txt (the task is closed)\n"


def test_a_path_elsewhere_is_refused(wsfs: Run, drive: FakeDrive) -> None:
    result = wsfs("flush", "/etc")
    assert result.exit_code == 1
    assert result.stderr == "wsfs: /etc lies in no drive of wsfs; `wsfs status` lists those there are\n"
    assert drive.calls == []


def test_with_nothing_mounted_there_is_nothing_to_flush(wsfs: Run) -> None:
    result = wsfs("flush")
    assert result.exit_code == 1
    assert result.stderr.startswith("wsfs: nothing is mounted")


def test_a_refusal_of_the_mount_is_told(wsfs: Run, drive: FakeDrive) -> None:
    drive.refusals["flush"] = "the login is no longer accepted"
    result = wsfs("flush")
    assert result.exit_code == 1
    assert result.stderr == "wsfs: the login is no longer accepted\n"


def test_it_is_said_why_nothing_goes_where_no_bar_can_show_it(wsfs: Run, drive: FakeDrive) -> None:
    waiting = {"message": "Worksection can't be reached", "again_in": 5}
    drive.progress = [waiting, waiting, {"files": 1}, waiting, {"message": "log in again"}]
    drive.answers["flush"] = {"sent": 1}
    assert (
        wsfs("flush").stderr == "wsfs: waiting: Worksection can't be reached\nwsfs: waiting: log in again\n"
    )


@pytest.mark.parametrize(
    ("state", "words", "rest"),
    [
        ({}, "Uploading", ""),
        (
            {
                "files": 3,
                "files_done": 1,
                "current": "a\x1b.bin",
                "speed": 2**20,
                "requests_left": 2,
                "seconds_left": 90.0,
            },
            "Uploading 1 of 3 files: a\N{REPLACEMENT CHARACTER}.bin",
            "1.0 MiB/s · 2 requests · 2 min left",
        ),
        ({"files": 1, "requests_left": 1, "seconds_left": None}, "Uploading 0 of 1 files", "1 request"),
        ({"message": "no network", "again_in": 12.3}, "Waiting: no network", "next try in 12 s"),
    ],
)
def test_what_a_bar_says(state: dict[str, Any], words: str, rest: str) -> None:
    assert (flushing.doing(state), flushing.rest(state)) == (words, rest)
