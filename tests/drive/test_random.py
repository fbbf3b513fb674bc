"""Random days at a drive, held against a simple picture of what a user should see."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
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
from wsfs.emulator.account import Account
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.testing import running
from wsfs.tree.names import with_id
from wsfs.uploads.noise import is_noise, is_noise_directory, is_placeholder_directory
from wsfs.uploads.options import Options

NAMES = ["a.txt", "b.txt", "plan", "x.tmp", ".DS_Store", "Untitled Folder"]
KINDS = ["create", "write", "rename", "rename", "unlink", "mkdir", "rmdir", "flush", "colleague", "restart"]
STEP = st.tuples(st.sampled_from(KINDS), *(st.integers(0, 11), st.sampled_from(NAMES)) * 2, st.booleans())


@dataclass
class Folder:
    """What a user takes a directory for: `pending` and `attachments` as title → content, oldest first."""

    uploaded: bool
    pending: dict[str, bytes] = field(default_factory=dict)
    attachments: list[tuple[str, bytes]] = field(default_factory=list)
    folders: dict[str, Folder] = field(default_factory=dict)

    def walk(self, path: str) -> Iterator[tuple[str, Folder]]:
        yield path, self
        for name, folder in self.folders.items():
            yield from folder.walk(f"{path}/{name}")

    def height(self) -> int:
        return 1 + max((one.height() for one in self.folders.values()), default=0)


class Day:
    """One user, one colleague, one drive that is mounted again now and then."""

    def __init__(self, emulator: Emulator, directory: Path) -> None:
        self.emulator = emulator
        self.account = emulator.account
        self.directory = directory
        self.stack = AsyncExitStack()
        self.contents = itertools.count()
        task = Folder(True, folders={"Part": Folder(True)})
        self.office = Folder(True, folders={"Task": task})
        self.mine: list[bytes] = []  # what has been sent
        self.desk: Desk

    async def __aenter__(self) -> None:
        await self.begin()

    async def __aexit__(self, *_: object) -> None:
        await self.stack.aclose()

    async def begin(self) -> None:
        options = Options(settle=3600, settle_again=3600, hold_tasks=1000)
        self.desk = await self.stack.enter_async_context(
            mounted(self.emulator, self.directory, Setup(uploads=options, writable_for=0))
        )

    def pick(self, number: int) -> tuple[str, Folder]:
        folders = list(self.office.walk("/Office"))
        return folders[number % len(folders)]

    def new_content(self) -> bytes:
        return f"content {next(self.contents)}".encode()

    def ids(self) -> dict[bytes, int]:
        return {file.content.read(0, file.size): file.id for file in self.account.files.values()}

    def visible(self, folder: Folder) -> dict[str, bytes | None]:
        """Name → content; None for a directory."""
        ids = self.ids()
        shown: dict[str, bytes | None] = dict.fromkeys(folder.folders)
        shown |= folder.pending
        for title, content in sorted(folder.attachments, key=lambda one: -ids[one[1]]):
            name = title if title not in shown else with_id(title, ids[content], is_directory=False)
            shown[name] = content
        return shown

    def is_attachment(self, folder: Folder, name: str) -> bool:
        return name in self.visible(folder) and name not in folder.pending and name not in folder.folders

    async def refused(self, kinds: Any, attempt: Any) -> None:
        with pytest.raises(kinds):
            await attempt

    async def step(self, kind: str, one: int, name: str, two: int, new_name: str, flag: bool) -> None:
        path, folder = self.pick(one)
        await getattr(self, kind)(path, folder, name, *self.pick(two), new_name, flag)

    # what happens

    async def create(self, path: str, folder: Folder, name: str, *_: Any) -> None:
        if name in self.visible(folder):
            await self.refused(errors.NameExists, self.desk.create(f"{path}/{name}"))
            return
        folder.pending[name] = self.new_content()
        await self.desk.write(f"{path}/{name}", folder.pending[name])

    async def write(self, path: str, folder: Folder, name: str, *_: Any) -> None:
        if name not in self.visible(folder) or name in folder.folders:
            return
        inode = (await self.desk.node(f"{path}/{name}")).inode
        if self.is_attachment(folder, name):
            with pytest.raises(errors.Denied):
                self.desk.drive.open(inode, ME, write=True)
            return
        handle = self.desk.drive.open(inode, ME, write=True)
        await self.desk.namespace.set_attributes(inode, size=0)
        folder.pending[name] = self.new_content()
        await self.desk.put(handle, folder.pending[name])
        await self.desk.close(handle)

    async def rename(
        self, path: str, folder: Folder, name: str, to: str, target: Folder, new_name: str, flag: bool
    ) -> None:
        attempt = self.desk.rename(f"{path}/{name}", f"{to}/{new_name}", replace=flag)
        there = new_name in self.visible(target)
        if name not in self.visible(folder):
            await self.refused(errors.NoSuchName, attempt)
        elif self.is_attachment(folder, name):
            await self.refused(errors.NotPermitted, attempt)
        elif name in folder.folders:
            attempt.close()
            await self.rename_folder(path, folder, name, to, target, new_name)
        elif (path, name) == (to, new_name):
            await attempt
        elif there and not flag:
            await self.refused(errors.NameExists, attempt)
        elif self.is_attachment(target, new_name):
            await self.refused(errors.NotPermitted, attempt)
        elif new_name in target.folders:
            await self.refused(errors.IsDirectory, attempt)
        else:
            await attempt
            target.pending[new_name] = folder.pending.pop(name)

    async def rename_folder(
        self, path: str, folder: Folder, name: str, to: str, target: Folder, new_name: str
    ) -> None:
        moved = folder.folders[name]
        if moved.uploaded or new_name in self.visible(target) or f"{to}/".startswith(f"{path}/{name}/"):
            return
        attempt = self.desk.rename(f"{path}/{name}", f"{to}/{new_name}")
        if to.count("/") - 1 + moved.height() > 3:
            await self.refused(errors.NotPermitted, attempt)
            return
        await attempt
        target.folders[new_name] = folder.folders.pop(name)

    async def unlink(self, path: str, folder: Folder, name: str, *_: Any) -> None:
        attempt = self.desk.unlink(f"{path}/{name}")
        if name not in self.visible(folder):
            await self.refused(errors.NoSuchName, attempt)
        elif name in folder.folders:
            await self.refused(errors.IsDirectory, attempt)
        elif name not in folder.pending:
            await self.refused(errors.NotPermitted, attempt)
        else:
            await attempt
            del folder.pending[name]

    async def mkdir(self, path: str, folder: Folder, name: str, *_: Any) -> None:
        attempt = self.desk.mkdir(f"{path}/{name}")
        if is_noise(name):
            attempt.close()
        elif name in self.visible(folder):
            await self.refused(errors.NameExists, attempt)
        elif path.count("/") > 3:
            await self.refused(errors.NotPermitted, attempt)
        else:
            await attempt
            folder.folders[name] = Folder(False)

    async def rmdir(self, path: str, folder: Folder, name: str, *_: Any) -> None:
        if name not in folder.folders:
            return
        gone = folder.folders[name]
        attempt = self.desk.rmdir(f"{path}/{name}")
        if gone.uploaded:
            await self.refused(errors.NotPermitted, attempt)
        elif self.visible(gone):
            await self.refused(errors.DirectoryNotEmpty, attempt)
        else:
            await attempt
            del folder.folders[name]

    async def flush(self, *_: Any) -> None:
        await self.desk.flush()
        self.send(self.office)

    def send(self, folder: Folder) -> bool:
        """Whether something in it, or below it, has a place on the server now."""
        sent = [name for name in folder.pending if not is_noise(name)]
        for name in sent:
            content = folder.pending.pop(name)
            folder.attachments.append((name, content))
            self.mine.append(content)
        below = [
            self.send(one)
            for name, one in folder.folders.items()
            if one.uploaded or not (is_placeholder_directory(name) or is_noise_directory(name))
        ]
        folder.uploaded = folder.uploaded or bool(sent) or any(below)
        return folder.uploaded

    async def colleague(self, path: str, folder: Folder, name: str, *_: Any) -> None:
        if not folder.uploaded or path == "/Office" or is_noise(name):
            return
        task: Any = next(iter(self.account.projects.values()))
        for part in path.split("/")[2:]:
            task = next(one for one in (getattr(task, "children", None) or task.tasks) if one.name == part)
        content = self.new_content()
        self.account.add_comment(task, files=[(name, content)])
        folder.attachments.append((name, content))
        await self.desk.catalog.refresh(("task", task.id))

    async def restart(self, *_: Any) -> None:
        await self.stack.aclose()
        await self.begin()

    # what must be

    async def compare(self, *, contents: bool = False) -> None:
        for path, folder in self.office.walk("/Office"):
            expected = self.visible(folder)
            assert await self.desk.names(path) == sorted(expected), path
            if contents:
                for name, content in expected.items():
                    if content is not None:
                        assert await self.desk.read(f"{path}/{name}") == content


async def live(steps: list[tuple[Any, ...]]) -> None:
    account = Account()
    task = account.add_task(account.add_project("Office"), "Task")
    account.add_task(task.project, "Part", parent=task)
    with tempfile.TemporaryDirectory() as directory:
        async with running(account) as emulator:
            day = Day(emulator, Path(directory))
            async with day:
                await day.compare()
                for step in steps:
                    await day.step(*step)
                    await day.compare()
                await day.flush()
                await day.compare(contents=True)
                await day.restart()
                await day.compare(contents=True)
            held = [file.content.read(0, file.size) for file in account.files.values()]
            assert len(held) == len(set(held)), "something was sent twice"
            assert set(day.mine) <= set(held), "something was not sent"
            assert not [file.name for file in account.files.values() if is_noise(file.name)]
    account.close()


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEP, min_size=5, max_size=25))
def test_random_days(steps: list[tuple[Any, ...]]) -> None:
    trio.run(live, steps)
