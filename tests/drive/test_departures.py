"""What is gone from the service leaves the cache, pinned or not: after a while, and never while it is open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.content.fakes import FakeServer, content
from tests.drive.harness import Desk
from wsfs.api.errors import NotFound
from wsfs.api.pacing import Lane
from wsfs.content.cache import Cache
from wsfs.content.fetch import Content
from wsfs.content.pins import Pins
from wsfs.drive.departures import AGAIN, GRACE, Departures
from wsfs.tree.inodes import Kind
from wsfs.tree.nodes import File

Clock = trio.testing.MockClock
SIZE = 100_000


def file(id: int) -> File:
    return File(id * 4, Kind.ATTACHMENT, id, f"{id}.bin", size=SIZE)


class World:
    """A cache that holds attachments 1 to 3, of which the first is pinned, and the table of what is in the tree."""

    def __init__(self, cache: Cache, nursery: trio.Nursery) -> None:
        server = FakeServer()
        server.sizes.update(dict.fromkeys((1, 2, 3), SIZE))
        self.there = {id: file(id) for id in server.sizes}
        self.content = Content(cache, server.download, nursery)
        self.pins = Pins(self.content)
        self.departures = Departures(self.there, self.content, self.pins)

    def leave(self, *ids: int) -> None:
        self.departures.gone([self.there.pop(id) for id in ids])

    def kept(self) -> list[int]:
        return [id for id in (1, 2, 3) if self.content.has(id, SIZE)]


@pytest.fixture
def clock() -> Clock:
    """Virtual time, which gives worker threads a moment: it knows nothing of them."""
    return Clock(autojump_threshold=0.01)


@asynccontextmanager
async def world_in(directory: Path) -> AsyncIterator[World]:
    async with Cache(directory, 10 * SIZE, floor=0) as cache, trio.open_nursery() as nursery:
        world = World(cache, nursery)
        nursery.start_soon(world.departures.run)
        yield world
        nursery.cancel_scope.cancel()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path / "cache") as world:
        for id in (1, 2, 3):
            await world.content.fill(id, SIZE, Lane.PERSON)
        await world.pins.pin([(1, SIZE)], Lane.PERSON)
        yield world


async def pass_(seconds: float) -> None:
    """Let time go by, and what is due then be done, in threads too."""
    await trio.sleep(seconds)
    await trio.sleep(1)


async def test_pinned_or_not_it_goes_after_a_while(world: World, clock: Clock) -> None:
    world.leave(1)
    await pass_(GRACE / 2)
    world.leave(2)
    await pass_(GRACE / 2 - 10)
    assert world.kept() == [1, 2, 3]
    assert world.pins.is_pinned(1, SIZE), "until then all is as it was"
    await pass_(10)
    assert world.kept() == [2, 3]
    assert world.pins.pinned() == []
    await pass_(GRACE / 2)
    assert world.kept() == [3]
    assert len(list((world.content.cache.directory / "files").iterdir())) == 1


async def test_what_comes_back_stays_as_it_was(world: World, clock: Clock) -> None:
    world.leave(1, 2)
    await pass_(GRACE - 10)
    world.there[1] = file(1)
    await pass_(GRACE)
    assert world.kept() == [1, 3]
    assert world.pins.is_pinned(1, SIZE)


async def test_not_while_it_is_open(world: World, clock: Clock) -> None:
    reader = world.content.open(1, SIZE, Lane.PERSON)
    world.leave(1)
    await pass_(GRACE + 3 * AGAIN)
    assert reader.read_now(0, SIZE) == content(1, 0, SIZE)
    assert world.pins.is_pinned(1, SIZE)
    reader.close()
    await pass_(AGAIN)
    assert world.kept() == [2, 3]


async def test_an_unmount_in_the_meantime_lets_go_of_the_pin_alone(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        for id in (1, 2, 3):
            await world.content.fill(id, SIZE, Lane.PERSON)
        await world.pins.pin([(1, SIZE), (2, SIZE)], Lane.PERSON)
        world.leave(1)
        await trio.testing.wait_all_tasks_blocked()
    async with world_in(tmp_path) as world:
        assert world.kept() == [1, 2, 3]
        assert [id for id, _, _ in world.pins.pinned()] == [2]


async def test_what_colleagues_do_that_is_no_deletion(desk: Desk) -> None:
    account = desk.account
    office = next(iter(account.projects.values()))
    report = office.tasks[0]
    old, other = report.files[0], account.add_file_to_task(report, ("other.txt", b"other"))
    archive = account.add_project("Archive")
    await desk.refresh()
    assert await desk.names("/Office/Report") == ["Details", "old.txt", "other.txt"]
    harmless: list[tuple[Callable[[], None], Callable[[], None]]] = [
        (lambda: account.close_project(office), lambda: account.activate_project(office)),
        (lambda: account.close_task(report), lambda: account.reopen_task(report)),
        (lambda: account.close_project(archive), lambda: None),
        (lambda: account.move_task(report, project=archive), lambda: account.activate_project(archive)),
    ]
    for act, back in harmless:
        act()
        await desk.refresh()
        back()
        await desk.refresh()
    assert desk.gone == []
    assert desk.tree.attachments.keys() == {old.id, other.id}
    account.delete_file(other)
    await desk.refresh()
    assert desk.gone == [other.id]
    account.delete_task(report)
    with pytest.raises(NotFound):
        await desk.catalog.refresh(("task", report.id))
    assert desk.gone == [other.id, old.id]
