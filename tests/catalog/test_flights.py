"""Sharing what is in flight."""

from __future__ import annotations

import itertools

import pytest
import trio
import trio.testing

from tests.conftest import ExpectedWarnings
from wsfs.api.errors import TaskInvalid
from wsfs.api.pacing import Lane
from wsfs.catalog.flights import Flight, Flights


class Field:
    """Flights, in a nursery or not, and what was flown."""

    def __init__(self) -> None:
        self.landed = 0
        self.flown: list[Flight] = []
        self.gate = trio.Event()
        count = itertools.count(1)
        self.flights = Flights(lambda: next(count), self._landed)

    def _landed(self) -> None:
        self.landed += 1

    async def fly(self, flight: Flight) -> None:
        self.flown.append(flight)
        await self.gate.wait()

    async def ask(self, lane: Lane = Lane.PERSON, *, fresh: bool = False) -> None:
        await self.flights.share("key", lane, self.fly, fresh=fresh)


@pytest.fixture
def field() -> Field:
    return Field()


async def test_equal_requests_fly_once(field: Field) -> None:
    async with trio.open_nursery() as nursery:
        field.flights.nursery = nursery
        for lane in (Lane.BACKGROUND, Lane.REFRESH, Lane.PERSON, Lane.UPLOAD):
            nursery.start_soon(field.ask, lane)
        await trio.testing.wait_all_tasks_blocked()
        assert len(field.flown) == len(field.flights) == 1
        assert field.flown[0].lane.lane == Lane.PERSON
        assert field.flights.busy(Lane.PERSON)
        field.gate.set()
    assert field.landed == 1
    assert len(field.flights) == 0


async def test_a_fresh_one_does_not_take_what_was_asked_before(field: Field) -> None:
    async with trio.open_nursery() as nursery:
        field.flights.nursery = nursery
        nursery.start_soon(field.ask)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):
            nursery.start_soon(lambda: field.ask(fresh=True))
        await trio.testing.wait_all_tasks_blocked()
        assert len(field.flown) == 1
        field.gate.set()
    assert len(field.flown) == 2  # the three share the second


async def test_a_failure_goes_to_everyone_who_waits_and_the_next_asks_anew(field: Field) -> None:
    failed = []

    async def fail(flight: Flight) -> None:
        await field.fly(flight)
        raise TaskInvalid()

    async def ask() -> None:
        try:
            await field.flights.share("key", Lane.PERSON, fail)
        except TaskInvalid as error:
            failed.append(error)

    async with trio.open_nursery() as nursery:
        field.flights.nursery = nursery
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        field.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(failed) == 2 and len(field.flown) == 1
        nursery.start_soon(ask)
    assert len(failed) == 3 and len(field.flown) == 2


async def test_what_was_not_foreseen_ends_nothing(field: Field, expected_warnings: ExpectedWarnings) -> None:
    expected_warnings.expect("could not be taken")

    async def fail(flight: Flight) -> None:
        raise ZeroDivisionError

    async with trio.open_nursery() as nursery:
        field.flights.nursery = nursery
        with pytest.raises(ZeroDivisionError):
            await field.flights.share("key", Lane.PERSON, fail)
        field.gate.set()
        await field.ask()


async def test_who_has_what_he_wants_does_not_wait_for_the_rest(field: Field) -> None:
    parts: set[int] = set()

    async def fly(flight: Flight) -> None:
        for part in range(3):
            await trio.testing.wait_all_tasks_blocked()
            parts.add(part)
            flight.tell()
        await field.gate.wait()
        raise TaskInvalid()

    async with trio.open_nursery() as nursery:
        field.flights.nursery = nursery
        await field.flights.share("key", Lane.PERSON, fly, until=lambda: 1 in parts)
        assert parts == {0, 1}
        field.gate.set()


async def test_the_end_of_the_nursery_lets_waiters_fly_themselves(field: Field) -> None:
    done = trio.Event()

    async def ask() -> None:
        await field.ask()
        done.set()

    async with trio.open_nursery() as outer:
        async with trio.open_nursery() as inner:
            field.flights.nursery = inner
            outer.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            inner.cancel_scope.cancel()
            field.flights.nursery = None
        await trio.testing.wait_all_tasks_blocked()
        assert len(field.flown) == 2
        field.gate.set()
        with trio.fail_after(1):
            await done.wait()
