"""A server, a cache and a Content between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from wsfs.content.cache import Cache
from wsfs.content.fetch import Content

from .fakes import FakeServer

LIMIT = 64 << 20


@pytest.fixture
def clock() -> trio.testing.MockClock:
    """Virtual time, which gives worker threads a moment: it knows nothing of them."""
    return trio.testing.MockClock(autojump_threshold=0.001)


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
async def cache(tmp_path: Path) -> AsyncIterator[Cache]:
    async with Cache(tmp_path / "cache", LIMIT, floor=0) as cache:
        yield cache


@pytest.fixture
async def contents(cache: Cache, server: FakeServer, nursery: trio.Nursery) -> Content:
    return Content(cache, server.download, nursery)
