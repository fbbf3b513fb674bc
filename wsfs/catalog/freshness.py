"""Keeping up with the account: polling events, reading what they name, the full load, the probe when offline.

One task, one step at a time, at the REFRESH lane. What it owes (the targets, the counted events, when it last
asked) is in the store, in order with what is known, so that a stop at any moment only makes it do more.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from typing import Any

import trio

from wsfs.api.errors import (
    AccessDenied,
    ApiError,
    InvalidAction,
    LoginRefused,
    NotFound,
    Refused,
    TimedOut,
    TooManyRequests,
    TooManyTasks,
    Unreachable,
)
from wsfs.api.models import Event
from wsfs.api.pacing import Lane, Promotable

from .events import (
    MAX_PERIOD,
    MINUTE_OVER,
    EventLog,
    OwnPosts,
    Target,
    Todo,
    may_change_files,
    period,
    project_of_event,
    seconds,
    target_of,
)
from .flights import Flights
from .knowledge import KNOWN, UNKNOWN, Knowledge
from .link import Link
from .load import Loader
from .records import COMPLETE
from .sink import Owner

log = logging.getLogger(__name__)

ACTIVE, USUAL, QUIET = 10.0, 30.0, 300.0
"""Seconds between polls: when a person is active, usually, and when nobody has looked for an hour."""

ACTIVE_FOR = 120.0
"""Seconds after a look in which a person counts as active."""

OVERLAP = 180.0
"""Seconds that each poll looks back beyond the one before: stamps have no seconds, requests take their time."""

FULL_LOAD = 6 * 3600.0
FULL_LOAD_WITHOUT_EVENTS = 600.0
STALE_LOAD, STALE_LOAD_AFTER = 24 * 3600.0, 600.0
"""Where the last full load is older than a day at the start, one comes ten minutes after it."""

RETRY_BULK = 7 * 86400.0
"""Seconds until an account that was too big for one answer is tried again."""

OWN_FILES = 300.0
"""Seconds after which a listed project's own files are read again."""

SINGLY = 3
"""More tasks than this to read in one project: the project at once."""

AT_ONCE = 6
"""More requests than this for tasks: the whole account at once."""

_RETRY, _BUSY = 30.0, 3.0


class Freshener:
    """Keeps what is known equal to the account.

    `clock` gives unix time; waiting and short spans are of trio's clock.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        loader: Loader,
        flights: Flights,
        todo: Todo,
        link: Link,
        *,
        clock: Callable[[], float],
        poll: float = USUAL,
        rng: random.Random | None = None,
    ) -> None:
        self.knowledge = knowledge
        self.loader = loader
        self.flights = flights
        self.todo = todo
        self.link = link
        self.own = OwnPosts()
        self.events = EventLog()
        self.polled_at: float | None = None
        """When events were last asked for, with success (unix time)."""
        self.last_event: str | None = None
        self.events_refused: str | None = None
        self._clock = clock
        self._poll = poll
        self._active = min(poll, max(ACTIVE, poll * ACTIVE / USUAL))
        self._rng = rng if rng is not None else random.Random()
        self._wake = trio.Event()
        self._looked = -math.inf
        self._polled = -math.inf
        self._next_poll = -math.inf
        self._next_full = math.inf
        self._next_probe = -math.inf
        self._slower = 1.0
        self._must_load = False
        self._unlisted: set[int] = set()
        """Projects that events name and get_projects doesn't."""
        self._suspect: LoginRefused | None = None
        """Events were refused as if the login was bad; a full load will tell whether it is."""

    # told from outside

    def load_state(self, state: dict[str, Any]) -> None:
        """What the store has kept of an earlier run."""
        self.polled_at = state.get("polled_at")
        self.events = EventLog(state.get("counted"))
        self.todo.load(state.get("todo") or ())
        self._must_load = self._must_load or bool(state.get("lossy"))

    def looked(self, owner: Owner | None) -> None:
        """A person looked at something: poll more often, and read a project's own files if they are old."""
        now = trio.current_time()
        if now - self._looked > 1.0:
            self._looked = now
            self._next_poll = min(self._next_poll, self._polled + self._active * self._slower)
            self.wake()
        if owner is not None and owner[0] == "project":
            state = self.knowledge.projects.get(owner[1])
            if (
                state is not None
                and state.flags & COMPLETE
                and abs(self._clock() - state.read_at) > OWN_FILES
                and ("own", owner[1]) not in self.todo
            ):
                self.todo.add(("own", owner[1]), now)
                self.wake()

    def looked_ago(self) -> float:
        """Seconds since a person looked."""
        return trio.current_time() - self._looked

    def rebuilt(self) -> None:
        """The store was lost: only a full load tells it everything again."""
        self.knowledge.store_was_lost()
        self.load_soon()

    def load_soon(self) -> None:
        """Have a full load made."""
        self._must_load = True
        self.wake()

    def wake(self) -> None:
        """There may be something to do now."""
        self._wake.set()

    def back(self) -> None:
        """The network is back, as a request shows that isn't the probe: see at once what happened meanwhile."""
        self._next_poll = min(self._next_poll, trio.current_time())
        self.wake()

    def interval(self) -> float:
        """Seconds between polls as things are."""
        ago = self.looked_ago()
        if ago < ACTIVE_FOR:
            usual = self._active
        else:
            usual = max(self._poll, min(QUIET, QUIET * ago / 3600.0))
        return min(usual * self._slower, max(QUIET, self._poll))

    # running

    async def run(self) -> None:
        """Work for ever."""
        began = trio.current_time()
        stale = self.loader.bulk_at is not None and abs(self._clock() - self.loader.bulk_at) > STALE_LOAD
        self._next_full = began + (STALE_LOAD_AFTER if stale else FULL_LOAD)
        self.link.probing = True
        try:
            while True:
                self._wake = trio.Event()
                try:
                    pause = await self._step()
                except Exception:
                    log.exception("keeping fresh failed; trying again in %d s", _RETRY)
                    pause = _RETRY
                self._keep_todo()
                with trio.move_on_after(pause):
                    await self._wake.wait()
        finally:
            self.link.probing = False

    async def _step(self) -> float:
        """Do the most urgent thing; returns the seconds until there is another (0: at once)."""
        now = trio.current_time()
        if self.link.offline:
            if now < self._next_probe:
                return self._next_probe - now
            await self._ask_events()
            self._next_probe = trio.current_time() + self._jitter(self.link.backoff())
            return 0.0
        self._next_probe = now + self._jitter(2.0)
        if not self.knowledge.have_projects:
            return math.inf
        if self._must_load:
            return await self._full_load()
        if self.polled_at is None and self._just_loaded():
            # the first poll comes at its time, and looks back to the load
            self._polled, self.polled_at = now, self.loader.projects_at
            self.knowledge.store.put_state("polled_at", self.polled_at)
            self._next_poll = now + self._jitter(self.interval())
        if now >= self._next_poll and self.events_refused is None:
            await self._ask_events()
            return 0.0
        login = self.link.login is None
        if login and self.todo.due(now):
            await self._read_due(now)
            return 0.0
        full = self._full_load_time()
        if now >= full:
            return await self._full_load()
        times = [full]
        if login:
            times.append(self.todo.next_time() or math.inf)
        if self.events_refused is None:
            times.append(self._next_poll)
        return max(0.0, min(times) - now)

    def _just_loaded(self) -> bool:
        at = self.loader.projects_at
        return at is not None and 0 <= self._clock() - at < USUAL

    def _full_load_time(self) -> float:
        if self.loader.bulk_at is None:
            return math.inf  # nobody has asked for tasks yet
        return self._next_full

    def _jitter(self, seconds: float) -> float:
        return seconds * self._rng.uniform(0.8, 1.2)

    # events

    async def _ask_events(self) -> None:
        """Poll once, or catch up by a full load where events don't reach back far enough."""
        asked, asked_wall = trio.current_time(), self._clock()
        since = self.polled_at
        if since is None:
            since = self.loader.projects_at if self.loader.projects_at is not None else asked_wall
        away = asked_wall - since
        if self._polled > -math.inf:
            away = max(away, asked - self._polled)
        behind = away < -OVERLAP or away + OVERLAP > MAX_PERIOD
        span = OVERLAP if behind else max(away, 0.0) + OVERLAP
        back = period(span)
        try:
            events = await self.link.watch(self.loader.client.get_events(back, lane=Promotable(Lane.REFRESH)))
        except ApiError as error:
            self._polled_in_vain(error, span)
            return
        self._polled, self.polled_at = asked, asked_wall
        self._pace(trio.current_time() - asked)
        self._suspect = None
        self._take(events, seconds(back))
        if behind and self.loader.bulk_at is not None:
            log.info("away for longer than the service's events reach back: everything is read again")
            self._must_load = True

    def _pace(self, took: float) -> None:
        """Poll less often while others use the account up: the poll itself had to wait."""
        self._slower = min(self._slower * 2, 10.0) if took > _BUSY else max(1.0, self._slower * 0.7)
        self._next_poll = trio.current_time() + self._jitter(self.interval())

    def _polled_in_vain(self, error: ApiError, span: float) -> None:
        self._next_poll = trio.current_time() + self._jitter(max(_RETRY, self.interval()))
        if isinstance(error, (Unreachable, TimedOut)):
            return
        if isinstance(error, TooManyRequests):
            # Others use the account up. What was missed before the start isn't put off for as long as a usual poll.
            self._slower = min(self._slower * 2, 10.0)
            pause = self.interval() if self._polled > -math.inf else min(_RETRY * self._slower, QUIET)
            self._next_poll = trio.current_time() + pause * self._rng.uniform(0.5, 1.5)
            return
        if isinstance(error, (AccessDenied, InvalidAction)):
            self._refuse_events(error)
        elif isinstance(error, LoginRefused):
            # whether it is the login or the right to events alone, a full load will show
            self._next_poll = trio.current_time() + QUIET
            self._suspect = error
            if self.loader.bulk_at is not None:
                self._must_load = True
        elif isinstance(error, (Refused, TooManyTasks)) and span > 6 * 3600:
            log.info("events of so long a time are refused (%s): everything is read again", error)
            self._must_load = self.loader.bulk_at is not None
            self.polled_at = self._clock()
        else:
            log.info("events could not be read: %s", error)

    def _refuse_events(self, error: ApiError) -> None:
        if self.events_refused is None:
            log.info("events are refused (%s): everything is read every 10 minutes instead", error)
        self.events_refused = str(error)
        ago = self._clock() - (self.loader.bulk_at or 0.0)
        self._next_full = trio.current_time() + min(
            max(0.0, FULL_LOAD_WITHOUT_EVENTS - ago), FULL_LOAD_WITHOUT_EVENTS
        )

    def _take(self, events: list[Event], back: float) -> None:
        now = trio.current_time()
        news = self.events.take(events, back)
        for event, settled in news:
            target = target_of(event)
            if target is None:
                continue
            self.last_event = f"{event.date_added or ''} {event.action} {target[0]} {target[1]}".strip()
            again = None if settled else now + MINUTE_OVER
            at = now
            if self.own.take(target, now):
                at, again = (again if again is not None else now), None
            self._owe(target, event, at, again)
        store = self.knowledge.store
        store.put_state("polled_at", self.polled_at)
        if news:
            store.put_state("counted", self.events.counted())
        self._keep_todo()

    def _owe(self, target: Target, event: Event, at: float, again: float | None) -> None:
        kind, number = target
        knowledge = self.knowledge
        project_id = project_of_event(event)
        if kind == "projects":
            self._unlisted.discard(project_id)
            self.todo.add(target, at, again, project_id)
            state = knowledge.projects.get(project_id)
            if state is None:
                return
            if state.flags & COMPLETE and may_change_files(event):
                self.todo.add(("own", project_id), at, again)
            return
        if number not in knowledge.tasks and project_id:
            if project_id not in knowledge.projects:
                # a new project, whose tasks are read whole then, or one that isn't shown
                if project_id not in self._unlisted:
                    self.todo.add(("projects", 0), at, again, project_id)
                return
            if knowledge.tasks_known(project_id) == UNKNOWN:
                return  # they will be read when somebody wants them
        if kind == "task" or number not in knowledge.tasks:
            self.todo.add(("task", number), at, again, project_id)
        else:
            complete = knowledge.flags(("task", number)) & COMPLETE
            knowledge.mark_commented(number)
            if complete:
                self.todo.add(target, at, again)

    def _keep_todo(self) -> None:
        if self.todo.changed:
            self.todo.changed = False
            self.knowledge.store.put_state("todo", self.todo.to_keep())

    # reading again

    async def _read_due(self, now: float) -> None:
        """One request for what is due."""
        due = self.todo.due(now)
        if ("projects", 0) in due:
            await self._read(("projects", 0))
            return
        due = self._together(due, now)
        await self._read(due[0])

    def _together(self, due: list[Target], now: float) -> list[Target]:
        """Where many tasks of a project are due, the project instead; where many requests, the account."""
        by_project: dict[int, list[Target]] = {}
        moved = 0
        for target in due:
            if target[0] == "task":
                place = self.knowledge.tasks.get(target[1])
                named = self.todo.projects(target) | ({place.project} if place is not None else set())
                if len(named) > 1:
                    moved += 1  # read alone, and first, so that it isn't lost on the way
                    continue
                project_id = next(iter(named), 0)
                by_project.setdefault(project_id, []).append(target)
            elif target[0] == "tasks":
                by_project.setdefault(target[1], [])
        requests = moved
        for project_id, targets in by_project.items():
            whole = ("tasks", project_id)
            if whole in due or (len(targets) > SINGLY and project_id in self.knowledge.projects):
                self._merge_into(whole, targets, now)
                requests += 1
            else:
                requests += len(targets)
        if requests > AT_ONCE and not self.loader.too_big and self.loader.bulk_at is not None:
            everything = [target for target in self.todo.due(now) if target[0] in ("task", "tasks")]
            self._merge_into(("everything", 0), everything, now)
        return sorted(self.todo.due(now), key=lambda target: target[0] != "task")

    def _merge_into(self, whole: Target, targets: list[Target], now: float) -> None:
        """Let `whole` stand for the targets, their repetitions too."""
        for target in targets:
            entry = self.todo.drop(target)
            if entry is not None:
                self.todo.add(whole, now, entry[1])

    async def _read(self, target: Target) -> None:
        """Read one target; afterwards it is done, put off, or gone."""
        asked = trio.current_time()
        kind, number = target
        try:
            await self._fly(kind, number)
        except (Unreachable, TimedOut):
            self.todo.put_off(target, trio.current_time() + ACTIVE)  # it stays due over the time offline
            return
        except NotFound as error:
            log.debug("%s %d is not there any more: %s", kind, number, error)
        except ApiError as error:
            if not error.permanent or isinstance(error, LoginRefused):
                log.info("%s %d could not be read again: %s", kind, number, error)
                self.todo.put_off(target, trio.current_time() + _RETRY)
                return
            log.info("%s %d can't be read again: %s", kind, number, error)
        self.todo.done(target, asked)

    async def _fly(self, kind: str, number: int) -> None:
        loader, lane = self.loader, Lane.REFRESH
        share = self.flights.share
        if kind == "projects":
            named = set(self.todo.projects(("projects", 0)))
            await share(("projects",), lane, loader.read_projects, fresh=True)
            self._unlisted |= named - self.knowledge.projects.keys()
        elif kind == "active":
            try:
                await share(("active",), lane, loader.read_active)
            except TooManyTasks:
                log.info("even the active tasks are too many for one answer")
        elif kind == "everything":
            await share(("everything",), lane, loader.read_everything, fresh=True)
        elif kind == "tasks" and number in self.knowledge.projects:
            await share(("tasks", number), lane, lambda f: loader.read_project(f, number), fresh=True)
        elif kind == "task":
            await share(("task", number), lane, lambda f: loader.read_task(f, number), fresh=True)
        elif kind in ("files", "own"):
            owner: Owner = ("task", number) if kind == "files" else ("project", number)
            if number in (self.knowledge.tasks if kind == "files" else self.knowledge.projects):
                await share(("files", owner), lane, lambda f: loader.read_files(f, owner), fresh=True)

    # everything

    async def _full_load(self) -> float:
        """Read the account again; returns the pause after it."""
        try:
            await self.load_everything(Lane.REFRESH)
        except ApiError as error:
            if self.link.offline:
                return 0.0
            log.info("everything could not be read again: %s", error)
            self._next_full = trio.current_time() + _RETRY
            if isinstance(error, LoginRefused):
                self._must_load = False
                self._next_full = trio.current_time() + QUIET
            return _RETRY
        self._must_load = False
        if self._suspect is not None and self.events_refused is None:
            self._refuse_events(self._suspect)
        every = FULL_LOAD if self.events_refused is None else FULL_LOAD_WITHOUT_EVENTS
        self._next_full = trio.current_time() + self._jitter(every)
        return 0.0

    async def load_everything(self, lane: Lane) -> None:
        """get_projects and get_all_tasks, or each project that was read before where that is too much."""
        loader, knowledge = self.loader, self.knowledge
        await self.flights.share(("projects",), lane, loader.read_projects, fresh=True)
        began = self._clock()
        if not loader.too_big or self._clock() - (loader.bulk_at or 0.0) > RETRY_BULK:
            await self.flights.share(("everything",), lane, loader.read_everything, fresh=True)
        if loader.too_big:
            for project_id, state in list(knowledge.projects.items()):
                if state.tasks == KNOWN:
                    self.todo.add(("tasks", project_id), trio.current_time())
            self.todo.add(("active", 0), trio.current_time())
            loader.bulk_done(began)
        knowledge.store.put_state("lossy", False)
