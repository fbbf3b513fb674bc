"""Readers and downloads, from the outside."""

from __future__ import annotations

import trio
import trio.testing

from wsfs.api.pacing import Lane
from wsfs.content.fetch import Content, Reader

from .fakes import FakeServer, content

MIB = 1 << 20


async def whole(reader: Reader, step: int = 128 * 1024) -> bytes:
    """Read an attachment in sequence."""
    parts = []
    offset = 0
    while part := await reader.read(offset, step):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


class TestReading:
    async def test_opening_costs_no_request(self, contents: Content, server: FakeServer) -> None:
        server.sizes[1] = 1000
        reader = contents.open(1, 1000, Lane.PERSON)
        await trio.testing.wait_all_tasks_blocked()
        reader.close()
        assert server.requests == []

    async def test_a_whole_file_is_one_request(self, contents: Content, server: FakeServer) -> None:
        server.sizes[1] = 3 * MIB + 5
        reader = contents.open(1, 3 * MIB + 5, Lane.PERSON)
        assert await whole(reader) == content(1, 0, 3 * MIB + 5)
        reader.close()
        again = contents.open(1, 3 * MIB + 5, Lane.PERSON)
        assert again.read_now(MIB, 4096) == content(1, MIB, MIB + 4096)
        again.close()
        assert server.requests == [(1, 0, Lane.PERSON)]

    async def test_reads_end_with_the_file(self, contents: Content, server: FakeServer) -> None:
        server.sizes[1] = 1000
        reader = contents.open(1, 1000, Lane.PERSON)
        assert reader.read_now(990, 100) is None
        assert await reader.read(990, 100) == content(1, 990, 1000)
        assert await reader.read(1000, 100) == b""
        assert reader.read_now(2000, 1) == b""
        reader.close()

    async def test_an_empty_file_costs_no_request(self, contents: Content, server: FakeServer) -> None:
        reader = contents.open(1, 0, Lane.PERSON)
        assert await reader.read(0, 4096) == b""
        reader.close()
        assert server.requests == []
        assert contents.cached_percent(1, 0) == 100
