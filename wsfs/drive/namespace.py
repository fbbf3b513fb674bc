"""What changes the drive: create, mkdir, rename, delete; and, with Writing, writing and setting attributes.

All of it happens in the spool, but for the new title of a task or project, which is sent at once. What
Worksection can't do is refused before anything has happened, see rules.py.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable
from typing import Protocol

from wsfs.api.pacing import Lane
from wsfs.drive import errors
from wsfs.drive.filesystem import Caller, Drive
from wsfs.drive.handles import FileHandle, SpooledHandle
from wsfs.drive.rules import Permissions, Rules
from wsfs.drive.versions import Versions
from wsfs.drive.writing import Writing
from wsfs.tree.inodes import Kind
from wsfs.tree.nodes import Directory, File, Node, Owner
from wsfs.uploads.noise import is_temporary


class Titles(Protocol):
    """Who gives a task or project a new title on the server; raises ApiError."""

    async def rename(self, owner: Owner, title: str, lane: Lane) -> None: ...


class Writers(Protocol):
    """Who may write at all; raises Denied."""

    async def admit(self, uid: int) -> None: ...


class Namespace(Writing):
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
        super().__init__(drive, versions)
        self._titles = titles
        self._rules = Rules(drive, permissions or Permissions())
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

        Raises ReadOnly, NotPermitted, Denied, NameExists, NameTooLong, BadName, and what the spool raises.
        """
        await self.versions.quiet((parent, name))
        directory = self._rules.directory(parent)
        title = self._rules.title(directory, name)
        self._rules.check_file(directory, name)
        self._rules.check_partial(directory, name)
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
        directory = self._rules.directory(parent)
        title = self._rules.title(directory, name)
        self._rules.check_directory(directory, name)
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
        directory = self._rules.directory(parent)
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
        directory = self._rules.directory(parent)
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
        directory, target = self._rules.directory(parent), self._rules.directory(new_parent)
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
        title = self._rules.title(target, new_name, replacing=True)
        replaced = target.names.get(new_name)
        if replaced is node:
            return
        if replaced is not None:
            self._rules.check_replace(node, replaced, replace=replace)
        if isinstance(node, Directory):
            self._rules.check_directory(target, new_name, moved=node)
        else:
            self._rules.check_file(target, new_name)
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
        self._rules.title(directory, new_name, replacing=True)
        name = node.name

        async def make_room() -> None:
            replaced = directory.names.get(new_name)
            if replaced is not None:
                self._rules.check_replace(node, replaced, replace=replace)
                await self._remove(directory, replaced)

        if new_name in directory.names:
            self._rules.check_replace(node, directory.names[new_name], replace=replace)
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
        title = self._rules.title(directory, new_name, replacing=True)
        self._rules.check_not_done(directory, new_name)
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

    async def _remove(self, directory: Directory, node: Node) -> None:
        name = node.name
        await self._spool.remove(node.inode)
        self._tree.remove_local(node.inode)
        if not isinstance(node, Directory):
            self.versions.removed(directory, name)
        self._done(directory, (directory.inode, name, None))

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
