"""New versions: what is written to an attachment goes into the spool, and becomes another attachment of its name.

Theory of operation
    An attachment's content never changes, and nothing can be deleted. So who opens one for writing holds an
    AttachmentHandle and has changed nothing yet. His first write (or a truncate) copies the content into the spool and
    switches: the inode, which programs hold open, is a pending file of the plain name from then on, and the attachment
    goes on as an older version under an inode of its own. All handles of the inode go on with the pending file.

    What is on the disk when: first the older version's new inode, for ever; then the pending file's row. A crash
    between the two leaves an attachment with another inode, and nothing else.

    A deleted name is hidden, not gone: a file that follows takes it over, else it shows again after a minute.

Sync mutates, async waits: a switch takes the lock of its inode and marks its name as busy, for which `quiet` waits.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Protocol

import trio

from wsfs.content.errors import NoRoom
from wsfs.drive import errors
from wsfs.drive.filesystem import Caller, Drive
from wsfs.drive.handles import AttachmentHandle, ControlHandle, FileHandle, Reader, spooled_of
from wsfs.tree.inodes import Kind
from wsfs.tree.names import safe_name
from wsfs.tree.nodes import Directory, File, Node
from wsfs.uploads.contents import OpenContent
from wsfs.uploads.handles import SpoolHandle
from wsfs.uploads.spool import Spool

log = logging.getLogger(__name__)

HIDDEN_FOR = 60.0
"""Seconds for which a deleted name stays away where no new file of that name follows."""

_MODE = 0o666
"""Before the mount's umask."""


class Memory(Protocol):
    """What remembers aliases for ever (catalog.store.Store)."""

    async def add_alias(self, kind: int, node_id: int, inode: int, mtime_ns: int | None = None) -> None: ...


class Versions:
    """Lets programs write to the attachments of `drive` that its WritePolicy lets be written to.

    `run` is its one long-lived task: it shows again what was hidden.
    """

    def __init__(self, drive: Drive, memory: Memory, *, hidden_for: float = HIDDEN_FOR) -> None:
        self._drive = drive
        self._tree = drive.tree
        self._spool: Spool = drive.spool
        self._memory = memory
        self._hidden_for = hidden_for
        self._locks: dict[int, trio.Lock] = {}
        self._busy: dict[tuple[int, str], trio.Event] = {}
        self._kept: dict[int, str] = {}
        self._unwritten: set[int] = set()
        self._hidden: dict[int, float] = {}
        self._news = trio.Event()

    # Opening and writing

    def may_write(self, node: Node) -> bool:
        """Whether it is an attachment that may be written to, or that is open for writing already."""
        if not isinstance(node, File) or node.kind is not Kind.ATTACHMENT or self._drive.ownership.read_only:
            return False
        return self._drive.writable.seconds(node) > 0 or any(
            isinstance(handle, AttachmentHandle) and handle.writes
            for handle in self._drive.handles_of(node.inode)
        )

    async def open(self, node: File, caller: Caller, *, readable: bool, truncate: bool) -> AttachmentHandle:
        """Open an attachment for writing; that alone changes nothing, unless it is to be emptied.

        With `readable` its content is fetched first, so that what can't be had is said here. A program that opens it
        for writing alone either writes at once, which then fetches it, or never does: file managers open so what they
        are about to replace. Waits as long as a download moves. Raises Denied, ReadOnly, and what the download and
        the spool raise; cancelled, the download goes on for the cache.
        """
        if self._drive.ownership.read_only or self._drive.writable.seconds(node) <= 0:
            self._drive.refuse_write(node)
        handle = self._handle(node, caller)
        try:
            if truncate:
                await self._begin(handle, keep=False)
            elif readable:
                await self._have(handle)
        except BaseException:
            with trio.CancelScope(shield=True):
                await self.release(handle)
            raise
        return handle

    async def begin(self, handle: AttachmentHandle) -> None:
        """Have its next version in the spool, in `handle.spooled`, a copy so far. Raises as `open`."""
        await self._begin(handle, keep=True)

    async def truncate(self, node: File, size: int, caller: Caller) -> None:
        """Begin its next version with its first `size` bytes, or with zeros behind it. Raises as `open`."""
        inode, handle = node.inode, self._handle(node, caller)
        try:
            await self._begin(handle, keep=size > 0)
            await self._spool.truncate(inode, size)
        finally:
            with trio.CancelScope(shield=True):
                await self.release(handle)

    async def release(self, handle: FileHandle) -> None:
        """Give a handle back. A version that nobody wrote to after all goes; the last writer's begins to settle."""
        inode, spooled = handle.node.inode, spooled_of(handle)
        if spooled is not None and spooled.writes and inode in self._unwritten:
            node = spooled.opened.node
            if node.version or spooled.opened.removed:
                self._unwritten.discard(inode)
            elif node.writers == 1:
                await self._revert(inode)
        await self._drive.release(handle)
        if inode in self._kept and not any(
            isinstance(other, AttachmentHandle) and other.writes for other in self._drive.handles_of(inode)
        ):
            await self._spool.throw_away(self._kept.pop(inode))

    def _handle(self, node: File, caller: Caller) -> AttachmentHandle:
        home = node.parent.inode if node.parent is not None else 0
        reader = self._drive.contents.open(node.id, node.size, caller.lane)
        handle = AttachmentHandle(
            *(node, reader), writes=True, pid=caller.pid, uid=caller.uid, gid=caller.gid, home=home
        )
        self._drive.opened(handle)
        return handle

    async def _have(self, handle: AttachmentHandle) -> None:
        """Fetch the content: into the cache, or into the spool where the cache has no room for it."""
        try:
            await handle.reader.fill()
        except NoRoom:
            async with self._locked(handle.node.inode):
                inode = handle.node.inode
                if handle.spooled is None and inode not in self._kept:
                    self._kept[inode] = await self._receive(handle)
                if inode in self._kept:
                    # What it reads from now on is here, and needn't be fetched once more.
                    whole = _Kept(self._spool.contents.open(self._kept[inode]))
                    handle.reader.close()
                    handle.reader = whole

    async def _receive(self, handle: AttachmentHandle) -> str:
        read = functools.partial(_read, handle.reader)
        return await self._spool.receive(handle.node.inode, handle.node.size, read)

    async def _begin(self, handle: AttachmentHandle, *, keep: bool) -> None:
        inode = handle.node.inode
        async with self._locked(inode):
            if handle.spooled is not None:
                return  # another program began it, or this one in another thread
            content = self._kept.pop(inode, None)
            if keep and content is None and handle.node.size:
                content = await self._receive(handle)
            elif content is not None and not keep:
                await self._spool.throw_away(content)
                content = None
            await self._switch(handle, content)

    async def _switch(self, handle: AttachmentHandle, content: str | None) -> None:
        """Let the inode of an open attachment be a pending file from now on, with that content."""
        tree, node, home = self._tree, handle.node, handle.home
        inode, name = node.inode, safe_name(node.title, is_directory=False)
        with self._marked(home, tree.root.plain_name(node.title)):
            try:
                other = await self._spool.reserve_inode()
                await self._memory.add_alias(Kind.ATTACHMENT, node.id, other, node.kept_ns)
                # Deleted meanwhile, or another file renamed over it: then what is written is a deleted file's.
                deleted = node.hidden or self._spool.child(home, name) is not None
                opened = await self._make(handle, f".nfs{inode:016x}" if deleted else name, content)
            except BaseException:
                if content is not None:
                    with trio.CancelScope(shield=True):
                        await self._spool.throw_away(content)
                raise
            # From here on nothing waits: no listing and no open sees half of it.
            standing = tree.get(inode)
            if isinstance(standing, File) and standing.kind is Kind.ATTACHMENT:
                tree.part_file(inode, other, home, name)
            else:  # it has vanished from the server, and what is saved mustn't vanish with it
                tree.add_local(inode, home, name, is_directory=False, stamp_ns=node.stamp_ns)
            former = self._hand_over(inode)
            if deleted:
                tree.remove_local(inode)
            else:
                self._unwritten.add(inode)
            self._drive.publisher.publish()
            with trio.CancelScope(shield=True):
                if deleted:
                    await self._spool.remove(inode)
                for one in (*former, opened):
                    await self._spool.release(one)

    async def _make(self, handle: AttachmentHandle, name: str, content: str | None) -> SpoolHandle:
        """The pending file in the spool, its writer's, open, as one that isn't would never settle."""
        node, mode = handle.node, _MODE & ~self._drive.ownership.umask
        await self._spool.create_version(
            *(node.inode, handle.home, name, mode, handle.uid, self._group(handle.gid)),
            content=content,
            stamp_ns=node.stamp_ns,
        )
        try:
            return self._spool.open(node.inode, write=True)
        except BaseException:
            with trio.CancelScope(shield=True):
                await self._spool.remove(node.inode)
            raise

    def _group(self, gid: int) -> int:
        ownership = self._drive.ownership
        return ownership.gid if ownership.hands_down else gid

    def _hand_over(self, inode: int) -> list[SpoolHandle]:
        """Let every handle of the inode go on with what is spooled; returns what they had so far."""
        pending = self._tree.get(inode)
        assert isinstance(pending, File)
        former: list[SpoolHandle] = []
        for handle in self._drive.handles_of(inode):
            if isinstance(handle, ControlHandle):
                continue
            writes = isinstance(handle, AttachmentHandle) and handle.writes
            pid = handle.pid if isinstance(handle, AttachmentHandle) else handle.spooled.pid
            if handle.spooled is not None:
                former.append(handle.spooled)
            handle.spooled = self._spool.open(inode, write=writes, pid=pid)
            handle.node = pending
        return former

    async def _revert(self, inode: int) -> None:
        """Nothing was written after all: the attachment has its name again."""
        self._unwritten.discard(inode)
        await self._spool.remove(inode)
        self._tree.remove_local(inode)
        self._drive.publisher.publish()

    @contextlib.asynccontextmanager
    async def _locked(self, inode: int) -> AsyncIterator[None]:
        lock = self._locks.setdefault(inode, trio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked() and self._locks.get(inode) is lock:
                del self._locks[inode]

    @contextlib.contextmanager
    def _marked(self, home: int, name: str) -> Iterator[None]:
        event = self._busy[home, name] = trio.Event()
        try:
            yield
        finally:
            event.set()
            if self._busy.get((home, name)) is event:
                del self._busy[home, name]

    async def quiet(self, *places: tuple[int, str]) -> None:
        """Wait until no file of these names (directory's inode, name) is just becoming a version; mostly at once."""
        while busy := [self._busy[place] for place in places if place in self._busy]:
            await busy[0].wait()

    # Renaming away

    async def set_aside(
        self, node: File, name: str, caller: Caller, make_room: Callable[[], Awaitable[None]]
    ) -> File:
        """Let a copy of an attachment stand in its directory under `name`, which is never uploaded, and hide it.

        So Microsoft Office saves, and Emacs makes its backup: what was there is renamed, and a new file takes the name.
        `make_room` takes away what has the name, once the copy is there. Returns the copy, a pending file. Raises what
        the download and the spool raise, and NoSuchName; then the attachment is as it was.
        """
        tree, spool = self._tree, self._spool
        inode, home = await spool.reserve_inode(), node.parent
        reader = self._drive.contents.open(node.id, node.size, caller.lane)
        try:
            content = await spool.receive(inode, node.size, functools.partial(_read, reader))
        finally:
            reader.close()
        try:
            await make_room()
            if home is None or node.parent is not home or node.hidden or node.kind is not Kind.ATTACHMENT:
                raise errors.NoSuchName(f"{node.name} was changed meanwhile")
            mode = _MODE & ~self._drive.ownership.umask
            title = tree.title_of(name)
            await spool.create_version(
                *(inode, home.inode, title, mode, caller.uid, self._group(caller.gid)),
                content=content,
                stamp_ns=node.stamp_ns,
            )
        except BaseException:
            with trio.CancelScope(shield=True):
                await spool.throw_away(content)
            raise
        # From here on nothing waits.
        opened = spool.open(inode, write=True)
        copy = tree.add_local(inode, home.inode, title, is_directory=False, stamp_ns=node.stamp_ns)
        assert isinstance(copy, File)
        if tree.get(node.inode) is node:
            self.hide(node)
        with trio.CancelScope(shield=True):
            await spool.release(opened)
        return copy

    # Deleting

    def hides(self, node: Node) -> bool:
        """Whether deleting this attachment hides it, as a new file of its name is to be expected."""
        return (
            isinstance(node, File)
            and self._drive.writable.versions
            and self._drive.writable.seconds(node) > 0
        )

    def hide(self, node: File) -> None:
        """Hide an attachment and keep its name from older ones, for a minute; the caller publishes that."""
        log.info(
            "%s is hidden: nothing can be deleted through Worksection's API, so unless a new file of that name "
            "follows it shows again in %g seconds",
            node.path(),
            self._hidden_for,
        )
        self._tree.hide(node)
        self._hidden[node.id] = trio.current_time() + self._hidden_for
        self._news.set()

    def removed(self, directory: Directory, name: str) -> None:
        """A pending file has left its name, which an attachment has again: as if that one was deleted too."""
        node = directory.names.get(name)
        if isinstance(node, File) and self.hides(node):
            self.hide(node)

    def followed(self, directory: Directory, name: str) -> None:
        """There is a new file of that name: what was hidden shows as an older version of it."""
        for id in list(self._hidden):
            node = self._tree.attachments.get(id)
            if node is None or (node.parent is directory and directory.plain_name(node.title) == name):
                self._show(id)

    def _show(self, id: int) -> None:
        self._hidden.pop(id, None)
        node = self._tree.attachments.get(id)
        if node is not None:
            self._tree.hide(node, hidden=False)

    async def run(self) -> None:
        """Show again, in time, what was hidden; until cancelled."""
        while True:
            self._news = trio.Event()
            now = trio.current_time()
            for id in [one for one, until in self._hidden.items() if until <= now]:
                self._show(id)
            self._drive.publisher.publish()
            with trio.move_on_at(min(self._hidden.values(), default=float("inf"))):
                await self._news.wait()


class _Kept:
    """A Reader of a content that was fetched into the spool."""

    def __init__(self, content: OpenContent) -> None:
        self._content: OpenContent | None = content

    def read_now(self, offset: int, length: int) -> bytes:
        assert self._content is not None
        return self._content.read(offset, length)

    async def read(self, offset: int, length: int) -> bytes:
        return self.read_now(offset, length)

    async def fill(self) -> None:
        return

    def close(self) -> None:
        content, self._content = self._content, None
        if content is not None:
            content.close()


async def _read(reader: Reader, offset: int, length: int) -> bytes:
    data = reader.read_now(offset, length)
    return await reader.read(offset, length) if data is None else data
