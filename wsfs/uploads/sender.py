"""The sender: looks at what has settled, delivers it batch by batch, and says what waits and why."""

from __future__ import annotations

import dataclasses
import logging
import math
import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

import trio

from wsfs.uploads.batch import Circumstances, Plan, Planned, Settling, chain, plan, root_of
from wsfs.uploads.delivery import Delivery, Search
from wsfs.uploads.draining import (
    Drained,
    Flushed,
    Progress,
    Scope,
    Watch,
    below,
    inodes_of,
    meant_by,
    to_be_sent,
)
from wsfs.uploads.errors import UploadError
from wsfs.uploads.hooks import Hooks, Poster, SentBatch
from wsfs.uploads.nodes import BatchRecord, Spooled
from wsfs.uploads.options import Options
from wsfs.uploads.spool import Spool
from wsfs.uploads.states import State
from wsfs.uploads.status import LOOKED_FOR, status_of
from wsfs.uploads.verdict import Wait

_log = logging.getLogger(__name__)

_HELD_BACK = frozenset({State.INTERRUPTED, State.QUARANTINED})

TICK = 0.2
"""Seconds between two looks at what has left, while somebody watches."""

CALM = 0.25
"""Seconds after a change before the plan is made anew: a thousand copies aren't a thousand plans."""

SHARE = 0.05
"""The plan may take this part of the time at most: with many files it is made less often. Only what a person asks for,
and the end of a batch, has it made at once."""


class Sender:
    """Sends what `spool` holds through `client`, asking and telling the drive through `hooks`.

    `run` is its one long-lived task. The rest may be called at any time from the same thread. One batch for
    each directory of the server is under way at a time, `Options.parallel` in all.
    """

    def __init__(self, spool: Spool, client: Poster, hooks: Hooks, options: Options | None = None) -> None:
        self._spool = spool
        self._hooks = hooks
        self._options = options or Options()
        self._delivery = Delivery(spool, client, hooks, self._options, self._replan)
        self._plan = Plan()
        self._busy: set[int] = set()
        self._resting: dict[int, tuple[float, str]] = {}
        self._tries: dict[int, int] = {}
        self._made: dict[int, list[float]] = {}
        self._paused: tuple[float, Wait] | None = None
        self._pauses = 0
        self._activity = trio.Event()
        self._hurry = trio.Event()
        self._round = trio.Event()
        spool.on_activity = self._active
        spool.on_change = hooks.changed

    # The long-lived task

    async def run(self) -> None:
        """Send until cancelled; a post that is under way then gets `Options.grace` to end well."""
        async with trio.open_nursery() as nursery:
            while True:
                self._activity, self._hurry = trio.Event(), trio.Event()
                now = trio.current_time()
                wakes = [self._spool.expire_closes(now), self._spool.keep_open(now), self._forget_made(now)]
                wakes.append(self._start_searches(nursery, now))
                wakes.append(self._start_handovers(nursery, now))
                self._plan = self._make_plan(now)
                self._note_places()
                wakes += [self._plan.wake, self._start_batches(nursery, now)]
                self._round.set()
                self._round = trio.Event()
                end = trio.current_time()
                rest = (end - now) / SHARE
                wake = min((wake for wake in wakes if wake is not None), default=math.inf)
                await self._wait(max(wake, end + rest), max(CALM, rest))

    async def _wait(self, wake: float, calm: float) -> None:
        """Until `wake`, or until something happened, and `calm` seconds more, or until somebody hurries."""
        with trio.move_on_at(wake):
            await self._activity.wait()
            self._note_new_places()
            with trio.move_on_after(calm):
                await self._hurry.wait()

    def _active(self) -> None:
        self._activity.set()

    def _look(self) -> None:
        self._activity.set()
        self._hurry.set()

    def _make_plan(self, now: float) -> Plan:
        options, most = self._options, self._spool.files_a_post
        if most is not None and most < options.most_files:
            options = dataclasses.replace(options, most_files=most)
        return plan(
            self._spool.nodes,
            options,
            Circumstances(
                now=now,
                destination=self._hooks.destination,
                sent_lately=self._spool.sent_lately,
                made={root: len(times) for root, times in self._made.items()},
                resting=self._resting,
                alone=self._delivery.alone,
            ),
        )

    def _note_places(self) -> None:
        """Remember where what waits lies in the drive, for when that can't be seen any more."""
        for root in self._plan.roots:
            if (path := self._hooks.place(root)) is not None:
                self._spool.place(root, path)
        shadowed = {root_of(self._spool.nodes, node) for node in self._spool.shadows.values()}
        self._spool.forget_places(self._plan.roots | shadowed)

    def _note_new_places(self) -> None:
        """At once: the drive may end, or the directory vanish, before there is another plan."""
        nodes = self._spool.nodes
        for root in {root_of(nodes, node) for node in nodes.values()} - self._spool.places.keys():
            if (path := self._hooks.place(root)) is not None:
                self._spool.place(root, path)

    def _replan(self, planned: Planned) -> Planned | None:
        """What was planned, as it is by now; None where it is no longer due."""
        batches = self._make_plan(trio.current_time()).batches
        return next((batch for batch in batches if batch.same_place(planned)), None)

    def _start_batches(self, nursery: trio.Nursery, now: float) -> float | None:
        if self._paused is not None and self._paused[0] > now:
            return self._paused[0]
        # After a failure that concerns everything, one batch tries the way for the rest.
        limit = self._options.parallel if self._paused is None else 1
        for planned in self._plan.batches:
            if len(self._busy) < limit and planned.root not in self._busy:
                self._busy.add(planned.root)
                nursery.start_soon(self._deliver, planned)
        return None

    def _start_searches(self, nursery: trio.Nursery, now: float) -> float | None:
        """Look for the batches that may have arrived; returns when to look again."""
        wakes: list[float] = []
        for record in list(self._spool.batches.values()):
            doubtful = [node for node in self._spool.members(record.id) if node.state is State.UNKNOWN]
            if not doubtful:
                continue
            root = root_of(self._spool.nodes, doubtful[0])
            search = self._delivery.searches.get(record.id, Search())
            until = max(search.due, search.not_before)
            if self._paused is not None:
                until = max(until, self._paused[0])
            if root not in self._busy:
                # What is sent there meanwhile could be taken for it.
                self._resting[root] = (max(until, now + CALM), LOOKED_FOR)
                if until <= now:
                    self._busy.add(root)
                    nursery.start_soon(self._search, root, record)
            if until > now:
                wakes.append(until)
        return min(wakes, default=None)

    def _start_handovers(self, nursery: trio.Nursery, now: float) -> float | None:
        """Go on with the batches that the service has taken; returns when to look again."""
        wakes: list[float] = []
        for record in list(self._spool.batches.values()):
            sent = [node for node in self._spool.members(record.id) if node.state is State.SENT]
            if record.result is None or not sent:
                continue
            root = root_of(self._spool.nodes, sent[0])
            unknown = any(not node.is_dir and node.remote_id is None for node in sent)
            until = self._delivery.handovers.of(record).not_before
            if unknown and root not in self._busy:
                # Until its ids are known, the next batch there couldn't tell its own files.
                self._resting[root] = (max(until, now + CALM), "what was just sent there is looked up")
            if self._paused is not None:
                until = max(until, self._paused[0])
            if until > now:
                wakes.append(until)
            elif root not in self._busy and (unknown or any(not node.writers for node in sent)):
                self._busy.add(root)
                nursery.start_soon(self._hand_over, root, record)
        return min(wakes, default=None)

    async def _deliver(self, planned: Planned) -> None:
        async def deliver() -> None:
            if await self._delivery.deliver(planned) and planned.directory is not None:
                self._made.setdefault(planned.root, []).append(trio.current_time())

        await self._guarded(planned.root, deliver)

    async def _hand_over(self, root: int, record: BatchRecord) -> None:
        handover = self._delivery.handovers.of(record)
        if await self._guarded(root, lambda: self._delivery.handovers.hand_over(record)):
            self._resting.pop(root, None)
        else:
            handover.not_before = trio.current_time() + self._backoff(handover.tries)
            handover.tries += 1

    async def _search(self, root: int, record: BatchRecord) -> None:
        search = self._delivery.searches.setdefault(record.id, Search())
        if not await self._guarded(root, lambda: self._delivery.search(record)):
            search.not_before = trio.current_time() + self._backoff(search.tries)
            search.tries += 1

    async def _guarded(self, root: int, work: Callable[[], Awaitable[None]]) -> bool:
        """Do it, and turn what goes wrong into a wait; whether it went well. Nothing ends the sender."""
        wait: Wait
        try:
            await work()
        except Wait as reason:
            wait = reason
        except UploadError as error:
            _log.warning("An upload has to wait: %s", error)
            wait = Wait(str(error))
        except Exception:  # noqa: BLE001 - logged, and the other uploads go on
            _log.exception("An upload failed in a way that was not foreseen")
            wait = Wait("wsfs failed in a way that was not foreseen; its log says more")
        else:
            self._tries.pop(root, None)
            self._resting.pop(root, None)
            self._paused, self._pauses = None, 0
            return True
        finally:
            self._busy.discard(root)
            self._look()
        self._rest(root, wait)
        return False

    def _rest(self, root: int, wait: Wait) -> None:
        now = trio.current_time()
        tries = self._tries.get(root, 0)
        self._tries[root] = tries + 1
        self._resting[root] = (now + self._backoff(tries), str(wait))
        if wait.everything:
            if self._paused is None or self._paused[1].login != wait.login:
                _log.info("Uploads wait: %s", wait)
            self._paused = (now + self._backoff(self._pauses), wait)
            self._pauses += 1

    def _backoff(self, tries: int) -> float:
        """Seconds to wait after that many failures: doubling, at most `retry_most`, less up to a half."""
        longest = min(self._options.retry_most, self._options.retry_first * 2.0 ** min(tries, 30))
        return longest * random.uniform(0.5, 1.0)

    def _forget_made(self, now: float) -> float | None:
        """Only the tasks made lately count against the flood of new ones."""
        window = self._options.hold_window
        kept = {
            root: [moment for moment in times if moment + window > now] for root, times in self._made.items()
        }
        self._made = {root: times for root, times in kept.items() if times}
        return min((times[0] + window for times in self._made.values()), default=None)

    # What a person asks for

    def wake(self) -> None:
        """Look now: somebody logged in again, the network is back, a person waits. Ends every pause."""
        self._paused, self._pauses = None, 0
        self._resting.clear()
        self._tries.clear()
        for handover in self._delivery.handovers.known.values():
            handover.not_before = 0.0
        for search in self._delivery.searches.values():
            search.not_before = 0.0
        self._look()

    def reached(self) -> None:
        """Some request or other reached the service: if uploads wait for the network, they needn't any more."""
        if self._paused is not None and self._paused[1].offline:
            self.wake()

    async def flush(
        self, scope: Scope = None, progress: Progress | None = None, *, named: int | None = None
    ) -> Flushed:
        """Send now what lies there, and wait until it is sent or refused, or can't go by itself.

        It ends the settling of all below `scope`, of empty files and of those with an editor's lock too. What
        is interrupted, noise, open for writing, in a directory that waits for its name (unless that is the one
        meant, `named` or the `scope` itself), or one of too many new tasks, it leaves, and says so. Needs `run`
        to be running. Without a network it waits for one; cancelled, what was begun goes on.
        """
        reached = below(self._spool.nodes, inodes_of(scope))
        self._name(reached, meant_by(scope, named))
        targets = to_be_sent(reached)
        for node in targets:
            # What is on its way too: should it come back, it needn't settle again.
            node.forced = True
        watch = Watch(targets, self._options, self._delivery.transfers)
        self.wake()
        while True:
            looked = progress is None
            with trio.move_on_after(math.inf if progress is None else TICK):
                await self._round.wait()
                looked = True
            if progress is not None:
                progress(self._drained(watch))
            if not looked:
                continue
            login = self._paused is not None and self._paused[1].login
            ended = watch.ended(self._plan.held, str(self._paused[1]) if self._paused and login else None)
            if ended is not None:
                return ended

    async def release(self, scope: Scope, *, named: int | None = None) -> int:
        """Let go what is held back there, and return how many nodes that were.

        That is: too many new tasks, a directory that waits for a name of its own and is the one meant (`named`
        or the `scope` itself), what was interrupted, and what was quarantined. What may have arrived already is
        sent again only where it, or a new directory that it lies in, is the one meant: nobody decides that for
        a whole drive in passing.
        """
        reached = below(self._spool.nodes, inodes_of(scope))
        meant = meant_by(scope, named)
        back = [node for node in reached if node.state in _HELD_BACK and not node.writers]
        back = [node for node in back if not node.uncertain or self._is_meant(node, meant)]
        directories = [node for node in reached if node.is_dir and not node.released]
        self._name(reached, meant)
        await self._spool.let_go(*directories)
        await self._spool.retry(*(node.inode for node in back if node.state in _HELD_BACK))
        self.wake()
        return len({*back, *directories})

    async def retry(self, inodes: Collection[int]) -> int:
        """Send again those of these that are interrupted or quarantined, with the refused directories above them.

        Also what may have arrived already: a person named it. Returns how many files that are.
        """
        asked = [node for inode in inodes if (node := self._spool.nodes.get(inode)) is not None]
        above = [directory for node in asked for directory in chain(self._spool.nodes, node)]
        back = {node.inode for node in [*asked, *above] if node.state in _HELD_BACK and not node.writers}
        await self._spool.retry(*back)
        self.wake()
        return sum(node.inode in back and not node.is_dir for node in asked)

    def _name(self, nodes: Iterable[Spooled], meant: frozenset[int]) -> None:
        """Somebody meant these directories: they needn't wait for another name."""
        for node in nodes:
            node.named = node.named or (node.is_dir and node.inode in meant)

    def _is_meant(self, node: Spooled, meant: frozenset[int]) -> bool:
        places = {node.inode, *(directory.inode for directory in chain(self._spool.nodes, node))}
        return not meant.isdisjoint(places)

    async def looked(self) -> None:
        """Wait until the sender has looked at everything anew, after something happened or its time had come."""
        await self._round.wait()

    @property
    def settling(self) -> Mapping[int, Settling]:
        """What goes by itself as soon as it is still, by the directory of the server that it lies below."""
        return {root: one for root, one in self._plan.settling.items() if root not in self._busy}

    @property
    def flooded(self) -> list[int]:
        """The files that wait since they would make too many new tasks at once."""
        return [inode for inode, why in self._plan.held.items() if why.flood]

    @property
    def stuck(self) -> str | None:
        """Why nothing can go at this moment: no network, or no login. None while something may."""
        pause = None if self._paused is None else self._paused[1]
        return str(pause) if pause is not None and (pause.offline or pause.login) else None

    def _drained(self, watch: Watch) -> Drained:
        until, pause = self._paused if self._paused is not None else (None, None)
        return dataclasses.replace(
            watch.progress(),
            message="" if pause is None else str(pause),
            again_in=None if until is None else max(0.0, until - trio.current_time()),
        )

    def status(self) -> dict[str, Any]:
        """What waits, what is being sent and what needs a person, JSON-able; see status.status_of."""
        until, pause = self._paused if self._paused is not None else (None, None)
        return status_of(
            self._spool,
            self._plan.held,
            None if pause is None else str(pause),
            login=pause is not None and pause.login,
            again_in=None if until is None else round(max(0.0, until - trio.current_time()), 1),
            transfers=self._delivery.transfers,
        )


__all__ = ["Flushed", "Hooks", "Options", "Sender", "SentBatch"]
