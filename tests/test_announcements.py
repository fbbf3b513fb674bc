"""What is told on the desktop, and when, over a spool and a sender, on a screen in memory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock

from tests.conftest import ExpectedWarnings
from tests.uploads.conftest import world as world
from tests.uploads.fakes import OTHER_TASK, PROJECT, ROOT, TASK, World, state
from wsfs.announcements import RETRY, SEND, UNDO, Announcements
from wsfs.api import errors as api
from wsfs.notifications import CRITICAL, Notice
from wsfs.uploads.states import State

promise = pytest.mark.promise

PLACES = {ROOT: "/", PROJECT: "/Website", TASK: "/Website/Logo", OTHER_TASK: "/Website/Banner"}


class FakeScreen:
    """What is on the screen, and all that ever was."""

    def __init__(self) -> None:
        self.now: dict[str, Notice] = {}
        self.told: list[str] = []

    def show(self, key: str, notice: Notice) -> None:
        self.now[key] = notice
        self.told.append(notice.title)

    def withdraw(self, key: str) -> None:
        self.now.pop(key, None)

    def press(self, title: str, action: str) -> None:
        notice = next(one for one in self.now.values() if one.title == title)
        assert action in notice.actions
        notice.on_action(action)

    @property
    def titles(self) -> list[str]:
        return [one.title for one in self.now.values()]


@contextlib.asynccontextmanager
async def announcing(world: World, screen: FakeScreen) -> AsyncIterator[Announcements]:
    announcements = Announcements(screen, world.sender, world.spool, PLACES.get)
    async with world.running(), trio.open_nursery() as nursery:
        nursery.start_soon(announcements.run)
        yield announcements
        nursery.cancel_scope.cancel()


@pytest.fixture
def screen() -> FakeScreen:
    return FakeScreen()


# What goes


async def test_what_goes_is_told_while_it_settles(
    world: World, mock_clock: MockClock, screen: FakeScreen
) -> None:
    async with announcing(world, screen):
        for name in ("a", "b", "c", "d"):
            await world.write(TASK, name)
        await world.wait(1)
        [notice] = screen.now.values()
        assert (notice.title, notice.body) == ("4 files go to Logo", "a, b, c and 1 more")
        assert (dict(notice.actions), notice.needs_actions) == ({UNDO: "Undo"}, True)
        await world.wait(5)
        assert len(world.service.posts) == 1
        assert screen.titles == []


async def test_while_it_is_being_copied_nothing_is_told_yet(
    world: World, mock_clock: MockClock, screen: FakeScreen
) -> None:
    async with announcing(world, screen):
        node = await world.spool.create(TASK, "large", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        handle.write(0, b"x")
        await world.write(TASK, "small")
        await world.wait(2)
        assert screen.told == []
        await world.spool.flush(handle)
        await world.spool.release(handle)
        await world.wait(1)
        assert screen.titles == ["2 files go to Logo"]


async def test_new_tasks_are_named(world: World, mock_clock: MockClock, screen: FakeScreen) -> None:
    async with announcing(world, screen):
        photos = await world.spool.mkdir(PROJECT, "Photos", 0o755, 0, 0)
        await world.write(photos.inode, "a.jpg")
        await world.wait(1)
        assert screen.titles == ["1 file goes to the new task Photos"]
        plans = await world.spool.mkdir(PROJECT, "Plans", 0o755, 0, 0)
        await world.write(plans.inode, "b.pdf")
        await world.write(PROJECT, "c.txt")
        await world.wait(1)
        assert screen.titles == ["3 files and 2 new tasks go to Website"]


async def test_what_an_editor_saves_again_is_not_told(
    world: World, mock_clock: MockClock, screen: FakeScreen
) -> None:
    async with announcing(world, screen):
        await world.write(TASK, "a.odt")
        await world.wait(10)
        screen.told.clear()
        await world.write(TASK, "a.odt", b"another version")
        await world.wait(120)
        assert len(world.service.posts) == 2
        assert screen.told == []


# Undo


@promise("Undo in a notification holds the files back where they are: nothing is sent, and nothing is lost.")
async def test_undo_holds_back_and_loses_nothing(
    world: World, mock_clock: MockClock, screen: FakeScreen
) -> None:
    async with announcing(world, screen):
        nodes = [await world.write(TASK, name) for name in ("a", "b")]
        other = await world.write(OTHER_TASK, "c")
        await world.wait(1)
        screen.press("2 files go to Logo", UNDO)
        await world.wait(600)
        assert [state(node) for node in nodes] == [State.INTERRUPTED] * 2
        assert [world.read(node) for node in nodes] == [b"content"] * 2
        assert "you held it back" in (nodes[0].error or "")
        assert world.service.posts == [("post_comment", "c", ("c",))]
        assert other.inode not in world.spool.nodes
        assert screen.titles == ["2 files held back in Logo"]  # and nothing of an interruption
        assert world.sender.status()["attention"] == 2
    again = world.again()
    async with announcing(again, screen):
        await again.wait(600)
        assert len(again.service.posts) == 1  # over a restart, too
        assert screen.told[-1] == "2 files held back in Logo"


async def test_what_was_held_back_can_be_sent_after_all(
    world: World, mock_clock: MockClock, screen: FakeScreen
) -> None:
    async with announcing(world, screen):
        await world.write(TASK, "a")
        await world.wait(1)
        screen.press("1 file goes to Logo", UNDO)
        await world.wait(60)
        screen.press("1 file held back in Logo", SEND)
        await world.wait(5)
        assert world.service.posts == [("post_comment", "a", ("a",))]


async def test_undo_takes_what_has_joined_since(
    world: World, mock_clock: MockClock, screen: FakeScreen
) -> None:
    async with announcing(world, screen):
        await world.write(TASK, "a")
        await world.wait(1)
        notice = next(iter(screen.now.values()))
        await world.write(TASK, "b")
        await world.wait(1)
        notice.on_action(UNDO)
        await world.wait(60)
        assert world.service.posts == []


async def test_undo_that_comes_too_late_says_so(
    world: World, mock_clock: MockClock, screen: FakeScreen
) -> None:
    world.service.hold = trio.Event()
    async with announcing(world, screen):
        await world.write(TASK, "a")
        await world.wait(1)
        notice = next(iter(screen.now.values()))
        await world.wait(5)
        assert screen.titles == []
        notice.on_action(UNDO)
        await world.wait(1)
        assert screen.titles == ["It was too late to undo"]
        world.service.hold.set()
        await world.wait(5)
        assert len(world.service.posts) == 1


# What needs a person


async def test_many_failures_are_one_notification(
    world: World, mock_clock: MockClock, screen: FakeScreen, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("Worksection doesn't take")
    world.service.fail("post_comment", *[api.TaskClosed()] * 10)
    async with announcing(world, screen):
        nodes = []
        for number in range(5):
            nodes.append(await world.write(TASK, f"{number}.txt"))
            await world.wait(10)
        assert screen.titles == ["5 files could not be uploaded"]
        [notice] = screen.now.values()
        assert "the task is closed" in notice.body
        assert "reopen it" in notice.body
        told = len(screen.told)
        await world.wait(3600)
        assert len(screen.told) == told
        for node in nodes:
            await world.spool.discard(node.inode)
        await world.wait(1)
        assert screen.titles == []


async def test_what_was_refused_can_be_tried_again_from_there(
    world: World, mock_clock: MockClock, screen: FakeScreen, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("Worksection doesn't take")
    world.service.fail("post_comment", *[api.StorageFull()] * 2)
    async with announcing(world, screen):
        node = await world.write(TASK, "a.txt")
        uncertain = await world.write(OTHER_TASK, "b.txt")
        await world.wait(10)
        uncertain.uncertain = True
        screen.press("2 files could not be uploaded", RETRY)
        await world.wait(10)
        assert world.service.posts == [("post_comment", "a.txt", ("a.txt",))]
        assert node.inode not in world.spool.nodes
        assert state(uncertain) is State.QUARANTINED
        assert screen.titles == ["1 file could not be uploaded"]
        [notice] = screen.now.values()
        assert notice.actions == {}


async def test_a_copy_that_was_stopped_is_told(
    world: World, mock_clock: MockClock, screen: FakeScreen
) -> None:
    async with announcing(world, screen):
        node = await world.spool.create(TASK, "half.bin", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        handle.write(0, b"x")
        await world.spool.flush(handle, killed=True)
        await world.spool.release(handle)
        await world.wait(5)
        assert screen.titles == ["1 file may be half and is not uploaded"]


async def test_a_flood_of_new_tasks_is_told(world: World, mock_clock: MockClock, screen: FakeScreen) -> None:
    async with announcing(world, screen):
        for number in range(12):
            directory = await world.spool.mkdir(PROJECT, f"Task {number}", 0o755, 0, 0)
            await world.write(directory.inode, "a.txt")
        await world.wait(60)
        assert screen.titles == ["12 new tasks in Website wait for you"]
        await world.sender.release(PROJECT)
        await world.wait(1)
        assert screen.titles == []


async def test_a_dead_login_stays_on_the_screen_until_it_is_healed(
    world: World, mock_clock: MockClock, screen: FakeScreen
) -> None:
    announcements = Announcements(screen, world.sender, world.spool, PLACES.get)
    announcements.login_died("the token has ended: log in again with `wsfs login acme`")
    [notice] = screen.now.values()
    assert (notice.title, notice.urgency) == ("Log in to Worksection again", CRITICAL)
    assert "`wsfs login acme`" in notice.body
    announcements.login_healed()
    assert screen.now == {}
