"""The spool: files and directories that were made here and that Worksection doesn't have yet.

How it keeps its promise: a change is made in memory at once (that part is synchronous, so two tasks can't
trip over each other), then its row is committed, then the caller is answered. What a close promises, see
openfiles.py; what a start makes of what it finds, recovery.py.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
from collections.abc import Awaitable, Callable, Container

import trio

from wsfs.uploads import journal as rows
from wsfs.uploads.contents import translating
from wsfs.uploads.errors import (
    IsADirectory,
    NameTaken,
    NoSuchNode,
    NotADirectory,
    NotAllowed,
    NotEmpty,
    SpoolBroken,
    SpoolInUse,
)
from wsfs.uploads.nodes import FIRST_LOCAL_INODE, Spooled
from wsfs.uploads.noise import is_noise, is_noise_directory, is_refused_directory, may_be_rsyncs
from wsfs.uploads.openfiles import STOPPED
from wsfs.uploads.recovery import recover
from wsfs.uploads.states import IN_FLIGHT, Event, State, after
from wsfs.uploads.xattrs import Xattrs

_FIRST_SECOND = 10**9  # of 1970, in nanoseconds


class Spool(Xattrs):
    """The spool in `directory` (made where it is missing, mode 0700); one process at a time may have it.

    What its arguments and attributes are, see Index. Errors are UploadError. A cancelled call may or may not
    have happened, but never halfway.
    """

    _lock: int | None = None
    files_a_post: int | None = None
    """The most files that the service took of a post, once it was seen to leave some out; for ever."""

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
            self.files_a_post = found.meta.get("files_a_post")
            oldest = self.clock() - self._writable_for
            self.recent = {key: sent_at for key, sent_at in found.recent.items() if sent_at >= oldest}
            self.places = dict(found.places)
            self.journal.post(rows.delete_recent(oldest))
            self.contents.found(found.contents)
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
        numbers = (*(batch.id for batch in found.batches), *(node.batch or 0 for node in found.nodes))
        self.last_batch = max(numbers, default=0)

    async def close(self) -> None:
        """Write what is queued, and what open files have in memory, and give the spool up; open handles are no longer
        usable."""
        with contextlib.suppress(SpoolBroken):
            self.keep_open(math.inf)
        with trio.CancelScope(shield=True):
            await self.journal.close()
            await trio.to_thread.run_sync(self.contents.writeback.close)
        for opened in self._all_open:
            opened.content.close()
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

    # Making

    async def create(self, parent: int, name: str, mode: int, uid: int, gid: int) -> Spooled:
        """Make an empty file; it is OPEN, so that its maker opens and closes it.

        It is on disk with what is committed next, as a rule its own close, and in a moment (journal.LINGER) anyway:
        a file that nobody has closed is promised to nobody, and a thousand that are copied in wait for the disk
        once each. Errors: NameTaken, NotADirectory, NoSpace, SpoolBroken.
        """
        self.contents.need_room(1)
        reserved = self._reserved
        node = self._new(parent, name, mode, uid, gid, is_dir=False)
        try:
            if self._reserved == reserved:
                self.journal.join(rows.put_node(node))
            else:
                # That the numbers up to here are given out is on disk before anybody sees one of them.
                await self.journal.commit(rows.put_node(node))
        except BaseException:
            with trio.CancelScope(shield=True):
                await self._unmake(node)
            raise
        self.on_activity()
        return node

    async def create_version(
        self,
        inode: int,
        parent: int,
        name: str,
        mode: int,
        uid: int,
        gid: int,
        *,
        content: str | None = None,
        stamp_ns: int | None = None,
    ) -> Spooled:
        """Make a file at an inode that an attachment had so far, its next version; on disk when this returns.

        `content` is what `receive` gave, None: it is empty. It is OPEN, as with `create`. Where the last node of
        that inode is still about to go, waits for that.

        Errors: NameTaken, NoSpace.
        """
        going = self._going.get(inode)
        if going is not None:
            await going.wait()
        if inode in self.nodes:
            raise NameTaken(f"{name} is being written already")
        node = self._new(parent, name, mode, uid, gid, is_dir=False, inode=inode)
        node.content = content or self._content_name(inode)
        if stamp_ns is not None:
            node.mtime_ns = node.atime_ns = stamp_ns
        try:
            if content is not None:
                found = await trio.to_thread.run_sync(self.contents.stamp, content)
                if found is None:
                    raise NoSuchNode(f"the content of {name} is gone")
                node.content_stamp, node.size = found
            await self.journal.commit(rows.put_node(node))
        except BaseException:
            with trio.CancelScope(shield=True):
                await self._unmake(node)
            raise
        self.on_activity()
        return node

    async def receive(self, inode: int, size: int, read: Callable[[int, int], Awaitable[bytes]]) -> str:
        """Take in a content of `size` bytes for `create_version`, by `read(offset, length)`; returns its name.

        A start removes it, and so does `throw_away`, unless it became a version's. Errors: NoSpace, SpoolBroken,
        and what `read` raises; then nothing is left.
        """
        name = self._content_name(inode)
        try:
            content = await trio.to_thread.run_sync(self.contents.make, name)
            try:
                offset = 0
                while offset < size:
                    piece = await read(offset, min(1 << 20, size - offset))
                    if not piece:
                        raise SpoolBroken(f"only {offset:,} of {size:,} bytes came")
                    await trio.to_thread.run_sync(self.contents.append, content, piece)
                    offset += len(piece)
            finally:
                content.close()
        except BaseException:
            with trio.CancelScope(shield=True):
                await self.throw_away(name)
            raise
        return name

    async def throw_away(self, content: str) -> None:
        """Remove what `receive` took in."""
        await trio.to_thread.run_sync(self.contents.remove, content)

    def _content_name(self, inode: int) -> str:
        # With a number of its own: the file of an earlier node of this inode may still be there.
        return f"{inode}.{self._new_inode()}"

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

    def _new(
        self, parent: int, name: str, mode: int, uid: int, gid: int, *, is_dir: bool, inode: int | None = None
    ) -> Spooled:
        self._check_directory(parent)
        if self.child(parent, name) is not None:
            raise NameTaken(f"there is a {name} already")
        if inode is None:
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
            if not node.is_dir and mtime_ns < _FIRST_SECOND and may_be_rsyncs(node.name):
                self._left_half(node)
        node.ctime_ns = int(self.clock() * 1e9)
        if inode in self.nodes:
            self.journal.post(rows.put_node(node))
        await trio.lowlevel.checkpoint()

    def _left_half(self, node: Spooled) -> None:
        """rsync was stopped and keeps what it has (--partial): before the rename it dates that back to 1970."""
        opened = self._open.get(node.inode)
        if node.state is State.LOCAL:
            node.state = after(node.state, Event.KILLED)
            node.error = STOPPED
        elif node.state is State.OPEN and opened is not None:
            opened.killed = True

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

    async def hold(self, *inodes: int, reason: str) -> list[Spooled]:
        """Hold back those of these files that settle, until a person asks to `retry` them; they are returned.

        What is on its way by now, or was changed since, goes on as it was.
        """
        held = [
            node
            for inode in inodes
            if (node := self.nodes.get(inode)) is not None
            and node.state is State.SETTLING
            and not (node.is_dir or node.writers)
        ]
        for node in held:
            self._release_from_batch(node, after(node.state, Event.HELD))
            node.error = reason
            self.on_change(node.inode)
        await self.journal.commit(*map(rows.put_node, held))
        self.on_activity()
        return held

    async def discard(self, inode: int) -> None:
        """As `remove`, and also for an older version of a file that was refused, which is in no directory."""
        node = self.shadows.get(inode)
        if node is None:
            await self.remove(inode)
            return
        self._check_free(node)
        node.state = after(node.state, Event.REMOVED)
        del self.shadows[inode]
        await self.journal.commit(rows.put_node(node))
        await self.discard_content(node)
        self.on_activity()

    def place(self, root: int, path: str) -> None:
        """Remember where a directory of the server that something waits below was last seen in the drive."""
        if self.places.get(root) != path:
            self.places[root] = path
            self.journal.post(rows.put_place(root, path))

    def forget_places(self, used: Container[int]) -> None:
        """Nothing waits below the others any more."""
        for root in [root for root in self.places if root not in used]:
            del self.places[root]
            self.journal.post(rows.delete_place(root))

    async def limit_posts(self, files: int) -> None:
        """Remember that the service takes no more files than that of one post."""
        if self.files_a_post is None or files < self.files_a_post:
            self.files_a_post = files
            await self.journal.commit(rows.put_meta("files_a_post", files))

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

    def _check_move(self, node: Spooled, new_parent: int, new_name: str) -> None:
        if is_refused_directory(new_name):
            raise NotAllowed(f"a directory named {new_name} isn't made in Worksection")
        above: int | None = new_parent
        while above is not None:
            if above == node.inode:
                raise NotAllowed(f"{node.name} can't be moved into itself")
            parent = self.nodes.get(above)
            above = None if parent is None else parent.parent
