"""Downloads and the network: the first that fails tells the others, and one that stalls tells nobody."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock

from tests.catalog.model import World
from wsfs.api.errors import ApiError, FileNotFound, TimedOut, Unreachable
from wsfs.api.pacing import Lane, Promotable


class Service:
    """Downloads that take `seconds` to begin, or to fail with `error`."""

    def __init__(self) -> None:
        self.error: ApiError | None = None
        self.seconds = 0.0
        self.asked = 0

    @contextlib.asynccontextmanager
    async def download(self, file_id: int, *, lane: Lane | Promotable, start: int = 0) -> AsyncIterator[int]:
        self.asked += 1
        await trio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        yield file_id


@pytest.mark.parametrize("error", [Unreachable("no way"), TimedOut("no answer")])
async def test_after_the_first_failure_the_next_fail_at_once_until_the_network_is_back(
    world: World, autojump_clock: MockClock, error: ApiError
) -> None:
    service = Service()
    async with world.mounted() as catalog:
        await catalog.need_projects(Lane.PERSON)
        download = catalog.watched(service.download)
        async with download(1, lane=Lane.PERSON) as answer:
            assert answer == 1
        service.error, service.seconds = error, 30.0
        world.account.fault = Unreachable("no way")
        with pytest.raises(type(error)):
            async with download(1, lane=Lane.PERSON):
                pass
        began = trio.current_time()
        for _ in range(5):
            with pytest.raises(type(error)):
                async with download(2, lane=Lane.PERSON):
                    pass
        assert trio.current_time() == began
        assert service.asked == 2
        assert catalog.status()["mode"] == "offline"
        service.error, service.seconds = None, 0.0
        world.account.fault = None
        await trio.sleep(40)
        assert catalog.status()["mode"] == "events"
        async with download(2, lane=Lane.PERSON) as answer:
            assert answer == 2


async def test_what_is_wrong_with_one_file_says_nothing_of_the_network(
    world: World, autojump_clock: MockClock
) -> None:
    service = Service()
    async with world.mounted() as catalog:
        download = catalog.watched(service.download)
        with pytest.raises(TimedOut):
            async with download(1, lane=Lane.PERSON):
                raise TimedOut("it stalled")
        service.error = FileNotFound("gone")
        with pytest.raises(FileNotFound):
            async with download(1, lane=Lane.PERSON):
                pass
        assert catalog.status()["mode"] == "events"
