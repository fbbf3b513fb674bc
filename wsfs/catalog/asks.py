"""What the catalog asks of the service: the reading half of the API's client, as it is handed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wsfs.api.models import Event, File, Project, Task
from wsfs.api.pacing import Lane, Promotable


class Asks(Protocol):
    """`wsfs.api.client.Client` is one; every method raises ApiError and keeps its own deadline."""

    async def get_projects(
        self, *, lane: Lane | Promotable, filter: str | None = None, extra: Sequence[str] = ()
    ) -> list[Project]: ...

    async def get_all_tasks(
        self, *, lane: Lane | Promotable, extra: Sequence[str] = (), filter: str | None = None
    ) -> list[Task]: ...

    async def get_tasks(
        self,
        project_id: int,
        *,
        lane: Lane | Promotable,
        extra: Sequence[str] = (),
        filter: str | None = None,
    ) -> list[Task]: ...

    async def get_task(self, task_id: int, *, lane: Lane | Promotable, extra: Sequence[str] = ()) -> Task: ...

    async def get_files(
        self, *, lane: Lane | Promotable, project_id: int | None = None, task_id: int | None = None
    ) -> list[File]: ...

    async def get_events(
        self, period: str, *, lane: Lane | Promotable, project_id: int | None = None
    ) -> list[Event]: ...
