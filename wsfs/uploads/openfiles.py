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
import os
import time
from collections.abc import Callable
from pathlib import Path

import trio

from wsfs.uploads import journal as rows
from wsfs.uploads.errors import IsADirectory, NoSuchNode, UploadError
from wsfs.uploads.handles import OpenFile, SpoolHandle
from wsfs.uploads.index import FREE_FLOOR, Index
from wsfs.uploads.nodes import Spooled
from wsfs.uploads.noise import is_noise
from wsfs.uploads.states import IN_FLIGHT, Event, State, after

STOPPED = "the program that wrote it was stopped before it was done"
CLOSE_HOLDS = 2.0
"""Seconds after a close without a release, after which some descriptor must still be open."""


class OpenFiles(Index):
    """The half of Spool that opens, reads, writes and closes."""

    def __init__(
        self,
        directory: Path,
        *,
        clock: Callable[[], float] = time.time,
        floor: int = FREE_FLOOR,
        writable_for: float = 3600.0,
    ) -> None:
        super().__init__(directory, clock=clock, floor=floor, writable_for=writable_for)
        self._open: dict[int, OpenFile] = {}
        self._all_open: set[OpenFile] = set()  # those too whose node is uploaded and gone
        self._copying: dict[int, trio.Lock] = {}
        self._closes: dict[int, float] = {}

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
            node.error = error or STOPPED
        else:
            event = Event.CLOSED_LOCAL if is_noise(node.name) else Event.CLOSED
        opened.killed = False
        node.state = after(node.state, event)
        self._closes.pop(node.inode, None)
        self._touch(node, waits=True)
        # A start makes the same of an OPEN row that is closed, so nobody waits for this one.
        self.journal.post(rows.put_node(node))
        self.on_change(node.inode)

    def _existing(self, inode: int) -> Spooled:
        node = self.get(inode)
        if node is None:
            raise NoSuchNode("there is no such file in the spool")
        return node
