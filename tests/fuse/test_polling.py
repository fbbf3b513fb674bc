"""Waiting for requests: one task at a time, nobody forgotten, everybody else's turn, and looking only while it pays."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pyfuse3
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from wsfs.fuse import polling
from wsfs.fuse.polling import AT_ONCE, GAP, STRAIGHT, Poller, ReadLock


class Pipe:
    """A descriptor that is readable while something is in it."""

    def __init__(self) -> None:
        self.fd, self._end = os.pipe()

    def fill(self, count: int = 1) -> None:
        os.write(self._end, b"x" * count)

    def take(self) -> None:
        os.read(self.fd, 1)

    def close(self) -> None:
        os.close(self.fd)
        os.close(self._end)


class Clock:
    """Time that passes as it is looked at: `step` seconds a look."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 0.0
        self.step = step
        self.looks = 0

    def __call__(self) -> float:
        self.now += self.step
        self.looks += 1
        return self.now


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


class Turns:
    """Counts the turns that another task gets."""

    def __init__(self) -> None:
        self.count = 0

    async def run(self) -> None:
        while True:
            self.count += 1
            await trio.lowlevel.checkpoint()


async def ready(poller: Poller, pipe: Pipe, clock: Clock, after: float) -> None:
    """A first request, `after` which seconds of waiting it comes."""

    async def ask() -> None:
        await trio.testing.wait_all_tasks_blocked()
        clock.now += after
        pipe.fill()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await poller.wait_readable(pipe.fd)
    pipe.take()


async def test_what_is_there_costs_no_turn_until_the_others_have_theirs(
    pipe: Pipe, nursery: trio.Nursery
) -> None:
    clock = Clock()
    poller = Poller(busy=False, clock=clock)
    await ready(poller, pipe, clock, 0)
    turns = Turns()
    nursery.start_soon(turns.run)
    pipe.fill(100)
    for _ in range(50):
        await poller.wait_readable(pipe.fd)
        pipe.take()
    assert turns.count == 0
    for _ in range(10):
        clock.now += STRAIGHT
        await poller.wait_readable(pipe.fd)
    assert turns.count >= 9
    before = turns.count
    await poller.wait_readable(pipe.fd)
    assert turns.count == before, "and straight on again"


async def test_a_request_that_may_come_at_once_is_looked_for(pipe: Pipe) -> None:
    clock = Clock()
    poller = Poller(busy=True, clock=clock)
    await ready(poller, pipe, clock, AT_ONCE / 2)

    class Asking(Clock):
        """Asks as it is looked at for the third time."""

        def __call__(self) -> float:
            if self.looks == 2:
                pipe.fill()
            return super().__call__()

    poller._clock = asking = Asking()
    with trio.testing.assert_no_checkpoints():
        await poller.wait_readable(pipe.fd)
    assert asking.looks >= 3


@pytest.mark.parametrize(("busy", "after"), [(True, 2 * AT_ONCE), (False, AT_ONCE / 2)])
async def test_it_is_not_looked_for_where_that_does_not_pay(pipe: Pipe, busy: bool, after: float) -> None:
    """After a pause, or where only one processor could ask."""
    clock = Clock()
    poller = Poller(busy=busy, clock=clock)
    await ready(poller, pipe, clock, after)
    clock.looks = 0
    await ready(poller, pipe, clock, 0)
    assert clock.looks == 3, "when it came, and before and after the wait"


async def test_looking_ends(pipe: Pipe) -> None:
    clock = Clock()
    poller = Poller(busy=True, clock=clock)
    await ready(poller, pipe, clock, 0)
    clock.looks, clock.step = 0, GAP / 10
    await ready(poller, pipe, clock, 2 * AT_ONCE)
    assert 10 < clock.looks < 20
    clock.looks = 0
    await ready(poller, pipe, clock, 0)
    assert clock.looks == 3, "the last one came after a pause"


async def test_an_end_is_noticed(pipe: Pipe, nursery: trio.Nursery) -> None:
    poller = Poller(busy=True)

    async def end() -> None:
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.notify_closing(pipe.fd)

    nursery.start_soon(end)
    with pytest.raises(trio.ClosedResourceError):
        await poller.wait_readable(pipe.fd)


async def test_cancelled_it_lets_go(pipe: Pipe) -> None:
    lock, poller = ReadLock(), Poller(busy=True)
    for _ in range(2):
        with trio.move_on_after(0.01) as scope:
            async with lock:
                await poller.wait_readable(pipe.fd)
        assert scope.cancelled_caught
    pipe.fill()
    async with lock:
        await poller.wait_readable(pipe.fd)


async def test_another_descriptor_is_looked_at_itself(pipe: Pipe) -> None:
    clock = Clock()
    poller = Poller(busy=False, clock=clock)
    pipe.fill()
    await poller.wait_readable(pipe.fd)
    await poller.wait_readable(pipe.fd)
    other = Pipe()
    try:
        with trio.move_on_after(0.01) as scope:
            await poller.wait_readable(other.fd)
        assert scope.cancelled_caught
    finally:
        other.close()


async def test_the_lock_may_be_taken_again_at_once(nursery: trio.Nursery) -> None:
    lock = ReadLock()
    order: list[str] = []

    async def other() -> None:
        async with lock:
            order.append("other")

    async with lock:
        nursery.start_soon(other)
        await trio.testing.wait_all_tasks_blocked()
    with trio.testing.assert_no_checkpoints():
        async with lock:
            order.append("again")
    await trio.testing.wait_all_tasks_blocked()
    assert order == ["again", "other"]


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=8), min_size=1, max_size=6)
)
def test_one_at_a_time_and_nobody_is_forgotten(plans: list[list[tuple[int, int]]]) -> None:
    """Tasks that wait so many turns holding the lock, and so many without it."""

    async def main() -> None:
        lock = ReadLock()
        inside = 0

        async def work(plan: list[tuple[int, int]]) -> None:
            nonlocal inside
            for holding, without in plan:
                async with lock:
                    inside += 1
                    assert inside == 1
                    for _ in range(holding):
                        await trio.lowlevel.checkpoint()
                    inside -= 1
                for _ in range(without):
                    await trio.lowlevel.checkpoint()

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for plan in plans:
                    nursery.start_soon(work, plan)

    trio.run(main)


def test_pyfuse3_waits_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyfuse3, "trio", trio)
    polling.install()
    seen = vars(pyfuse3)["trio"]
    assert seen.Lock is ReadLock
    assert seen.lowlevel.wait_readable.__func__ is Poller.wait_readable
    for name in ("open_nursery", "ClosedResourceError"):
        assert getattr(seen, name) is getattr(trio, name)
    for name in ("current_task", "current_trio_token", "notify_closing"):
        assert getattr(seen.lowlevel, name) is getattr(trio.lowlevel, name)
