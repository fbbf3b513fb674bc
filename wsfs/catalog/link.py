"""Whether the network is there: after the first failure others fail at once, while a probe looks for it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from wsfs.api.errors import ApiError, LoginRefused, Refused, TimedOut, TooManyTasks, Unreachable

log = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST, _LONGEST = 2.0, 30.0


class Link:
    """The state of the network as the requests show it; `clock` gives unix time.

    `probing` is set by the one who will call `backoff` and try: only then do others fail at once.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._backoff = _FIRST
        self.probing = False
        self.error: Exception | None = None
        """The failure that made it offline; None when online."""
        self.since: float | None = None
        self.login: LoginRefused | None = None
        """The latest refusal of the key or token, until a request works again."""

    @property
    def offline(self) -> bool:
        return self.error is not None

    def gate(self) -> None:
        """Fail at once if the network is away and is being watched."""
        if self.error is not None and self.probing:
            raise self.error.with_traceback(None)

    async def watch(self, request: Awaitable[T]) -> T:
        """Wait for a request, and learn from how it ends. Raises what it raises."""
        try:
            answer = await request
        except ApiError as error:
            self.observe(error)
            raise
        self.observe(None)
        return answer

    def observe(self, error: Exception | None) -> bool:
        """How a request ended; returns whether this changed between online and offline."""
        if isinstance(error, LoginRefused):
            self.login = error
        elif error is None:
            self.login = None
        if isinstance(error, (Unreachable, TimedOut)):
            if self.error is None:
                self.error, self.since, self._backoff = error, self._clock(), _FIRST
                log.info("offline: %s", error)
                return True
            self.error = error
            return False
        if self.error is not None and (error is None or isinstance(error, (Refused, TooManyTasks))):
            self.error = self.since = None
            log.info("online again")
            return True
        return False

    def backoff(self) -> float:
        """Seconds to wait before the next probe; grows."""
        pause, self._backoff = self._backoff, min(2 * self._backoff, _LONGEST)
        return pause
