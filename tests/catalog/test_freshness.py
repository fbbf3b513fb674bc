"""Polls, what their news cost, full loads, and what our own posts don't cost."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.catalog.model import World
from wsfs.api.errors import AccessDenied, LoginRefused, ServerFailed, TokenExpired
from wsfs.api.models import Project, Ref, Task
from wsfs.api.pacing import Lane
from wsfs.catalog.catalog import Catalog
from wsfs.catalog.freshness import ACTIVE, ACTIVE_FOR, OVERLAP


async def settled(world: World, *, projects: int = 2, tasks: int = 6) -> tuple[list[int], list[int]]:
    """An account whose latest event is long past; its projects and tasks."""
    account = world.account
    made = [account.add_project(f"P{n}") for n in range(projects)]
    ids = [account.add_task(project, "Task", files=1) for project in made for _ in range(tasks)]
    await trio.sleep(4000)
    return made, ids


async def know(catalog: Catalog, world: World) -> None:
    """Everything is read, and the requests so far forgotten."""
    await catalog.need_projects(Lane.PERSON)
    for project in list(world.sink.project_names):
        await catalog.need_tasks(project, Lane.PERSON)
        await catalog.need_files(("project", project), Lane.PERSON)
    for task in list(world.sink.known):
        await catalog.need_files(("task", task), Lane.PERSON)
    world.forget_requests()


def polls(world: World) -> list[str]:
    return [subject for action, subject in world.account.requests if action == "get_events"]


async def test_polls_come_often_while_a_person_looks_and_seldom_when_nobody_does(
    world: World, autojump_clock: MockClock
) -> None:
    await settled(world)
    async with world.mounted(rng=random.Random(1)) as catalog:
        await know(catalog, world)
        for _ in range(10):
            catalog.looked()
            await trio.sleep(30)
        assert 25 <= len(polls(world)) <= 38  # every 10 s
        world.forget_requests()
        await trio.sleep(ACTIVE_FOR + 10)
        world.forget_requests()
        await trio.sleep(300)
        assert 8 <= len(polls(world)) <= 13  # every 30 s
        await trio.sleep(3600)
        world.forget_requests()
        await trio.sleep(3600)
        assert 10 <= len(polls(world)) <= 15  # every 5 min
        assert world.account.count() == 0


async def test_a_look_after_a_quiet_time_polls_at_once(world: World, autojump_clock: MockClock) -> None:
    _, tasks = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        await trio.sleep(2 * 3600)
        world.account.rename_task(tasks[0], "Renamed")
        world.forget_requests()
        catalog.looked()
        await trio.sleep(ACTIVE + 1)
        assert world.sink.known[tasks[0]][2] == "Renamed"


async def test_each_poll_looks_back_beyond_the_one_before(world: World, autojump_clock: MockClock) -> None:
    await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        await trio.sleep(4000)
        assert all(int(period[:-1]) * 60 >= OVERLAP for period in polls(world))
    world.forget_requests()
    await trio.sleep(2 * 86400)
    async with world.mounted() as catalog:
        await trio.sleep(1)
        assert polls(world) == ["49h"]
        assert world.account.count() == 0  # no full load within the first minutes
        await trio.sleep(900)
        assert world.account.asked() == [("get_projects", None), ("get_all_tasks", None)]


async def test_longer_away_than_events_reach_back(world: World, autojump_clock: MockClock) -> None:
    projects, tasks = await settled(world)
    commented = world.account.add_comment(tasks[0], files=1)
    world.account.add_comment(tasks[1], files=1)
    async with world.mounted() as catalog:
        await know(catalog, world)
    world.account.delete_task(tasks[3])
    world.account.add_comment(tasks[1], files=1)
    await trio.sleep(40 * 86400)
    world.forget_requests()
    async with world.mounted() as catalog:
        await trio.sleep(100)
        # whose comments are the same isn't read again
        assert world.account.asked() == [
            ("get_projects", None),
            ("get_all_tasks", None),
            ("get_files", ("task", tasks[1])),
        ]
        assert tasks[3] not in world.sink.known
        assert len(world.sink.file_ids(("task", tasks[1]))) == 3
        assert catalog.knows_files(("task", tasks[0]))
    assert commented and projects


@pytest.mark.parametrize("error", [AccessDenied(), LoginRefused()])
async def test_events_refused_is_a_full_load_every_ten_minutes(
    world: World, autojump_clock: MockClock, error: Exception
) -> None:
    _, tasks = await settled(world)
    world.account.add_comment(tasks[0], files=1)
    world.account.refuse["get_events"] = error  # type: ignore[assignment]
    async with world.mounted() as catalog:
        await know(catalog, world)
        await trio.sleep(1000)
        assert catalog.status()["mode"] == "full loads"
        assert catalog.status()["events_refused"]
        world.account.rename_task(tasks[1], "Renamed")
        world.account.add_comment(tasks[0], files=1)
        world.forget_requests()
        await trio.sleep(3600)
        loads = [request for request in world.account.asked() if request[0] == "get_all_tasks"]
        assert 4 <= len(loads) <= 8
        assert polls(world) == []
        assert world.sink.known[tasks[1]][2] == "Renamed"
        assert len(world.sink.file_ids(("task", tasks[0]))) == 3


async def test_a_dead_login_is_said_and_asked_seldom(world: World, autojump_clock: MockClock) -> None:
    _, tasks = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        for task in tasks:
            world.account.add_comment(task, files=1)
        catalog.looked()
        await trio.sleep(9)
        world.account.fault = TokenExpired()
        await trio.sleep(3600)
        assert catalog.status()["mode"] == "login refused"
        assert world.account.count(polls=True) < 50
        world.account.fault = None
        await trio.sleep(1000)
        assert catalog.status()["mode"] == "events"
        assert catalog.status()["to_read_again"] == 0
        assert all(len(world.sink.file_ids(("task", task))) == 2 for task in tasks)


async def test_a_failing_server_is_asked_again_later(world: World, autojump_clock: MockClock) -> None:
    _, tasks = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        world.account.rename_task(tasks[0], "Renamed")
        world.account.refuse["get_task"] = ServerFailed()
        catalog.looked()
        await trio.sleep(100)
        assert catalog.status()["to_read_again"] == 1
        world.account.refuse.clear()
        await trio.sleep(100)
        assert world.sink.known[tasks[0]][2] == "Renamed"
        assert catalog.status()["to_read_again"] == 0


async def test_a_full_load_comes_every_six_hours_and_tells_only_what_changed(
    world: World, autojump_clock: MockClock
) -> None:
    projects, tasks = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        world.account.tasks[tasks[0]].name = "Without an event"
        await trio.sleep(5 * 3600)
        assert world.account.count() == 0
        await trio.sleep(4 * 3600)
        assert world.account.asked() == [("get_projects", None), ("get_all_tasks", None)]
        assert world.sink.calls == [("tasks", projects[0])]
        assert world.sink.known[tasks[0]][2] == "Without an event"


async def test_one_changed_task_is_read_once_and_once_more_after_its_minute(
    world: World, autojump_clock: MockClock
) -> None:
    _, tasks = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        world.account.rename_task(tasks[0], "Renamed")
        catalog.looked()
        await trio.sleep(12)
        assert world.account.asked() == [("get_task", tasks[0])]
        assert world.sink.known[tasks[0]][2] == "Renamed"
        await trio.sleep(300)
        assert world.account.asked() == [("get_task", tasks[0])] * 2
        await trio.sleep(3600)
        assert world.account.count() == 2


async def test_a_change_in_the_same_minute_without_an_event_of_its_own_is_seen(
    world: World, autojump_clock: MockClock
) -> None:
    _, tasks = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        world.account.rename_task(tasks[0], "First")
        catalog.looked()
        await trio.sleep(12)
        assert world.sink.known[tasks[0]][2] == "First"
        world.account.tasks[tasks[0]].name = "Second"
        await trio.sleep(120)
        assert world.sink.known[tasks[0]][2] == "Second"


async def test_equal_events_are_counted(world: World, autojump_clock: MockClock) -> None:
    _, tasks = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        await trio.sleep(-world.account.seconds % 60)
        world.account.rename_task(tasks[0], "First")
        catalog.looked()
        await trio.sleep(14)
        world.account.rename_task(tasks[0], "Second")
        catalog.looked()
        await trio.sleep(14)
        assert world.sink.known[tasks[0]][2] == "Second"
        assert len(set(map(str, world.account.events[-2:]))) == 2  # their seconds differ,
        assert world.account.events[-1][1] == world.account.events[-2][1]  # and not what is told


async def test_a_comment_costs_one_reading_of_the_files(world: World, autojump_clock: MockClock) -> None:
    _, tasks = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        world.account.add_comment(tasks[0], files=2)
        catalog.looked()
        await trio.sleep(12)
        assert world.account.asked() == [("get_files", ("task", tasks[0]))]
        assert len(world.sink.file_ids(("task", tasks[0]))) == 3


async def test_a_comment_on_what_was_never_listed_costs_nothing(
    world: World, autojump_clock: MockClock
) -> None:
    projects, tasks = await settled(world)
    world.account.add_comment(tasks[0], files=1)
    await trio.sleep(2000)
    async with world.mounted() as catalog:
        await catalog.need_tasks(projects[0], Lane.PERSON)
        world.forget_requests()
        world.account.add_comment(tasks[0], files=1)
        await trio.sleep(200)
        assert world.account.count() == 0
        assert not catalog.knows_files(("task", tasks[0]))


async def test_more_than_three_tasks_are_read_by_project(world: World, autojump_clock: MockClock) -> None:
    projects, tasks = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        for task in tasks[:3]:
            world.account.rename_task(task, "Three")
        catalog.looked()
        await trio.sleep(45)
        assert world.account.asked() == [("get_task", task) for task in reversed(tasks[:3])]
        await trio.sleep(300)
        world.forget_requests()
        for task in tasks[:4]:
            world.account.rename_task(task, "Four")
        catalog.looked()
        await trio.sleep(45)
        assert world.account.asked() == [("get_tasks", projects[0])]
        await trio.sleep(300)
        assert world.account.asked() == [("get_tasks", projects[0])] * 2


async def test_many_projects_are_read_at_once(world: World, autojump_clock: MockClock) -> None:
    _, tasks = await settled(world, projects=8, tasks=1)
    async with world.mounted() as catalog:
        await know(catalog, world)
        for task in tasks:
            world.account.rename_task(task, "All")
        catalog.looked()
        await trio.sleep(45)
        assert world.account.asked() == [("get_all_tasks", None)]
        assert {row[2] for row in world.sink.known.values()} == {"All"}


async def test_a_listed_projects_own_files_are_read_again_after_five_minutes(
    world: World, autojump_clock: MockClock
) -> None:
    projects, _ = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        added = world.account.new_file()
        world.account.projects[projects[0]].files.append(added)  # no event tells of it
        await trio.sleep(200)
        catalog.looked(("project", projects[0]))
        await trio.sleep(5)
        assert world.account.count() == 0
        await trio.sleep(200)
        catalog.looked(("project", projects[0]))
        assert catalog.knows_files(("project", projects[0]))  # nobody waits for it
        await trio.sleep(5)
        assert world.account.asked() == [("get_files", ("project", projects[0]))]
        assert world.account.lanes[-1] >= Lane.REFRESH
        assert world.sink.file_ids(("project", projects[0])) == {added}


async def test_our_own_post_costs_one_reading_at_most(world: World, autojump_clock: MockClock) -> None:
    projects, tasks = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        world.account.add_comment(tasks[0], files=3)
        catalog.files_listed(("task", tasks[0]), world.account.all_files(("task", tasks[0])))
        made = world.account.add_task(projects[0], "Ours", files=2)
        catalog.task_created(Task(id=made, name="Ours", project=Ref(id=projects[0])))
        catalog.files_listed(("task", made), world.account.all_files(("task", made)))
        catalog.looked()
        await trio.sleep(1000)
        assert sorted(world.account.asked(), key=str) == [
            ("get_files", ("task", tasks[0])),
            ("get_task", made),
        ]
        assert len(world.sink.file_ids(("task", made))) == 2


async def test_a_colleagues_comment_beside_our_own_is_read_at_once(
    world: World, autojump_clock: MockClock
) -> None:
    _, tasks = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        world.account.add_comment(tasks[0], files=1)
        catalog.files_listed(("task", tasks[0]), world.account.all_files(("task", tasks[0])))
        world.account.add_comment(tasks[0], files=1)
        catalog.looked()
        await trio.sleep(12)
        assert len(world.sink.file_ids(("task", tasks[0]))) == 3


async def test_what_is_owed_survives_a_remount(world: World, autojump_clock: MockClock) -> None:
    _, tasks = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        world.account.refuse["get_task"] = ServerFailed()
        world.account.rename_task(tasks[0], "Renamed")
        await trio.sleep(60)
    await trio.sleep(3600)
    world.account.refuse.clear()
    async with world.mounted() as catalog:
        await trio.sleep(60)
        assert world.sink.known[tasks[0]][2] == "Renamed"


async def test_a_busy_account_is_polled_less(world: World, autojump_clock: MockClock) -> None:
    await settled(world)
    async with world.mounted(rng=random.Random(2)) as catalog:
        await know(catalog, world)
        catalog.looked()
        usual = catalog.status()["poll_interval"]
        world.account.delay = 8.0
        await trio.sleep(100)
        catalog.looked()
        assert catalog.status()["poll_interval"] >= 4 * usual
        world.account.delay = 0.0
        await trio.sleep(600)
        catalog.looked()
        await trio.sleep(60)
        assert catalog.status()["poll_interval"] == usual


async def test_what_was_counted_is_counted_after_a_remount(world: World, autojump_clock: MockClock) -> None:
    _, tasks = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        world.account.rename_task(tasks[0], "Renamed")
        catalog.looked()
        await trio.sleep(90)
        assert world.account.count() == 2
    world.forget_requests()
    async with world.mounted() as catalog:
        catalog.looked()
        await trio.sleep(60)
        assert polls(world)
        assert world.account.count() == 0


async def test_events_of_a_project_that_is_not_shown_cost_one_look_at_the_list(
    world: World, autojump_clock: MockClock
) -> None:
    projects, tasks = await settled(world)
    world.account.close_project(projects[1])
    await trio.sleep(4000)
    async with world.mounted() as catalog:
        await know(catalog, world)
        for number in range(20):
            world.account.rename_task(tasks[-1], f"{number}")
            catalog.looked()
            await trio.sleep(15)
        assert world.account.asked() == [("get_projects", None)] * 2  # and once more after the minute
        world.account.reopen_project(projects[1])
        await trio.sleep(100)
        assert world.sink.known[tasks[-1]][2] == "19"


async def test_a_renamed_project_costs_no_reading_of_its_files(
    world: World, autojump_clock: MockClock
) -> None:
    projects, _ = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        world.account.rename_project(projects[0], "Renamed")
        catalog.looked()
        await trio.sleep(12)
        assert world.sink.project_names[projects[0]] == "Renamed"
        assert world.account.asked() == [("get_projects", None)]
        world.account.describe_project(projects[0])
        catalog.looked()
        await trio.sleep(12)
        assert ("get_files", ("project", projects[0])) in world.account.requests
        assert len(world.sink.file_ids(("project", projects[0]))) == 1


async def test_what_an_event_told_a_full_load_does_not_read_again(
    world: World, autojump_clock: MockClock
) -> None:
    _, tasks = await settled(world)
    world.account.add_comment(tasks[0], files=1)
    world.account.add_comment(tasks[1], files=1)
    await trio.sleep(4000)
    async with world.mounted() as catalog:
        await know(catalog, world)
        world.account.add_comment(tasks[0], files=1)
        catalog.looked()
        await trio.sleep(90)
        world.forget_requests()
        await catalog.refresh(None)
        await catalog.refresh(None)
        await trio.sleep(30)
        assert world.account.count() == 4
        world.account.tasks[tasks[0]].comments.pop()  # and no event tells of it
        await catalog.refresh(None)
        await trio.sleep(30)
        assert world.account.asked()[-1] == ("get_files", ("task", tasks[0]))
        assert world.account.count() == 7


async def test_thirty_idle_mounts_leave_most_of_the_account_to_others(
    tmp_path: Path, no_threads: None, autojump_clock: MockClock
) -> None:
    worlds = [World(tmp_path / str(number)) for number in range(30)]
    account = worlds[0].account
    account.add_task(account.add_project(), files=1)
    await trio.sleep(4000)
    async with AsyncExitStack() as stack:
        for number, world in enumerate(worlds):
            world.account = account
            catalog = await stack.enter_async_context(world.mounted(rng=random.Random(number)))
            await know(catalog, world)
        account.requests.clear()
        began = trio.current_time()
        await trio.sleep(1800)
        assert 0 < account.count(polls=True) <= 0.3 * (trio.current_time() - began)


async def test_a_task_that_moved_amidst_many_changes_is_told_and_not_dropped(
    world: World, autojump_clock: MockClock
) -> None:
    projects, tasks = await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        for task in tasks[:5]:
            world.account.rename_task(task, "Renamed")
        world.account.move_task(tasks[0], projects[1])
        world.account.rename_task(tasks[0], "There")
        catalog.looked()
        await trio.sleep(12)
        assert world.account.asked() == [("get_task", tasks[0]), ("get_tasks", projects[0])]
        assert world.sink.known[tasks[0]] == (projects[1], 0, "There", "active")
        assert ("task", tasks[0]) in world.sink.told_files


async def test_a_project_made_here_costs_one_reading_at_most(world: World, autojump_clock: MockClock) -> None:
    await settled(world)
    async with world.mounted() as catalog:
        await know(catalog, world)
        made = world.account.add_project("Ours")
        catalog.project_created(Project(id=made, name="Ours"))
        catalog.files_listed(("project", made), [])
        catalog.looked()
        await trio.sleep(1000)
        assert world.account.asked() == [("get_projects", None)]
