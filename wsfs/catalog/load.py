"""Asking the service and taking its answers: the whole account in two requests, or a part of it in one.

Each `read_*` is one flight: one request (get_all_tasks of an account with more than 10,000 tasks apart), its
answer merged in the store's thread and told to the sink. An answer never undoes what was learnt after it was
asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import trio

from wsfs.api.errors import NotFound, ProjectInvalid, TooManyTasks
from wsfs.api.models import File, Task

from .asks import Asks
from .events import Todo
from .flights import Flight
from .knowledge import KNOWN, PARTLY, UNKNOWN, Knowledge
from .link import Link
from .merge import Merged
from .records import project_of
from .sink import Owner

log = logging.getLogger(__name__)

_AFTER_WHO_WAITS = 1.0
"""Seconds that leave the next turn to a person's request for one project."""

_EXTRA = ("files", "subtasks", "comments")


class Loader:
    """Reads parts of the account into the knowledge.

    `clock` gives unix time. `todo` gets what an answer shows to be worth another look. `too_big` says that the
    account's tasks don't fit in one answer.
    """

    def __init__(
        self,
        client: Asks,
        knowledge: Knowledge,
        todo: Todo,
        link: Link,
        *,
        archived: bool,
        clock: Callable[[], float],
    ) -> None:
        self.client = client
        self.link = link
        self.knowledge = knowledge
        self.todo = todo
        self.clock = clock
        self.too_big = False
        self.bulk_at: float | None = None
        """When the tasks of the whole account were last asked for, with success (unix time)."""
        self.projects_at: float | None = None
        self._filter = "active,pending,archived" if archived else "active,pending"
        self._extra: Sequence[str] = (*_EXTRA, "archive") if archived else _EXTRA

    async def read_projects(self, flight: Flight) -> None:
        """get_projects: the complete list."""
        asked = self.clock()
        projects = await self.link.watch(self.client.get_projects(lane=flight.lane, filter=self._filter))
        new = self.knowledge.take_projects(projects, flight.began)
        if self.bulk_at is not None:
            for project_id in new:
                self.todo.add(("tasks", project_id))
        self.projects_at = asked
        self.knowledge.store.put_state("projects_at", asked)

    async def read_everything(self, flight: Flight) -> None:
        """get_all_tasks: every task of the account, project by project, those that are waited for first.

        Where there are too many it sets `too_big`, and has the active ones read next.
        """
        asked = self.clock()
        try:
            tasks = await self.link.watch(self.client.get_all_tasks(lane=flight.lane, extra=self._extra))
        except TooManyTasks:
            self.too_big = True
            self.knowledge.store.put_state("too_big", asked)
            self.todo.add(("active", 0), trio.current_time() + _AFTER_WHO_WAITS)
            log.info("the account has too many tasks for one answer: they are read project by project")
            return
        if self.too_big:
            self.too_big = False
            self.knowledge.store.put_state("too_big", None)
        await self._take_everything(tasks, flight, KNOWN)
        self.bulk_done(asked)

    def bulk_done(self, asked: float) -> None:
        """Every project's tasks were read, at `asked` or later."""
        self.bulk_at = asked
        self.knowledge.store.put_state("bulk_at", asked)

    async def read_active(self, flight: Flight) -> None:
        """get_all_tasks of active tasks alone: a part of each project, where everything is too much."""
        tasks = await self.link.watch(
            self.client.get_all_tasks(lane=flight.lane, extra=self._extra, filter="active")
        )
        await self._take_everything(tasks, flight, PARTLY)

    async def _take_everything(self, tasks: list[Task], flight: Flight, known: int) -> None:
        knowledge = self.knowledge
        by_project: dict[int, list[Task]] = {project_id: [] for project_id in knowledge.projects}
        strangers = False
        for task in tasks:
            project_id = project_of(task)
            if project_id in by_project:
                by_project[project_id].append(task)
            else:
                strangers = True
        if strangers:  # most likely a project that was made between the two requests
            self.todo.add(("projects", 0))
        await self._take_moved(by_project, flight)
        left = dict(by_project)
        while left:
            project_id = next((wanted for wanted in flight.wanted if wanted in left), next(iter(left)))
            answer = left.pop(project_id)
            if known == KNOWN or knowledge.tasks_known(project_id) == UNKNOWN:
                await self._take_whole(project_id, answer, flight.began, known)
            flight.tell()

    async def _take_moved(self, by_project: dict[int, list[Task]], flight: Flight) -> None:
        """Tell tasks that are in another project now before the lists in which they are missing."""
        for project_id, answer in by_project.items():
            moved = [
                task
                for task in answer
                if (place := self.knowledge.tasks.get(task.id)) is not None and place.project != project_id
            ]
            if moved:
                await self._take_some(project_id, moved, flight.began)

    async def read_project(self, flight: Flight, project_id: int) -> None:
        """get_tasks: all tasks of one project."""
        try:
            tasks = await self._get_tasks(flight, project_id)
        except ProjectInvalid:
            self.knowledge.vanish(("project", project_id))
            raise
        moved = [
            task
            for task in tasks
            if (place := self.knowledge.tasks.get(task.id)) is not None and place.project != project_id
        ]
        if moved:
            await self._take_some(project_id, moved, flight.began)
        await self._take_whole(project_id, tasks, flight.began, KNOWN)

    async def _get_tasks(self, flight: Flight, project_id: int) -> list[Task]:
        try:
            return await self.link.watch(
                self.client.get_tasks(project_id, lane=flight.lane, extra=self._extra)
            )
        except TooManyTasks:
            log.warning(
                "project %d has too many tasks for one answer: only active ones are shown", project_id
            )
            return await self.link.watch(
                self.client.get_tasks(project_id, lane=flight.lane, extra=self._extra, filter="active")
            )

    async def read_task(self, flight: Flight, task_id: int) -> None:
        """get_task: one task with its subtasks, wherever it is now."""
        try:
            task = await self.link.watch(self.client.get_task(task_id, lane=flight.lane, extra=self._extra))
        except NotFound as error:
            if not self.knowledge.is_newer(("task", task_id), flight.began):
                self.knowledge.vanish(("task", task_id), deleted=_says_deleted(error))
            raise
        project_id = project_of(task)
        if not project_id:
            place = self.knowledge.tasks.get(task_id)
            project_id = place.project if place is not None else 0
        if project_id not in self.knowledge.projects:
            # moved to, or made in, a project that isn't shown or isn't known yet
            self.knowledge.vanish(("task", task_id))
            self.todo.add(("projects", 0))
            return
        await self._take_some(project_id, [task], flight.began)

    async def read_files(self, flight: Flight, owner: Owner) -> None:
        """get_files: all files of a task, or a project's own.

        Once more where something came between, also a listing: which of two is the newer nobody knows.
        """
        knowledge = self.knowledge
        began = flight.began
        while True:
            try:
                files = await self.link.watch(self._get_files(flight, owner))
            except NotFound as error:
                if not knowledge.is_newer(owner, began):
                    knowledge.vanish(owner, deleted=_says_deleted(error))
                raise
            if not knowledge.is_newer(owner, began):
                knowledge.take_files(owner, files, self.clock())
                return
            if not knowledge.knows(owner):
                return
            began = knowledge.tick()

    async def _get_files(self, flight: Flight, owner: Owner) -> list[File]:
        if owner[0] == "project":
            return await self.client.get_files(lane=flight.lane, project_id=owner[1])
        return await self.client.get_files(lane=flight.lane, task_id=owner[1])

    async def _take_whole(self, project_id: int, answer: list[Task], began: int, known: int) -> None:
        knowledge = self.knowledge
        first = knowledge.tasks_known(project_id) == UNKNOWN
        merged = await self._merge(project_id, answer, began, whole=True, first=first)
        knowledge.take_whole(merged, known)

    async def _take_some(self, project_id: int, answer: list[Task], began: int) -> None:
        merged = await self._merge(project_id, answer, began, whole=False, first=False)
        self.knowledge.take_single(merged)
        for task_id, *_ in merged.places:
            self.knowledge.touch(("task", task_id))
        self.todo.add_all(("task", task_id) for task_id in merged.missing)

    async def _merge(
        self, project_id: int, answer: list[Task], began: int, *, whole: bool, first: bool
    ) -> Merged:
        """Merge in the store, again if something of the project was learnt meanwhile."""
        knowledge = self.knowledge
        gone: set[int] = set()
        while True:
            merging = knowledge.tick()
            merged = await knowledge.store.merge_tasks(
                project_id, answer, whole=whole, first=first, newer=knowledge.newer_tasks(began)
            )
            self.todo.add_all(("files", task_id) for task_id in merged.reread)
            gone.update(merged.gone)
            if not self._overtaken(merged, merging):
                merged.gone = [task_id for task_id in gone if all(task_id != p[0] for p in merged.places)]
                return merged
            first = True  # what was just merged is in the store, and still has to be told

    def _overtaken(self, merged: Merged, merging: int) -> bool:
        """Whether something of this project's was learnt while the store merged."""
        newer = self.knowledge.newer_tasks(merging)
        if not newer:
            return False
        told = {place[0] for place in merged.places} | set(merged.gone)
        return any(
            task_id in told
            or ((place := self.knowledge.tasks.get(task_id)) is not None and place.project == merged.project)
            for task_id in newer
        )


def _says_deleted(error: NotFound) -> bool:
    """Whether it is the task itself that isn't there: a project may be in the archive."""
    return not isinstance(error, ProjectInvalid)
