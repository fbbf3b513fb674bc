"""New versions of attachments: what is saved over one becomes another attachment of its name, and nothing else does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.drive.harness import ME, Desk, Setup, eventually, mounted
from tests.drive.test_adoption import Watcher
from wsfs.api.errors import ApiError
from wsfs.drive import errors
from wsfs.drive.handles import AttachmentHandle
from wsfs.emulator.account import Account
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.entities import Task
from wsfs.tree.inodes import Kind
from wsfs.uploads import errors as upload_errors
from wsfs.uploads.options import Options
from wsfs.uploads.states import State

promise = pytest.mark.promise
REPORT = "/Office/Report"
OLD = f"{REPORT}/old.txt"
VERSIONS = Setup(versions=True)


def report(account: Account) -> Task:
    return next(iter(account.projects.values())).tasks[0]


def versions_of(account: Account, name: str) -> list[bytes]:
    """The contents of the attachments of that name, the oldest first."""
    found = sorted((file for file in account.files.values() if file.name == name), key=lambda file: file.id)
    return [file.content.read(0, file.size) for file in found]


def the_id(account: Account, content: bytes) -> int:
    return next(file.id for file in account.files.values() if file.content.read(0, file.size) == content)


@pytest.fixture
async def desk(emulator: Emulator, tmp_path: Path) -> AsyncIterator[Desk]:
    """The drive of the account, mounted with versions."""
    async with mounted(emulator, tmp_path, VERSIONS) as desk:
        await desk.names(REPORT)
        yield desk


# Saving


@promise("With `versions` what is saved over an attachment becomes a new attachment of the same name.")
@promise("The old version stays, and gets ` (id N)`; the file that was saved keeps its inode.")
async def test_saving_in_place(emulator: Emulator, tmp_path: Path) -> None:
    old = report(emulator.account).files[0].id
    inodes: set[int] = set()
    for remount in range(2):
        async with mounted(emulator, tmp_path, VERSIONS) as desk:
            if not remount:
                before = await desk.stat(OLD)
                assert before.mode & 0o777 == 0o644
                inode = await desk.save(OLD, b"new content")
                assert inode == before.inode
                assert await desk.names(REPORT) == ["Details", f"old (id {old}).txt", "old.txt"]
                assert await desk.read(OLD) == b"new content"
                assert (await desk.flush()).sent == 1
            assert await desk.names(REPORT) == ["Details", f"old (id {old}).txt", "old.txt"]
            node, former = await desk.node(OLD), await desk.node(f"{REPORT}/old (id {old}).txt")
            assert (node.kind, node.inode, former.id) == (Kind.ATTACHMENT, inode, old)
            assert former.inode not in (0, inode)
            assert await desk.read(OLD) == b"new content"
            assert await desk.read(f"{REPORT}/old (id {old}).txt") == b"old content"
            inodes.add(former.inode)
    assert len(inodes) == 1
    assert versions_of(emulator.account, "old.txt") == [b"old content", b"new content"]
    assert emulator.count("post_comment") == 1


async def test_a_pending_version_is_there_after_a_restart(emulator: Emulator, tmp_path: Path) -> None:
    old = report(emulator.account).files[0].id
    async with mounted(emulator, tmp_path, VERSIONS) as desk:
        desk.network.unplugged = False
        await desk.names(REPORT)
        inode = (await desk.node(OLD)).inode
        handle = await desk.namespace.open(inode, ME)
        await desk.put(handle, b"OLD")
        await desk.namespace.flush(handle)
        # No release: the process is killed right after close() returned.
    async with mounted(emulator, tmp_path, VERSIONS) as desk:
        assert await desk.names(REPORT) == ["Details", f"old (id {old}).txt", "old.txt"]
        assert await desk.read(OLD) == b"OLD content"
        assert (await desk.node(OLD)).inode == inode
        await desk.flush()
    assert versions_of(emulator.account, "old.txt") == [b"old content", b"OLD content"]


async def test_what_a_first_write_costs(desk: Desk) -> None:
    """Once fetched, by whomever, the content comes from the cache."""
    before = desk.count()
    await desk.save(OLD, b"NEW", truncate=False)
    assert desk.actions()[before:] == ["download"]
    assert await desk.read(OLD) == b"NEW content"
    before = desk.count()
    name = next(name for name in await desk.names(REPORT) if "(id" in name)
    assert await desk.read(f"{REPORT}/{name}") == b"old content"
    assert desk.count() == before


async def test_what_is_emptied_is_not_fetched(desk: Desk) -> None:
    before = desk.count()
    await desk.save(OLD, b"new", truncate=True)
    assert desk.count() == before
    assert await desk.read(OLD) == b"new"


@promise("Opening an attachment for writing, and closing it again without having written, changes nothing.")
async def test_opening_alone_is_no_change(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path, VERSIONS) as desk:
        await desk.names(REPORT)
        before = await desk.stat(OLD)
        for readable, fetched in ((False, 0), (True, 1)):
            handle = await desk.namespace.open(before.inode, ME, readable=readable)
            assert emulator.count("download") == fetched
            assert isinstance(handle, AttachmentHandle)
            await desk.namespace.synchronise(handle)
            await desk.close(handle)
        assert await desk.read(OLD) == b"old content"
        assert await desk.stat(OLD) == before
        assert not desk.spool.nodes
        assert await desk.names(REPORT) == ["Details", "old.txt"]
        assert (await desk.flush()).sent == 0
    assert emulator.count("post_comment") == 0
    assert not list((tmp_path / "spool" / "content").iterdir())


async def test_what_the_cache_has_no_room_for_is_fetched_into_the_spool(
    emulator: Emulator, tmp_path: Path
) -> None:
    large = b"0123456789abcdef" * 10_000
    emulator.account.add_comment(report(emulator.account), files=[("large.bin", large)])
    async with mounted(emulator, tmp_path, Setup(versions=True, cache=100_000)) as desk:
        await desk.names(REPORT)
        node = await desk.node(f"{REPORT}/large.bin")
        handle = await desk.namespace.open(node.inode, ME, readable=True)
        assert emulator.count("download") == 1
        assert len(list((tmp_path / "spool" / "content").iterdir())) == 1
        await desk.close(handle)
        assert not list((tmp_path / "spool" / "content").iterdir())
        handle = await desk.namespace.open(node.inode, ME, readable=True)
        other = await desk.namespace.open(node.inode, ME, readable=True)
        assert await desk.read_handle(handle) == await desk.read_handle(other) == large
        await desk.put(handle, b"X", 5)
        assert await desk.read_piece(other, 0) == (large[:5] + b"X" + large[6:])[: 1 << 16]
        assert emulator.count("download") == 2, "one for each time that it was opened and closed"
        await desk.close(handle)
        await desk.close(other)
        assert await desk.read(f"{REPORT}/large.bin") == large[:5] + b"X" + large[6:]
        await desk.flush()
    assert versions_of(emulator.account, "large.bin")[1] == large[:5] + b"X" + large[6:]


async def test_appending_and_truncating(desk: Desk) -> None:
    await desk.save(OLD, b" and more", truncate=False, offset=11)
    assert await desk.read(OLD) == b"old content and more"
    await desk.flush()
    await desk.namespace.set_attributes((await desk.node(OLD)).inode, size=3)
    assert await desk.read(OLD) == b"old"
    await desk.flush()
    await desk.namespace.set_attributes((await desk.node(OLD)).inode, size=5, mtime_ns=10**18)
    assert (await desk.stat(OLD)).mtime_ns == 10**18
    await desk.flush()
    assert (await desk.stat(OLD)).mtime_ns == 10**18
    assert versions_of(desk.account, "old.txt") == [
        b"old content",
        b"old content and more",
        b"old",
        b"old\0\0",
    ]


async def test_everybody_who_has_it_open_sees_what_is_written(desk: Desk) -> None:
    inode = (await desk.node(OLD)).inode
    reader, other = desk.drive.open(inode, ME), await desk.namespace.open(inode, ME)
    writer = await desk.namespace.open(inode, ME)
    await desk.put(writer, b"NEW")
    assert await desk.read_handle(reader) == b"NEW content"
    assert await desk.read_handle(other) == b"NEW content"
    await desk.put(other, b"C", 4)
    await desk.close(writer)
    assert desk.spool.nodes[inode].state is State.OPEN, "another program has it open for writing"
    await desk.close(other)
    await desk.flush()
    assert (await desk.node(OLD)).kind is Kind.ATTACHMENT
    # And again, with a reader from before.
    writer = await desk.namespace.open(inode, ME)
    await desk.put(writer, b"3rd")
    assert await desk.read_handle(reader) == b"3rd Content"
    for handle in (writer, reader):
        await desk.close(handle)
    await desk.flush()
    assert versions_of(desk.account, "old.txt") == [b"old content", b"NEW Content", b"3rd Content"]
    assert desk.emulator.count("download") == 1


async def test_two_who_write_first_at_once_make_one_version(desk: Desk) -> None:
    inode = (await desk.node(OLD)).inode
    handles = [await desk.namespace.open(inode, ME) for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for offset, handle in enumerate(handles):
            nursery.start_soon(desk.put, handle, b"X", offset)
        nursery.start_soon(desk.namespace.set_attributes, inode)
    for handle in handles:
        await desk.close(handle)
    assert await desk.read(OLD) == b"XXX content"
    await desk.flush()
    assert versions_of(desk.account, "old.txt") == [b"old content", b"XXX content"]


async def test_a_version_of_a_version(desk: Desk) -> None:
    inode = (await desk.node(OLD)).inode
    for number in range(4):
        assert await desk.save(OLD, f"{number}".encode()) == inode
        await desk.flush()
    names = await desk.names(REPORT)
    assert len(names) == 6
    assert await desk.read(OLD) == b"3"
    inodes = {(await desk.node(f"{REPORT}/{name}")).inode for name in names}
    assert len(inodes) == 6


async def test_saving_while_the_last_version_is_sent(desk: Desk) -> None:
    inode = (await desk.node(OLD)).inode
    await desk.save(OLD, b"first")
    desk.emulator.faults.arm("delay", action="post_comment", value=0.3, count=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.sender.flush)
        await eventually(lambda: report(desk.account).comments)
        await desk.save(OLD, b"second")
    await desk.flush()
    assert versions_of(desk.account, "old.txt") == [b"old content", b"first", b"second"]
    assert (await desk.node(OLD)).inode == inode
    assert await desk.read(OLD) == b"second"


# Renaming over


@promise(
    "Renaming a file over an attachment makes a version, as most programs save; `mv`, `cp` and `tar` do too."
)
async def test_renaming_over(desk: Desk) -> None:
    old = (await desk.node(OLD)).id
    inode = await desk.write(f"{REPORT}/.old.txt.Ab12Cd", b"new")
    reader = desk.drive.open((await desk.node(OLD)).inode, ME)
    with pytest.raises(errors.NameExists):
        await desk.rename(f"{REPORT}/.old.txt.Ab12Cd", OLD, replace=False)
    await desk.rename(f"{REPORT}/.old.txt.Ab12Cd", OLD)
    assert await desk.names(REPORT) == ["Details", f"old (id {old}).txt", "old.txt"]
    assert (await desk.node(OLD)).inode == inode
    assert await desk.read_handle(reader) == b"old content", "who had the old file open goes on reading it"
    await desk.close(reader)
    await desk.flush()
    assert versions_of(desk.account, "old.txt") == [b"old content", b"new"]
    assert (await desk.node(OLD)).inode == inode
    await desk.mkdir(f"{REPORT}/folder")
    with pytest.raises(errors.NotDirectory):
        await desk.rename(f"{REPORT}/folder", OLD)


@promise(
    "What can be saved over can be renamed to a temporary or backup name, as Microsoft Office does when it saves."
)
async def test_saving_as_word_does(desk: Desk) -> None:
    old = (await desk.node(OLD)).id
    await desk.write(f"{REPORT}/~$old.txt", b"me")
    await desk.write(f"{REPORT}/~WRD0001.tmp", b"new")
    await desk.rename(OLD, f"{REPORT}/~WRL0002.tmp", replace=False)
    assert await desk.names(REPORT) == ["Details", "~$old.txt", "~WRD0001.tmp", "~WRL0002.tmp"]
    assert await desk.read(f"{REPORT}/~WRL0002.tmp") == b"old content"
    with pytest.raises(errors.NoSuchName):
        await desk.stat(OLD)
    await desk.rename(f"{REPORT}/~WRD0001.tmp", OLD, replace=False)
    await desk.unlink(f"{REPORT}/~WRL0002.tmp")
    await desk.unlink(f"{REPORT}/~$old.txt")
    assert await desk.names(REPORT) == ["Details", f"old (id {old}).txt", "old.txt"]
    await desk.flush()
    assert versions_of(desk.account, "old.txt") == [b"old content", b"new"]
    assert await desk.read(f"{REPORT}/old (id {old}).txt") == b"old content"


async def test_what_was_set_aside_shows_again_where_nothing_follows(
    emulator: Emulator, tmp_path: Path
) -> None:
    setup = Setup(versions=True, hidden_for=0.2)
    async with mounted(emulator, tmp_path, setup) as desk, trio.open_nursery() as nursery:
        nursery.start_soon(desk.namespace.versions.run)
        directory = desk.drive.directory((await desk.node(REPORT)).inode)
        await desk.names(REPORT)
        await desk.rename(OLD, f"{OLD}~")
        assert await desk.names(REPORT) == ["Details", "old.txt~"]
        await eventually(lambda: "old.txt" in directory.names)
        assert await desk.names(REPORT) == ["Details", "old.txt", "old.txt~"]
        await desk.rename(OLD, f"{OLD}~")  # over the last backup
        assert await desk.read(f"{OLD}~") == b"old content"
        await desk.flush()
        assert versions_of(desk.account, "old.txt~") == []
        nursery.cancel_scope.cancel()


async def test_what_cannot_be_set_aside(desk: Desk, emulator: Emulator, tmp_path: Path) -> None:
    await desk.write(f"{REPORT}/x.tmp")
    with pytest.raises(errors.NameExists):
        await desk.rename(OLD, f"{REPORT}/x.tmp", replace=False)
    for name in ("old.bak", "other.txt"):
        with pytest.raises(errors.NotPermitted):
            await desk.rename(OLD, f"{REPORT}/{name}")
    with pytest.raises(errors.NotPermitted):
        await desk.rename(OLD, f"{REPORT}/Details/x.tmp")
    async with mounted(emulator, tmp_path / "other") as plain:
        await plain.names(REPORT)
        with pytest.raises(errors.NotPermitted):
            await plain.rename(OLD, f"{REPORT}/x.tmp")


async def test_what_is_written_to_a_file_that_was_replaced_is_nobodys(desk: Desk) -> None:
    inode = (await desk.node(OLD)).inode
    handle = await desk.namespace.open(inode, ME, readable=True)
    await desk.write(f"{REPORT}/new.tmp", b"new")
    await desk.rename(f"{REPORT}/new.tmp", OLD)
    await desk.put(handle, b"XXX")
    assert await desk.read_handle(handle) == b"XXX content"
    assert desk.drive.get_attributes(inode).size == 11
    await desk.close(handle)
    assert await desk.read(OLD) == b"new"
    name = next(name for name in await desk.names(REPORT) if "(id" in name)
    assert await desk.read(f"{REPORT}/{name}") == b"old content"
    await desk.flush()
    assert versions_of(desk.account, "old.txt") == [b"old content", b"new"]
    assert not desk.spool.nodes


# Deleting


@promise(
    "With `versions` a deleted attachment is hidden, and shows again after a minute unless a new file follows."
)
async def test_deleting(emulator: Emulator, tmp_path: Path) -> None:
    account = emulator.account
    older = the_id(account, b"old content")
    account.add_comment(report(account), files=[("old.txt", b"newer")])
    async with mounted(emulator, tmp_path, Setup(versions=True, hidden_for=0.2)) as desk:
        await desk.names(REPORT)
        inode = (await desk.node(OLD)).inode
        desk.told.entries.clear()
        await desk.unlink(OLD)
        # The older version doesn't take the name meanwhile.
        assert await desk.names(REPORT) == ["Details", f"old (id {older}).txt"]
        with pytest.raises(errors.NoSuchName) as missing:
            await desk.node(OLD)
        assert missing.value.lasting
        report_inode = (await desk.node(REPORT)).inode
        assert not desk.told.entries, "the kernel knows by its own call"
        await eventually(lambda: (report_inode, "old.txt") in desk.told.entries)
        assert await desk.names(REPORT) == ["Details", f"old (id {older}).txt", "old.txt"]
        assert (await desk.node(OLD)).inode == inode
        assert await desk.read(OLD) == b"newer"
    assert emulator.count("post_comment") == 0


async def test_deleting_and_making_anew(desk: Desk) -> None:
    old = (await desk.node(OLD)).id
    await desk.unlink(OLD)
    await desk.refresh()
    assert await desk.names(REPORT) == ["Details"]
    inode = await desk.write(OLD, b"new")
    assert await desk.names(REPORT) == ["Details", f"old (id {old}).txt", "old.txt"]
    # Once more, before it is sent: the name is free again.
    await desk.unlink(OLD)
    assert await desk.names(REPORT) == ["Details"]
    await desk.write(f"{REPORT}/x.tmp", b"newer")
    await desk.rename(f"{REPORT}/x.tmp", OLD, replace=False)
    assert await desk.names(REPORT) == ["Details", f"old (id {old}).txt", "old.txt"]
    await desk.flush()
    assert versions_of(desk.account, "old.txt") == [b"old content", b"newer"]
    assert (await desk.node(OLD)).inode != inode


async def test_a_version_that_is_renamed_away_leaves_its_name_free(desk: Desk) -> None:
    await desk.save(OLD, b"new")
    await desk.rename(OLD, f"{REPORT}/old.txt~")
    assert [name for name in await desk.names(REPORT) if "(id" not in name] == ["Details", "old.txt~"]
    await desk.write(OLD, b"newer")
    await desk.unlink(f"{REPORT}/old.txt~")
    await desk.flush()
    assert versions_of(desk.account, "old.txt") == [b"old content", b"newer"]


async def test_what_is_written_to_a_deleted_file_is_nobodys(desk: Desk) -> None:
    inode = (await desk.node(OLD)).inode
    handle = await desk.namespace.open(inode, ME)
    await desk.unlink(OLD)
    await desk.put(handle, b"XXX")
    assert await desk.read_handle(handle) == b"XXX content"
    await desk.namespace.set_attributes(inode, size=1)
    assert desk.drive.get_attributes(inode).size == 1
    assert await desk.names(REPORT) == ["Details"]
    await desk.close(handle)
    with pytest.raises(errors.NoSuchName):
        desk.drive.get_attributes(inode)
    assert not desk.spool.nodes
    await desk.write(OLD, b"new")
    await desk.flush()
    assert versions_of(desk.account, "old.txt") == [b"old content", b"new"]


# What stands in the way


@promise("An older version, shown with its id, can't be written to, replaced or deleted.")
async def test_older_versions(desk: Desk) -> None:
    await desk.save(OLD, b"new")
    await desk.flush()
    name = next(name for name in await desk.names(REPORT) if "(id" in name)
    older = f"{REPORT}/{name}"
    assert (await desk.stat(older)).mode & 0o777 == 0o444
    with pytest.raises(errors.Denied):
        await desk.namespace.open((await desk.node(older)).inode, ME)
    with pytest.raises(errors.Denied):
        await desk.namespace.set_attributes((await desk.node(older)).inode, size=0)
    with pytest.raises(errors.NotPermitted):
        await desk.unlink(older)
    await desk.write(f"{REPORT}/x.tmp")
    with pytest.raises(errors.NotPermitted):
        await desk.rename(f"{REPORT}/x.tmp", older)
    with pytest.raises(errors.NotPermitted):
        await desk.rename(OLD, f"{REPORT}/other.txt")


async def test_where_no_version_can_be(emulator: Emulator, tmp_path: Path) -> None:
    """What would stay on this machine, unsaid, or go where nothing may go."""
    account = emulator.account
    task = report(account)
    account.add_comment(task, files=[("draft.bak", b"b")])
    account.add_file_to_project(task.project, ("plan.txt", b"p"))
    async with mounted(emulator, tmp_path, Setup(versions=True, drop=False)) as desk:
        await desk.names("/Office")
        await desk.names(REPORT)
        for path in (f"{REPORT}/draft.bak", "/Office/plan.txt"):
            assert (await desk.stat(path)).mode & 0o777 == 0o444
            with pytest.raises(errors.Denied):
                await desk.namespace.open((await desk.node(path)).inode, ME)
    async with mounted(emulator, tmp_path, Setup(versions=True, read_only=True)) as desk:
        await desk.names(REPORT)
        assert (await desk.stat(OLD)).mode & 0o777 == 0o444
        with pytest.raises(errors.ReadOnly):
            await desk.namespace.open((await desk.node(OLD)).inode, ME)
        with pytest.raises(errors.ReadOnly):
            await desk.unlink(OLD)


async def test_a_version_of_a_projects_own_file(emulator: Emulator, tmp_path: Path) -> None:
    account = emulator.account
    account.add_file_to_project(report(account).project, ("plan.txt", b"p"))
    old = the_id(account, b"p")
    async with mounted(emulator, tmp_path, VERSIONS) as desk:
        await desk.names("/Office")
        await desk.save("/Office/plan.txt", b"new")
        await desk.flush()
        assert await desk.names("/Office") == ["Report", f"plan (id {old}).txt", "plan.txt"]
        assert await desk.read("/Office/plan.txt") == b"new"
        await desk.save("/Office/plan.txt", b"newer")
        await desk.flush()
    assert versions_of(account, "plan.txt") == [b"p", b"new", b"newer"]


async def test_without_the_network_opening_fails_and_changes_nothing(desk: Desk) -> None:
    desk.network.unplugged = True
    inode = (await desk.node(OLD)).inode
    with pytest.raises(ApiError):
        await desk.namespace.open(inode, ME, readable=True)
    handle = await desk.namespace.open(inode, ME)
    with pytest.raises(ApiError):
        await desk.put(handle, b"x")
    await desk.close(handle)
    with pytest.raises(ApiError):
        await desk.namespace.set_attributes(inode, size=3)
    assert await desk.names(REPORT) == ["Details", "old.txt"]
    assert not desk.spool.nodes
    assert not list((desk.spool.directory / "content").iterdir())
    # What is overwritten whole needs no network.
    await desk.save(OLD, b"written offline")
    assert await desk.read(OLD) == b"written offline"
    await desk.plug_in()
    await desk.flush()
    assert versions_of(desk.account, "old.txt") == [b"old content", b"written offline"]


async def test_a_version_that_is_given_up_gives_its_name_back(desk: Desk) -> None:
    inode = await desk.save(OLD, b"new")
    await desk.namespace.discard(inode)
    assert await desk.names(REPORT) == ["Details", "old.txt"]
    assert await desk.read(OLD) == b"old content"
    assert (await desk.flush()).sent == 0
    await desk.save(OLD, b"newer", truncate=False)
    await desk.flush()
    assert versions_of(desk.account, "old.txt") == [b"old content", b"newerontent"]


async def test_who_is_told_to_end_while_he_waits_changes_nothing(desk: Desk) -> None:
    """A wait may be cancelled at any point of a switch."""
    inode = (await desk.node(OLD)).inode
    for pause in range(40):
        handle = await desk.namespace.open(inode, ME)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:

                async def cancel(pause: int = pause, scope: trio.CancelScope = scope) -> None:
                    for _ in range(pause):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()

                nursery.start_soon(cancel)
                await desk.namespace.write(handle, 0, b"NEW")
        await desk.close(handle)
        if scope.cancelled_caught:
            assert await desk.read(OLD) == b"old content"
            assert await desk.names(REPORT) == ["Details", "old.txt"]
            assert not desk.spool.nodes
            assert not list((desk.spool.directory / "content").iterdir())
        else:
            break
    await desk.save(OLD, b"NEW", truncate=False)
    await desk.flush()
    assert await desk.read(OLD) == b"NEW content"
    assert versions_of(desk.account, "old.txt") == [b"old content", b"NEW content"]


async def test_a_first_write_that_fails_leaves_no_version(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    inode = (await desk.node(OLD)).inode
    handle = await desk.namespace.open(inode, ME, readable=True)

    def full(length: int) -> None:
        if length == 3:
            raise upload_errors.NoSpace("the disk is full")

    monkeypatch.setattr(desk.spool.contents, "need_room", full)
    with pytest.raises(upload_errors.NoSpace):
        await desk.put(handle, b"NEW")
    await desk.close(handle)
    assert await desk.names(REPORT) == ["Details", "old.txt"]
    assert await desk.read(OLD) == b"old content"
    assert not desk.spool.nodes
    assert (await desk.flush()).sent == 0
    monkeypatch.undo()
    await desk.save(OLD, b"NEW", truncate=False)
    await desk.flush()
    assert versions_of(desk.account, "old.txt") == [b"old content", b"NEW content"]


async def test_what_vanishes_while_it_is_open_is_saved_all_the_same(desk: Desk) -> None:
    handle = await desk.namespace.open((await desk.node(OLD)).inode, ME, readable=True)
    desk.account.delete_file(report(desk.account).files[0])
    await desk.refresh()
    assert await desk.names(REPORT) == ["Details"]
    await desk.put(handle, b"NEW")
    await desk.close(handle)
    assert await desk.names(REPORT) == ["Details", "old.txt"]
    await desk.flush()
    assert await desk.read(OLD) == b"NEW content"
    assert versions_of(desk.account, "old.txt") == [b"NEW content"]


async def test_a_colleagues_version_that_comes_meanwhile_is_not_lost(desk: Desk) -> None:
    inode = (await desk.node(OLD)).inode
    old = (await desk.node(OLD)).id
    handle = await desk.namespace.open(inode, ME, readable=True)
    theirs = desk.account.add_comment(report(desk.account), files=[("old.txt", b"theirs")]).files[0].id
    await desk.refresh()
    assert await desk.names(REPORT) == ["Details", f"old (id {old}).txt", "old.txt"]
    await desk.put(handle, b"OUR")
    await desk.close(handle)
    names = [f"old (id {old}).txt", f"old (id {theirs}).txt"]
    assert await desk.names(REPORT) == ["Details", *sorted(names), "old.txt"]
    await desk.flush()
    assert await desk.read(OLD) == b"OUR content"
    assert versions_of(desk.account, "old.txt") == [b"old content", b"theirs", b"OUR content"]


async def test_the_file_is_seen_once_at_every_moment(desk: Desk) -> None:
    old = (await desk.node(OLD)).id
    watcher = Watcher(desk, REPORT, "old.txt")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watcher.run)
        for number in range(3):
            await desk.save(OLD, f"{number}".encode(), truncate=bool(number % 2))
            await desk.flush()
            await desk.refresh()
        nursery.cancel_scope.cancel()
    assert all(seen.count("old.txt") == 1 for seen in watcher.seen), watcher.seen
    assert all(len(seen) == 1 or f"old (id {old}).txt" in seen for seen in watcher.seen), watcher.seen


# For an hour after an upload


@promise("A file that was uploaded from this machine can be saved over for an hour, also after a new mount.")
async def test_saving_again_what_was_made_here(emulator: Emulator, tmp_path: Path) -> None:
    path = f"{REPORT}/new.txt"
    async with mounted(emulator, tmp_path) as desk:
        await desk.names(REPORT)
        inode = await desk.write(path, b"first")
        await desk.flush()
        attributes = await desk.stat(path)
        assert attributes.mode & 0o777 == 0o644
        assert 3500 < attributes.seconds <= 3600
        assert (await desk.stat(OLD)).mode & 0o777 == 0o444, "what others made is as it was"
    async with mounted(emulator, tmp_path) as desk:
        assert (await desk.stat(path)).mode & 0o777 == 0o644
        await desk.save(path, b"SECOND", truncate=False)
        assert desk.spool.nodes[inode].state is State.SETTLING
        await desk.flush()
        await desk.write(f"{REPORT}/lu12ab.tmp", b"third")
        await desk.rename(f"{REPORT}/lu12ab.tmp", path)
        await desk.flush()
        assert await desk.read(path) == b"third"
        # It isn't deleted as if that could be: nothing follows, and a person would wonder where it comes from.
        with pytest.raises(errors.NotPermitted):
            await desk.unlink(path)
    assert versions_of(emulator.account, "new.txt") == [b"first", b"SECOND", b"third"]


@promise(
    "Each later save is held for a minute of stillness, and becomes one new attachment, which has the plain name."
)
async def test_later_saves_are_held(emulator: Emulator, tmp_path: Path) -> None:
    path = f"{REPORT}/new.txt"
    assert Options().settle_again == 60
    async with mounted(emulator, tmp_path, Setup(uploads=Options(settle=0.1, settle_again=1.0))) as desk:
        await desk.names(REPORT)
        inode = await desk.write(path, b"first")
        await eventually(lambda: not desk.spool.nodes)
        begin = trio.current_time()
        for number in range(4):
            await desk.save(path, f"{number}".encode())
            await trio.sleep(0.3)  # longer than `settle`
        await eventually(lambda: not desk.spool.nodes)
        assert trio.current_time() - begin > 0.9 + 1.0
        node = await desk.node(path)
        assert (node.name, node.inode, node.kind) == ("new.txt", inode, Kind.ATTACHMENT)
        assert await desk.read(path) == b"3"
    assert versions_of(emulator.account, "new.txt") == [b"first", b"3"]


async def test_after_the_hour_it_is_an_attachment_like_others(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{REPORT}/new.txt"
    async with mounted(emulator, tmp_path) as desk:
        await desk.names(REPORT)
        inode = await desk.write(path, b"first")
        await desk.flush()
        held = await desk.namespace.open(inode, ME, readable=True)
        now = desk.spool.clock()
        for ahead, mode in ((3599, 0o644), (3601, 0o444), (-10, 0o444)):
            monkeypatch.setattr(desk.spool, "clock", lambda ahead=ahead: now + ahead)
            assert (await desk.stat(path)).mode & 0o777 == mode
        with pytest.raises(errors.Denied):
            # It is open for writing, which lasts; but nobody else may begin.
            await desk.close(held)
            await desk.namespace.open(inode, ME)
        with pytest.raises(errors.Denied):
            await desk.namespace.set_attributes(inode, size=0)
        await desk.write(f"{REPORT}/x.tmp", b"third")
        with pytest.raises(errors.NotPermitted):
            await desk.rename(f"{REPORT}/x.tmp", path)
    assert versions_of(emulator.account, "new.txt") == [b"first"]


async def test_who_has_it_open_when_the_hour_ends_can_still_save(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{REPORT}/new.txt"
    async with mounted(emulator, tmp_path) as desk:
        await desk.names(REPORT)
        inode = await desk.write(path, b"first")
        await desk.flush()
        handle = await desk.namespace.open(inode, ME, readable=True)
        now = desk.spool.clock()
        monkeypatch.setattr(desk.spool, "clock", lambda: now + 7200)
        await desk.put(handle, b"F")
        await desk.close(handle)
        await desk.flush()
    assert versions_of(emulator.account, "new.txt") == [b"first", b"First"]


async def test_the_hour_can_be_none(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path, Setup(writable_for=0)) as desk:
        await desk.names(REPORT)
        await desk.write(f"{REPORT}/new.txt")
        await desk.flush()
        assert (await desk.stat(f"{REPORT}/new.txt")).mode & 0o777 == 0o444
