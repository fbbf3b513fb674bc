"""The end of a mount: what is still sent, for how long, and what is left."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.uploads.fakes import TASK, World
from wsfs.api import errors as api
from wsfs.finishing import End, Left, drain, left_in
from wsfs.uploads.options import Options


@pytest.fixture
def world(tmp_path: Path, mock_clock: MockClock) -> World:
    return World(tmp_path / "spool", mock_clock, Options(settle=600))


async def drained(world: World, end: End, seconds: float) -> tuple[Left | None, float]:
    """What a drain leaves, and when it ended; None where it goes on after `seconds`."""
    left: list[Left] = []
    begun = trio.current_time()
    ended: list[float] = []
    async with trio.open_nursery() as nursery:

        async def finish() -> None:
            left.append(await drain(world.sender, world.spool, end))
            ended.append(trio.current_time() - begun)

        nursery.start_soon(finish)
        await world.wait(seconds)
        nursery.cancel_scope.cancel()
    return (left[0], ended[0]) if left else (None, seconds)


def after(drain_seconds: float, *signals: signal.Signals, unmounted: bool = False) -> End:
    """The end that these signals make of a mount."""
    end = End(drain_seconds)
    if unmounted:
        end.unmounted()
    for number in signals:
        end.signalled(number)
    return end


async def test_nothing_settles_any_longer(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        for name in ("a", "b"):
            await world.write(TASK, name)
        left, seconds = await drained(world, after(60, signal.SIGTERM), 5)
        assert left == Left(0, 0, 0)
        assert seconds < 1
        assert world.service.posts == [("post_comment", "a\nb", ("a", "b"))]


async def test_a_signal_gives_it_the_time_of_the_option(world: World, mock_clock: MockClock) -> None:
    world.service.hold = trio.Event()
    async with world.running():
        await world.write(TASK, "a", b"12345")
        left, seconds = await drained(world, after(7, signal.SIGTERM), 30)
        assert left == Left(1, 5, 0)
        assert seconds == pytest.approx(7)
        world.service.hold.set()


async def test_without_a_network_a_signal_is_not_kept_waiting(world: World, mock_clock: MockClock) -> None:
    world.service.fail("get_files", *[api.Unreachable()] * 100)
    async with world.running():
        await world.write(TASK, "a")
        left, seconds = await drained(world, after(60, signal.SIGTERM), 30)
        assert left is not None
        assert left.files == 1
        assert seconds < 2


async def test_unmounted_from_outside_it_waits_for_the_network(world: World, mock_clock: MockClock) -> None:
    world.service.fail("get_files", *[api.Unreachable()] * 30)
    async with world.running():
        await world.write(TASK, "a")
        left, seconds = await drained(world, after(60, unmounted=True), 12 * 3600)
        assert left == Left(0, 0, 0)
        assert seconds > 1800
        assert len(world.service.posts) == 1


async def test_a_signal_after_that_ends_it_at_once(world: World, mock_clock: MockClock) -> None:
    world.service.hold = trio.Event()
    end = after(60, unmounted=True)
    async with world.running():
        await world.write(TASK, "a")
        assert await drained(world, end, 500) == (None, 500)
        end.signalled(signal.SIGTERM)
        left, seconds = await drained(world, end, 1)
        assert (left, seconds) == (left_in(world.spool), 0)
        assert left is not None
        assert left.files == 1
        world.service.hold.set()


async def test_a_second_signal_ends_it_at_once(world: World, mock_clock: MockClock) -> None:
    end = after(60, signal.SIGINT, signal.SIGINT)
    async with world.running():
        await world.write(TASK, "a")
        left, seconds = await drained(world, end, 5)
        assert left is not None
        assert (left.files, seconds) == (1, 0)
        assert world.service.requests == []


async def test_wsfs_umount_has_waited_already(world: World, mock_clock: MockClock) -> None:
    end = End(60)
    end.at_once()
    async with world.running():
        await world.write(TASK, "a")
        left, seconds = await drained(world, end, 5)
        assert left is not None
        assert (left.files, seconds) == (1, 0)
        assert world.service.requests == []


async def test_a_dead_login_is_not_waited_for(world: World, mock_clock: MockClock) -> None:
    world.service.fail("get_files", *[api.LoginRefused()] * 100)
    async with world.running():
        await world.write(TASK, "a")
        left, _ = await drained(world, after(60, unmounted=True), 30)
        assert left is not None
        assert left.files == 1


async def test_what_is_open_or_needs_a_person_is_left(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        node = await world.spool.create(TASK, "open", 0o644, 0, 0)
        world.spool.open(node.inode, write=True).write(0, b"123")
        held = await world.write(TASK, "held")
        await world.spool.hold(held.inode, reason="not yet")
        await world.write(TASK, "a.tmp")
        left, seconds = await drained(world, after(60, unmounted=True), 5)
        assert left == Left(1, 3, 1)
        assert seconds < 1


async def test_the_signals_are_heard_and_kill_nothing() -> None:
    end = End(5)
    async with trio.open_nursery() as nursery:
        await nursery.start(end.listen)
        signal.raise_signal(signal.SIGTERM)
        with trio.fail_after(5):
            await end.stop.wait()
        assert (end.limit, end.now.is_set()) == (5, False)
        signal.raise_signal(signal.SIGTERM)
        with trio.fail_after(5):
            await end.now.wait()
        nursery.cancel_scope.cancel()
