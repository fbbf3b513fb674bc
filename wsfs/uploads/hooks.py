"""What the sender asks of the drive and of the API's client, and what it tells them."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol

from wsfs.api.client import Attachment
from wsfs.api.models import Comment, File, Project, Task
from wsfs.api.pacing import Lane
from wsfs.uploads.nodes import Spooled


@dataclasses.dataclass(frozen=True)
class TaskDestination:
    """A task's directory: files become a comment, directories subtasks."""

    task_id: int
    project_id: int


@dataclasses.dataclass(frozen=True)
class ProjectDestination:
    """A project's directory: files go to its drop task (None: it isn't known), directories become tasks."""

    project_id: int
    drop_task_id: int | None = None


@dataclasses.dataclass(frozen=True)
class RootDestination:
    """The account's own directory: directories become projects."""


Destination = TaskDestination | ProjectDestination | RootDestination


@dataclasses.dataclass(frozen=True)
class SentBatch:
    """What the service has taken, and what became of it.

    `files` are the attachments by the spooled inode they were, `created` what became of a spooled directory,
    `nodes` the spooled nodes of both, `paths` where the files' contents are until this is taken. `task_id` is
    the task that has the files (None: `project_id` has them in its description). With `drop_task` that task is
    the project's drop task. `all_files` is the whole listing of that task or project, read since the moment `asked`
    that `Hooks.asking` gave; None where it was not read (a start that goes on with what an earlier run had sent).

    `leaving` tells, by inode, whether a node still is to be turned into its attachment: a program may have
    opened it for writing since. Then it stays, and what was sent of it comes again, in this or another node.

    A node that is a `shadow` is in no directory: a newer version has its place and its inode, so its attachment
    has an inode of its own, which is the one given here.
    """

    destination: Destination
    project_id: int | None
    task_id: int | None
    created: Mapping[int, tuple[Literal["task", "project"], int]]
    files: Mapping[int, File]
    nodes: Mapping[int, Spooled]
    paths: Mapping[int, Path]
    all_files: Sequence[File] | None
    asked: int
    drop_task: bool = False
    leaving: Callable[[int], bool] = lambda inode: True


class Hooks(Protocol):
    """What the drive knows and does for the sender. Synchronous ones must not raise."""

    def destination(self, parent_inode: int) -> Destination | None:
        """What a directory that isn't spooled is on the server; None where it isn't known (any more)."""
        ...

    def place(self, parent_inode: int) -> str | None:
        """The path of a directory that isn't spooled in the drive; None where it isn't known (any more)."""
        ...

    def known_files(self, task_id: int) -> frozenset[int] | None:
        """The ids of all attachments of a task; None where they aren't known completely."""
        ...

    def known_children(self, project_id: int, task_id: int) -> frozenset[int]:
        """The ids of the tasks known below a task, or (0) at the top of a project, or (both 0) of the projects."""
        ...

    async def find_drop_task(self, project_id: int, title: str) -> int | None:
        """Look anew for an open top-level task of exactly this title; asked right before one would be made."""
        ...

    def asking(self) -> AbstractContextManager[int]:
        """Around a listing that is read for `sent`, until that was given it; gives the moment at which this began."""
        ...

    async def sent(self, result: SentBatch) -> None:
        """Show the attachments and directories in the spooled nodes' stead.

        First await what has to be awaited (the aliases on disk, the bytes in the cache); then, without another
        await, turn the nodes for which `result.leaving(inode)` still holds, and return: in that same step the
        spool lets them go, so that nobody sees a file twice or not at all. May come again for the same nodes
        after a crash or after it raised, and for one batch in several parts.
        """
        ...

    async def remembered(self) -> None:
        """Have on the disk what `sent` showed, so that the next start shows it too; must not raise."""
        ...

    def changed(self, inode: int) -> None:
        """A spooled node's state, size or error changed."""
        ...


class Downloading(Protocol):
    """A download that has begun."""

    def chunks(self) -> AsyncIterator[bytes]: ...


class Poster(Protocol):
    """The part of the API's client that the sender uses; see wsfs.api.client.Client."""

    async def get_files(
        self, *, lane: Lane, project_id: int | None = None, task_id: int | None = None
    ) -> list[File]: ...

    async def get_comments(self, task_id: int, *, lane: Lane, extra: Sequence[str] = ()) -> list[Comment]: ...

    async def get_tasks(self, project_id: int, *, lane: Lane, extra: Sequence[str] = ()) -> list[Task]: ...

    async def get_projects(self, *, lane: Lane) -> list[Project]: ...

    def download(self, file_id: int, *, lane: Lane) -> AbstractAsyncContextManager[Downloading]: ...

    async def post_comment(
        self,
        task_id: int,
        *,
        lane: Lane,
        text: str,
        attachments: Sequence[Attachment] = (),
        email_user_from: str | None = None,
        hidden: str | None = None,
    ) -> Comment: ...

    async def post_task(
        self,
        project_id: int,
        *,
        lane: Lane,
        title: str,
        attachments: Sequence[Attachment] = (),
        id_parent: int | None = None,
        email_user_from: str | None = None,
        hidden: str | None = None,
    ) -> Task: ...

    async def post_project(
        self,
        *,
        lane: Lane,
        title: str,
        attachments: Sequence[Attachment] = (),
        email_user_from: str | None = None,
        hidden: str | None = None,
    ) -> Project: ...
