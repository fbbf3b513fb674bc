"""What is known of the account: the face of this package."""

from __future__ import annotations

import contextlib
import logging
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

import trio

from wsfs.api.errors import ApiError, TimedOut, Unreachable
from wsfs.api.models import File, Project, Task
from wsfs.api.pacing import Lane, Promotable

from .asks import Asks
from .crawl import Crawler
from .events import Todo
from .flights import Flights
from .freshness import USUAL, Freshener
from .knowledge import KNOWN, PARTLY, UNKNOWN, Knowledge
from .link import Link
from .load import Loader
from .records import COMPLETE, DETAILED, project_of
from .shelf import Shelf
from .sink import Owner, Sink
from .store import Store

log = logging.getLogger(__name__)

_CHUNK = 2000
"""Tasks that are loaded from the store at a time, about."""


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Downloads(Protocol[T_co]):
    """`Client.download` and what stands for it."""

    def __call__(
        self, file_id: int, *, lane: Lane | Promotable, start: int = 0
    ) -> AbstractAsyncContextManager[T_co]: ...


class Catalog:
    """Knows the account, tells the sink, and asks the service as rarely as can be.

    `client` asks the service, `store` (open, and owned by the caller) remembers, `sink` is told everything.
    `archived`: archived projects are shown too. `crawl` is the share of the requests that the background
    may use (0: no crawl) of `rate` requests a second (0: no limit). `poll` is the usual pause between polls,
    in seconds. `clock` gives unix time.

    `start()` once, then `run()` for as long as it is used; the methods may be called from start() on.
    """

    def __init__(
        self,
        client: Asks,
        store: Store,
        sink: Sink,
        *,
        archived: bool = False,
        crawl: float = 0.5,
        rate: float = 1.0,
        poll: float = USUAL,
        clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self._clock = clock
        self._store = store
        self._knowledge = Knowledge(store, sink)
        self._todo = Todo()
        self._link = Link(clock)
        self._loader = Loader(client, self._knowledge, self._todo, self._link, archived=archived, clock=clock)
        self._flights = Flights(self._knowledge.tick, self._landed)
        self._fresh = Freshener(
            self._knowledge,
            self._loader,
            self._flights,
            self._todo,
            self._link,
            clock=clock,
            poll=poll,
            rng=rng,
        )
        self._crawler = Crawler(
            self._knowledge, self._loader, self._flights, self._fresh, self._link, share=crawl, rate=rate
        )
        self._shelf = Shelf(self._knowledge, self._landed)
        self._archived = archived
        self._asking = 0
        store.on_rebuilt = self._rebuilt

    def _rebuilt(self) -> None:
        self._shelf.lost()
        self._fresh.rebuilt()

    def _landed(self) -> None:
        self._ordered()
        self._fresh.wake()

    def _ordered(self) -> None:
        """Forget what was learnt when, where nothing that was asked for before can still come."""
        if not len(self._flights) and not self._shelf.busy and not self._asking:
            self._knowledge.nothing_under_way()

    # life

    async def start(self, *, files_later: bool = False) -> None:
        """Tell the sink what the store holds; no request.

        `files_later`: all but the files of tasks, which load_files() tells; until then whoever needs those of
        one project or task waits for them alone, and `knows_tasks` and `knows_files` are false for it.
        """
        stored, state = await self._store.load_projects()
        if state.get("archived") != self._archived:
            # another question than last time: its answer is another account
            self._store.put_state("archived", self._archived)
            if "archived" in state:
                self._fresh.load_soon()
        self._loader.projects_at = state.get("projects_at")
        self._loader.bulk_at = state.get("bulk_at")
        self._loader.too_big = bool(state.get("too_big"))
        if self._loader.projects_at is None:
            return
        knowledge = self._knowledge
        knowledge.take_stored(stored)
        self._fresh.load_state(state)
        for project in stored:
            if project.flags & COMPLETE or project.files:
                complete = bool(project.flags & COMPLETE)
                knowledge.sink.files(("project", project.project.id), project.files, complete)
        with_tasks = {p.project.id: p.tasks_known for p in stored if p.tasks_known != UNKNOWN}
        for chunk in await self._store.chunks_of_projects(list(with_tasks), _CHUNK):
            for merged in await self._store.load_tasks(chunk, files=not files_later):
                knowledge.take_whole(merged, with_tasks[merged.project], stored=True)
                if files_later:
                    self._shelf.put(merged.project, [place[0] for place in merged.places])

    async def load_files(self) -> None:
        """Tell the sink what start() left for later. Where the store can't be read, that is only logged."""
        try:
            await self._shelf.tell_everything()
        except sqlite3.Error as error:
            log.error("the files that were known of tasks can't be read: %s", error)

    async def load_tree(self, lane: Lane) -> None:
        """Ask for the tasks of the whole account, where nobody ever did: who then looks at one needn't wait.

        A failure is only logged: who needs them asks again.
        """
        if self._knowledge.have_projects and self._loader.bulk_at is None and not self._loader.too_big:
            try:
                await self._flights.share(("everything",), lane, self._loader.read_everything)
            except ApiError as error:
                log.info("the tasks could not be read ahead: %s", error)

    async def run(self) -> None:
        """Keep what is known fresh, crawl, and write the store; for ever, until cancelled.

        Its own nursery holds the requests that several wait for.
        """
        async with trio.open_nursery() as nursery:
            self._flights.nursery = nursery
            try:
                nursery.start_soon(self._store.write_behind)
                nursery.start_soon(self._crawler.run)
                await self._fresh.run()
            finally:
                self._flights.nursery = None

    # what is known

    def knows_projects(self) -> bool:
        """Whether the list of projects is known."""
        return self._knowledge.have_projects

    def knows_tasks(self, project_id: int) -> bool:
        """Whether all tasks of a project are known."""
        return self._knowledge.tasks_known(project_id) == KNOWN and not self._shelf.has_project(project_id)

    def knows_active_tasks(self, project_id: int) -> bool:
        """Whether at least the active tasks are known: a name that is there needs no waiting for the others."""
        return self._knowledge.tasks_known(project_id) >= PARTLY

    def knows_files(self, owner: Owner) -> bool:
        """Whether all files of an owner are known."""
        return bool(self._knowledge.flags(owner) & COMPLETE) and not self._on_shelf(owner)

    def knows_details(self, owner: Owner) -> bool:
        """Whether the dates and authors of an owner's files are known."""
        return bool(self._knowledge.flags(owner) & DETAILED) and not self._on_shelf(owner)

    def _on_shelf(self, owner: Owner) -> bool:
        return owner[0] == "task" and self._shelf.has_task(owner[1])

    # what is needed

    async def need_projects(self, lane: Lane) -> None:
        """Return when the list of projects is known. Raises ApiError, at once while the network is away."""
        if not self._knowledge.have_projects:
            self._link.gate()
            await self._flights.share(("projects",), lane, self._loader.read_projects)

    async def need_tasks(self, project_id: int, lane: Lane) -> None:
        """Return when all tasks of a project are known, or it turned out not to be there.

        The whole account's are asked for, where that fits in one answer. Raises ApiError.
        """
        await self.need_projects(lane)
        await self._shelf.tell_project(project_id)
        while project_id in self._knowledge.projects and not self.knows_tasks(project_id):
            self._link.gate()
            if self._loader.too_big or self._loader.bulk_at is not None:
                await self._flights.share(
                    ("tasks", project_id),
                    lane,
                    lambda flight: self._loader.read_project(flight, project_id),
                    until=lambda: self.knows_tasks(project_id),
                )
            else:
                await self._flights.share(
                    ("everything",),
                    lane,
                    self._loader.read_everything,
                    want=project_id,
                    until=lambda: self.knows_tasks(project_id),
                )

    async def need_files(self, owner: Owner, lane: Lane) -> None:
        """Return when all files of a project or task are known; one get_files where they aren't.

        Raises ApiError; NotFound where it turned out to be gone (the sink knows by then).
        """
        await self._take_off_shelf(owner)
        if not self.knows_files(owner):
            await self._read_files(owner, lane)

    async def need_details(self, owner: Owner, lane: Lane) -> None:
        """Return when the dates and authors of an owner's files are known too. Raises ApiError."""
        await self._take_off_shelf(owner)
        if not self.knows_details(owner):
            await self._read_files(owner, lane)

    async def _take_off_shelf(self, owner: Owner) -> None:
        if owner[0] == "task":
            await self._shelf.tell_task(owner[1])

    async def _read_files(self, owner: Owner, lane: Lane, *, fresh: bool = False) -> None:
        self._link.gate()
        await self._flights.share(
            ("files", owner), lane, lambda flight: self._loader.read_files(flight, owner), fresh=fresh
        )

    async def reload_tasks(self, project_id: int, lane: Lane) -> None:
        """Ask anew for the tasks of one project: get_tasks, sent after this call. Raises ApiError."""
        self._link.gate()
        await self._flights.share(
            ("tasks", project_id),
            lane,
            lambda flight: self._loader.read_project(flight, project_id),
            fresh=True,
        )

    async def refresh(self, owner: Owner | None, lane: Lane = Lane.PERSON) -> None:
        """Ask the service anew for one project or task and its files, or for everything. Raises ApiError.

        Everything: the projects and tasks at once; files of commented tasks whose comments changed follow in
        the background, a project's own when it is next listed.
        """
        self._link.gate()
        if owner is None:
            for state in self._knowledge.projects.values():
                state.read_at = 0.0
            await self._fresh.load_everything(lane)
            return
        number = owner[1]
        if owner[0] == "project":
            await self.reload_tasks(number, lane)
        else:
            await self._flights.share(
                ("task", number), lane, lambda flight: self._loader.read_task(flight, number), fresh=True
            )
        await self._read_files(owner, lane, fresh=True)

    # requests of others

    def watched(self, download: Downloads[T]) -> Downloads[T]:
        """`download`, failing at once while the network is away, and telling when it goes and comes back.

        What happens after an answer has begun says nothing of the network: one file may stall alone.
        """

        @contextlib.asynccontextmanager
        async def watched(file_id: int, *, lane: Lane | Promotable, start: int = 0) -> AsyncIterator[T]:
            self._link.gate()
            async with contextlib.AsyncExitStack() as stack:
                try:
                    answer = await stack.enter_async_context(download(file_id, lane=lane, start=start))
                except (Unreachable, TimedOut) as error:
                    if self._link.observe(error):
                        self._fresh.wake()
                    raise
                self.reached()
                yield answer

        return watched

    # what others learnt

    def looked(self, owner: Owner | None = None) -> None:
        """A person listed a directory (of `owner`): polls come more often; costs no waiting."""
        self._fresh.looked(owner)

    @contextlib.contextmanager
    def asking(self) -> Iterator[int]:
        """Around what someone else asks of the service, for `files_listed`: gives the moment at which he began."""
        self._asking += 1
        try:
            yield self._knowledge.tick()
        finally:
            self._asking -= 1
            self._ordered()

    def is_overtaken(self, owner: Owner, asked: int) -> bool:
        """Whether something was learnt of `owner` since the moment `asked`, which `asking` gave and still lasts."""
        return self._knowledge.is_newer(owner, asked) or self._knowledge.told_files(owner, asked)

    def reached(self) -> None:
        """Someone else's request reached the service: whoever was offline isn't any more."""
        if self._link.offline and self._link.observe(None):
            self._fresh.back()

    def files_listed(self, owner: Owner, files: list[File]) -> None:
        """get_files of `owner` was read by someone else, after a post of ours: the same as if read here."""
        if owner[0] == "task":
            self._fresh.own.expect(("files", owner[1]), trio.current_time())
        self._knowledge.take_files(owner, files, self._clock())

    def files_added(self, owner: Owner, files: list[File]) -> None:
        """`owner` got files from here, which the sink has: no answer to what was asked before takes them away.

        What is known of it is as whole as it was: where its listing wasn't read since, call `files_in_doubt` too.
        """
        self._knowledge.add_files(owner, files)

    def files_in_doubt(self, owner: Owner) -> None:
        """`owner` got a file from here, and its listing couldn't be read since: it is no longer known whole."""
        self._knowledge.doubt_files(owner)

    def task_created(self, task: Task, project_id: int | None = None) -> None:
        """We made a task (`project_id` where the answer doesn't tell); files_listed() for its files follows."""
        project = project_of(task) or project_id or 0
        if task.id and project:
            self._fresh.own.expect(("task", task.id), trio.current_time())
            self._knowledge.add_task(task, project)

    def project_created(self, project: Project) -> None:
        """We made a project; files_listed() for its own files follows."""
        if project.id:
            self._fresh.own.expect(("projects", 0), trio.current_time())
            self._knowledge.add_project(project)

    def retitled(self, owner: Owner, title: str) -> None:
        """We gave a project or task another title: no answer that was asked for earlier brings the old one back."""
        self._knowledge.retitle(owner, title)

    # for people

    def status(self) -> dict[str, Any]:
        """How things are, JSON-able; times are unix times."""
        fresh, link = self._fresh, self._link
        if link.offline:
            mode = "offline"
        elif link.login is not None:
            mode = "login refused"
        elif fresh.events_refused is not None:
            mode = "full loads"
        else:
            mode = "events"
        return {
            "mode": mode,
            "offline_since": link.since,
            "error": str(link.error or link.login or "") or None,
            "events_refused": fresh.events_refused,
            "known": self._knowledge.counts(),
            "too_many_tasks": self._loader.too_big,
            "last_load": self._loader.bulk_at,
            "last_projects": self._loader.projects_at,
            "last_poll": fresh.polled_at,
            "poll_interval": round(fresh.interval(), 1),
            "last_event": fresh.last_event,
            "to_read_again": len(self._todo),
            "crawl": {
                "on": self._crawler.enabled,
                "left": self._crawler.left(),
                "requests": self._crawler.requests,
            },
        }
