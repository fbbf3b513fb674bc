"""What becomes of uploads of which nobody knows at first whether they arrived."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.conftest import ExpectedWarnings
from wsfs.api import errors as api
from wsfs.uploads.states import State

from .fakes import PROJECT, PROJECT_ID, ROOT, TASK, TASK_ID, World, state

LOST = api.ConnectionBroken()


@pytest.mark.parametrize(
    "error",
    [
        api.OutcomeUnknown(api.ConnectionBroken()),
        api.OutcomeUnknown(api.ServerFailed()),
        api.TimedOut(),
        api.BadAnswer(),
    ],
)
@pytest.mark.promise("An upload that didn't arrive is sent again by itself, after two looks a minute apart.")
async def test_what_did_not_arrive_goes_again_after_two_looks(
    world: World, mock_clock: MockClock, error: api.ApiError
) -> None:
    world.service.fail("post_comment", error)
    async with world.running():
        node = await world.write(TASK, "a")
        await world.wait(60)
        assert state(node) is State.UNKNOWN
        assert world.service.requests == ["get_files", "post_comment", "get_comments"]
        assert world.sender.status()["state"] == "sending"
        await world.wait(10)
        assert world.service.names() == ["a"]
        assert world.service.requests.count("get_comments") == 2
        assert not world.spool.nodes


@pytest.mark.promise(
    "An upload whose answer was lost is looked for before it is sent again, so that it is there once."
)
async def test_a_comment_whose_answer_was_lost_is_found_at_once(world: World, mock_clock: MockClock) -> None:
    world.service.lost.append(LOST)
    world.service.rename = lambda name: name.replace("?", "_")
    async with world.running():
        nodes = [await world.write(TASK, name, name.encode()) for name in ("a?", "bb?", "ccc")]
        await world.wait(5)
        assert not world.spool.nodes
        assert [world.drive.files[node.inode].name for node in nodes] == ["a_", "bb_", "ccc"]
        await world.wait(3600)
        assert len(world.service.posts) == 1


@pytest.mark.parametrize("told", [True, False])
async def test_a_colleagues_twin_is_told_by_its_bytes(
    world: World, mock_clock: MockClock, told: bool
) -> None:
    world.service.comments_tell_files = told
    world.service.rivals = 1
    world.service.lost.append(LOST)
    async with world.running():
        node = await world.write(TASK, "a")
        await world.wait(5)
        assert world.service.contents[world.drive.files[node.inode].id] == b"content"
        assert len(world.service.posts) == 1


async def test_a_colleagues_twin_alone_is_not_ours(world: World, mock_clock: MockClock) -> None:
    world.service.fail("post_comment", api.OutcomeUnknown(LOST))
    async with world.running():
        node = await world.write(TASK, "a")
        await world.wait(5)
        world.service.add_comment(TASK_ID, ("a", b"another"))
        await world.wait(70)
        assert world.service.contents[world.drive.files[node.inode].id] == b"content"
        assert len(world.service.posts) == 1


@pytest.mark.promise(
    "Where it can't be told which of several equal things is the upload, it is kept, and a person asked."
)
async def test_two_of_the_same_bytes_are_for_a_person(
    world: World, mock_clock: MockClock, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("Nobody knows whether a arrived")
    world.service.fail("post_comment", api.OutcomeUnknown(LOST))
    async with world.running():
        node = await world.write(TASK, "a")
        await world.wait(5)
        world.service.add_comment(TASK_ID, ("a", b"content"))
        world.service.add_comment(TASK_ID, ("a", b"content"))
        await world.wait(3600)
        assert (state(node), node.uncertain) == (State.QUARANTINED, True)
        assert "look in Worksection" in (node.error or "")
        assert world.service.posts == []


async def test_what_is_committed_between_the_looks_is_found(world: World, mock_clock: MockClock) -> None:
    world.service.fail("post_comment", api.OutcomeUnknown(LOST))
    async with world.running():
        await world.write(TASK, "a")
        await world.wait(30)
        [file] = world.service.add_comment(TASK_ID, ("a", b"content"))
        await world.wait(60)
        assert [found.id for found in world.drive.files.values()] == [file.id]
        assert world.service.posts == []


@pytest.mark.parametrize("arrives", [True, False])
async def test_the_looks_begin_anew_after_a_restart(
    world: World, mock_clock: MockClock, arrives: bool
) -> None:
    world.service.fail("post_comment", api.OutcomeUnknown(LOST))
    async with world.running():
        node = await world.write(TASK, "a")
        await world.wait(30)
    again = world.again()
    async with again.running():
        assert again.spool.nodes[node.inode].state is State.UNKNOWN
        await again.wait(40)
        assert again.service.requests.count("get_comments") == 2
        if arrives:
            again.service.add_comment(TASK_ID, ("a", b"content"))
        await again.wait(30)
        assert again.service.names() == ["a"]
        assert len(again.service.posts) == (not arrives)
        assert not again.spool.nodes


async def test_a_flush_ends_the_settling_of_what_comes_back(world: World, mock_clock: MockClock) -> None:
    world.service.fail("post_comment", api.OutcomeUnknown(LOST))
    async with world.running(), trio.open_nursery() as nursery:
        node = await world.write(TASK, "a")
        await world.wait(3.5)
        assert state(node) is State.UNKNOWN
        world.spool.recent[TASK, "a"] = world.wall()  # so that it would settle for a minute more
        nursery.start_soon(world.sender.flush)
        await world.wait(world.options.look_again + 2)
        assert world.service.names() == ["a"]


async def test_how_many_files_the_service_takes_is_known_to_the_next_start(
    world: World, mock_clock: MockClock
) -> None:
    world.service.most = 3
    async with world.running():
        for name in "abcd":
            await world.write(TASK, name)
        await world.wait(300)
    again = world.again()
    async with again.running():
        for name in "efghi":
            await again.write(TASK, name)
        await again.wait(100)
    assert [len(post[2]) for post in world.service.posts] == [4, 1, 3, 2]
    assert world.service.names() == list("abcdefghi")


async def test_a_crash_while_sending_is_looked_into(world: World, mock_clock: MockClock) -> None:
    world.service.hold = trio.Event()
    async with world.running():
        node = await world.write(TASK, "a")
        await world.write(PROJECT, "b")
        await world.wait(3.5)
        before = state(node)
        await world.crash()
        world.service.hold = None
        again = world.again()
        async with again.running():
            found = again.spool.nodes[node.inode].state
            await again.wait(600)
        posts = again.service.posts
    assert (before, found) == (State.SENDING, State.UNKNOWN)
    assert sorted(post[2] for post in posts) == [("a",), ("b",)]


async def test_a_save_meanwhile_is_a_version_of_its_own(world: World, mock_clock: MockClock) -> None:
    world.service.lost.append(LOST)
    world.service.fail("get_comments", *[api.Unreachable()] * 2)
    async with world.running():
        node = await world.write(TASK, "a", b"old")
        await world.wait(3.5)
        assert state(node) is State.UNKNOWN
        await world.save(node, b"newer")
        await world.wait(300)
        assert list(world.service.contents.values()) == [b"old", b"newer"]
        assert not world.spool.nodes
        assert not world.spool.shadows


@pytest.mark.parametrize(("parent", "action"), [(PROJECT, "post_task"), (ROOT, "post_project")])
@pytest.mark.parametrize("arrives", [True, False])
async def test_a_new_directory_is_made_once(
    world: World, mock_clock: MockClock, parent: int, action: str, arrives: bool
) -> None:
    if arrives:
        world.service.lost.append(LOST)
    else:
        world.service.fail(action, api.OutcomeUnknown(LOST))
    world.service.tasks[5] = (PROJECT_ID, 0, "Another")
    async with world.running():
        folder = await world.spool.mkdir(parent, "Plans", 0o755, 0, 0)
        await world.write(folder.inode, "a")
        await world.wait(100)
        assert world.service.posts == [(action, "Plans", ("a",))]
        assert not world.spool.nodes
        assert folder.inode in world.drive.batches[0].created


async def test_a_directory_without_files_is_made_once(world: World, mock_clock: MockClock) -> None:
    world.service.lost.append(LOST)
    async with world.running():
        top = await world.spool.mkdir(TASK, "Top", 0o755, 0, 0)
        inner = await world.spool.mkdir(top.inode, "Inner", 0o755, 0, 0)
        await world.write(inner.inode, "a")
        await world.wait(100)
        assert world.service.posts == [("post_task", "Top", ()), ("post_task", "Inner", ("a",))]
        assert not world.spool.nodes


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.promise("Files that Worksection silently leaves out of an upload are sent again.")
async def test_what_the_service_drops_goes_again(world: World, mock_clock: MockClock, lost: bool) -> None:
    world.service.most = 3
    if lost:
        world.service.lost.append(LOST)
    async with world.running():
        for number in range(8):
            await world.write(TASK, f"f{number}", f"content {number}".encode())
        await world.wait(300)
        assert world.service.names() == [f"f{number}" for number in range(8)]
        assert [len(post[2]) for post in world.service.posts] == [8, 3, 2]
        assert not world.spool.nodes


@pytest.mark.parametrize("renames", [True, False])
async def test_what_the_service_drops_is_known_though_another_was_saved_meanwhile(
    world: World, mock_clock: MockClock, renames: bool
) -> None:
    world.service.most = 2
    world.service.hold = trio.Event()
    if renames:
        world.service.rename = lambda name: f"upload-{len(world.service.contents)}"
    async with world.running():
        nodes = [await world.write(TASK, name, f"content {name}".encode()) for name in "abcd"]
        await world.wait(3.5)
        await world.save(nodes[0], b"content A")
        world.service.hold.set()
        await world.wait(300)
        sent = [f"content {name}".encode() for name in "abcdA"]
        assert sorted(world.service.contents.values()) == sorted(sent)
        for inode, content in zip([node.inode for node in nodes], b"Abcd", strict=True):
            assert world.service.contents[world.drive.files[inode].id] == b"content %c" % content
        assert not world.spool.nodes
        assert not world.spool.shadows


async def test_a_fault_of_the_program_while_posting_is_looked_into(
    world: World, mock_clock: MockClock, expected_warnings: ExpectedWarnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected_warnings.expect("not foreseen")

    async def broken(*arguments: object, **named: object) -> object:
        raise KeyError("a mistake")

    async with world.running():
        with monkeypatch.context() as patched:
            patched.setattr(world.service, "post_comment", broken)
            node = await world.write(TASK, "a")
            await world.wait(10)
            assert state(node) is State.UNKNOWN
        await world.wait(100)
        assert world.service.names() == ["a"]
