"""Which bytes of a file are there: a sorted list of ranges that neither touch nor overlap."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Extents:
    """A set of byte offsets, kept as half-open ranges `[start, end)` in rising order.

    Adding next to a range grows it, so a file read in sequence is one range however many pieces it came in.
    `covers` is two comparisons after one bisection: it stands in the path of every read.
    """

    __slots__ = ("_ends", "_starts", "total")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.total = 0
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends, strict=True)

    def __len__(self) -> int:
        return len(self._starts)

    def __repr__(self) -> str:
        return f"Extents({list(self)})"

    def add(self, start: int, end: int) -> None:
        """Take in `[start, end)`; an empty range changes nothing."""
        if end <= start:
            return
        starts, ends = self._starts, self._ends
        first = bisect_left(ends, start)  # the first range that touches or follows
        last = bisect_right(starts, end)  # the first range that lies wholly behind
        if first < last:
            start = min(start, starts[first])
            end = max(end, ends[last - 1])
            for index in range(first, last):
                self.total -= ends[index] - starts[index]
        starts[first:last] = [start]
        ends[first:last] = [end]
        self.total += end - start

    def clear(self) -> None:
        """Forget everything."""
        self._starts.clear()
        self._ends.clear()
        self.total = 0

    def covers(self, start: int, end: int) -> bool:
        """Whether every byte of the non-empty `[start, end)` is there."""
        index = bisect_right(self._starts, start) - 1
        return index >= 0 and self._ends[index] >= end

    def run_end(self, offset: int) -> int:
        """Where the range that holds `offset` ends; `offset` itself where that byte isn't there."""
        index = bisect_right(self._starts, offset) - 1
        return max(offset, self._ends[index]) if index >= 0 else offset

    def gap_start(self, offset: int) -> int:
        """Where the gap around the missing byte `offset` begins."""
        index = bisect_right(self._starts, offset) - 1
        return self._ends[index] if index >= 0 else 0

    def gap_end(self, offset: int, limit: int) -> int:
        """Where the gap around the missing byte `offset` ends, `limit` at most."""
        index = bisect_right(self._starts, offset)
        return min(limit, self._starts[index]) if index < len(self._starts) else limit

    def gaps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The ranges inside `[start, end)` that aren't there. Don't add while walking."""
        while start < end:
            start = self.run_end(start)
            if start >= end:
                return
            stop = self.gap_end(start, end)
            yield start, stop
            start = stop
