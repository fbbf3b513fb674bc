"""Many idle mounts of one account: what they use of its requests, and how long a person in one of them waits.

The catalogs and clients of the mounts run in this process, as in a mount but without FUSE, against one emulator
that allows a request a second.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import trio

from tests.benchmarks.catalog_measures import Row, at_most
from wsfs.api.auth import AdminKey
from wsfs.api.client import Client
from wsfs.api.models import File, Project, Task
from wsfs.api.pacing import Lane, Pacer
from wsfs.catalog.catalog import Catalog
from wsfs.catalog.sink import Owner
from wsfs.catalog.store import Store
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.scale import scaled_account
from wsfs.emulator.testing import running


class Nobody:
    """A sink that nobody looks at."""

    def projects(self, projects: list[Project]) -> None: ...
    def tasks(self, project_id: int | None, tasks: list[Task]) -> None: ...
    def task(self, project_id: int, task: Task) -> None: ...
    def files(self, owner: Owner, files: list[File], complete: bool) -> None: ...
    def vanished(self, owner: Owner, *, deleted: bool = False) -> None: ...


def idle_mounts(
    scratch: Path, runs: int, *, mounts: int = 30, seconds: float = 330.0, rate: float = 1.0
) -> Iterator[Row]:
    """The share of the account's requests that go to polls, and a person's wait."""
    yield from trio.run(_idle_mounts, scratch, runs, mounts, seconds, rate)


async def _idle_mounts(scratch: Path, runs: int, mounts: int, seconds: float, rate: float) -> list[Row]:
    account = scaled_account(3, 30, 2, commented=1.0)
    async with running(account, rate=0.0) as learning, _one(learning, scratch / "known.db", 0.0) as catalog:
        project = next(iter(account.projects))
        await catalog.need_tasks(project, Lane.PERSON)
        for other in account.projects:
            await catalog.need_files(("project", other), Lane.PERSON)
    known = (scratch / "known.db").read_bytes()
    rng = random.Random(7)
    async with running(account, rate=rate) as service, AsyncExitStack() as stack:
        catalogs = []
        mounted = time.time()
        for number in range(mounts):
            path = scratch / f"mount{number}" / "catalog.db"
            path.parent.mkdir()
            path.write_bytes(known)
            catalogs.append(await stack.enter_async_context(_one(service, path, rate)))
        # Each asks once for what it missed; then it is idle.
        for one in catalogs:
            while (one.status()["last_poll"] or 0.0) < mounted:  # noqa: ASYNC110 - it tells nobody
                await trio.sleep(0.5)
        settled = time.time() - mounted
        begun, first = trio.current_time(), len(service.requests)
        await trio.sleep(seconds)
        polls = len(service.requests) - first
        used = polls / ((trio.current_time() - begun) * rate)
        waits = []
        tasks = list(account.tasks)
        for number in range(2 * runs):
            await trio.sleep(rng.uniform(1.0, 4.0) / rate)
            before = trio.current_time()
            await catalogs[number % mounts].need_files(("task", tasks[number]), Lane.PERSON)
            waits.append(trio.current_time() - before)
    what = f"{mounts} idle mounts of one account"
    return [
        Row(f"{what}, mounted at one moment: each has caught up after", f"{settled:.0f} s"),
        Row(
            f"{what}: their share of its requests, over {seconds:g} s",
            f"{used:.0%}",
            "30 %",
            kept=used <= 0.3,
        ),
        at_most(
            f"{what}: a person's request in one of them, the worst of {len(waits)}", max(waits), 5 / rate
        ),
        Row(f"{what}: … the median", f"{statistics.median(waits):.2f} s"),
    ]


class _one:  # noqa: N801 - reads as a function
    """The catalog of one mount, running, with a client and pacer of its own."""

    def __init__(self, service: Emulator, path: Path, rate: float) -> None:
        self._service, self._path, self._rate = service, path, rate
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Catalog:
        stack = self._stack
        store = Store(self._path)
        await store.open()
        stack.push_async_callback(store.close)
        client = Client(self._service.url, AdminKey(self._service.api_key), Pacer(self._rate))
        await stack.enter_async_context(client)
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        catalog = Catalog(client, store, Nobody(), crawl=0.0, rate=self._rate)
        await catalog.start()
        nursery.start_soon(catalog.run)
        return catalog

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()
