"""New titles: sent, then told to whoever keeps what is known."""

from __future__ import annotations

import pytest

from wsfs.api.errors import AccessDenied
from wsfs.api.models import Project, Task
from wsfs.api.pacing import Lane, Promotable
from wsfs.drive.titles import Titles
from wsfs.tree.nodes import Owner


class Service:
    """Takes titles, or refuses them."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses

    async def update_task(self, task_id: int, *, lane: Lane | Promotable, title: str) -> Task:
        if self.refuses:
            raise AccessDenied("no right to do that")
        return Task(id=task_id, name=title)

    async def update_project(self, project_id: int, *, lane: Lane | Promotable, title: str) -> Project:
        return Project(id=project_id, name=title)


async def test_what_the_service_took_is_told() -> None:
    given: list[tuple[Owner, str]] = []
    titles = Titles(Service(), lambda owner, title: given.append((owner, title)))
    await titles.rename(("task", 4), "Layout", Lane.PERSON)
    await titles.rename(("project", 2), "Website", Lane.PERSON)
    assert given == [(("task", 4), "Layout"), (("project", 2), "Website")]


async def test_what_it_refused_is_not() -> None:
    given: list[Owner] = []
    titles = Titles(Service(refuses=True), lambda owner, title: given.append(owner))
    with pytest.raises(AccessDenied):
        await titles.rename(("task", 4), "Layout", Lane.PERSON)
    assert given == []
