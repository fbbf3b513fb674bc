"""The account's limit of requests a second (worksection-api.md, "Limits")."""

from __future__ import annotations

import time
from collections.abc import Callable

CREDIT = 0.25


class Pace:
    """Allows `rate` requests a second for the account as a whole; 0 is no limit.

    Over any longer time it never allows more. A quarter of an interval of idle time is kept as credit, so that
    requests which start in honest time are not refused for what connections and a busy machine add to each one.
    """

    def __init__(self, rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.refused = 0
        self._clock = clock
        self._next = 0.0

    def wait_needed(self) -> float:
        """Return 0 and count the request, or refuse it and return how many seconds it came too early."""
        if self.rate <= 0:
            return 0.0
        now = self._clock()
        early = self._next - now
        if early > 0.05 / self.rate:
            self.refused += 1
            return early
        self._next = max(self._next, now - CREDIT / self.rate) + 1 / self.rate
        return 0.0
