"""When others fail at once, and what ends it."""

from __future__ import annotations

import pytest

from wsfs.api.errors import (
    AccessDenied,
    BadAnswer,
    ConnectionBroken,
    LoginRefused,
    ServerFailed,
    TimedOut,
    TooManyTasks,
    Unreachable,
)
from wsfs.catalog.link import Link


@pytest.fixture
def link() -> Link:
    link = Link(lambda: 1000.0)
    link.probing = True
    return link


@pytest.mark.parametrize("error", [Unreachable(), TimedOut()])
def test_after_a_failure_of_the_network_others_fail_at_once(link: Link, error: Exception) -> None:
    link.gate()
    assert link.observe(error)
    assert link.offline and link.since == 1000.0
    with pytest.raises(type(error)):
        link.gate()
    assert not link.observe(error)


@pytest.mark.parametrize("error", [ConnectionBroken(), BadAnswer(), ServerFailed(), AccessDenied()])
def test_other_failures_hold_nobody_up(link: Link, error: Exception) -> None:
    link.observe(error)
    link.gate()


@pytest.mark.parametrize("answer", [None, AccessDenied(), LoginRefused(), TooManyTasks()])
def test_any_answer_shows_that_the_network_is_back(link: Link, answer: Exception | None) -> None:
    link.observe(Unreachable())
    assert link.observe(answer)
    link.gate()
    assert link.since is None


@pytest.mark.parametrize("error", [ConnectionBroken(), BadAnswer(), ServerFailed()])
def test_half_an_answer_does_not(link: Link, error: Exception) -> None:
    link.observe(Unreachable())
    assert not link.observe(error)
    assert link.offline


def test_where_nobody_looks_for_the_network_everyone_tries(link: Link) -> None:
    link.probing = False
    link.observe(Unreachable())
    link.gate()


def test_the_probe_slows_down_and_starts_anew(link: Link) -> None:
    link.observe(Unreachable())
    assert [link.backoff() for _ in range(6)] == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    link.observe(None)
    link.observe(TimedOut())
    assert link.backoff() == 2.0


def test_a_refused_login_is_remembered_until_something_works(link: Link) -> None:
    link.observe(LoginRefused())
    link.observe(AccessDenied())
    assert link.login is not None
    link.observe(None)
    assert link.login is None


async def test_watching_a_request_hands_on_what_it_gives(link: Link) -> None:
    async def works() -> int:
        return 5

    async def fails() -> int:
        raise Unreachable()

    assert await link.watch(works()) == 5
    with pytest.raises(Unreachable):
        await link.watch(fails())
    assert link.offline
