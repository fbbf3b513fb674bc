"""The steps of a batch through the journal, as they cross each other."""

from __future__ import annotations

from typing import Literal

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.conftest import ExpectedWarnings
from wsfs.uploads.outbox import Outbox
from wsfs.uploads.states import State

from .fakes import OTHER_TASK, TASK, World


async def test_a_batch_is_not_numbered_as_one_that_an_earlier_run_left(
    world: World, mock_clock: MockClock
) -> None:
    """Else the old one's end would delete the new one's row: a crash then leaves files that nobody looks for."""
    async with world.running(sending=False):
        box = Outbox(world.spool, lambda inode: None)
        old = await world.write(TASK, "old")
        record = await box.posted(await box.claim([old], kind="comment", project=10, task=20), 5)
        await box.learned(record, {old.inode: 1000})
    again = world.again()
    async with again.running(sending=False), trio.open_nursery() as nursery:
        box = Outbox(again.spool, lambda inode: None)
        new = await again.write(OTHER_TASK, "new")
        remembered = trio.Event()
        left = again.spool.nodes[old.inode]
        nursery.start_soon(box.taken, again.spool.batches[record.id], [left], remembered.wait)
        await trio.testing.wait_all_tasks_blocked()
        fresh = await box.claim([new], kind="comment", project=10, task=21)
        assert fresh.id != record.id
        remembered.set()
    third = again.again()
    async with third.running(sending=False):
        assert third.spool.batches.keys() == {fresh.id}
        assert [node.inode for node in third.spool.members(fresh.id)] == [new.inode]
        assert third.spool.nodes[new.inode].state is State.UNKNOWN


@pytest.mark.parametrize("state", ["sending", "unknown", "sent"])
async def test_what_no_batch_is_known_of_any_more_is_for_a_person_to_decide(
    world: World,
    mock_clock: MockClock,
    expected_warnings: ExpectedWarnings,
    state: Literal["sending", "unknown", "sent"],
) -> None:
    """A journal that an earlier version left without the row of a batch: nobody would ever look for it."""
    async with world.running(sending=False):
        box = Outbox(world.spool, lambda inode: None)
        node = await world.write(TASK, "a")
        record = await box.claim([node], kind="comment", project=10, task=20)
        if state == "unknown":
            await box.doubt(record)
        elif state == "sent":
            await box.posted(record, 5)
        await world.spool.journal.commit(("delete from batches", ()))
    expected_warnings.expect("doesn't tell any more what a was sent with")
    again = world.again()
    async with again.running():
        found = again.spool.nodes[node.inode]
        assert (found.state, found.uncertain) == (State.QUARANTINED, True)
        assert found.error is not None
        assert "look in Worksection" in found.error
        assert again.read(found) == b"content"
        await again.wait(120)
        assert again.service.names() == []
        await again.sender.release(node.inode, named=node.inode)
        await again.wait(120)
        assert again.service.names() == ["a"]
