"""The sender, with a spool on disk, over a service and a drive in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.conftest import ExpectedWarnings
from wsfs.api import errors as api
from wsfs.uploads.batch import Circumstances, Plan, plan
from wsfs.uploads.draining import Drained, Flushed
from wsfs.uploads.handles import SpoolHandle
from wsfs.uploads.hooks import ProjectDestination, TaskDestination
from wsfs.uploads.nodes import Spooled
from wsfs.uploads.openfiles import CLOSE_HOLDS
from wsfs.uploads.options import Options
from wsfs.uploads.sender import CALM, SHARE
from wsfs.uploads.states import State
from wsfs.uploads.verdict import refused_sentence

from .fakes import OTHER_TASK, PROJECT, PROJECT_ID, ROOT, TASK, TASK_ID, World, quiet, state

promise = pytest.mark.promise

# What arrives


async def test_files_copied_together_are_one_comment(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        for number in range(20):
            await world.write(TASK, f"photo {number:02}.jpg", bytes([number]) * 10)
        await world.wait(2.9)
        assert world.service.requests == []
        await world.wait(1)
        assert world.service.requests == ["get_files", "post_comment", "get_files"]
        names = tuple(f"photo {number:02}.jpg" for number in range(20))
        assert world.service.posts == [("post_comment", "\n".join(names), names)]
        assert not world.spool.nodes
        [batch] = world.drive.batches
        assert batch.task_id == TASK_ID
        assert batch.destination == TaskDestination(TASK_ID, PROJECT_ID)
        assert [file.name for file in batch.files.values()] == list(names)
        assert not list((world.directory / "content").iterdir())
        assert world.sender.status()["state"] == "idle"


async def test_a_long_copy_is_not_planned_anew_for_each_file(
    world: World, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = 0

    def counted(*arguments: Any) -> Plan:
        nonlocal plans
        plans += 1
        return plan(*arguments)

    monkeypatch.setattr("wsfs.uploads.sender.plan", counted)
    async with world.running():
        for number in range(200):
            await world.write(TASK, f"{number:03}.jpg", b"x")
            await world.wait(0.02)
        copied = plans
        assert copied <= 4 / CALM + 2
        await world.wait(6)
        assert len(world.service.posts) == 2
        assert plans - copied <= 12


async def test_where_many_files_make_a_plan_dear_it_is_made_less_often(
    world: World, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = 0

    def slow(nodes: Any, options: Any, around: Circumstances) -> Plan:
        nonlocal plans
        plans += 1
        mock_clock.jump(0.1)
        made = plan(nodes, options, around)
        made.wake_at(around.now + 0.11, around.now)
        return made

    monkeypatch.setattr("wsfs.uploads.sender.plan", slow)
    async with world.running():
        await world.write(TASK, "a", b"x")
        await world.wait(20)
        assert plans <= 20 * SHARE / 0.1 + 8


async def test_where_the_drive_knows_the_files_one_request_less(world: World, mock_clock: MockClock) -> None:
    world.drive.known[TASK_ID] = frozenset({world.service.add_file(TASK_ID, "a", 7).id})
    async with world.running():
        node = await world.write(TASK, "a", b"content")
        await world.wait(4)
        assert world.service.requests == ["post_comment", "get_files"]
        file = world.drive.files[node.inode]
        assert world.service.contents[file.id] == b"content"
        assert file.id not in world.drive.known.get(0, frozenset())


async def test_a_colleagues_file_of_the_same_name_and_size_is_not_taken_for_ours(
    world: World, mock_clock: MockClock
) -> None:
    theirs = world.service.add_file(TASK_ID, "a", 7)
    async with world.running():
        node = await world.write(TASK, "a", b"content")
        await world.wait(4)
        assert world.drive.files[node.inode].id != theirs.id
        assert world.service.contents[world.drive.files[node.inode].id] == b"content"


async def test_a_colleagues_twin_that_comes_meanwhile_is_not_taken_for_ours(
    world: World, mock_clock: MockClock
) -> None:
    world.service.rivals = 1
    async with world.running():
        node = await world.write(TASK, "a", b"content")
        await world.wait(4)
        assert world.service.requests == ["get_files", "post_comment", "get_files", "get_comments"]
        assert world.service.contents[world.drive.files[node.inode].id] == b"content"
        assert [file.name for file in world.drive.batches[0].all_files or ()] == ["a", "a"]


async def test_a_name_that_the_service_changes_is_followed(world: World, mock_clock: MockClock) -> None:
    world.service.rename = lambda name: name.replace("?", "_")
    async with world.running():
        node = await world.write(TASK, "why?.txt")
        await world.wait(4)
        assert world.drive.files[node.inode].name == "why_.txt"


async def test_a_new_directory_is_one_task_with_its_files(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        folder = await world.spool.mkdir(PROJECT, "Plans", 0o755, 0, 0)
        for number in range(10):
            await world.write(folder.inode, f"f{number}")
        await world.wait(4)
        assert world.service.requests == ["post_task", "get_files"]
        names = tuple(f"f{number}" for number in range(10))
        assert world.service.posts == [("post_task", "Plans", names)]
        [(task_id, made)] = world.service.tasks.items()
        assert made == (PROJECT_ID, 0, "Plans")
        [batch] = world.drive.batches
        assert batch.created == {folder.inode: ("task", task_id)}
        assert batch.task_id == task_id
        assert not world.spool.nodes


async def test_nested_directories_are_made_from_the_top(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        top = await world.spool.mkdir(TASK, "Top", 0o755, 0, 0)
        middle = await world.spool.mkdir(top.inode, "Middle", 0o755, 0, 0)
        await world.write(middle.inode, "deep")
        await world.spool.mkdir(top.inode, "Empty", 0o755, 0, 0)
        await world.wait(10)
        assert world.service.posts == [("post_task", "Top", ()), ("post_task", "Middle", ("deep",))]
        [top_id, middle_id] = world.service.tasks
        assert world.service.tasks[top_id] == (PROJECT_ID, TASK_ID, "Top")
        assert world.service.tasks[middle_id] == (PROJECT_ID, top_id, "Middle")
        # Nothing is asked of a task that was made without a file.
        assert world.service.requests == ["post_task", "post_task", "get_files"]
        assert [node.name for node in world.spool.nodes.values()] == ["Empty"]


async def test_a_directory_in_the_root_is_a_project(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        folder = await world.spool.mkdir(ROOT, "Garden", 0o755, 0, 0)
        await world.write(folder.inode, "plan.pdf")
        inside = await world.spool.mkdir(folder.inode, "Shed", 0o755, 0, 0)
        await world.write(inside.inode, "nails.txt")
        await world.wait(10)
        assert world.service.posts == [
            ("post_project", "Garden", ("plan.pdf",)),
            ("post_task", "Shed", ("nails.txt",)),
        ]
        project_id = world.drive.places[folder.inode]
        assert isinstance(project_id, ProjectDestination)
        assert world.drive.batches[0].project_id == project_id.project_id
        assert world.drive.batches[0].task_id is None
        assert list(world.service.tasks.values()) == [(project_id.project_id, 0, "Shed")]


async def test_a_file_on_a_project_makes_its_drop_task_once(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        await world.write(PROJECT, "a")
        await world.wait(4)
        await world.write(PROJECT, "b")
        await world.wait(4)
        assert world.service.posts == [
            ("post_task", "Project files", ("a",)),
            ("post_comment", "b", ("b",)),
        ]
        assert world.drive.asked_for_drops == 1
        assert [batch.drop_task for batch in world.drive.batches] == [True, True]
        assert world.drive.batches[0].task_id == world.drive.batches[1].task_id


async def test_a_drop_task_that_another_machine_made_is_found(world: World, mock_clock: MockClock) -> None:
    world.drive.drop_tasks = [77]
    async with world.running():
        await world.write(PROJECT, "a")
        await world.wait(4)
        assert world.service.requests == ["get_files", "post_comment", "get_files"]
        assert world.service.names(77) == ["a"]


@pytest.mark.parametrize("where", ["get_files", "post_comment"])
@pytest.mark.parametrize("error", [api.TaskClosed(), api.TaskInvalid()])
async def test_a_closed_or_vanished_drop_task_is_replaced(
    world: World, mock_clock: MockClock, where: str, error: api.ApiError
) -> None:
    world.drive.places[PROJECT] = ProjectDestination(PROJECT_ID, 66)
    world.drive.drop_tasks = [66]
    world.service.fail(where, error)
    async with world.running():
        await world.write(PROJECT, "a")
        await world.wait(6)
        assert world.service.posts == [("post_task", "Project files", ("a",))]
        assert not world.spool.nodes


async def test_what_a_user_set_goes_with_every_post(world: World, mock_clock: MockClock) -> None:
    world.options = Options(text="{count} files", author="a@example.org", hidden="5", drop_title="Inbox")
    again = world.again()
    async with again.running():
        await again.write(TASK, "a")
        await again.write(PROJECT, "b")
        folder = await again.spool.mkdir(ROOT, "c", 0o755, 0, 0)
        await again.write(folder.inode, "d")
        await again.wait(10)
        assert sorted(again.service.posts) == [
            ("post_comment", "1 files", ("a",)),
            ("post_project", "c", ("d",)),
            ("post_task", "Inbox", ("b",)),
        ]
        assert again.service.arguments == [{"email_user_from": "a@example.org", "hidden": "5"}] * 3


async def test_many_files_go_in_several_requests(world: World, mock_clock: MockClock) -> None:
    world.options = Options(most_files=4)
    again = world.again()
    async with again.running():
        folder = await again.spool.mkdir(PROJECT, "Plans", 0o755, 0, 0)
        for number in range(10):
            await again.write(folder.inode, f"f{number}")
        await again.wait(10)
        assert [(post[0], len(post[2])) for post in again.service.posts] == [
            ("post_task", 4),
            ("post_comment", 4),
            ("post_comment", 2),
        ]
        assert len(again.drive.files) == 10
        # After the first listing the drive knows what the task has.
        assert again.service.requests.count("get_files") == 3


# What is held


async def test_eleven_new_tasks_wait_for_a_person(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        folders = [await world.spool.mkdir(PROJECT, f"d{number}", 0o755, 0, 0) for number in range(11)]
        for folder in folders:
            await world.write(folder.inode, "a")
        await world.wait(300)
        assert world.service.requests == []
        flushed = await _flush(world, None)
        assert len(flushed) == 11
        assert world.service.requests == []
    again = world.again()
    async with again.running():
        await again.wait(300)
        assert again.service.requests == []
        await again.sender.release(PROJECT)
        await again.wait(30)
        assert len(again.service.tasks) == 11
        assert not again.spool.nodes


async def _flush(world: World, scope: int | None) -> dict[int, str]:
    """Flush, and what it left, with the reasons."""
    result: list[dict[int, str]] = []

    async def flush() -> None:
        flushed = await world.sender.flush(scope)
        result.append({**flushed.held, **flushed.refused})

    async with trio.open_nursery() as nursery:
        nursery.start_soon(flush)
        await world.wait(30)
        assert result, "the flush hasn't ended"
    return result[0]


async def test_new_tasks_that_trickle_in_are_held_too(world: World, mock_clock: MockClock) -> None:
    """A slow copy of many directories must not slip through in portions."""
    async with world.running():
        for number in range(20):
            folder = await world.spool.mkdir(PROJECT, f"d{number}", 0o755, 0, 0)
            await world.write(folder.inode, "a")
            await world.wait(5)
        assert len(world.service.tasks) <= 10


async def test_a_placeholder_waits_for_its_name_and_then_goes(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        folder = await world.spool.mkdir(PROJECT, "Untitled Folder", 0o755, 0, 0)
        await world.write(folder.inode, "a")
        await world.wait(600)
        assert world.service.requests == []
        assert list(await _flush(world, None))
        await world.spool.rename(folder.inode, PROJECT, "Plans")
        await world.wait(4)
        assert world.service.posts == [("post_task", "Plans", ("a",))]


async def test_a_placeholder_that_is_named_goes(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        folder = await world.spool.mkdir(PROJECT, "Untitled Folder", 0o755, 0, 0)
        await world.write(folder.inode, "a")
        assert await _flush(world, folder.inode) == {}
        assert world.service.posts == [("post_task", "Untitled Folder", ("a",))]


async def test_an_editor_at_work_holds_its_document(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        lock = await world.write(TASK, ".~lock.letter.odt#", b",me,")
        await world.write(TASK, "letter.odt")
        await world.wait(3600)
        assert world.service.requests == []
        await world.spool.remove(lock.inode)
        await world.wait(1)
        assert world.service.posts == [("post_comment", "letter.odt", ("letter.odt",))]


async def test_an_empty_file_goes_after_ten_minutes(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        await world.write(TASK, "touched", b"")
        await world.wait(599)
        assert world.service.requests == []
        await world.wait(2)
        assert world.service.names() == ["touched"]


async def test_noise_and_interrupted_files_are_never_sent(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        await world.write(TASK, ".DS_Store")
        node = await world.spool.create(TASK, "half", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        handle.write(0, b"x")
        await world.spool.flush(handle, killed=True)
        await world.spool.release(handle)
        assert await _flush(world, None) == {}
        await world.wait(24 * 3600)
        assert world.service.requests == []
        assert await world.sender.release(node.inode) == 1
        await world.wait(4)
        assert world.service.names() == ["half"]


async def test_a_later_save_is_a_version_of_its_own_after_a_minute(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running():
        await world.write(TASK, "a", b"one")
        await world.wait(4)
        await world.write(TASK, "a", b"two")
        await world.wait(55)
        assert world.service.names() == ["a"]
        await world.wait(10)
        assert world.service.names() == ["a", "a"]


# Flush


async def test_a_flush_waits_until_all_is_sent(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        await world.write(TASK, "a", b"12345")
        await world.write(TASK, "empty", b"")
        folder = await world.spool.mkdir(PROJECT, "Plans", 0o755, 0, 0)
        await world.write(folder.inode, "b", b"123")
        seen: list[Drained] = []
        start = trio.current_time()
        async with trio.open_nursery() as nursery:

            async def flush() -> None:
                flushed = await world.sender.flush(None, seen.append)
                assert (flushed.sent, flushed.refused, flushed.held) == (3, {}, {})

            nursery.start_soon(flush)
            await world.wait(2)
        assert trio.current_time() - start == pytest.approx(2)
        assert len(world.service.posts) == 2
        assert seen[0] == Drained(0, 3, 0, 8, requests_left=4)
        assert seen[-1] == Drained(3, 3, 8, 8, requests_left=0)
        assert [one.files_done for one in seen] == sorted(one.files_done for one in seen)


async def test_a_flush_tells_how_far_one_large_file_is(world: World, mock_clock: MockClock) -> None:
    world.service.hold = hold = trio.Event()
    async with world.running():
        node = await world.write(TASK, "large.bin", b"x" * 1000)
        seen: list[Drained] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.sender.flush, None, seen.append)
            await world.wait(1)
            [attachment] = world.service.attachments
            for done in (250, 500, 750):
                attachment.taken(done)
                await world.wait(1)
                assert (seen[-1].bytes_done, seen[-1].bytes, seen[-1].files_done) == (done, 1000, 0)
                assert seen[-1].current == (node.inode,)
            assert seen[-1].speed == pytest.approx(250, rel=0.1)
            hold.set()
        assert (seen[-1].files_done, seen[-1].bytes_done) == (1, 1000)


async def test_a_flush_says_why_nothing_goes_and_when_it_is_tried_again(
    world: World, mock_clock: MockClock
) -> None:
    world.service.fail("get_files", *[api.Unreachable()] * 3)
    async with world.running():
        await world.write(TASK, "a")
        seen: list[Drained] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.sender.flush, None, seen.append)
            await world.wait(0.5)
            assert seen[-1].message == "Worksection can't be reached"
            assert seen[-1].again_in is not None
            assert 0 < seen[-1].again_in <= world.options.retry_first
            status = world.sender.status()
            assert (status["state"], status["message"]) == ("trying again", "Worksection can't be reached")
            assert 0 < status["again_in"] <= world.options.retry_first
            await world.wait(30)
        last = dataclasses.replace(seen[-1], requests_left=0)
        assert last == Drained(1, 1, 7, 7, requests_left=0)
        assert world.sender.status()["again_in"] is None


@promise("Without the network uploads wait for as long as it takes.")
async def test_the_network_may_be_away_for_a_day(world: World, mock_clock: MockClock) -> None:
    world.service.fail("get_files", *[api.Unreachable()] * 10_000)
    async with world.running():
        await world.write(TASK, "a")
        await world.wait(24 * 3600)
        tries = world.service.requests.count("get_files")
        # Never more than five minutes apart, never all at one moment, and never many.
        assert 24 * 12 <= tries <= 2 * 24 * 12 + 10
        world.service.failures.clear()
        await world.wait(world.options.retry_most + 1)
        assert world.service.posts == [("post_comment", "a", ("a",))]


async def test_a_flush_of_one_place_leaves_the_others(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        await world.write(TASK, "a")
        node = await world.write(OTHER_TASK, "b")
        assert await _flush_within(world, TASK, 1) is not None
        assert world.service.posts == [("post_comment", "a", ("a",))]
        assert state(node) is State.SETTLING


async def _flush_within(world: World, scope: int, seconds: float) -> int | None:
    """Flush, and how many files it sent, where it ended within that time."""
    sent: int | None = None

    async def flush() -> None:
        nonlocal sent
        sent = (await world.sender.flush(scope)).sent

    async with trio.open_nursery() as nursery:
        nursery.start_soon(flush)
        await world.wait(seconds)
        nursery.cancel_scope.cancel()
    return sent


async def test_a_flush_leaves_what_is_open_and_says_so(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        node = await world.write(TASK, "a")
        handle = world.spool.open(node.inode, write=True)
        assert await _flush(world, None) == {node.inode: "it is open for writing"}
        await world.spool.release(handle)
        await world.wait(1)
        assert world.service.names() == ["a"]


async def _closed_without_a_release(world: World) -> tuple[Spooled, SpoolHandle, list[Flushed]]:
    node = await world.spool.create(TASK, "a", 0o644, 1000, 1000)
    handle = world.spool.open(node.inode, write=True)
    await world.spool.write(handle, 0, b"content")
    await world.spool.flush(handle)
    return node, handle, []


async def _note_flush(world: World, ended: list[Flushed]) -> None:
    ended.append(await world.sender.flush(None))


async def test_a_flush_waits_for_what_was_closed_and_whose_release_is_on_its_way(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running():
        _, handle, ended = await _closed_without_a_release(world)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_note_flush, world, ended)
            await world.wait(0.5)
            assert not ended
            await world.spool.release(handle)
            await world.wait(1)
            assert [(flushed.sent, flushed.held) for flushed in ended] == [(1, {})]
            nursery.cancel_scope.cancel()


async def test_a_flush_gives_up_on_what_some_descriptor_still_has_open(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running():
        node, handle, ended = await _closed_without_a_release(world)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_note_flush, world, ended)
            await world.wait(CLOSE_HOLDS + 1)
            assert [flushed.held for flushed in ended] == [{node.inode: "it is open for writing"}]
            assert not node.forced, "it settles once it is closed"
            nursery.cancel_scope.cancel()
        await world.spool.release(handle)


async def test_a_flush_waits_for_the_network(world: World, mock_clock: MockClock) -> None:
    world.service.fail("get_files", *[api.Unreachable()] * 4)
    async with world.running():
        await world.write(TASK, "a")
        assert await _flush_within(world, TASK, 1) is None
        assert await _flush_within(world, TASK, 60) == 1


async def test_a_flush_does_not_wait_for_a_login(world: World, mock_clock: MockClock) -> None:
    world.service.fail("get_files", api.LoginRefused())
    async with world.running():
        node = await world.write(TASK, "a")
        [(inode, reason)] = (await _flush(world, None)).items()
        assert inode == node.inode
        assert "log in again" in reason


# What goes wrong


@pytest.mark.parametrize("action", ["get_files", "post_comment"])
@pytest.mark.parametrize("error", [api.Unreachable("no network"), api.ServerFailed(), api.TooManyRequests()])
async def test_what_was_not_sent_is_tried_again_for_ever(
    world: World, mock_clock: MockClock, action: str, error: api.ApiError
) -> None:
    world.service.fail(action, *[error] * 10)
    async with world.running():
        node = await world.write(TASK, "a")
        await world.wait(60)
        assert state(node) is State.SETTLING
        status = world.sender.status()
        [file] = status["destinations"][0]["files"]
        assert str(error) in file["reason"]
        tries = world.service.requests.count(action)
        assert 3 <= tries <= 7
        await world.wait(3600)
        assert world.service.names() == ["a"]
        assert len(world.service.posts) == 1
        assert not world.spool.nodes


async def test_without_a_network_one_batch_tries_for_all(world: World, mock_clock: MockClock) -> None:
    world.service.fail("get_files", *[api.Unreachable()] * 1000)
    async with world.running():
        for number in range(10):
            inode = 4000 + number * 4 + 2
            world.drive.places[inode] = TaskDestination(1000 + number, PROJECT_ID)
            await world.write(inode, "a")
        await world.wait(120)
        assert len(world.service.requests) < 15
        assert world.sender.status()["state"] == "trying again"
        world.service.failures.clear()
        world.sender.wake()
        await world.wait(5)
        assert len(world.service.posts) == 10
        assert world.sender.status()["state"] == "idle"


async def test_one_place_that_fails_holds_no_other_up(world: World, mock_clock: MockClock) -> None:
    world.service.fail("post_comment", *[api.ServerFailed()] * 1)
    async with world.running():
        await world.write(TASK, "a")
        await world.wait(4)
        await world.write(OTHER_TASK, "b")
        world.drive.known[21] = frozenset()
        await world.wait(60)
        assert len(world.service.posts) == 2


async def test_a_refused_login_waits_for_another(world: World, mock_clock: MockClock) -> None:
    world.service.fail("post_comment", *[api.TokenExpired()] * 1000)
    async with world.running():
        node = await world.write(TASK, "a")
        await world.wait(3600)
        assert state(node) is State.SETTLING
        status = world.sender.status()
        assert status["state"] == "log in again"
        assert len(world.service.requests) < 60
        world.service.failures.clear()
        world.sender.wake()
        await world.wait(1)
        assert world.service.names() == ["a"]


@pytest.mark.parametrize(
    "error", [api.TaskInvalid(), api.AccessDenied(), api.TaskClosed(), api.StorageFull()]
)
@pytest.mark.parametrize("action", ["get_files", "post_comment"])
async def test_a_refusal_for_good_quarantines(
    world: World,
    mock_clock: MockClock,
    expected_warnings: ExpectedWarnings,
    error: api.ApiError,
    action: str,
) -> None:
    expected_warnings.expect("Worksection doesn't take a, b")
    world.service.fail(action, error)
    async with world.running():
        nodes = [await world.write(TASK, "a"), await world.write(TASK, "b")]
        await world.wait(600)
        assert [(state(node), node.error, node.uncertain) for node in nodes] == [
            (State.QUARANTINED, refused_sentence(error), False)
        ] * 2
        assert world.read(nodes[0]) == b"content"
        assert world.service.requests.count(action) == 1
        assert world.sender.status()["attention"] == 2
        assert {node.inode for node in nodes} <= set(world.drive.told)
    again = world.again()
    async with again.running():
        await again.wait(600)
        assert again.service.posts == []
        assert again.spool.nodes[nodes[0].inode].error == refused_sentence(error)
        await again.spool.rename(nodes[0].inode, OTHER_TASK, "a")
        await again.sender.release(nodes[1].inode)
        await again.wait(5)
        assert sorted(again.service.posts) == [("post_comment", "a", ("a",)), ("post_comment", "b", ("b",))]


async def test_a_refused_directory_keeps_its_files_with_it(
    world: World, mock_clock: MockClock, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("Worksection doesn't take")
    world.service.fail("post_task", api.AccessDenied())
    async with world.running():
        folder = await world.spool.mkdir(PROJECT, "Plans", 0o755, 0, 0)
        await world.write(folder.inode, "a")
        await world.wait(4)
        assert state(folder) is State.QUARANTINED
        await world.write(folder.inode, "b")
        await world.wait(600)
        assert world.service.posts == []
        await world.sender.release(folder.inode)
        await world.wait(5)
        assert world.service.posts == [("post_task", "Plans", ("a", "b"))]


async def test_one_file_too_large_does_not_keep_the_others(
    world: World, mock_clock: MockClock, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("Worksection doesn't take large")
    world.service.fail("post_task", api.TooLarge(), api.TooLarge())
    async with world.running():
        folder = await world.spool.mkdir(PROJECT, "Plans", 0o755, 0, 0)
        large = await world.write(folder.inode, "large")
        await world.write(folder.inode, "small")
        await world.wait(20)
        assert state(large) is State.QUARANTINED
        assert world.service.posts == [("post_task", "Plans", ("small",))]


async def test_a_directory_that_becomes_known_later_gets_its_files(
    world: World, mock_clock: MockClock
) -> None:
    place = world.drive.places.pop(TASK)
    async with world.running():
        await world.write(TASK, "a")
        await world.wait(60)
        assert world.service.requests == []
        world.drive.places[TASK] = place
        await world.wait(11)
        assert world.service.names() == ["a"]


async def test_a_body_that_our_disk_cut_short_is_no_unknown_outcome(
    world: World, mock_clock: MockClock, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("Worksection doesn't take a")
    world.service.fail("post_comment", api.OutcomeUnknown(api.AttachmentUnreadable("I/O error")))
    async with world.running():
        node = await world.write(TASK, "a")
        await world.wait(10)
        assert (state(node), node.uncertain) == (State.QUARANTINED, False)


async def test_ids_that_can_not_be_read_are_asked_for_again_and_nothing_is_resent(
    world: World, mock_clock: MockClock
) -> None:
    world.drive.known[TASK_ID] = frozenset()
    world.service.fail("get_files", *[api.Unreachable()] * 3)
    async with world.running():
        node = await world.write(TASK, "a")
        await world.wait(4)
        assert (state(node), node.remote_id) == (State.SENT, None)
        await world.write(TASK, "b")
        await world.wait(60)
        assert world.service.names() == ["a", "b"]
        assert len(world.drive.files) == 2
        assert not world.spool.nodes


async def test_a_listing_that_lags_is_waited_for(world: World, mock_clock: MockClock) -> None:
    world.drive.known[TASK_ID] = frozenset()
    world.service.unlisted = 2
    async with world.running():
        await world.write(TASK, "a")
        await world.write(TASK, "b")
        await world.wait(30)
        assert sorted(file.name for file in world.drive.files.values()) == ["a", "b"]
        assert len(world.service.posts) == 1


async def test_what_is_never_listed_is_quarantined_and_not_resent(
    world: World, mock_clock: MockClock, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("Sent, but not found in Worksection: a")
    world.drive.known[TASK_ID] = frozenset()
    world.service.unlisted = 1000
    async with world.running():
        node = await world.write(TASK, "a")
        await world.wait(3600)
        assert (state(node), node.uncertain) == (State.QUARANTINED, True)
        assert len(world.service.posts) == 1


async def test_a_task_that_vanishes_after_the_post_is_not_posted_to_again(
    world: World, mock_clock: MockClock, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("Sent, but not found")
    world.drive.known[TASK_ID] = frozenset()
    world.service.fail("get_files", api.TaskInvalid())
    async with world.running():
        node = await world.write(TASK, "a")
        await world.wait(600)
        assert (state(node), node.uncertain) == (State.QUARANTINED, True)
        assert len(world.service.posts) == 1


async def test_a_drive_that_fails_is_told_again(
    world: World, mock_clock: MockClock, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("not foreseen")
    world.drive.failures.append(ValueError("a mistake"))
    async with world.running():
        node = await world.write(TASK, "a")
        await world.wait(60)
        assert node.inode in world.drive.files
        assert len(world.service.posts) == 1
        assert not world.spool.nodes


@pytest.mark.parametrize("writes", [True, False])
async def test_a_file_opened_while_the_drive_takes_over_stays(
    world: World, mock_clock: MockClock, writes: bool
) -> None:
    world.drive.pause = trio.Event()
    async with world.running():
        node = await world.write(TASK, "a", b"first")
        other = await world.write(TASK, "b")
        await world.wait(5)
        handle = world.spool.open(node.inode, write=True)
        if writes:
            handle.write(0, b"later")
        world.drive.pause.set()
        await world.wait(1)
        assert other.inode in world.drive.files
        assert node.inode not in world.drive.files
        assert world.spool.child(TASK, "a") is node
        await world.spool.flush(handle)
        await world.spool.release(handle)
        await world.wait(70)
        contents = [world.service.contents[file.id] for file in world.service.files["task", TASK_ID]]
        assert contents == [b"first", b"content", *([b"later"] if writes else [])]
        assert node.inode in world.drive.files
        assert len(world.drive.files) == len(contents)
        assert not world.spool.nodes
        assert not world.spool.shadows


# Restarts and ends


async def test_a_restart_hands_over_what_was_sent(world: World, mock_clock: MockClock) -> None:
    world.drive.known[TASK_ID] = frozenset()
    world.service.fail("get_files", *[api.Unreachable()] * 100)
    async with world.running():
        node = await world.write(TASK, "a")
        await world.wait(5)
        assert state(node) is State.SENT
    world.service.failures.clear()
    again = world.again()
    async with again.running():
        await again.wait(1)
        assert again.service.names() == ["a"]
        assert node.inode in again.drive.files
        assert not again.spool.nodes
        assert again.service.requests.count("post_comment") == 1


async def test_the_rows_stay_until_the_drive_has_it_on_the_disk(
    world: World, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.running():
        monkeypatch.setattr(world.drive, "remembered", trio.sleep_forever)
        node = await world.write(TASK, "a")
        await world.wait(5)
        assert not world.spool.nodes
        monkeypatch.undo()
        await world.crash()
    again = world.again()
    async with again.running():
        assert state(again.spool.nodes[node.inode]) is State.SENT
        await again.wait(5)
        assert not again.spool.nodes
        assert [list(batch.files) for batch in again.drive.batches] == [[node.inode]] * 2
        assert again.service.names() == ["a"]


async def test_a_request_that_gets_through_ends_the_wait_for_the_network(
    world: World, mock_clock: MockClock
) -> None:
    world.drive.known[TASK_ID] = frozenset()
    world.service.fail("post_comment", *[api.Unreachable()] * 100)
    async with world.running():
        await world.write(TASK, "a")
        await world.wait(1000)
        world.service.failures.clear()
        world.sender.reached()
        await world.wait(1)
        assert world.service.names() == ["a"]


async def test_a_request_that_gets_through_is_no_reason_to_hurry_otherwise(
    world: World, mock_clock: MockClock
) -> None:
    world.drive.known[TASK_ID] = frozenset()
    world.service.fail("post_comment", *[api.TooManyRequests()] * 100)
    async with world.running():
        await world.write(TASK, "a")
        await world.wait(1000)
        asked = len(world.service.requests)
        world.sender.reached()
        await world.wait(1)
        assert len(world.service.requests) == asked


async def test_a_restart_with_known_ids_asks_nothing(
    world: World, mock_clock: MockClock, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("not foreseen")
    world.drive.failures.extend([ValueError()] * 100)
    async with world.running():
        node = await world.write(TASK, "a")
        await world.wait(5)
        assert state(node) is State.SENT
    world.drive.failures.clear()
    asked = len(world.service.requests)
    again = world.again()
    async with again.running():
        await again.wait(1)
        assert len(again.service.requests) == asked
        assert again.drive.files[node.inode].id == again.service.files["task", TASK_ID][0].id
        assert again.drive.batches[-1].all_files is None
        assert not again.spool.nodes


async def test_an_end_lets_a_post_finish(world: World, mock_clock: MockClock) -> None:
    world.service.hold = hold = trio.Event()
    await world.spool.start()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sender.run)
        node = await world.write(TASK, "a")
        await world.wait(3.5)
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await quiet(world.spool)
            hold.set()
    assert world.service.names() == ["a"]
    assert state(node) is State.SENT
    await world.spool.close()
    again = world.again()
    async with again.running():
        await again.wait(1)
        assert node.inode in again.drive.files


async def test_an_end_waits_only_so_long_for_a_post(world: World, mock_clock: MockClock) -> None:
    world.service.hold = trio.Event()
    await world.spool.start()
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sender.run)
        node = await world.write(TASK, "a")
        await world.wait(3.5)
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await world.wait(world.options.grace + 1)
    assert trio.current_time() - start < 20
    await world.spool.close()
    again = world.again()
    async with again.running():
        assert again.spool.nodes[node.inode].state is State.UNKNOWN


# What programs do meanwhile


async def test_a_file_renamed_while_the_batch_is_prepared_goes_under_its_last_name(
    world: World, mock_clock: MockClock
) -> None:
    world.drive.drop_tasks = [77]
    async with world.running():
        node = await world.write(PROJECT, "a")
        find = world.drive.find_drop_task

        async def renamed_meanwhile(project_id: int, title: str) -> int | None:
            await world.spool.rename(node.inode, PROJECT, "b")
            return await find(project_id, title)

        world.drive.find_drop_task = renamed_meanwhile  # type: ignore[method-assign]
        await world.wait(3.5)
        assert world.service.posts == []
        world.drive.find_drop_task = find  # type: ignore[method-assign]
        world.drive.drop_tasks = [77]
        await world.wait(5)
        assert world.service.names(77) == ["b"]


async def test_writing_while_it_is_sent_makes_another_version(world: World, mock_clock: MockClock) -> None:
    world.service.hold = hold = trio.Event()
    async with world.running():
        node = await world.write(TASK, "a", b"first")
        reader = world.spool.open(node.inode, write=False)
        await world.wait(3.5)
        assert state(node) is State.SENDING
        handle = world.spool.open(node.inode, write=True)
        await world.spool.write(handle, 2, b"XY")
        assert state(node) is State.OPEN
        assert reader.read(0, 10) == b"fiXYt"
        await world.spool.flush(handle)
        await world.spool.release(handle)
        await world.spool.release(reader)
        hold.set()
        await world.wait(4)
        assert world.service.names() == ["a"]
        [sent] = world.drive.files.values()
        assert world.service.contents[sent.id] == b"first"
        assert node.inode not in world.drive.files
        assert world.spool.nodes == {node.inode: node}
        await world.wait(60)
        assert world.service.names() == ["a", "a"]
        assert world.service.contents[world.drive.files[node.inode].id] == b"fiXYt"
        assert not world.spool.nodes
        assert not world.spool.shadows
        assert not list((world.directory / "content").iterdir())


async def test_truncating_while_it_is_sent_makes_another_version(world: World, mock_clock: MockClock) -> None:
    world.service.hold = hold = trio.Event()
    async with world.running():
        node = await world.write(TASK, "a", b"first")
        await world.wait(3.5)
        await world.save(node, b"2nd")
        hold.set()
        await world.wait(70)
        contents = [world.service.contents[file.id] for file in world.service.files["task", TASK_ID]]
        assert contents == [b"first", b"2nd"]


async def test_a_handle_that_never_writes_only_delays_the_handing_over(
    world: World, mock_clock: MockClock
) -> None:
    world.service.hold = hold = trio.Event()
    async with world.running():
        node = await world.write(TASK, "a.docx")
        await world.write(TASK, "b.docx")
        await world.wait(3.5)
        handle = world.spool.open(node.inode, write=True)
        hold.set()
        await world.wait(10)
        assert (state(node), node.remote_id) == (
            State.SENT,
            next(file.id for file in world.service.files["task", TASK_ID] if file.name == "a.docx"),
        )
        assert list(world.spool.nodes) == [node.inode]
        await world.write(TASK, "c")
        await world.wait(4)
        assert world.service.names() == ["a.docx", "b.docx", "c"]
        await world.spool.release(handle)
        await world.wait(1)
        assert not world.spool.nodes
        assert len(world.service.posts) == 2
        ids = {file.id for file in world.service.files["task", TASK_ID]}
        assert world.drive.known[TASK_ID] == ids, "what came meanwhile isn't taken back by an older listing"


async def test_writing_after_it_was_sent_while_it_is_open(world: World, mock_clock: MockClock) -> None:
    world.service.hold = hold = trio.Event()
    async with world.running():
        node = await world.write(TASK, "a", b"first")
        await world.wait(3.5)
        handle = world.spool.open(node.inode, write=True)
        hold.set()
        await world.wait(5)
        assert state(node) is State.SENT
        handle.write(0, b"later")
        await world.wait(1)
        [(shadow, _)] = world.drive.files.items()
        assert shadow != node.inode
        assert state(node) is State.OPEN
        await world.spool.flush(handle)
        await world.spool.release(handle)
        await world.wait(70)
        contents = [world.service.contents[file.id] for file in world.service.files["task", TASK_ID]]
        assert contents == [b"first", b"later"]


async def test_writing_while_its_content_is_lent_to_the_drive(
    world: World, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lend = world.spool.lend
    handles: list[SpoolHandle] = []

    async def written_meanwhile(nodes: Iterable[Spooled]) -> dict[str, Path]:
        lent = await lend(nodes)
        if state(node) is State.SENT and not handles:
            handles.append(world.spool.open(node.inode, write=True))
            await world.spool.write(handles[0], 0, b"later")
        return lent

    async with world.running():
        monkeypatch.setattr(world.spool, "lend", written_meanwhile)
        node = await world.write(TASK, "a", b"first")
        await world.write(TASK, "b", b"other")
        await world.wait(10)
        assert handles
        await world.spool.flush(handles[0])
        await world.spool.release(handles[0])
        await world.wait(70)
        contents = sorted(world.service.contents[file.id] for file in world.service.files["task", TASK_ID])
        assert contents == [b"first", b"later", b"other"]
        assert not world.spool.nodes
        assert not world.spool.shadows


async def test_an_old_version_that_could_not_be_sent_is_not_sent_later(
    world: World, mock_clock: MockClock
) -> None:
    world.service.hold = hold = trio.Event()
    world.service.fail("post_comment", api.Unreachable())
    post = world.service.post_comment
    reached = trio.Event()

    async def slow(*arguments: object, **named: object) -> object:
        reached.set()
        await hold.wait()
        return await post(*arguments, **named)  # type: ignore[arg-type]

    world.service.post_comment = slow  # type: ignore[method-assign,assignment]
    async with world.running():
        node = await world.write(TASK, "a", b"first")
        await world.wait(3.5)
        assert reached.is_set()
        await world.save(node, b"second")
        hold.set()
        await world.wait(90)
        assert [world.service.contents[file.id] for file in world.service.files["task", TASK_ID]] == [
            b"second"
        ]
        assert not world.spool.shadows
        assert not list((world.directory / "content").iterdir())


async def test_renaming_over_what_is_sent_makes_another_version(world: World, mock_clock: MockClock) -> None:
    world.service.hold = hold = trio.Event()
    async with world.running():
        old = await world.write(TASK, "a", b"first")
        held = world.spool.open(old.inode, write=True)
        reader = world.spool.open(old.inode, write=False)
        await world.spool.release(held)
        await world.wait(3.5)
        late = world.spool.open(old.inode, write=True)
        new = await world.write(TASK, ".goutputstream-AB12CD", b"second")
        await world.spool.rename(new.inode, TASK, "a")
        assert world.spool.children(TASK) == [new]
        # A program that still has the replaced file open writes to nobody's file.
        await world.spool.write(late, 0, b"ghost")
        assert reader.read(0, 9) == b"ghost"
        await world.spool.release(late)
        await world.spool.release(reader)
        hold.set()
        await world.wait(70)
        contents = [world.service.contents[file.id] for file in world.service.files["task", TASK_ID]]
        assert contents == [b"first", b"second"]
        assert set(world.drive.files) == {old.inode, new.inode}
        assert not list((world.directory / "content").iterdir())


async def test_two_writers_at_once_make_one_copy(world: World, mock_clock: MockClock) -> None:
    world.service.hold = hold = trio.Event()
    async with world.running():
        node = await world.write(TASK, "a", b"12345678")
        await world.wait(3.5)
        one = world.spool.open(node.inode, write=True)
        two = world.spool.open(node.inode, write=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.spool.write, one, 0, b"AB")
            nursery.start_soon(world.spool.write, two, 4, b"CD")
        assert one.read(0, 10) == b"AB34CD78"
        assert len(world.spool.shadows) == 1
        await world.spool.release(one)
        await world.spool.release(two)
        hold.set()
        await world.wait(70)
        contents = [world.service.contents[file.id] for file in world.service.files["task", TASK_ID]]
        assert contents == [b"12345678", b"AB34CD78"]


async def test_a_crash_after_writing_while_it_was_sent_keeps_both(
    world: World, mock_clock: MockClock
) -> None:
    world.service.hold = trio.Event()
    async with world.running():
        node = await world.write(TASK, "a", b"first")
        await world.wait(3.5)
        await world.save(node, b"second")
        await world.crash()
        again = world.again()
        async with again.running(sending=False):
            assert again.read(again.spool.nodes[node.inode]) == b"second"
            assert again.spool.nodes[node.inode].state is State.SETTLING
            [shadow] = again.spool.shadows.values()
            assert shadow.state is State.UNKNOWN
            assert again.read(shadow) == b"first"
            assert again.sender.status()["attention"] == 0


async def test_a_file_being_read_while_it_leaves_goes_on_being_read(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running():
        node = await world.write(TASK, "a", b"content")
        reader = world.spool.open(node.inode, write=False)
        await world.wait(4)
        assert world.spool.get(node.inode) is None
        assert reader.read(0, 10) == b"content"
        await world.spool.release(reader)


async def test_the_status_is_plain_values(world: World, mock_clock: MockClock) -> None:
    import json

    async with world.running():
        await world.write(TASK, "a")
        folder = await world.spool.mkdir(PROJECT, "Untitled Folder", 0o755, 0, 0)
        await world.write(folder.inode, "b")
        await world.write(TASK, ".DS_Store")
        await world.wait(1)
        status = json.loads(json.dumps(world.sender.status()))
        assert (status["state"], status["files"], status["bytes"], status["local"]) == ("waiting", 2, 14, 1)
        task, project = sorted(status["destinations"], key=lambda place: -place["inode"])
        assert task["files"][0]["reason"] == "it settles"
        assert project["files"][0]["path"] == "Untitled Folder/b"
        assert project["files"][0]["held"]
        assert project["directories"][0]["name"] == "Untitled Folder"
