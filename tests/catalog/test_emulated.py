"""The catalog, the real client and an emulated account together."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.catalog.model import FakeSink
from wsfs.api.auth import AdminKey
from wsfs.api.client import Client
from wsfs.api.errors import ApiError
from wsfs.api.pacing import Lane, Pacer
from wsfs.catalog.catalog import Catalog
from wsfs.catalog.store import Store
from wsfs.emulator.account import Account, NewFile
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.testing import running


@asynccontextmanager
async def mounted(url: str, key: str, path: Path, **options: Any) -> AsyncIterator[tuple[Catalog, FakeSink]]:
    """A running catalog of the account at `url`."""
    sink = FakeSink()
    store = Store(path)
    await store.open()
    options = {"crawl": 0.0, "rate": 0.0, "poll": 0.1, **options}
    async with Client(url, AdminKey(key), Pacer(0), deadline=5) as client:
        catalog = Catalog(client, store, sink, **options)
        await catalog.start()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(catalog.run)
            yield catalog, sink
            nursery.cancel_scope.cancel()
    await store.close()


def counted(emulator: Emulator) -> Counter[str]:
    return Counter(seen.action for seen in emulator.requests if seen.action != "get_events")


async def until(
    condition: Callable[[], bool],
    catalog: Catalog,
    first: Callable[..., Awaitable[None]] | None = None,
    *args: Any,
) -> None:
    """Go on looking until it is so."""
    if first is not None:
        await first(*args)
    with trio.fail_after(10):
        while not condition():
            catalog.looked()
            await trio.sleep(0.05)


def an_account() -> Account:
    account = Account()
    for number in range(3):
        project = account.add_project(f"Проєкт {number}", files=[NewFile("plan.pdf", b"plan")])
        for which in range(3):
            task = account.add_task(project, f"Task {which}", files=[NewFile("a.txt", b"a")])
            account.add_task(project, "Subtask", parent=task, done=which == 2)
        account.add_comment(task, "look", files=[NewFile("b.txt", b"bb"), NewFile("c.txt", b"ccc")])
    account.events.clear()
    return account


async def know(catalog: Catalog, sink: FakeSink) -> None:
    await catalog.need_projects(Lane.PERSON)
    for project in list(sink.project_names):
        await catalog.need_tasks(project, Lane.PERSON)
        await catalog.need_files(("project", project), Lane.PERSON)
    for task in list(sink.known):
        await catalog.need_files(("task", task), Lane.PERSON)


async def test_the_table_of_requests(tmp_path: Path) -> None:
    account = an_account()
    async with running(account) as emulator:
        async with mounted(emulator.url, emulator.api_key, tmp_path / "c.db") as (catalog, sink):
            await know(catalog, sink)
            assert counted(emulator) == {"get_projects": 1, "get_all_tasks": 1, "get_files": 3 + 3}
            assert set(sink.known) == set(account.tasks)
            files = {file for told in sink.told_files.values() for file in told}
            assert files == set(account.files)
        emulator.requests.clear()
        async with mounted(emulator.url, emulator.api_key, tmp_path / "c.db") as (catalog, sink):
            await know(catalog, sink)
            assert counted(emulator) == {}
    account.close()


async def test_what_colleagues_do_is_seen(tmp_path: Path) -> None:
    account = an_account()
    async with (
        running(account) as emulator,
        mounted(emulator.url, emulator.api_key, tmp_path / "c.db") as (catalog, sink),
    ):
        await know(catalog, sink)
        project, other, *_ = account.projects.values()
        task, second, third = project.tasks
        added = account.add_comment(task, "new", files=[NewFile("new.txt", b"new")]).files[0]
        await until(lambda: added.id in sink.file_ids(("task", task.id)), catalog)
        account.rename_task(second, "Renamed")
        await until(lambda: sink.known[second.id][2] == "Renamed", catalog)
        account.close_task(task)
        await until(lambda: sink.known[task.id][3] == "done", catalog)
        account.move_task(second, project=other)
        await until(lambda: sink.known[second.id][0] == other.id, catalog)
        assert all(sink.known[child.id][0] == other.id for child in second.children)
        account.delete_task(third)
        await until(lambda: third.id not in sink.known, catalog)
        made = account.add_task(other, "Made", parent=other.tasks[0])
        await until(lambda: made.id in sink.known, catalog)
        assert sink.known[made.id][1] == other.tasks[0].id
        new = account.add_project("New")
        inside = account.add_task(new, "Inside")
        await until(lambda: inside.id in sink.known, catalog)
        account.close_project(other)
        await until(lambda: other.id not in sink.project_names, catalog)
        assert made.id not in sink.known
        account.activate_project(other)
        await until(lambda: made.id in sink.known, catalog)
    account.close()


async def test_the_network_goes_and_comes_back(tmp_path: Path) -> None:
    account = an_account()
    project = next(iter(account.projects))
    async with running(account) as emulator:
        port = int(emulator.url.rsplit(":", 1)[1])
        key = emulator.api_key
        async with mounted(emulator.url, key, tmp_path / "c.db") as (catalog, sink):
            await until(lambda: len(sink.known) == 18, catalog, catalog.need_tasks, project, Lane.PERSON)
    async with mounted(f"http://127.0.0.1:{port}", key, tmp_path / "c.db") as (catalog, sink):
        assert catalog.knows_tasks(project) and len(sink.known) == 18
        await until(lambda: catalog.status()["mode"] == "offline", catalog)
        began = trio.current_time()
        with pytest.raises(ApiError):
            await catalog.need_files(("project", project), Lane.PERSON)
        assert trio.current_time() - began < 0.1
        async with running(account, port=port, api_key=key):
            await until(lambda: catalog.status()["mode"] == "events", catalog)
            await catalog.need_files(("project", project), Lane.PERSON)
    account.close()


async def test_the_crawl_fills_in_what_nobody_asked_for(tmp_path: Path) -> None:
    account = an_account()
    async with (
        running(account) as emulator,
        mounted(emulator.url, emulator.api_key, tmp_path / "c.db", crawl=0.5) as (catalog, sink),
    ):
        await catalog.need_tasks(next(iter(account.projects)), Lane.PERSON)
        await until(lambda: not catalog.status()["crawl"]["left"], catalog)
        await know(catalog, sink)
        assert counted(emulator) == {"get_projects": 1, "get_all_tasks": 1, "get_files": 3 + 3}
    account.close()


async def test_too_many_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsfs.emulator.actions.RECORDS", 12)
    account = an_account()
    async with (
        running(account) as emulator,
        mounted(emulator.url, emulator.api_key, tmp_path / "c.db") as (catalog, sink),
    ):
        await know(catalog, sink)
        assert set(sink.known) == set(account.tasks)
        assert counted(emulator)["get_tasks"] == 3
    account.close()
