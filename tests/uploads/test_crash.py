"""kill -9 of a real process at any moment: what a close returned for is there and whole, and nothing else is sent."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest
import trio
from trio.testing import MockClock

from wsfs.uploads.hooks import Destination, SentBatch, TaskDestination
from wsfs.uploads.sender import Sender
from wsfs.uploads.spool import Spool
from wsfs.uploads.states import State

from .fakes import TASK, FakeDrive, FakeService, World

ROUNDS = 8


SMALL = 6000
"""So that some of the contents are small ones, and others outgrow that while they are written."""


def content_of(name: str) -> bytes:
    """What the child writes into the file of that name."""
    return hashlib.sha256(name.encode()).digest() * (len(name) * 50)


async def _copy_for_ever(directory: Path, writers: int) -> None:
    """The child: several programs that copy, save again, rename and delete; says what it was promised."""
    spool = Spool(directory, small=SMALL)
    await spool.start()

    async def program(number: int) -> None:
        for count in range(1_000_000):
            name = f"{number}-{count}"
            by_rename = count % 3 == 2
            node = await spool.create(TASK, f".{name}.Ab12Cd" if by_rename else name, 0o644, 0, 0)
            handle = spool.open(node.inode, write=True)
            data = content_of(name)
            for offset in range(0, len(data), 700):
                await spool.write(handle, offset, data[offset : offset + 700])
            await spool.flush(handle)
            if by_rename:
                await spool.rename(node.inode, TASK, name)
            os.write(1, f"{name}\n".encode())
            if count % 2:
                await spool.release(handle)
            if count % 5 == 4:
                os.write(1, f"-{name}\n".encode())
                await spool.remove(node.inode)
                os.write(1, f"--{name}\n".encode())

    async with trio.open_nursery() as nursery:
        for number in range(writers):
            nursery.start_soon(program, number)


class _Hanging(FakeService):
    """A service that takes a post and never answers."""

    async def _post(self, *arguments: object, **named: object) -> NoReturn:
        os.write(1, b"posted\n")
        await trio.sleep_forever()


class _Drive(FakeDrive):
    def destination(self, parent_inode: int) -> Destination | None:
        return TaskDestination(20, 10)

    def known_files(self, task_id: int) -> frozenset[int] | None:
        return frozenset()

    async def sent(self, result: SentBatch) -> None:
        raise AssertionError("nothing was sent")


async def _send_and_hang(directory: Path, writers: int) -> None:
    """The child: sends a file to a service that never answers."""
    spool = Spool(directory)
    await spool.start()
    node = await spool.create(TASK, "a", 0o644, 0, 0)
    handle = spool.open(node.inode, write=True)
    handle.write(0, content_of("a"))
    await spool.flush(handle)
    await spool.release(handle)
    sender = Sender(spool, _Hanging(), _Drive())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.run)
        await sender.flush(None)


def run_and_kill(directory: Path, what: str, after: float, until: str = "") -> list[str]:
    """Run the child, kill it `after` seconds past its first word (or past `until`), and return its words."""
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"from tests.uploads import test_crash; test_crash.child({what!r})",
            directory,
        ],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.strip() == until or not until
        time.sleep(after)
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    return (first + rest).split()


def child(what: str) -> None:
    """What the child process does."""
    work = {"copy": _copy_for_ever, "send": _send_and_hang}[what]
    trio.run(work, Path(sys.argv[1]), 4)


@pytest.mark.parametrize("round_number", range(ROUNDS))
async def test_a_kill_while_copying_loses_nothing_that_was_closed(
    world: World, mock_clock: MockClock, round_number: int
) -> None:
    directory = world.directory
    after = random.Random(round_number).uniform(0.0, 0.3)
    words = await trio.to_thread.run_sync(run_and_kill, directory, "copy", after)
    removed = {word.removeprefix("--") for word in words if word.startswith("--")}
    removing = {word.removeprefix("-") for word in words if word.startswith("-") and word[1] != "-"} - removed
    promised = {word for word in words if not word.startswith("-")} - removed - removing
    assert promised
    async with world.running(sending=False):
        names = {node.name: node for node in world.spool.nodes.values()}
        assert promised <= names.keys()
        assert not removed & names.keys()
        for name in promised:
            assert world.read(names[name]) == content_of(name)
            assert names[name].state is State.SETTLING
        # What was under way may be there or not, and if it counts as whole it is.
        for name, node in names.items():
            if node.state is not State.INTERRUPTED:
                assert world.read(node) == content_of(name.removeprefix(".").removesuffix(".Ab12Cd"))
        assert len({node.inode for node in names.values()}) == len(names)


async def test_a_kill_while_sending_is_looked_for_before_it_is_sent(
    world: World, mock_clock: MockClock
) -> None:
    words = await trio.to_thread.run_sync(run_and_kill, world.directory, "send", 0.0, "posted")
    assert words == ["posted"]
    async with world.running():
        [node] = world.spool.nodes.values()
        assert node.state is State.UNKNOWN
        assert world.read(node) == content_of("a")
        await world.wait(24 * 3600)
        looks = ["get_comments"] * 2
        assert world.service.requests == [*looks, "get_files", "post_comment", "get_files"]
        assert world.service.names() == ["a"]
