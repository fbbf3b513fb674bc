"""Many mounts of one account: who asks how often, and who is refused comes again, but not all at one moment."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock

from wsfs.api.errors import TooManyRequests
from wsfs.api.models import Event, File, Project, Task
from wsfs.api.pacing import Lane
from wsfs.catalog.catalog import Catalog
from wsfs.catalog.store import Store

from .model import FakeSink, World


class Crowded:
    """An account whose requests others use up until `until` (trio's clock)."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.asked: list[float] = []

    async def get_projects(self, **_: object) -> list[Project]:
        return []

    async def get_all_tasks(self, **_: object) -> list[Task]:
        return []

    async def get_tasks(self, project_id: int, **_: object) -> list[Task]:
        return []

    async def get_task(self, task_id: int, **_: object) -> Task:
        return Task(id=task_id)

    async def get_files(self, **_: object) -> list[File]:
        return []

    async def get_events(self, period: str, **_: object) -> list[Event]:
        await trio.lowlevel.checkpoint()
        self.asked.append(trio.current_time())
        if trio.current_time() < self.until:
            raise TooManyRequests("too many")
        return []


async def test_the_first_poll_is_tried_again_soon_and_at_scattered_moments(
    world: World, autojump_clock: MockClock
) -> None:
    world.account.add_project()
    async with world.mounted() as catalog:
        await catalog.need_tasks(next(iter(world.account.projects)), Lane.PERSON)
    second_tries = set()
    for seed in range(5):
        crowd = Crowded(trio.current_time() + 200)
        began = trio.current_time()
        store = Store(world.path)
        await store.open()
        catalog = Catalog(crowd, store, FakeSink(), crawl=0.0, clock=world.clock, rng=random.Random(seed))
        await catalog.start()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(catalog.run)
            await trio.sleep(900)
            nursery.cancel_scope.cancel()
        await store.close()
        assert crowd.asked[0] - began < 1
        assert 30 <= crowd.asked[1] - began <= 90
        second_tries.add(round(crowd.asked[1] - began, 3))
        answered = next(when for when in crowd.asked if when >= crowd.until)
        assert answered - crowd.until < 300
        assert len(crowd.asked) < 12
    assert len(second_tries) == 5


@pytest.mark.parametrize(("poll", "active"), [(30.0, 10.0), (5.0, 5.0), (60.0, 20.0), (3600.0, 1200.0)])
async def test_a_person_who_looks_has_polls_come_more_often_as_the_option_allows(
    world: World, autojump_clock: MockClock, poll: float, active: float
) -> None:
    project = world.account.add_project()
    async with world.mounted(poll=poll) as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        looking = 0.0
        while looking < 10 * active:
            catalog.looked()
            await trio.sleep(1.0 if active < 100 else 30.0)
            looking += 1.0 if active < 100 else 30.0
        polls = [action for action, _ in world.account.requests if action == "get_events"]
        assert 7 <= len(polls) <= 13


async def test_what_was_just_loaded_needs_no_poll_when_a_person_looks(
    world: World, autojump_clock: MockClock
) -> None:
    project = world.account.add_project()
    async with world.mounted() as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        await trio.sleep(1)
        catalog.looked()
        await trio.sleep(6)
        assert "get_events" not in [action for action, _ in world.account.requests]
        await trio.sleep(12)
        assert "get_events" in [action for action, _ in world.account.requests]
