"""What is told on the desktop, and when: what goes, with a way back while it settles; what needs a person.

Many failures are one notification, which counts them. Undo holds the files back where they are: nothing is lost, and
nothing is sent until the person says so. What is saved again and again by an editor isn't announced.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Protocol, TypeVar

import trio

from wsfs.notifications import CRITICAL, LOW, Notice
from wsfs.uploads.batch import Settling, chain, root_of
from wsfs.uploads.errors import UploadError
from wsfs.uploads.nodes import Spooled
from wsfs.uploads.noise import is_noise
from wsfs.uploads.sender import Sender
from wsfs.uploads.spool import Spool
from wsfs.uploads.states import State

log = logging.getLogger(__name__)

T = TypeVar("T")

ATTENTION, LOGIN = "attention", "login"
REACTION = 0.5
"""Seconds that a person needs at the least: what goes sooner isn't announced."""
NAMED = 3
UNDO, SEND, RETRY = "undo", "send", "retry"
HELD_BACK = "you held it back: `wsfs uploads send PATH` sends it, `wsfs uploads discard PATH` deletes it"


class Screen(Protocol):
    """Where it is shown: notifications.Desktop."""

    def show(self, key: str, notice: Notice) -> None: ...
    def withdraw(self, key: str) -> None: ...


class Announcements:
    """Tells `screen` what happens to what is in `spool`; `place` gives the path of a directory of the server.

    `run` is its long-lived task; it needs the sender to be running.
    """

    def __init__(
        self, screen: Screen, sender: Sender, spool: Spool, place: Callable[[int], str | None]
    ) -> None:
        self._screen = screen
        self._sender = sender
        self._spool = spool
        self._place = place
        self._stuck: frozenset[int] = frozenset()
        self._flooded: frozenset[int] = frozenset()
        self._going: dict[int, tuple[int, ...]] = {}
        self._wishes: list[Callable[[], Awaitable[None]]] = []
        self._wished = trio.Event()

    async def run(self) -> None:
        """Look whenever the sender has, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._fulfil)
            while True:
                self._look()
                await self._sender.looked()

    # The login

    def login_died(self, sentence: str) -> None:
        """Nobody gets on without a person now."""
        self._screen.show(
            LOGIN,
            Notice(
                "Log in to Worksection again",
                f"{sentence}. What is on this machine stays readable, and what you copy in is kept until then.",
                icon="dialog-password",
                urgency=CRITICAL,
            ),
        )

    def login_healed(self) -> None:
        """There is a login again."""
        self._screen.withdraw(LOGIN)

    # What is looked at

    def _look(self) -> None:
        self._look_for_trouble()
        self._look_for_floods()
        settling = {
            root: one
            for root, one in self._sender.settling.items()
            if not one.active and (root in self._going or one.due - trio.current_time() >= REACTION)
        }
        for root in [root for root in self._going if root not in settling]:
            del self._going[root]
            self._screen.withdraw(_going(root))
        for root, one in settling.items():
            if self._going.get(root) != one.files:
                self._going[root] = one.files
                self._announce(root, one)

    def _look_for_trouble(self) -> None:
        stuck = {
            node.inode: node
            for node in self._spool.nodes.values()
            if (
                node.state is State.QUARANTINED
                or (node.state is State.INTERRUPTED and node.error != HELD_BACK)
            )
            and not is_noise(node.name)
        }
        now = frozenset(stuck)
        if now - self._stuck:
            fresh = [stuck[inode] for inode in sorted(now - self._stuck)]
            self._screen.show(ATTENTION, self._trouble(list(stuck.values()), fresh))
        elif not now:
            self._screen.withdraw(ATTENTION)
        self._stuck = now

    def _trouble(self, stuck: list[Spooled], fresh: list[Spooled]) -> Notice:
        refused = [node for node in stuck if node.state is State.QUARANTINED]
        files = [node for node in refused if not node.is_dir] or refused
        if refused:
            title = f"{_count(len(files), 'file')} could not be uploaded"
        else:
            title = f"{_count(len(stuck), 'file')} may be half and {'is' if len(stuck) == 1 else 'are'} not uploaded"
        reasons = list(dict.fromkeys(node.error or "" for node in fresh))
        body = f"{_names(fresh)}: {reasons[0]}" if len(reasons) == 1 else _names(fresh)
        again = any(not node.uncertain for node in refused)
        return Notice(
            title,
            f"{body}\n`wsfs uploads` lists them all.",
            icon="dialog-warning",
            actions={RETRY: "Try again"} if again else {},
            on_action=functools.partial(self._wish, self._retry, None),
        )

    def _look_for_floods(self) -> None:
        flooded = frozenset(self._sender.flooded)
        if flooded - self._flooded:
            nodes = [self._spool.nodes[inode] for inode in flooded if inode in self._spool.nodes]
            tasks = {directory.inode for node in nodes for directory in chain(self._spool.nodes, node)}
            places = sorted({self._name_of(root_of(self._spool.nodes, node)) for node in nodes})
            self._screen.show(
                "flood",
                Notice(
                    f"{_count(len(tasks), 'new task')} in {', '.join(places[:NAMED])} wait for you",
                    "So many at once are made only when you say so: `wsfs uploads send PATH` lets them go.",
                    icon="dialog-information",
                ),
            )
        elif self._flooded and not flooded:
            self._screen.withdraw("flood")
        self._flooded = flooded

    def _announce(self, root: int, settling: Settling) -> None:
        files = [self._spool.nodes[inode] for inode in settling.files if inode in self._spool.nodes]
        tops = {above[0].inode: above[0] for node in files if (above := chain(self._spool.nodes, node))}
        what, where = _count(len(files), "file"), self._name_of(root)
        kind = "project" if self._place(root) == "/" else "task"
        if len(tops) == 1 and all(chain(self._spool.nodes, node) for node in files):
            where = f"the new {kind} {next(iter(tops.values())).name}"
        elif tops:
            what += f" and {_count(len(tops), f'new {kind}')}"
        verb = "goes" if what == "1 file" else "go"
        self._screen.show(
            _going(root),
            Notice(
                f"{what} {verb} to {where}",
                _names(files),
                icon="document-send",
                urgency=LOW,
                actions={UNDO: "Undo"},
                on_action=functools.partial(self._wish, self._undo, root),
                needs_actions=True,
                gap=1.0,
            ),
        )

    def _name_of(self, root: int) -> str:
        path = (self._place(root) or "").rstrip("/")
        return path.rpartition("/")[2] or "Worksection"

    # What is asked for

    def _wish(self, what: Callable[[T], Awaitable[None]], argument: T, _action: str) -> None:
        self._wishes.append(functools.partial(what, argument))
        self._wished.set()

    async def _fulfil(self) -> None:
        while True:
            while self._wishes:
                wish = self._wishes.pop(0)
                try:
                    await wish()
                except UploadError as error:
                    log.warning("What was asked for in a notification could not be done: %s", error)
            self._wished = trio.Event()
            await self._wished.wait()

    async def _undo(self, root: int) -> None:
        """Hold back what was announced, and what has joined it since."""
        shown = self._going.get(root, ())
        settling = self._sender.settling.get(root)
        files = dict.fromkeys((*shown, *(settling.files if settling is not None else ())))
        held = await self._spool.hold(*files, reason=HELD_BACK)
        key, where = f"undone:{root}", self._name_of(root)
        if not held:
            self._screen.show(
                key, Notice("It was too late to undo", f"What goes to {where} is on its way already.")
            )
            return
        one = len(held) == 1
        late = len(files) - len(held)
        too_late = f" For {_count(late, 'other')} it was too late." if late else ""
        self._screen.show(
            key,
            Notice(
                f"{_count(len(held), 'file')} held back in {where}",
                f"{'It stays' if one else 'They stay'} there on this machine alone, until you send or delete "
                f"{'it' if one else 'them'}: {_names(held)}.{too_late}",
                icon="edit-undo",
                actions={SEND: "Send after all"},
                on_action=functools.partial(self._wish, self._send, [node.inode for node in held]),
            ),
        )

    async def _retry(self, _nothing: None) -> None:
        """What was refused, but for what may have arrived: that wants a look at Worksection first."""
        refused = [node for node in self._spool.nodes.values() if node.state is State.QUARANTINED]
        self._stuck = frozenset()  # what is refused again is told again
        await self._sender.retry([node.inode for node in refused if not node.uncertain])

    async def _send(self, inodes: Collection[int]) -> None:
        await self._sender.retry(inodes)


def _going(root: int) -> str:
    return f"going:{root}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _names(nodes: Iterable[Spooled]) -> str:
    names = [node.name for node in nodes]
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
