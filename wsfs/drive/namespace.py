"""What changes the drive: create, mkdir, rename, delete, set attributes.

All of it happens in the spool, but for the new title of a task or project, which is sent at once. What
Worksection can't do is refused here, with a sentence for the log, before anything has happened.
"""

from __future__ import annotations

import logging
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import trio

from wsfs.api.pacing import Lane
from wsfs.drive import errors
from wsfs.drive.filesystem import MAX_NAME_BYTES, Caller, Drive
from wsfs.drive.handles import AttachmentHandle, FileHandle, SpooledHandle, spooled_of
from wsfs.drive.versions import Versions
from wsfs.tree.inodes import Kind, is_local
from wsfs.tree.layout import CONTROL_NAME, DONE_NAME
from wsfs.tree.nodes import Directory, File, Node, Owner
from wsfs.tree.windows import is_possible
from wsfs.uploads.noise import is_noise, is_refused_directory, is_temporary

log = logging.getLogger(__name__)

#: A project's tasks, their subtasks, and those of these: `child` goes no deeper (the API's page on tasks).
MAX_TASK_DEPTH = 3


class Titles(Protocol):
    """Who gives a task or project a new title on the server; raises ApiError."""

    async def rename(self, owner: Owner, title: str, lane: Lane) -> None: ...


@dataclass(frozen=True, slots=True)
class Permissions:
    """What may be made where, from the mount options."""

    mkdir: bool = True
    drop: bool = True


class Writers(Protocol):
    """Who may write at all; raises Denied."""

    async def admit(self, uid: int) -> None: ...


class Namespace:
    """The changes that programs make to a drive.

    Every method answers once what it did is safe on the disk. `now_ns` gives nanoseconds since 1970.
    """

    def __init__(
        self,
        drive: Drive,
        titles: Titles,
        permissions: Permissions | None = None,
        *,
        versions: Versions,
        writers: Writers | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._drive = drive
        self._tree = drive.tree
        self._spool = drive.spool
        self._titles = titles
        self.versions = versions
        self._permissions = permissions or Permissions()
        self._writers = writers
        self._now_ns = now_ns

    async def admit(self, caller: Caller) -> None:
        """Raise Denied where the caller may change nothing here; asked before anything is."""
        if self._writers is not None:
            await self._writers.admit(caller.uid)

    # Making

    async def create(
        self, parent: int, name: str, mode: int, caller: Caller, *, write: bool = True
    ) -> tuple[File, FileHandle]:
        """Make a file and open it.

        Raises ReadOnly, NotPermitted, NameExists, NameTooLong, BadName, and what the spool raises.
        """
        await self.versions.quiet((parent, name))
        directory = self._writable(parent)
        title = self._check_name(directory, name)
        self._check_file_place(directory, name)
        group = self._handed_down(directory)
        spooled = await self._spool.create(
            *(parent, title, mode & 0o7777, caller.uid, caller.gid if group is None else group)
        )
        node = self._tree.add_local(
            spooled.inode, parent, title, is_directory=False, stamp_ns=spooled.mtime_ns
        )
        assert isinstance(node, File)
        handle = SpooledHandle(node, self._spool.open(spooled.inode, write=write, pid=caller.pid))
        self._drive.opened(handle)
        self.versions.followed(directory, name)
        self._done(directory, (parent, name, node))
        return node, handle

    async def make_directory(self, parent: int, name: str, mode: int, caller: Caller) -> Node:
        """Make a pending directory: a task, subtask or project to be, sent once it holds a file.

        Raises ReadOnly, NotPermitted, NameExists, NameTooLong, BadName, and what the spool raises.
        """
        await self.versions.quiet((parent, name))
        directory = self._writable(parent)
        title = self._check_name(directory, name)
        self._check_directory_place(directory, name)
        group = self._handed_down(directory)
        if group is not None:
            mode |= stat.S_ISGID
        spooled = await self._spool.mkdir(
            *(parent, title, mode & 0o7777, caller.uid, caller.gid if group is None else group)
        )
        node = self._tree.add_local(
            spooled.inode, parent, title, is_directory=True, stamp_ns=spooled.mtime_ns
        )
        self._done(directory, (parent, name, node))
        return node

    # Taking away

    async def unlink(self, parent: int, name: str) -> None:
        """Delete a pending file, or hide an attachment that may have new versions, so that one may follow.

        Raises ReadOnly, NoSuchName, IsDirectory, NotPermitted, and what the spool raises.
        """
        await self.versions.quiet((parent, name))
        directory = self._writable(parent)
        node = self._named(directory, name)
        if isinstance(node, Directory):
            raise errors.IsDirectory(f"{node.path()} is a directory")
        if isinstance(node, File) and self.versions.hides(node):
            self.versions.hide(node)
            self._done(directory, (parent, name, None))
            return
        if node.kind is not Kind.LOCAL_FILE:
            raise errors.NotPermitted(
                f"{node.path()} is an attachment: nothing can be deleted through Worksection's API; "
                "delete it on the web"
            )
        await self._remove(directory, node)

    async def remove_directory(self, parent: int, name: str) -> None:
        """Delete an empty pending directory. Raises ReadOnly, NoSuchName, NotDirectory, NotPermitted,
        DirectoryNotEmpty."""
        directory = self._writable(parent)
        node = self._named(directory, name)
        if not isinstance(node, Directory):
            raise errors.NotDirectory(f"{node.path()} is a file")
        if node.kind is not Kind.LOCAL_DIRECTORY:
            raise errors.NotPermitted(
                f"{node.path()} is on the server: nothing can be deleted through Worksection's API; "
                "delete it on the web"
            )
        if node.members:
            raise errors.DirectoryNotEmpty(f"{node.path()} isn't empty")
        await self._remove(directory, node)

    async def discard(self, inode: int) -> None:
        """Delete a pending file or empty directory that a person gave up, also one whose directory isn't known.

        Raises what the spool raises.
        """
        await self._spool.discard(inode)
        node = self._tree.get(inode)
        directory = None if node is None else node.parent
        self._tree.remove_local(inode)
        if isinstance(directory, Directory):
            self._tree.touch(directory, self._now_ns())
        self._drive.publisher.publish()

    # Renaming

    async def rename(
        self, parent: int, name: str, new_parent: int, new_name: str, caller: Caller, *, replace: bool = True
    ) -> None:
        """Rename or move: a pending node freely, a task or project to a new title, an attachment never.

        A pending file that is renamed over an attachment becomes its next version, where it may have one; and one that
        may is renamed to a temporary or backup name of its directory as Versions.set_aside tells.

        Raises ReadOnly, NoSuchName, NotPermitted, NameExists, IsDirectory, NotDirectory, DirectoryNotEmpty,
        NameTooLong, BadName, what the spool raises, and the API's errors for a new title.
        """
        await self.versions.quiet((parent, name), (new_parent, new_name))
        directory, target = self._writable(parent), self._writable(new_parent)
        node = self._named(directory, name)
        if node.kind in (Kind.PROJECT, Kind.TASK):
            await self._new_title(directory, node, target, new_name, caller)
            return
        if isinstance(node, File) and target is directory and self._may_set_aside(node, new_name):
            await self._set_aside(directory, node, new_name, caller, replace=replace)
            return
        if node.kind not in (Kind.LOCAL_FILE, Kind.LOCAL_DIRECTORY):
            what = "an attachment" if node.kind is Kind.ATTACHMENT else "no directory of its own"
            raise errors.NotPermitted(f"{node.path()} is {what}: Worksection can't rename or move it")
        title = self._check_name(target, new_name, replacing=True)
        replaced = target.names.get(new_name)
        if replaced is node:
            return
        if replaced is not None:
            self._check_replace(node, replaced, replace=replace)
        if isinstance(node, Directory):
            self._check_directory_place(target, new_name, moved=node)
        else:
            self._check_file_place(target, new_name)
        await self._spool.rename(node.inode, new_parent, title, replace=replace)
        if replaced is not None:
            self._tree.remove_local(replaced.inode)
        self._tree.move_local(node.inode, new_parent, title)
        self._tree.touch(directory, self._now_ns())
        if not isinstance(node, Directory):
            self.versions.removed(directory, name)
        self.versions.followed(target, new_name)
        self._done(target, (parent, name, None), (new_parent, new_name, node))

    def _may_set_aside(self, node: File, new_name: str) -> bool:
        aside = is_temporary(new_name) or new_name.endswith("~")
        return aside and node.kind is Kind.ATTACHMENT and self.versions.may_write(node)

    async def _set_aside(
        self, directory: Directory, node: File, new_name: str, caller: Caller, *, replace: bool
    ) -> None:
        self._check_name(directory, new_name, replacing=True)
        name = node.name

        async def make_room() -> None:
            replaced = directory.names.get(new_name)
            if replaced is not None:
                self._check_replace(node, replaced, replace=replace)
                await self._remove(directory, replaced)

        if new_name in directory.names:
            self._check_replace(node, directory.names[new_name], replace=replace)
        copy = await self.versions.set_aside(node, new_name, caller, make_room)
        # The kernel believes that it is the attachment that has the new name.
        entries = ((directory.inode, name, None), (directory.inode, new_name, node))
        self._done(directory, *entries)
        self._date(copy, copy.stamp_ns)

    async def _new_title(
        self, directory: Directory, node: Node, target: Directory, new_name: str, caller: Caller
    ) -> None:
        if target is not directory:
            raise errors.NotPermitted(f"{node.path()}: Worksection's API can't move a task or project")
        title = self._check_name(directory, new_name, replacing=True)
        self._check_not_done(directory, new_name)
        if new_name in directory.names:
            if directory.names[new_name] is node:
                return
            raise errors.NameExists(f"{new_name} is there already")
        owner: Owner = ("project" if node.kind is Kind.PROJECT else "task", node.id)
        await self._titles.rename(owner, title, caller.lane)
        if self._tree.get(node.inode) is node:
            name = node.name
            self._tree.retitle(node.inode, title)
            self._done(directory, (directory.inode, name, None), (directory.inode, new_name, node))

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

    # Checks

    def _owner(self) -> Caller:
        """Who changes what nobody else is known to change."""
        return Caller(uid=self._drive.ownership.uid, gid=self._drive.ownership.gid)

    def _writable(self, inode: int) -> Directory:
        if self._drive.ownership.read_only:
            raise errors.ReadOnly("the drive is mounted read-only")
        return self._drive.directory(inode)

    def _handed_down(self, directory: Directory) -> int | None:
        """The group of what is made in a directory that hands its own down; None: its maker's."""
        spooled = self._spool.get(directory.inode) if directory.kind is Kind.LOCAL_DIRECTORY else None
        if spooled is not None:
            return spooled.gid if spooled.mode & stat.S_ISGID else None
        ownership = self._drive.ownership
        return ownership.gid if ownership.hands_down else None

    def _named(self, directory: Directory, name: str) -> Node:
        node = directory.names.get(name)
        if node is None:
            raise errors.NoSuchName(f"no {name} in {directory.path()}")
        return node

    def _check_name(self, directory: Directory, name: str, *, replacing: bool = False) -> str:
        """The title that the name stands for."""
        try:
            length = len(name.encode())
        except UnicodeEncodeError:
            raise errors.BadName(f"{name!r} isn't UTF-8, and can't be told to Worksection") from None
        if length > MAX_NAME_BYTES:
            raise errors.NameTooLong(f"{name} is longer than {MAX_NAME_BYTES} bytes")
        if directory is self._tree.root and name == CONTROL_NAME:
            raise errors.NotPermitted(f"{name} is wsfs's own name")
        if name in directory.names and not replacing:
            raise errors.NameExists(f"{self._drive.path(directory.inode, name)} is there already")
        if self._tree.options.windows_names and not is_possible(name):
            raise errors.BadName(f"{name!r}: Windows can't have such a name, and the drive is mounted for it")
        return self._tree.title_of(name)

    def _check_not_done(self, directory: Directory, name: str) -> None:
        """Where done tasks have a directory of their own, its name is kept free."""
        shown = self._tree.options.done == "folder" and directory.kind in (Kind.PROJECT, Kind.TASK)
        if shown and name == DONE_NAME:
            raise errors.NotPermitted(f"{name} is the name of the directory of done tasks")

    def _check_file_place(self, directory: Directory, name: str) -> None:
        self._check_not_done(directory, name)
        # What is never uploaded may lie anywhere where files may.
        if directory.kind is Kind.PROJECT and not self._permissions.drop and not is_noise(name):
            raise errors.NotPermitted(
                f"{directory.path()}: files on a project are refused by the option drop=no"
            )
        if directory.kind not in (Kind.PROJECT, Kind.TASK, Kind.LOCAL_DIRECTORY):
            raise errors.NotPermitted(
                f"{directory.path()}: files can be put into projects and tasks only, not here"
            )

    def _check_directory_place(self, directory: Directory, name: str, moved: Directory | None = None) -> None:
        if is_refused_directory(name):
            raise errors.NotPermitted(f"{name}: there is no waste basket here, and no repository")
        if directory.kind is Kind.ROOT:
            if not self._drive.ownership.create_projects:
                raise errors.NotPermitted(
                    "a directory here would be a new project: mount with create=projects"
                )
        elif directory.kind not in (Kind.PROJECT, Kind.TASK, Kind.LOCAL_DIRECTORY):
            raise errors.NotPermitted(f"{directory.path()}: tasks can be made in projects and tasks only")
        elif not self._permissions.mkdir:
            raise errors.NotPermitted("new tasks are refused by the option mkdir=no")
        self._check_not_done(directory, name)
        depth = self._tree.depth(directory) + (directory is not self._tree.root) * (1 + _height(moved))
        if depth > MAX_TASK_DEPTH:
            raise errors.NotPermitted(
                f"{self._drive.path(directory.inode, name)}: Worksection has tasks, subtasks and one level "
                "below, no deeper"
            )

    def _check_replace(self, node: Node, replaced: Node, *, replace: bool) -> None:
        if not replace:
            raise errors.NameExists(f"{replaced.path()} is there already")
        if isinstance(replaced, Directory) != isinstance(node, Directory):
            wanted = errors.IsDirectory if isinstance(replaced, Directory) else errors.NotDirectory
            raise wanted(f"{replaced.path()} is in the way")
        pending = replaced.kind is Kind.LOCAL_FILE
        if isinstance(replaced, File) and not pending and not self._drive.writable.seconds(replaced):
            raise errors.NotPermitted(
                f"{replaced.path()} is an attachment: Worksection can't replace one; save under another name"
            )
        if isinstance(replaced, Directory):
            if replaced.kind is not Kind.LOCAL_DIRECTORY:
                raise errors.NotPermitted(f"{replaced.path()} is on the server and can't be replaced")
            if replaced.members:
                raise errors.DirectoryNotEmpty(f"{replaced.path()} isn't empty")

    async def _remove(self, directory: Directory, node: Node) -> None:
        name = node.name
        await self._spool.remove(node.inode)
        self._tree.remove_local(node.inode)
        if not isinstance(node, Directory):
            self.versions.removed(directory, name)
        self._done(directory, (directory.inode, name, None))

    def _date(self, node: Node, stamp_ns: int) -> None:
        self._tree.date_local(node.inode, stamp_ns)
        self._drive.publisher.publish()

    def _done(self, directory: Directory, *entries: tuple[int, str, Node | None]) -> None:
        """Publish, but for those of `entries` (directory, name, node) that the kernel knows by the call at hand;
        where the name means something else here than it will believe, it is told."""
        self._tree.touch(directory, self._now_ns())
        known: list[tuple[int, str]] = []
        wrong: list[tuple[int, str]] = []
        for inode, name, node in entries:
            place = self._tree.get(inode)
            agrees = not isinstance(place, Directory) or place.names.get(name) is node
            (known if agrees else wrong).append((inode, name))
        self._drive.publisher.publish(without=known, besides=wrong)


def _is_ours(node: File) -> bool:
    """Whether it was uploaded from this machine."""
    return node.kept_ns is not None or is_local(node.inode)


def _height(directory: Directory | None) -> int:
    """How many levels of directories `directory` has below it."""
    if directory is None:
        return 0
    return max((1 + _height(one) for one in directory if isinstance(one, Directory)), default=0)
