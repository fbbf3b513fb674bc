"""What is known, kept in memory as ids and flags, and the one place where it changes.

Every method is synchronous: it changes the memory, queues the same for the store, and tells the sink. Names,
dates and files are in the store and in the drive's tree, not here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec

from wsfs.api.models import File, Project, Ref, Task

from .merge import Merged
from .records import COMMENTED, COMPLETE, DETAILED, parent_of
from .sink import Owner, Sink
from .store import Store, StoredProject

log = logging.getLogger(__name__)

UNKNOWN, PARTLY, KNOWN = 0, 1, 2
"""What is known of a project's tasks: nothing, the active ones (the account has too many for one answer), all."""


class ProjectState:
    """A project and what is known of it; `read_at` is when its own files were read (unix time)."""

    __slots__ = ("flags", "project", "read_at", "tasks")

    def __init__(self, project: Project, tasks: int = UNKNOWN, flags: int = 0, read_at: float = 0.0) -> None:
        self.project = project
        self.tasks = tasks
        self.flags = flags
        self.read_at = read_at


class TaskPlace:
    """Where a task is (`parent` 0 at the top level), and the flags of its files."""

    __slots__ = ("flags", "parent", "project")

    def __init__(self, project: int, parent: int, flags: int) -> None:
        self.project = project
        self.parent = parent
        self.flags = flags


class Knowledge:
    """Ids and flags of everything in the account that is known."""

    def __init__(self, store: Store, sink: Sink) -> None:
        self.store = store
        self.sink = sink
        self.have_projects = False
        self.projects: dict[int, ProjectState] = {}
        self.tasks: dict[int, TaskPlace] = {}
        self.unread: set[int] = set()
        """Tasks whose files aren't all known."""
        self._store_lost = False
        self._ticks = 0
        self._touched: dict[Owner, int] = {}
        self._told: dict[Owner, int] = {}

    # order of things

    def tick(self) -> int:
        """The next moment of the catalog's own order of asking and learning."""
        self._ticks += 1
        return self._ticks

    def touch(self, owner: Owner) -> None:
        """Something newer than any answer to a request that is under way is known of `owner` (or its end)."""
        self._touched[owner] = self.tick()

    def newer_tasks(self, began: int) -> set[int]:
        """The tasks of which something was learnt after `began`."""
        return {owner[1] for owner, tick in self._touched.items() if tick > began and owner[0] == "task"}

    def is_newer(self, owner: Owner, began: int) -> bool:
        """Whether something was learnt of `owner` after `began`."""
        return self._touched.get(owner, 0) > began

    def told_files(self, owner: Owner, began: int) -> bool:
        """Whether an answer about tasks told other files of `owner`, or more of them, after `began`."""
        return self._told.get(owner, 0) > began

    def nothing_under_way(self) -> None:
        """No answer is expected: what was touched when doesn't matter any more."""
        self._touched.clear()
        self._told.clear()

    # questions

    def tasks_known(self, project_id: int) -> int:
        """UNKNOWN, PARTLY or KNOWN."""
        state = self.projects.get(project_id)
        return state.tasks if state is not None else UNKNOWN

    def knows(self, owner: Owner) -> bool:
        """Whether a project or task is there, as far as is known."""
        return owner[1] in (self.projects if owner[0] == "project" else self.tasks)

    def flags(self, owner: Owner) -> int:
        """The flags of an owner's files; 0 for one that isn't known."""
        state = self.projects.get(owner[1]) if owner[0] == "project" else self.tasks.get(owner[1])
        return state.flags if state is not None else 0

    def below(self, task_id: int) -> list[int]:
        """The ids of all subtasks below a task."""
        found: list[int] = []
        level = {task_id}
        while level:
            level = {tid for tid, place in self.tasks.items() if place.parent in level} - set(found)
            found.extend(level)
        return found

    def store_was_lost(self) -> None:
        """The store was begun anew, empty: have the next answers write everything, and projects' files read."""
        self._store_lost = True
        for state in self.projects.values():
            state.flags = 0

    # what is learnt

    def take_stored(self, stored: Iterable[StoredProject]) -> None:
        """The projects that the store held."""
        projects = []
        for project, tasks, flags, read_at, _ in stored:
            self.projects[project.id] = ProjectState(project, tasks, flags, read_at)
            projects.append(project)
        self.have_projects = True
        self.sink.projects(projects)

    def take_projects(self, projects: Iterable[Project], began: int) -> list[int]:
        """The complete list of projects; returns the ids of new ones."""
        told = {project.id: _plain(project) for project in projects if project.id}
        for project_id, state in self.projects.items():
            if self.is_newer(("project", project_id), began):
                told[project_id] = state.project
        for project_id in [pid for pid in told if pid not in self.projects]:
            if self.is_newer(("project", project_id), began):
                del told[project_id]  # it vanished meanwhile
        new = [project_id for project_id in told if project_id not in self.projects]
        gone = [project_id for project_id in self.projects if project_id not in told]
        changed = any(
            project_id not in self.projects or self.projects[project_id].project != project
            for project_id, project in told.items()
        )
        if self.have_projects and not gone and not changed and not self._store_lost:
            return new
        for project_id in gone:
            self._drop_project(project_id)
        for project_id, project in told.items():
            if project_id in self.projects:
                self.projects[project_id].project = project
            else:
                self.projects[project_id] = ProjectState(project)
        self.have_projects = True
        self._tell_projects()
        if self._store_lost:
            self._store_lost = False
            for project_id in self.projects:
                self.put_project_state(project_id)
        return new

    def add_project(self, project: Project) -> None:
        """A project that was made here: it has no task yet."""
        self.touch(("project", project.id))
        self.projects[project.id] = ProjectState(project, KNOWN)
        if self.have_projects:
            self._tell_projects()
            self.put_project_state(project.id)
            self.sink.tasks(project.id, [])

    def _tell_projects(self) -> None:
        projects = [state.project for state in self.projects.values()]
        self.store.put_projects(projects)
        self.sink.projects(list(projects))

    def put_project_state(self, project_id: int) -> None:
        """Queue what is known of a project for the store."""
        state = self.projects[project_id]
        self.store.put_project_state(project_id, state.tasks, state.flags, state.read_at)

    def take_whole(self, merged: Merged, known: int, *, stored: bool = False) -> None:
        """All of a project's tasks, as the store merged them; `known` is KNOWN or PARTLY.

        `stored`: they come from the store at the start, which knows about them already.
        """
        state = self.projects.get(merged.project)
        if state is None:
            return
        for task_id in merged.gone:
            place = self.tasks.get(task_id)
            if place is not None and place.project == merged.project:
                self._drop_task(task_id)
        if merged.tasks is not None:
            self.sink.tasks(merged.project, merged.tasks)
        self._take_places(merged)
        if state.tasks != known:
            state.tasks = known
            if not stored:
                self.put_project_state(merged.project)

    def take_single(self, merged: Merged) -> None:
        """One task with its subtasks, as the store merged it."""
        for task in merged.tasks or ():
            self.sink.task(merged.project, task)
        self._take_places(merged)

    def _take_places(self, merged: Merged) -> None:
        for task_id, project, parent, flags in merged.places:
            place = self.tasks.get(task_id)
            if place is None:
                self.tasks[task_id] = TaskPlace(project, parent, flags)
            else:
                place.project, place.parent, place.flags = project, parent, flags
            if flags & COMPLETE:
                self.unread.discard(task_id)
            else:
                self.unread.add(task_id)
        moment = self.tick()
        for owner, files, complete in merged.files:
            self._told[owner] = moment
            self.sink.files(owner, files, complete)

    def add_task(self, task: Task, project_id: int) -> None:
        """A task that was made here; its files are told by take_files."""
        self.touch(("task", task.id))
        place = self.tasks.get(task.id)
        parent = parent_of(task)
        flags = place.flags if place is not None else 0
        self.tasks[task.id] = TaskPlace(project_id, parent, flags)
        if not flags & COMPLETE:
            self.unread.add(task.id)
        told = msgspec.structs.replace(
            task,
            page=task.page or f"/project/{project_id}/{f'{parent}/' if parent else ''}{task.id}/",
            project=Ref(id=project_id),
            parent=Ref(id=parent) if parent else None,
            files=None,
            comments=None,
            has_comments=bool(flags & COMMENTED),
            child=[],
        )
        self.store.put_task(told, project_id, parent, flags)
        self.sink.task(project_id, told)

    def retitle(self, owner: Owner, title: str) -> None:
        """A project or task has another title since now; whoever gave it has told the sink's tree."""
        self.touch(owner)
        state = self.projects.get(owner[1]) if owner[0] == "project" else None
        if state is not None:
            state.project = msgspec.structs.replace(state.project, name=title)
        self.store.retitle(owner, title)

    def take_files(self, owner: Owner, files: list[File], now: float) -> None:
        """All of an owner's files, as get_files tells them, read at `now` (unix time)."""
        self.touch(owner)
        if owner[0] == "project":
            state = self.projects.get(owner[1])
            if state is None:
                return
            state.flags |= COMPLETE | DETAILED
            state.read_at = now
            self.put_project_state(owner[1])
        else:
            place = self.tasks.get(owner[1])
            if place is None:
                return
            place.flags |= COMPLETE | DETAILED
            self.unread.discard(owner[1])
            self.store.put_task_flags(owner[1], place.flags)
        self.store.put_files(owner, files)
        self.sink.files(owner, files, True)

    def forget_files(self, task_id: int) -> None:
        """A task's files were in the store alone, and are lost."""
        place = self.tasks.get(task_id)
        if place is not None:
            place.flags &= ~(COMPLETE | DETAILED)
            self.unread.add(task_id)

    def add_files(self, owner: Owner, files: list[File]) -> None:
        """Files that an owner got from here; the sink has them. What is known is as whole as it was."""
        self.touch(owner)
        if not self.knows(owner):
            return
        self.store.add_files(owner, files)
        if owner[0] == "task":
            # An answer that is being merged may have made it whole in the store, by what the sink isn't told of.
            self.store.put_task_flags(owner[1], self.tasks[owner[1]].flags)

    def doubt_files(self, owner: Owner) -> None:
        """An owner has a file that isn't among those that are known: they are no longer all of them."""
        self.touch(owner)
        if owner[0] == "project":
            state = self.projects.get(owner[1])
            if state is not None:
                state.flags &= ~(COMPLETE | DETAILED)
                self.put_project_state(owner[1])
            return
        place = self.tasks.get(owner[1])
        if place is not None:
            place.flags &= ~(COMPLETE | DETAILED)
            self.unread.add(owner[1])
            self.store.put_task_flags(owner[1], place.flags)

    def mark_commented(self, task_id: int) -> None:
        """A task's comments changed; its files are as complete as they were, and the next answer's comments right."""
        place = self.tasks.get(task_id)
        if place is not None:
            place.flags |= COMMENTED
            self.store.put_task_flags(task_id, place.flags, new_comments=True)

    def vanish(self, owner: Owner, *, deleted: bool = False) -> None:
        """A project or task isn't there any more; for `deleted` see Sink.vanished."""
        self.touch(owner)
        if owner[0] == "project":
            if owner[1] not in self.projects:
                return
            self._drop_project(owner[1])
            self.store.forget(owner)
        else:
            if owner[1] not in self.tasks:
                return
            below = self.below(owner[1])
            for task_id in below:
                self.touch(("task", task_id))
                self._drop_task(task_id)
            self._drop_task(owner[1])
            self.store.forget(owner, below)
        self.sink.vanished(owner, deleted=deleted)

    def _drop_task(self, task_id: int) -> None:
        self.tasks.pop(task_id, None)
        self.unread.discard(task_id)

    def _drop_project(self, project_id: int) -> None:
        self.projects.pop(project_id, None)
        for task_id in [tid for tid, place in self.tasks.items() if place.project == project_id]:
            self._drop_task(task_id)

    # counts

    def counts(self) -> dict[str, int]:
        """How much is known, for people."""
        return {
            "projects": len(self.projects),
            "projects_with_tasks": sum(state.tasks == KNOWN for state in self.projects.values()),
            "tasks": len(self.tasks),
            "tasks_complete": len(self.tasks) - len(self.unread),
            "projects_complete": sum(bool(state.flags & COMPLETE) for state in self.projects.values()),
        }


def _plain(project: Project) -> Project:
    """A project without what isn't kept of it."""
    if project.text or project.files is not None:
        return msgspec.structs.replace(project, text="", files=None)
    return project
