"""What is written to a large file goes to the disk while it comes in."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from trio.testing import MockClock

from wsfs.uploads import writeback
from wsfs.uploads.writeback import EVERY, MOST, Writeback

from .fakes import TASK, World


async def test_it_begins_while_a_large_file_is_written_and_never_for_small_ones(
    world: World, mock_clock: MockClock
) -> None:
    begun: list[os.stat_result] = []
    world.spool.contents.writeback = Writeback(lambda descriptor: begun.append(os.fstat(descriptor)))
    async with world.running(sending=False):
        for number in range(3):
            await world.write(TASK, f"small {number}", b"x" * 50_000)
        node = await world.spool.create(TASK, "large", 0o644, 0, 0)
        handle = world.spool.open(node.inode, write=True)
        for offset in range(0, 3 * EVERY, 1 << 20):
            await world.spool.write(handle, offset, b"x" * (1 << 20))
        await world.spool.flush(handle)
        await world.spool.release(handle)
        path = world.spool.content_path(node)
        inode = path.stat().st_ino
    assert 1 <= len(begun) <= 3
    assert {status.st_ino for status in begun} == {inode}


def test_a_disk_that_has_enough_to_do_is_left_alone_and_nothing_waits_for_it(tmp_path: Path) -> None:
    hanging, seen = threading.Event(), list[int]()

    def begin(descriptor: int) -> None:
        seen.append(os.fstat(descriptor).st_ino)
        hanging.wait(20)

    one = Writeback(begin)
    with (tmp_path / "a").open("wb") as file:
        for _ in range(MOST * 5):
            one.begin(file.fileno())
        inode = os.fstat(file.fileno()).st_ino
    hanging.set()
    one.close()
    assert set(seen) == {inode}, "the descriptor is its own"
    assert len(seen) <= MOST + 1
    one.close()


def test_the_kernel_has_it(tmp_path: Path) -> None:
    begin = writeback._begin()
    assert begin is not None
    with (tmp_path / "a").open("wb") as file:
        file.write(b"x" * 100_000)
        file.flush()
        begin(file.fileno())


def test_without_it_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writeback, "_begin", lambda: None)
    one = Writeback()
    with (tmp_path / "a").open("wb") as file:
        one.begin(file.fileno())
    one.begin(99_999)
    one.close()
