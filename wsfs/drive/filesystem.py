"""The drive as a person's programs see it: look up, list, stat, open, read. What changes it is in namespace.py."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import trio

from wsfs.api.errors import ApiError, NotFound
from wsfs.api.pacing import Lane
from wsfs.drive import errors
from wsfs.drive.attributes import (
    Attributes,
    Ownership,
    control_attributes,
    remote_attributes,
    spooled_attributes,
)
from wsfs.drive.glances import Glances
from wsfs.drive.handles import (
    AttachmentHandle,
    ControlHandle,
    DirectoryHandle,
    FileHandle,
    Reader,
    SpooledHandle,
    spooled_of,
)
from wsfs.drive.publishing import Publisher
from wsfs.drive.writable import WritePolicy
from wsfs.tree.inodes import Kind, control_inode
from wsfs.tree.layout import CONTROL_NAME, Tree
from wsfs.tree.nodes import Directory, File, Node, Owner
from wsfs.uploads.noise import never_on_server
from wsfs.uploads.spool import Spool

log = logging.getLogger(__name__)

MAX_NAME_BYTES = 255
_SPOOLED = frozenset({Kind.LOCAL_FILE, Kind.LOCAL_DIRECTORY})
_CONTROL = frozenset({Kind.CONTROL_FILE})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the process (0: unknown), its user and group, and the lane its requests go in.

    `glance`: of a file that it opens it only wants to see what kind it is, and may be held up for so many seconds
    (see Glances).
    """

    pid: int = 0
    uid: int = 0
    gid: int = 0
    lane: Lane = Lane.PERSON
    glance: float | None = None


class Known(Protocol):
    """What the drive asks of the catalog; every `need` raises ApiError, and returns once the tree has it."""

    def knows_projects(self) -> bool: ...
    def knows_tasks(self, project_id: int) -> bool: ...
    def knows_files(self, owner: Owner) -> bool: ...
    async def need_projects(self, lane: Lane) -> None: ...
    async def need_tasks(self, project_id: int, lane: Lane) -> None: ...
    async def need_files(self, owner: Owner, lane: Lane) -> None: ...
    async def need_details(self, owner: Owner, lane: Lane) -> None: ...
    def looked(self, owner: Owner | None = None) -> None: ...


class Contents(Protocol):
    """What the drive asks of the content cache."""

    def open(self, file_id: int, size: int, lane: Lane, place: Hashable = None) -> Reader: ...
    def is_worth_it(self, file_id: int, size: int) -> bool: ...
    def looked(self, directory: Hashable) -> None: ...
    def cached_percent(self, file_id: int, size: int) -> int: ...
    def opened(
        self,
        directory: Hashable,
        file_id: int,
        size: int,
        siblings: Callable[[], Sequence[tuple[int, int]]],
    ) -> None: ...


class Drive:
    """One mounted account, read.

    `controls` are the files of `/.wsfs` by name, each with what makes its content. `spool_directory` is
    where writes go: its free space is the drive's. `writable` says which attachments may be written to (None: what
    was uploaded a short while ago).
    """

    def __init__(
        self,
        tree: Tree,
        catalog: Known,
        contents: Contents,
        spool: Spool,
        publisher: Publisher,
        *,
        ownership: Ownership,
        controls: Mapping[str, Callable[[], bytes]],
        spool_directory: Path,
        writable: WritePolicy | None = None,
    ) -> None:
        self.tree = tree
        self.catalog = catalog
        self.contents = contents
        self.spool = spool
        self.ownership = ownership
        self.publisher = publisher
        self.writable = writable or WritePolicy(spool)
        self._controls = controls
        self._spool_directory = spool_directory
        self._open: dict[int, tuple[File, set[FileHandle]]] = {}
        self._glances = Glances()
        self._control_directory = Directory(control_inode(0), Kind.CONTROL_DIRECTORY, 0, CONTROL_NAME)
        tree.add_node(self._control_directory, tree.root.inode)
        for index, name in enumerate(controls, 1):
            tree.add_node(File(control_inode(index), Kind.CONTROL_FILE, 0, name), control_inode(0))
        tree.take_changes()

    # Nodes

    def node(self, inode: int) -> Node:
        """The node at `inode`, one that is gone but still open included; raises NoSuchName."""
        node = self.tree.get(inode)
        if node is not None:
            return node
        if inode in self._open:
            return self._open[inode][0]
        raise errors.NoSuchName(f"inode {inode} is gone")

    def is_attachment(self, inode: int) -> bool:
        """Whether an attachment stands at `inode`, so that writing to it may have to fetch it first."""
        node = self.tree.get(inode)
        return node is not None and node.kind is Kind.ATTACHMENT

    def directory(self, inode: int) -> Directory:
        """The directory at `inode`; raises NoSuchName, NotDirectory."""
        node = self.node(inode)
        if not isinstance(node, Directory):
            raise errors.NotDirectory(f"{node.path()} is a file")
        return node

    def path(self, inode: int, name: str = "") -> str:
        """`inode`, or `name` in it, as a path for the log."""
        node = self.tree.get(inode)
        base = node.path() if node is not None else f"(inode {inode})"
        return f"{base.rstrip('/')}/{name}" if name else base

    def attributes(self, node: Node) -> Attributes:
        """What stat says of `node`; costs nothing."""
        kind = node.kind
        if kind in _SPOOLED:
            spooled = self.spool.get(node.inode)
            if spooled is None:
                # It was deleted and is still open; what is left is what its handle says.
                return remote_attributes(node, self.ownership)
            return spooled_attributes(node, spooled)
        if kind in _CONTROL:
            return control_attributes(node, self.ownership, len(self._controls[node.name]()))
        writable = self.writable.seconds(node) if isinstance(node, File) else 0.0
        return remote_attributes(node, self.ownership, writable)

    def get_attributes(self, inode: int) -> Attributes:
        """What stat says of the node at `inode`; raises NoSuchName."""
        return self.attributes(self.node(inode))

    # Looking

    def lookup_now(self, parent: int, name: str) -> Node | None:
        """The node of `name`, where that is certain without asking the service; None: use `lookup`.

        Raises NoSuchName, NotDirectory.
        """
        directory = self.directory(parent)
        if directory is self.tree.root and name == CONTROL_NAME:
            return self._control_directory
        node = directory.names.get(name)
        # Of equal names the newest file has the plain one, so files that aren't known yet may matter.
        certain = isinstance(node, Directory) or (
            node is not None and (node.kind is Kind.LOCAL_FILE or self.is_whole(directory))
        )
        return node if certain else None

    def is_missing(self, parent: int, name: str) -> bool:
        """Whether it is certain without asking the service that there is no such name, nor will be until the kernel is
        told. Quick: whatever is copied in is looked up twice. Raises NoSuchName, NotDirectory."""
        directory = self.directory(parent)
        return (
            name not in directory.names
            and directory is not self.tree.root
            and len(name) <= MAX_NAME_BYTES // 4
            and self.is_whole(directory)
        )

    async def lookup(self, parent: int, name: str, caller: Caller) -> Node:
        """The node of `name` in the directory at `parent`.

        Costs requests only where the directory isn't known whole. Raises NoSuchName, NotDirectory, NameTooLong,
        and the API's errors for the root alone: elsewhere, without the network, what isn't known is not there,
        so that it can be made.
        """
        node = self.lookup_now(parent, name)
        if node is not None:
            return node
        directory = self.directory(parent)
        if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
            raise errors.NameTooLong(f"{name!r} is longer than {MAX_NAME_BYTES} bytes")
        if never_on_server(name) and name not in directory.names:
            raise errors.NoSuchName(f"no {name}", lasting=True)
        whole = self.is_whole(directory)
        if not whole:
            try:
                whole = await self._fill(directory, caller.lane)
            except NotFound as error:
                raise errors.NoSuchName(str(error)) from error
            except ApiError as error:
                if directory is self.tree.root:
                    raise
                log.info("%s isn't known whole: %s", directory.path(), error)
        node = directory.names.get(name)
        if node is None:
            raise errors.NoSuchName(f"no {name} in {directory.path()}", lasting=whole)
        return node

    def find(self, path: str) -> Node:
        """The node at `path`, which starts at the mount's root; of what is known. Raises NoSuchName."""
        node: Node = self.tree.root
        for part in filter(None, path.split("/")):
            below = node.names.get(part) if isinstance(node, Directory) else None
            if below is None:
                raise errors.NoSuchName(f"there is no {path} in this drive")
            node = below
        return node

    async def open_directory(self, inode: int, caller: Caller) -> DirectoryHandle:
        """A snapshot of the names in the directory at `inode`; reads from the service what isn't known yet.

        Without the network it is what is known. Raises NoSuchName, NotDirectory, and the API's errors where
        nothing is known.
        """
        directory = self.directory(inode)
        if caller.lane is Lane.PERSON:
            self.contents.looked(inode)
            owners = self.tree.owners_in(directory)
            self.catalog.looked(owners[0] if owners else None)
        try:
            await self._fill(directory, caller.lane)
        except NotFound as error:
            raise errors.NoSuchName(str(error)) from error
        except ApiError as error:
            if not self._anything_known(directory):
                raise
            log.info("%s shows what was known: %s", directory.path(), error)
        if self.tree.get(inode) is not directory:
            raise errors.NoSuchName(f"inode {inode} is gone")
        return DirectoryHandle(directory, list(directory.names.items()))

    def rewind(self, handle: DirectoryHandle) -> None:
        """Let a listing that begins, or begins anew, be of what is in the directory by now: rewinddir(3)."""
        handle.names = list(handle.node.names.items())

    def entries(self, handle: DirectoryHandle, first: int) -> Iterator[tuple[int, str, Node]]:
        """The names of the listing from index `first` on, each with its index and what it means by now.

        One that is gone is left out. To be gone through without waiting in between.
        """
        names, now = handle.names, handle.node.names
        for index in range(first, len(names)):
            name = names[index][0]
            node = now.get(name)
            if node is not None:
                yield index, name, node

    def is_whole(self, directory: Directory) -> bool:
        """Whether everything that belongs into `directory` itself is known."""
        catalog = self.catalog
        match directory.kind:
            case Kind.ROOT | Kind.FOLDER:
                return catalog.knows_projects()
            case Kind.PROJECT:
                return catalog.knows_tasks(directory.id) and all(
                    catalog.knows_files(owner) for owner in self.tree.owners_in(directory)
                )
            case Kind.TASK:
                return catalog.knows_files(("task", directory.id))
        return True

    def _anything_known(self, directory: Directory) -> bool:
        match directory.kind:
            case Kind.ROOT | Kind.FOLDER:
                return self.catalog.knows_projects()
            case Kind.PROJECT:
                return bool(directory.names) or self.catalog.knows_tasks(directory.id)
        return True

    async def _fill(self, directory: Directory, lane: Lane) -> bool:
        """Have the catalog learn what belongs into `directory`; True when it is known whole. Raises ApiError."""
        match directory.kind:
            case Kind.ROOT | Kind.FOLDER:
                await self.catalog.need_projects(lane)
            case Kind.PROJECT:
                await self._fill_project(directory, lane)
            case Kind.TASK:
                await self.catalog.need_files(("task", directory.id), lane)
        return self.is_whole(directory)

    async def _fill_project(self, project: Directory, lane: Lane) -> None:
        """Ask for tasks and own files at one time, where neither is known: two requests, and one wait."""
        catalog = self.catalog
        own: Owner = ("project", project.id)
        if not catalog.knows_tasks(project.id) and not catalog.knows_files(own):
            failures: list[ApiError] = []

            async def ask(need: Awaitable[None]) -> None:
                try:
                    await need
                except ApiError as error:
                    failures.append(error)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask, catalog.need_tasks(project.id, lane))
                nursery.start_soon(ask, catalog.need_files(own, lane))
            if failures:
                raise failures[0]
        await catalog.need_tasks(project.id, lane)
        # Which tasks are shown here is known only now.
        for owner in self.tree.owners_in(project):
            await catalog.need_files(owner, lane)

    # Reading

    def open(self, inode: int, caller: Caller, *, write: bool = False) -> FileHandle:
        """Open the file at `inode`; no request, no waiting. An attachment is opened for writing by Namespace.open.

        Raises NoSuchName, IsDirectory, for a large file in the background lane NotUnasked, and for writing
        Denied, ReadOnly, or what the spool raises.
        """
        node = self.node(inode)
        if not isinstance(node, File):
            raise errors.IsDirectory(f"{node.path()} is a directory")
        handle: FileHandle
        if node.kind is Kind.LOCAL_FILE:
            if write and self.ownership.read_only:
                raise errors.ReadOnly("the drive is mounted read-only")
            handle = SpooledHandle(node, self.spool.open(inode, write=write, pid=caller.pid))
        elif write:
            self.refuse_write(node)
        elif node.kind is Kind.CONTROL_FILE:
            handle = ControlHandle(node, self._controls[node.name]())
        else:
            handle = self._open_attachment(node, caller)
            if caller.lane is Lane.PERSON and node.parent is not None:
                siblings = functools.partial(_attachments, node.parent)
                self.contents.opened(node.parent.inode, node.id, node.size, siblings)
        self.opened(handle)
        return handle

    def _open_attachment(self, node: File, caller: Caller) -> AttachmentHandle:
        if caller.lane is Lane.BACKGROUND and not self.contents.is_worth_it(node.id, node.size):
            raise errors.NotUnasked(
                f"{node.path()} is large and isn't fetched for a program that reads unasked; a person may open it"
            )
        place = node.parent.inode if node.parent is not None else None
        return AttachmentHandle(
            node, self.contents.open(node.id, node.size, caller.lane, place), glance=caller.glance
        )

    def refuse_write(self, node: Node) -> None:
        """Raise what writing to a node of the service gets."""
        if self.ownership.read_only:
            raise errors.ReadOnly("the drive is mounted read-only")
        raise errors.Denied(
            f"{node.path()} is an attachment: Worksection can't change one; save under another name instead"
            + (
                " (it is an older version, or lies where nothing can be put)"
                if self.writable.versions
                else ""
            )
        )

    def opened(self, handle: FileHandle) -> None:
        """Note an open handle: its node stays known while it has one."""
        self._open.setdefault(handle.node.inode, (handle.node, set()))[1].add(handle)

    def handles_of(self, inode: int) -> list[FileHandle]:
        """The open handles of the file at `inode`."""
        return list(self._open[inode][1]) if inode in self._open else []

    def read_now(self, handle: FileHandle, offset: int, length: int) -> bytes | None:
        """What can be read without waiting; None: use `read`."""
        if isinstance(handle, AttachmentHandle) and handle.spooled is None:
            return handle.reader.read_now(offset, length)
        spooled = spooled_of(handle)
        if spooled is not None:
            return spooled.read(offset, length)
        assert isinstance(handle, ControlHandle)
        return handle.data[offset : offset + length]

    async def read(self, handle: FileHandle, offset: int, length: int) -> bytes:
        """Read at most `length` bytes at `offset`, fewer only at the end.

        Raises what the download raises: the API's errors, ContentError; for a glance NotUnasked.
        """
        if isinstance(handle, AttachmentHandle) and handle.spooled is None:
            if handle.glance is not None:
                return await self._glance(handle, handle.glance, offset, length)
            return await handle.reader.read(offset, length)
        data = self.read_now(handle, offset, length)
        assert data is not None
        return data

    async def _glance(self, handle: AttachmentHandle, most: float, offset: int, length: int) -> bytes:
        """Read for one who only wants to see what kind of file it is. Raises NotUnasked where that takes time."""
        place = handle.node.parent.inode if handle.node.parent is not None else None
        with trio.move_on_after(self._glances.patience(place, most)) as patience:
            if patience.deadline > trio.current_time():
                return await handle.reader.read(offset, length)
        raise errors.NotUnasked(f"{handle.node.path()} isn't here, and a glance at it waits no longer")

    async def release(self, handle: FileHandle) -> None:
        """Give a handle back; the last one of a pending file begins its settling."""
        inode = handle.node.inode
        if inode in self._open:
            handles = self._open[inode][1]
            handles.discard(handle)
            if not handles:
                del self._open[inode]
        if isinstance(handle, AttachmentHandle):
            handle.reader.close()
        spooled = spooled_of(handle)
        if spooled is not None:
            await self.spool.release(spooled)

    # The rest

    def free_space(self) -> os.statvfs_result:
        """The room there is for writes: that of the disk which holds the spool."""
        return os.statvfs(self._spool_directory)


def _attachments(directory: Directory) -> list[tuple[int, int]]:
    """File id and size of the attachments in `directory`, in the order in which a viewer shows them."""
    files = [node for node in directory if isinstance(node, File) and node.kind is Kind.ATTACHMENT]
    return [(file.id, file.size) for file in sorted(files, key=lambda file: file.name.casefold())]
