"""Files that follow from the store when the drive is there already: never missed, never older than what is known."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.catalog.model import FakeSink, World
from tests.conftest import ExpectedWarnings
from wsfs.api.models import File
from wsfs.api.pacing import Lane
from wsfs.catalog.catalog import Catalog
from wsfs.catalog.sink import Owner
from wsfs.catalog.store import Store


async def learn_everything(world: World, *, projects: int = 3, tasks: int = 4) -> list[int]:
    """Make an account, have a catalog read all of it, and return the projects' ids."""
    ids = [world.account.add_project(f"Project {number}", files=1) for number in range(projects)]
    for project in ids:
        made = [world.account.add_task(project, f"Task {number}", files=2) for number in range(tasks)]
        world.account.add_comment(made[0], files=1)
    world.account.events.clear()
    async with world.mounted() as catalog:
        await catalog.need_tasks(ids[0], Lane.PERSON)
        for project in ids:
            await catalog.need_files(("project", project), Lane.PERSON)
        for task in list(world.account.tasks):
            await catalog.need_files(("task", task), Lane.PERSON)
    return ids


@contextlib.asynccontextmanager
async def remounted(world: World) -> AsyncIterator[tuple[Catalog, Store]]:
    """A catalog that has told all but the files of tasks."""
    world.sink = FakeSink()
    store = Store(world.path)
    await store.open()
    try:
        catalog = Catalog(world.account, store, world.sink, clock=world.clock, crawl=0.0)
        await catalog.start(files_later=True)
        world.forget_requests()
        yield catalog, store
    finally:
        await store.close()


def owners(world: World) -> list[Owner]:
    return [("task", task) for task in world.account.tasks]


def told(world: World) -> set[int]:
    """The tasks whose files the sink knows."""
    return {task for task in world.account.tasks if world.sink.file_ids(("task", task))}


async def test_tasks_are_told_at_once_and_their_files_later(world: World, autojump_clock: MockClock) -> None:
    projects = await learn_everything(world)
    async with world.mounted():
        whole = (world.sink.project_names, world.sink.known, world.sink.told_files, world.sink.complete)
    async with remounted(world) as (catalog, _):
        assert set(world.sink.known) == set(world.account.tasks)
        assert told(world) == set()
        assert not any(catalog.knows_files(owner) or catalog.knows_details(owner) for owner in owners(world))
        assert not any(catalog.knows_tasks(project) for project in projects)
        assert all(catalog.knows_files(("project", project)) for project in projects)
        await catalog.load_files()
        assert all(catalog.knows_files(owner) for owner in owners(world))
        assert all(catalog.knows_tasks(project) for project in projects)
        sink = world.sink
        assert (sink.project_names, sink.known, sink.told_files, sink.complete) == whole
        assert world.account.requests == []


async def test_who_needs_one_task_or_project_gets_it_without_a_request(
    world: World, autojump_clock: MockClock
) -> None:
    projects = await learn_everything(world)
    of = {
        project: {t.id for t in world.account.tasks.values() if t.project == project} for project in projects
    }
    async with remounted(world) as (catalog, _):
        task = max(of[projects[1]])
        await catalog.need_files(("task", task), Lane.PERSON)
        assert catalog.knows_files(("task", task))
        assert task in told(world)
        assert not told(world) & of[projects[2]]
        await catalog.need_tasks(projects[2], Lane.PERSON)
        assert told(world) >= of[projects[2]]
        assert not told(world) & of[projects[0]]
        await catalog.need_details(("task", min(of[projects[0]])), Lane.PERSON)
        assert world.account.requests == []


async def test_portions_make_a_whole(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsfs.catalog.shelf._AT_ONCE", 3)
    projects = await learn_everything(world, tasks=8)
    async with remounted(world) as (catalog, _), trio.open_nursery() as nursery:
        nursery.start_soon(catalog.load_files)
        for project in projects:
            nursery.start_soon(catalog.need_tasks, project, Lane.PERSON)
        for owner in owners(world):
            nursery.start_soon(catalog.need_files, owner, Lane.PERSON)
    assert told(world) == set(world.account.tasks)
    assert world.account.requests == []


async def test_what_is_learnt_while_the_store_reads_is_not_undone(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await learn_everything(world, projects=1, tasks=2)
    task, other = sorted(world.account.tasks)
    newest = [File(id=4711, name="new.txt", size=1)]
    async with remounted(world) as (catalog, store):
        read = store.load_files
        calls = 0

        async def slow(task_ids: list[int]) -> dict[int, list[File]]:
            nonlocal calls
            calls += 1
            found = await read(task_ids)
            if calls == 1:
                catalog.files_listed(("task", task), newest)
            return found

        monkeypatch.setattr(store, "load_files", slow)
        await catalog.load_files()
        assert calls == 2
        assert world.sink.file_ids(("task", task)) == {4711}
        assert told(world) == {task, other}


async def test_a_task_that_vanished_or_moved_in_the_meantime(world: World, autojump_clock: MockClock) -> None:
    first, second, _ = await learn_everything(world)
    gone, moved, *_ = sorted(t.id for t in world.account.tasks.values() if t.project == second)
    world.account.delete_task(gone)
    world.account.move_task(moved, first)
    async with remounted(world) as (catalog, _), trio.open_nursery() as nursery:
        nursery.start_soon(catalog.run)
        await catalog.refresh(None)
        await catalog.load_files()
        assert told(world) == set(world.account.tasks)
        assert gone not in world.sink.known
        nursery.cancel_scope.cancel()


async def test_files_that_were_lost_with_the_store_are_asked_for(
    world: World, autojump_clock: MockClock, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("is damaged")
    await learn_everything(world, projects=1, tasks=2)
    task = min(world.account.tasks)
    async with remounted(world) as (catalog, _):
        with contextlib.closing(sqlite3.connect(world.path)) as db, db:
            db.execute("UPDATE files SET data = x'00' WHERE kind = 2")
        await catalog.load_files()
        assert not catalog.knows_files(("task", task))
        await catalog.need_files(("task", task), Lane.PERSON)
        assert world.account.requests == [("get_files", ("task", task))]
        assert world.sink.file_ids(("task", task)) == {
            file.id for file in world.account.all_files(("task", task))
        }
