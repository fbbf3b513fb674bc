"""What the store holds and the sink wasn't told yet: the files of tasks, which are most of what is known.

A mount that knows 100,000 attachments is ready once it knows projects and tasks; the files follow while it
serves already, those first that somebody waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from .knowledge import Knowledge
from .records import COMPLETE

_AT_ONCE = 200
"""Tasks whose files are told at a time: the trio thread is busy for some milliseconds with them."""


class Shelf:
    """The tasks whose files lie in the store alone. `told` is called after each portion."""

    def __init__(self, knowledge: Knowledge, told: Callable[[], None] = lambda: None) -> None:
        self._knowledge = knowledge
        self._told = told
        self._projects: dict[int, dict[int, None]] = {}
        self._project_of: dict[int, int] = {}
        self._lock = trio.Lock()
        self._busy = False

    @property
    def busy(self) -> bool:
        """Whether files are on their way from the store: what is learnt meanwhile is newer."""
        return self._busy

    def put(self, project_id: int, task_ids: Iterable[int]) -> None:
        """Note tasks of a project that the sink knows, without their files."""
        ids = dict.fromkeys(task_ids)
        if ids:
            self._projects[project_id] = ids
            self._project_of.update(dict.fromkeys(ids, project_id))

    def has_task(self, task_id: int) -> bool:
        """Whether a task's files are still to be told."""
        return task_id in self._project_of

    def has_project(self, project_id: int) -> bool:
        """Whether files of some task of a project are."""
        return project_id in self._projects

    async def tell_task(self, task_id: int) -> None:
        """Tell a task's files, where that wasn't done; raises sqlite3.Error."""
        while self.has_task(task_id):
            async with self._lock:
                if self.has_task(task_id):
                    others = self._projects[self._project_of[task_id]]
                    await self._tell(list(dict.fromkeys((task_id, *others)))[:_AT_ONCE])

    async def tell_project(self, project_id: int) -> None:
        """Tell the files of a project's tasks, where that wasn't done; raises sqlite3.Error."""
        while self.has_project(project_id):
            async with self._lock:
                if self.has_project(project_id):
                    await self._tell(list(self._projects[project_id])[:_AT_ONCE])

    async def tell_everything(self) -> None:
        """Tell all that is left; those who wait for a part go first. Raises sqlite3.Error."""
        while self._projects:
            async with self._lock:
                if self._projects:
                    await self._tell(list(next(iter(self._projects.values())))[:_AT_ONCE])

    def lost(self) -> None:
        """The store was lost: what it alone held isn't known any more."""
        for task_id in self._project_of:
            self._knowledge.forget_files(task_id)
        self._projects.clear()
        self._project_of.clear()

    async def _tell(self, task_ids: list[int]) -> None:
        """Tell the files of some tasks. What was told in the meantime may be newer: such a one stays noted."""
        knowledge = self._knowledge
        began = knowledge.tick()
        self._busy = True
        try:
            found = await knowledge.store.load_files(task_ids)
            for task_id in task_ids:
                if not self.has_task(task_id):
                    continue
                place = knowledge.tasks.get(task_id)
                if place is not None:
                    if knowledge.is_newer(("task", task_id), began):
                        continue  # perhaps not its files: they are read once more
                    files = found.get(task_id, [])
                    knowledge.sink.files(("task", task_id), files, bool(place.flags & COMPLETE))
                self._take(task_id)
        finally:
            self._busy = False
        self._told()

    def _take(self, task_id: int) -> None:
        project_id = self._project_of.pop(task_id, None)
        if project_id is not None:
            left = self._projects[project_id]
            left.pop(task_id, None)
            if not left:
                del self._projects[project_id]
