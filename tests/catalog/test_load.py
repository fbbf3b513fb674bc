"""Answers that come while other things are learnt."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.catalog.model import World
from wsfs.api.errors import ProjectInvalid, TaskInvalid, Unreachable
from wsfs.api.models import File, Project, Ref, Task
from wsfs.api.pacing import Lane
from wsfs.catalog.sink import Owner
from wsfs.catalog.store import Store


def commented(world: World) -> tuple[int, Owner]:
    """A project with a task whose comment makes its files worth a request of their own."""
    project = world.account.add_project()
    task = world.account.add_task(project)
    world.account.add_comment(task)
    return project, ("task", task)


def amidst_the_next_merge(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Do something right after the store's next merge, before its result is taken."""
    merge = Store.merge_tasks

    async def merging(self: Store, *args: Any, **options: Any) -> Any:
        merged = await merge(self, *args, **options)
        monkeypatch.setattr(Store, "merge_tasks", merge)
        act()
        return merged

    monkeypatch.setattr(Store, "merge_tasks", merging)


async def test_a_task_made_while_its_project_is_merged_stays(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = world.account.add_project()
    gone, kept = world.account.add_task(project), world.account.add_task(project)
    async with world.mounted(run=False) as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        world.account.delete_task(gone)
        amidst_the_next_merge(
            monkeypatch, lambda: catalog.task_created(Task(id=900, name="Made", project=Ref(id=project)))
        )
        await catalog.reload_tasks(project, Lane.PERSON)
        assert set(world.sink.known) == {kept, 900}
        assert catalog.status()["known"]["tasks"] == 2
    async with world.mounted(run=False):
        assert set(world.sink.known) == {kept, 900}


async def test_files_listed_while_their_project_is_merged_stay(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = world.account.add_project()
    task = world.account.add_task(project)
    world.account.add_comment(task, files=1)
    async with world.mounted(run=False) as catalog:
        await catalog.need_projects(Lane.PERSON)
        listed = world.account.all_files(("task", task))
        await catalog.need_tasks(project, Lane.PERSON)
        amidst_the_next_merge(monkeypatch, lambda: catalog.files_listed(("task", task), listed))
        await catalog.reload_tasks(project, Lane.PERSON)
        assert catalog.knows_files(("task", task))
        assert world.sink.file_ids(("task", task)) == {file.id for file in listed}
    async with world.mounted(run=False) as catalog:
        assert catalog.knows_files(("task", task))


async def test_files_that_an_upload_overtook_are_asked_for_once_more(
    world: World, autojump_clock: MockClock
) -> None:
    project, owner = commented(world)
    task = owner[1]
    async with world.mounted() as catalog, trio.open_nursery() as nursery:
        await catalog.need_tasks(project, Lane.PERSON)
        world.forget_requests()
        older = world.account.all_files(owner)
        get_files, gate = world.account.get_files, trio.Event()

        async def late(*args: Any, **options: Any) -> Any:
            world.account.get_files = get_files  # type: ignore[method-assign]
            await gate.wait()
            return older

        world.account.get_files = late  # type: ignore[method-assign]
        nursery.start_soon(catalog.need_files, owner, Lane.PERSON)
        await trio.testing.wait_all_tasks_blocked()
        world.account.add_comment(task, files=1)
        [ours] = world.account.all_files(owner)
        catalog.files_added(owner, [ours])
        gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert world.sink.file_ids(owner) == {ours.id}
        assert catalog.knows_files(owner)
        assert world.account.asked() == [("get_files", owner)]


async def test_files_of_what_vanished_meanwhile_are_not_asked_for_again(
    world: World, autojump_clock: MockClock
) -> None:
    project = world.account.add_project()
    task = world.account.add_task(project)
    world.account.add_comment(task)
    async with world.mounted() as catalog, trio.open_nursery() as nursery:
        await catalog.need_tasks(project, Lane.PERSON)
        world.forget_requests()
        world.account.gate = trio.Event()
        nursery.start_soon(catalog.need_files, ("task", task), Lane.PERSON)
        await trio.testing.wait_all_tasks_blocked()
        catalog._knowledge.vanish(("task", task))
        world.account.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert world.account.asked() == [("get_files", ("task", task))]


async def test_files_that_were_added_are_there_after_a_remount(
    world: World, autojump_clock: MockClock
) -> None:
    """Nobody has read their listing since; the network is away when the next mount begins."""
    project = world.account.add_project(files=1)
    task = world.account.add_task(project, files=1)
    world.account.add_comment(task)
    owners: list[Owner] = [("task", task), ("project", project)]
    async with world.mounted(run=False) as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        for owner, number in zip(owners, (900, 901), strict=True):
            catalog.files_in_doubt(owner)
            catalog.files_added(owner, [File(id=number, name="ours.txt", size=3)])
        catalog.files_added(("task", 12345), [File(id=902, name="nobody's.txt", size=3)])
    world.account.fault = Unreachable("no way")
    async with world.mounted(run=False) as catalog:
        for owner, number in zip(owners, (900, 901), strict=True):
            assert number in world.sink.file_ids(owner)
            assert not catalog.knows_files(owner)
        assert world.sink.file_ids(("task", task)) == {900, *world.account.tasks[task].files}
    world.account.fault = None
    async with world.mounted(run=False) as catalog:
        await catalog.refresh(("task", task))
        assert world.sink.file_ids(("task", task)) == set(world.account.tasks[task].files)


async def test_the_order_of_answers_is_kept_while_someone_else_asks(
    world: World, autojump_clock: MockClock
) -> None:
    project = world.account.add_project()
    task, other = world.account.add_task(project), world.account.add_task(project)
    async with world.mounted(run=False) as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        with catalog.asking() as asked:
            assert not catalog.is_overtaken(("task", task), asked)
            await catalog.refresh(("task", task))
            assert catalog.is_overtaken(("task", task), asked)
            assert not catalog.is_overtaken(("task", other), asked)
            with catalog.asking() as later:
                assert not catalog.is_overtaken(("task", task), later)
            assert catalog.is_overtaken(("task", task), asked)
        assert not catalog._knowledge._touched, "nothing is remembered once nobody asks"


async def test_what_a_project_tells_of_files_overtakes_a_listing_too(
    world: World, autojump_clock: MockClock
) -> None:
    project = world.account.add_project()
    task, other = world.account.add_task(project, files=1), world.account.add_task(project, files=1)
    async with world.mounted(run=False) as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        with catalog.asking() as asked:
            world.account.tasks[task].files.append(world.account.new_file())
            await catalog.reload_tasks(project, Lane.PERSON)
            assert catalog.is_overtaken(("task", task), asked)
            assert not catalog.is_overtaken(("task", other), asked)
        assert not catalog._knowledge._told


async def test_a_listing_of_an_upload_that_lands_first_does_not_stand_for_a_newer_one(
    world: World, autojump_clock: MockClock
) -> None:
    project, owner = commented(world)
    task = owner[1]
    async with world.mounted() as catalog, trio.open_nursery() as nursery:
        await catalog.need_tasks(project, Lane.PERSON)
        with catalog.asking():
            older = world.account.all_files(owner)
            world.account.add_comment(task, files=1)
            world.account.gate = trio.Event()
            nursery.start_soon(catalog.need_files, owner, Lane.PERSON)
            await trio.testing.wait_all_tasks_blocked()
            catalog.files_listed(owner, older)
        world.account.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert world.sink.file_ids(owner) == {file.id for file in world.account.all_files(owner)} != set()


async def test_files_that_were_added_while_their_project_is_merged_hide_nothing(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = world.account.add_project()
    task = world.account.add_task(project)
    owner: Owner = ("task", task)
    async with world.mounted(run=False) as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        catalog.files_in_doubt(owner)
        theirs = world.account.new_file()
        world.account.tasks[task].files.append(theirs)
        ours = File(id=900, name="ours.txt", size=3)
        amidst_the_next_merge(monkeypatch, lambda: catalog.files_added(owner, [ours]))
        await catalog.reload_tasks(project, Lane.PERSON)
        assert theirs in world.sink.file_ids(owner) or not catalog.knows_files(owner)
        await catalog.need_files(owner, Lane.PERSON)
        assert theirs in world.sink.file_ids(owner)


async def test_a_file_that_was_added_by_its_name_here_gets_that_of_the_service(
    world: World, autojump_clock: MockClock
) -> None:
    project = world.account.add_project()
    task = world.account.add_task(project, files=1)
    [number] = world.account.tasks[task].files
    world.account.tasks[task].files = []
    owner: Owner = ("task", task)
    async with world.mounted(run=False) as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        catalog.files_in_doubt(owner)
        catalog.files_added(owner, [File(id=number, name="local:name.txt", size=3)])
        world.account.tasks[task].files = [number]
        await catalog.reload_tasks(project, Lane.PERSON)
        [told] = world.sink.told_files[owner].values()
        assert told.name == world.account.file_names[number]


async def test_a_project_made_while_the_list_is_asked_for_stays(
    world: World, autojump_clock: MockClock
) -> None:
    world.account.add_project("Old")
    async with world.mounted() as catalog, trio.open_nursery() as nursery:
        await catalog.need_projects(Lane.PERSON)
        world.account.gate = trio.Event()
        nursery.start_soon(catalog.refresh, None)
        await trio.testing.wait_all_tasks_blocked()
        catalog.project_created(Project(id=900, name="Made"))
        world.account.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert 900 in world.sink.project_names


async def test_a_task_that_moved_is_told_before_the_list_it_is_missing_in(
    world: World, autojump_clock: MockClock
) -> None:
    one, two = world.account.add_project(), world.account.add_project()
    task = world.account.add_task(one, files=1)
    child = world.account.add_task(one, parent=task)
    async with world.mounted(run=False) as catalog:
        await catalog.need_tasks(one, Lane.PERSON)
        await catalog.need_tasks(two, Lane.PERSON)
        for target in (two, one):
            world.account.move_task(task, target)
            world.forget_requests()
            if target == two:
                await catalog.refresh(None)
            else:
                await catalog.reload_tasks(one, Lane.PERSON)
            told = [call for call in world.sink.calls if call[0] in ("task", "tasks")]
            assert told[0] == ("task", task)
            assert world.sink.known[task][0] == world.account.tasks[task].project
            assert child in world.sink.known
            assert ("task", task) in world.sink.told_files  # it was never dropped


async def test_what_is_deleted_is_told_apart_from_what_is_only_not_shown(
    world: World, autojump_clock: MockClock
) -> None:
    project, archive = world.account.add_project(), world.account.add_project()
    deleted, moved = world.account.add_task(project, files=1), world.account.add_task(project, files=1)
    world.account.close_project(archive)
    async with world.mounted(run=False) as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        world.account.delete_task(deleted)
        with pytest.raises(TaskInvalid):
            await catalog.refresh(("task", deleted))
        world.account.move_task(moved, archive)
        await catalog.refresh(("task", moved))
        world.account.delete_project(project)
        with pytest.raises(ProjectInvalid):
            await catalog.need_files(("project", project), Lane.PERSON)
        told = [call for call in world.sink.calls if call[0] in ("deleted", "vanished")]
        assert told == [
            ("deleted", ("task", deleted)),
            ("vanished", ("task", moved)),
            ("vanished", ("project", project)),
        ]


async def test_a_subtask_missing_in_its_parents_answer_is_looked_for(
    world: World, autojump_clock: MockClock
) -> None:
    project = world.account.add_project()
    task = world.account.add_task(project)
    child = world.account.add_task(project, parent=task)
    await trio.sleep(1000)
    async with world.mounted() as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        world.forget_requests()
        del world.account.tasks[child]  # and no event tells of it
        await catalog.refresh(("task", task))
        await trio.sleep(1)
        assert ("get_task", child) in world.account.requests
        assert child not in world.sink.known


async def test_tasks_of_a_project_that_is_not_listed_ask_for_the_list(
    world: World, autojump_clock: MockClock
) -> None:
    one = world.account.add_project()
    await trio.sleep(1000)
    async with world.mounted() as catalog:
        await catalog.need_projects(Lane.PERSON)
        two = world.account.add_project()
        task = world.account.add_task(two)
        world.account.events.clear()
        await catalog.need_tasks(one, Lane.PERSON)
        await trio.sleep(1)
        assert task in world.sink.known


async def test_a_store_that_fails_fails_the_request_alone(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, expected_warnings: Any
) -> None:
    expected_warnings.expect("could not be taken")
    project = world.account.add_project()

    async def locked(*args: Any, **options: Any) -> Any:
        raise sqlite3.OperationalError("database is locked")

    async with world.mounted() as catalog:
        with monkeypatch.context() as patch:
            patch.setattr(Store, "merge_tasks", locked)
            with pytest.raises(sqlite3.OperationalError):
                await catalog.need_tasks(project, Lane.PERSON)
        await catalog.need_tasks(project, Lane.PERSON)
        assert catalog.knows_tasks(project)


async def test_what_vanished_does_not_come_back_with_an_older_answer(
    world: World, autojump_clock: MockClock
) -> None:
    project = world.account.add_project()
    task = world.account.add_task(project)
    child = world.account.add_task(project, parent=task)
    async with world.mounted() as catalog, trio.open_nursery() as nursery:
        await catalog.need_tasks(project, Lane.PERSON)
        older = world.account.api_tasks(project, ("files", "subtasks", "comments"))
        world.account.delete_task(task)
        gate = trio.Event()

        async def late(*args: Any, **options: Any) -> Any:
            await gate.wait()
            return older

        world.account.get_tasks = late  # type: ignore[method-assign]
        nursery.start_soon(catalog.reload_tasks, project, Lane.PERSON)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(TaskInvalid):
            await catalog.refresh(("task", task))
        gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert task not in world.sink.known
        assert child not in world.sink.known
