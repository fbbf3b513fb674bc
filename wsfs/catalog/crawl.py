"""Filling in, in idle time, what no bulk answer gives: the files of commented tasks, then projects' own.

It keeps no list: what is left is what isn't complete, so that it goes on after a remount where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import NamedTuple

import trio

from wsfs.api.errors import ApiError, LoginRefused
from wsfs.api.pacing import Lane

from .flights import Flight, Flights
from .freshness import Freshener
from .knowledge import KNOWN, Knowledge
from .link import Link
from .load import Loader
from .records import COMPLETE
from .sink import Owner

log = logging.getLogger(__name__)

QUIET_FIRST = 5.0
"""Seconds after the start, and after a person's look, before the tree is loaded unasked."""

_LOOK = 30.0
_PERSON = 1.0


class _Job(NamedTuple):
    key: Hashable
    fly: Callable[[Flight], Awaitable[None]]


class Crawler:
    """Reads what is not known yet, at the BACKGROUND lane.

    `share` is the part of the account's `rate` (requests a second, 0: no limit) that it may use at most.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        loader: Loader,
        flights: Flights,
        freshener: Freshener,
        link: Link,
        *,
        share: float,
        rate: float,
    ) -> None:
        self.knowledge = knowledge
        self.loader = loader
        self.flights = flights
        self.freshener = freshener
        self.link = link
        self.requests = 0
        self._pause = 1.0 / (rate * share) if rate > 0 and share > 0 else 0.0
        self._share = share
        self._refused: set[Hashable] = set()
        self._began = 0.0

    @property
    def enabled(self) -> bool:
        return self._share > 0

    def left(self) -> int:
        """How many requests it would take to know everything."""
        knowledge = self.knowledge
        own = sum(not state.flags & COMPLETE for state in knowledge.projects.values())
        projects = 0
        if self.loader.too_big:
            projects = sum(state.tasks != KNOWN for state in knowledge.projects.values())
        elif self.loader.bulk_at is None:
            projects = 1
        return int(not knowledge.have_projects) + projects + len(knowledge.unread) + own

    async def run(self) -> None:
        """Crawl for ever; returns at once where it is switched off."""
        if not self.enabled:
            return
        self._began = trio.current_time()
        while True:
            pause = await self._step()
            await trio.sleep(pause)

    async def _step(self) -> float:
        """One request, if this is a time for it; the seconds to wait after."""
        if self.link.offline or self.link.login is not None:
            return _LOOK / 6
        if self.flights.busy(Lane.PERSON):
            return _PERSON
        now = trio.current_time()
        if self.loader.bulk_at is None:
            quiet = min(now - self._began, self.freshener.looked_ago())
            if quiet < QUIET_FIRST:
                return QUIET_FIRST - quiet
        job = self._next()
        if job is None:
            return _LOOK
        began = trio.current_time()
        self.requests += 1
        try:
            await self.flights.share(job.key, Lane.BACKGROUND, job.fly)
        except ApiError as error:
            if not error.permanent or isinstance(error, LoginRefused):
                return _LOOK
            log.debug("%s can't be crawled: %s", job.key, error)
            self._refused.add(job.key)
        except Exception:  # noqa: BLE001 - the flight has logged it
            self._refused.add(job.key)
        return max(0.0, self._pause - (trio.current_time() - began))

    def _next(self) -> _Job | None:
        knowledge, loader = self.knowledge, self.loader
        if not knowledge.have_projects:
            return self._allowed(("projects",), loader.read_projects)
        if loader.bulk_at is None and not loader.too_big:
            job = self._allowed(("everything",), loader.read_everything)
            if job is not None:
                return job
        if loader.too_big:
            for project_id, state in sorted(knowledge.projects.items(), reverse=True):
                if state.tasks != KNOWN and ("tasks", project_id) not in self._refused:
                    return self._project(project_id)
        task_id = max(
            (tid for tid in knowledge.unread if ("files", ("task", tid)) not in self._refused)
            if self._refused
            else knowledge.unread,
            default=None,
        )
        if task_id is not None:
            return self._files(("task", task_id))
        for project_id, state in knowledge.projects.items():
            if not state.flags & COMPLETE and ("files", ("project", project_id)) not in self._refused:
                return self._files(("project", project_id))
        return None

    def _allowed(self, key: Hashable, fly: Callable[[Flight], Awaitable[None]]) -> _Job | None:
        return None if key in self._refused else _Job(key, fly)

    def _project(self, project_id: int) -> _Job:
        return _Job(("tasks", project_id), lambda flight: self.loader.read_project(flight, project_id))

    def _files(self, owner: Owner) -> _Job:
        return _Job(("files", owner), lambda flight: self.loader.read_files(flight, owner))
