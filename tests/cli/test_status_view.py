"""What a person reads of a drive's status."""

from __future__ import annotations

import datetime
import io
from typing import Any

import pytest
from rich.console import Console

from wsfs.cli.status_view import view

NOW = datetime.datetime(2026, 11, 24, 15, 0, tzinfo=datetime.UTC).astimezone()


def before(seconds: float) -> str:
    return (NOW - datetime.timedelta(seconds=seconds)).isoformat(timespec="seconds")


def quiet(**changed: Any) -> dict[str, Any]:
    """The status of a drive that has nothing to do."""
    return {
        "mountpoint": "/home/ann/Worksection",
        "account": "https://acme.worksection.com",
        "read_only": False,
        "login": {
            "state": "good",
            "user": "Ann <ann@example.com>",
            "ends_unless_used": "2026-12-24T10:00+00:00",
        },
        "account_known": {
            "mode": "events",
            "last_poll": before(12),
            "poll_interval": 30.0,
            "known": {"projects": 3, "tasks": 1},
            "crawl": {"on": True, "left": 0},
            "to_read_again": 0,
        },
        "requests": {
            "sent": 812,
            "waiting": {"person": 0, "upload": 0, "refresh": 0, "background": 0},
            "rate": 1.0,
            "background_rate": 1.0,
            "next": {"lane": None, "seconds": 0.0},
            "held_for": 0.0,
        },
        "cache": {"limit": 5 * 2**30, "used": 2**30, "files": 12, "pinned": 0, "hits": 9, "misses": 1},
        "uploads": {"state": "idle", "message": "", "files": 0, "bytes": 0, "counts": {}, "attention": 0},
        "troubles": [],
    } | changed


def told(state: dict[str, Any], width: int = 160) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, legacy_windows=False).print(view(state, NOW))
    return out.getvalue()


def lines(state: dict[str, Any]) -> list[str]:
    return [" ".join(line.split()) for line in told(state).splitlines()]


def test_a_drive_that_has_nothing_to_do() -> None:
    said = lines(quiet())
    assert said[0] == "/home/ann/Worksection"
    assert said[1] == "account acme.worksection.com · Ann <ann@example.com>"
    assert said[2].startswith("login good until 24 Dec 2026")
    assert said[3] == "uploads everything is on the server"
    assert said[4] == "requests nobody waits · 812 sent"
    assert said[5] == "fresh looked for changes 12 s ago · every 30 s"
    assert said[6] == "3 projects · 1 task"
    assert said[7] == "cache 1.0 GiB of 5.0 GiB · 12 files · 90 % of reads from here"
    assert len(said) == 9  # and the bar


def test_uploads_with_their_progress() -> None:
    uploads = {
        "state": "sending",
        "message": "",
        "again_in": None,
        "files": 3,
        "bytes": 40 * 2**20,
        "bytes_done": 10 * 2**20,
        "bytes_left": 30 * 2**20,
        "speed": 2**20,
        "counts": {"sending": 2, "settling": 1},
        "attention": 0,
        "current": [{"path": "/Website/Film.mp4", "size": 35 * 2**20, "bytes_done": 10 * 2**20}],
    }
    text = told(quiet(uploads=uploads))
    assert "3 files not there yet · 10.0 MiB of 40.0 MiB · 1.0 MiB/s · 30 s left" in text
    assert f"↑ {'━' * 7}{'─' * 17} 10.0 MiB of 35.0 MiB  /Website/Film.mp4" in text
    assert f"  {'━' * 6}{'─' * 18} " in text  # of all of them
    assert "1 about to go" in text


def test_uploads_that_wait_and_that_need_a_person() -> None:
    uploads = {
        "state": "trying again",
        "message": "Worksection can't be reached",
        "again_in": 12.0,
        "files": 2,
        "bytes": 100,
        "counts": {"settling": 1, "quarantined": 1},
        "attention": 1,
    }
    text = told(quiet(uploads=uploads))
    assert "Worksection can't be reached · next try in 12 s" in text
    assert "1 needs you: `wsfs uploads` says why" in text


def test_whose_turn_is_next() -> None:
    requests = {
        "sent": 5,
        "waiting": {"person": 1, "upload": 0, "refresh": 0, "background": 3},
        "rate": 1.0,
        "background_rate": 0.25,
        "next": {"lane": "person", "seconds": 0.42},
        "held_for": 8.0,
    }
    said = lines(quiet(requests=requests))
    assert (
        "requests next turn: a person's, in 0.4 s · waiting: 1 of a person, 3 in the background · 5 sent"
        in said
    )
    assert "Worksection asked for a pause of 8 s · all but a person's slowed down to 0.25" in said


def test_no_limit_of_requests_is_no_trouble() -> None:
    requests = quiet()["requests"] | {"rate": "no limit", "background_rate": "no limit"}
    assert "slowed" not in told(quiet(requests=requests))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"mode": "offline", "offline_since": before(3600), "error": "no network"},
            "; what was known is shown · no network",
        ),
        (
            {"mode": "login refused", "error": "the key is wrong"},
            "no news, as the login isn't accepted · the key is wrong",
        ),
        (
            {"mode": "full loads", "events_refused": "no right", "last_load": before(60)},
            "every ten minutes, last 60 s ago",
        ),
        ({"crawl": {"on": True, "left": 7}}, "7 directories to be filled in"),
        ({"to_read_again": 2}, "2 to be read again"),
    ],
)
def test_how_fresh_it_is(changed: dict[str, Any], words: str) -> None:
    assert words in told(quiet(account_known=quiet()["account_known"] | changed))


def test_what_is_kept_offline() -> None:
    cache = quiet()["cache"] | {"pinned": 4, "to_be_fetched": 2, "streams": 1}
    assert "4 kept offline, 2 still to be fetched · 1 download running" in told(quiet(cache=cache))


def test_a_dead_login_is_the_first_thing_to_see() -> None:
    login = {"state": "log in again", "message": "the login has ended: log in again with `wsfs login acme`"}
    assert "login the login has ended: log in again with `wsfs login acme`" in lines(quiet(login=login))


def test_the_last_errors_in_plain_words() -> None:
    troubles = [
        {"time": before(60), "doing": "listing files", "message": "no answer", "count": 3, "over": False},
        {"time": before(90), "doing": "fetching a file", "message": "refused", "count": 1, "over": True},
    ]
    said = lines(quiet(troubles=troubles))
    assert (
        said[-2] == f"errors {NOW - datetime.timedelta(minutes=1):%H:%M} listing files: no answer · 3 times"
    )
    assert said[-1].endswith("fetching a file: refused · worked since")


def test_a_mount_of_another_version_tells_less_and_breaks_nothing() -> None:
    strange: dict[str, Any] = {"mountpoint": "/mnt", "uploads": None, "requests": [], "cache": 3}
    for state in ({"mountpoint": "/mnt"}, strange):
        assert "/mnt" in told(state)


def test_what_could_steer_a_terminal_is_replaced() -> None:
    state = quiet(
        uploads={"files": 1, "bytes": 1, "current": [{"path": "/a\x1b[31m", "size": 1, "bytes_done": 0}]},
        troubles=[{"doing": "a\x1b[31m", "message": "\x07"}],
    )
    assert "\x1b" not in told(state)
    assert "\x07" not in told(state)
    assert "\x1b" not in told({"mountpoint": "/a\x1b[31m", "error": "\x1b[31m"})


def test_a_narrow_terminal_loses_nothing() -> None:
    text = " ".join(told(quiet(), width=40).split())
    assert "everything is on the server" in text
    assert "% of reads from" in text
