"""The thin adapter: pyfuse3's calls become the drive's, its exceptions an errno.

Every handler is guarded: an exception that left one would end the mount. File handles are numbers here and
objects in the drive.
"""

from __future__ import annotations

import dataclasses
import errno
import functools
import itertools
import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar, cast

import pyfuse3

from wsfs.api.pacing import Lane
from wsfs.drive import errors
from wsfs.drive.extended import PINS, ExtendedAttributes
from wsfs.drive.filesystem import Caller, Drive
from wsfs.drive.handles import AttachmentHandle, ControlHandle, DirectoryHandle, FileHandle, spooled_of
from wsfs.drive.namespace import Namespace
from wsfs.fuse.attributes import bare_directory, entry_attributes, missing
from wsfs.fuse.callers import Callers, closes_half
from wsfs.fuse.errno import errno_of
from wsfs.fuse.interrupts import interruptible
from wsfs.fuse.notify import Notifier
from wsfs.tree.nodes import File, Node

log = logging.getLogger(__name__)

Handler = TypeVar("Handler", bound=Callable[..., Coroutine[Any, Any, Any]])

_WRITING = os.O_WRONLY | os.O_RDWR
_USER = b"user."
_PINS = frozenset(name.encode() for name in PINS)
# What the user did and can't be done is news for him; that a name isn't there is none.
_SILENT = frozenset({errno.ENOENT, errno.ENODATA, errno.EOPNOTSUPP, errno.EEXIST})
# What the first argument of a handler is, where it isn't an inode, with perhaps a name in it.
_BY_HANDLE = frozenset({"read", "write", "flush", "fsync", "release"})
_BY_ATTRIBUTE = frozenset({"getxattr", "setxattr", "removexattr"})
_WITHOUT_NODE = frozenset({"readdir", "releasedir", "fsyncdir", "statfs"})


def guarded(handler: Handler) -> Handler:
    """Let nothing but FUSEError leave `handler`: the errno is the table's, what isn't in it is EIO."""
    name = handler.__name__

    @functools.wraps(handler)
    async def wrapper(self: Operations, *args: Any) -> Any:
        try:
            return await handler(self, *args)
        except pyfuse3.FUSEError:
            raise
        except Exception as error:
            number = errno_of(error)
            if number is None:
                log.exception(
                    "%s%s failed, which is a mistake in wsfs: please report it", name, self.about(name, args)
                )
                raise pyfuse3.FUSEError(errno.EIO) from None
            if number not in _SILENT:
                about = self.about(name, args)
                log.info("%s%s refused (%s): %s", name, about, errno.errorcode[number], error)
            raise pyfuse3.FUSEError(number) from None

    return cast(Handler, wrapper)


def _text(name: bytes) -> str:
    return os.fsdecode(name)


_callers = Callers()


def _pid_of(handle: FileHandle) -> int:
    """The process that opened it; 0 where that isn't known."""
    spooled = spooled_of(handle)
    if spooled is not None:
        return spooled.pid
    return handle.pid if isinstance(handle, AttachmentHandle) else 0


def _caller(ctx: pyfuse3.RequestContext) -> Caller:
    pid = ctx.pid
    return Caller(pid, ctx.uid, ctx.gid, _callers.lane(pid))


class Operations(pyfuse3.Operations):
    """What pyfuse3 calls. Owns the table of file handles; the drive owns all else."""

    supports_dot_lookup = False
    enable_writeback_cache = False
    enable_acl = False

    def __init__(
        self, drive: Drive, namespace: Namespace, extended: ExtendedAttributes, notifier: Notifier
    ) -> None:
        super().__init__()
        self._notifier = notifier
        self._drive = drive
        self._namespace = namespace
        self._extended = extended
        self._files: dict[int, FileHandle] = {}
        self._directories: dict[int, DirectoryHandle] = {}
        self._numbers = itertools.count(1)

    def about(self, handler: str, arguments: Sequence[Any]) -> str:
        """What a call is about, for the log: " of PATH", or nothing where that isn't known. Never raises: it is
        asked where an error is being answered."""
        try:
            return self._about(handler, arguments)
        except Exception:  # noqa: BLE001 - what left here would end the mount
            return ""

    def _about(self, handler: str, arguments: Sequence[Any]) -> str:
        subject, *rest = arguments
        if handler in _BY_HANDLE:
            file = self._files.get(subject)
            return f" of {file.node.path()}" if file is not None else ""
        if not isinstance(subject, int) or handler in _WITHOUT_NODE:
            return ""
        name = _text(rest[0]) if rest and isinstance(rest[0], bytes) and handler not in _BY_ATTRIBUTE else ""
        return f" of {self._drive.path(subject, name)}"

    def _entry(self, node: Node) -> pyfuse3.EntryAttributes:
        entry = entry_attributes(self._drive.attributes(node))
        self._drive.publisher.shown(node.inode)
        return entry

    def _file(self, fh: int) -> FileHandle:
        try:
            return self._files[fh]
        except KeyError:
            raise errors.BadHandle(f"no open file {fh}") from None

    def _check_owner(self, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        """The kernel leaves it to the file system who may set an attribute of `system.`."""
        if name in _PINS and ctx.uid not in (0, os.geteuid(), self._drive.ownership.uid):
            raise errors.Denied("what is kept offline is for the user to say whose mount this is")

    def _info(self, handle: FileHandle, *, live: bool, keep: bool) -> pyfuse3.FileInfo:
        fh = next(self._numbers)
        self._files[fh] = handle
        return pyfuse3.FileInfo(fh=fh, direct_io=live, keep_cache=keep and not live)

    # Nodes

    @guarded
    async def lookup(
        self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        text = _text(name)
        node = self._drive.lookup_now(parent_inode, text)
        if node is None:
            if self._drive.is_missing(parent_inode, text):
                return missing(lasting=True)
            try:
                with self._notifier.waits_in(parent_inode):
                    node = await self._drive.lookup(parent_inode, text, _caller(ctx))
            except errors.NoSuchName as error:
                return missing(lasting=error.lasting)
        return self._entry(node)

    async def forget(self, inode_list: Sequence[tuple[pyfuse3.InodeT, int]]) -> None:
        """Nothing to do: nodes live as long as the tree has them, not as long as the kernel knows them."""

    @guarded
    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        return self._entry(self._drive.node(inode))

    @guarded
    async def setattr(
        self,
        inode: int,
        attr: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: int | None,
        ctx: pyfuse3.RequestContext,
    ) -> pyfuse3.EntryAttributes:
        if fields.update_size and fh is None:
            await self._namespace.admit(_caller(ctx))
        change = functools.partial(
            self._namespace.set_attributes,
            inode,
            size=attr.st_size if fields.update_size else None,
            mode=attr.st_mode if fields.update_mode else None,
            uid=attr.st_uid if fields.update_uid else None,
            gid=attr.st_gid if fields.update_gid else None,
            atime_ns=attr.st_atime_ns if fields.update_atime else None,
            mtime_ns=attr.st_mtime_ns if fields.update_mtime else None,
            caller=_caller(ctx),
        )
        async with interruptible(ctx.pid if fields.update_size and self._drive.is_attachment(inode) else 0):
            await change()
        return self._entry(self._drive.node(inode))

    # Directories

    @guarded
    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        handle = await self._drive.open_directory(inode, _caller(ctx))
        fh = next(self._numbers)
        self._directories[fh] = handle
        return fh

    @guarded
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        handle = self._directories.get(fh)
        if handle is None:
            raise errors.BadHandle(f"no open directory {fh}")
        if start_id == 0:
            self._drive.rewind(handle)
        if start_id < 2:
            # Offsets 0 and 1 are the directory itself and the one above.
            above = handle.node.parent or handle.node
            for index, (dots, place) in enumerate(((b".", handle.node), (b"..", above))):
                if start_id <= index and not pyfuse3.readdir_reply(
                    token, dots, bare_directory(place.inode), index + 1
                ):
                    return
        attributes, shown, reply = self._drive.attributes, self._drive.publisher.shown, pyfuse3.readdir_reply
        for index, name, node in self._drive.entries(handle, max(start_id - 2, 0)):
            entry = entry_attributes(attributes(node))
            if not reply(token, os.fsencode(name), entry, index + 3):
                return
            shown(node.inode)

    @guarded
    async def releasedir(self, fh: int) -> None:
        self._directories.pop(fh, None)

    @guarded
    async def fsyncdir(self, fh: int, datasync: bool) -> None:
        """Every change of a directory is on the disk before it is answered."""

    @guarded
    async def mkdir(
        self, parent_inode: int, name: bytes, mode: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        mode &= ~ctx.umask
        await self._namespace.admit(_caller(ctx))
        node = await self._namespace.make_directory(parent_inode, _text(name), mode, _caller(ctx))
        return self._entry(node)

    @guarded
    async def rmdir(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        await self._namespace.admit(_caller(ctx))
        await self._namespace.remove_directory(parent_inode, _text(name))

    @guarded
    async def unlink(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        await self._namespace.admit(_caller(ctx))
        await self._namespace.unlink(parent_inode, _text(name))

    @guarded
    async def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: pyfuse3.RequestContext,
    ) -> None:
        if flags & ~pyfuse3.RENAME_NOREPLACE:
            raise pyfuse3.FUSEError(errno.EINVAL)
        await self._namespace.admit(_caller(ctx))
        with self._notifier.waits_in(parent_inode_old, parent_inode_new):
            await self._namespace.rename(
                parent_inode_old,
                _text(name_old),
                parent_inode_new,
                _text(name_new),
                _caller(ctx),
                replace=not flags & pyfuse3.RENAME_NOREPLACE,
            )

    # What Worksection has no place for

    @guarded
    async def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        raise errors.NotPermitted(f"{_text(name)}: only files and directories can be made here")

    @guarded
    async def symlink(
        self, parent_inode: int, name: bytes, target: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        raise errors.NotPermitted(f"{_text(name)}: symbolic links can't be made here")

    @guarded
    async def link(
        self, inode: int, new_parent_inode: int, new_name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        raise errors.NotPermitted(f"{_text(new_name)}: hard links can't be made here")

    # Files

    @guarded
    async def open(self, inode: int, flags: int, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        caller = _caller(ctx)
        if flags & (_WRITING | os.O_TRUNC):
            await self._namespace.admit(caller)
            readable = flags & os.O_ACCMODE == os.O_RDWR
            async with interruptible(ctx.pid if self._drive.is_attachment(inode) else 0):
                handle = await self._namespace.open(
                    inode, caller, readable=readable, truncate=bool(flags & os.O_TRUNC)
                )
        else:
            glance = _callers.patience(flags, ctx.pid)
            if glance is not None:
                caller = dataclasses.replace(caller, lane=Lane.BACKGROUND, glance=glance)
            handle = self._drive.open(inode, caller)
        return self._info(handle, live=isinstance(handle, ControlHandle), keep=spooled_of(handle) is None)

    @guarded
    async def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: pyfuse3.RequestContext
    ) -> tuple[pyfuse3.FileInfo, pyfuse3.EntryAttributes]:
        node: File
        mode &= ~ctx.umask
        await self._namespace.admit(_caller(ctx))
        node, handle = await self._namespace.create(
            parent_inode, _text(name), mode, _caller(ctx), write=bool(flags & _WRITING)
        )
        return self._info(handle, live=False, keep=False), self._entry(node)

    @guarded
    async def read(self, fh: int, off: int, size: int) -> bytes:
        handle = self._file(fh)
        data = self._drive.read_now(handle, off, size)
        if data is None:
            data = await self._drive.read(handle, off, size)
        return data

    @guarded
    async def write(self, fh: int, off: int, buf: bytes) -> int:
        handle = self._file(fh)
        done = self._namespace.write_now(handle, off, buf)
        if done is None:
            async with interruptible(_pid_of(handle)):
                done = await self._namespace.write(handle, off, buf)
        return done

    @guarded
    async def flush(self, fh: int) -> None:
        handle = self._file(fh)
        spooled = spooled_of(handle)
        if spooled is not None:
            await self._namespace.flush(handle, killed=closes_half(_pid_of(handle), spooled))

    @guarded
    async def fsync(self, fh: int, datasync: bool) -> None:
        await self._namespace.synchronise(self._file(fh))

    @guarded
    async def release(self, fh: int) -> None:
        handle = self._file(fh)
        del self._files[fh]
        await self._namespace.release(handle)

    # Extended attributes: user.* is served, all else refused at once, since it is asked for at every write.

    @guarded
    async def getxattr(self, inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> bytes:
        if not name.startswith(_USER) and name not in _PINS:
            # Not ENODATA: ls -l, told so of security.selinux, asks once a drive in place of once a file.
            raise pyfuse3.FUSEError(errno.EOPNOTSUPP)
        return await self._extended.get(inode, _text(name), _caller(ctx))

    @guarded
    async def listxattr(self, inode: int, ctx: pyfuse3.RequestContext) -> list[bytes]:
        return [os.fsencode(name) for name in self._extended.names(inode)]

    @guarded
    async def setxattr(self, inode: int, name: bytes, value: bytes, ctx: pyfuse3.RequestContext) -> None:
        if not name.startswith(_USER) and name not in _PINS:
            raise pyfuse3.FUSEError(errno.EOPNOTSUPP)
        self._check_owner(name, ctx)
        await self._extended.set(inode, _text(name), value)

    @guarded
    async def removexattr(self, inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        if not name.startswith(_USER) and name not in _PINS:
            raise pyfuse3.FUSEError(errno.EOPNOTSUPP)
        self._check_owner(name, ctx)
        await self._extended.remove(inode, _text(name))

    # The whole

    @guarded
    async def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        room = self._drive.free_space()
        data = pyfuse3.StatvfsData()
        data.f_bsize, data.f_frsize = room.f_bsize, room.f_frsize
        data.f_blocks, data.f_bfree, data.f_bavail = room.f_blocks, room.f_bfree, room.f_bavail
        data.f_files, data.f_ffree, data.f_favail = room.f_files, room.f_ffree, room.f_favail
        data.f_namemax = 255
        return data
