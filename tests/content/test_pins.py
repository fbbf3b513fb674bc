"""Pinned attachments: fetched, kept over restarts and evictions, refused where they don't fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock as Clock

from wsfs.api.errors import AccessDenied, LoginRefused, Unreachable
from wsfs.api.pacing import Lane
from wsfs.content.cache import Cache
from wsfs.content.errors import NoRoom
from wsfs.content.fetch import Content
from wsfs.content.pins import Pins

from .fakes import FakeServer, content, refused

KIB = 1024
MIB = 1 << 20
FILES = [(file_id, 100 * KIB) for file_id in range(1, 21)]


@pytest.fixture
async def pins(contents: Content, server: FakeServer, nursery: trio.Nursery) -> Pins:
    server.sizes.update(FILES)
    pins = Pins(contents)
    nursery.start_soon(pins.run)
    return pins


def whole(contents: Content) -> list[int]:
    return [file_id for file_id, size in FILES if contents.has(file_id, size)]


async def test_pinned_files_are_fetched_with_one_request_each(
    pins: Pins, contents: Content, server: FakeServer, clock: Clock
) -> None:
    server.rate = MIB
    await contents.fill(3, 100 * KIB, Lane.PERSON)
    job = await pins.pin(FILES, Lane.REFRESH)
    first = job.progress()
    assert (first.files, first.files_done, first.requests_left) == (20, 1, 19)
    await trio.sleep(0.5)
    middle = job.progress()
    assert 1 < middle.files_done < 20
    assert first.bytes_done < middle.bytes_done < middle.bytes == 2000 * KIB
    await job.wait()
    assert job.progress() == (20, 20, 2000 * KIB, 2000 * KIB, 0)
    assert len(whole(contents)) == 20
    assert sorted(file_id for file_id, _, _ in server.requests) == [file_id for file_id, _ in FILES]
    assert {lane for file_id, _, lane in server.requests if file_id != 3} == {Lane.REFRESH}
    assert server.most <= 3
    assert not job.left and not pins.missing()


async def test_pinning_again_costs_nothing(
    pins: Pins, contents: Content, server: FakeServer, clock: Clock
) -> None:
    for _ in range(2):
        await (await pins.pin(FILES, Lane.REFRESH)).wait()
    assert len(server.requests) == 20
    assert all(pins.is_pinned(file_id, size) for file_id, size in FILES)


async def test_two_who_pin_the_same_files_both_wait_for_them(
    pins: Pins, server: FakeServer, clock: Clock
) -> None:
    server.rate = MIB
    jobs = [await pins.pin(FILES, lane) for lane in (Lane.BACKGROUND, Lane.REFRESH)]
    for job in jobs:
        await job.wait()
    assert len(server.requests) == 20
    assert server.requests[-1][2] is Lane.REFRESH  # the second one waits for it


async def test_a_pinned_file_is_kept_when_the_cache_is_full(
    tmp_path: Path, server: FakeServer, clock: Clock
) -> None:
    server.sizes.update(dict.fromkeys(range(1, 41), MIB))
    async with Cache(tmp_path / "small", 10 * MIB, floor=0) as cache:
        async with trio.open_nursery() as running:
            contents = Content(cache, server.download, running)
            pins = Pins(contents)
            running.start_soon(pins.run)
            await (await pins.pin([(1, MIB), (2, MIB)], Lane.REFRESH)).wait()
            for file_id in range(3, 41):
                reader = contents.open(file_id, MIB, Lane.PERSON)
                assert await reader.read(0, MIB) == content(file_id, 0, MIB)
                reader.close()
            running.cancel_scope.cancel()
        assert contents.has(1, MIB) and contents.has(2, MIB) and not contents.has(3, MIB)
        assert await cache.clear() > 0
        assert contents.status()["files"] == contents.status()["pinned"] == 2
        for file_id in (1, 2):
            entry = cache.find(file_id, MIB)
            assert entry is not None
            cache.pin(entry, pinned=False)
        await cache.clear()
        assert contents.status()["files"] == 0


async def test_what_cannot_fit_is_refused_whole_with_a_sentence(
    pins: Pins, contents: Content, server: FakeServer, clock: Clock
) -> None:
    server.sizes[100] = 40 * MIB
    await (await pins.pin([(100, 40 * MIB)], Lane.REFRESH)).wait()
    big = dict.fromkeys(range(200, 230), MIB)
    server.sizes.update(big)
    with pytest.raises(
        NoRoom, match=r"30 files of 30\.\d MiB can't be pinned: the cache of 64\.0 MiB has room"
    ):
        await pins.pin(big.items(), Lane.REFRESH)
    assert not any(pins.is_pinned(*item) for item in big.items())
    assert contents.cache.used < 64 * MIB
    pins.unpin([(100, 40 * MIB)])
    await (await pins.pin(big.items(), Lane.REFRESH)).wait()
    assert all(contents.has(*item) for item in big.items())


async def test_the_room_of_what_is_not_fetched_yet_is_kept_for_it(
    pins: Pins, contents: Content, server: FakeServer, clock: Clock
) -> None:
    server.sizes.update({100: 50 * MIB, 101: 20 * MIB})
    server.latency = 10
    await pins.pin([(100, 50 * MIB)], Lane.BACKGROUND)
    reader = contents.open(101, 20 * MIB, Lane.PERSON)
    assert await reader.read(0, 10) == content(101, 0, 10)  # streamed, nothing kept
    reader.close()
    assert contents.cached_percent(101, 20 * MIB) == 0
    await trio.sleep(60)
    assert contents.has(100, 50 * MIB)


async def test_what_was_pinned_and_not_fetched_goes_on_after_a_remount(
    tmp_path: Path, server: FakeServer, clock: Clock
) -> None:
    server.sizes.update(FILES)
    server.rate = 100.0 * KIB
    done = 0
    for _ in range(3):
        async with Cache(tmp_path / "again", 10 * MIB, floor=0) as cache, trio.open_nursery() as nursery:
            contents = Content(cache, server.download, nursery)
            pins = Pins(contents)
            nursery.start_soon(pins.run)
            if not done:
                await pins.pin(FILES, Lane.REFRESH)
            assert all(pins.is_pinned(file_id, size) for file_id, size in FILES)
            await trio.sleep(3.2)
            assert len(whole(contents)) > done
            done = len(whole(contents))
            nursery.cancel_scope.cancel()
    assert done == 20
    assert (
        server.sent <= 20 * 100 * KIB + 9 * server.chunk
    )  # of what was running, a piece comes twice at most


async def test_unpinned_files_are_no_longer_fetched_and_may_go(
    pins: Pins, contents: Content, server: FakeServer, clock: Clock
) -> None:
    server.rate = 100.0 * KIB
    job = await pins.pin(FILES, Lane.REFRESH)
    await trio.sleep(1.5)
    assert pins.unpin(FILES[6:]) == 14
    await job.wait()
    await trio.sleep(60)
    assert whole(contents) == [1, 2, 3, 4, 5, 6]
    assert set(job.left) == {file_id for file_id, _ in FILES[6:]}
    assert set(job.left.values()) == {"it was unpinned"}
    assert contents.status()["files"] == 6 and contents.status()["pinned"] == 6


async def test_a_failure_that_time_mends_is_told_and_tried_again(
    pins: Pins, contents: Content, server: FakeServer, clock: Clock
) -> None:
    server.faults.extend([refused(Unreachable())] * 10)
    job = await pins.pin(FILES[:1], Lane.REFRESH)
    await job.wait()
    assert job.left[1].endswith("; it is tried again")
    assert len(server.requests) == 3
    assert pins.is_pinned(1, 100 * KIB)
    await trio.sleep(3600)
    assert contents.has(1, 100 * KIB) and not pins.missing()
    assert len(server.requests) == 11


async def test_one_that_it_cannot_is_no_longer_pinned(
    pins: Pins, contents: Content, server: FakeServer, clock: Clock
) -> None:
    server.faults.append(refused(AccessDenied()))
    job = await pins.pin(FILES[:3], Lane.REFRESH)
    await job.wait()
    (denied,) = job.left
    assert not pins.is_pinned(denied, 100 * KIB)
    assert len(whole(contents)) == 2
    assert job.progress().bytes == job.progress().bytes_done == 200 * KIB
    assert contents.status()["files"] == 2


async def test_a_dead_login_takes_no_pins_away(pins: Pins, server: FakeServer, clock: Clock) -> None:
    server.faults.extend([refused(LoginRefused())] * 50)
    await (await pins.pin(FILES[:3], Lane.REFRESH)).wait()
    assert all(pins.is_pinned(file_id, size) for file_id, size in FILES[:3])


async def test_one_who_does_not_wait_any_longer_leaves_the_fetching_alone(
    pins: Pins, contents: Content, server: FakeServer, clock: Clock
) -> None:
    server.rate = 100.0 * KIB
    job = await pins.pin(FILES, Lane.REFRESH)
    with trio.move_on_after(1):
        await job.wait()
    await trio.sleep(60)
    assert len(whole(contents)) == 20


async def test_where_the_disk_is_full_the_file_is_named(
    tmp_path: Path, server: FakeServer, clock: Clock
) -> None:
    free = 5 * MIB
    async with Cache(tmp_path / "full", 64 * MIB, floor=3 * MIB, free_space=lambda directory: free) as cache:
        server.sizes.update({1: MIB, 2: 4 * MIB})
        async with trio.open_nursery() as running:
            pins = Pins(Content(cache, server.download, running))
            running.start_soon(pins.run)
            job = await pins.pin([(1, MIB), (2, 4 * MIB)], Lane.REFRESH)
            await job.wait()
            running.cancel_scope.cancel()
        assert list(job.left) == [2] and "no room" in job.left[2]
        assert pins.is_pinned(1, MIB) and not pins.is_pinned(2, 4 * MIB)


async def test_a_person_who_opens_a_pinned_file_shares_its_download(
    pins: Pins, contents: Content, server: FakeServer, clock: Clock
) -> None:
    server.rate = 20.0 * KIB
    await pins.pin(FILES, Lane.BACKGROUND)
    await trio.sleep(1)
    reader = contents.open(1, 100 * KIB, Lane.PERSON)
    assert await reader.read(0, 100 * KIB) == content(1, 0, 100 * KIB)
    reader.close()
    assert [file_id for file_id, _, _ in server.requests].count(1) == 1


async def test_an_empty_file_is_there_by_nature(pins: Pins, server: FakeServer, clock: Clock) -> None:
    job = await pins.pin([(7, 0)], Lane.REFRESH)
    await job.wait()
    assert job.progress() == (0, 0, 0, 0, 0) and server.requests == []
    assert pins.is_pinned(7, 0)


async def test_a_limit_lowered_below_what_is_pinned_is_said(
    tmp_path: Path, server: FakeServer, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    server.sizes.update({1: 4 * MIB, 2: 2 * MIB})
    for limit in (10 * MIB, 3 * MIB):
        async with Cache(tmp_path / "lower", limit, floor=0) as cache, trio.open_nursery() as nursery:
            contents = Content(cache, server.download, nursery)
            pins = Pins(contents)
            nursery.start_soon(pins.run)
            if limit > 4 * MIB:
                await contents.fill(2, 2 * MIB, Lane.PERSON)
                await (await pins.pin([(1, 4 * MIB)], Lane.REFRESH)).wait()
            else:
                assert contents.has(1, 4 * MIB) and not contents.has(2, 2 * MIB)
            nursery.cancel_scope.cancel()
    assert "What is pinned takes more than the cache's limit" in caplog.text
    caplog.clear()
