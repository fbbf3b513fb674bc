"""Whose turn it is among programs that read on their own account."""

from __future__ import annotations

import trio
import trio.testing

from wsfs.content.trickle import REMEMBERED, Trickle


class Readers:
    """Tasks that wait for a turn, and the order in which they got one."""

    def __init__(self, trickle: Trickle, nursery: trio.Nursery) -> None:
        self.order: list[str] = []
        self.trickle = trickle
        self.nursery = nursery

    async def wait(self, place: str, name: str) -> None:
        await self.trickle.acquire(place)
        self.order.append(name)

    async def come(self, place: str, name: str) -> None:
        self.nursery.start_soon(self.wait, place, name)
        await trio.testing.wait_all_tasks_blocked()

    async def leave(self) -> None:
        self.trickle.release()
        await trio.testing.wait_all_tasks_blocked()


async def test_one_at_a_time_in_the_order_of_coming(nursery: trio.Nursery) -> None:
    readers = Readers(Trickle(), nursery)
    for name in "abc":
        await readers.come("here", name)
    assert readers.order == ["a"]
    await readers.leave()
    assert readers.order == ["a", "b"]
    await readers.leave()
    await readers.leave()
    assert readers.order == ["a", "b", "c"]
    await readers.come("here", "d")
    assert readers.order[-1] == "d"


async def test_the_directory_that_was_opened_last_goes_first(nursery: trio.Nursery) -> None:
    trickle = Trickle()
    readers = Readers(trickle, nursery)
    trickle.looked("old")
    for name in ("old 1", "old 2", "old 3"):
        await readers.come("old", name)
    await readers.come("never looked at", "other")
    trickle.looked("new")
    for name in ("new 1", "new 2"):
        await readers.come("new", name)
    for _ in range(5):
        await readers.leave()
    assert readers.order == ["old 1", "new 1", "new 2", "old 2", "old 3", "other"]


async def test_looking_again_makes_a_directory_the_newest(nursery: trio.Nursery) -> None:
    trickle = Trickle()
    readers = Readers(trickle, nursery)
    for place in ("one", "two", "one"):
        trickle.looked(place)
    await readers.come("one", "first")
    await readers.come("two", "of two")
    await readers.come("one", "of one")
    await readers.leave()
    assert readers.order == ["first", "of one"]


async def test_one_that_is_cancelled_while_it_waits_takes_no_turn(nursery: trio.Nursery) -> None:
    trickle = Trickle()
    readers = Readers(trickle, nursery)
    await readers.come("here", "a")
    with trio.move_on_after(0.01):
        await readers.wait("here", "cancelled")
    assert trickle.waiting == 0
    await readers.leave()
    await readers.come("here", "b")
    assert readers.order == ["a", "b"]


async def test_one_that_is_cancelled_as_its_turn_comes_passes_it_on(nursery: trio.Nursery) -> None:
    trickle = Trickle()
    readers = Readers(trickle, nursery)
    await readers.come("here", "a")
    scope = trio.CancelScope()

    async def doomed() -> None:
        with scope:
            await readers.wait("here", "doomed")

    nursery.start_soon(doomed)
    await trio.testing.wait_all_tasks_blocked()
    await readers.come("here", "b")
    scope.cancel()
    await readers.leave()
    assert readers.order == ["a", "b"]


def test_only_so_many_directories_are_remembered() -> None:
    trickle = Trickle()
    for place in range(2 * REMEMBERED):
        trickle.looked(place)
    assert len(trickle._looked) == REMEMBERED
