"""What a start makes of what a crash or a stop left."""

from __future__ import annotations

import os

import pytest
import trio
from trio.testing import MockClock

from tests.conftest import ExpectedWarnings
from wsfs.uploads.contents import SMALL
from wsfs.uploads.openfiles import KEEP_AFTER
from wsfs.uploads.outbox import Outbox
from wsfs.uploads.states import State

from .fakes import PROJECT, TASK, World


async def test_a_file_whose_close_returned_is_sent_after_a_crash(world: World, mock_clock: MockClock) -> None:
    """close waits for the flush, never for the release, which may not have come when the crash did."""
    async with world.running(sending=False):
        node = await world.spool.create(TASK, "a", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        handle.write(0, b"content")
        await world.spool.flush(handle)
        await world.crash()
        again = world.again()
        async with again.running():
            assert again.spool.nodes[node.inode].state is State.SETTLING
            await again.wait(5)
            assert again.service.names() == ["a"]


async def test_a_touched_file_is_closed_after_a_crash(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.spool.create(TASK, "a", 0o644, 0, 0)
        await world.spool.flush(world.spool.open(node.inode, write=True))
        await world.crash()
        again = world.again()
        async with again.running(sending=False):
            assert again.spool.nodes[node.inode].state is State.SETTLING


@pytest.mark.parametrize("flushed", [False, True])
async def test_a_file_that_was_being_written_is_interrupted(
    world: World, mock_clock: MockClock, flushed: bool
) -> None:
    async with world.running(sending=False):
        node = await world.spool.create(TASK, "a", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        handle.write(0, b"one")
        if flushed:
            await world.spool.flush(handle)
            handle.write(3, b"two")
        else:
            await world.wait(KEEP_AFTER)
            world.spool.keep_open(trio.current_time())
        await world.crash()
        again = world.again()
        async with again.running():
            found = again.spool.nodes[node.inode]
            assert found.state is State.INTERRUPTED
            assert again.read(found)[: found.size].startswith(b"one")
            assert found.error
            await again.wait(24 * 3600)
            assert again.service.requests == []


async def test_a_second_writer_that_has_not_closed_keeps_it_from_counting_as_closed(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running(sending=False):
        node = await world.spool.create(TASK, "a", 0o644, 0, 0)
        one = world.spool.open(node.inode, write=True)
        two = world.spool.open(node.inode, write=True)
        one.write(0, b"one")
        two.write(3, b"two")
        await world.spool.flush(one)
        await world.crash()
        again = world.again()
        async with again.running(sending=False):
            assert again.spool.nodes[node.inode].state is State.INTERRUPTED


async def test_a_truncated_file_whose_writer_goes_on_is_interrupted(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a", b"long content")
        world.spool.open(node.inode, write=True)
        await world.spool.truncate(node.inode, 0)
        await world.crash()
        again = world.again()
        async with again.running(sending=False):
            assert again.spool.nodes[node.inode].state is State.INTERRUPTED


async def test_a_truncation_of_a_closed_file_is_a_save(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a", b"long content")
        await world.spool.truncate(node.inode, 4)
        await world.crash()
        again = world.again()
        async with again.running(sending=False):
            found = again.spool.nodes[node.inode]
            assert (found.state, found.size, again.read(found)) == (State.SETTLING, 4, b"long")


async def test_a_write_that_no_row_tells_of_is_noticed(filing: World, mock_clock: MockClock) -> None:
    """The row of a first write may be in the queue still when the process is killed."""
    world = filing
    async with world.running(sending=False):
        node = await world.write(TASK, "a", b"before")
        path = world.spool.content_path(node)
        await world.crash()
        with path.open("r+b") as content:
            content.write(b"during")
        os.utime(path, ns=(1, node.content_stamp + 1))
        again = world.again()
        async with again.running(sending=False):
            assert again.spool.nodes[node.inode].state is State.INTERRUPTED


async def test_everything_is_as_it_was_after_a_stop(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        folder = await world.spool.mkdir(PROJECT, "Папка", 0o750, 1, 2)
        file = await world.write(folder.inode, "файл", b"content", mode=0o640)
        noise = await world.write(folder.inode, ".DS_Store")
        await world.spool.rename(file.inode, folder.inode, "інший файл")
    again = world.again()
    async with again.running(sending=False):
        found = again.spool.nodes[file.inode]
        assert (found.name, found.parent, found.mode, found.size) == ("інший файл", folder.inode, 0o640, 7)
        assert (found.mtime_ns, found.state) == (file.mtime_ns, State.SETTLING)
        assert again.spool.nodes[noise.inode].state is State.LOCAL
        assert again.spool.nodes[folder.inode].is_dir
        assert again.spool.nodes[folder.inode].mode == 0o750
        assert again.spool.child(folder.inode, "інший файл") is found


async def test_ages_are_kept_over_a_restart(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        await world.write(TASK, "empty", b"")
        await world.wait(400)
    again = world.again()
    async with again.running():
        await again.wait(150)
        assert again.service.requests == []
        await again.wait(60)
        assert again.service.names() == ["empty"]


async def test_a_content_that_is_missing_is_told(filing: World, mock_clock: MockClock) -> None:
    world = filing
    async with world.running(sending=False):
        node = await world.write(TASK, "a")
    world.spool.content_path(node).unlink()
    again = world.again()
    async with again.running():
        found = again.spool.nodes[node.inode]
        assert (found.state, found.error) == (
            State.INTERRUPTED,
            "its content is missing from the upload spool",
        )
        await again.wait(600)
        assert again.service.requests == []


async def test_leftovers_are_tidied_and_what_nobody_knows_is_put_aside(
    world: World, mock_clock: MockClock, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("it was put aside")
    async with world.running(sending=False):
        small = await world.write(TASK, "a")
        large = await world.write(TASK, "b", b"x" * (SMALL + 1))
        world.spool.content_path(small)
    content = world.directory / "content"
    (content / "281474976719999").touch()
    (content / "281474976710656.281474976719998").write_bytes(b"a copy that was never used")
    (content / "281474976719997").write_bytes(b"whose is this?")
    again = world.again()
    async with again.running(sending=False):
        assert [path.name for path in content.iterdir()] == [str(large.inode)]
        assert again.read(small) == b"content"
    assert (world.directory / "lost" / "281474976719997").read_bytes() == b"whose is this?"


async def test_a_lost_journal_loses_no_content_that_is_a_file(
    filing: World, mock_clock: MockClock, expected_warnings: ExpectedWarnings
) -> None:
    world = filing
    expected_warnings.expect("it was put aside")
    async with world.running(sending=False):
        node = await world.write(TASK, "a", b"content")
    for path in world.directory.glob("journal*"):
        path.unlink()
    again = world.again()
    async with again.running(sending=False):
        assert again.spool.nodes == {}
    assert (world.directory / "lost" / str(node.inode)).read_bytes() == b"content"


async def test_a_first_run_that_was_killed_before_its_first_row(world: World, mock_clock: MockClock) -> None:
    content = world.directory / "content"
    content.mkdir(parents=True)
    (content / "281474976710656").touch()
    async with world.running(sending=False):
        assert not list(content.iterdir())
        assert not (world.directory / "lost").exists()


@pytest.mark.parametrize("large", [False, True])
async def test_a_removal_that_a_crash_cut_short_is_finished(
    world: World, mock_clock: MockClock, large: bool
) -> None:
    async with world.running(sending=False):
        node = await world.spool.create(TASK, "a", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        handle.write(0, b"content" * SMALL if large else b"content")
        await world.spool.fsync(handle)
        await world.spool.remove(node.inode)
        await world.crash()
        again = world.again()
        async with again.running(sending=False):
            assert again.spool.nodes == {}
            assert again.spool.contents.kept == {}
            assert not list((world.directory / "content").iterdir())


async def test_a_small_content_that_is_being_moved_into_a_file_is_whole_after_a_crash(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a", b"small")
        handle = world.spool.open(node.inode, write=True)
        content = handle.opened.content
        world.spool.contents.move(content, world.spool.contents.make(content.name))
        await world.crash()
        again = world.again()
        async with again.running(sending=False):
            assert again.spool.nodes[node.inode].state is State.SETTLING
            assert again.read(node) == b"small"
            assert not [path for path in (world.directory / "content").iterdir() if path.suffix != ".lent"]


async def test_what_grew_out_of_the_journal_is_no_longer_in_it(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a", b"small")
        handle = world.spool.open(node.inode, write=True)
        await world.spool.write(handle, 5, b"x" * SMALL)
        await world.crash()
        again = world.again()
        async with again.running(sending=False):
            found = again.spool.nodes[node.inode]
            assert (found.state, found.size) == (State.INTERRUPTED, SMALL + 5)
            assert again.read(found) == b"small" + b"x" * SMALL
            assert again.spool.contents.kept == {}


async def test_a_stop_keeps_what_an_open_file_has_in_memory(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.spool.create(TASK, "a", 0o644, 0, 0)
        world.spool.open(node.inode, write=True).write(0, b"unsaved")
    again = world.again()
    async with again.running(sending=False):
        found = again.spool.nodes[node.inode]
        assert (found.state, again.read(found)) == (State.INTERRUPTED, b"unsaved")


async def test_what_stays_open_is_written_to_the_journal_unasked(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        node = await world.spool.create(TASK, "a.log", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        handle.write(0, b"one\n")
        await world.wait(KEEP_AFTER + 1)
        handle.write(4, b"two\n")
        await world.wait(KEEP_AFTER + 1)
        handle.write(8, b"thr")
        await world.crash()
        again = world.again()
        async with again.running(sending=False):
            found = again.spool.nodes[node.inode]
            assert (found.state, again.read(found)) == (State.INTERRUPTED, b"one\ntwo\n")


async def test_a_batch_row_goes_with_its_last_node(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        box = Outbox(world.spool, lambda inode: None)
        node = await world.write(TASK, "a")
        record = await box.claim([node], kind="comment", project=10, task=20)
        await box.refuse([node], "no")
        assert record.id in world.spool.batches
        await world.spool.remove(node.inode)
    again = world.again()
    async with again.running(sending=False):
        assert again.spool.batches == {}


async def test_a_rename_over_another_is_one_step(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        old = await world.write(TASK, "a", b"old")
        world.spool.open(old.inode, write=False)
        new = await world.write(TASK, "b", b"new")
        await world.spool.rename(new.inode, TASK, "a")
        await world.crash()
        again = world.again()
        async with again.running(sending=False):
            assert list(again.spool.nodes) == [new.inode]
            assert again.read(again.spool.nodes[new.inode]) == b"new"
