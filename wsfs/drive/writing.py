"""Writing to files, and setting attributes: what programs do to what they have by inode, or open.

What is pending is in the spool; what is written to an attachment begins its next version, see versions.py.
"""

from __future__ import annotations

import trio

from wsfs.drive import errors
from wsfs.drive.filesystem import Caller, Drive
from wsfs.drive.handles import AttachmentHandle, FileHandle, spooled_of
from wsfs.drive.versions import Versions
from wsfs.tree.inodes import Kind, is_local
from wsfs.tree.nodes import File, Node


class Writing:
    """The changes of contents and attributes; Namespace adds those of names."""

    def __init__(self, drive: Drive, versions: Versions) -> None:
        self.versions = versions
        self._drive = drive
        self._tree = drive.tree
        self._spool = drive.spool

    # Attributes

    async def set_attributes(
        self,
        inode: int,
        *,
        size: int | None = None,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime_ns: int | None = None,
        mtime_ns: int | None = None,
        caller: Caller | None = None,
    ) -> None:
        """Truncate, chmod, chown, utimens: kept for pending nodes.

        On a directory of the service, on what was uploaded from here, and on what may be written to, they are taken
        and forgotten: a copy that keeps times and modes comes to them at its very end, when the upload may have
        begun. On another attachment they are refused. Raises ReadOnly, Denied, NotPermitted, NoSuchName, and what
        the spool raises.
        """
        node = self._drive.node(inode)
        if self._drive.ownership.read_only:
            raise errors.ReadOnly("the drive is mounted read-only")
        if size is not None and isinstance(node, File) and self.versions.may_write(node):
            await self.versions.truncate(node, size, caller or self._owner())
            node, size = self._drive.node(inode), None
        spooled = self._spool.get(inode) if node.kind in (Kind.LOCAL_FILE, Kind.LOCAL_DIRECTORY) else None
        if spooled is None:
            if size is not None:
                self._drive.refuse_write(node)
            if isinstance(node, File) and not _is_ours(node) and not self.versions.may_write(node):
                raise errors.NotPermitted(f"{node.path()} is an attachment: its attributes are the server's")
            return
        if size is not None:
            await self._spool.truncate(inode, size)
        if any(value is not None for value in (mode, uid, gid, atime_ns, mtime_ns)):
            await self._spool.set_attributes(
                inode,
                mode=None if mode is None else mode & 0o7777,
                uid=uid,
                gid=gid,
                atime_ns=atime_ns,
                mtime_ns=mtime_ns,
            )
        self._date(node, spooled.mtime_ns)

    # Writing

    async def open(
        self, inode: int, caller: Caller, *, readable: bool = False, truncate: bool = False
    ) -> FileHandle:
        """Open the file at `inode` for writing; with `truncate` it is emptied.

        What is pending is opened at once, for an attachment see Versions.open. Raises NoSuchName, IsDirectory,
        ReadOnly, Denied, and what these raise.
        """
        node = self._drive.node(inode)
        handle: FileHandle
        if isinstance(node, File) and self.versions.may_write(node):
            handle = await self.versions.open(node, caller, readable=readable, truncate=truncate)
        else:
            handle = self._drive.open(inode, caller, write=True)
        if truncate:
            try:
                await self.set_attributes(inode, size=0, caller=caller)
            except BaseException:
                # It may be empty by now, and nobody will write into it: it mustn't count as a finished file.
                spooled = spooled_of(handle)
                if spooled is not None:
                    spooled.abandon()
                with trio.CancelScope(shield=True):
                    await self.release(handle)
                raise
        return handle

    async def release(self, handle: FileHandle) -> None:
        """Give a handle back; the last one of a pending file begins its settling."""
        await self.versions.release(handle)

    def write_now(self, handle: FileHandle, offset: int, data: bytes) -> int | None:
        """Write without waiting; None where that can't be: use `write`. Raises Denied, and what the spool does."""
        spooled = spooled_of(handle)
        if spooled is None:
            if isinstance(handle, AttachmentHandle) and handle.writes:
                return None
            raise errors.Denied(f"{handle.node.path()} isn't open for writing")
        if not spooled.writes:
            raise errors.BadHandle(f"{handle.node.path()} isn't open for writing")
        if self._spool.waits(spooled, offset + len(data)):
            return None
        return spooled.write(offset, data)

    async def write(self, handle: FileHandle, offset: int, data: bytes) -> int:
        """Write all of `data` at `offset`, whatever the file's state; the first write to an attachment begins its
        next version. Raises as `write_now`, and what Versions.open does."""
        done = self.write_now(handle, offset, data)
        if done is None and isinstance(handle, AttachmentHandle) and handle.spooled is None:
            await self.versions.begin(handle)
            done = self.write_now(handle, offset, data)
        if done is None:
            spooled = spooled_of(handle)
            assert spooled is not None
            done = await self._spool.write(spooled, offset, data)
        return done

    async def flush(self, handle: FileHandle, *, killed: bool = False) -> None:
        """Make safe what was written: a program's close waits for this. `killed`: its process is being ended
        by a signal, so that what it wrote is probably not whole."""
        spooled = spooled_of(handle)
        if spooled is not None:
            await self._spool.flush(spooled, killed=killed)
            # The kernel knows what it wrote; only the directory's time is news, and that of each of a thousand files.
            self._tree.date_local(handle.node.inode, spooled.opened.node.mtime_ns)
            self._drive.publisher.publish_dates()

    async def synchronise(self, handle: FileHandle) -> None:
        """fsync."""
        spooled = spooled_of(handle)
        if spooled is not None:
            await self._spool.fsync(spooled)

    def _owner(self) -> Caller:
        """Who changes what nobody else is known to change."""
        return Caller(uid=self._drive.ownership.uid, gid=self._drive.ownership.gid)

    def _date(self, node: Node, stamp_ns: int) -> None:
        self._tree.date_local(node.inode, stamp_ns)
        self._drive.publisher.publish()


def _is_ours(node: File) -> bool:
    """Whether it was uploaded from this machine."""
    return node.kept_ns is not None or is_local(node.inode)
