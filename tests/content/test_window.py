"""Attachments that the cache has no room for: readable all the same, and nothing kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from wsfs.api.errors import FileNotFound
from wsfs.api.pacing import Lane
from wsfs.content import window
from wsfs.content.cache import Cache
from wsfs.content.fetch import Content
from wsfs.content.window import Window

from .fakes import FakeServer, broken, content

MIB = 1 << 20
SIZE = 40 * MIB


@pytest.fixture
async def small(tmp_path: Path, server: FakeServer, nursery: trio.Nursery) -> Content:
    """A Content whose cache holds no more than 4 MiB."""
    cache = Cache(tmp_path / "small", 4 * MIB, floor=0)
    await cache.start()
    server.sizes[1] = SIZE
    return Content(cache, server.download, nursery)


def windows(contents: Content) -> list[Window]:
    return [
        stream
        for attachment in contents._open.values()
        for stream in attachment.streams
        if isinstance(stream, Window)
    ]


def buffered(contents: Content) -> int:
    return sum(len(data) for stream in windows(contents) for _, data in stream._pieces)


async def test_read_in_sequence_is_one_request_and_little_memory(small: Content, server: FakeServer) -> None:
    reader = small.open(1, SIZE, Lane.PERSON)
    for offset in range(0, SIZE, 512 * 1024):
        assert await reader.read(offset, 512 * 1024) == content(1, offset, offset + 512 * 1024)
        assert buffered(small) <= window.KEEP + window.AHEAD
    reader.close()
    await trio.testing.wait_all_tasks_blocked()
    assert len(server.requests) == 1
    assert small.status()["files"] == 0
    assert server.running == 0


async def test_a_reader_that_is_slower_than_the_network_needs_one_request(
    small: Content, server: FakeServer, clock: trio.testing.MockClock
) -> None:
    """What had come when the download ended is still there for who reads on."""
    reader = small.open(1, SIZE, Lane.PERSON)
    for offset in range(0, SIZE, MIB):
        assert await reader.read(offset, MIB) == content(1, offset, offset + MIB)
        await trio.sleep(1)
    assert len(server.requests) == 1
    assert server.running == 0, "the connection isn't kept"
    reader.close()
    await trio.testing.wait_all_tasks_blocked()
    assert small.status()["streams"] == 0


async def test_what_nobody_reads_to_its_end_is_let_go_of(
    small: Content, server: FakeServer, clock: trio.testing.MockClock
) -> None:
    reader = small.open(1, SIZE, Lane.PERSON)
    await reader.read(SIZE - 2 * MIB, 4096)
    await trio.sleep(1)
    assert buffered(small) > MIB
    await trio.sleep(window.IDLE + 1)
    assert not windows(small)
    reader.close()


async def test_the_stream_waits_for_its_reader(small: Content, server: FakeServer) -> None:
    reader = small.open(1, SIZE, Lane.PERSON)
    await reader.read(0, 4096)
    await trio.testing.wait_all_tasks_blocked()
    assert server.sent <= window.AHEAD + 256 * 1024
    reader.close()


async def test_one_read_may_be_larger_than_the_window(small: Content, server: FakeServer) -> None:
    reader = small.open(1, SIZE, Lane.PERSON)
    assert await reader.read(100, SIZE) == content(1, 100, SIZE)
    assert len(server.requests) == 1
    reader.close()


@pytest.mark.parametrize("ranges", [False, True])
async def test_reads_in_any_order_are_right(small: Content, server: FakeServer, ranges: bool) -> None:
    server.honours_ranges = ranges
    reader = small.open(1, SIZE, Lane.PERSON)
    for offset in (30 * MIB, 10 * MIB, 39 * MIB, 0, 20 * MIB, 20 * MIB - 5, SIZE - 1):
        assert await reader.read(offset, 9000) == content(1, offset, min(SIZE, offset + 9000))
    reader.close()


async def test_readers_at_several_places_are_all_served(small: Content, server: FakeServer) -> None:
    async def read(start: int) -> None:
        reader = small.open(1, SIZE, Lane.PERSON)
        for offset in range(start, start + 3 * MIB, 100_000):
            assert await reader.read(offset, 100_000) == content(1, offset, offset + 100_000)
        reader.close()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for index in range(8):
                nursery.start_soon(read, index * 4 * MIB)
    await trio.testing.wait_all_tasks_blocked()
    assert server.most <= 4  # three, and one that is just being closed
    assert small.status()["open"] == 0


async def test_a_broken_stream_goes_on_where_it_was(small: Content, server: FakeServer) -> None:
    server.faults.extend([broken(5 * MIB), broken(7 * MIB)])
    reader = small.open(1, SIZE, Lane.PERSON)
    assert await reader.read(0, SIZE) == content(1, 0, SIZE)
    assert [start for _, start, _ in server.requests] == [0, 5 * MIB, 12 * MIB]
    reader.close()


async def test_a_broken_stream_starts_over_without_ranges(small: Content, server: FakeServer) -> None:
    server.honours_ranges = False
    server.faults.extend([broken(5 * MIB)])
    reader = small.open(1, SIZE, Lane.PERSON)
    assert await reader.read(0, SIZE) == content(1, 0, SIZE)
    assert [start for _, start, _ in server.requests] == [0, 0]
    reader.close()


async def test_one_that_nobody_reads_lets_go_of_its_connection(
    small: Content, server: FakeServer, clock: trio.testing.MockClock
) -> None:
    reader = small.open(1, SIZE, Lane.PERSON)
    await reader.read(0, 4096)
    await trio.sleep(window.IDLE + 1)
    assert server.running == 0
    assert await reader.read(9 * MIB, 4096) == content(1, 9 * MIB, 9 * MIB + 4096)
    reader.close()


async def test_errors_pass_through(small: Content, server: FakeServer) -> None:
    reader = small.open(2, SIZE, Lane.PERSON)
    with pytest.raises(FileNotFound):
        await reader.read(0, 10)
    reader.close()
