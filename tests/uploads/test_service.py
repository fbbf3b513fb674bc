"""The sender through the real client to an emulated account: what a colleague then sees."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from wsfs.api.auth import AdminKey
from wsfs.api.client import Client
from wsfs.api.pacing import Pacer
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.testing import running
from wsfs.uploads.hooks import ProjectDestination, RootDestination, TaskDestination
from wsfs.uploads.nodes import Spooled
from wsfs.uploads.options import Options
from wsfs.uploads.sender import Sender
from wsfs.uploads.spool import Spool

from .fakes import PROJECT, ROOT, TASK, FakeDrive


class Account:
    """An emulated account with a project and a task, and a sender for it."""

    def __init__(
        self, emulator: Emulator, spool: Spool, sender: Sender, drive: FakeDrive, task_id: int
    ) -> None:
        self.emulator = emulator
        self.spool = spool
        self.sender = sender
        self.drive = drive
        self.task_id = task_id

    async def write(self, parent: int, name: str, data: bytes) -> Spooled:
        node = await self.spool.create(parent, name, 0o644, 0, 0)
        handle = self.spool.open(node.inode, write=True)
        await self.spool.write(handle, 0, data)
        await self.spool.flush(handle)
        await self.spool.release(handle)
        return node

    def posts(self) -> list[str]:
        return [seen.action for seen in self.emulator.requests if seen.action.startswith("post_")]

    def sums(self) -> dict[str, str]:
        """The SHA-256 of each attachment in the account, by name."""
        return {
            file.name: self.emulator.account.sha256(file) for file in self.emulator.account.files.values()
        }


@contextlib.asynccontextmanager
async def account(directory: Path) -> AsyncIterator[Account]:
    async with running() as emulator:
        project = emulator.account.add_project("Garden")
        task = emulator.account.add_task(project, "Plant")
        spool = Spool(directory, floor=0)
        await spool.start()
        drive = FakeDrive()
        drive.places = {
            ROOT: RootDestination(),
            PROJECT: ProjectDestination(project.id),
            TASK: TaskDestination(task.id, project.id),
        }
        async with (
            Client(
                emulator.url, AdminKey(emulator.api_key), Pacer(0), deadline=1.0, upload_deadline=1.0
            ) as client,
            trio.open_nursery() as nursery,
        ):
            sender = Sender(spool, client, drive, Options(settle=0.1, grace=0.1, look_again=1.0))
            nursery.start_soon(sender.run)
            with trio.fail_after(20):
                yield Account(emulator, spool, sender, drive, task.id)
            nursery.cancel_scope.cancel()
        await spool.close()


async def test_files_of_every_kind_of_name_arrive_whole(tmp_path: Path) -> None:
    async with account(tmp_path) as acme:
        contents = {
            name: hashlib.sha256(name.encode()).digest() * 1000
            for name in (
                "plan.pdf",
                "Звіт за жовтень.docx",
                'a "quoted" name.txt',
                "ім'я; x=1.txt",
                "100%25.png",
            )
        }
        nodes = {name: await acme.write(TASK, name, data) for name, data in contents.items()}
        flushed = await acme.sender.flush(None)
        assert (flushed.sent, flushed.refused, flushed.held) == (5, {}, {})
        assert acme.posts() == ["post_comment"]
        assert acme.sums() == {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
        for name, node in nodes.items():
            assert acme.drive.files[node.inode].name == name


async def test_directories_become_projects_and_tasks(tmp_path: Path) -> None:
    async with account(tmp_path) as acme:
        garden = await acme.spool.mkdir(ROOT, "Новий проєкт", 0o755, 0, 0)
        await acme.write(garden.inode, "a", b"1")
        task = await acme.spool.mkdir(garden.inode, "Task", 0o755, 0, 0)
        subtask = await acme.spool.mkdir(task.inode, "Subtask", 0o755, 0, 0)
        await acme.write(subtask.inode, "b", b"22")
        await acme.write(PROJECT, "dropped", b"333")
        flushed = await acme.sender.flush(None)
        assert (flushed.sent, flushed.refused, flushed.held) == (3, {}, {})
        assert sorted(acme.posts()) == ["post_project", "post_task", "post_task", "post_task"]
        names = {made.name: made for made in acme.emulator.account.tasks.values()}
        assert set(names) == {"Plant", "Project files", "Task", "Subtask"}
        assert names["Subtask"].parent is names["Task"]
        assert [file.name for file in names["Subtask"].files] == ["b"]


@pytest.mark.parametrize("other", ["", "rename", "rival"])
@pytest.mark.parametrize("fault", ["lost-reply", "500", "reset", "garbage", "hang", "late-commit"])
async def test_an_upload_of_unknown_outcome_is_there_once(tmp_path: Path, fault: str, other: str) -> None:
    async with account(tmp_path) as acme:
        value = 0.5 if fault == "late-commit" else 0.0
        acme.emulator.faults.arm(fault, action="post_comment", count=1, value=value)
        if other:
            acme.emulator.faults.arm(other, count=1)
        node = await acme.write(TASK, "a (1)", b"content")
        flushed = await acme.sender.flush(None)
        assert (flushed.sent, flushed.refused, flushed.held) == (1, {}, {})
        ours = hashlib.sha256(b"content").hexdigest()
        files = acme.emulator.account.files
        assert [number for number, file in files.items() if acme.emulator.account.sha256(file) == ours] == [
            acme.drive.files[node.inode].id
        ]


async def test_a_colleagues_twin_is_not_taken_for_ours(tmp_path: Path) -> None:
    async with account(tmp_path) as acme:
        acme.emulator.faults.arm("rival", count=1)
        node = await acme.write(TASK, "a", b"content")
        await acme.sender.flush(None)
        file = acme.emulator.account.files[acme.drive.files[node.inode].id]
        assert acme.emulator.account.sha256(file) == hashlib.sha256(b"content").hexdigest()
        assert len(acme.emulator.account.files) == 2
