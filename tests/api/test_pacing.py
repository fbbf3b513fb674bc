from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import pairwise

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from wsfs.api.pacing import MARGIN, PATIENCE, Lane, Pacer, Promotable, lane_of

PERSON, UPLOAD, REFRESH, BACKGROUND = Lane
Starts = list[tuple[float, str]]


async def take(pacer: Pacer, lane: Lane | Promotable, name: str, starts: Starts) -> None:
    await pacer.turn(lane)
    starts.append((trio.current_time(), name))


async def drained(pacer: Pacer, lanes: list[Lane]) -> Starts:
    """Have one wait in each of `lanes`, queued in this order while a turn is running, and note the starts."""
    starts: Starts = []
    await pacer.turn(PERSON)
    async with trio.open_nursery() as nursery:
        for number, lane in enumerate(lanes):
            nursery.start_soon(take, pacer, lane, f"{lane.name}{number}", starts)
            await trio.testing.wait_all_tasks_blocked()
    return starts


async def test_the_first_turn_comes_at_once_and_the_next_after_a_second(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    begin = trio.current_time()
    await pacer.turn(PERSON)
    assert trio.current_time() == begin
    await pacer.turn(PERSON)
    assert 1.0 <= trio.current_time() - begin <= 1.05


async def test_an_idle_pacer_keeps_nothing_back_and_saves_nothing_up(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    await pacer.turn(PERSON)
    await trio.sleep(100)
    begin = trio.current_time()
    await pacer.turn(BACKGROUND)
    assert trio.current_time() == begin
    await pacer.turn(PERSON)
    assert trio.current_time() - begin >= 1.0


async def test_rate_0_is_no_limit(autojump_clock: MockClock) -> None:
    pacer = Pacer(0)
    begin = trio.current_time()
    for lane in [*Lane] * 100:
        await pacer.turn(lane)
    assert trio.current_time() == begin


@pytest.mark.parametrize("rate", [-1.0, math.inf, math.nan])
def test_a_rate_that_makes_no_sense(rate: float) -> None:
    with pytest.raises(ValueError, match="makes no sense"):
        Pacer(rate)


async def test_the_highest_lane_goes_first(autojump_clock: MockClock) -> None:
    starts = await drained(Pacer(1.0), [BACKGROUND, REFRESH, UPLOAD, PERSON, BACKGROUND, PERSON])
    assert [name for _, name in starts] == [
        "PERSON3",
        "PERSON5",
        "UPLOAD2",
        "REFRESH1",
        "BACKGROUND0",
        "BACKGROUND4",
    ]


async def test_a_person_is_next_after_the_request_in_flight(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    starts: Starts = []
    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(take, pacer, BACKGROUND, f"crawl{number}", starts)
        await trio.sleep(3.5)
        begin = trio.current_time()
        await take(pacer, PERSON, "person", starts)
        assert trio.current_time() - begin <= 1.05
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("lane", [UPLOAD, REFRESH, BACKGROUND])
async def test_no_lane_starves_behind_people(lane: Lane, autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    people = 0
    done = trio.Event()

    async def person() -> None:
        nonlocal people
        while not done.is_set():
            await pacer.turn(PERSON)
            people += 1

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(person)
        await trio.sleep(10)
        before = people
        await pacer.turn(lane)
        done.set()
    assert people - before <= PATIENCE[lane] + 4  # three that were waiting, and one that had begun


async def test_an_upload_lets_five_people_pass_then_goes(autojump_clock: MockClock) -> None:
    starts = await drained(Pacer(1.0), [UPLOAD, *[PERSON] * 9, UPLOAD])
    assert [name.rstrip("0123456789") for _, name in starts] == [
        *["PERSON"] * 5,
        "UPLOAD",
        *["PERSON"] * 4,
        "UPLOAD",
    ]


async def test_a_promoted_request_goes_with_the_people(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    starts: Starts = []
    promotable = Promotable(BACKGROUND)
    await pacer.turn(PERSON)
    async with trio.open_nursery() as nursery:
        waiting: list[tuple[str, Lane | Promotable]] = [
            ("crawl", BACKGROUND),
            ("upload", UPLOAD),
            ("wanted", promotable),
            ("later", UPLOAD),
        ]
        for name, lane in waiting:
            nursery.start_soon(take, pacer, lane, name, starts)
            await trio.testing.wait_all_tasks_blocked()
        promotable.promote()
        promotable.promote(REFRESH)  # never down again
        assert pacer.queue_lengths() == {"person": 1, "upload": 2, "refresh": 0, "background": 1}
    assert [name for _, name in starts] == ["wanted", "upload", "later", "crawl"]
    assert lane_of(promotable) is PERSON


async def test_promotion_before_and_after_the_wait(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    promotable = Promotable(REFRESH)
    promotable.promote(UPLOAD)
    await pacer.turn(promotable)
    promotable.promote(PERSON)
    assert pacer.queue_lengths() == dict.fromkeys(("person", "upload", "refresh", "background"), 0)
    await pacer.turn(promotable)


async def test_a_cancelled_wait_gives_its_place_back(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    starts: Starts = []
    begin = trio.current_time()
    await pacer.turn(PERSON)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(take, pacer, UPLOAD, "upload", starts)
        with trio.move_on_after(0.5) as scope:
            await pacer.turn(PERSON)
        assert scope.cancelled_caught
        assert pacer.queue_lengths()["person"] == 0
    assert [name for _, name in starts] == ["upload"]
    assert starts[0][0] - begin == pytest.approx(MARGIN)


async def test_cancelled_before_it_waits_it_takes_no_turn(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    with trio.CancelScope() as scope:
        scope.cancel()
        await pacer.turn(PERSON)
    assert scope.cancelled_caught
    begin = trio.current_time()
    await pacer.turn(PERSON)
    assert trio.current_time() == begin


async def test_throttled_the_lower_lanes_halve_and_people_go_on(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    for _ in range(3):
        pacer.throttled()
        await trio.sleep(2)
    assert pacer.lower_rate == pytest.approx(1 / 8)
    begin = trio.current_time()
    for _ in range(5):
        await pacer.turn(PERSON)
    assert trio.current_time() - begin <= 5 * MARGIN
    await pacer.turn(BACKGROUND)
    begin = trio.current_time()
    await pacer.turn(UPLOAD)
    assert trio.current_time() - begin == pytest.approx(8 * MARGIN)


async def test_throttled_a_lower_lane_still_goes_between_people(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    pacer.throttled()
    uploaded = 0

    async def people() -> None:
        while True:
            await pacer.turn(PERSON)

    async def uploads() -> None:
        nonlocal uploaded
        while True:
            await pacer.turn(UPLOAD)
            uploaded += 1

    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(people)
        nursery.start_soon(uploads)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert 8 <= uploaded <= 11


async def test_several_refusals_of_one_moment_halve_once(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    for _ in range(5):
        pacer.throttled()
    assert pacer.lower_rate == pytest.approx(0.5)


async def test_the_rate_comes_back_in_small_steps_and_no_higher(autojump_clock: MockClock) -> None:
    pacer = Pacer(2.0)
    pacer.throttled()
    assert pacer.lower_rate == pytest.approx(1.0)
    rates = []
    for _ in range(40):
        pacer.succeeded()
        rates.append(pacer.lower_rate)
    assert rates[0] == pytest.approx(1.1)
    assert rates == sorted(rates)
    assert rates[-1] == 2.0


async def test_the_rate_never_falls_to_nothing(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    for _ in range(100):
        pacer.throttled()
        await trio.sleep(2)
    assert pacer.lower_rate >= 1 / 61
    slow = Pacer(0.001)
    slow.throttled()
    assert slow.lower_rate == 0.001


async def test_everyone_honours_retry_after(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    await pacer.turn(PERSON)
    begin = trio.current_time()
    pacer.throttled(7)
    assert pacer.held_for() == 7
    await pacer.turn(PERSON)
    assert trio.current_time() - begin == pytest.approx(7)
    assert pacer.held_for() == 0


async def test_a_hold_lengthens_a_wait_that_had_begun(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    starts: Starts = []
    begin = trio.current_time()
    await pacer.turn(PERSON)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(take, pacer, PERSON, "person", starts)
        await trio.sleep(0.5)
        pacer.throttled(3)
    assert [when - begin for when, _ in starts] == [pytest.approx(3.5)]


async def test_an_absurd_retry_after_holds_five_minutes(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)
    pacer.throttled(1e9)
    assert pacer.held_for() == 300


async def test_an_unlimited_pacer_learns_the_limit_and_forgets_it(autojump_clock: MockClock) -> None:
    pacer = Pacer(0)
    pacer.throttled()
    begin = trio.current_time()
    await pacer.turn(PERSON)
    assert trio.current_time() - begin == pytest.approx(1.0)
    assert pacer.lower_rate == 1.0
    for _ in range(300):
        pacer.succeeded()
    assert pacer.lower_rate == math.inf


steps = st.lists(
    st.one_of(
        st.tuples(st.just("turn"), st.sampled_from([*Lane])),
        st.tuples(st.just("sleep"), st.floats(0, 3)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("promote"), st.integers(0, 20)),
        st.tuples(st.just("throttled"), st.none() | st.floats(0, 5)),
        st.tuples(st.just("succeeded"), st.none()),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=150)
@given(steps, st.sampled_from([0.5, 1.0, 4.0]))
def test_whatever_happens_the_rate_holds_and_everyone_gets_his_turn(
    script: list[tuple[str, object]], rate: float
) -> None:
    starts: list[float] = []
    waiting: dict[int, tuple[trio.CancelScope, Promotable]] = {}
    ended: list[int] = []

    async def main() -> None:
        pacer = Pacer(rate)

        async def turn(number: int, lane: Promotable) -> None:
            with trio.CancelScope() as scope:
                waiting[number] = scope, lane
                await pacer.turn(lane)
                starts.append(trio.current_time())
            ended.append(number)

        async with trio.open_nursery() as nursery:
            for number, (do, what) in enumerate(script):
                if do == "turn":
                    assert isinstance(what, Lane)
                    nursery.start_soon(turn, number, Promotable(what))
                elif do == "sleep":
                    assert isinstance(what, float)
                    await trio.sleep(what)
                elif do == "throttled":
                    assert what is None or isinstance(what, float)
                    pacer.throttled(what)
                elif do == "succeeded":
                    pacer.succeeded()
                elif waiting:
                    assert isinstance(what, int)
                    scope, lane = waiting[[*waiting][what % len(waiting)]]
                    if do == "cancel":
                        scope.cancel()
                    else:
                        lane.promote()
        assert sum(pacer.queue_lengths().values()) == 0

    run(main)
    assert sorted(ended) == [number for number, (do, _) in enumerate(script) if do == "turn"]
    for earlier, later in pairwise(starts):
        assert later - earlier >= 1 / rate


def run(main: Callable[[], object]) -> None:
    trio.run(main, clock=MockClock(autojump_threshold=0))  # type: ignore[arg-type]


async def test_many_that_are_refused_at_one_moment_come_again_at_different_ones(
    autojump_clock: MockClock,
) -> None:
    began = trio.current_time()
    again = []

    async def refused(seed: int) -> None:
        pacer = Pacer(1.0, rng=random.Random(seed))
        await pacer.turn(Lane.REFRESH)
        pacer.throttled()
        await pacer.turn(Lane.REFRESH)
        again.append(trio.current_time() - began)

    async with trio.open_nursery() as nursery:
        for seed in range(20):
            nursery.start_soon(refused, seed)
    assert all(2.0 <= when <= 4.2 for when in again)
    assert len({round(when, 1) for when in again}) > 10


async def test_whose_turn_comes_next(autojump_clock: MockClock) -> None:
    pacer = Pacer(1.0)

    def told() -> tuple[Lane | None, float]:
        lane, seconds = pacer.next_turn()
        return lane, round(seconds, 6)

    assert told() == (None, 0.0)
    await pacer.turn(PERSON)
    assert told() == (None, MARGIN)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pacer.turn, BACKGROUND)
        await trio.testing.wait_all_tasks_blocked()
        assert told() == (BACKGROUND, MARGIN)
        nursery.start_soon(pacer.turn, PERSON)
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(0.5)
        assert told() == (PERSON, round(MARGIN - 0.5, 6))


async def test_nobody_s_turn_comes_without_a_limit(autojump_clock: MockClock) -> None:
    assert Pacer(0).next_turn() == (None, 0.0)
