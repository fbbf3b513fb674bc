"""The crawl: what it reads, in which order, how fast, and for whom it steps aside."""

from __future__ import annotations

import trio
import trio.testing
from trio.testing import MockClock

from tests.catalog.model import World
from wsfs.api.errors import AccessDenied, TokenExpired, Unreachable
from wsfs.api.pacing import Lane


def fill(world: World, *, projects: int = 2, commented: int = 3) -> tuple[list[int], list[int]]:
    """Projects, and the commented ones of their tasks, oldest first."""
    made, tasks = [], []
    for _ in range(projects):
        made.append(world.account.add_project(files=1))
        world.account.add_task(made[-1], files=1)
        for _ in range(commented):
            tasks.append(world.account.add_task(made[-1], files=1))
            world.account.add_comment(tasks[-1], files=1)
    world.account.events.clear()
    return made, tasks


async def test_it_knows_everything_in_the_end_newest_tasks_first(
    world: World, autojump_clock: MockClock
) -> None:
    projects, tasks = fill(world)
    async with world.mounted(crawl=0.5) as catalog:
        await trio.sleep(100)
        assert world.account.asked() == [
            ("get_projects", None),
            ("get_all_tasks", None),
            *(("get_files", ("task", task)) for task in reversed(tasks)),
            *(("get_files", ("project", project)) for project in projects),
        ]
        assert set(world.account.lanes) <= {Lane.BACKGROUND, Lane.REFRESH}
        assert catalog.status()["crawl"] == {"on": True, "left": 0, "requests": 10}
        assert all(world.sink.complete.values())


async def test_switched_off_it_asks_for_nothing(world: World, autojump_clock: MockClock) -> None:
    fill(world)
    async with world.mounted(crawl=0.0) as catalog:
        await trio.sleep(1000)
        assert world.account.requests == []
        assert catalog.status()["crawl"]["on"] is False


async def test_it_leaves_the_first_seconds_to_the_person(world: World, autojump_clock: MockClock) -> None:
    fill(world)
    async with world.mounted(crawl=0.5) as catalog:
        await trio.sleep(4)
        assert world.account.requests == []
        await catalog.need_projects(Lane.PERSON)
        catalog.looked()
        await trio.sleep(4)
        assert world.account.count() == 1


async def test_it_uses_its_share_of_the_requests(world: World, autojump_clock: MockClock) -> None:
    fill(world, projects=1, commented=200)
    async with world.mounted(crawl=0.5, rate=1.0):
        await trio.sleep(20)
        world.forget_requests()
        await trio.sleep(100)
        assert 45 <= world.account.count() <= 51
    world.forget_requests()
    async with world.mounted(crawl=0.25, rate=2.0):
        await trio.sleep(100)
        assert 45 <= world.account.count() <= 51


async def test_it_goes_on_after_a_remount_where_it_was(world: World, autojump_clock: MockClock) -> None:
    fill(world, projects=1, commented=20)
    async with world.mounted(crawl=0.5):
        await trio.sleep(25)
    before = world.account.count()
    assert 5 < before < 15
    async with world.mounted(crawl=0.5):
        await trio.sleep(100)
    assert world.account.count() == 2 + 20 + 1
    assert len(set(world.account.asked())) == world.account.count()


async def test_a_person_who_wants_what_it_is_reading_takes_the_request_over(
    world: World, autojump_clock: MockClock
) -> None:
    _, tasks = fill(world, projects=1, commented=1)
    async with world.mounted(crawl=0.5) as catalog, trio.open_nursery() as nursery:
        await catalog.need_tasks(next(iter(world.account.projects)), Lane.PERSON)
        world.forget_requests()
        world.account.gate = trio.Event()
        await trio.sleep(20)  # the crawl's request is queued
        nursery.start_soon(catalog.need_files, ("task", tasks[0]), Lane.PERSON)
        await trio.testing.wait_all_tasks_blocked()
        world.account.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        lanes = dict(zip(world.account.requests, world.account.lanes, strict=True))
        assert world.account.asked()[0] == ("get_files", ("task", tasks[0]))
        assert lanes[("get_files", ("task", tasks[0]))] == Lane.PERSON


async def test_what_is_refused_is_not_asked_for_for_ever(world: World, autojump_clock: MockClock) -> None:
    fill(world)
    world.account.refuse["get_files"] = AccessDenied()
    async with world.mounted(crawl=0.5):
        await trio.sleep(600)
        assert world.account.count() == 2 + 6 + 2


async def test_a_dead_login_does_not_end_it(world: World, autojump_clock: MockClock) -> None:
    fill(world)
    async with world.mounted(crawl=0.5) as catalog:
        await trio.sleep(10)
        world.account.fault = TokenExpired()
        await trio.sleep(3600)
        assert world.account.count() < 50
        world.account.fault = None
        await trio.sleep(1000)
        assert catalog.status()["crawl"]["left"] == 0


async def test_it_rests_while_the_network_is_away(world: World, autojump_clock: MockClock) -> None:
    fill(world)
    world.account.fault = Unreachable()
    async with world.mounted(crawl=0.5) as catalog:
        await trio.sleep(600)
        assert world.account.count() == 1
        world.account.fault = None
        await trio.sleep(100)
        assert catalog.status()["crawl"]["left"] == 0


async def test_it_reads_projects_one_by_one_where_tasks_are_too_many(
    world: World, autojump_clock: MockClock
) -> None:
    projects, _ = fill(world, projects=3)
    world.account.limit = 5
    async with world.mounted(crawl=0.5):
        await trio.sleep(200)
        assert set(world.sink.known) == set(world.account.tasks)
        asked = [subject for action, subject in world.account.asked() if action == "get_tasks"]
        assert asked == sorted(projects, reverse=True)
