"""What the catalog tells, and to whom: the drive implements `Sink`."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from wsfs.api.models import File, Project, Task

Owner: TypeAlias = tuple[Literal["project", "task"], int]
"""Whose files: a project's own, or those of a task (its description's and its comments')."""


class Sink(Protocol):
    """Takes what the catalog learns; every method is synchronous and must not raise.

    The objects belong to the sink once told; the catalog keeps no task or file in memory itself. What is told
    is always newer than, or equal to, what was told before.
    """

    def projects(self, projects: list[Project]) -> None:
        """The complete list of projects: one that was told before and is missing here is gone."""

    def tasks(self, project_id: int | None, tasks: list[Task]) -> None:
        """The complete list of a project's top-level tasks, subtasks nested in `child` (None: of the account).

        The catalog tells them project by project. A task that was moved is told by `task` first, so whoever
        is of this project and missing here is gone, with the subtasks. `files` and `comments` of these tasks
        are always None: `files()` follows for each.
        """

    def task(self, project_id: int, task: Task) -> None:
        """One task, new, changed or moved, with the subtasks that were told with it.

        `task.parent` names the parent task of a subtask. A subtask that isn't in `child` stays.
        """

    def files(self, owner: Owner, files: list[File], complete: bool) -> None:
        """Every file that is known of `owner`, in place of those told before.

        `complete` False: its comments may hold more, and need_files() asks for them.
        """

    def vanished(self, owner: Owner, *, deleted: bool = False) -> None:
        """This project or task isn't there any more, nor what is below it.

        `deleted`: the service says so of the task itself. Else it may be where it isn't shown, and come back.
        """
