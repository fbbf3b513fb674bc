"""Waiting until what lies somewhere is sent: `wsfs flush` and `wsfs umount`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping

from wsfs.uploads.batch import Held, chain
from wsfs.uploads.nodes import Spooled
from wsfs.uploads.noise import is_noise
from wsfs.uploads.options import Options
from wsfs.uploads.states import IN_FLIGHT, State
from wsfs.uploads.transfers import Transfers

Scope = int | Collection[int] | None
"""What is meant: a node or directory by inode and all below it, several of them, or everything."""


@dataclasses.dataclass(frozen=True)
class Drained:
    """How far a flush is: of its `files` and `bytes`, what is sent (of bytes, what has left); `requests_left` is an
    estimate, `speed` bytes a second, `current` the inodes of the files that are leaving. While nothing can go,
    `message` says why, and `again_in` the seconds until the next try.
    """

    files_done: int
    files: int
    bytes_done: int
    bytes: int
    requests_left: int
    speed: float = 0.0
    current: tuple[int, ...] = ()
    message: str = ""
    again_in: float | None = None


Progress = Callable[[Drained], None]
"""Is told how far a flush is, whenever the sender has looked; must not raise."""


@dataclasses.dataclass(frozen=True)
class Flushed:
    """How a flush ended: how many files were sent, and what was not, by inode, with the reason."""

    sent: int
    refused: Mapping[int, str]
    held: Mapping[int, str]


def inodes_of(scope: Scope) -> frozenset[int] | None:
    """The inodes that a scope names; None for everything."""
    if scope is None:
        return None
    return frozenset({scope}) if isinstance(scope, int) else frozenset(scope)


def meant_by(scope: Scope, named: int | None) -> frozenset[int]:
    """The one node that a person meant, where one was: `named`, or a scope that is a single one."""
    one = scope if isinstance(scope, int) else named
    return frozenset() if one is None else frozenset({one})


def below(nodes: Mapping[int, Spooled], scope: frozenset[int] | None) -> list[Spooled]:
    """The spooled nodes that a scope names, and all that lie below it.

    Of the server's directories it knows only those in which something spooled lies directly.
    """
    if scope is None:
        return list(nodes.values())
    found = []
    for node in nodes.values():
        above = chain(nodes, node)
        path = {node.inode, node.parent, *(directory.inode for directory in above)}
        path.update(directory.parent for directory in above)
        if not scope.isdisjoint(path):
            found.append(node)
    return found


def to_be_sent(nodes: Collection[Spooled]) -> list[Spooled]:
    """Those that are files on their way, or waiting for it; also what was closed a moment ago (see `_is_closing`)."""
    return [
        node
        for node in nodes
        if not node.is_dir
        and (
            node.state in IN_FLIGHT
            or ((node.state is State.SETTLING or _is_closing(node)) and not is_noise(node.name))
        )
    ]


def _is_closing(node: Spooled) -> bool:
    """Whether its close(2) has returned, and the release is on its way: the kernel tells of that later (and where
    another descriptor is still open, never; then the spool soon takes `closed` back)."""
    return node.state is State.OPEN and node.closed


class Watch:
    """The files that a flush waits for, and how far they are."""

    def __init__(self, targets: list[Spooled], options: Options, transfers: Transfers) -> None:
        self._targets = targets
        self._options = options
        self._transfers = transfers
        self._sizes = {node.inode: node.size for node in targets}

    def progress(self) -> Drained:
        """How far it is."""
        left = [
            node for node in self._targets if node.state in {State.SETTLING, *IN_FLIGHT} or _is_closing(node)
        ]
        sizes = self._sizes
        total = sum(sizes.values())
        # What is sent has left, though its ids are still to be asked for.
        inside = sum(
            sizes[node.inode]
            - (sizes[node.inode] if node.state is State.SENT else self._transfers.done(node))
            for node in left
        )
        targets = {node.inode for node in self._targets}
        return Drained(
            files_done=len(sizes) - len(left),
            files=len(sizes),
            bytes_done=min(total, max(0, total - inside)),
            bytes=total,
            requests_left=self._requests(left),
            speed=self._transfers.speed(),
            current=tuple(file.inode for file in self._transfers.current() if file.inode in targets),
        )

    def ended(self, held: Mapping[int, Held], general: str | None) -> Flushed | None:
        """How it ended, or None while there is something to wait for.

        `general` says why nothing at all goes on until somebody does something.
        """
        refused: dict[int, str] = {}
        kept: dict[int, str] = {}
        sent = 0
        for node in self._targets:
            why = held.get(node.inode)
            if node.state is State.DROPPED:
                sent += node.remote_id is not None
            elif node.state is State.QUARANTINED:
                refused[node.inode] = node.error or ""
            elif _is_closing(node):
                return None
            elif node.writers or node.state is State.OPEN:
                kept[node.inode] = "it is open for writing"
            elif node.state in IN_FLIGHT or node.state is State.SETTLING:
                if why is not None and why.firm:
                    kept[node.inode] = why.reason
                elif general is not None:
                    kept[node.inode] = general
                else:
                    return None
            else:
                kept[node.inode] = node.error or f"it is {node.state}"
        return Flushed(sent=sent, refused=refused, held=kept)

    def _requests(self, left: list[Spooled]) -> int:
        """Roughly one to send and one to learn the ids, for each directory and each hundred files."""
        places: dict[int, int] = {}
        for node in left:
            if node.state is not State.SENT:
                places[node.parent] = places.get(node.parent, 0) + 1
        posted = {node.batch for node in left if node.state is State.SENT}
        most = self._options.most_files
        return sum(2 * ((count + most - 1) // most) for count in places.values()) + len(posted)
