"""Whatever colleagues do, polls bring the sink to what a fresh full load would tell."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.catalog.conftest import inline
from tests.catalog.model import Account, World
from wsfs.api.errors import Unreachable
from wsfs.api.pacing import Lane
from wsfs.catalog.catalog import Catalog

Operation = tuple[str, int, int]

OPERATIONS = (
    "add_task", "add_subtask", "add_comment", "delete_comment", "rename_task", "describe_task", "close_task",
    "reopen_task", "move_task", "delete_task", "add_project", "rename_project", "describe_project",
    "close_project", "reopen_project", "delete_project", "many", "wait", "look", "list", "remount", "cut",
)  # fmt: skip

steps = st.lists(
    st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 1000), st.integers(0, 1000)), max_size=25
)


def operate(account: Account, name: str, a: int, b: int) -> None:
    """Let a colleague do one thing, to whatever `a` and `b` happen to choose; nothing where there is none."""
    projects, tasks = list(account.projects), list(account.tasks)
    if name == "add_project":
        account.add_project(f"Project {a}", files=a % 2)
    if not projects:
        return
    project = projects[a % len(projects)]
    if name == "add_task":
        account.add_task(project, f"Task {b}", files=b % 2)
    elif name == "rename_project":
        account.rename_project(project, f"Name {b}")
    elif name in ("describe_project", "close_project", "reopen_project"):
        getattr(account, name)(project)
    elif name == "delete_project" and len(projects) > 1:
        account.delete_project(project)
    if not tasks:
        return
    task = tasks[a % len(tasks)]
    if name == "add_subtask" and not account.tasks[task].parent:
        account.add_task(account.tasks[task].project, f"Subtask {b}", parent=task, files=b % 2)
    elif name == "add_comment":
        account.add_comment(task, files=b % 3)
    elif name == "delete_comment" and account.tasks[task].comments:
        account.delete_comment(task, account.tasks[task].comments[b % len(account.tasks[task].comments)].id)
    elif name == "rename_task":
        account.rename_task(task, f"Title {b}")
    elif name in ("describe_task", "close_task", "reopen_task", "delete_task"):
        getattr(account, name)(task)
    elif name == "move_task":
        account.move_task(task, projects[b % len(projects)])
    elif name == "many":
        for other in tasks[: b % 12]:
            account.rename_task(other, f"Many {b}")


async def everything(catalog: Catalog, world: World) -> None:
    """Everything is listed once, as far as the sink shows it."""
    await catalog.need_projects(Lane.PERSON)
    for project in list(world.sink.project_names):
        await catalog.need_tasks(project, Lane.PERSON)
        await trio.testing.wait_all_tasks_blocked()
    for owner in [("task", t) for t in world.sink.known] + [("project", p) for p in world.sink.project_names]:
        try:
            await catalog.need_files(owner, Lane.PERSON)
        except Exception:  # noqa: BLE001 - it may be gone meanwhile
            pass


def check(world: World) -> None:
    """The sink shows the account as it is."""
    account, sink = world.account, world.sink
    shown = {p.id: p.name for p in account.projects.values() if p.status != "archived"}
    assert sink.project_names == shown
    tasks = {
        t.id: (t.project, t.parent, t.name, t.status) for t in account.tasks.values() if t.project in shown
    }
    assert sink.known == tasks
    assert not {owner for call, owner in sink.calls if call == "deleted"} & {
        ("task", id) for id in account.tasks
    }, "what is only not shown may come back, and its content with it"
    for owner, files in sink.told_files.items():
        if owner[0] == "project":
            continue
        truth = {file.id for file in account.all_files(owner)}
        if sink.complete[owner]:
            assert set(files) == truth, owner
        else:
            assert set(account.tasks[owner[1]].files) <= set(files), owner


async def play(directory: Path, operations: list[Operation], seed: int, carry: bool, merged: bool) -> None:
    world = World(directory)
    account = world.account
    account.comments_carry_files = carry
    account.events_merged = merged
    for number in range(2):
        project = account.add_project(f"Project {number}", files=number)
        for _ in range(3):
            task = account.add_task(project, "Task", files=1)
            account.add_task(project, "Subtask", parent=task)
        account.add_comment(task, files=1)
    await trio.sleep(1000)
    left = list(operations)
    first = True
    settled = False
    while not settled:
        async with world.mounted(rng=random.Random(seed)) as catalog:
            if first:
                await everything(catalog, world)
            first = False
            await trio.sleep(3)
            while left:
                name, a, b = left.pop(0)
                if name == "wait":
                    await trio.sleep(a % 100)
                elif name == "look":
                    catalog.looked()
                elif name == "list":
                    await everything(catalog, world)
                elif name == "cut":
                    account.fault = Unreachable()
                    await trio.sleep(a)
                    account.fault = None
                    await trio.sleep(60)
                elif name == "remount":
                    break
                else:
                    operate(account, name, a, b)
                    await trio.sleep(b % 7)
            else:
                await trio.sleep(1000)
                check(world)
                assert catalog.status()["to_read_again"] == 0
                settled = True
        await trio.sleep(left[0][1] * 60 if left else 0)
    fresh = World(directory / "fresh")
    fresh.account = account
    async with fresh.mounted() as catalog:
        await everything(catalog, fresh)
        assert fresh.sink.known == world.sink.known
        assert fresh.sink.project_names == world.sink.project_names


def run(play: Callable[..., Any], *args: Any) -> None:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(trio.to_thread, "run_sync", inline)
        trio.run(play, Path(directory), *args, clock=trio.testing.MockClock(autojump_threshold=0))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(operations=steps, seed=st.integers(0, 5), carry=st.booleans(), merged=st.booleans())
def test_polls_bring_the_sink_to_what_is(
    operations: list[Operation], seed: int, carry: bool, merged: bool
) -> None:
    run(play, operations, seed, carry, merged)


def test_a_long_day() -> None:
    rng = random.Random(5)
    names = [name for name in OPERATIONS if name not in ("remount",)]
    operations = [(rng.choice(names), rng.randrange(1000), rng.randrange(1000)) for _ in range(300)]
    run(play, operations, 1, False, False)
