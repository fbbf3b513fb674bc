"""The spool: what programs do to files that are not uploaded, and what a crash leaves of it."""

from __future__ import annotations

import os
import sqlite3
import stat

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.conftest import ExpectedWarnings
from wsfs.uploads import journal
from wsfs.uploads.contents import SMALL
from wsfs.uploads.errors import (
    IsADirectory,
    NameTaken,
    NoSpace,
    NoSuchNode,
    NotADirectory,
    NotAllowed,
    NotEmpty,
    SpoolBroken,
    SpoolInUse,
    UploadError,
)
from wsfs.uploads.index import CHUNK
from wsfs.uploads.nodes import FIRST_LOCAL_INODE, Spooled
from wsfs.uploads.outbox import Outbox
from wsfs.uploads.spool import Spool
from wsfs.uploads.states import State

from .fakes import OTHER_TASK, PROJECT, TASK, World, is_closed, state


async def test_a_file_is_on_disk_for_its_user_alone(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a.txt", b"hello" * SMALL)
        path = world.spool.content_path(node)
        assert path == world.directory / "content" / str(node.inode)
        assert path.read_bytes() == b"hello" * SMALL
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(world.directory.stat().st_mode) == 0o700
        assert stat.S_IMODE((world.directory / "journal.sqlite").stat().st_mode) == 0o600


async def test_names_are_found_and_taken_once(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a")
        assert world.spool.child(TASK, "a") is node
        assert world.spool.child(TASK, "A") is None
        assert world.spool.children(TASK) == [node]
        assert list(world.spool.parents()) == [TASK]
        with pytest.raises(NameTaken):
            await world.spool.create(TASK, "a", 0o644, 0, 0)
        with pytest.raises(NameTaken):
            await world.spool.mkdir(TASK, "a", 0o755, 0, 0)
        with pytest.raises(NotADirectory):
            await world.spool.create(node.inode, "b", 0o644, 0, 0)


async def test_inodes_are_never_used_again(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        first = await world.write(TASK, "a")
        await world.spool.remove(first.inode)
        second = await world.write(TASK, "a")
        assert FIRST_LOCAL_INODE <= first.inode < second.inode
        for number in range(CHUNK + 5):
            world.spool._new_inode()
            assert number >= 0
        third = await world.write(TASK, "b")
    again = world.again()
    async with again.running(sending=False):
        assert (await again.write(TASK, "c")).inode > third.inode


async def test_reading_and_writing_anywhere(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.spool.create(TASK, "a", 0o644, 0, 0)
        writer = world.spool.open(node.inode, write=True)
        reader = world.spool.open(node.inode, write=False)
        assert writer.write(5, b"world") == 5
        assert reader.read(0, 100) == b"\0\0\0\0\0world"
        writer.write(0, b"hello")
        assert reader.read(3, 4) == b"lowo"
        assert node.size == 10
        await world.spool.truncate(node.inode, 7)
        assert (node.size, reader.read(0, 100)) == (7, b"hellowo")
        await world.spool.truncate(node.inode, 9)
        assert reader.read(0, 100) == b"hellowo\0\0"
        await world.spool.release(writer)
        await world.spool.release(reader)
        assert state(node) is State.SETTLING


async def test_the_last_release_of_a_writer_decides_not_the_flush(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running(sending=False):
        node = await world.spool.create(TASK, "a", 0o644, 0, 0)
        one = world.spool.open(node.inode, write=True)
        two = world.spool.open(node.inode, write=True)
        thumbnailer = world.spool.open(node.inode, write=False)
        await world.spool.flush(one)
        one.write(0, b"x")
        await world.spool.flush(one)
        await world.spool.release(one)
        assert state(node) is State.OPEN
        await world.spool.release(two)
        await world.spool.release(two)
        assert state(node) is State.SETTLING
        await world.spool.release(thumbnailer)
        assert state(node) is State.SETTLING


async def test_opening_to_read_and_write_alone_is_no_change(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a.docx")
        await world.wait(2)
        before = (node.quiet_since, node.version, node.mtime_ns)
        handle = world.spool.open(node.inode, write=True)
        assert state(node) is State.SETTLING
        await world.spool.fsync(handle)
        await world.spool.flush(handle)
        await world.spool.release(handle)
        assert (node.quiet_since, node.version, node.mtime_ns) == before


async def test_attributes_are_kept_in_every_state_and_over_a_restart(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a")
        for a_state in (State.SETTLING, State.QUARANTINED, State.SENT):
            node.state = a_state
            await world.spool.set_attributes(
                node.inode, mode=0o600, uid=5, gid=6, atime_ns=7_000_000_001, mtime_ns=8_000_000_009
            )
        node.state = State.SETTLING
        await world.spool.set_attributes(node.inode, mode=0o640)
    again = world.again()
    async with again.running(sending=False):
        found = again.spool.nodes[node.inode]
        assert (found.mode, found.uid, found.gid) == (0o640, 5, 6)
        assert (found.atime_ns, found.mtime_ns) == (7_000_000_001, 8_000_000_009)


async def test_a_rename_while_it_is_open_and_the_last_name_counts(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running(sending=False):
        node = await world.spool.create(TASK, ".goutputstream-AB12CD", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        handle.write(0, b"x")
        await world.spool.rename(node.inode, OTHER_TASK, "letter.txt")
        assert world.spool.child(TASK, ".goutputstream-AB12CD") is None
        assert world.spool.child(OTHER_TASK, "letter.txt") is node
        handle.write(1, b"y")
        await world.spool.flush(handle)
        await world.spool.release(handle)
        assert state(node) is State.SETTLING
        assert world.read(node) == b"xy"


async def test_a_noise_name_is_local_until_it_gets_a_real_one(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, ".a.pdf.Ab12Cd")
        assert state(node) is State.LOCAL
        await world.spool.rename(node.inode, TASK, "a.pdf")
        assert state(node) is State.SETTLING
        await world.spool.rename(node.inode, TASK, "a.pdf~")
        assert state(node) is State.LOCAL


async def test_a_rename_over_another_replaces_it(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        old = await world.write(TASK, "a", b"old")
        new = await world.write(TASK, "b", b"new")
        with pytest.raises(NameTaken):
            await world.spool.rename(new.inode, TASK, "a", replace=False)
        reader = world.spool.open(old.inode, write=False)
        await world.spool.rename(new.inode, TASK, "a")
        assert world.spool.children(TASK) == [new]
        assert reader.read(0, 10) == b"old"
        path = world.spool.content_path(old)
        assert path.exists()
        await world.spool.release(reader)
        assert not path.exists()


async def test_directories_over_files_and_the_other_way_are_refused(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running(sending=False):
        file = await world.write(TASK, "file")
        folder = await world.spool.mkdir(TASK, "folder", 0o755, 0, 0)
        full = await world.spool.mkdir(TASK, "full", 0o755, 0, 0)
        inside = await world.write(full.inode, "inside")
        with pytest.raises(IsADirectory):
            await world.spool.rename(file.inode, TASK, "folder")
        with pytest.raises(NotADirectory):
            await world.spool.rename(folder.inode, TASK, "file")
        with pytest.raises(NotEmpty):
            await world.spool.rename(folder.inode, TASK, "full")
        with pytest.raises(NotAllowed):
            await world.spool.rename(full.inode, full.inode, "itself")
        with pytest.raises(NotAllowed):
            await world.spool.rename(folder.inode, TASK, ".git")
        with pytest.raises(NotEmpty):
            await world.spool.remove(full.inode)
        with pytest.raises(IsADirectory):
            world.spool.open(full.inode, write=False)
        with pytest.raises(NotADirectory):
            await world.spool.rename(folder.inode, inside.inode, "below")
        await world.spool.rename(full.inode, TASK, "folder")
        assert {node.name for node in world.spool.children(TASK)} == {"file", "folder"}
        assert world.spool.children(full.inode) == [inside]


@pytest.mark.parametrize("name", [".Trash", ".Trash-1000", ".git"])
async def test_some_directories_are_refused(world: World, mock_clock: MockClock, name: str) -> None:
    async with world.running(sending=False):
        with pytest.raises(NotAllowed):
            await world.spool.mkdir(TASK, name, 0o755, 0, 0)


async def test_a_deleted_file_lives_on_for_who_has_it_open(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.spool.create(TASK, "a", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        handle.write(0, b"abc")
        await world.spool.remove(node.inode)
        assert node.inode not in world.spool.nodes
        assert world.spool.get(node.inode) is node
        handle.write(3, b"def")
        await world.spool.truncate(node.inode, 5)
        await world.spool.set_attributes(node.inode, mode=0o600)
        await world.spool.flush(handle)
        assert handle.read(0, 10) == b"abcde"
        assert (await world.write(TASK, "a")).inode != node.inode
        await world.spool.release(handle)
        assert world.spool.get(node.inode) is None
        assert not list((world.directory / "content").iterdir())
        assert node.content not in world.spool.contents.kept
        with pytest.raises(NoSuchNode):
            await world.spool.remove(node.inode)
        with pytest.raises(NoSuchNode):
            world.spool.open(node.inode, write=False)


async def test_a_killed_writer_leaves_an_interrupted_file(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.spool.create(TASK, "a", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True, pid=77)
        handle.write(0, b"half")
        await world.spool.flush(handle, killed=True)
        await world.spool.release(handle)
        assert state(node) is State.INTERRUPTED
        assert node.error
        assert world.read(node) == b"half"
        unused = world.spool.open(node.inode, write=True)
        await world.spool.release(unused)
        assert state(node) is State.INTERRUPTED
        await world.save(node, b"whole")
        assert (state(node), node.error or None) == (State.SETTLING, None)


@pytest.mark.parametrize("released", [True, False])
async def test_what_rsync_keeps_half_is_interrupted_under_its_own_name_too(
    released: bool, world: World, mock_clock: MockClock
) -> None:
    """As it does with --partial: it closes its temporary file, dates it back to 1970, and renames it."""
    async with world.running(sending=False):
        node = await world.spool.create(TASK, ".film.mp4.Ab12Cd", 0o600, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        handle.write(0, b"half")
        await world.spool.flush(handle)
        if released:
            await world.spool.release(handle)
        await world.spool.set_attributes(node.inode, mtime_ns=219_877_128)
        await world.spool.rename(node.inode, TASK, "film.mp4")
        if not released:
            await world.spool.release(handle)
        assert (node.name, state(node)) == ("film.mp4", State.INTERRUPTED)
        assert node.error


async def test_other_dates_and_names_are_no_sign_of_half_a_file(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        old = await world.write(TASK, "old.bin")
        await world.spool.set_attributes(old.inode, mtime_ns=0)
        assert state(old) is State.SETTLING
        node = await world.write(TASK, ".film.mp4.Ab12Cd")
        await world.spool.set_attributes(node.inode, mtime_ns=1_600_000_000 * 10**9)
        await world.spool.rename(node.inode, TASK, "film.mp4")
        assert state(node) is State.SETTLING


async def test_a_handle_knows_whether_its_file_was_given_its_size(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running(sending=False):
        node = await world.spool.create(TASK, "a", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        handle.write(0, b"words")
        assert not handle.sized
        await world.spool.truncate(node.inode, 5)
        seen = [handle.sized]
        handle.write(0, b"W")
        assert [*seen, handle.sized] == [True, False]
        await world.spool.release(handle)


async def test_a_killed_child_that_only_inherited_the_file_does_not_interrupt_it(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running(sending=False):
        node = await world.spool.create(TASK, "log", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        handle.write(0, b"one")
        await world.spool.flush(handle, killed=True)
        handle.write(3, b"two")
        await world.spool.flush(handle)
        await world.spool.release(handle)
        assert state(node) is State.SETTLING


async def test_a_writer_killed_before_its_first_byte_leaves_an_interrupted_file(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running(sending=False):
        node = await world.spool.create(TASK, "a", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        await world.spool.flush(handle, killed=True)
        await world.spool.release(handle)
        assert state(node) is State.INTERRUPTED


async def test_no_room_is_told_at_the_write_and_harms_nothing(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a", b"safe")
        found = os.statvfs(world.directory)
        world.spool.contents._floor = found.f_blocks * found.f_frsize * 2
        handle = world.spool.open(node.inode, write=True)
        with pytest.raises(NoSpace):
            for _ in range(3):
                handle.write(0, bytes(600_000))
        await world.spool.release(handle)
        assert state(node) is State.INTERRUPTED, "it is half overwritten"
        world.spool.contents._since_check = 1 << 20
        with pytest.raises(NoSpace):
            await world.spool.create(TASK, "b", 0o644, 0, 0)
        assert world.spool.child(TASK, "b") is None


async def test_a_full_disk_is_no_space(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a")
        handle = world.spool.open(node.inode, write=True)
        handle.write(0, bytes(SMALL + 1))
        full = os.open("/dev/full", os.O_RDWR)
        os.dup2(full, handle.opened.content.descriptor)
        os.close(full)
        with pytest.raises(NoSpace):
            handle.write(0, b"x")
        handle.opened.content.become(world.spool.contents.open(node.content))
        await world.spool.release(handle)


async def test_a_full_disk_at_the_close_is_told_and_takes_nothing_that_was_promised(
    world: World,
    mock_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    expected_warnings: ExpectedWarnings,
) -> None:
    expected_warnings.expect("The upload journal could not be written")
    async with world.running(sending=False):
        kept = await world.write(TASK, "kept", b"promised")
        handle = world.spool.open(kept.inode, write=True)
        handle.write(0, b"something longer")
        transact = journal._transact
        monkeypatch.setattr(journal, "_transact", lambda *_: NoSpace("there is no room left"))
        with pytest.raises(NoSpace):
            await world.spool.flush(handle)
        monkeypatch.setattr(journal, "_transact", transact)
        await world.spool.flush(handle)
        assert world.spool.journal.read_content(kept.content) == b"something longer"
        handle.write(0, b"SOMETHING")
        monkeypatch.setattr(journal, "_transact", lambda *_: NoSpace("there is no room left"))
        with pytest.raises(NoSpace):
            await world.spool.flush(handle)
        await world.spool.release(handle)
        monkeypatch.setattr(journal, "_transact", transact)
        assert (state(kept), kept.error) == (State.INTERRUPTED, "there is no room left")
        assert (world.read(kept), kept.size) == (b"something longer", 16)


ATTACHMENT = 4711 * 4 + 3
"""The inode that an attachment had so far."""


async def pieces(offset: int, length: int) -> bytes:
    """What a download gives, never as much at once as is asked for."""
    await trio.lowlevel.checkpoint()
    return b"from the cache"[offset : offset + min(length, 5)]


async def test_a_version_begins_as_a_copy_at_the_inode_of_its_attachment(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running(sending=False):
        content = await world.spool.receive(ATTACHMENT, 14, pieces)
        node = await world.spool.create_version(
            ATTACHMENT, TASK, "a", 0o644, 0, 0, content=content, stamp_ns=5
        )
        assert (node.inode, node.size, node.mtime_ns) == (ATTACHMENT, 14, 5)
        assert world.read(node) == b"from the cache"
        assert not node.dirty
        with pytest.raises(NameTaken):
            await world.spool.create_version(ATTACHMENT, TASK, "b", 0o644, 0, 0)
        with pytest.raises(NameTaken):
            await world.spool.create_version(ATTACHMENT + 4, TASK, "a", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        handle.write(5, b"THE")
        await world.spool.flush(handle)
        await world.spool.release(handle)
        assert state(node) == State.SETTLING
    again = world.again()
    async with again.running(sending=False):
        kept = again.spool.nodes[ATTACHMENT]
        assert (again.read(kept), kept.state) == (b"from THE cache", State.SETTLING)
        other = await again.write(TASK, "c")
        assert other.inode >= FIRST_LOCAL_INODE


async def test_what_could_not_be_received_leaves_nothing(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        with pytest.raises(SpoolBroken):
            await world.spool.receive(ATTACHMENT, 15, pieces)
        with trio.move_on_after(0):
            await world.spool.receive(ATTACHMENT, 14, pieces)
        content = await world.spool.receive(ATTACHMENT, 14, pieces)
        assert [path.name for path in (world.directory / "content").iterdir()] == [content]
    # Nobody began a version with it: a start removes it.
    again = world.again()
    async with again.running(sending=False):
        assert not list((world.directory / "content").iterdir())


async def test_a_version_waits_until_the_row_of_the_last_one_is_gone(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a")
        outbox = Outbox(world.spool, lambda inode: None)
        record = await outbox.claim([node], kind="comment", project=1, task=2)
        record = await outbox.posted(record, 3)
        await outbox.learned(record, {node.inode: 4})
        written = trio.Event()
        made: list[Spooled] = []

        async def version() -> None:
            made.append(await world.spool.create_version(node.inode, TASK, "a", 0o644, 0, 0))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(outbox.taken, record, [node], written.wait)
            await trio.testing.wait_all_tasks_blocked()
            assert world.spool.sent_lately(TASK, "a")
            nursery.start_soon(version)
            await trio.testing.wait_all_tasks_blocked()
            assert not made
            written.set()
        assert made[0].content != node.content
    again = world.again()
    async with again.running(sending=False):
        assert again.spool.nodes[node.inode].state is State.INTERRUPTED


async def test_one_process_has_the_spool(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        with pytest.raises(SpoolInUse):
            await Spool(world.directory).start()
        assert await world.write(TASK, "a")


async def test_what_is_being_sent_can_not_be_taken_back(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a")
        for a_state in (State.SENDING, State.SENT):
            node.state = a_state
            with pytest.raises(NotAllowed):
                await world.spool.remove(node.inode)
            with pytest.raises(NotAllowed):
                await world.spool.rename(node.inode, TASK, "b")


async def test_a_quarantined_file_moved_elsewhere_is_tried_there(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        refused = await _quarantined(world, "refused", uncertain=False)
        uncertain = await _quarantined(world, "uncertain", uncertain=True)
        await world.spool.rename(refused.inode, TASK, "another name")
        await world.spool.rename(uncertain.inode, TASK, "yet another name")
        assert (refused.state, refused.error) == (State.SETTLING, None)
        assert state(uncertain) is State.QUARANTINED
        await world.spool.rename(uncertain.inode, OTHER_TASK, "moved")
        assert (uncertain.state, uncertain.uncertain) == (State.SETTLING, False)
        node = await _quarantined(world, "asked for", uncertain=True)
        await world.spool.retry(node.inode)
        assert state(node) is State.SETTLING
        with pytest.raises(NotAllowed):
            await world.spool.retry(node.inode)


async def _quarantined(world: World, name: str, *, uncertain: bool) -> Spooled:
    node = await world.write(TASK, name)
    node.state, node.error, node.uncertain = State.QUARANTINED, "no", uncertain
    return node


async def test_a_cancelled_create_leaves_nothing(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        with trio.CancelScope() as scope:
            scope.cancel()
            await world.spool.create(TASK, "a", 0o644, 0, 0)
        assert scope.cancelled_caught
        assert not world.spool.nodes
        await world.wait(0)
    again = world.again()
    async with again.running(sending=False):
        assert not again.spool.nodes
        assert not list((world.directory / "content").iterdir())


async def test_a_close_that_no_release_follows_is_not_believed_for_long(
    world: World, mock_clock: MockClock
) -> None:
    """A shell's `echo a >&3` closes a copy of the descriptor and goes on writing later."""
    async with world.running():
        node = await world.spool.create(TASK, "log", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        handle.write(0, b"one")
        await world.spool.flush(handle)
        await world.wait(1)
        assert is_closed(node)
        await world.wait(1.5)
        assert not is_closed(node)
        await world.crash()
        again = world.again()
        async with again.running(sending=False):
            assert again.spool.nodes[node.inode].state is State.INTERRUPTED


async def test_recent_uploads_are_remembered_for_an_hour(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        await world.write(TASK, "a")
        await world.wait(4)
        assert world.spool.sent_lately(TASK, "a")
        assert not world.spool.sent_lately(TASK, "b")
        assert not world.spool.sent_lately(PROJECT, "a")
    again = world.again()
    async with again.running():
        assert again.spool.sent_lately(TASK, "a")
        await again.wait(3600)
        assert not again.spool.sent_lately(TASK, "a")


@pytest.mark.parametrize("cut", [True, False])
async def test_a_file_that_was_cut_for_a_writer_who_never_came_is_not_finished(
    world: World, mock_clock: MockClock, cut: bool
) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a")
        handle = world.spool.open(node.inode, write=True)
        if cut:
            with trio.CancelScope() as scope:
                scope.cancel()
                await world.spool.truncate(node.inode, 0)
        handle.abandon()
        await world.spool.release(handle)
        assert (state(node), node.size) == ((State.INTERRUPTED, 0) if cut else (State.SETTLING, 7))


async def test_a_file_that_is_copied_in_waits_for_the_disk_once(
    world: World, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    transact = journal._transact

    def counted(database: sqlite3.Connection, operations: list[journal.Operation]) -> UploadError | None:
        written.append(len(operations))
        return transact(database, operations)

    async with world.running(sending=False):
        await world.write(TASK, "the first one reserves numbers")
        await world.wait(1)
        synced: list[str] = []
        monkeypatch.setattr(journal, "_transact", counted)
        monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append("a file"))
        for number in range(20):
            await world.write(TASK, f"file {number}")
        assert written == [3] * 20, "made, its content, and closed"
        await world.write(TASK, "large", b"x" * (SMALL + 1))
        assert written[20:] == [1, 1]
        assert len(synced) == 2, "the file and its directory"


async def test_a_file_of_which_a_write_was_refused_is_not_sent_though_it_was_closed(
    world: World, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cp closes what it could write and leaves it there."""
    async with world.running():
        node = await world.spool.create(TASK, "half", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        await world.spool.write(handle, 0, b"half")
        monkeypatch.setattr(world.spool.contents, "_floor", 2**62)
        world.spool.contents._since_check = 1 << 20
        with pytest.raises(NoSpace):
            await world.spool.write(handle, 4, b"more")
        monkeypatch.setattr(world.spool.contents, "_floor", 0)
        await world.spool.flush(handle)
        assert not is_closed(node), "nor after a crash"
        await world.spool.release(handle)
        assert (state(node), node.error) == (
            State.INTERRUPTED,
            "there is no room left on the disk of the upload spool",
        )
        await world.wait(24 * 3600)
        assert world.service.requests == []
        # Whoever begins it anew has all of it.
        await world.save(node, b"whole")
        await world.wait(60)
        assert world.service.names() == ["half"]


async def test_a_program_that_makes_room_and_begins_anew_is_believed(
    world: World, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.running():
        node = await world.spool.create(TASK, "a", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        monkeypatch.setattr(world.spool.contents, "_floor", 2**62)
        world.spool.contents._since_check = 1 << 20
        with pytest.raises(NoSpace):
            await world.spool.write(handle, 0, b"more")
        monkeypatch.setattr(world.spool.contents, "_floor", 0)
        await world.spool.truncate(node.inode, 0)
        await world.spool.write(handle, 0, b"all")
        await world.spool.flush(handle)
        await world.spool.release(handle)
        assert state(node) is State.SETTLING


async def test_when_the_kernel_is_gone_what_was_closed_whole_settles(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running(sending=False):
        closed = await world.spool.create(TASK, "closed", 0o644, 0, 0)
        handle = world.spool.open(closed.inode, write=True)
        handle.write(0, b"whole")
        await world.spool.flush(handle)
        half = await world.spool.create(TASK, "half", 0o644, 0, 0)
        world.spool.open(half.inode, write=True).write(0, b"ha")
        untouched = await world.write(TASK, "untouched")
        world.spool.open(untouched.inode, write=True)  # as LibreOffice holds what it shows
        stopped = await world.spool.create(TASK, "stopped", 0o644, 0, 0)
        killed = world.spool.open(stopped.inode, write=True)
        killed.write(0, b"x")
        await world.spool.flush(killed, killed=True)
        await world.spool.give_up_handles()
        assert [state(node) for node in (closed, half, untouched, stopped)] == [
            State.SETTLING,
            State.OPEN,
            State.SETTLING,
            State.OPEN,
        ]
        assert (closed.writers, untouched.writers, half.writers) == (0, 0, 1)
        await world.crash()
    again = world.again()
    async with again.running(sending=False):
        assert [state(node) for node in again.spool.nodes.values()] == [
            State.SETTLING,
            State.INTERRUPTED,
            State.SETTLING,
            State.INTERRUPTED,
        ]
