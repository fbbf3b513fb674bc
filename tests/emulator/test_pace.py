from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsfs.emulator.pace import Pace


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_a_second() -> None:
    time = Time()
    pace = Pace(1.0, clock=time)
    assert pace.wait_needed() == 0
    time.now += 0.5
    assert 0 < pace.wait_needed() <= 0.5
    time.now += 0.5
    assert pace.wait_needed() == 0
    assert pace.refused == 1


@given(st.lists(st.floats(0, 0.25), min_size=2, max_size=50))
def test_honest_pacing_is_never_refused_for_what_a_connection_adds(delays: list[float]) -> None:
    time = Time()
    pace = Pace(1.0, clock=time)
    for number, delay in enumerate(delays):
        time.now = 100 + number + delay
        assert pace.wait_needed() == 0


@given(st.lists(st.floats(0, 2), min_size=2, max_size=100))
def test_no_more_than_the_rate_for_long(gaps: list[float]) -> None:
    time = Time()
    pace = Pace(1.0, clock=time)
    allowed = []
    for gap in gaps:
        time.now += gap
        if pace.wait_needed() == 0:
            allowed.append(time.now)
    assert len(allowed) <= allowed[-1] - allowed[0] + 1 + 0.25 + 0.05 + 1e-9


def test_no_limit() -> None:
    pace = Pace(0, clock=Time())
    assert [pace.wait_needed() for _ in range(100)] == [0.0] * 100
