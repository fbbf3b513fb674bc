"""New titles for tasks and projects: what renaming their directory does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from wsfs.api.models import Project, Task
from wsfs.api.pacing import Lane, Promotable
from wsfs.tree.nodes import Owner


class Updates(Protocol):
    """The part of the API's client that changes titles."""

    async def update_task(self, task_id: int, *, lane: Lane | Promotable, title: str) -> Task: ...
    async def update_project(self, project_id: int, *, lane: Lane | Promotable, title: str) -> Project: ...


class Titles:
    """Gives titles on the server, at once: a person waits for it. `given` is told each that the service took."""

    def __init__(self, client: Updates, given: Callable[[Owner, str], None]) -> None:
        self._client = client
        self._given = given

    async def rename(self, owner: Owner, title: str, lane: Lane) -> None:
        """One request. Raises ApiError."""
        kind, id = owner
        if kind == "project":
            await self._client.update_project(id, lane=lane, title=title)
        else:
            await self._client.update_task(id, lane=lane, title=title)
        self._given(owner, title)
