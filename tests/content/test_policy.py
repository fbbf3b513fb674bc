"""What to fetch and what to finish."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsfs.content.policy import Policy

MIB = 1 << 20
policy = Policy()


def test_a_second_of_the_stream_is_near() -> None:
    assert policy.near(50 * MIB) == 50 * MIB
    assert policy.near(1000) == MIB
    assert policy.near(None) == float("inf")


def test_a_server_without_ranges_always_starts_at_the_beginning() -> None:
    assert policy.start(5 * MIB, 900 * MIB, ranges=False, rate=MIB, passed=True) == 0


def test_a_first_stream_starts_at_its_gap_until_ranges_are_known() -> None:
    assert policy.start(0, 900 * MIB, ranges=None, rate=MIB, passed=False) == 0
    assert policy.start(0, 900 * MIB, ranges=True, rate=None, passed=False) == 0


def test_a_far_seek_starts_a_little_before_its_place() -> None:
    start = policy.start(0, 900 * MIB, ranges=True, rate=2 * MIB, passed=False)
    assert 900 * MIB - MIB <= start < 900 * MIB


def test_a_near_seek_starts_at_its_gap() -> None:
    assert policy.start(10 * MIB, 11 * MIB, ranges=True, rate=2 * MIB, passed=False) == 10 * MIB


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.sampled_from([None, True]), st.booleans())
def test_a_stream_starts_inside_the_gap(gap: int, ahead: int, ranges: bool | None, passed: bool) -> None:
    assert gap <= policy.start(gap, gap + ahead, ranges=ranges, rate=1e6, passed=passed) <= gap + ahead


def finishes(size: int, present: int, *, wanted: int = 1 << 40, ranges: bool | None = True) -> bool:
    return policy.finishes(size, present, wanted=wanted, ranges=ranges)


def test_small_files_are_finished_and_large_ones_once_well_begun() -> None:
    assert finishes(64 * MIB, 0)
    assert not finishes(65 * MIB, 6 * MIB)
    assert finishes(65 * MIB, 7 * MIB)


def test_a_large_file_of_which_only_the_head_was_wanted_is_not_finished_where_ranges_may_work() -> None:
    assert not finishes(9 * MIB, MIB, wanted=128 * 1024)
    assert not finishes(900 * MIB, 100 * MIB, wanted=0)
    assert not finishes(9 * MIB, MIB, wanted=128 * 1024, ranges=None)
    assert finishes(9 * MIB, MIB, wanted=128 * 1024, ranges=False)
    assert finishes(9 * MIB, MIB, wanted=MIB)


def test_what_is_small_or_half_there_is_finished_whatever_was_wanted() -> None:
    assert finishes(8 * MIB, 0, wanted=0)
    assert finishes(100 * MIB, 50 * MIB, wanted=0)
