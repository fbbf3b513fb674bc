"""What the catalog learns becomes nodes of the tree."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator

from wsfs.api.models import File, Project, Task, User
from wsfs.tree.layout import Tree
from wsfs.tree.nodes import AttachmentRecord, Owner, ProjectRecord, TaskRecord
from wsfs.tree.nodes import File as TreeFile


class Population:
    """The catalog's sink: translates what it tells into the tree's records, and calls `changed` after each, before
    that `gone` with attachments that the service doesn't have any more, where there are any.

    `timezone` is the account's (None: the machine's), in which the service tells its naive times.
    `remembered_drop(project_id)` gives the drop task that this machine made or found before. `drop_title` None:
    drop tasks are tasks like others.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        timezone: datetime.tzinfo | None = None,
        drop_title: str | None = None,
        remembered_drop: Callable[[int], int | None] = lambda project_id: None,
        changed: Callable[[], None] = lambda: None,
        gone: Callable[[list[TreeFile]], None] = lambda files: None,
    ) -> None:
        self._tree = tree
        self._timezone = timezone
        self._drop_title = drop_title
        self._remembered_drop = remembered_drop
        self._changed = changed
        self._gone = gone
        self._drops: dict[int, int] = {}

    def projects(self, projects: list[Project]) -> None:
        """The complete list of projects."""
        self._tree.set_projects(self._project(project) for project in projects)
        self._changed()

    def tasks(self, project_id: int | None, tasks: list[Task]) -> None:
        """The complete list of tasks of a project, or of the account, subtasks nested."""
        self._tree.set_tasks(self._flat(tasks, project_id or 0), project_id)
        for id in [project_id] if project_id is not None else list(self._tree.projects):
            self._find_drop(id)
        self._changed()

    def task(self, project_id: int, task: Task) -> None:
        """One task that is new, changed or moved, with its subtasks; others stay."""
        parent = task.parent.id if task.parent is not None else 0
        self._tree.set_task(self._flat([task], project_id, parent))
        self._find_drop(project_id)
        self._changed()

    def files(self, owner: Owner, files: list[File], complete: bool) -> None:
        """Every file that is known of `owner`."""
        known = self._tree.attachments_of(owner)
        self._tree.set_attachments(owner, (self.attachment(file) for file in files))
        self._miss(known)
        self._changed()

    def vanished(self, owner: Owner, *, deleted: bool = False) -> None:
        """A project or task is gone, with everything in it; `deleted` from the service, too."""
        known = self._tree.attachments_of(owner, below=True) if deleted else []
        self._tree.vanished(owner)
        self._miss(known)
        self._changed()

    def _miss(self, known: list[TreeFile]) -> None:
        """Tell which of these attachments aren't in the tree any more."""
        gone = [file for file in known if file.id not in self._tree.attachments]
        if gone:
            self._gone(gone)

    def attachment(self, file: File) -> AttachmentRecord:
        """The tree's record of an attachment."""
        return AttachmentRecord(
            file.id,
            file.name,
            file.size,
            self.stamp_ns(file.date_added) if file.date_added is not None else None,
            _person(file.user_from) if file.user_from is not None else None,
        )

    def stamp_ns(self, time: datetime.datetime | None) -> int:
        """A naive time of the account's zone as nanoseconds since 1970; 0 for none."""
        if time is None:
            return 0
        if self._timezone is not None:
            time = time.replace(tzinfo=self._timezone)
        try:
            return int(time.timestamp()) * 1_000_000_000
        except (OverflowError, ValueError, OSError):
            return 0

    def drop_of(self, project_id: int) -> int | None:
        """The id of the project's drop task: the remembered one, else the top-level task of exactly that title.

        The lowest id where there are several, so that thirty machines choose the same; a done one is none.
        """
        tree = self._tree
        remembered = self._drops.get(project_id) or self._remembered_drop(project_id)
        if remembered is not None:
            task = tree.tasks.get(remembered)
            if task is not None and task.status != "done" and task.project_id == project_id:
                return remembered
        titled = [
            task.id
            for task in tree.tasks_of(project_id)
            if task.title == self._drop_title and not task.task_parent and task.status != "done"
        ]
        return min(titled, default=None)

    def remember_drop(self, project_id: int, task_id: int) -> None:
        """Let `task_id` be the project's drop task, which was just made or filled from here."""
        self._drops[project_id] = task_id
        self._find_drop(project_id)
        self._changed()

    def _find_drop(self, project_id: int) -> None:
        if self._drop_title is not None:
            self._tree.set_drop_task(project_id, self.drop_of(project_id))

    def _project(self, project: Project) -> ProjectRecord:
        return ProjectRecord(
            project.id,
            project.name,
            project.status,
            project.company or "",
            self.stamp_ns(project.date_added),
            _person(project.user_from),
        )

    def _flat(self, tasks: Iterable[Task], project_id: int, parent_id: int = 0) -> Iterator[TaskRecord]:
        for task in tasks:
            owner = task.project.id if task.project is not None else project_id
            yield TaskRecord(
                task.id,
                owner,
                task.name,
                parent_id,
                task.status == "done",
                self.stamp_ns(task.date_added),
                _person(task.user_from),
            )
            yield from self._flat(task.child, owner, task.id)


def _person(user: User | None) -> str:
    if user is None:
        return ""
    return f"{user.name} <{user.email}>" if user.email else user.name
