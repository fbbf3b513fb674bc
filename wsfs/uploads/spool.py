"""The spool: files and directories that were made here and that Worksection doesn't have yet.

How it keeps its promise: a change is made in memory at once (that part is synchronous, so two tasks can't
trip over each other), then its row is committed, then the caller is answered. A content is on the disk before
a row says so. The row of a file that is being written says OPEN; a close that a program waits for adds
`closed`, so that after a crash the file counts as finished; the first write after that takes it back. A write
whose row wasn't on the disk yet shows in the content file's own mtime.

Handles are keyed by inode, not by name: a file may be renamed, deleted or uploaded while it is open. A file
that is on its way to the server stays as it is: who writes to it gets a copy, and what is being sent goes on
as a shadow.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import trio

from wsfs.uploads import journal as rows
from wsfs.uploads.contents import Contents, translating
from wsfs.uploads.errors import (
    IsADirectory,
    NameTaken,
    NoSuchNode,
    NotADirectory,
    NotAllowed,
    NotEmpty,
    SpoolInUse,
    UploadError,
)
from wsfs.uploads.handles import OpenFile, SpoolHandle
from wsfs.uploads.journal import Journal
from wsfs.uploads.nodes import FIRST_LOCAL_INODE, BatchRecord, Spooled
from wsfs.uploads.noise import is_noise, is_noise_directory, is_refused_directory
from wsfs.uploads.recovery import recover
from wsfs.uploads.states import IN_FLIGHT, Event, State, after

CHUNK = 1000
"""How many inodes are reserved at once: a crash skips at most so many."""

CLOSE_HOLDS = 2.0
"""Seconds after a close without a release, after which some descriptor must still be open."""

FREE_FLOOR = 64 * 1024 * 1024
"""Bytes of the spool's disk that stay free by default."""


def _nothing(_inode: int) -> None:
    return


class Spool:
    """The spool in `directory` (made where it is missing, mode 0700); one process at a time may have it.

    `nodes` holds what is in some directory, by inode; who only reads it may do so at any time without waiting.
    `clock` gives unix seconds. `on_change` is called with the inode whenever the spool itself changed what the
    kernel may believe of a node (not for what the kernel asked for); `on_activity` after any change, for the
    sender to look again. Both are synchronous and must not raise.

    Errors are UploadError. A cancelled call may or may not have happened, but never halfway.
    """

    def __init__(
        self,
        directory: Path,
        *,
        clock: Callable[[], float] = time.time,
        floor: int = FREE_FLOOR,
        writable_for: float = 3600.0,
    ) -> None:
        self.directory = directory
        self.nodes: dict[int, Spooled] = {}
        self.shadows: dict[int, Spooled] = {}
        self.batches: dict[int, BatchRecord] = {}
        self.recent: dict[tuple[int, str], float] = {}
        self.contents = Contents(directory / "content", floor=floor)
        self.journal = Journal(directory / "journal.sqlite")
        self.clock = clock
        self.on_change: Callable[[int], None] = _nothing
        self.on_activity: Callable[[], None] = lambda: None
        self._writable_for = writable_for
        self._children: dict[int, dict[str, int]] = {}
        self._open: dict[int, OpenFile] = {}
        self._all_open: set[OpenFile] = set()  # those too whose node is uploaded and gone
        self._copying: dict[int, trio.Lock] = {}
        self._closes: dict[int, float] = {}
        self._next_inode = FIRST_LOCAL_INODE
        self._reserved = FIRST_LOCAL_INODE
        self._lock: int | None = None

    # Beginning and end

    async def start(self) -> None:
        """Take the spool, read its journal, and resolve what a crash or a stop left.

        Errors: SpoolInUse, SpoolBroken, NoSpace.
        """
        await trio.to_thread.run_sync(self._take)
        try:
            found = await self.journal.open()
            known_before = bool(found.nodes or found.meta)
            self._next_inode = self._reserved = found.meta.get("next_inode", FIRST_LOCAL_INODE)
            oldest = self.clock() - self._writable_for
            self.recent = {key: sent_at for key, sent_at in found.recent.items() if sent_at >= oldest}
            self.journal.post(rows.delete_recent(oldest))
            operations = await trio.to_thread.run_sync(recover, found, self.contents, known_before)
            await self.journal.commit(*operations)
        except BaseException:
            await self.journal.close()
            self._give_back()
            raise
        now, wall = trio.current_time(), self.clock()
        for node in found.nodes:
            if node.state is State.DROPPED:
                continue
            if node.shadow:
                self.shadows[node.inode] = node
            else:
                self._add(node)
            node.born = now - max(0.0, wall - node.created_at)
            node.quiet_since = node.waiting_since = now - max(0.0, wall - node.changed_at)
        self.batches = {batch.id: batch for batch in found.batches if self.members(batch.id)}

    async def close(self) -> None:
        """Write what is queued and give the spool up; open handles are no longer usable."""
        with trio.CancelScope(shield=True):
            await self.journal.close()
        for opened in self._all_open:
            os.close(opened.descriptor)
        self._all_open.clear()
        self._open.clear()
        self._give_back()

    def _take(self) -> None:
        self.contents.prepare()
        with translating("the upload spool can't be used"):
            self.directory.chmod(0o700)
            self._lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._give_back()
                raise SpoolInUse(f"another wsfs is using the upload spool {self.directory}") from None

    def _give_back(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # Looking

    def get(self, inode: int) -> Spooled | None:
        """The node of that inode; also one that was deleted and is still open."""
        node = self.nodes.get(inode)
        if node is None and inode in self._open:
            node = self._open[inode].node
        return node

    def child(self, parent: int, name: str) -> Spooled | None:
        """The node of that name in a directory."""
        inode = self._children.get(parent, {}).get(name)
        return None if inode is None else self.nodes[inode]

    def children(self, parent: int) -> list[Spooled]:
        """The nodes in a directory."""
        return [self.nodes[inode] for inode in self._children.get(parent, {}).values()]

    def parents(self) -> Iterable[int]:
        """The inodes of the directories that hold a spooled node."""
        return self._children.keys()

    def members(self, batch_id: int) -> list[Spooled]:
        """The nodes that a batch took, oldest first."""
        found = [
            node
            for group in (self.nodes, self.shadows)
            for node in group.values()
            if node.batch == batch_id and node.state is not State.DROPPED
        ]
        return sorted(found, key=lambda node: node.inode)

    def content_path(self, node: Spooled) -> Path:
        """Where a file's content is, for whoever sends it or moves it into the cache once it is uploaded."""
        return self.contents.path(node.content)

    def sent_lately(self, parent: int, name: str) -> bool:
        """Whether a file of this name was uploaded from here a short while ago, so that it is still writable."""
        sent_at = self.recent.get((parent, name))
        return sent_at is not None and 0 <= self.clock() - sent_at < self._writable_for

    # Making

    async def create(
        self, parent: int, name: str, mode: int, uid: int, gid: int, *, content: Path | None = None
    ) -> Spooled:
        """Make an empty file, on disk when this returns; it is OPEN, so that its maker opens and closes it.

        With `content` it begins as a copy of that file.

        Errors: NameTaken, NotADirectory, NoSpace.
        """
        node = self._new(parent, name, mode, uid, gid, is_dir=False)
        try:
            node.content_stamp = await trio.to_thread.run_sync(self.contents.make, node.content)
            if content is not None:
                await trio.to_thread.run_sync(self._fill, node, content)
            await self.journal.commit(rows.put_node(node))
        except BaseException:
            with trio.CancelScope(shield=True):
                await self._unmake(node)
            raise
        self.on_activity()
        return node

    async def mkdir(self, parent: int, name: str, mode: int, uid: int, gid: int) -> Spooled:
        """Make a directory, on disk when this returns.

        Errors: NotAllowed (a name that is refused), NameTaken, NotADirectory, NoSpace.
        """
        if is_refused_directory(name):
            raise NotAllowed(f"a directory named {name} isn't made in Worksection")
        node = self._new(parent, name, mode, uid, gid, is_dir=True)
        node.state = State.LOCAL if is_noise_directory(name) else State.SETTLING
        try:
            await self.journal.commit(rows.put_node(node))
        except BaseException:
            with trio.CancelScope(shield=True):
                await self._unmake(node)
            raise
        self.on_activity()
        return node

    def _new(self, parent: int, name: str, mode: int, uid: int, gid: int, *, is_dir: bool) -> Spooled:
        self._check_directory(parent)
        if self.child(parent, name) is not None:
            raise NameTaken(f"there is a {name} already")
        inode = self._new_inode()
        wall, now = self.clock(), trio.current_time()
        stamp = int(wall * 1e9)
        node = Spooled(
            inode=inode,
            parent=parent,
            name=name,
            is_dir=is_dir,
            state=State.OPEN,
            mode=mode,
            uid=uid,
            gid=gid,
            atime_ns=stamp,
            mtime_ns=stamp,
            ctime_ns=stamp,
            content="" if is_dir else str(inode),
            created_at=wall,
            changed_at=wall,
            born=now,
            quiet_since=now,
            waiting_since=now,
            safe_version=0,
        )
        self._add(node)
        return node

    async def _unmake(self, node: Spooled) -> None:
        """Take back what could not be made; a row that a cancelled commit may have written goes too."""
        if self.nodes.get(node.inode) is node:
            self._take_out(node)
        node.state = State.DROPPED
        self.journal.post(rows.delete_node(node.inode))
        if node.content:
            await trio.to_thread.run_sync(self.contents.remove, node.content)

    def _fill(self, node: Spooled, content: Path) -> None:
        descriptor = self.contents.open(node.content)
        try:
            with translating("a file can't be copied into the upload spool"), content.open("rb") as source:
                while piece := source.read(1 << 20):
                    self.contents.need_room(len(piece))
                    view = memoryview(piece)
                    while view:
                        view = view[os.write(descriptor, view) :]
            node.content_stamp, node.size = self.contents.make_safe(descriptor)
        finally:
            os.close(descriptor)

    def _new_inode(self) -> int:
        if self._next_inode == self._reserved:
            # Queued before any row that uses one of them, so it is on disk no later.
            self._reserved += CHUNK
            self.journal.post(rows.put_meta("next_inode", self._reserved))
        self._next_inode += 1
        return self._next_inode - 1

    # Reading and writing

    def open(self, inode: int, *, write: bool, pid: int = 0) -> SpoolHandle:
        """Open a file; every handle is given back to `release` once.

        Opening for writing alone is no change: a handle that never writes leaves the file as it is.

        Errors: NoSuchNode, IsADirectory, SpoolBroken.
        """
        node = self._existing(inode)
        if node.is_dir:
            raise IsADirectory(f"{node.name} is a directory")
        opened = self._open.get(inode)
        if opened is None:
            opened = self._open[inode] = OpenFile(node, self.contents.open(node.content))
            self._all_open.add(opened)
        handle = SpoolHandle(
            opened,
            self.contents,
            self._changing,
            writes=write,
            pid=pid,
            now_ns=lambda: int(self.clock() * 1e9),
        )
        opened.handles.add(handle)
        node.writers += write
        return handle

    async def write(self, handle: SpoolHandle, offset: int, data: bytes) -> int:
        """As `handle.write`, and where the file is being sent, its content is copied in a worker thread first."""
        if handle.opened.node.state in IN_FLIGHT:
            await self._detach(handle.opened, handle.opened.node.size)
        return handle.write(offset, data)

    async def flush(self, handle: SpoolHandle, *, killed: bool = False) -> None:
        """A descriptor of the handle was closed: bring what it wrote to the disk, with a row that says so.

        `killed` says that its process is being ended by a signal. When this returns the file is safe; it is
        judged at the release, not here.
        """
        if not handle.writes:
            return
        handle.killed = killed
        handle.unflushed = False
        node = handle.opened.node
        if node.state is State.OPEN:
            closed = not killed and not handle.opened.others_unflushed(handle)
            if node.dirty or node.closed != closed:
                await self._make_safe(handle.opened, closed=closed)

    async def fsync(self, handle: SpoolHandle) -> None:
        """Bring the file's content to the disk, with a row that says so."""
        if handle.opened.node.dirty:
            await self._make_safe(handle.opened, closed=False)

    async def release(self, handle: SpoolHandle) -> None:
        """Give a handle back; the last that could write starts the settling. A second time does nothing."""
        if handle.released:
            return
        handle.released = True
        opened, node = handle.opened, handle.opened.node
        opened.handles.discard(handle)
        if handle.writes:
            node.writers -= 1
            if handle.killed and (handle.wrote or node.version == 0):
                opened.killed = True
        try:
            if not node.writers and not opened.removed and node.state is State.OPEN:
                await self._settle(opened)
        finally:
            if not opened.handles and opened in self._all_open:
                self._all_open.discard(opened)
                if self._open.get(node.inode) is opened:
                    del self._open[node.inode]
                os.close(opened.descriptor)
                if opened.removed:
                    with trio.CancelScope(shield=True):
                        await self.discard_content(node)
            self.on_activity()

    async def truncate(self, inode: int, size: int) -> None:
        """Give a file another size, whether it is open or not; on disk when this returns."""
        handle = self.open(inode, write=True)
        try:
            if handle.opened.node.state in IN_FLIGHT:
                await self._detach(handle.opened, size)
            handle.resize(size)
            await self.flush(handle)
        finally:
            await self.release(handle)

    def _changing(self, opened: OpenFile) -> None:
        """A content is about to change: its row must say so first (queued here; see the module)."""
        node = opened.node
        if opened.removed:
            return
        if node.state in IN_FLIGHT:
            new = self._new_inode()
            self.contents.copy(node.content, f"{node.inode}.{new}", node.size)
            self.journal.post(*self._split(opened, new))
            self.on_activity()
        elif node.state is not State.OPEN or node.closed:
            node.state = after(node.state, Event.WRITTEN)
            node.closed = node.forced = False
            node.error, node.uncertain, node.batch = None, False, None
            self._closes.pop(node.inode, None)
            self.journal.post(rows.put_node(node))

    async def _detach(self, opened: OpenFile, keep: int) -> None:
        """Give a file that is being sent a content of its own, of its first `keep` bytes.

        The caller holds a handle that writes, so that the node doesn't go meanwhile; the batch may come back.
        """
        node = opened.node
        lock = self._copying.setdefault(node.inode, trio.Lock())
        async with lock:
            if node.state not in IN_FLIGHT:
                return
            new = self._new_inode()
            name = f"{node.inode}.{new}"
            await trio.to_thread.run_sync(self.contents.copy, node.content, name, min(keep, node.size))
            if node.state not in IN_FLIGHT:
                await trio.to_thread.run_sync(self.contents.remove, name)
                return
            await self.journal.commit(*self._split(opened, new))
        self._copying.pop(node.inode, None)
        self.on_activity()

    def _split(self, opened: OpenFile, new: int) -> list[rows.Operation]:
        """The version that is being sent becomes a shadow; the node goes on with the copy."""
        node = opened.node
        if node.shadow:
            # Another was renamed over it, so what its handles write from now on is a deleted file's.
            ghost = dataclasses.replace(
                node, inode=new, content=f"{node.inode}.{new}", state=State.DROPPED, batch=None
            )
            node.writers = 0
            del self._open[node.inode]
            self._open[new], opened.node, opened.removed = opened, ghost, True
            opened.replace(self.contents.open(ghost.content))
            return []
        shadow = dataclasses.replace(node, inode=new, shadow=True, writers=0)
        self.shadows[new] = shadow
        node.content = f"{node.inode}.{new}"
        node.state = after(node.state, Event.WRITTEN)
        node.batch = node.remote_id = node.error = None
        node.closed = node.uncertain = node.forced = False
        node.version += 1
        opened.replace(self.contents.open(node.content))
        return [rows.put_node(shadow), rows.put_node(node)]

    async def _make_safe(self, opened: OpenFile, *, closed: bool) -> None:
        """Content first, then the row that says so."""
        node, version = opened.node, opened.node.version
        stamp = node.content_stamp
        if node.dirty:
            stamp, _ = await trio.to_thread.run_sync(self.contents.make_safe, opened.descriptor)
        if node.version == version:
            node.safe_version, node.content_stamp = version, stamp
            if node.state is State.OPEN and not opened.removed:
                node.closed = closed
                if closed:
                    self._closes[node.inode] = trio.current_time()
        if not opened.removed:
            await self.journal.commit(rows.put_node(node))

    async def _settle(self, opened: OpenFile) -> None:
        """The last writer is gone: the file is closed, unless somebody writes again meanwhile."""
        node = opened.node
        error: str | None = None
        while node.dirty and error is None:
            version = node.version
            try:
                with trio.CancelScope(shield=True):
                    stamp, _ = await trio.to_thread.run_sync(self.contents.make_safe, opened.descriptor)
            except UploadError as problem:
                error = str(problem)
            else:
                if node.version == version:
                    node.safe_version, node.content_stamp = version, stamp
            if node.writers or node.state is not State.OPEN or opened.removed:
                return
        if opened.killed or error:
            event = Event.KILLED
            node.error = error or "the program that wrote it was stopped before it was done"
        else:
            event = Event.CLOSED_LOCAL if is_noise(node.name) else Event.CLOSED
        opened.killed = False
        node.state = after(node.state, event)
        self._closes.pop(node.inode, None)
        self._touch(node, waits=True)
        # A start makes the same of an OPEN row that is closed, so nobody waits for this one.
        self.journal.post(rows.put_node(node))
        self.on_change(node.inode)

    def expire_closes(self, now: float) -> float | None:
        """Take back the `closed` of files whose release hasn't come: a descriptor of theirs is still open.

        `now` is the monotonic clock; returns when to ask again, or None.
        """
        for inode, since in list(self._closes.items()):
            node = self.nodes.get(inode)
            if node is None or node.state is not State.OPEN or not node.closed:
                del self._closes[inode]
            elif now - since >= CLOSE_HOLDS:
                del self._closes[inode]
                node.closed = False
                self.journal.post(rows.put_node(node))
        return min(self._closes.values()) + CLOSE_HOLDS if self._closes else None

    # Changing what is there

    async def set_attributes(
        self,
        inode: int,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime_ns: int | None = None,
        mtime_ns: int | None = None,
    ) -> None:
        """Keep mode, owner and times; accepted in every state. On disk with the next thing that is."""
        node = self._existing(inode)
        for field, value in (("mode", mode), ("uid", uid), ("gid", gid)):
            if value is not None:
                setattr(node, field, value)
        if atime_ns is not None:
            node.atime_ns = atime_ns
        if mtime_ns is not None:
            node.mtime_ns = mtime_ns
        node.ctime_ns = int(self.clock() * 1e9)
        if inode in self.nodes:
            self.journal.post(rows.put_node(node))
        await trio.lowlevel.checkpoint()

    async def rename(self, inode: int, new_parent: int, new_name: str, *, replace: bool = True) -> None:
        """Give a node another name or directory, over what is there unless `replace` is false.

        A file that is open goes on being so. On disk when this returns.

        Errors: NotAllowed (it is being sent; a directory into itself; a refused name), NameTaken, NotEmpty,
        IsADirectory, NotADirectory.
        """
        node = self.nodes.get(inode)
        if node is None:
            raise NoSuchNode("there is no such file in the spool")
        self._check_directory(new_parent)
        self._check_free(node)
        if node.is_dir:
            self._check_move(node, new_parent, new_name)
        target = self.child(new_parent, new_name)
        if target is node:
            return
        operations: list[rows.Operation] = []
        if target is not None:
            if not replace:
                raise NameTaken(f"there is a {new_name} already")
            operations += self._replace(target, node)
        moved = node.parent != new_parent
        self._take_out(node)
        node.parent, node.name = new_parent, new_name
        self._add(node)
        node.ctime_ns = int(self.clock() * 1e9)
        self._rejudge(node, moved=moved)
        self._touch(node, waits=False)
        await self.journal.commit(rows.put_node(node), *operations)
        if target is not None and target.state is State.DROPPED and target.inode not in self._open:
            await self.discard_content(target)
        self.on_activity()

    async def remove(self, inode: int) -> None:
        """Delete a file or an empty directory; what is open stays usable through its handles.

        Errors: NotAllowed (it is being sent), NotEmpty, NoSuchNode.
        """
        node = self.nodes.get(inode)
        if node is None:
            raise NoSuchNode("there is no such file in the spool")
        self._check_free(node)
        if self._children.get(inode):
            raise NotEmpty(f"{node.name} isn't empty")
        operation = self._drop(node)
        await self.journal.commit(operation)
        if inode not in self._open:
            await self.discard_content(node)
        self.on_activity()

    async def retry(self, *inodes: int) -> None:
        """Let interrupted or quarantined nodes be sent after all, at once: a person's own decision.

        Errors: NotAllowed where one is neither, or still open for writing; then nothing is changed.
        """
        nodes = [self._existing(inode) for inode in inodes]
        for node in nodes:
            if node.state not in {State.INTERRUPTED, State.QUARANTINED} or node.writers:
                raise NotAllowed(f"{node.name} is {node.state}, not held back")
        for node in nodes:
            self._release_from_batch(node, after(node.state, Event.RETRIED))
            self.on_change(node.inode)
        await self.journal.commit(*map(rows.put_node, nodes))
        self.on_activity()

    async def let_go(self, *directories: Spooled) -> None:
        """They may become new tasks, however many do at once: a person said so."""
        for directory in directories:
            directory.released = True
        await self.journal.commit(*map(rows.put_node, directories))
        self.on_activity()

    def _rejudge(self, node: Spooled, *, moved: bool) -> None:
        """A new name or place may make it an upload, or no longer one."""
        hidden = is_noise_directory(node.name) if node.is_dir else is_noise(node.name)
        if node.state is State.SETTLING and hidden:
            node.state = after(node.state, Event.HIDDEN)
        elif node.state is State.LOCAL and not hidden:
            node.state = after(node.state, Event.NAMED)
        elif node.state is State.QUARANTINED and (moved or not node.uncertain):
            # What was refused in one place, or under one name, may be taken in another.
            self._release_from_batch(node, after(node.state, Event.RETRIED))

    def _release_from_batch(self, node: Spooled, state: State) -> None:
        node.state = state
        node.error, node.uncertain, node.batch, node.forced = None, False, None, False

    def _replace(self, target: Spooled, node: Spooled) -> list[rows.Operation]:
        """Make room for `node` where `target` is."""
        if target.is_dir != node.is_dir:
            raise (IsADirectory if target.is_dir else NotADirectory)(f"{target.name} is in the way")
        if self._children.get(target.inode):
            raise NotEmpty(f"{target.name} isn't empty")
        if target.state not in IN_FLIGHT:
            return [self._drop(target)]
        if target.is_dir:
            self._check_free(target)
        # It can't be taken back, but its name is free for the next version.
        self._take_out(target)
        target.shadow = True
        self.shadows[target.inode] = target
        return [rows.put_node(target)]

    def _drop(self, node: Spooled) -> rows.Operation:
        self._take_out(node)
        node.state = after(node.state, Event.REMOVED)
        opened = self._open.get(node.inode)
        if opened is not None:
            opened.removed = True
        return rows.put_node(node)

    async def discard_content(self, node: Spooled) -> None:
        """A dropped node's content, then its row."""
        if node.content:
            await trio.to_thread.run_sync(self.contents.remove, node.content)
        self.journal.post(rows.delete_node(node.inode))

    def leave(self, node: Spooled) -> None:
        """The drive shows the attachment in the node's stead: it goes; whoever reads it open goes on reading."""
        if node.shadow:
            del self.shadows[node.inode]
        else:
            self._take_out(node)
            self._open.pop(node.inode, None)
        node.state = after(node.state, Event.TAKEN)

    def _touch(self, node: Spooled, *, waits: bool) -> None:
        """It changed just now: it settles anew. With `waits`, so does the longest that it may wait."""
        node.quiet_since = trio.current_time()
        node.changed_at = self.clock()
        if waits:
            node.waiting_since = node.quiet_since

    # Checks and the index of names

    def _existing(self, inode: int) -> Spooled:
        node = self.get(inode)
        if node is None:
            raise NoSuchNode("there is no such file in the spool")
        return node

    def _check_directory(self, parent: int) -> None:
        node = self.nodes.get(parent)
        if node is not None and not node.is_dir:
            raise NotADirectory(f"{node.name} is not a directory")
        if node is None and parent >= FIRST_LOCAL_INODE and parent in self._open:
            raise NotADirectory("a file that was deleted is not a directory")

    def _check_free(self, node: Spooled) -> None:
        if node.state in IN_FLIGHT:
            raise NotAllowed(f"{node.name} is being sent to Worksection and can't be taken back")

    def _check_move(self, node: Spooled, new_parent: int, new_name: str) -> None:
        if is_refused_directory(new_name):
            raise NotAllowed(f"a directory named {new_name} isn't made in Worksection")
        above: int | None = new_parent
        while above is not None:
            if above == node.inode:
                raise NotAllowed(f"{node.name} can't be moved into itself")
            parent = self.nodes.get(above)
            above = None if parent is None else parent.parent

    def _add(self, node: Spooled) -> None:
        self.nodes[node.inode] = node
        self._children.setdefault(node.parent, {})[node.name] = node.inode

    def _take_out(self, node: Spooled) -> None:
        del self.nodes[node.inode]
        names = self._children[node.parent]
        del names[node.name]
        if not names:
            del self._children[node.parent]
