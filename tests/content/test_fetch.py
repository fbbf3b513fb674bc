"""Readers and downloads, from the outside."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from wsfs.api.errors import ConnectionBroken, FileNotFound, TimedOut, Unreachable
from wsfs.api.pacing import Lane, Promotable
from wsfs.content.cache import Cache
from wsfs.content.entry import Entry
from wsfs.content.errors import ContentClosed, WrongSize
from wsfs.content.fetch import Content, Reader
from wsfs.content.policy import Policy

from .conftest import LIMIT
from .fakes import FakeServer, Fault, broken, content, refused

MIB = 1 << 20
PERSON, BACKGROUND = Lane.PERSON, Lane.BACKGROUND


async def whole(reader: Reader, step: int = 128 * 1024) -> bytes:
    """Read an attachment in sequence."""
    parts = []
    offset = 0
    while part := await reader.read(offset, step):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


async def settled(contents: Content) -> None:
    """Wait until nothing runs for it any more."""
    pause = 0.01
    with trio.fail_after(600):
        while contents.status()["streams"] or contents._recording:
            await trio.sleep(pause)
            pause = min(1, 2 * pause)


class TestReading:
    async def test_opening_costs_no_request(self, contents: Content, server: FakeServer) -> None:
        server.sizes[1] = 1000
        reader = contents.open(1, 1000, PERSON)
        await trio.testing.wait_all_tasks_blocked()
        reader.close()
        assert server.requests == []
        assert contents.status()["open"] == 0

    async def test_a_whole_file_is_one_request(self, contents: Content, server: FakeServer) -> None:
        size = server.sizes[1] = 3 * MIB + 5
        reader = contents.open(1, size, PERSON)
        assert await whole(reader) == content(1, 0, size)
        reader.close()
        again = contents.open(1, size, PERSON)
        assert again.read_now(MIB, 4096) == content(1, MIB, MIB + 4096)
        again.close()
        assert server.requests == [(1, 0, PERSON)]

    async def test_what_is_partly_here_is_read_once_when_the_rest_came(
        self, contents: Content, server: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        size = server.sizes[1] = 3 * MIB
        server.rate = MIB
        reader = contents.open(1, size, PERSON)
        await reader.read(0, server.chunk)
        reads: list[tuple[int, int]] = []
        read = contents.cache.read

        def noted(entry: Entry, offset: int, length: int) -> bytes | None:
            reads.append((offset, length))
            return read(entry, offset, length)

        monkeypatch.setattr(contents.cache, "read", noted)
        assert await reader.read(0, MIB) == content(1, 0, MIB)
        assert reads == [(0, MIB)]
        assert len(server.requests) == 1

    @pytest.mark.parametrize("ranges", [False, True])
    async def test_a_whole_file_read_backwards_is_one_request(
        self, contents: Content, server: FakeServer, ranges: bool
    ) -> None:
        size = server.sizes[1] = 5 * MIB
        server.honours_ranges = ranges
        reader = contents.open(1, size, PERSON)
        for offset in range(size - 4096, -1, -4096 * 37):
            assert await reader.read(offset, 4096) == content(1, offset, offset + 4096)
        reader.close()
        await settled(contents)
        assert len(server.requests) == 1

    async def test_reads_end_with_the_file(self, contents: Content, server: FakeServer) -> None:
        server.sizes[1] = 1000
        reader = contents.open(1, 1000, PERSON)
        assert reader.read_now(990, 100) is None
        assert await reader.read(990, 100) == content(1, 990, 1000)
        assert await reader.read(1000, 100) == b""
        assert reader.read_now(2000, 1) == b""
        reader.close()

    async def test_an_empty_file_costs_no_request(self, contents: Content, server: FakeServer) -> None:
        reader = contents.open(1, 0, PERSON)
        assert await reader.read(0, 4096) == b""
        reader.close()
        assert server.requests == []
        assert contents.cached_percent(1, 0) == 100

    async def test_the_first_bytes_come_before_the_last_were_sent(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        server.sizes[1], server.rate, server.honours_ranges = 50 * MIB, MIB, False
        reader = contents.open(1, 50 * MIB, PERSON)
        assert await reader.read(0, 4096) == content(1, 0, 4096)
        assert trio.current_time() < 1
        assert contents.cached_percent(1, 50 * MIB) == 0
        assert await reader.read(10 * MIB, 4096) == content(1, 10 * MIB, 10 * MIB + 4096)
        assert contents.cached_percent(1, 50 * MIB) in (19, 20, 21)
        reader.close()

    async def test_many_readers_share_one_download(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        size = server.sizes[1] = 4 * MIB
        server.rate, server.honours_ranges = MIB, False
        finished: list[float] = []

        async def read(offset: int) -> None:
            reader = contents.open(1, size, PERSON)
            assert await reader.read(offset, 4096) == content(1, offset, offset + 4096)
            finished.append(trio.current_time())
            reader.close()

        async with trio.open_nursery() as nursery:
            for index in range(64):
                nursery.start_soon(read, index * 64 * 1024)
        assert server.requests == [(1, 0, PERSON)]
        assert min(finished) < 0.2 and max(finished) > 3.5  # each waited for its own range alone

    async def test_a_hanging_download_is_not_felt_by_others(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        server.sizes.update(dict.fromkeys(range(201), 100000))
        reader = contents.open(200, 100_000, PERSON)
        await whole(reader)
        server.faults.extend([Fault(hang=True)] * 200)

        async def stuck(file_id: int) -> None:
            await contents.open(file_id, 100_000, PERSON).read(0, 4096)

        async with trio.open_nursery() as nursery:
            for file_id in range(200):
                nursery.start_soon(stuck, file_id)
            await trio.testing.wait_all_tasks_blocked()
            assert server.running == 200
            assert reader.read_now(0, 4096) == content(200, 0, 4096)
            server.sizes[500] = 5000
            fresh = contents.open(500, 5000, PERSON)
            assert await fresh.read(0, 5000) == content(500, 0, 5000)
            nursery.cancel_scope.cancel()

    async def test_the_lane_is_that_of_the_opener_until_a_person_waits(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        server.sizes[1], server.latency = 1000, 5
        background = contents.open(1, 1000, BACKGROUND)
        person = contents.open(1, 1000, PERSON)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(background.read, 0, 10)
            await trio.sleep(1)
            assert server.requests == [(1, 0, BACKGROUND)]
            nursery.start_soon(person.read, 0, 10)
            await trio.sleep(1)
            lane = server.lanes[0]
            assert isinstance(lane, Promotable) and lane.lane == PERSON
        assert len(server.requests) == 1
        background.close()
        person.close()

    async def test_a_new_mount_costs_no_request(self, tmp_path: Path, server: FakeServer) -> None:
        server.sizes.update({file_id: 10_000 + file_id for file_id in range(20)})
        for _ in range(2):
            async with (
                Cache(tmp_path / "again", LIMIT, floor=0) as cache,
                trio.open_nursery() as nursery,
            ):
                contents = Content(cache, server.download, nursery)
                for file_id, size in server.sizes.items():
                    reader = contents.open(file_id, size, PERSON)
                    assert await whole(reader) == content(file_id, 0, size)
                    reader.close()
        assert len(server.requests) == 20

    async def test_status_counts(self, contents: Content, server: FakeServer) -> None:
        server.sizes[1] = 1000
        reader = contents.open(1, 1000, PERSON)
        await reader.read(0, 10)
        await reader.read(10, 10)
        status = contents.status()
        assert (status["downloads"], status["hits"], status["misses"], status["open"]) == (1, 1, 1, 1)
        reader.close()
        await settled(contents)
        assert contents.status()["files"] == 1


class TestWrongSize:
    @pytest.mark.parametrize("tells_size", [False, True])
    @pytest.mark.parametrize("real", [0, 999, 1001, 200_000])
    async def test_is_an_error_for_every_reader_and_never_zeros(
        self,
        contents: Content,
        server: FakeServer,
        caplog: pytest.LogCaptureFixture,
        real: int,
        tells_size: bool,
    ) -> None:
        server.sizes[1], server.tells_size = real, tells_size
        failed = 0
        readers = [contents.open(1, 1000, PERSON) for _ in range(5)]

        async def read(reader: Reader) -> None:
            nonlocal failed
            with pytest.raises(WrongSize, match=r"attachment 1 has 1,000 bytes, but the download"):
                await reader.read(0, 1000)
            failed += 1

        async with trio.open_nursery() as nursery:
            for reader in readers:
                nursery.start_soon(read, reader)
        assert failed == 5
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "attachment 1 has 1,000 bytes" in caplog.text
        caplog.clear()
        assert contents.cached_percent(1, 1000) == 0
        assert readers[0].read_now(0, 10) is None
        for reader in readers:
            reader.close()

    async def test_what_was_read_before_is_gone_with_the_rest(
        self, contents: Content, server: FakeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.sizes[1], server.tells_size = 3 * MIB, False
        reader = contents.open(1, 4 * MIB, PERSON)
        assert await reader.read(0, 4096) == content(1, 0, 4096)
        with pytest.raises(WrongSize):
            await reader.read(3 * MIB - 10, 4096)
        assert reader.read_now(0, 4096) is None
        reader.close()
        assert "ended after 3,145,728" in caplog.text
        caplog.clear()

    async def test_a_later_read_finds_it_mended(
        self,
        contents: Content,
        server: FakeServer,
        clock: trio.testing.MockClock,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        server.sizes[1] = 1000
        server.faults.append(Fault(after=500, end=True))
        reader = contents.open(1, 1000, PERSON)
        with pytest.raises(WrongSize):
            await reader.read(0, 1000)
        caplog.clear()
        await trio.sleep(1.1)
        assert await reader.read(0, 1000) == content(1, 0, 1000)
        reader.close()

    async def test_a_size_that_the_api_corrects_is_believed(
        self, contents: Content, server: FakeServer
    ) -> None:
        server.sizes[1] = 1000
        old = contents.open(1, 1000, PERSON)
        await old.read(0, 1000)
        server.sizes[1] = 1200
        new = contents.open(1, 1200, PERSON)
        assert await new.read(0, 2000) == content(1, 0, 1200)
        with pytest.raises(WrongSize):
            await old.read(0, 1000)
        old.close()
        new.close()
        assert contents.cached_percent(1, 1200) == 100


class TestFailures:
    async def test_reach_every_reader_and_cost_one_request(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        server.latency = 1
        server.faults.append(refused(Unreachable()))
        server.sizes[1] = 1000
        failed = []

        async def read() -> None:
            reader = contents.open(1, 1000, PERSON)
            try:
                await reader.read(0, 10)
            except Unreachable as error:
                failed.append(error)
            reader.close()

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(read)
        assert len(failed) == 10
        assert len(server.requests) == 1

    async def test_a_program_that_hammers_costs_a_request_a_second(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        for _ in range(50):
            reader = contents.open(1, 1000, PERSON)
            with pytest.raises(FileNotFound):
                await reader.read(0, 10)
            reader.close()
            await trio.sleep(0.1)
        assert len(server.requests) in (4, 5)

    async def test_the_next_second_tries_again(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        server.sizes[1] = 1000
        server.faults.append(refused(TimedOut()))
        reader = contents.open(1, 1000, PERSON)
        with pytest.raises(TimedOut):
            await reader.read(0, 10)
        await trio.sleep(1.1)
        assert await reader.read(0, 10) == content(1, 0, 10)
        reader.close()

    async def test_what_is_cached_is_read_all_the_same(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        server.sizes[1] = MIB
        server.faults.append(Fault(after=500_000, error=TimedOut()))
        reader = contents.open(1, MIB, PERSON)
        with pytest.raises(TimedOut):
            await reader.read(900_000, 10)
        assert await reader.read(100_000, 1000) == content(1, 100_000, 101_000)
        assert len(server.requests) == 1
        reader.close()

    async def test_an_error_nobody_foresaw_ends_no_mount(
        self, contents: Content, server: FakeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.sizes[1] = 1000
        server.faults.append(Fault(error=ZeroDivisionError("a bug")))
        reader = contents.open(1, 1000, PERSON)
        with pytest.raises(ZeroDivisionError):
            await reader.read(0, 10)
        reader.close()
        assert "Traceback" in caplog.text
        caplog.clear()

    async def test_a_download_that_stands_still_ends_though_the_client_forgot(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        server.sizes[1] = MIB
        server.faults.append(Fault(after=100_000, hang=True))
        reader = contents.open(1, MIB, PERSON)
        assert await reader.read(0, 1000) == content(1, 0, 1000)
        with pytest.raises(TimedOut):
            await reader.read(500_000, 10)
        assert 59 < trio.current_time() < 61
        reader.close()

    async def test_waiting_in_a_queue_is_no_standing_still(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        server.sizes[1], server.latency = 1000, 500
        reader = contents.open(1, 1000, PERSON)
        assert await reader.read(0, 10) == content(1, 0, 10)
        reader.close()

    async def test_a_slow_download_is_waited_for_as_long_as_it_moves(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        server.sizes[1], server.rate, server.honours_ranges = 2 * MIB, 4096, False
        server.chunk = 16 * 1024
        reader = contents.open(1, 2 * MIB, PERSON)
        assert await reader.read(2 * MIB - 10, 10) == content(1, 2 * MIB - 10, 2 * MIB)
        assert trio.current_time() > 500
        reader.close()


class TestBrokenStreams:
    async def test_resume_at_their_extent_where_ranges_work(
        self, contents: Content, server: FakeServer
    ) -> None:
        server.sizes[1] = 3 * MIB
        server.faults.extend([broken(MIB), broken(MIB)])
        reader = contents.open(1, 3 * MIB, PERSON)
        assert await whole(reader) == content(1, 0, 3 * MIB)
        assert [start for _, start, _ in server.requests] == [0, MIB, 2 * MIB]
        assert server.sent == 3 * MIB
        reader.close()

    async def test_start_over_where_they_do_not(self, contents: Content, server: FakeServer) -> None:
        server.sizes[1], server.honours_ranges = 3 * MIB, False
        server.faults.extend([broken(MIB), broken(2 * MIB)])
        reader = contents.open(1, 3 * MIB, PERSON)
        assert await whole(reader) == content(1, 0, 3 * MIB)
        assert [start for _, start, _ in server.requests] == [0, 0, 0]
        reader.close()

    async def test_start_over_where_a_promise_of_ranges_is_not_kept(
        self, contents: Content, server: FakeServer
    ) -> None:
        server.sizes[1], server.honours_ranges, server.tells_ranges = 3 * MIB, False, False
        server.faults.extend([broken(MIB)])
        reader = contents.open(1, 3 * MIB, PERSON)
        assert await whole(reader) == content(1, 0, 3 * MIB)
        assert [start for _, start, _ in server.requests] == [0, MIB]
        assert contents.network.ranges is False
        reader.close()

    async def test_fail_when_they_get_no_further(
        self, contents: Content, server: FakeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.sizes[1], server.honours_ranges = 3 * MIB, False
        server.faults.extend([broken(MIB)] * 10)
        reader = contents.open(1, 3 * MIB, PERSON)
        with pytest.raises(ConnectionBroken):
            await whole(reader)
        assert len(server.requests) == 2
        assert "broke off at 1,048,576 of 3,145,728 bytes" in caplog.text
        caplog.clear()
        assert reader.read_now(0, 4096) == content(1, 0, 4096)
        reader.close()

    async def test_fail_when_each_request_brings_next_to_nothing(
        self, contents: Content, server: FakeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.sizes[1] = 3 * MIB
        server.faults.extend([broken(10)] * 50)
        reader = contents.open(1, 3 * MIB, PERSON)
        with pytest.raises(ConnectionBroken):
            await whole(reader)
        assert len(server.requests) == 4
        caplog.clear()
        reader.close()


class TestSeeking:
    async def test_far_ahead_opens_a_range(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        size = server.sizes[1] = 60 * MIB
        server.rate = 2 * MIB
        reader = contents.open(1, size, PERSON)
        await reader.read(0, 4096)
        assert await reader.read(size - 4096, 4096) == content(1, size - 4096, size)
        assert trio.current_time() < 3
        assert len(server.requests) == 2 and server.requests[1][1] > size - 2 * MIB
        assert await reader.read(2 * MIB, 4096) == content(1, 2 * MIB, 2 * MIB + 4096)
        assert len(server.requests) == 2  # the first stream went on
        reader.close()
        await settled(contents)
        assert contents.cached_percent(1, size) == 100
        assert server.sent < size + MIB  # and ended where the second had begun

    async def test_the_first_read_at_the_end_is_not_slow(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        size = server.sizes[1] = 2 << 30
        server.rate = 2 * MIB
        contents.cache.limit = 0  # nor where nothing can be kept
        reader = contents.open(1, size, PERSON)
        assert await reader.read(size - 4096, 4096) == content(1, size - 4096, size)
        assert trio.current_time() < 3
        reader.close()

    async def test_a_known_way_is_not_tried_again(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        server.sizes.update({1: 50 * MIB, 2: 50 * MIB})
        server.rate = 2 * MIB
        reader = contents.open(1, 50 * MIB, PERSON)
        await reader.read(2 * MIB, 10)
        other = contents.open(2, 50 * MIB, PERSON)
        await other.read(40 * MIB, 10)
        assert [request[0] for request in server.requests] == [1, 2]
        assert server.requests[1][1] > 38 * MIB
        reader.close()
        other.close()

    async def test_near_ahead_waits_for_the_stream(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        size = server.sizes[1] = 60 * MIB
        server.rate = 10 * MIB
        reader = contents.open(1, size, PERSON)
        await reader.read(10 * MIB, 4096)
        await reader.read(18 * MIB, 4096)
        assert len(server.requests) == 1
        reader.close()

    async def test_waits_where_ranges_do_not_work(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        size = server.sizes[1] = 20 * MIB
        server.rate, server.honours_ranges = 2 * MIB, False
        reader = contents.open(1, size, PERSON)
        assert await reader.read(size - 10, 10) == content(1, size - 10, size)
        assert len(server.requests) == 1
        reader.close()

    async def test_one_request_finds_out_that_ranges_do_not_work(
        self, cache: Cache, server: FakeServer, nursery: trio.Nursery, clock: trio.testing.MockClock
    ) -> None:
        found: list[bool] = []
        contents = Content(cache, server.download, nursery, on_ranges=found.append)
        server.sizes.update({1: 20 * MIB, 2: 20 * MIB})
        server.rate, server.honours_ranges, server.tells_ranges = 2 * MIB, False, False
        for file_id in (1, 2):
            reader = contents.open(file_id, 20 * MIB, PERSON)
            assert await reader.read(19 * MIB, 10) == content(file_id, 19 * MIB, 19 * MIB + 10)
            assert await whole(reader) == content(file_id, 0, 20 * MIB)
            reader.close()
        assert len(server.requests) == 3
        assert found == [False]
        assert server.sent < 41 * MIB  # the fruitless answer was hung up on

    async def test_what_is_known_of_ranges_is_handed_in(
        self, cache: Cache, server: FakeServer, nursery: trio.Nursery, clock: trio.testing.MockClock
    ) -> None:
        found: list[bool] = []
        contents = Content(cache, server.download, nursery, ranges=False, on_ranges=found.append)
        server.sizes[1], server.rate, server.tells_ranges = 20 * MIB, 2 * MIB, False
        reader = contents.open(1, 20 * MIB, PERSON)
        await reader.read(19 * MIB, 10)
        assert len(server.requests) == 1
        reader.close()

    async def test_scrubbing_keeps_few_streams(
        self, cache: Cache, server: FakeServer, nursery: trio.Nursery, clock: trio.testing.MockClock
    ) -> None:
        contents = Content(cache, server.download, nursery, policy=Policy(large=0, barely=1))
        size = server.sizes[1] = 60 * MIB
        server.rate = MIB
        reader = contents.open(1, size, PERSON)
        await reader.read(0, 4096)
        for offset in (50, 40, 30, 20, 45, 10, 55):
            began = trio.current_time()
            place = offset * MIB + 17
            assert await reader.read(place, 9000) == content(1, place, place + 9000)
            assert trio.current_time() - began < 3
        assert server.most <= 3
        reader.close()
        await settled(contents)

    async def test_random_reads_by_many_are_all_right(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        size = server.sizes[1] = 30 * MIB
        server.rate = 2 * MIB

        async def read(offset: int) -> None:
            reader = contents.open(1, size, PERSON)
            assert await reader.read(offset, 50_000) == content(1, offset, min(size, offset + 50_000))
            reader.close()

        async with trio.open_nursery() as nursery:
            for index in range(100):
                nursery.start_soon(read, index * 7_654_321 % size)
        assert server.most <= 3


class TestLeaving:
    async def test_a_small_download_is_finished(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        size = server.sizes[1] = 20 * MIB
        server.rate = MIB
        reader = contents.open(1, size, PERSON)
        await reader.read(MIB, 10)
        reader.close()
        await settled(contents)
        assert contents.cached_percent(1, size) == 100
        assert contents.status()["open"] == 0

    @pytest.mark.parametrize(
        ("lane", "end", "megabytes", "ranges", "whole"),
        [
            (PERSON, 64 * 1024, 20, True, False),  # a file manager looks what it is
            (Lane.BACKGROUND, 2 * MIB, 20, True, False),  # a thumbnailer looks for a frame
            (PERSON, 64 * 1024, 20, False, True),  # where it would have to begin anew
            (PERSON, 64 * 1024, 5, True, True),
            (PERSON, MIB, 20, True, True),
        ],
    )
    async def test_a_look_at_the_head_of_a_large_file_does_not_fetch_it_whole(
        self,
        contents: Content,
        server: FakeServer,
        clock: trio.testing.MockClock,
        lane: Lane,
        end: int,
        megabytes: int,
        ranges: bool,
        whole: bool,
    ) -> None:
        size = server.sizes[1] = megabytes * MIB
        server.rate, server.honours_ranges = MIB, ranges
        reader = contents.open(1, size, lane)
        for offset in range(0, end, 16 * 1024):
            await reader.read(offset, 16 * 1024)
        reader.close()
        await settled(contents)
        assert (contents.cached_percent(1, size) == 100) is whole
        assert whole or server.sent <= end + 2 * server.chunk
        assert len(server.requests) == 1

    async def test_a_person_beside_a_thumbnailer_has_it_finished(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        size = server.sizes[1] = 20 * MIB
        server.rate = MIB
        readers = [contents.open(1, size, lane) for lane in (Lane.BACKGROUND, PERSON)]
        for reader in readers:
            await reader.read(0, MIB)
        for reader in reversed(readers):
            reader.close()
        await settled(contents)
        assert contents.cached_percent(1, size) == 100

    async def test_a_large_one_that_has_barely_begun_is_not(
        self, tmp_path: Path, server: FakeServer, nursery: trio.Nursery, clock: trio.testing.MockClock
    ) -> None:
        async with Cache(tmp_path / "large", 300 * MIB, floor=0) as cache:
            contents = Content(cache, server.download, nursery)
            size = server.sizes[1] = 100 * MIB
            server.rate = MIB
            reader = contents.open(1, size, PERSON)
            await reader.read(0, 10)
            reader.close()
            await settled(contents)
            assert server.running == 0
            assert server.sent <= 2 * 64 * 1024
            assert cache.used < MIB  # the room that was reserved is given back

            reader = contents.open(1, size, PERSON)
            assert reader.read_now(0, 10) == content(1, 0, 10)
            for offset in range(0, 11 * MIB, MIB // 2):
                await reader.read(offset, 10)
            reader.close()
            await settled(contents)
            assert contents.cached_percent(1, size) == 100
            assert [start > 0 for _, start, _ in server.requests] == [False, True]

    async def test_a_closed_reader_reads_no_more(self, contents: Content, server: FakeServer) -> None:
        server.sizes[1] = 1000
        reader = contents.open(1, 1000, PERSON)
        reader.close()
        reader.close()
        with pytest.raises(ContentClosed):
            await reader.read(0, 10)
        assert contents.status()["open"] == 0

    async def test_readers_of_a_dying_drive_are_told(
        self, cache: Cache, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        server.sizes[1], server.rate, server.honours_ranges = 10 * MIB, MIB, False
        told = trio.Event()

        async def read() -> None:
            reader = contents.open(1, 10 * MIB, PERSON)
            with pytest.raises(ContentClosed):
                await reader.read(9 * MIB, 10)
            told.set()

        async with trio.open_nursery() as outer:
            async with trio.open_nursery() as nursery:
                contents = Content(cache, server.download, nursery)
                outer.start_soon(read)
                await trio.sleep(1)
                nursery.cancel_scope.cancel()
            with trio.fail_after(1):
                await told.wait()
            late = contents.open(1, 10 * MIB, PERSON)
            with pytest.raises(ContentClosed):
                await late.read(9 * MIB, 10)


class TestForgetting:
    async def test_what_vanished_leaves_the_cache(self, contents: Content, server: FakeServer) -> None:
        server.sizes[1] = 1000
        reader = contents.open(1, 1000, PERSON)
        await reader.read(0, 10)
        del server.sizes[1]
        await contents.forget(1)
        with pytest.raises(FileNotFound):
            await reader.read(0, 10)
        reader.close()
        assert contents.cached_percent(1, 1000) == 0

    async def test_in_the_middle_of_a_download(
        self, contents: Content, server: FakeServer, clock: trio.testing.MockClock
    ) -> None:
        size = server.sizes[1] = 10 * MIB
        server.rate = MIB
        reader = contents.open(1, size, PERSON)
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                assert await reader.read(5 * MIB, 10) == content(1, 5 * MIB, 5 * MIB + 10)

            nursery.start_soon(read)
            await trio.sleep(1)
            await contents.forget(1)
        assert len(server.requests) == 2
        reader.close()
        await contents.forget(1)
        await contents.forget(77)
        await settled(contents)
        assert contents.status()["files"] == 0

    async def test_an_adopted_file_costs_no_request(
        self, contents: Content, server: FakeServer, tmp_path: Path
    ) -> None:
        source = tmp_path / "spooled"
        source.write_bytes(content(9, 0, 70_000))
        await contents.adopt(9, 70_000, source)
        reader = contents.open(9, 70_000, PERSON)
        assert reader.read_now(0, 100_000) == content(9, 0, 70_000)
        reader.close()
        assert server.requests == []

    async def test_one_adopted_while_it_is_open_is_read_from_there(
        self, contents: Content, server: FakeServer, tmp_path: Path
    ) -> None:
        reader = contents.open(9, 70_000, PERSON)
        source = tmp_path / "spooled"
        source.write_bytes(content(9, 0, 70_000))
        await contents.adopt(9, 70_000, source)
        assert await reader.read(0, 100_000) == content(9, 0, 70_000)
        reader.close()
        assert server.requests == []


class TestDisk:
    async def test_a_full_disk_is_no_error_for_readers(
        self,
        contents: Content,
        server: FakeServer,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def full(entry: object, offset: int, data: bytes) -> None:
            raise OSError(28, "No space left on device")

        size = server.sizes[1] = 3 * MIB
        monkeypatch.setattr(contents.cache, "write", full)
        reader = contents.open(1, size, PERSON)
        assert await whole(reader) == content(1, 0, size)
        reader.close()
        assert len(server.requests) == 2
        assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
            "Attachment 1 can't be kept: [Errno 28] No space left on device"
        ]
        caplog.clear()

    async def test_a_file_damaged_on_disk_is_fetched_anew(
        self, contents: Content, server: FakeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.sizes[1] = 10_000
        reader = contents.open(1, 10_000, PERSON)
        await reader.read(0, 10)
        await settled(contents)
        for path in (contents.cache.directory / "files").iterdir():
            with path.open("r+b") as file:
                file.truncate(0)
        assert reader.read_now(0, 10) is None
        assert await reader.read(0, 10) == content(1, 0, 10)
        reader.close()
        assert len(server.requests) == 2
        caplog.clear()
