from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from wsfs.api.auth import AdminKey, Credentials, UserToken
from wsfs.api.errors import AccessDenied, ApiError, LoginRefused, NoSuchAccount, TimedOut
from wsfs.api.models import Event
from wsfs.doctor import State, asking
from wsfs.doctor.asking import Answers
from wsfs.emulator.account import Account
from wsfs.emulator.testing import running
from wsfs.secrets import Vault

NOW = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.UTC)
KYIV = ZoneInfo("Europe/Kyiv")


def at(*moments: str) -> list[Event]:
    return [Event(date_added=datetime.datetime.fromisoformat(f"2026-11-{one}")) for one in moments]


# What is sent


async def asked(url: str, credentials: Credentials, tmp_path: Path) -> Answers:
    return await asking.ask(url, credentials, None, Vault(tmp_path, ring=lambda: None), rate=0)


async def test_what_it_costs_and_what_comes(tmp_path: Path) -> None:
    async with running(Account()) as emulator:
        emulator.account.add_project("Office")
        key = AdminKey(emulator.api_key)
        answers = await asked(emulator.url, key, tmp_path)
        assert [one.action for one in emulator.requests] == ["get_projects", "get_events"]
        assert len(emulator.requests) == asking.cost(key)
        assert (answers.login, answers.projects) == (None, None)
        assert isinstance(answers.events, list)
        assert len(answers.offsets) == 2
        assert all(abs(one) < 5 for one in answers.offsets)

        token = UserToken(emulator.oauth.grant().access)
        emulator.requests.clear()
        answers = await asked(emulator.url, token, tmp_path)
        assert [one.action for one in emulator.requests] == ["me", "get_projects", "get_events"]
        assert len(emulator.requests) == asking.cost(token)
        assert "@" in answers.who


async def test_a_wrong_login_is_asked_once(tmp_path: Path) -> None:
    async with running(Account()) as emulator:
        answers = await asked(emulator.url, UserToken("wrong"), tmp_path)
        assert isinstance(answers.login, LoginRefused)
        assert len(emulator.requests) == 1


async def test_a_login_without_a_right(tmp_path: Path) -> None:
    async with running(Account()) as emulator:
        token = UserToken(emulator.oauth.grant(scopes=frozenset({"users_read"})).access)
        answers = await asked(emulator.url, token, tmp_path)
        assert answers.login is None
        assert isinstance(answers.projects, AccessDenied)
        assert asking.check_rights(answers, "acme").state is State.BAD


# What is made of it


@pytest.mark.parametrize(
    ("error", "state", "cure"),
    [
        (None, State.GOOD, ""),
        (LoginRefused(), State.BAD, "wsfs login acme"),
        (NoSuchAccount(), State.BAD, "account's name"),
        (TimedOut(), State.BAD, "network"),
    ],
)
def test_the_login(error: ApiError | None, state: State, cure: str) -> None:
    found = asking.check_login(Answers(login=error, who="Ann"), "acme")
    assert (found.state, cure in found.cure) == (state, True)


def line(action: str, result: str = "ok") -> str:
    return f"2026-11-24 12:00:00.000 person     {action:<16}     12 ms {result} id=1"


def test_rights_by_what_a_mount_was_given_and_refused() -> None:
    assert asking.seen([line("get_files"), line("post_comment"), "", "nonsense"]) == (
        {"files_read", "comments_write"},
        set(),
    )
    assert asking.seen([line("get_files", "AccessDenied")]) == (set(), {"files_read"})
    assert asking.seen([line("get_files", "AccessDenied"), line("download")]) == ({"files_read"}, set())
    # A refused write may be this one task's.
    assert asking.seen([line("post_comment", "AccessDenied")]) == (set(), set())


def test_rights() -> None:
    def check(*lines: str, **answers: Any) -> tuple[State, str]:
        found = asking.check_rights(Answers(**{"events": [], **answers}), "acme", lines)
        return found.state, found.said

    assert check(line("get_files")) == (
        State.GOOD,
        "files_read, projects_read; others show when they are used",
    )
    assert check(line("get_files", "AccessDenied")) == (State.BAD, "the login lacks files_read")
    assert check(events=AccessDenied())[0] is State.NOTE
    assert check(projects=AccessDenied(), events=AccessDenied()) == (
        State.BAD,
        "the login lacks projects_read",
    )
    assert check(events=TimedOut())[0] is State.GOOD


@pytest.mark.parametrize(
    ("offsets", "state"),
    [
        ([], State.NOTE),
        ([0.4, -0.3], State.GOOD),
        ([20.0, 20.1, 19.9], State.NOTE),
        ([-300.0, -301.0], State.BAD),
        ([0.1, 400.0, 0.2], State.GOOD),  # one that was long on its way
    ],
)
def test_the_clock(offsets: list[float], state: State) -> None:
    (found,) = asking.check_clock(offsets)
    assert found.state is state
    if state is State.BAD:
        assert "300 s behind" in found.said
        assert "set-ntp" in found.cure


def test_the_time_zone_fits_or_not() -> None:
    # In Kyiv it is 14:00; the newest is of five minutes ago, the oldest of 23 hours ago.
    events = at("24 13:55", "23 15:00")
    assert asking.check_timezone(events, KYIV, NOW).state is State.GOOD
    wrong = asking.check_timezone(events, datetime.UTC, NOW)
    assert wrong.state is State.BAD
    assert "UTC is UTC+0:00, and the account's is UTC+2:00 to UTC+3:00" in wrong.said
    assert "timezone" in wrong.cure
    west = asking.check_timezone(events, ZoneInfo("Asia/Tokyo"), NOW)
    assert west.state is State.BAD
    narrow = asking.check_timezone(at("24 13:59", "23 14:01"), datetime.UTC, NOW)
    assert "the account's is UTC+2:00:" in narrow.said
    before = asking.check_timezone(at("24 02:59", "23 03:02"), datetime.UTC, NOW)
    assert "the account's is UTC-9:00:" in before.said


def test_a_time_zone_that_cannot_be_compared() -> None:
    for events in ([], None, TimedOut(), [Event()]):
        found = asking.check_timezone(events, None, NOW)
        assert found.state is State.NOTE
        assert "this machine's" in found.said


def test_minutes_are_cut_off_and_clocks_are_off_a_little() -> None:
    assert asking.check_timezone(at("24 14:02", "23 13:58"), KYIV, NOW).state is State.GOOD


def test_after_a_refused_login_nothing_else_is_said() -> None:
    answers = Answers(login=LoginRefused(), offsets=[0.0])
    assert [one.check for one in asking.judge(answers, "acme", None)] == ["login", "clock"]
    whole = asking.judge(Answers(events=[]), "acme", None)
    assert [one.check for one in whole] == list(asking.CHECKS)
