"""The table of states: each of its transitions is made to happen to a real spool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from wsfs.uploads import openfiles, outbox, recovery, spool
from wsfs.uploads.nodes import BatchRecord, Spooled
from wsfs.uploads.outbox import Outbox
from wsfs.uploads.states import TABLE, Event, IllegalTransition, State, after

from .fakes import OTHER_TASK, TASK, World
from .state_table import PAGE, in_page, rendered

Scenario = Callable[[World, Outbox], Awaitable[object]]
SCENARIOS: dict[tuple[State, Event], Scenario] = {}


def scenario(*pairs: tuple[State, Event]) -> Callable[[Scenario], Scenario]:
    """This makes these transitions happen."""

    def register(function: Scenario) -> Scenario:
        for pair in pairs:
            assert pair not in SCENARIOS
            SCENARIOS[pair] = function
        return function

    return register


async def opened(world: World, name: str = "a") -> Spooled:
    """A file whose writer is still at it."""
    node = await world.spool.create(TASK, name, 0o644, 0, 0)
    world.spool.open(node.inode, write=True).write(0, b"x")
    return node


async def claimed(world: World, box: Outbox, name: str = "a") -> tuple[Spooled, BatchRecord]:
    node = await world.write(TASK, name)
    return node, await box.claim([node], kind="comment", project=10, task=20)


async def doubted(world: World, box: Outbox) -> tuple[Spooled, BatchRecord]:
    node, record = await claimed(world, box)
    await box.doubt(record)
    return node, record


async def posted(world: World, box: Outbox) -> tuple[Spooled, BatchRecord]:
    node, record = await claimed(world, box)
    return node, await box.posted(record, 5)


async def restarted(world: World) -> None:
    await world.crash()
    again = world.again()
    async with again.running(sending=False):
        pass


async def scribbled(world: World, node: Spooled) -> None:
    """Its content changes and a crash comes before any row says so."""
    handle = world.spool.open(node.inode, write=True)
    world.spool.contents.move(handle.opened.content, world.spool.contents.make(node.content))
    node.version += 1
    await world.spool._make_safe(handle.opened, closed=True)
    world.spool.content_path(node).write_bytes(b"something else")
    await restarted(world)


async def in_state(world: World, state: State) -> Spooled:
    """A file in a state that nothing was made to happen for."""
    node = await world.write(TASK, "a")
    node.state = state
    await world.spool.set_attributes(node.inode, mode=0o600)
    return node


@scenario((State.OPEN, Event.CLOSED), (State.SETTLING, Event.WRITTEN))
async def closed_and_saved_again(world: World, box: Outbox) -> None:
    await world.save(await world.write(TASK, "a"), b"again")


@scenario((State.OPEN, Event.WRITTEN))
async def written_after_a_close(world: World, box: Outbox) -> None:
    node = await world.spool.create(TASK, "a", 0o644, 0, 0)
    handle = world.spool.open(node.inode, write=True)
    await world.spool.flush(handle)
    handle.write(0, b"x")


@scenario((State.OPEN, Event.CLOSED_LOCAL), (State.LOCAL, Event.NAMED), (State.SETTLING, Event.HIDDEN))
async def named_and_hidden(world: World, box: Outbox) -> None:
    node = await world.write(TASK, "a.part")
    await world.spool.rename(node.inode, TASK, "a")
    await world.spool.rename(node.inode, TASK, "a~")


@scenario((State.LOCAL, Event.WRITTEN), (State.LOCAL, Event.REMOVED))
async def noise_saved_and_removed(world: World, box: Outbox) -> None:
    node = await world.write(TASK, "a~")
    await world.save(node, b"again")
    await world.spool.remove(node.inode)


@scenario((State.OPEN, Event.KILLED), (State.INTERRUPTED, Event.WRITTEN))
async def killed_and_saved(world: World, box: Outbox) -> None:
    node = await world.spool.create(TASK, "a", 0o644, 0, 0)
    handle = world.spool.open(node.inode, write=True)
    await world.spool.flush(handle, killed=True)
    await world.spool.release(handle)
    await world.save(node, b"whole")


@scenario((State.LOCAL, Event.KILLED))
async def dated_back_by_rsync(world: World, box: Outbox) -> None:
    node = await world.write(TASK, ".a.bin.Ab12Cd")
    await world.spool.set_attributes(node.inode, mtime_ns=219_877_128)


@scenario((State.OPEN, Event.FELL))
async def fell_open(world: World, box: Outbox) -> None:
    await opened(world)
    await restarted(world)


@scenario((State.OPEN, Event.REMOVED))
async def removed_open(world: World, box: Outbox) -> None:
    await world.spool.remove((await opened(world)).inode)


@scenario((State.SETTLING, Event.FELL))
async def fell_settling(world: World, box: Outbox) -> None:
    await scribbled(world, await world.write(TASK, "a"))


@scenario((State.LOCAL, Event.FELL))
async def fell_local(world: World, box: Outbox) -> None:
    await scribbled(world, await world.write(TASK, "a~"))


@scenario((State.QUARANTINED, Event.FELL))
async def fell_quarantined(world: World, box: Outbox) -> None:
    await scribbled(world, await in_state(world, State.QUARANTINED))


@scenario((State.SETTLING, Event.REMOVED))
async def removed_settling(world: World, box: Outbox) -> None:
    await world.spool.remove((await world.write(TASK, "a")).inode)


@scenario((State.SETTLING, Event.CLAIMED), (State.SENDING, Event.NOT_SENT))
async def claimed_and_given_back(world: World, box: Outbox) -> None:
    _, record = await claimed(world, box)
    await box.give_back(record)


@scenario((State.SETTLING, Event.REFUSED))
async def refused_before_it_was_claimed(world: World, box: Outbox) -> None:
    await box.refuse([await world.write(TASK, "a")], "no")


@scenario((State.SENDING, Event.WRITTEN), (State.SENDING, Event.SUPERSEDED))
async def written_while_sending(world: World, box: Outbox) -> None:
    node, record = await claimed(world, box)
    await world.save(node, b"newer")
    await box.give_back(record)


@scenario((State.SENDING, Event.REFUSED), (State.QUARANTINED, Event.WRITTEN))
async def refused_and_saved(world: World, box: Outbox) -> None:
    node, record = await claimed(world, box)
    await box.refuse(world.spool.members(record.id), "no")
    await world.save(node, b"another try")


@scenario(
    (State.SENDING, Event.UNCERTAIN), (State.UNKNOWN, Event.UNDECIDED), (State.QUARANTINED, Event.REMOVED)
)
async def undecided_and_removed(world: World, box: Outbox) -> None:
    node, record = await doubted(world, box)
    await box.refuse(world.spool.members(record.id), "who knows", uncertain=True)
    await world.spool.remove(node.inode)


@scenario((State.UNKNOWN, Event.NOT_SENT))
async def not_arrived(world: World, box: Outbox) -> None:
    _, record = await doubted(world, box)
    await box.give_back(record)


@scenario((State.UNKNOWN, Event.WRITTEN), (State.UNKNOWN, Event.SUPERSEDED))
async def written_while_unknown(world: World, box: Outbox) -> None:
    node, record = await doubted(world, box)
    await world.save(node, b"newer")
    await box.give_back(record)


@scenario((State.UNKNOWN, Event.POSTED))
async def arrived_after_all(world: World, box: Outbox) -> None:
    _, record = await doubted(world, box)
    await box.posted(record, 5)


@scenario((State.SENT, Event.OMITTED))
async def left_out_by_the_service(world: World, box: Outbox) -> None:
    node, record = await posted(world, box)
    await box.spare(record, [node], Event.OMITTED)


@scenario((State.SENT, Event.SUPERSEDED))
async def left_out_and_written(world: World, box: Outbox) -> None:
    node, record = await posted(world, box)
    await world.save(node, b"newer")
    await box.spare(record, world.spool.members(record.id), Event.OMITTED)


@scenario((State.SENDING, Event.POSTED), (State.SENT, Event.TAKEN))
async def posted_and_taken(world: World, box: Outbox) -> None:
    node, record = await posted(world, box)
    await box.learned(record, {node.inode: 77})
    await box.taken(record, [node], world.drive.remembered)


@scenario((State.SENT, Event.WRITTEN))
async def written_after_the_post(world: World, box: Outbox) -> None:
    node, _ = await posted(world, box)
    await world.save(node, b"newer")


@scenario((State.SENT, Event.UNDECIDED))
async def never_found(world: World, box: Outbox) -> None:
    node, _ = await posted(world, box)
    await box.refuse([node], "not there", uncertain=True)


@scenario((State.INTERRUPTED, Event.REMOVED))
async def removed_interrupted(world: World, box: Outbox) -> None:
    await world.spool.remove((await in_state(world, State.INTERRUPTED)).inode)


@scenario((State.INTERRUPTED, Event.RETRIED))
async def retried_interrupted(world: World, box: Outbox) -> None:
    await world.spool.retry((await in_state(world, State.INTERRUPTED)).inode)


@scenario((State.SETTLING, Event.HELD))
async def held_back(world: World, box: Outbox) -> None:
    await world.spool.hold((await world.write(TASK, "a")).inode, reason="not yet")


@scenario((State.QUARANTINED, Event.RETRIED))
async def retried_by_moving(world: World, box: Outbox) -> None:
    await world.spool.rename((await in_state(world, State.QUARANTINED)).inode, OTHER_TASK, "a")


@pytest.mark.parametrize("pair", TABLE, ids=lambda pair: f"{pair[0].name}-{pair[1].name}")
async def test_each_transition_happens_and_is_on_disk(
    world: World, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch, pair: tuple[State, Event]
) -> None:
    seen: set[tuple[State, Event]] = set()

    def recorded(state: State, event: Event) -> State:
        seen.add((state, event))
        return after(state, event)

    for module in (spool, openfiles, outbox, recovery):
        monkeypatch.setattr(module, "after", recorded)
    async with world.running(sending=False):
        await SCENARIOS[pair](world, Outbox(world.spool, lambda inode: None))
        assert pair in seen
        if not world.crashed:
            await world.crash()
        await trio.lowlevel.checkpoint()


def test_no_scenario_is_left_over() -> None:
    assert SCENARIOS.keys() == TABLE.keys()


def test_what_is_dropped_stays_so() -> None:
    assert not [event for state, event in TABLE if state is State.DROPPED]


def test_every_state_is_reached_and_none_is_a_dead_end() -> None:
    used = {State.OPEN, *TABLE.values()}
    assert used == set(State)
    assert {state for state, _ in TABLE} == used - {State.DROPPED}


@pytest.mark.parametrize("state", [State.SENDING, State.UNKNOWN, State.SENT])
def test_what_is_in_flight_can_not_be_removed(state: State) -> None:
    with pytest.raises(IllegalTransition):
        after(state, Event.REMOVED)


def test_only_a_settling_node_is_claimed() -> None:
    assert [state for state, event in TABLE if event is Event.CLAIMED] == [State.SETTLING]


def test_the_page_shows_the_table() -> None:
    assert in_page(PAGE.read_text()) == rendered(), "python -m tests.uploads.state_table"
