"""How what is pending becomes what is on the server: seen once at every moment, and the same after a restart."""

from __future__ import annotations

import functools
import time
from collections import Counter
from pathlib import Path

import pytest
import trio

from tests.drive.harness import ME, Desk, Setup, eventually, mounted
from wsfs.api.pacing import Lane
from wsfs.drive import errors
from wsfs.drive.handles import FileHandle
from wsfs.emulator.account import Account
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.entities import Task
from wsfs.tree.inodes import Kind, is_local
from wsfs.tree.nodes import Directory, File, Owner
from wsfs.uploads.options import Options
from wsfs.uploads.states import State

promise = pytest.mark.promise
REPORT = "/Office/Report"
STAMP = 1_600_000_000_123_456_789


def report(account: Account) -> Task:
    return next(iter(account.projects.values())).tasks[0]


class Watcher:
    """Looks at a directory, whenever anybody else has done anything."""

    def __init__(self, desk: Desk, directory: str, title: str) -> None:
        self.desk = desk
        self.directory = directory
        self.title = title
        self.seen: Counter[tuple[str, ...]] = Counter()
        self.inodes: set[int] = set()

    def look(self) -> None:
        node = self.desk.drive.find(self.directory)
        assert isinstance(node, Directory)
        found = sorted(one.name for one in node if one.title == self.title)
        self.seen[tuple(found)] += 1
        self.inodes |= {one.inode for one in node if one.title == self.title}

    async def run(self) -> None:
        while True:
            self.look()
            time.sleep(1e-5)  # noqa: ASYNC251 - lets the worker threads go on, which else get a turn every 5 ms
            await trio.lowlevel.checkpoint()


@promise(
    "While a file is uploaded and afterwards, every listing shows it once: never twice, never not at all."
)
@pytest.mark.parametrize("path", [f"{REPORT}/new.txt", "/Office/new.txt"])
async def test_a_file_is_listed_once_at_every_moment(desk: Desk, path: str) -> None:
    await desk.names(REPORT)
    await desk.names("/Office")
    inode = await desk.write(path, b"new")
    watcher = Watcher(desk, path.rpartition("/")[0], "new.txt")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watcher.run)
        await desk.flush()
        nursery.cancel_scope.cancel()
    assert watcher.seen.keys() == {("new.txt",)}
    assert watcher.inodes == {inode}
    assert (await desk.node(path)).kind is Kind.ATTACHMENT


async def test_a_listing_that_comes_while_a_file_is_on_its_way_shows_it_once(desk: Desk) -> None:
    """The service has it, and tells the catalog of it, before the answer to the post is there."""
    await desk.names(REPORT)
    inode = await desk.write(f"{REPORT}/new.txt", b"new")
    await desk.mkdir(f"{REPORT}/part")
    await desk.write(f"{REPORT}/part/deep.txt", b"deep")
    desk.emulator.faults.arm("delay", action="post_*", value=0.3)
    task = report(desk.account)
    watchers = [Watcher(desk, REPORT, "new.txt"), Watcher(desk, REPORT, "part")]
    async with trio.open_nursery() as nursery:
        for watcher in watchers:
            nursery.start_soon(watcher.run)
        nursery.start_soon(desk.flush)
        for _ in range(2):
            before = len(task.comments) + len(task.children)
            await eventually(
                functools.partial(lambda known: len(task.comments) + len(task.children) > known, before)
            )
            await desk.catalog.refresh(("task", task.id))
        await eventually(lambda: not (desk.spool.nodes))
        nursery.cancel_scope.cancel()
    assert watchers[0].seen.keys() == {("new.txt",)}
    assert watchers[1].seen.keys() == {("part",)}
    assert watchers[0].inodes == {inode}
    assert await desk.names(REPORT) == ["Details", "new.txt", "old.txt", "part"]
    assert await desk.names(f"{REPORT}/part") == ["deep.txt"]


async def test_a_colleagues_file_of_the_same_name_shows_beside_ours(desk: Desk) -> None:
    await desk.names(REPORT)
    inode = await desk.write(f"{REPORT}/same.txt", b"ours")
    rival = desk.account.add_comment(report(desk.account), files=[("same.txt", b"them")]).files[0].id
    await desk.refresh()
    assert await desk.names(REPORT) == ["Details", "old.txt", f"same (id {rival}).txt", "same.txt"]
    assert await desk.read(f"{REPORT}/same.txt") == b"ours"
    watcher = Watcher(desk, REPORT, "same.txt")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watcher.run)
        await desk.flush()
        nursery.cancel_scope.cancel()
    assert watcher.seen.keys() == {(f"same (id {rival}).txt", "same.txt")}
    assert (await desk.node(f"{REPORT}/same.txt")).inode == inode, "the newest has the plain name"
    assert await desk.read(f"{REPORT}/same (id {rival}).txt") == b"them"


@promise("A file that isn't uploaded yet keeps its name, whatever arrives from others.")
async def test_a_pending_file_and_an_arrival_of_its_name(desk: Desk) -> None:
    await desk.names(REPORT)
    handle = await desk.create(f"{REPORT}/same.txt")
    task = report(desk.account)
    other = desk.account.add_comment(task, files=[("same.txt", b"them")]).files[0].id
    folder = desk.account.add_task(task.project, "same.txt", parent=task)
    await desk.refresh()
    assert await desk.names(REPORT) == [
        "Details", "old.txt", f"same (id {other}).txt", "same.txt", f"same.txt (id {folder.id})",
    ]  # fmt: skip
    assert (await desk.node(f"{REPORT}/same.txt")).inode == handle.node.inode
    await desk.close(handle)


async def test_what_was_veiled_shows_when_our_upload_turns_out_to_be_refused(
    desk: Desk, expected: None
) -> None:
    await desk.names(REPORT)
    await desk.write(f"{REPORT}/same.txt", b"ours")
    desk.emulator.faults.arm("lost-reply", count=1)
    desk.emulator.faults.arm("delay", action="post_comment", value=0.3)
    # So that it can't be found out whether it arrived.
    desk.emulator.faults.arm("denied", action="get_comments")
    task = report(desk.account)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.flush)
        await eventually(lambda: task.comments)
        await desk.catalog.refresh(("task", task.id))
        arrived = task.comments[0].files[0].id
        await eventually(lambda: all(node.state is State.QUARANTINED for node in desk.spool.nodes.values()))
    # No other answer is needed: what was told before shows now.
    assert await desk.names(REPORT) == ["Details", "old.txt", f"same (id {arrived}).txt", "same.txt"]


@promise("The inode number of a file stays the same when it has been uploaded, and after every mount.")
@promise("An uploaded file keeps the time it was given, so that a second `rsync -a` finds nothing to do.")
@promise(
    "The extended attribute `user.worksection.date` is the date on the server, also where the file's time is another."
)
@promise("Reading back what was uploaded from this machine costs no download.")
async def test_what_stays_over_upload_and_restart(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path) as desk:
        await desk.names(REPORT)
        inode = await desk.write(f"{REPORT}/new.txt", b"new", mtime_ns=STAMP)
        folder = (await desk.mkdir(f"{REPORT}/part")).inode
        deep = await desk.write(f"{REPORT}/part/deep.txt", b"deep", mtime_ns=STAMP)
        old = (await desk.node(f"{REPORT}/old.txt")).inode
        await desk.flush()
        file = report(emulator.account).comments[0].files[0]
        for remount in range(2):
            if remount:
                await desk.refresh()
            attributes = await desk.stat(f"{REPORT}/new.txt")
            assert (attributes.inode, attributes.mtime_ns, attributes.size) == (inode, STAMP, 3)
            date = f"{file.date_added:%Y-%m-%d %H:%M}"
            assert await desk.xattr(f"{REPORT}/new.txt", "user.worksection.date") == date
    async with mounted(emulator, tmp_path) as desk:
        assert (await desk.stat(f"{REPORT}/new.txt")).inode == inode
        assert (await desk.stat(f"{REPORT}/new.txt")).mtime_ns == STAMP
        assert (await desk.stat(f"{REPORT}/part")).inode == folder
        assert (await desk.stat(f"{REPORT}/part/deep.txt")).inode == deep
        assert (await desk.stat(f"{REPORT}/old.txt")).inode == old
        assert await desk.read(f"{REPORT}/new.txt") == b"new"
        assert await desk.read(f"{REPORT}/part/deep.txt") == b"deep"
    assert emulator.count("download") == 0
    assert is_local(inode)
    assert not is_local(old)


@promise(
    "Setting the mode, owner or times of something that was uploaded from here succeeds, and changes nothing."
)
async def test_attributes_set_late(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path, Setup(writable_for=0)) as desk:
        inode = await desk.write(f"{REPORT}/new.txt", b"new", mtime_ns=STAMP)
        await desk.flush()
        for _ in range(2):
            await desk.namespace.set_attributes(inode, mode=0o600, uid=1, mtime_ns=5)
            await desk.namespace.set_attributes((await desk.node(REPORT)).inode, mode=0o700, mtime_ns=5)
            assert (await desk.stat(f"{REPORT}/new.txt")).mtime_ns == STAMP
            with pytest.raises(errors.Denied):
                await desk.namespace.set_attributes(inode, size=0)
    async with mounted(emulator, tmp_path) as desk:
        await desk.names(REPORT)
        await desk.namespace.set_attributes(inode, mode=0o600, mtime_ns=5)
        assert (await desk.stat(f"{REPORT}/new.txt")).mtime_ns == STAMP


async def test_a_time_that_is_set_while_the_file_is_on_its_way_is_kept(
    emulator: Emulator, tmp_path: Path
) -> None:
    async with mounted(emulator, tmp_path) as desk:
        inode = await desk.write(f"{REPORT}/new.txt", b"new")
        emulator.faults.arm("delay", action="get_files", value=0.2)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.flush)
            await eventually(lambda: report(emulator.account).comments)
            await desk.namespace.set_attributes(inode, mtime_ns=STAMP)
        assert (await desk.stat(f"{REPORT}/new.txt")).mtime_ns == STAMP
    async with mounted(emulator, tmp_path) as desk:
        await desk.names(REPORT)
        assert (await desk.stat(f"{REPORT}/new.txt")).mtime_ns == STAMP


@promise("Once closing a file has succeeded, it outlives a crash of wsfs.")
async def test_a_start_goes_on_where_the_last_run_ended(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path) as desk:
        await desk.names("/Office")
        desk.network.unplugged = True
        await desk.mkdir("/Office/Plan")
        handle = await desk.create("/Office/Plan/a.txt")
        await desk.put(handle, b"a")
        await desk.namespace.flush(handle)
        # No release: the process is killed right after close() returned.
    async with mounted(emulator, tmp_path) as desk:
        assert await desk.read("/Office/Plan/a.txt") == b"a"
        assert (await desk.node("/Office/Plan/a.txt")).inode == handle.node.inode
        assert (await desk.flush()).sent == 1
        assert await desk.names("/Office/Plan") == ["a.txt"]


async def test_a_run_that_ended_before_the_adoption_goes_on_with_it(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mounted(emulator, tmp_path) as desk:
        await desk.names(REPORT)
        inode = await desk.write(f"{REPORT}/new.txt", b"new", mtime_ns=STAMP)
        learned = desk.spool.nodes[inode]

        async def never(_result: object) -> None:
            await trio.sleep_forever()

        monkeypatch.setattr(desk.adoption, "sent", never)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.sender.flush)
            await eventually(lambda: learned.remote_id is not None)
            nursery.cancel_scope.cancel()
        assert desk.spool.nodes[inode].state is State.SENT
    async with mounted(emulator, tmp_path) as desk:
        watcher = Watcher(desk, REPORT, "new.txt")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watcher.run)
            await eventually(lambda: not (desk.spool.nodes))
            await desk.refresh()
            nursery.cancel_scope.cancel()
        assert watcher.seen.keys() == {("new.txt",)}
        assert watcher.inodes == {inode}
        assert await desk.names(REPORT) == ["Details", "new.txt", "old.txt"]
        assert (await desk.stat(f"{REPORT}/new.txt")).mtime_ns == STAMP
    assert emulator.count("post_comment") == 1
    async with mounted(emulator, tmp_path) as desk:
        assert await desk.names(REPORT) == ["Details", "new.txt", "old.txt"]


async def test_a_listing_that_cannot_be_read_after_an_upload_is_not_taken_for_whole(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next upload would take an attachment that the listing lacks for one of its own."""
    async with mounted(emulator, tmp_path) as desk:
        await desk.names(REPORT)
        inode = await desk.write(f"{REPORT}/new.txt", b"new")
        learned = desk.spool.nodes[inode]

        async def never(_result: object) -> None:
            await trio.sleep_forever()

        monkeypatch.setattr(desk.adoption, "sent", never)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.sender.flush)
            await eventually(lambda: learned.remote_id is not None)
            nursery.cancel_scope.cancel()
    emulator.faults.arm("500", action="get_*")
    async with mounted(emulator, tmp_path) as desk:
        await eventually(lambda: not desk.spool.nodes)
    emulator.faults.clear()
    async with mounted(emulator, tmp_path) as desk:
        known = desk.adoption.known_files(report(emulator.account).id)
        assert known is None or learned.remote_id in known
        assert await desk.names(REPORT) == ["Details", "new.txt", "old.txt"]
        assert (await desk.node(f"{REPORT}/new.txt")).inode == inode


@pytest.mark.parametrize("path", [f"{REPORT}/new.txt", "/Office/new.txt"])
async def test_what_was_sent_shows_without_the_network_though_its_listing_was_never_read(
    emulator: Emulator, tmp_path: Path, path: str
) -> None:
    """The answer to the post was lost, and the file found; nobody has asked for the directory's files since."""
    directory = path.rpartition("/")[0]
    async with mounted(emulator, tmp_path) as desk:
        await desk.names(directory)
        desk.catalog.files_in_doubt(("task", report(emulator.account).id))
        emulator.faults.arm("lost-reply", count=1)
        inode = await desk.write(path, b"new")
        await desk.flush()
        node = desk.tree.by_inode[inode]
        assert isinstance(node, File)
        assert node.owner is not None
        assert not desk.catalog.knows_files(node.owner), "it is asked for when somebody looks"
    async with mounted(emulator, tmp_path, unplugged=True) as desk:
        assert "new.txt" in await desk.names(directory)
        assert (await desk.node(path)).inode == inode
        assert await desk.read(path) == b"new"


async def test_a_file_that_is_written_to_while_it_is_sent_arrives_in_both_versions(
    emulator: Emulator, tmp_path: Path
) -> None:
    async with mounted(emulator, tmp_path) as desk:
        await desk.names(REPORT)
        inode = await desk.write(f"{REPORT}/new.txt", b"first")
        emulator.faults.arm("delay", action="post_comment", value=0.3, count=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.sender.flush)
            await eventually(lambda: report(emulator.account).comments)
            handle = desk.drive.open(inode, ME, write=True)
            await desk.put(handle, b"SECOND")
            await desk.close(handle)
        assert await desk.read(f"{REPORT}/new.txt") == b"SECOND"
        await desk.flush()
        first, second = (comment.files[0].id for comment in report(emulator.account).comments)
        assert await desk.names(REPORT) == ["Details", f"new (id {first}).txt", "new.txt", "old.txt"]
        assert await desk.read(f"{REPORT}/new (id {first}).txt") == b"first"
        assert (await desk.node(f"{REPORT}/new.txt")).id == second
        assert (await desk.node(f"{REPORT}/new.txt")).inode == inode
        other = (await desk.node(f"{REPORT}/new (id {first}).txt")).inode
    async with mounted(emulator, tmp_path) as desk:
        assert (await desk.node(f"{REPORT}/new.txt")).inode == inode
        assert (await desk.node(f"{REPORT}/new (id {first}).txt")).inode == other
    assert emulator.count("download") == 0


async def test_a_file_that_is_opened_for_writing_while_it_is_adopted_stays_pending(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.names(REPORT)
    inode = await desk.write(f"{REPORT}/new.txt", b"first")
    adopt = desk.adoption._contents.adopt

    async def slowly(file_id: int, size: int, path: Path) -> None:
        await adopt(file_id, size, path)
        opened.append(desk.drive.open(inode, ME, write=True))

    opened: list[FileHandle] = []
    monkeypatch.setattr(desk.adoption._contents, "adopt", slowly)
    with trio.move_on_after(0.5):
        await desk.sender.flush()
    assert (await desk.node(f"{REPORT}/new.txt")).kind is Kind.LOCAL_FILE
    (handle,) = opened
    await desk.put(handle, b"SECOND")
    monkeypatch.setattr(desk.adoption._contents, "adopt", adopt)
    await desk.close(handle)
    await desk.flush()
    await eventually(lambda: not (desk.spool.nodes or desk.spool.shadows))
    assert await desk.read(f"{REPORT}/new.txt") == b"SECOND"
    assert len(await desk.names(REPORT)) == 4


@promise(
    "An upload that Worksection refuses for good stays in its place, can be read, and is never thrown away."
)
@promise("The extended attribute `user.wsfs.upload` says how far the upload of a file is.")
async def test_what_is_refused(emulator: Emulator, tmp_path: Path, expected: None) -> None:
    async with mounted(emulator, tmp_path) as desk:
        await desk.names(REPORT)
        await desk.write(f"{REPORT}/new.txt", b"new")
        assert await desk.xattr(f"{REPORT}/new.txt", "user.wsfs.upload") == "settling"
        emulator.faults.arm("denied", action="post_comment", count=1)
        await desk.flush()
        assert (await desk.xattr(f"{REPORT}/new.txt", "user.wsfs.upload")).startswith("quarantined: ")
        with pytest.raises(errors.NoAttribute):
            await desk.xattr(f"{REPORT}/new.txt", "user.worksection.id")
    async with mounted(emulator, tmp_path) as desk:
        await desk.flush()
        assert await desk.read(f"{REPORT}/new.txt") == b"new"
        assert not report(emulator.account).comments
        assert await desk.sender.release(None) == 1
        await desk.flush()
    assert [file.name for file in report(emulator.account).comments[0].files] == ["new.txt"]


async def test_what_arrived_although_the_answer_was_lost(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path) as desk:
        await desk.names(REPORT)
        inode = await desk.write(f"{REPORT}/new.txt", b"new")
        emulator.faults.arm("lost-reply", count=1)
        await desk.flush()
        node = await desk.node(f"{REPORT}/new.txt")
        assert (node.kind, node.inode) == (Kind.ATTACHMENT, inode)
        await desk.refresh()
        assert await desk.names(REPORT) == ["Details", "new.txt", "old.txt"]
    assert emulator.count("post_comment") == 1


async def test_a_task_that_goes_while_its_file_is_adopted_takes_it_along(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.names(REPORT)
    inode = await desk.write(f"{REPORT}/new.txt", b"new")
    adopt = desk.adoption._contents.adopt

    async def slowly(file_id: int, size: int, path: Path) -> None:
        await adopt(file_id, size, path)
        desk.tree.vanished(("task", report(desk.account).id))

    monkeypatch.setattr(desk.adoption._contents, "adopt", slowly)
    await desk.flush()
    assert desk.tree.get(inode) is None
    assert not desk.spool.nodes


async def test_destinations(desk: Desk) -> None:
    await desk.names(REPORT)
    pending = await desk.mkdir("/Office/new")
    assert desk.adoption.destination(pending.inode) is None
    assert desk.adoption.destination(12345) is None
    assert desk.adoption.destination((await desk.node("/.wsfs")).inode) is None


async def test_a_colleagues_twin_is_not_taken_for_what_the_service_left_out(
    emulator: Emulator, tmp_path: Path
) -> None:
    """As many new files as were sent, and yet one of ours isn't among them."""
    options = Options(settle=0, settle_again=0, retry_first=0.02, retry_most=0.05, listing_tries=2)
    task = report(emulator.account)
    colleague = emulator.account.add_user("Ivan", "ivan@example.com")
    async with mounted(emulator, tmp_path, Setup(uploads=options)) as desk:
        await desk.names(REPORT)
        await desk.write(f"{REPORT}/a.txt", b"ours a")
        await desk.write(f"{REPORT}/b.txt", b"ours b")
        emulator.faults.arm("max-files", action="post_comment", value=1, count=1)
        emulator.faults.arm("delay", action="post_comment", value=0.3, count=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.flush)
            await eventually(lambda: all(one.state is State.SENDING for one in desk.spool.nodes.values()))
            emulator.account.add_comment(task, files=[("b.txt", b"theirs")], user=colleague)
        await desk.flush()
        assert not desk.spool.nodes
        assert await desk.read(f"{REPORT}/b.txt") == b"ours b"
    contents = [file.content.read(0, file.size) for comment in task.comments for file in comment.files]
    assert sorted(contents) == [b"ours a", b"ours b", b"theirs"]


@promise(
    "While a file is uploaded and afterwards, every listing shows it once: never twice, never not at all."
)
async def test_what_is_sent_while_a_file_stays_open_stays_listed_when_that_is_closed(desk: Desk) -> None:
    """The listing that told the ids of the first is older than the second (the 893rd round of a torture)."""
    await desk.names(REPORT)
    await desk.write(f"{REPORT}/first.txt", b"first")
    first = await desk.node(f"{REPORT}/first.txt")
    desk.emulator.faults.arm("delay", action="post_comment", value=0.3, count=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.flush)
        await eventually(lambda: desk.spool.nodes[first.inode].state is State.SENDING)
        handle = desk.drive.open(first.inode, ME, write=True)
        await eventually(lambda: desk.spool.nodes[first.inode].remote_id is not None)
        nursery.cancel_scope.cancel()
    await desk.write(f"{REPORT}/second.txt", b"second")
    await desk.flush()
    assert [one.name for one in desk.spool.nodes.values()] == ["first.txt"]
    await desk.drive.release(handle)
    await eventually(lambda: not desk.spool.nodes)
    assert {"first.txt", "second.txt"} <= set(await desk.names(REPORT))
    assert await desk.read(f"{REPORT}/second.txt") == b"second"


@promise(
    "While a file is uploaded and afterwards, every listing shows it once: never twice, never not at all."
)
async def test_a_listing_that_was_asked_for_before_an_upload_does_not_take_it_away(desk: Desk) -> None:
    """Also where no listing of our own came between: the file was found after its answer had been lost."""
    task = await desk.node(REPORT)
    await desk.names("/Office")
    desk.account.add_comment(report(desk.account), files=[("other.txt", b"theirs")])
    desk.catalog.files_in_doubt(("task", report(desk.account).id))
    stalled = desk.emulator.faults.arm("stall", action="get_files", count=1, id_task=report(desk.account).id)
    listed: list[str] = []

    async def look() -> None:
        listed.extend(await desk.names(REPORT))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        await stalled.struck.wait()
        desk.emulator.faults.arm("lost-reply", count=1)
        handle = (await desk.namespace.create(task.inode, "new.txt", 0o644, ME))[1]
        await desk.put(handle, b"new")
        await desk.close(handle)
        await desk.flush()
        assert not desk.spool.nodes
        stalled.release()
    assert listed == ["Details", "new.txt", "old.txt", "other.txt"]
    assert await desk.names(REPORT) == listed
    assert desk.emulator.count("post_comment") == 1


async def test_a_listing_that_came_while_ours_was_on_its_way_is_not_undone_by_it(desk: Desk) -> None:
    """What a colleague attached meanwhile stays, and so does what we sent."""
    await desk.names(REPORT)
    owner: Owner = ("task", report(desk.account).id)
    await desk.write(f"{REPORT}/new.txt", b"new")
    stalled = desk.emulator.faults.arm("stall", action="get_files", count=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.flush)
        await stalled.struck.wait()
        desk.account.add_comment(report(desk.account), files=[("other.txt", b"theirs")])
        await desk.catalog.refresh(owner)
        stalled.release()
    assert not desk.spool.nodes
    assert await desk.names(REPORT) == ["Details", "new.txt", "old.txt", "other.txt"]


async def test_what_a_listing_that_was_overtaken_had_alone_is_asked_for_again(desk: Desk) -> None:
    """Which of the two is the newer nobody knows, where the other hasn't what we sent."""
    await desk.names(REPORT)
    owner: Owner = ("task", report(desk.account).id)
    before = await desk.catalog._loader.client.get_files(lane=Lane.PERSON, task_id=owner[1])
    await desk.write(f"{REPORT}/new.txt", b"new")
    stalled = desk.emulator.faults.arm("stall", action="get_files", count=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.flush)
        await stalled.struck.wait()
        desk.catalog.files_listed(owner, before)
        stalled.release()
    assert not desk.spool.nodes
    assert desk.adoption.known_files(owner[1]) is None
    assert await desk.names(REPORT) == ["Details", "new.txt", "old.txt"]
    assert desk.adoption.known_files(owner[1]) is not None
