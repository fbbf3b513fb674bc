"""The open files of the spool: what programs do through their handles, and what a close is worth.

A content is on the disk before a row says so. The row of a file that is being written says OPEN; a close that
a program waits for adds `closed`, so that after a crash the file counts as finished; the first write after
that takes it back. A write whose row wasn't on the disk yet shows in the content file's own mtime.

Handles are keyed by inode, not by name: a file may be renamed, deleted or uploaded while it is open. A file
that is on its way to the server stays as it is: who writes to it gets a copy, and what is being sent goes on
as a shadow.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import trio

from wsfs.uploads import journal as rows
from wsfs.uploads.contents import SMALL
from wsfs.uploads.errors import IsADirectory, NoSuchNode, UploadError
from wsfs.uploads.handles import OpenFile, SpoolHandle
from wsfs.uploads.index import FREE_FLOOR, Index
from wsfs.uploads.nodes import Spooled
from wsfs.uploads.noise import is_noise
from wsfs.uploads.states import IN_FLIGHT, Event, State, after

STOPPED = "the program that wrote it was stopped before it was done"
CLOSE_HOLDS = 2.0
"""Seconds after a close without a release, after which some descriptor must still be open."""

KEEP_AFTER = 2.0
"""Seconds after which what was written to a small file that stays open is written to the journal unasked."""


class OpenFiles(Index):
    """The half of Spool that opens, reads, writes and closes."""

    def __init__(
        self,
        directory: Path,
        *,
        clock: Callable[[], float] = time.time,
        floor: int = FREE_FLOOR,
        writable_for: float = 3600.0,
        small: int = SMALL,
    ) -> None:
        super().__init__(directory, clock=clock, floor=floor, writable_for=writable_for, small=small)
        self._open: dict[int, OpenFile] = {}
        self._all_open: set[OpenFile] = set()  # those too whose node is uploaded and gone
        self._copying: dict[int, trio.Lock] = {}
        self._closes: dict[int, float] = {}
        self._unkept: dict[OpenFile, float] = {}

    def get(self, inode: int) -> Spooled | None:
        """The node of that inode; also one that was deleted and is still open."""
        node = self.nodes.get(inode)
        if node is None and inode in self._open:
            node = self._open[inode].node
        return node

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
            fresh = node.state is State.OPEN and not (node.version or node.size)
            content = self.contents.open(node.content, node.size, fresh=fresh)
            opened = self._open[inode] = OpenFile(node, content)
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

    def waits(self, handle: SpoolHandle, size: int) -> bool:
        """Whether writing up to `size` has to wait, so that `write` is to be used."""
        opened = handle.opened
        return opened.node.state in IN_FLIGHT or self.contents.outgrows(opened.content, size)

    async def write(self, handle: SpoolHandle, offset: int, data: bytes) -> int:
        """As `handle.write`; what has to be copied or moved first is, in a worker thread."""
        try:
            await self._make_way(handle.opened, offset + len(data), keep=handle.opened.node.size)
        except UploadError as error:
            handle.opened.failed = str(error)
            raise
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
            closed = not (killed or handle.opened.failed or handle.opened.others_unflushed(handle))
            if node.dirty or node.closed != closed:
                try:
                    await self._make_safe(handle.opened, closed=closed)
                except UploadError as error:
                    handle.opened.failed = str(error)
                    raise
                return
        # Another handle's flush may have begun what this one promises too.
        await self.journal.settled()

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
                opened.content.close()
                if opened.removed:
                    with trio.CancelScope(shield=True):
                        await self.discard_content(node)
            self.on_activity()

    async def give_up_handles(self) -> None:
        """The kernel has gone, and no release will come any more: what was closed whole counts as released.

        A file that a program still had open to write to stays OPEN, as after a crash: it may be half.
        """
        for opened in list(self._all_open):
            if opened.node.state is not State.OPEN or opened.node.closed:
                for handle in list(opened.handles):
                    await self.release(handle)

    async def truncate(self, inode: int, size: int) -> None:
        """Give a file another size, whether it is open or not; on disk when this returns."""
        handle = self.open(inode, write=True)
        try:
            await self._make_way(handle.opened, size, keep=size)
            handle.resize(size)
            await self.flush(handle)
        finally:
            await self.release(handle)

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
                node.closed = node.forced = False
                self.journal.post(rows.put_node(node))
        return min(self._closes.values()) + CLOSE_HOLDS if self._closes else None

    def keep_open(self, now: float) -> float | None:
        """Queue for the journal what lies in memory alone for KEEP_AFTER seconds, so that a crash loses no more; and
        have written what waits there for company.

        As `expire_closes`; nothing waits for it, and nothing was promised of it.
        """
        for opened, since in list(self._unkept.items()):
            node = opened.node
            if not (opened.content.small and node.dirty) or opened.removed or opened not in self._all_open:
                del self._unkept[opened]
            elif now - since >= KEEP_AFTER:
                del self._unkept[opened]
                self.journal.post(*self.contents.keep(opened.content), rows.put_node(node))
        joined = self.journal.expire(now)
        wakes = [] if joined is None else [joined]
        if self._unkept:
            wakes.append(min(self._unkept.values()) + KEEP_AFTER)
        return min(wakes, default=None)

    async def discard_content(self, node: Spooled) -> None:
        """A dropped node's content, then its row."""
        if node.content and self.contents.has_files(node.content):
            await trio.to_thread.run_sync(self.contents.remove, node.content)
        self.journal.post(rows.delete_node(node.inode), *self.contents.drop(node.content))

    def leave(self, node: Spooled) -> None:
        """The drive shows the attachment in the node's stead: it goes; whoever reads it open goes on reading."""
        if node.shadow:
            del self.shadows[node.inode]
        else:
            self._take_out(node)
            self._open.pop(node.inode, None)
        node.state = after(node.state, Event.TAKEN)

    def _changing(self, opened: OpenFile) -> None:
        """A content is about to change: its row must say so first (queued here; see the module)."""
        node = opened.node
        if opened.removed:
            return
        if opened.content.small and opened not in self._unkept:
            self._unkept[opened] = trio.current_time()
            self.on_activity()
        if node.state in IN_FLIGHT:
            new = self._new_inode()
            if not opened.content.small:
                self.contents.copy(node.content, f"{node.inode}.{new}", node.size)
            self.journal.post(*self._split(opened, new))
            self.on_activity()
        elif node.state is not State.OPEN or node.closed:
            node.state = after(node.state, Event.WRITTEN)
            node.closed = node.forced = False
            node.error, node.uncertain, node.batch = None, False, None
            self._closes.pop(node.inode, None)
            self.journal.post(rows.put_node(node))

    async def _make_way(self, opened: OpenFile, size: int, *, keep: int) -> None:
        """Have a content be one that may be written up to `size`; of what is being sent, `keep` bytes are copied."""
        if opened.node.state in IN_FLIGHT:
            await self._detach(opened, keep)
        content = opened.content
        while self.contents.outgrows(content, size):
            # Its row first: a file that no row knows is nobody's.
            await self.journal.settled()
            file = await trio.to_thread.run_sync(self.contents.make, content.name)
            if file.name != content.name or not content.small:
                file.close()
                continue
            self.contents.move(content, file)
            if content.name in self.contents.kept:
                # Until its file is safe, the journal's content is the one that counts.
                opened.node.version += 1
                await self._make_safe(opened, closed=False)

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
            if not opened.content.small:
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
        content = f"{node.inode}.{new}"
        if node.shadow:
            # Another was renamed over it, so what its handles write from now on is a deleted file's.
            ghost = dataclasses.replace(node, inode=new, content=content, state=State.DROPPED, batch=None)
            node.writers = 0
            del self._open[node.inode]
            self._open[new], opened.node, opened.removed = opened, ghost, True
            self._turn(opened, content)
            return []
        shadow = dataclasses.replace(node, inode=new, shadow=True, writers=0)
        self.shadows[new] = shadow
        node.content = content
        node.state = after(node.state, Event.WRITTEN)
        node.batch = node.remote_id = node.error = None
        node.closed = node.uncertain = node.forced = False
        node.version += 1
        self._turn(opened, content)
        return [
            *self.contents.copy_kept(shadow.content, content),
            rows.put_node(shadow),
            rows.put_node(node),
        ]

    def _turn(self, opened: OpenFile, name: str) -> None:
        """From now on the handles work on the copy of that name; of a small content they have one already."""
        if opened.content.small:
            opened.content.name = name
        else:
            opened.content.become(self.contents.open(name))

    async def _make_safe(self, opened: OpenFile, *, closed: bool) -> None:
        """The content, then the row that says so; both at once where the content lies in the journal."""
        node, content, version = opened.node, opened.content, opened.node.version
        operations: list[rows.Operation] = []
        stamp, changed, kept = node.content_stamp, node.dirty, self.contents.kept.get(content.name)
        if changed and content.small:
            operations, stamp = ([] if opened.removed else self.contents.keep(content)), 0
        elif changed:
            stamp, _ = await trio.to_thread.run_sync(self.contents.make_safe, content)
            operations = self.contents.drop(content.name)
        if node.version == version:
            node.safe_version, node.content_stamp = version, stamp
            if node.state is State.OPEN and not opened.removed:
                node.closed = closed
                if closed:
                    node.changed_at = self.clock()
                    self._closes[node.inode] = trio.current_time()
        if opened.removed:
            return
        try:
            await self.journal.commit(*operations, rows.put_node(node))
        except UploadError:
            if changed:
                # It isn't on the disk, so that the next flush, or the release, tries again.
                node.safe_version, node.closed = -1, False
                self.contents.take_back(content.name, kept)
            raise

    async def _settle(self, opened: OpenFile) -> None:
        """The last writer is gone: the file is closed, unless somebody writes again meanwhile."""
        node = opened.node
        error: str | None = None
        while node.dirty and error is None:
            try:
                with trio.CancelScope(shield=True):
                    await self._make_safe(opened, closed=False)
            except UploadError as problem:
                error = str(problem)
            if node.writers or node.state is not State.OPEN or opened.removed:
                return
        if error and opened.content.small:
            node.size = self.contents.kept.get(node.content, 0)
        error = error or opened.failed
        if opened.killed or error:
            event = Event.KILLED
            node.error = error or STOPPED
        else:
            event = Event.CLOSED_LOCAL if is_noise(node.name) else Event.CLOSED
        opened.killed, opened.failed = False, None
        node.state = after(node.state, event)
        self._closes.pop(node.inode, None)
        self._touch(node, waits=True)
        if event is Event.KILLED or not node.closed:
            self.journal.post(rows.put_node(node))
        # Else the row says that it is OPEN and closed, of which a start makes the same.
        if event is Event.KILLED:
            self.on_change(node.inode)

    def _existing(self, inode: int) -> Spooled:
        node = self.get(inode)
        if node is None:
            raise NoSuchNode("there is no such file in the spool")
        return node
