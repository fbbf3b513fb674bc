"""Cancelled at any await, cache and downloads stay whole: each test does so at every step in turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from wsfs.api.pacing import Lane
from wsfs.content.cache import Cache
from wsfs.content.fetch import Content

from .fakes import FakeServer, broken, content
from .test_cache import disk_usage

KIB = 1024
LIMIT = 700 * KIB
SIZES = {1: 150 * KIB, 2: 200 * KIB, 3: 170 * KIB, 4: 2000 * KIB}


class CancelAt(trio.abc.Instrument):
    """Cancels when one task has made so many steps; `act` is what is called then, by default cancelling `scope`."""

    def __init__(self, steps: int, task_name: str = "") -> None:
        self.left = steps
        self.scope = trio.CancelScope()
        self.act: Callable[[], None] = self.scope.cancel
        self.task: trio.lowlevel.Task | None = None
        self._task_name = task_name

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        if self._task_name and self._task_name in task.name:
            self.watch(task)
            self._task_name = ""

    def watch(self, task: trio.lowlevel.Task) -> None:
        """Count the steps of this task from now on."""
        self.task = task
        if self.left == 0:
            self.act()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.left -= 1
            if self.left == 0:
                self.act()

    async def run(self, function: Callable[[], Awaitable[object]]) -> None:
        """Call it in this task, to be cancelled."""
        with self.scope:
            self.watch(trio.lowlevel.current_task())
            try:
                await function()
            finally:
                self.task = None


class Scene:
    """A full cache, a server, and a check that everything is as it should be."""

    def __init__(self, directory: Path, nursery: trio.Nursery) -> None:
        self.server = FakeServer(dict(SIZES), chunk=20 * KIB)
        self.server.sizes.update({100 + index: 100 * KIB for index in range(8)})
        self.cache = Cache(directory, LIMIT, floor=0, step=30 * KIB)
        self.contents = Content(self.cache, self.server.download, nursery)

    async def fill(self) -> None:
        """Leave no room, so that everything that follows has to evict."""
        await self.cache.start()
        for index in range(4):
            await self.check(100 + index)

    async def check(self, file_id: int) -> None:
        """A fresh reader finds every byte, and in time."""
        size = self.server.sizes[file_id]
        with trio.fail_after(30):
            reader = self.contents.open(file_id, size, Lane.PERSON)
            try:
                assert await reader.read(0, size) == content(file_id, 0, size)
            finally:
                reader.close()

    async def whole(self) -> None:
        """Nothing hangs, nothing leaks, everything adds up and can be read."""
        contents, cache, server = self.contents, self.cache, self.server
        for file_id in (1, 2, 3, 4, 100, 101):
            await self.check(file_id)
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(30):
            while contents.status()["streams"] or contents._recording:  # noqa: ASYNC110
                await trio.sleep(0.01)
            await cache.record()
        assert contents.status()["open"] == 0
        assert server.running == 0
        assert not cache._held and cache._held_charge == 0
        assert cache._recorder.idle
        assert set(cache._entries) == set(cache._idle)
        assert cache.used == sum(entry.charge for entry in cache._entries.values())
        assert disk_usage(cache.directory) <= LIMIT
        names = {path.name for path in (cache.directory / "files").iterdir()}
        assert names == {entry.name for entry in cache._entries.values()}
        assert not any(entry.holders or entry.filling for entry in cache._entries.values())


Act = Callable[[Scene, Path], Awaitable[object]]


async def read_one(scene: Scene, path: Path) -> None:
    reader = scene.contents.open(1, SIZES[1], Lane.PERSON)
    try:
        await reader.read(100 * KIB, 4096)
        await reader.read(0, SIZES[1])
    finally:
        reader.close()


async def read_a_broken_one(scene: Scene, path: Path) -> None:
    scene.server.faults.append(broken(70 * KIB))
    await read_one(scene, path)


async def read_too_large_a_one(scene: Scene, path: Path) -> None:
    reader = scene.contents.open(4, SIZES[4], Lane.PERSON)
    try:
        await reader.read(SIZES[4] - 10, 10)
        await reader.read(0, SIZES[4])
    finally:
        reader.close()


async def read_with_others(scene: Scene, path: Path) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.check, 2)
        nursery.start_soon(scene.check, 3)
        await read_one(scene, path)


async def adopt(scene: Scene, path: Path) -> None:
    await trio.Path(path).write_bytes(content(2, 0, SIZES[2]))
    await scene.contents.adopt(2, SIZES[2], path)


async def forget(scene: Scene, path: Path) -> None:
    await scene.contents.forget(100)


async def forget_while_it_is_read(scene: Scene, path: Path) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_one, scene, path)
        await trio.lowlevel.checkpoint()
        await scene.contents.forget(1)


async def record(scene: Scene, path: Path) -> None:
    entry = scene.cache.find(103, 100 * KIB)
    assert entry is not None
    scene.cache.discard(entry)
    for entry in scene.cache._idle.values():
        scene.cache._recorder.note_present(entry)
    await scene.cache.record(uses=True)


async def clear(scene: Scene, path: Path) -> None:
    await scene.cache.clear()


@pytest.mark.parametrize(
    "act",
    [
        read_one,
        read_a_broken_one,
        read_too_large_a_one,
        read_with_others,
        adopt,
        forget,
        forget_while_it_is_read,
        record,
        clear,
    ],
)
def test_whoever_asked_is_cancelled(act: Act, tmp_path: Path) -> None:
    async def main(steps: int, directory: Path) -> bool:
        async with trio.open_nursery() as nursery:
            scene = Scene(directory, nursery)
            await scene.fill()
            cancel = CancelAt(steps)
            trio.lowlevel.add_instrument(cancel)
            await cancel.run(lambda: act(scene, tmp_path / "spooled"))
            trio.lowlevel.remove_instrument(cancel)
            scene.server.faults.clear()
            await scene.whole()
            await scene.cache.close()
            return cancel.scope.cancelled_caught

    every_step(main, tmp_path)


@pytest.mark.parametrize("file_id", [1, 4])
def test_a_download_is_stopped(file_id: int, tmp_path: Path) -> None:
    """Its reader gets all bytes nevertheless, by another one."""

    async def main(steps: int, directory: Path) -> bool:
        async with trio.open_nursery() as nursery:
            scene = Scene(directory, nursery)
            scene.server.chunk = 90 * KIB
            await scene.fill()
            cancel = CancelAt(steps, task_name="Stream.run")
            cancel.act = lambda: scene.contents._open[file_id].stop()
            trio.lowlevel.add_instrument(cancel)
            await scene.check(file_id)
            trio.lowlevel.remove_instrument(cancel)
            await scene.whole()
            await scene.cache.close()
            return cancel.left <= 0 and len(scene.server.requests) > 0

    every_step(main, tmp_path, first=1)


def test_the_whole_drive_is_cancelled(tmp_path: Path) -> None:
    """Then the cache closes, opens again, and is right."""

    async def main(steps: int, directory: Path) -> bool:
        cancel = CancelAt(steps)
        async with trio.open_nursery() as nursery:
            scene = Scene(directory, nursery)
            await scene.fill()
            cancel.act = nursery.cancel_scope.cancel
            trio.lowlevel.add_instrument(cancel)
            cancel.watch(trio.lowlevel.current_task())
            for file_id in (1, 4, 2, 3):
                await scene.check(file_id)
            cancel.task = None
        trio.lowlevel.remove_instrument(cancel)
        await scene.cache.close()
        async with trio.open_nursery() as nursery:
            again = Scene(directory, nursery)
            await again.cache.start()
            await again.whole()
            await again.cache.close()
        return cancel.left <= 0

    every_step(main, tmp_path)


def every_step(
    main: Callable[[int, Path], Awaitable[bool]], directory: Path, *, first: int = 0, last: int = 400
) -> None:
    """Run it with a cancellation at each step in turn, until it says that there was none."""
    for steps in range(first, last):
        if not trio.run(main, steps, directory / str(steps)):
            assert steps > first, "it was never cancelled"
            return
    pytest.fail("it never came to its end")
