"""When a request may start: one pacer for an account, four lanes, and yielding to others who use the account.

The pacer limits the starts of requests and nothing else. Of those who wait, the highest lane goes first,
and within a lane who came first; but a lane that was passed over often enough has the next turn, so that
none starves. When the service says "Too many requests", every lane below person halves its rate, and gets
it back in small steps; a person goes on at the full rate, after the pause that the service asked for.
"""

from __future__ import annotations

import enum
import math
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio


class Lane(enum.IntEnum):
    """Who waits for a request, first to last: a person, an upload, keeping fresh, the crawl."""

    PERSON = 0
    UPLOAD = 1
    REFRESH = 2
    BACKGROUND = 3


class Promotable:
    """A lane that can still be raised, for a request that a person starts to wait for while it is queued."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._watchers: list[Callable[[], None]] = []

    @property
    def lane(self) -> Lane:
        return self._lane

    def promote(self, lane: Lane = Lane.PERSON) -> None:
        """Raise to `lane`; a lower or equal one changes nothing."""
        if lane < self._lane:
            self._lane = lane
            for watcher in tuple(self._watchers):
                watcher()

    @contextmanager
    def watched(self, watcher: Callable[[], None]) -> Iterator[None]:
        """Call `watcher`, synchronously, at each promotion while the block runs."""
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)


def lane_of(lane: Lane | Promotable) -> Lane:
    """The lane that it is at this moment."""
    return lane.lane if isinstance(lane, Promotable) else lane


MARGIN = 1.02
"""The pause between two starts is this much longer than the rate says: not all travel equally fast."""

PATIENCE = {Lane.PERSON: math.inf, Lane.UPLOAD: 5, Lane.REFRESH: 20, Lane.BACKGROUND: 100}
"""How many turns of higher lanes the first in a lane lets pass."""

SERVICE_RATE = 1.0
"""Requests a second that the service allows: what an unlimited pacer falls back to once it is throttled."""

SLOWEST = 1 / 60
RECOVERY = 0.05
LONGEST_HOLD = 300.0


class _Ticket:
    """One who waits for a turn."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.wake = trio.Event()


class Pacer:
    """Gives out turns at `rate` a second (0: without limit), one for each request that is about to start.

    It owns no task: those who wait pass the turn on among themselves. All methods but `turn` are synchronous.
    `rng` spreads the pauses of the lower lanes after a refusal: each up to twice as long.
    """

    def __init__(self, rate: float = 1.0, *, rng: random.Random | None = None) -> None:
        if rate < 0 or not math.isfinite(rate):
            raise ValueError(f"a rate of {rate} requests a second makes no sense")
        self.rate = rate
        self._rng = rng if rng is not None else random.Random()
        self._interval = MARGIN / rate if rate else 0.0
        self._lower_rate = rate or math.inf
        self._next_start = -math.inf
        self._next_lower = -math.inf
        self._held_until = -math.inf
        self._last_halving = -math.inf
        self._queues: dict[Lane, OrderedDict[_Ticket, None]] = {lane: OrderedDict() for lane in Lane}
        self._passed_over = dict.fromkeys(Lane, 0)

    @property
    def lower_rate(self) -> float:
        """The rate, in requests a second, of the lanes below person at this moment (inf: without limit)."""
        return self._lower_rate

    def queue_lengths(self) -> dict[str, int]:
        """How many wait in each lane, by its name in small letters."""
        return {lane.name.lower(): len(queue) for lane, queue in self._queues.items()}

    def held_for(self) -> float:
        """Seconds until the pause that the service asked for is over; 0 when there is none."""
        return max(0.0, self._held_until - trio.current_time())

    def next_turn(self) -> tuple[Lane | None, float]:
        """Whose turn comes next (None: nobody waits) and the seconds until it does, or until a person's could."""
        ticket, when = self._choose()
        if ticket is None:
            return None, max(0.0, self._next_start - trio.current_time())
        return ticket.lane, max(0.0, when - trio.current_time())

    async def turn(self, lane: Lane | Promotable) -> None:
        """Return when a request may start; it must then start, or the turn is lost.

        Cancelled while waiting, it gives its place back and uses no turn up. There is no deadline: that of a
        request counts from its sending.
        """
        await trio.lowlevel.checkpoint()
        ticket = _Ticket(lane_of(lane))
        self._queues[ticket.lane][ticket] = None
        try:
            if not isinstance(lane, Promotable):
                return await self._wait(ticket)

            def promoted() -> None:
                del self._queues[ticket.lane][ticket]
                ticket.lane = lane.lane
                self._queues[ticket.lane][ticket] = None
                self._rouse()

            with lane.watched(promoted):
                await self._wait(ticket)
        finally:
            self._queues[ticket.lane].pop(ticket, None)
            self._rouse()

    async def _wait(self, ticket: _Ticket) -> None:
        """Wait until `ticket` has the turn, and use it up."""
        self._rouse(but=ticket)
        while True:
            choice, when = self._choose()
            if choice is ticket and when <= trio.current_time():
                self._take(ticket)
                return
            ticket.wake = trio.Event()
            with trio.move_on_at(when if choice is ticket else math.inf):
                await ticket.wake.wait()

    def throttled(self, retry_after: float | None = None) -> None:
        """The service refused a request with "Too many requests", perhaps naming the seconds to wait."""
        now = trio.current_time()
        pause = self._interval or 1 / SERVICE_RATE
        if retry_after is not None and retry_after > 0:
            pause = max(pause, min(retry_after, LONGEST_HOLD))
            self._held_until = max(self._held_until, now + pause)
        self._next_start = max(self._next_start, now + pause)
        if now >= self._last_halving + (self._interval or 1 / SERVICE_RATE):
            self._last_halving = now
            rate = self._lower_rate if math.isfinite(self._lower_rate) else 2 * SERVICE_RATE
            self._lower_rate = max(rate / 2, min(SLOWEST, rate))
        # Of many machines that were refused at one moment, not all may come again at the next one.
        apart = 1.0 + self._rng.random()
        self._next_lower = max(self._next_lower, now + apart * MARGIN / self._lower_rate)

    def succeeded(self) -> None:
        """The service took a request: the lower lanes get some of their rate back."""
        if not self.rate and self._lower_rate >= 10 * SERVICE_RATE:
            self._lower_rate = math.inf
        else:
            full = self.rate or math.inf
            self._lower_rate = min(full, self._lower_rate + RECOVERY * (self.rate or SERVICE_RATE))

    def _choose(self) -> tuple[_Ticket | None, float]:
        """Who has the next turn, and from which moment on."""
        waiting = [lane for lane in Lane if self._queues[lane]]
        if not waiting:
            return None, math.inf
        earliest = {
            lane: self._next_start if lane is Lane.PERSON else max(self._next_start, self._next_lower)
            for lane in waiting
        }
        when = max(trio.current_time(), min(earliest.values()))
        ready = [lane for lane in waiting if earliest[lane] <= when]
        due = [lane for lane in ready if self._passed_over[lane] >= PATIENCE[lane]]
        lane = (due or ready)[0]
        return next(iter(self._queues[lane])), earliest[lane]

    def _take(self, ticket: _Ticket) -> None:
        """Use the turn up for `ticket`, which is at the head of its lane."""
        now = trio.current_time()
        del self._queues[ticket.lane][ticket]
        self._passed_over[ticket.lane] = 0
        for lane in Lane:
            if lane > ticket.lane:
                self._passed_over[lane] = self._passed_over[lane] + 1 if self._queues[lane] else 0
        self._next_start = max(self._next_start, now + self._interval)
        if ticket.lane is not Lane.PERSON:
            self._next_lower = now + MARGIN / self._lower_rate

    def _rouse(self, but: _Ticket | None = None) -> None:
        """Wake the one whose turn comes next, so that it looks at the time anew."""
        choice, _ = self._choose()
        if choice is not None and choice is not but:
            choice.wake.set()
