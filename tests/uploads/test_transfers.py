"""What has left of a post: by file, all together, and how fast."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from wsfs.uploads.nodes import Spooled
from wsfs.uploads.states import State
from wsfs.uploads.transfers import WINDOW, Transfers

from .fakes import TASK, World


def spooled(inode: int, size: int) -> Spooled:
    return Spooled(
        inode=inode,
        parent=TASK,
        name=f"{inode}.bin",
        is_dir=False,
        state=State.SENDING,
        mode=0o644,
        uid=0,
        gid=0,
        atime_ns=0,
        mtime_ns=0,
        ctime_ns=0,
        size=size,
        content=str(inode),
    )


async def test_the_bytes_that_left_are_known_by_file(autojump_clock: trio.testing.MockClock) -> None:
    transfers = Transfers()
    one, other = spooled(1, 100), spooled(2, 50)
    first, second = transfers.begin(7, [one, other])
    assert transfers.current() == []  # it waits for its turn
    first(60)
    assert [file.inode for file in transfers.current()] == [1]
    assert (transfers.done(one), transfers.done(other)) == (60, 0)
    first(100)
    assert [file.inode for file in transfers.current()] == [2]
    second(50)
    assert transfers.current() == []  # it waits for its answer
    transfers.end(7)
    assert (transfers.done(one), transfers.done(other), transfers.speed()) == (0, 0, 0.0)


async def test_a_body_that_begins_anew_begins_at_nothing(autojump_clock: trio.testing.MockClock) -> None:
    transfers = Transfers()
    node = spooled(1, 100)
    (taken,) = transfers.begin(7, [node])
    taken(60)
    taken(0)
    assert transfers.done(node) == 0


async def test_the_speed_is_that_of_the_last_moments(autojump_clock: trio.testing.MockClock) -> None:
    transfers = Transfers()
    (taken,) = transfers.begin(7, [spooled(1, 10**9)])
    for second in range(20):
        taken(second * 1000)
        await trio.sleep(1)
    assert transfers.speed() == pytest.approx(1000, rel=0.25)
    for second in range(20, 30):
        taken(20_000 + (second - 20) * 100_000)
        await trio.sleep(1)
    assert transfers.speed() == pytest.approx(100_000, rel=0.25)
    await trio.sleep(10 * WINDOW)
    assert transfers.speed() < 20_000  # it stalls, and that shows


async def test_status_tells_what_is_leaving(world: World, mock_clock: trio.testing.MockClock) -> None:
    world.service.hold = trio.Event()
    async with world.running():
        await world.write(TASK, "a.bin", b"x" * 1000)
        await world.write(TASK, "b.bin", b"x" * 500)
        await world.wait(4)
        for attachment in world.service.attachments:
            attachment.taken(attachment.size // 2)
        status = world.sender.status()
        assert (status["bytes"], status["bytes_done"], status["bytes_left"]) == (1500, 750, 750)
        assert [(file["path"], file["root"], file["bytes_done"]) for file in status["current"]] == [
            ("a.bin", TASK, 500)
        ]
        assert [file["bytes_done"] for file in status["destinations"][0]["files"]] == [500, 250]
        world.service.hold.set()
        await world.wait(4)
        status = world.sender.status()
        assert (status["files"], status["current"]) == (0, [])
