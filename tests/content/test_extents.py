"""Extents, held against a set of offsets."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from wsfs.content.extents import Extents

SIZE = 60
ranges = st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)), max_size=25)


def model(pairs: list[tuple[int, int]]) -> set[int]:
    return {offset for start, end in pairs for offset in range(start, end)}


@given(ranges)
def test_holds_what_was_added(pairs: list[tuple[int, int]]) -> None:
    extents, offsets = Extents(pairs), model(pairs)
    assert {offset for start, end in extents for offset in range(start, end)} == offsets
    assert extents.total == len(offsets)


@given(ranges)
def test_ranges_rise_and_never_touch(pairs: list[tuple[int, int]]) -> None:
    extents = list(Extents(pairs))
    assert all(start < end for start, end in extents)
    assert all(one[1] < other[0] for one, other in pairwise(extents))


@given(ranges, st.integers(0, SIZE - 1), st.integers(1, SIZE))
def test_answers_are_those_of_the_set(pairs: list[tuple[int, int]], start: int, length: int) -> None:
    extents, offsets = Extents(pairs), model(pairs)
    end = start + length
    wanted = set(range(start, end))
    assert extents.covers(start, end) == (wanted <= offsets)
    assert {o for a, b in extents.gaps(start, end) for o in range(a, b)} == wanted - offsets
    run = extents.run_end(start)
    assert set(range(start, run)) <= offsets
    assert run not in offsets
    if start not in offsets:
        gap = extents.gap_start(start)
        assert offsets.isdisjoint(range(gap, start))
        assert gap == 0 or gap - 1 in offsets
        stop = extents.gap_end(start, end)
        assert offsets.isdisjoint(range(start, stop))
        assert stop == end or stop in offsets


def test_clear_forgets_everything() -> None:
    extents = Extents([(0, 5), (7, 9)])
    extents.clear()
    assert (list(extents), extents.total, len(extents)) == ([], 0, 0)
