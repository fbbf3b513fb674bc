"""A model of an account that counts what it is asked, and a sink that remembers what it was told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import trio
import trio.testing

from wsfs.api.errors import ApiError, ProjectInvalid, TaskInvalid, TooManyTasks
from wsfs.api.models import Comment, Event, EventObject, File, Project, Ref, Task, User
from wsfs.api.pacing import Lane, Promotable
from wsfs.catalog.catalog import Catalog
from wsfs.catalog.sink import Owner
from wsfs.catalog.store import Store

ANNA = User(id=7, name="Anna", email="anna@example.com")
START = datetime(2024, 3, 5, 10, 0)


@dataclass
class ModelComment:
    id: int
    files: list[int] = field(default_factory=list)


@dataclass
class ModelTask:
    id: int
    project: int
    parent: int
    name: str
    status: str = "active"
    files: list[int] = field(default_factory=list)
    comments: list[ModelComment] = field(default_factory=list)


@dataclass
class ModelProject:
    id: int
    name: str
    status: str = "active"
    files: list[int] = field(default_factory=list)


class Account:
    """An account on the service: what colleagues do to it, and the client's reading half, which counts.

    `requests` are (action, subject); `lanes` the lane each had when it was sent. Time is trio's clock, counted
    from START.
    """

    def __init__(self) -> None:
        self.projects: dict[int, ModelProject] = {}
        self.tasks: dict[int, ModelTask] = {}
        self.file_names: dict[int, str] = {}
        self.events: list[tuple[datetime, Event]] = []
        self.requests: list[tuple[str, Any]] = []
        self.lanes: list[Lane] = []
        self.limit = 10_000
        self.comments_carry_files = False
        self.events_merged = False
        """Equal events of one minute are told as one."""
        self.seconds = 0.0
        self.fault: ApiError | None = None
        self.refuse: dict[str, ApiError] = {}
        self.gate: trio.Event | None = None
        self.delay = 0.0
        self._ids = 100

    # colleagues

    def new_id(self) -> int:
        self._ids += 1
        return self._ids

    def add_project(self, name: str = "Project", files: int = 0) -> int:
        project = ModelProject(self.new_id(), name, files=[self.new_file() for _ in range(files)])
        self.projects[project.id] = project
        self._event("post", "project", project.id, f"/project/{project.id}/")
        return project.id

    def add_task(self, project: int, name: str = "Task", *, parent: int = 0, files: int = 0) -> int:
        task = ModelTask(self.new_id(), project, parent, name, files=[self.new_file() for _ in range(files)])
        self.tasks[task.id] = task
        self._event("post", "task", task.id, self.page(task.id))
        return task.id

    def add_comment(self, task: int, files: int = 0) -> int:
        comment = ModelComment(self.new_id(), [self.new_file() for _ in range(files)])
        self.tasks[task].comments.append(comment)
        self._event("post", "comment", comment.id, f"{self.page(task)}#com{comment.id}")
        return comment.id

    def new_file(self) -> int:
        file_id = self.new_id()
        self.file_names[file_id] = f"file {file_id}.pdf"
        return file_id

    def delete_comment(self, task: int, comment: int) -> None:
        self.tasks[task].comments = [c for c in self.tasks[task].comments if c.id != comment]
        self._event("delete", "comment", comment, f"{self.page(task)}#com{comment}")

    def rename_task(self, task: int, name: str) -> None:
        self.tasks[task].name = name
        self._event("update", "task", task, self.page(task))

    def describe_task(self, task: int) -> None:
        self.tasks[task].files.append(self.new_file())
        self._event("update", "task", task, self.page(task))

    def close_task(self, task: int) -> None:
        self.tasks[task].status = "done"
        self._event("close", "task", task, self.page(task))

    def reopen_task(self, task: int) -> None:
        self.tasks[task].status = "active"
        self._event("reopen", "task", task, self.page(task))

    def move_task(self, task: int, project: int) -> None:
        """With its subtasks, to the top level of another project."""
        self.tasks[task].parent = 0
        for task_id in (task, *self.below(task)):
            self.tasks[task_id].project = project
        self._event("update", "task", task, self.page(task))

    def delete_task(self, task: int) -> None:
        page = self.page(task)
        for task_id in (*self.below(task), task):
            del self.tasks[task_id]
        self._event("delete", "task", task, page)

    def rename_project(self, project: int, name: str) -> None:
        self.projects[project].name = name
        self._event("update", "project", project, f"/project/{project}/", title=name)

    def describe_project(self, project: int) -> None:
        self.projects[project].files.append(self.new_file())
        self._event("update", "project", project, f"/project/{project}/")

    def close_project(self, project: int) -> None:
        self.projects[project].status = "archived"
        self._event("close", "project", project, f"/project/{project}/")

    def reopen_project(self, project: int) -> None:
        self.projects[project].status = "active"
        self._event("reopen", "project", project, f"/project/{project}/")

    def delete_project(self, project: int) -> None:
        del self.projects[project]
        for task in [t for t in self.tasks.values() if t.project == project]:
            del self.tasks[task.id]
        self._event("delete", "project", project, f"/project/{project}/")

    def _event(self, action: str, kind: str, number: int, page: str, **new: str) -> None:
        stamp = self.now()
        event = Event(
            action=action,
            object=EventObject(type=kind, id=number, page=page),
            date_added=stamp.replace(second=0, microsecond=0),
            user_from=ANNA,
            new=dict(new),
        )
        self.events.append((stamp, event))

    def now(self) -> datetime:
        try:
            self.seconds = max(self.seconds, trio.current_time())
        except RuntimeError:
            pass
        return START + timedelta(seconds=self.seconds)

    # shapes

    def below(self, task: int) -> list[int]:
        children = [t.id for t in self.tasks.values() if t.parent == task]
        return children + [deeper for child in children for deeper in self.below(child)]

    def page(self, task: int) -> str:
        chain = []
        walk = self.tasks[task]
        while True:
            chain.append(str(walk.id))
            if not walk.parent:
                break
            walk = self.tasks[walk.parent]
        return f"/project/{walk.project}/{'/'.join(reversed(chain))}/"

    def api_file(self, file: int, *, dated: bool) -> File:
        return File(
            id=file,
            name=self.file_names[file],
            size=file * 10,
            page=f"/download/{file}",
            date_added=START if dated else None,
            user_from=ANNA if dated else None,
        )

    def api_task(self, task: ModelTask, extra: Sequence[str], *, active: bool = False) -> Task:
        told = Task(
            id=task.id,
            name=task.name,
            page=self.page(task.id),
            status=task.status,
            project=Ref(id=task.project),
            parent=Ref(id=task.parent) if task.parent else None,
            date_added=START,
            user_from=ANNA,
        )
        if "files" in extra:
            told.files = [self.api_file(file, dated=False) for file in task.files]
        if "comments" in extra:
            told.has_comments = bool(task.comments)
            told.comments = [
                Comment(
                    id=comment.id,
                    files=[self.api_file(file, dated=False) for file in comment.files]
                    if self.comments_carry_files
                    else None,
                )
                for comment in task.comments[-5:]
            ]
        if "subtasks" in extra:
            told.child = [
                self.api_task(child, extra, active=active)
                for child in self.tasks.values()
                if child.parent == task.id and (child.status == "active" or not active)
            ]
        return told

    def api_projects(self, statuses: str = "active,pending") -> list[Project]:
        return [
            Project(id=p.id, name=p.name, page=f"/project/{p.id}/", status=p.status, date_added=START)
            for p in self.projects.values()
            if p.status in statuses.split(",")
        ]

    def api_tasks(self, project: int, extra: Sequence[str], *, active: bool = False) -> list[Task]:
        return [
            self.api_task(task, extra, active=active)
            for task in self.tasks.values()
            if task.project == project and not task.parent and (task.status == "active" or not active)
        ]

    def all_files(self, owner: Owner) -> list[File]:
        kind, number = owner
        if kind == "project":
            return [self.api_file(file, dated=True) for file in self.projects[number].files]
        task = self.tasks[number]
        ids = [*task.files, *(file for comment in task.comments for file in comment.files)]
        return [self.api_file(file, dated=True) for file in ids]

    # the client

    async def _asked(self, action: str, subject: Any, lane: Lane | Promotable) -> None:
        await trio.lowlevel.checkpoint()
        await trio.sleep(self.delay)
        if self.gate is not None:
            await self.gate.wait()
        self.requests.append((action, subject))
        self.lanes.append(lane.lane if isinstance(lane, Promotable) else lane)
        if self.fault is not None:
            raise self.fault
        if action in self.refuse:
            raise self.refuse[action]

    async def get_projects(
        self, *, lane: Lane | Promotable, filter: str | None = None, extra: Sequence[str] = ()
    ) -> list[Project]:
        await self._asked("get_projects", None, lane)
        return self.api_projects(filter or "active,pending,archived")

    async def get_all_tasks(
        self, *, lane: Lane | Promotable, extra: Sequence[str] = (), filter: str | None = None
    ) -> list[Task]:
        await self._asked("get_all_tasks", filter, lane)
        active = filter == "active"
        if sum(task.status == "active" or not active for task in self.tasks.values()) > self.limit:
            raise TooManyTasks()
        return [
            task
            for project in self.projects.values()
            if project.status != "archived" or "archive" in extra
            for task in self.api_tasks(project.id, extra, active=active)
        ]

    async def get_tasks(
        self,
        project_id: int,
        *,
        lane: Lane | Promotable,
        extra: Sequence[str] = (),
        filter: str | None = None,
    ) -> list[Task]:
        await self._asked("get_tasks", project_id, lane)
        if project_id not in self.projects:
            raise ProjectInvalid()
        return self.api_tasks(project_id, extra, active=filter == "active")

    async def get_task(self, task_id: int, *, lane: Lane | Promotable, extra: Sequence[str] = ()) -> Task:
        await self._asked("get_task", task_id, lane)
        if task_id not in self.tasks:
            raise TaskInvalid()
        return self.api_task(self.tasks[task_id], extra)

    async def get_files(
        self, *, lane: Lane | Promotable, project_id: int | None = None, task_id: int | None = None
    ) -> list[File]:
        owner: Owner = ("task", task_id) if task_id is not None else ("project", project_id or 0)
        await self._asked("get_files", owner, lane)
        if owner[1] not in (self.tasks if owner[0] == "task" else self.projects):
            raise TaskInvalid() if owner[0] == "task" else ProjectInvalid()
        return self.all_files(owner)

    async def get_events(
        self, period: str, *, lane: Lane | Promotable, project_id: int | None = None
    ) -> list[Event]:
        await self._asked("get_events", period, lane)
        unit = {"m": 60, "h": 3600, "d": 86400}[period[-1]]
        oldest = self.now() - timedelta(seconds=int(period[:-1]) * unit)
        told = [event for stamp, event in reversed(self.events) if stamp >= oldest]
        if self.events_merged:
            return [event for number, event in enumerate(told) if event not in told[:number]]
        return told

    # counting

    def count(self, *, polls: bool = False) -> int:
        return len(self.asked(polls=polls))

    def asked(self, *, polls: bool = False) -> list[tuple[str, Any]]:
        return [request for request in self.requests if polls or request[0] != "get_events"]


class FakeSink:
    """What the drive would show: every call checked for sense, and the account as it was told."""

    def __init__(self) -> None:
        self.project_names: dict[int, str] = {}
        self.known: dict[int, tuple[int, int, str, str]] = {}
        self.told_files: dict[Owner, dict[int, File]] = {}
        self.complete: dict[Owner, bool] = {}
        self.calls: list[tuple[str, Any]] = []

    def projects(self, projects: list[Project]) -> None:
        self.calls.append(("projects", len(projects)))
        names = {project.id: project.name for project in projects}
        for gone in set(self.project_names) - set(names):
            self._drop_project(gone)
        self.project_names = names

    def tasks(self, project_id: int | None, tasks: list[Task]) -> None:
        self.calls.append(("tasks", project_id))
        assert project_id in self.project_names
        told: dict[int, tuple[int, int, str, str]] = {}
        self._collect(project_id, tasks, 0, told)
        for task_id in [t for t, row in self.known.items() if row[0] == project_id and t not in told]:
            self._drop_task(task_id)
        self.known.update(told)

    def task(self, project_id: int, task: Task) -> None:
        self.calls.append(("task", task.id))
        told: dict[int, tuple[int, int, str, str]] = {}
        self._collect(project_id, [task], task.parent.id if task.parent else 0, told)
        self.known.update(told)

    def files(self, owner: Owner, files: list[File], complete: bool) -> None:
        self.calls.append(("files", owner))
        assert owner[1] in (self.known if owner[0] == "task" else self.project_names)
        assert len({file.id for file in files}) == len(files)
        self.told_files[owner] = {file.id: file for file in files}
        self.complete[owner] = complete

    def vanished(self, owner: Owner, *, deleted: bool = False) -> None:
        self.calls.append(("deleted" if deleted else "vanished", owner))
        if owner[0] == "project":
            self.project_names.pop(owner[1], None)
            self._drop_project(owner[1])
        else:
            self._drop_task(owner[1])

    def _collect(
        self, project: int, tasks: list[Task], parent: int, told: dict[int, tuple[int, int, str, str]]
    ) -> None:
        for task in tasks:
            assert task.files is None and task.comments is None
            assert task.id not in told
            told[task.id] = (project, parent, task.name, task.status)
            self._collect(project, task.child, task.id, told)

    def _drop_task(self, task_id: int) -> None:
        for child in [t for t, row in self.known.items() if row[1] == task_id]:
            self._drop_task(child)
        self.known.pop(task_id, None)
        self.told_files.pop(("task", task_id), None)
        self.complete.pop(("task", task_id), None)

    def _drop_project(self, project_id: int) -> None:
        for task_id in [t for t, row in self.known.items() if row[0] == project_id]:
            self._drop_task(task_id)
        self.told_files.pop(("project", project_id), None)
        self.complete.pop(("project", project_id), None)

    def file_ids(self, owner: Owner) -> set[int]:
        return set(self.told_files.get(owner, ()))


class World:
    """An account, a sink and a store's place, for catalogs that come and go."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "catalog.db"
        self.account = Account()
        self.sink = FakeSink()

    @asynccontextmanager
    async def mounted(self, *, run: bool = True, **options: Any) -> AsyncIterator[Catalog]:
        """A catalog on a store of its own, running; a new sink each time."""
        options.setdefault("crawl", 0.0)
        self.sink = FakeSink()
        store = Store(self.path)
        await store.open()
        try:
            catalog = Catalog(self.account, store, self.sink, clock=self.clock, **options)
            await catalog.start()
            if not run:
                yield catalog
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(catalog.run)
                await trio.testing.wait_all_tasks_blocked()
                yield catalog
                nursery.cancel_scope.cancel()
        finally:
            await store.close()

    def clock(self) -> float:
        return (self.account.now() - datetime(1970, 1, 1)).total_seconds()

    def forget_requests(self) -> None:
        self.account.requests.clear()
        self.account.lanes.clear()
        self.sink.calls.clear()
