"""How many requests each thing costs (design.md, "Requests: lanes and budget"), at the level of the catalog."""

from __future__ import annotations

import json
import math

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.catalog.model import ANNA, START, World
from wsfs.api.errors import TaskInvalid, Unreachable
from wsfs.api.models import File, Project, Ref, Task
from wsfs.api.pacing import Lane
from wsfs.catalog.catalog import Catalog


def some_account(world: World, *, projects: int = 3, tasks: int = 4, commented: int = 2) -> list[int]:
    """Projects with tasks, of which the first `commented` have comments with a file, and one a subtask."""
    ids = []
    for number in range(projects):
        project = world.account.add_project(f"Project {number}", files=1)
        ids.append(project)
        made = [world.account.add_task(project, f"Task {n}", files=2) for n in range(tasks)]
        world.account.add_task(project, "Subtask", parent=made[-1], files=1)
        for task in made[:commented]:
            world.account.add_comment(task, files=1)
    world.account.events.clear()
    return ids


async def find(catalog: Catalog, world: World, lane: Lane = Lane.PERSON) -> None:
    """What `find` over everything needs."""
    await catalog.need_projects(lane)
    for project in list(world.sink.project_names):
        await catalog.need_tasks(project, lane)
        await catalog.need_files(("project", project), lane)
    for task in list(world.sink.known):
        await catalog.need_files(("task", task), lane)


async def test_the_first_listing_of_projects_is_one_request(world: World, autojump_clock: MockClock) -> None:
    world.account.add_project("A")
    async with world.mounted() as catalog:
        assert not catalog.knows_projects()
        await catalog.need_projects(Lane.PERSON)
        assert catalog.knows_projects()
        assert world.account.requests == [("get_projects", None)]
    assert list(world.sink.project_names.values()) == ["A"]


async def test_the_whole_tree_is_two_requests(world: World, autojump_clock: MockClock) -> None:
    projects = some_account(world)
    async with world.mounted() as catalog:
        await catalog.need_tasks(projects[0], Lane.PERSON)
        await trio.testing.wait_all_tasks_blocked()
        assert all(catalog.knows_tasks(project) for project in projects)
        assert world.account.asked() == [("get_projects", None), ("get_all_tasks", None)]
        assert set(world.sink.known) == set(world.account.tasks)
        for task in world.account.tasks.values():
            assert set(task.files) <= world.sink.file_ids(("task", task.id))


async def test_find_is_two_and_one_for_each_project_and_commented_task(
    world: World, autojump_clock: MockClock
) -> None:
    some_account(world, projects=3, tasks=4, commented=2)
    async with world.mounted() as catalog:
        await find(catalog, world)
        assert world.account.count() == 2 + 3 + 3 * 2
        for task in world.account.tasks:
            assert world.sink.file_ids(("task", task)) == {
                f.id for f in world.account.all_files(("task", task))
            }
        world.forget_requests()
        await find(catalog, world)
        assert world.account.count() == 0


async def test_after_a_remount_find_costs_nothing_but_a_poll(world: World, autojump_clock: MockClock) -> None:
    some_account(world)
    async with world.mounted() as catalog:
        await find(catalog, world)
        before = (world.sink.project_names, world.sink.known, world.sink.told_files, world.sink.complete)
    world.forget_requests()
    async with world.mounted() as catalog:
        assert (world.sink.project_names, world.sink.known) == before[:2]
        assert world.sink.told_files == before[2]
        assert world.sink.complete == before[3]
        await find(catalog, world)
        assert [action for action, _ in world.account.requests] == ["get_events"]


async def test_before_run_the_catalog_answers_from_the_store(world: World, autojump_clock: MockClock) -> None:
    some_account(world)
    async with world.mounted() as catalog:
        await find(catalog, world)
    world.forget_requests()
    async with world.mounted(run=False) as catalog:
        await find(catalog, world)
        assert world.account.requests == []


async def test_without_run_requests_are_made_all_the_same(world: World, autojump_clock: MockClock) -> None:
    some_account(world, projects=1, tasks=1, commented=0)
    async with world.mounted(run=False) as catalog:
        await find(catalog, world)
        assert world.account.count() == 3


async def test_four_comments_that_carry_their_files_cost_nothing(
    world: World, autojump_clock: MockClock
) -> None:
    project = world.account.add_project()
    few, many = world.account.add_task(project, files=1), world.account.add_task(project)
    for _ in range(4):
        world.account.add_comment(few, files=1)
    for _ in range(5):
        world.account.add_comment(many, files=1)
    world.account.comments_carry_files = True
    async with world.mounted() as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        assert catalog.knows_files(("task", few))
        assert world.sink.file_ids(("task", few)) == {f.id for f in world.account.all_files(("task", few))}
        assert not catalog.knows_files(("task", many))


async def test_equal_needs_share_one_request(world: World, autojump_clock: MockClock) -> None:
    projects = some_account(world)
    async with world.mounted() as catalog, trio.open_nursery() as nursery:
        for _ in range(5):
            for project in projects:
                nursery.start_soon(catalog.need_tasks, project, Lane.PERSON)
            nursery.start_soon(catalog.need_projects, Lane.PERSON)
            nursery.start_soon(catalog.need_files, ("project", projects[0]), Lane.PERSON)
    assert (
        sorted(world.account.asked(), key=str)
        == [
            ("get_all_tasks", None),
            ("get_projects", None),
        ]
        or world.account.count() == 3
    )


async def test_a_person_raises_the_lane_of_a_request_that_is_queued(
    world: World, autojump_clock: MockClock
) -> None:
    some_account(world)
    async with world.mounted() as catalog, trio.open_nursery() as nursery:
        await catalog.need_projects(Lane.PERSON)
        world.forget_requests()
        world.account.gate = trio.Event()
        project = next(iter(world.sink.project_names))
        nursery.start_soon(catalog.need_tasks, project, Lane.BACKGROUND)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(catalog.need_tasks, project, Lane.PERSON)
        await trio.testing.wait_all_tasks_blocked()
        world.account.gate.set()
    assert world.account.lanes == [Lane.PERSON]


async def test_who_gives_up_takes_the_request_from_nobody(world: World, autojump_clock: MockClock) -> None:
    some_account(world)
    async with world.mounted() as catalog, trio.open_nursery() as nursery:
        world.account.gate = trio.Event()
        with trio.move_on_after(1):
            await catalog.need_projects(Lane.PERSON)
        nursery.start_soon(catalog.need_projects, Lane.PERSON)
        await trio.testing.wait_all_tasks_blocked()
        world.account.gate.set()
    assert world.account.count() == 1


async def test_without_run_another_waiter_takes_over(world: World, autojump_clock: MockClock) -> None:
    some_account(world)
    async with world.mounted(run=False) as catalog, trio.open_nursery() as nursery:
        world.account.gate = trio.Event()
        scope = trio.CancelScope()

        async def first() -> None:
            with scope:
                await catalog.need_projects(Lane.PERSON)

        nursery.start_soon(first)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(catalog.need_projects, Lane.PERSON)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        world.account.gate.set()
    assert catalog.knows_projects()


async def test_a_listing_is_answered_as_soon_as_its_part_is_there(
    world: World, autojump_clock: MockClock
) -> None:
    projects = some_account(world, projects=20, tasks=1)
    async with world.mounted() as catalog:
        await catalog.need_tasks(projects[-1], Lane.PERSON)
        assert [catalog.knows_tasks(project) for project in projects].count(True) < 20
        await trio.testing.wait_all_tasks_blocked()
        assert all(catalog.knows_tasks(project) for project in projects)


async def test_too_many_tasks_are_read_by_project_the_asked_first(
    world: World, autojump_clock: MockClock
) -> None:
    projects = some_account(world)
    world.account.limit = 5
    for task in list(world.account.tasks.values())[2:]:
        task.status = "done"
    async with world.mounted() as catalog:
        await catalog.need_tasks(projects[1], Lane.PERSON)
        assert world.account.asked() == [
            ("get_projects", None),
            ("get_all_tasks", None),
            ("get_tasks", projects[1]),
        ]
        assert not catalog.knows_tasks(projects[0])
        await trio.sleep(3)
        assert world.account.asked()[3:] == [("get_all_tasks", "active")]
        assert catalog.knows_active_tasks(projects[0])
        assert not catalog.knows_tasks(projects[0])
        assert set(world.sink.known) >= {
            t.id for t in world.account.tasks.values() if t.status == "active" and not t.parent
        }
        await find(catalog, world)
        assert set(world.sink.known) == set(world.account.tasks)
    world.forget_requests()
    async with world.mounted() as catalog:
        await find(catalog, world)
        assert set(world.sink.known) == set(world.account.tasks)
        assert world.account.count() == 0


async def test_details_of_told_files_cost_one_request(world: World, autojump_clock: MockClock) -> None:
    project = world.account.add_project()
    task = world.account.add_task(project, files=2)
    async with world.mounted() as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        assert catalog.knows_files(("task", task))
        assert not catalog.knows_details(("task", task))
        assert all(file.date_added is None for file in world.sink.told_files[("task", task)].values())
        world.forget_requests()
        await catalog.need_details(("task", task), Lane.PERSON)
        await catalog.need_details(("task", task), Lane.PERSON)
        assert world.account.asked() == [("get_files", ("task", task))]
        assert all(f.date_added == START for f in world.sink.told_files[("task", task)].values())
        world.forget_requests()
        await catalog.refresh(None)
        assert catalog.knows_details(("task", task))  # a bulk answer takes no date away
        assert all(f.date_added == START for f in world.sink.told_files[("task", task)].values())


async def test_a_vanished_task_is_told_and_raised(world: World, autojump_clock: MockClock) -> None:
    project = world.account.add_project()
    task = world.account.add_task(project)
    world.account.add_comment(task)
    async with world.mounted() as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        world.account.delete_task(task)
        with pytest.raises(TaskInvalid):
            await catalog.need_files(("task", task), Lane.PERSON)
        assert task not in world.sink.known


async def test_what_was_made_here_costs_no_request(world: World, autojump_clock: MockClock) -> None:
    project = world.account.add_project()
    async with world.mounted() as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        world.forget_requests()
        catalog.project_created(Project(id=900, name="New"))
        catalog.task_created(Task(id=901, name="Made", project=Ref(id=900)))
        catalog.task_created(Task(id=902, name="Below", project=Ref(id=900), parent=Ref(id=901)))
        catalog.files_listed(("task", 901), [File(id=903, name="a.txt", size=1, user_from=ANNA)])
        catalog.files_listed(("task", 902), [])
        catalog.files_listed(("project", 900), [File(id=904, name="b.txt", size=1)])
        assert catalog.knows_tasks(900)
        for owner in (("task", 901), ("task", 902), ("project", 900)):
            await catalog.need_files(owner, Lane.PERSON)
        assert world.account.count() == 0
        shown = dict(world.sink.known)
        assert shown[902] == (900, 901, "Below", "")
    async with world.mounted(run=False) as catalog:
        assert world.sink.known == shown
        assert world.sink.file_ids(("task", 901)) == {903}
        assert world.sink.file_ids(("project", 900)) == {904}
        assert catalog.knows_files(("task", 902))


async def test_an_answer_that_was_asked_for_earlier_undoes_nothing(
    world: World, autojump_clock: MockClock
) -> None:
    project = world.account.add_project()
    task = world.account.add_task(project)
    world.account.add_comment(task)
    async with world.mounted() as catalog, trio.open_nursery() as nursery:
        await catalog.need_tasks(project, Lane.PERSON)
        before = world.account.all_files(("task", task))

        world.account.gate = trio.Event()
        nursery.start_soon(catalog.need_files, ("task", task), Lane.PERSON)
        nursery.start_soon(catalog.reload_tasks, project, Lane.PERSON)
        await trio.testing.wait_all_tasks_blocked()
        world.account.add_comment(task, files=1)
        [ours] = [file for file in world.account.all_files(("task", task)) if file not in before]
        catalog.files_listed(("task", task), [*before, ours])
        catalog.task_created(Task(id=1000, name="Ours", project=Ref(id=project)))
        world.account.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert ours.id in world.sink.file_ids(("task", task))
        assert 1000 in world.sink.known


async def test_a_title_that_was_given_here_stays_without_the_network(
    world: World, autojump_clock: MockClock
) -> None:
    project = world.account.add_project()
    task = world.account.add_task(project)
    async with world.mounted() as catalog, trio.open_nursery() as nursery:
        await catalog.need_tasks(project, Lane.PERSON)

        world.account.gate = trio.Event()
        nursery.start_soon(catalog.reload_tasks, project, Lane.PERSON)
        await trio.testing.wait_all_tasks_blocked()
        catalog.retitled(("task", task), "Renamed")
        catalog.retitled(("project", project), "Moved")
        catalog.retitled(("task", 12345), "Nobody's")
        world.account.gate.set()
        await trio.testing.wait_all_tasks_blocked()
    async with world.mounted(run=False):
        assert world.sink.known[task][2] == "Renamed"
        assert world.sink.project_names[project] == "Moved"
        assert 12345 not in world.sink.known


async def test_refresh_of_one_task_and_of_one_project(world: World, autojump_clock: MockClock) -> None:
    (project,) = some_account(world, projects=1, tasks=1, commented=0)
    async with world.mounted() as catalog:
        await find(catalog, world)
        task = next(iter(world.account.tasks))
        world.forget_requests()
        world.account.describe_task(task)
        await catalog.refresh(("task", task))
        assert world.account.asked() == [("get_task", task), ("get_files", ("task", task))]
        assert world.sink.file_ids(("task", task)) == {f.id for f in world.account.all_files(("task", task))}
        world.forget_requests()
        await catalog.refresh(("project", project))
        assert world.account.asked() == [("get_tasks", project), ("get_files", ("project", project))]
        world.forget_requests()
        await catalog.reload_tasks(project, Lane.UPLOAD)
        assert world.account.asked() == [("get_tasks", project)]


async def test_archived_projects_are_asked_for_by_option(world: World, autojump_clock: MockClock) -> None:
    project = world.account.add_project("Old")
    task = world.account.add_task(project)
    world.account.close_project(project)
    async with world.mounted() as catalog:
        await catalog.need_projects(Lane.PERSON)
        assert not world.sink.project_names
    await trio.sleep(4000)  # no event brings it
    async with world.mounted(archived=True) as catalog:
        await trio.sleep(1)
        await catalog.need_tasks(project, Lane.PERSON)
        assert world.sink.project_names == {project: "Old"}
        assert task in world.sink.known


async def test_offline_fails_fast_and_recovers_by_itself(world: World, autojump_clock: MockClock) -> None:
    (project, *_) = some_account(world)
    async with world.mounted() as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        assert catalog.status()["mode"] == "events"
        world.forget_requests()
        world.account.fault = Unreachable()
        with pytest.raises(Unreachable):
            await catalog.need_files(("project", project), Lane.PERSON)
        assert world.account.count() == 1
        for _ in range(10):
            with pytest.raises(Unreachable):
                await catalog.need_files(("project", project), Lane.PERSON)
        assert world.account.asked() == [("get_files", ("project", project))]
        assert catalog.status()["mode"] == "offline"
        assert catalog.status()["offline_since"] is not None
        await trio.sleep(600)
        probes = [request for request in world.account.requests if request[0] == "get_events"]
        assert 15 <= len(probes) <= 30
        world.account.fault = None
        await trio.sleep(40)
        assert catalog.status()["mode"] == "events"
        assert catalog.status()["offline_since"] is None
        await catalog.need_files(("project", project), Lane.PERSON)


async def test_what_others_reach_ends_being_offline_at_once(world: World, autojump_clock: MockClock) -> None:
    """An upload that arrives shows that the network is back; nobody then waits for the next probe."""
    (project, *_) = some_account(world)
    async with world.mounted() as catalog:
        await catalog.need_tasks(project, Lane.PERSON)
        catalog.reached()
        assert catalog.status()["mode"] == "events"
        world.account.fault = Unreachable()
        with pytest.raises(Unreachable):
            await catalog.need_files(("project", project), Lane.PERSON)
        await trio.sleep(600)
        assert catalog.status()["mode"] == "offline"
        world.account.fault = None
        world.forget_requests()
        catalog.reached()
        assert catalog.status()["mode"] == "events"
        await catalog.need_files(("project", project), Lane.PERSON)
        assert world.account.asked()[0] == ("get_files", ("project", project))
        await trio.sleep(1)
        polls = [action for action, _ in world.account.asked(polls=True) if action == "get_events"]
        assert polls, "what happened meanwhile is asked for"


async def test_a_mount_without_network_shows_what_it_knew(world: World, autojump_clock: MockClock) -> None:
    some_account(world)
    async with world.mounted() as catalog:
        await find(catalog, world)
    world.account.fault = Unreachable()
    async with world.mounted() as catalog:
        await find(catalog, world)
        assert set(world.sink.known) == set(world.account.tasks)


async def test_status_is_json(world: World, autojump_clock: MockClock) -> None:
    some_account(world)
    async with world.mounted(crawl=0.5) as catalog:
        await find(catalog, world)
        status = json.loads(json.dumps(catalog.status()))
        assert status["known"]["tasks"] == len(world.account.tasks)
        assert status["known"]["tasks_complete"] == len(world.account.tasks)
        assert status["crawl"]["left"] == 0
        assert not math.isnan(status["poll_interval"])
