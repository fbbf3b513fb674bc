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
    """

    patience: float = 1.0
    near_least: int = MIB
    margin: int = MIB
    streams: int = 3
    large: int = 64 * MIB
    barely: float = 0.1
    look_again: float = 0.5

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

    def finishes(self, size: int, present: int) -> bool:
        """Whether a download goes on when its last reader has left: its request is paid for, and bytes are cheap."""
        return size <= self.large or present >= size * self.barely
