"""What to fetch, when to ask for a range, and what to finish: pure decisions, with their options."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Policy:
    """The options of fetching. Sizes are bytes, times seconds, rates bytes a second.

    A request costs about a second (one a second is allowed), so a stream that will be at the wanted place
    within `patience` is waited for. `margin` is read before the place of a seek, because what stands at the
    end of a file is often found by reading backwards (the directory of a ZIP or PDF).

    `head` is as far as a program reads that only looks what a file is: 64 KiB, which the kernel's read-ahead
    makes 416 KiB (measured). Of what nobody else wanted, files over `small` are not fetched further.

    Of what is read by programs on their own account (thumbnailers), files over `unasked` aren't fetched at all,
    and a download of one over `small` ends `idle` seconds after the last read.

    Prefetch: after two files of a directory within `run` seconds, the `ahead` ones that come next, where they are
    `small`; none is asked for `idle` seconds after the last read, and what wasn't looked at yet takes at most
    `part` of the cache. Two are `pause` seconds apart; None switches it off.
    """

    patience: float = 1.0
    near_least: int = MIB
    margin: int = MIB
    streams: int = 3
    large: int = 64 * MIB
    barely: float = 0.1
    look_again: float = 0.5
    head: int = MIB // 2
    small: int = 8 * MIB
    unasked: int = 50 * MIB
    pause: float | None = None
    run: float = 60.0
    ahead: int = 16
    idle: float = 2.0
    part: float = 0.125

    def near(self, rate: float | None) -> float:
        """How far ahead of a stream of that rate a wanted byte may lie to be waited for."""
        if rate is None:
            return float("inf")  # not measured yet: wait and see
        return max(self.near_least, rate * self.patience)

    def start(self, gap: int, offset: int, *, ranges: bool | None, rate: float | None, passed: bool) -> int:
        """Where a new stream for the missing byte `offset` begins; its gap begins at `gap`.

        The first stream of a file begins at its gap even where that is far: most files are read whole, and
        a whole file is one request. Only where ranges are known to work and the way is known to be long, it
        begins at the seek. `passed`: a running stream in that gap is too far away.
        """
        if ranges is False:
            return 0
        near = self.near(rate)
        if not passed and (ranges is None or offset - gap <= near):
            return gap
        return max(gap, offset - int(min(self.margin, near / 8)))

    def is_worth_it(self, size: int, *, whole: bool) -> bool:
        """Whether a program that reads on its own account gets to read a file; `whole`: it is here already."""
        return whole or size <= self.unasked

    def finishes(self, size: int, present: int, *, wanted: int, ranges: bool | None) -> bool:
        """Whether a download goes on when its last reader has left: its request is paid for, and bytes are cheap.

        `wanted` is how far a person's programs read. A large file of which they looked at the head alone isn't
        fetched for that, unless ranges are known not to work: where they aren't known, the next reader finds out.
        """
        if size <= self.small or 2 * present >= size:
            return True
        if ranges is not False and wanted <= self.head:
            return False
        return size <= self.large or present >= size * self.barely
