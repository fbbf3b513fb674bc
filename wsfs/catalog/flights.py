"""Equal requests in flight are shared, and a person who joins one raises its lane.

A flight is one question to the service and the taking of its answer. It flies in the catalog's own task, so
that who gives up waiting takes nothing from the others. Without such a task (the catalog isn't running, as
in a small test) the first who asks flies it himself.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable

import trio

from wsfs.api.errors import ApiError
from wsfs.api.pacing import Lane, Promotable

log = logging.getLogger(__name__)


class Flight:
    """One request under way.

    `wanted` are the parts of the answer that somebody waits for, in order of asking; `began` says, in the
    knowledge's ticks, what was known when it was sent.
    """

    def __init__(self, key: Hashable, lane: Lane) -> None:
        self.key = key
        self.lane = Promotable(lane)
        self.began = 0
        self.wanted: dict[int, None] = {}
        self.error: Exception | None = None
        self.landed = False
        self._progress = trio.Event()

    def tell(self) -> None:
        """A part of the answer is known: let those who wait look."""
        self._progress.set()
        self._progress = trio.Event()

    def land(self, error: Exception | None) -> None:
        """The end; `error` goes to everyone who waits."""
        self.error = error
        self.landed = True
        self._progress.set()

    async def wait(self, until: Callable[[], bool] = lambda: False) -> None:
        """Wait until it has landed or `until()` holds; raises what went wrong. Cancelling it stops no flight."""
        while not self.landed and not until():
            await self._progress.wait()
        if self.error is not None and not until():
            raise self.error.with_traceback(None)


class _Abandoned(Exception):  # noqa: N818 - it names what happened to a flight
    """Who flew it was cancelled; whoever waited asks again."""


Fly = Callable[[Flight], Awaitable[None]]


class Flights:
    """The flights of one catalog. `landed` is called after each."""

    def __init__(self, tick: Callable[[], int], landed: Callable[[], None]) -> None:
        self.nursery: trio.Nursery | None = None
        self._tick = tick
        self._landed = landed
        self._flights: dict[Hashable, Flight] = {}

    def find(self, key: Hashable) -> Flight | None:
        """The flight under way for `key`."""
        return self._flights.get(key)

    def busy(self, lane: Lane) -> bool:
        """Whether a flight of this lane or a higher one is under way."""
        return any(flight.lane.lane <= lane for flight in self._flights.values())

    def __len__(self) -> int:
        return len(self._flights)

    async def share(
        self,
        key: Hashable,
        lane: Lane,
        fly: Fly,
        *,
        want: int | None = None,
        until: Callable[[], bool] = lambda: False,
        fresh: bool = False,
    ) -> None:
        """Have `fly` flown for `key`, or join the flight that is under way; return when `until()` or landed.

        `fresh`: what was asked before this call doesn't do: wait for it, then ask anew. Raises ApiError (and
        whatever else went wrong). Cancelling it stops a flight only where it flies in the caller's own task.
        """
        asked = self._tick()
        while True:
            flight = self._flights.get(key)
            if flight is not None and fresh and flight.began <= asked and flight.began:
                flight.lane.promote(lane)
                try:
                    await flight.wait()
                except Exception:  # noqa: BLE001 - the older flight's failure is not ours
                    pass
                continue
            if flight is None:
                flight = self._launch(key, lane, want, fly)
                if self.nursery is None:
                    await self._fly(flight, fly)
            else:
                flight.lane.promote(lane)
                if want is not None:
                    flight.wanted.setdefault(want)
            try:
                return await flight.wait(until)
            except _Abandoned:
                continue

    def _launch(self, key: Hashable, lane: Lane, want: int | None, fly: Fly) -> Flight:
        flight = self._flights[key] = Flight(key, lane)
        flight.began = self._tick()
        if want is not None:
            flight.wanted[want] = None
        if self.nursery is not None:
            self.nursery.start_soon(self._fly, flight, fly)
        return flight

    async def _fly(self, flight: Flight, fly: Fly) -> None:
        error: Exception | None = _Abandoned()
        try:
            await fly(flight)
            error = None
        except ApiError as failure:
            error = failure
        except Exception as failure:
            log.exception("what %s was answered could not be taken", flight.key)
            error = failure
        finally:
            del self._flights[flight.key]
            flight.land(error)
        self._landed()
