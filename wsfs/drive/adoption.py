"""What the sender asks of the drive, and how a pending file becomes an attachment without anyone seeing a gap.

A node keeps its inode and its mtime for ever, through the alias table; its bytes move into the content cache,
so that reading it back costs no request.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import trio

from wsfs.api.errors import ApiError
from wsfs.api.models import File, Project, Ref, Task
from wsfs.api.pacing import Lane
from wsfs.content.errors import ContentError
from wsfs.drive.filesystem import Drive
from wsfs.drive.population import Population
from wsfs.tree.inodes import Kind
from wsfs.tree.nodes import Directory, Node, Owner
from wsfs.tree.nodes import File as FileNode
from wsfs.uploads.hooks import (
    Destination,
    ProjectDestination,
    RootDestination,
    SentBatch,
    TaskDestination,
)
from wsfs.uploads.nodes import Spooled
from wsfs.uploads.spool import Spool
from wsfs.uploads.states import IN_FLIGHT

log = logging.getLogger(__name__)


class Memory(Protocol):
    """What remembers aliases and settings for ever, and what the catalog was told (catalog.store.Store)."""

    async def add_alias(self, kind: int, node_id: int, inode: int, mtime_ns: int | None = None) -> None: ...
    async def set(self, key: str, value: Any) -> None: ...
    async def flush(self) -> None: ...


class Taught(Protocol):
    """What the catalog is told of what was made here (catalog.Catalog)."""

    def knows_files(self, owner: Owner) -> bool: ...
    def asking(self) -> AbstractContextManager[int]: ...
    def is_overtaken(self, owner: Owner, asked: int) -> bool: ...
    def files_listed(self, owner: Owner, files: list[File]) -> None: ...
    def files_added(self, owner: Owner, files: list[File]) -> None: ...
    def files_in_doubt(self, owner: Owner) -> None: ...
    def task_created(self, task: Task) -> None: ...
    def project_created(self, project: Project) -> None: ...
    async def reload_tasks(self, project_id: int, lane: Lane) -> None: ...
    async def refresh(self, owner: Owner | None, lane: Lane = Lane.PERSON) -> None: ...


class Adopting(Protocol):
    """The part of the content cache that takes a file in."""

    async def adopt(self, file_id: int, size: int, path: Path) -> None: ...


def drop_key(project_id: int) -> str:
    """Under which a project's drop task is remembered."""
    return f"drop_task:{project_id}"


class Adoption:
    """The sender's hooks (see wsfs.uploads.hooks.Hooks)."""

    def __init__(
        self,
        drive: Drive,
        population: Population,
        catalog: Taught,
        contents: Adopting,
        memory: Memory,
        *,
        drop_title: str,
    ) -> None:
        self._drive = drive
        self._tree = drive.tree
        self._population = population
        self._catalog = catalog
        self._contents = contents
        self._memory = memory
        self._drop_title = drop_title

    def destination(self, parent_inode: int) -> Destination | None:
        """What the directory at `parent_inode` is on the server."""
        node = self._tree.get(parent_inode)
        if not isinstance(node, Directory):
            return None
        match node.kind:
            case Kind.ROOT:
                return RootDestination()
            case Kind.PROJECT:
                return ProjectDestination(node.id, self._tree.drop_tasks.get(node.id))
            case Kind.TASK:
                return TaskDestination(node.id, node.project_id)
        return None

    def place(self, parent_inode: int) -> str | None:
        """Where the directory at `parent_inode` is in the drive."""
        node = self._tree.get(parent_inode)
        return None if node is None else node.path()

    def known_files(self, task_id: int) -> frozenset[int] | None:
        """The ids of the task's attachments, where the listing is complete."""
        owner: Owner = ("task", task_id)
        return self._tree.attachment_ids(owner) if self._catalog.knows_files(owner) else None

    def known_children(self, project_id: int, task_id: int) -> frozenset[int]:
        """The ids of the tasks, or (without any id) of the projects, that the tree has there."""
        if not project_id:
            return frozenset(self._tree.projects)
        tasks = self._tree.tasks_of(project_id)
        return frozenset(task.id for task in tasks if task.task_parent == task_id)

    async def find_drop_task(self, project_id: int, title: str) -> int | None:
        """Look anew for the project's drop task, since another machine may have made it (one request)."""
        await self._catalog.reload_tasks(project_id, Lane.UPLOAD)
        return self._population.drop_of(project_id)

    def changed(self, inode: int) -> None:
        """Have the kernel ask anew for a pending node; and see whether what it hid is another's after all."""
        self._drive.publisher.changed(inode)
        self._tree.unveil()
        self._drive.publisher.publish()

    def asking(self) -> AbstractContextManager[int]:
        """Around a listing that is read for `sent`."""
        return self._catalog.asking()

    async def sent(self, result: SentBatch) -> None:
        """Remember for ever what becomes of each node, move the bytes, and at last turn the nodes, in one step."""
        owner = _owner(result)
        for inode, (kind, id) in result.created.items():
            await self._memory.add_alias(Kind.PROJECT if kind == "project" else Kind.TASK, id, inode)
        for inode, file in result.files.items():
            await self._keep_bytes(file, result.paths[inode])
        if result.drop_task and result.task_id is not None and result.project_id is not None:
            await self._memory.set(drop_key(result.project_id), result.task_id)
        if owner is not None and result.all_files is None and self._catalog.knows_files(owner):
            await self._list_anew(owner)
        await self._remember_files(result)
        # From here on nothing waits: no listing and no open sees half of it.
        overtaken = owner is not None and self._catalog.is_overtaken(owner, result.asked)
        self._turn_directories(result)
        if owner is not None:
            self._turn_files(result, owner, overtaken=overtaken)
        self._tree.unveil()
        self._drive.publisher.publish()

    async def remembered(self) -> None:
        """Write what the catalog was told: else a crash now would leave a listing without what was uploaded."""
        try:
            await self._memory.flush()
        except sqlite3.Error as error:
            log.info("The catalog can't be written now: %s", error)

    async def _remember_files(self, result: SentBatch) -> None:
        """Record the inode and the mtime of each file: what they are when this returns, for a copy that keeps
        times may set one meanwhile."""
        told: dict[int, int] = {}
        while later := [one for one in result.files if told.get(one) != result.nodes[one].mtime_ns]:
            for inode in later:
                mtime_ns = told[inode] = result.nodes[inode].mtime_ns
                await self._memory.add_alias(Kind.ATTACHMENT, result.files[inode].id, inode, mtime_ns)

    def _turn_directories(self, result: SentBatch) -> None:
        destination = result.destination
        project_id = result.project_id or 0
        for inode, (kind, id) in result.created.items():
            title = result.nodes[inode].name
            if kind == "project":
                self._tree.adopt_directory(inode, ("project", id), id, 0, title)
                self._catalog.project_created(Project(id=id, name=title, status="active"))
            else:
                parent = destination.task_id if isinstance(destination, TaskDestination) else 0
                self._tree.adopt_directory(inode, ("task", id), project_id, parent, title)
                self._catalog.task_created(_task(id, title, project_id, parent))
            self._tree.date_at_least(inode, result.nodes[inode].mtime_ns)
        if result.drop_task and result.task_id is not None:
            self._population.remember_drop(project_id, result.task_id)
            if result.task_id not in self._tree.tasks:
                self._catalog.task_created(_task(result.task_id, self._drop_title, project_id, 0))

    def _turn_files(self, result: SentBatch, owner: Owner, *, overtaken: bool) -> None:
        shown = self._tree.attachment_ids(owner)
        with self._tree.together():
            for inode, file in result.files.items():
                # One that a program has opened for writing meanwhile stays pending; it comes again.
                if result.leaving(inode):
                    record, mtime_ns = self._population.attachment(file), result.nodes[inode].mtime_ns
                    self._tree.adopt_file(inode, owner, record, mtime_ns)
        if result.all_files is not None and not overtaken:
            self._catalog.files_listed(owner, list(result.all_files))
            return
        ours = list(result.files.values())
        if overtaken and not shown.issuperset(file.id for file in ours):
            # What came meanwhile may have been asked for before, and even before the post.
            self._catalog.files_in_doubt(owner)
        self._catalog.files_added(owner, ours)

    async def _list_anew(self, owner: Owner) -> None:
        """The listing that told the ids was read by an earlier run, and the catalog never saw it."""
        try:
            await self._catalog.refresh(owner, Lane.UPLOAD)
        except ApiError as error:
            log.info("What was sent before the last start isn't listed anew yet: %s", error)
            # Else the next upload there would take what the listing lacks for its own.
            self._catalog.files_in_doubt(owner)

    async def _keep_bytes(self, file: File, path: Path) -> None:
        """Give the cache a name of its own for the bytes: the spool's may still be open."""
        link = path.with_name(f"{path.name}.adopted")
        try:
            await trio.to_thread.run_sync(_link, path, link)
            await self._contents.adopt(file.id, file.size, link)
        except (OSError, ContentError) as error:
            log.info("%s isn't kept in the cache, and will be fetched when it is read: %s", file.name, error)
        finally:
            with contextlib.suppress(OSError):
                link.unlink(missing_ok=True)


def is_twin(spool: Spool, home: int, node: Node) -> bool:
    """Whether `node`, new in an answer, is one of ours that still shows as a pending node in the directory at
    inode `home`.

    What is being sent is known by its name (a file by its size too) until its id is, and by the id then.
    """
    pending = spool.child(home, node.title)
    if not isinstance(node, FileNode):
        return pending is not None and pending.is_dir and pending.state in IN_FLIGHT
    candidates = [] if pending is None else [pending]
    if spool.batches:
        candidates += [one for one in spool.shadows.values() if one.parent == home]
        candidates += [one for one in spool.children(home) if one.remote_id == node.id]
    return any(_became(one, node) for one in candidates)


def _became(pending: Spooled, node: FileNode) -> bool:
    if pending.is_dir or pending.state not in IN_FLIGHT:
        return False
    if pending.remote_id is not None:
        return pending.remote_id == node.id
    return (pending.name, pending.size) == (node.title, node.size)


def _owner(result: SentBatch) -> Owner | None:
    """Whose the files of a batch are."""
    if result.task_id is not None:
        return ("task", result.task_id)
    return None if result.project_id is None else ("project", result.project_id)


def _link(path: Path, link: Path) -> None:
    link.unlink(missing_ok=True)
    os.link(path, link)


def _task(id: int, title: str, project_id: int, parent: int) -> Task:
    return Task(
        id=id,
        name=title,
        status="active",
        project=Ref(id=project_id),
        parent=Ref(id=parent) if parent else None,
        has_comments=False,
    )
