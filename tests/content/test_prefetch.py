"""Fetching ahead: for a person who goes through a directory, and for nobody else."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock as Clock

from wsfs.api.errors import AccessDenied, Unreachable
from wsfs.api.pacing import Lane
from wsfs.content.cache import Cache
from wsfs.content.fetch import Content
from wsfs.content.policy import Policy

from .fakes import FakeServer, content, refused

KIB = 1024
MIB = 1 << 20
FILES = tuple((file_id, 100 * KIB) for file_id in range(1, 41))


class Looker:
    """A person with a viewer, in a directory."""

    def __init__(self, contents: Content, files: tuple[tuple[int, int], ...] = FILES) -> None:
        self.contents = contents
        self.files = files
        self.listed = 0

    def siblings(self) -> tuple[tuple[int, int], ...]:
        self.listed += 1
        return self.files

    async def view(self, file_id: int, directory: int = 7) -> None:
        size = dict(self.files)[file_id]
        self.contents.opened(directory, file_id, size, self.siblings)
        reader = self.contents.open(file_id, size, Lane.PERSON)
        assert await reader.read(0, size) == content(file_id, 0, size)
        reader.close()


@pytest.fixture
def policy() -> Policy:
    return Policy(pause=0.5)


@pytest.fixture
async def contents(cache: Cache, server: FakeServer, nursery: trio.Nursery, policy: Policy) -> Content:
    server.sizes.update(FILES)
    return Content(cache, server.download, nursery, policy=policy)


def ahead(server: FakeServer) -> list[int]:
    return [file_id for file_id, _, lane in server.requests if lane is Lane.BACKGROUND]


async def test_one_file_is_no_walk_through_a_directory(
    contents: Content, server: FakeServer, clock: Clock
) -> None:
    looker = Looker(contents)
    await looker.view(3)
    await looker.view(3)
    await looker.view(20, directory=8)
    await trio.sleep(100)
    assert ahead(server) == [] and looker.listed == 0


async def test_after_the_second_the_next_ones_come_in_idle_time_and_no_more_after_two_seconds(
    contents: Content, server: FakeServer, clock: Clock
) -> None:
    looker = Looker(contents)
    await looker.view(3)
    await trio.sleep(10)
    await looker.view(4)
    await trio.sleep(1.2)
    assert ahead(server) == [5, 6, 7]  # two a second
    await trio.sleep(100)
    assert ahead(server) == [5, 6, 7, 8]


async def test_what_was_fetched_ahead_costs_no_request_and_leads_on(
    contents: Content, server: FakeServer, clock: Clock
) -> None:
    looker = Looker(contents)
    for file_id in range(3, 13):
        await looker.view(file_id)
        await trio.sleep(5)
    assert [file_id for file_id, _, lane in server.requests if lane is Lane.PERSON] == [3, 4]
    assert sorted(file_id for file_id, _, _ in server.requests) == list(range(3, 3 + len(server.requests)))
    assert looker.listed <= 3


async def test_a_minute_between_two_files_is_no_walk(
    contents: Content, server: FakeServer, clock: Clock
) -> None:
    looker = Looker(contents)
    await looker.view(3)
    await trio.sleep(61)
    await looker.view(4)
    await trio.sleep(10)
    assert ahead(server) == []


async def test_nothing_is_fetched_ahead_while_a_person_waits(
    contents: Content, server: FakeServer, clock: Clock
) -> None:
    server.sizes[100] = 50 * MIB
    server.rate = 10.0 * MIB
    looker = Looker(contents, (*FILES, (100, 50 * MIB)))
    async with trio.open_nursery() as nursery:
        await looker.view(3)
        nursery.start_soon(looker.view, 100, 9)
        await trio.sleep(0.1)
        await looker.view(4)
        await trio.sleep(4)
        assert ahead(server) == []
    await trio.sleep(1)
    assert ahead(server)[:1] == [5]


async def test_what_is_large_or_there_is_passed_over(
    contents: Content, server: FakeServer, clock: Clock
) -> None:
    files = ((1, 1000), (2, 1000), (3, 9 * MIB), (4, 1000), (5, 0), (6, 1000))
    server.sizes.update(files)
    await contents.fill(4, 1000, Lane.PERSON)
    looker = Looker(contents, files)
    await looker.view(1)
    await looker.view(2)
    await trio.sleep(10)
    assert ahead(server) == [6]


async def test_what_nobody_looked_at_takes_a_part_of_the_cache_at_most(
    contents: Content, server: FakeServer, cache: Cache, clock: Clock
) -> None:
    files = tuple((file_id, 5 * MIB) for file_id in range(1, 20))
    server.sizes.update(files)
    looker = Looker(contents, files)
    for _ in range(6):
        for file_id in (1, 2):
            await looker.view(file_id)
            await contents.cache.forget(file_id)  # so that each look is a new one
            await trio.sleep(10)
    assert len(ahead(server)) * 5 * MIB <= cache.limit / 8
    assert ahead(server) == [3]


async def test_the_network_ends_it_and_a_refusal_passes_one_over(
    contents: Content, server: FakeServer, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    looker = Looker(contents)
    server.faults.extend([None, None, refused(AccessDenied()), refused(Unreachable())])
    await looker.view(1)
    await looker.view(2)
    await trio.sleep(10)
    assert ahead(server) == [3, 4]
    await looker.view(5)
    await trio.sleep(10)
    assert 3 not in ahead(server)[2:]
    assert len(ahead(server)) > 2


async def test_opens_of_what_is_cached_start_nothing(
    contents: Content, server: FakeServer, clock: Clock
) -> None:
    for file_id, size in FILES[:10]:
        await contents.fill(file_id, size, Lane.PERSON)
    before = len(server.requests)
    looker = Looker(contents)
    for file_id, _ in FILES[:10]:
        await looker.view(file_id)
    await trio.sleep(10)
    assert len(server.requests) == before and looker.listed == 0


@pytest.mark.parametrize("policy", [Policy()])
async def test_it_can_be_switched_off(contents: Content, server: FakeServer, clock: Clock) -> None:
    looker = Looker(contents)
    for file_id in (1, 2, 3):
        await looker.view(file_id)
        await trio.sleep(5)
    assert ahead(server) == []
