"""Random saving, replacing and deleting under `versions`, held against what files are on every disk."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.drive.harness import ME, Desk, Setup, mounted
from wsfs.drive import errors
from wsfs.drive.handles import FileHandle
from wsfs.emulator.account import Account
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.testing import running
from wsfs.tree.names import with_id
from wsfs.uploads.options import Options

TASK = "/Office/Task"
TITLES = ["a.txt", "b.txt"]
KINDS = [
    *("save", "append", "patch", "truncate", "replace", "move", "unlink", "unlink", "look", "hold", "hold"),
    *("write held", "write held", "let go", "flush", "flush", "colleague", "reveal", "restart"),
]
STEP = st.tuples(st.sampled_from(KINDS), st.sampled_from(TITLES), st.booleans(), st.integers(0, 3))


@dataclass(eq=False)
class Thing:
    """What an inode holds: whoever has it open sees that, whatever becomes of its name."""

    content: bytes


@dataclass(eq=False)
class Stored:
    """An attachment, and the inode that it is shown by."""

    id: int
    content: bytes
    thing: Thing
    hidden: bool = False


@dataclass
class Title:
    """The attachments of one name, the oldest first, and what waits to become the next."""

    name: str
    stored: list[Stored] = field(default_factory=list)
    pending: Thing | None = None

    def shown(self) -> Thing | None:
        if self.pending is not None or not self.stored or self.stored[-1].hidden:
            return self.pending
        return self.stored[-1].thing

    def listing(self) -> dict[str, bytes]:
        shown = self.shown()
        found = {
            with_id(self.name, one.id, is_directory=False): one.content
            for one in self.stored
            if not one.hidden and one.thing is not shown
        }
        return found if shown is None else {**found, self.name: shown.content}

    def written(self, thing: Thing, content: bytes) -> None:
        """A program wrote to an open file: an attachment becomes pending, unless it was deleted or replaced."""
        for one in self.stored:
            if one.thing is thing:
                one.thing = Thing(one.content)
                if not one.hidden and self.pending is None:
                    self.pending = thing
        thing.content = content

    def new(self, thing: Thing) -> None:
        """A new file has the name."""
        self.pending = thing
        for one in self.stored:
            one.hidden = False

    def left(self) -> None:
        """What was pending has gone from the name."""
        self.pending = None
        if self.stored:
            self.stored[-1].hidden = True


class Day:
    """One user who saves, one colleague who attaches, one drive that is mounted again now and then."""

    def __init__(self, emulator: Emulator, directory: Path) -> None:
        self.emulator = emulator
        self.directory = directory
        self.stack = AsyncExitStack()
        self.titles = {name: Title(name) for name in TITLES}
        self.numbers = itertools.count()
        self.held: list[tuple[Title, Thing, FileHandle, bool]] = []
        self.desk: Desk

    async def begin(self) -> None:
        options = Options(settle=3600, settle_again=3600)
        setup = Setup(versions=True, hidden_for=3600, uploads=options)
        self.desk = await self.stack.enter_async_context(mounted(self.emulator, self.directory, setup))
        await self.desk.names(TASK)

    async def step(self, kind: str, name: str, flag: bool, number: int) -> None:
        step: Callable[..., Any] = getattr(self, kind.replace(" ", "_"))
        await step(self.titles[name], f"{TASK}/{name}", flag, number)

    def new_content(self) -> bytes:
        return f"content {next(self.numbers)}".encode()

    # Saving in place

    async def save(self, title: Title, path: str, *_: Any) -> None:
        content = self.new_content()
        shown = title.shown()
        if shown is None:
            await self.desk.write(path, content)
            title.new(Thing(content))
        else:
            await self.desk.save(path, content, truncate=True)
            title.written(shown, content)

    async def _changed(self, title: Title, path: str, readable: bool, offset: int, data: bytes) -> None:
        shown = title.shown()
        if shown is None:
            return
        handle = await self.desk.namespace.open((await self.desk.node(path)).inode, ME, readable=readable)
        await self.desk.put(handle, data, offset)
        await self.desk.close(handle)
        title.written(shown, patched(shown.content, offset, data))

    async def append(self, title: Title, path: str, flag: bool, number: int) -> None:
        if (shown := title.shown()) is not None:
            await self._changed(title, path, flag, len(shown.content), b"+")

    async def patch(self, title: Title, path: str, flag: bool, number: int) -> None:
        await self._changed(title, path, flag, number, b"XY")

    async def truncate(self, title: Title, path: str, flag: bool, number: int) -> None:
        if (shown := title.shown()) is not None:
            size = number + 1 if flag else len(shown.content) + number + 1
            await self.desk.namespace.set_attributes((await self.desk.node(path)).inode, size=size)
            title.written(shown, (shown.content + b"\0" * size)[:size])

    async def look(self, title: Title, path: str, flag: bool, number: int) -> None:
        if title.shown() is not None:
            inode = (await self.desk.node(path)).inode
            handle = await self.desk.namespace.open(inode, ME, readable=flag)
            await self.desk.close(handle)

    # Names

    async def replace(self, title: Title, path: str, *_: Any) -> None:
        content = self.new_content()
        await self.desk.write(f"{TASK}/x.tmp", content)
        await self.desk.rename(f"{TASK}/x.tmp", path)
        title.new(Thing(content))

    async def move(self, title: Title, path: str, flag: bool, number: int) -> None:
        """To the other name, without (`flag`) or with replacing it."""
        other = next(one for one in self.titles.values() if one is not title)
        attempt = self.desk.rename(path, f"{TASK}/{other.name}", replace=not flag)
        if title.shown() is None:
            await refused(errors.NoSuchName, attempt)
        elif title.pending is None:
            await refused(errors.NotPermitted, attempt)
        elif flag and other.shown() is not None:
            await refused(errors.NameExists, attempt)
        else:
            await attempt
            other.new(title.pending)
            title.left()

    async def unlink(self, title: Title, path: str, *_: Any) -> None:
        attempt = self.desk.unlink(path)
        if title.shown() is None:
            await refused(errors.NoSuchName, attempt)
            return
        await attempt
        title.left()

    # Files that are held open

    async def hold(self, title: Title, path: str, flag: bool, number: int) -> None:
        shown = title.shown()
        if shown is not None and len(self.held) < 4:
            inode = (await self.desk.node(path)).inode
            writes = number > 0
            handle = (
                await self.desk.namespace.open(inode, ME, readable=flag)
                if writes
                else self.desk.drive.open(inode, ME)
            )
            self.held.append((title, shown, handle, writes))

    async def write_held(self, title: Title, path: str, flag: bool, number: int) -> None:
        for owner, thing, handle, writes in self.held[number:]:
            if writes:
                data = self.new_content()[-2:]
                await self.desk.put(handle, data, number)
                home = next((one for one in self.titles.values() if one.pending is thing), owner)
                home.written(thing, patched(thing.content, number, data))
                return

    async def let_go(self, *_: Any) -> None:
        if self.held:
            await self.desk.close(self.held.pop()[2])

    # What goes on

    async def flush(self, *_: Any) -> None:
        writing = [held for held in self.held if held[3]]
        for held in writing:
            await self.desk.close(held[2])
            self.held.remove(held)
        await self.desk.flush()
        for title in self.titles.values():
            if title.pending is not None:
                newest = max(file.id for file in self.files(title.name))
                title.stored.append(Stored(newest, title.pending.content, title.pending))
                title.pending = None

    async def colleague(self, title: Title, *_: Any) -> None:
        task = next(iter(self.emulator.account.projects.values())).tasks[0]
        content = self.new_content()
        id = self.emulator.account.add_comment(task, files=[(title.name, content)]).files[0].id
        title.stored.append(Stored(id, content, Thing(content)))
        await self.desk.catalog.refresh(("task", task.id))

    async def reveal(self, *_: Any) -> None:
        """A minute goes by."""
        for id in list(self.desk.namespace.versions._hidden):
            self.desk.namespace.versions._show(id)
        for title in self.titles.values():
            for one in title.stored:
                one.hidden = False

    async def restart(self, *_: Any) -> None:
        for held in self.held:
            await self.desk.close(held[2])
        self.held.clear()
        await self.stack.aclose()
        await self.begin()
        for title in self.titles.values():
            for one in title.stored:
                one.hidden = False

    # What must be

    def files(self, name: str) -> list[Any]:
        return [file for file in self.emulator.account.files.values() if file.name == name]

    async def compare(self, *, contents: bool = False) -> None:
        expected: dict[str, bytes] = {}
        for title in self.titles.values():
            expected |= title.listing()
        assert await self.desk.names(TASK) == sorted(expected)
        for name, content in expected.items():
            if contents or name in TITLES:
                assert await self.desk.read(f"{TASK}/{name}") == content, name
        for _, thing, handle, _ in self.held:
            assert await self.desk.read_handle(handle) == thing.content
        inodes = {(await self.desk.node(f"{TASK}/{name}")).inode for name in expected}
        assert len(inodes) == len(expected)

    def sent(self) -> None:
        for title in self.titles.values():
            files = sorted(self.files(title.name), key=lambda file: int(file.id))
            found = [file.content.read(0, file.size) for file in files]
            assert found == [one.content for one in sorted(title.stored, key=lambda one: one.id)]


def patched(content: bytes, offset: int, data: bytes) -> bytes:
    content = content.ljust(offset, b"\0")
    return content[:offset] + data + content[offset + len(data) :]


async def refused(kind: type[Exception], attempt: Any) -> None:
    with pytest.raises(kind):
        await attempt


async def live(steps: list[tuple[Any, ...]]) -> None:
    account = Account()
    account.add_task(account.add_project("Office"), "Task", files=[("a.txt", b"first of all")])
    with tempfile.TemporaryDirectory() as directory:
        async with running(account) as emulator:
            day = Day(emulator, Path(directory))
            [first] = account.files.values()
            day.titles["a.txt"].stored.append(Stored(first.id, b"first of all", Thing(b"first of all")))
            async with day.stack:
                await day.begin()
                for step in steps:
                    await day.step(*step)
                    await day.compare()
                await day.flush()
                await day.compare(contents=True)
                day.sent()
                await day.restart()
                await day.compare(contents=True)
                assert not day.desk.spool.nodes
                assert not day.desk.spool.shadows
                assert not list((Path(directory) / "spool" / "content").iterdir())
                for _, _, handle, _ in day.held:
                    await day.desk.close(handle)
                await day.stack.aclose()
    account.close()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEP, min_size=8, max_size=30))
def test_random_days_of_saving(steps: list[tuple[Any, ...]]) -> None:
    trio.run(live, steps)
