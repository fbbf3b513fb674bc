"""What is read by programs on their own account: thumbnailers get their turn, and keep nobody waiting."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from wsfs.api.errors import FileNotFound
from wsfs.api.pacing import Lane
from wsfs.content.fetch import Content, Reader
from wsfs.content.policy import Policy

from .fakes import FakeServer, Fault, content

MIB = 1 << 20
PERSON, BACKGROUND = Lane.PERSON, Lane.BACKGROUND


async def whole(reader: Reader) -> bytes:
    """Read as the kernel does for a program that reads in sequence: two pieces at a time."""
    parts: dict[int, bytes] = {}

    async def piece(offset: int) -> None:
        parts[offset] = await reader.read(offset, 128 * 1024)

    for offset in range(0, reader.size, 256 * 1024):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(piece, offset)
            nursery.start_soon(piece, offset + 128 * 1024)
    return b"".join(parts[offset] for offset in sorted(parts))


async def thumbnail(contents: Content, file_id: int, size: int, place: str = "here") -> None:
    """Read a picture whole, as a thumbnailer does."""
    reader = contents.open(file_id, size, BACKGROUND, place)
    assert await whole(reader) == content(file_id, 0, size)
    reader.close()


async def test_thumbnailers_get_one_download_at_a_time(
    contents: Content, server: FakeServer, clock: trio.testing.MockClock
) -> None:
    server.rate = 4.0 * MIB
    async with trio.open_nursery() as nursery:
        for file_id in range(1, 9):
            server.sizes[file_id] = MIB
            nursery.start_soon(thumbnail, contents, file_id, MIB)
    assert server.most == 1
    assert sorted(file_id for file_id, _, _ in server.requests) == list(range(1, 9))
    assert {lane for _, _, lane in server.requests} == {BACKGROUND}


async def test_the_directory_a_person_opened_last_goes_first(
    contents: Content, server: FakeServer, clock: trio.testing.MockClock
) -> None:
    server.rate = 1.0 * MIB
    server.sizes = dict.fromkeys(range(1, 7), MIB)
    async with trio.open_nursery() as nursery:
        contents.looked("old")
        for file_id in (1, 2, 3):
            nursery.start_soon(thumbnail, contents, file_id, MIB, "old")
            await trio.testing.wait_all_tasks_blocked()
        contents.looked("new")
        for file_id in (4, 5, 6):
            nursery.start_soon(thumbnail, contents, file_id, MIB, "new")
            await trio.testing.wait_all_tasks_blocked()
    assert [file_id for file_id, _, _ in server.requests] == [1, 4, 5, 6, 2, 3]


async def test_a_person_waits_for_no_thumbnail(
    contents: Content, server: FakeServer, clock: trio.testing.MockClock
) -> None:
    server.sizes = {1: MIB, 2: MIB}
    server.faults.append(Fault(hang=True))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(thumbnail, contents, 1, MIB)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(thumbnail, contents, 2, MIB)
        await trio.testing.wait_all_tasks_blocked()
        reader = contents.open(2, MIB, PERSON)
        with trio.fail_after(1):
            assert await whole(reader) == content(2, 0, MIB)
        reader.close()
        assert server.requests == [(1, 0, BACKGROUND), (2, 0, PERSON)]
        nursery.cancel_scope.cancel()


async def test_what_a_person_reads_too_gives_its_turn_to_the_next(
    contents: Content, server: FakeServer, clock: trio.testing.MockClock
) -> None:
    server.sizes = {1: 20 * MIB, 2: MIB}
    server.rate = 1.0 * MIB
    async with trio.open_nursery() as nursery:
        nursery.start_soon(thumbnail, contents, 1, 20 * MIB)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(thumbnail, contents, 2, MIB)
        await trio.sleep(1)
        reader = contents.open(1, 20 * MIB, PERSON)
        await reader.read(2 * MIB, 4096)
        await trio.sleep(1.5)
        assert contents.has(2, MIB)
        reader.close()
    assert len(server.requests) == 2


async def test_a_large_download_ends_two_seconds_after_its_last_read(
    contents: Content, server: FakeServer, clock: trio.testing.MockClock
) -> None:
    size = server.sizes[1] = 40 * MIB
    server.rate = 1.0 * MIB
    reader = contents.open(1, size, BACKGROUND)
    await reader.read(0, 4096)
    await trio.sleep(30)
    assert server.sent < 5 * MIB
    assert contents.status()["streams"] == 0
    # It goes on where it ended, when it is read on.
    assert await reader.read(6 * MIB, 4096) == content(1, 6 * MIB, 6 * MIB + 4096)
    reader.close()
    assert server.sent < 9 * MIB


async def test_one_that_is_read_slowly_does_not_end(
    contents: Content, server: FakeServer, clock: trio.testing.MockClock
) -> None:
    size = server.sizes[1] = 12 * MIB
    server.rate = 0.5 * MIB
    reader = contents.open(1, size, BACKGROUND)
    for offset in range(0, size, MIB):
        await reader.read(offset, 4096)
        await trio.sleep(1.9)
    reader.close()
    assert len(server.requests) == 1


async def test_a_small_one_is_finished_and_holds_up_nobody(
    contents: Content, server: FakeServer, clock: trio.testing.MockClock
) -> None:
    server.sizes = {1: 8 * MIB, 2: MIB}
    server.rate = 1.0 * MIB
    reader = contents.open(1, 8 * MIB, BACKGROUND)
    await reader.read(0, 4096)
    with trio.fail_after(5):
        await thumbnail(contents, 2, MIB)
    await trio.sleep(8)
    reader.close()
    assert contents.has(1, 8 * MIB)
    assert len(server.requests) == 2


async def test_a_failure_passes_the_turn_on(
    contents: Content, server: FakeServer, clock: trio.testing.MockClock
) -> None:
    server.sizes = {2: MIB}
    reader = contents.open(1, MIB, BACKGROUND)  # the service doesn't have it any more
    with pytest.raises(FileNotFound):
        await reader.read(0, 4096)
    reader.close()
    with trio.fail_after(5):
        await thumbnail(contents, 2, MIB)


async def test_a_reader_that_closes_passes_the_turn_on(
    contents: Content, server: FakeServer, clock: trio.testing.MockClock
) -> None:
    server.sizes = {1: 40 * MIB, 2: MIB}
    server.rate = 1.0 * MIB
    reader = contents.open(1, 40 * MIB, BACKGROUND)
    await reader.read(0, 4096)
    reader.close()
    with trio.fail_after(2):
        await thumbnail(contents, 2, MIB)


async def test_what_is_here_takes_no_turn(
    contents: Content, server: FakeServer, clock: trio.testing.MockClock
) -> None:
    server.sizes = {1: MIB, 2: MIB}
    await thumbnail(contents, 1, MIB)
    server.faults.append(Fault(hang=True))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(thumbnail, contents, 2, MIB)
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(1):
            await thumbnail(contents, 1, MIB)
        nursery.cancel_scope.cancel()


async def test_what_is_worth_it(contents: Content, server: FakeServer) -> None:
    limit = Policy().unasked
    assert contents.is_worth_it(1, limit)
    assert not contents.is_worth_it(1, limit + 1)
    size = server.sizes[2] = limit + 1
    await contents.fill(2, size, PERSON)
    assert contents.is_worth_it(2, size)
