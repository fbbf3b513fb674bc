"""The client, the emulated service and the cache together: what each means by a size, a range, a break is the same."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from wsfs.api.auth import AdminKey
from wsfs.api.client import Client
from wsfs.api.errors import ServerFailed, TimedOut
from wsfs.api.pacing import Lane, Pacer
from wsfs.content.cache import Cache
from wsfs.content.errors import WrongSize
from wsfs.content.fetch import Content
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.testing import running

MIB = 1 << 20
SIZE = 3 * MIB + 123
BYTES = random.Random(4).randbytes(SIZE)
P = Lane.PERSON


@asynccontextmanager
async def serving(
    directory: Path, *, deadline: float = 5.0, **options: Any
) -> AsyncIterator[tuple[Emulator, Content, int]]:
    """An emulator with one attachment, and a Content that reads it."""
    async with running(**options) as emulator, Cache(directory / "cache", 64 * MIB, floor=0) as cache:
        file = emulator.account.add_file_to_project(emulator.account.add_project("P"), ("a.bin", BYTES))
        client = Client(emulator.url, AdminKey(emulator.api_key), Pacer(0), deadline=deadline)
        async with client, trio.open_nursery() as nursery:
            yield emulator, Content(cache, client.download, nursery, deadline=deadline), file.id


async def read_all(contents: Content, file_id: int) -> bytes:
    reader = contents.open(file_id, SIZE, P)
    try:
        return b"".join([await reader.read(offset, 100_000) for offset in range(0, SIZE, 100_000)])
    finally:
        reader.close()


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_whole_file_is_one_request(tmp_path: Path, ranges: bool) -> None:
    async with serving(tmp_path, ranges=ranges) as (emulator, contents, file_id):
        for _ in range(2):
            assert await read_all(contents, file_id) == BYTES
        assert len(emulator.requests) == 1


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("fault", ["truncate", "reset-body"])
async def test_a_broken_download_is_taken_up_again(tmp_path: Path, fault: str, ranges: bool) -> None:
    async with serving(tmp_path, ranges=ranges) as (emulator, contents, file_id):
        emulator.faults.arm(fault, "download", 1)
        assert await read_all(contents, file_id) == BYTES
        assert len(emulator.requests) == 2


@pytest.mark.parametrize("fault", ["short", "long"])
async def test_a_wrong_size_is_said(tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path) as (emulator, contents, file_id):
        emulator.faults.arm(fault, "download", 1)
        with pytest.raises(WrongSize):
            await read_all(contents, file_id)
        assert f"attachment {file_id} has 3,145,851 bytes, but the download" in caplog.text
        caplog.clear()


async def test_a_stall_ends_with_the_clients_deadline(tmp_path: Path) -> None:
    async with serving(tmp_path, deadline=0.5) as (emulator, contents, file_id):
        emulator.faults.arm("stall", "download", 1)
        reader = contents.open(file_id, SIZE, P)
        assert await reader.read(0, MIB) == BYTES[:MIB]
        with trio.fail_after(10), pytest.raises(TimedOut):
            await reader.read(SIZE - 10, 10)
        reader.close()


async def test_an_error_of_the_server_passes_through(tmp_path: Path) -> None:
    async with serving(tmp_path) as (emulator, contents, file_id):
        emulator.faults.arm("500", "download", 1)
        with pytest.raises(ServerFailed):
            await read_all(contents, file_id)


async def test_a_seek_on_a_slow_line_is_a_range(tmp_path: Path) -> None:
    async with serving(tmp_path) as (emulator, contents, file_id):
        emulator.faults.arm("slow", "download", value=300_000)
        reader = contents.open(file_id, SIZE, P)
        with trio.fail_after(5):
            assert await reader.read(SIZE - 1000, 1000) == BYTES[-1000:]
        assert len(emulator.requests) == 2
        reader.close()
        await contents.forget(file_id)
