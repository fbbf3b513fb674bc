"""Pinning by place: which attachments lie at or below a node, and the extended attribute that says and sets it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol

from wsfs.api.errors import ApiError
from wsfs.api.pacing import Lane
from wsfs.content.errors import ContentError
from wsfs.drive import errors
from wsfs.drive.filesystem import Caller, Drive
from wsfs.tree.inodes import Kind
from wsfs.tree.nodes import Directory, File, Node

log = logging.getLogger(__name__)

_HERE = frozenset({Kind.ROOT, Kind.FOLDER, Kind.PROJECT, Kind.TASK, Kind.DONE, Kind.ATTACHMENT})


class Pins(Protocol):
    """What the content cache does for it."""

    def is_pinned(self, file_id: int, size: int) -> bool: ...
    async def pin(self, files: list[tuple[int, int]], lane: Lane) -> Any: ...
    def unpin(self, files: list[tuple[int, int]]) -> int: ...


class Pinning:
    """Pins what lies at or below a node of `drive`; `start_soon` lets a task run until the unmount."""

    def __init__(
        self, drive: Drive, pins: Pins, start_soon: Callable[[Callable[[], Awaitable[None]]], None]
    ) -> None:
        self._drive = drive
        self._pins = pins
        self._start_soon = start_soon

    @staticmethod
    def applies(node: Node) -> bool:
        """Whether it is of the service, so that there may be something to fetch."""
        return node.kind in _HERE

    def files(self, node: Node) -> list[tuple[int, int]]:
        """File id and size of every attachment known at or below `node`."""
        return [(file.id, file.size) for file in _at_and_below(node) if isinstance(file, File)]

    def is_pinned(self, node: Node) -> bool:
        """Whether everything at or below `node` is known and pinned, and there is something."""
        found = False
        for place in _at_and_below(node):
            if isinstance(place, File):
                found = True
                if not self._pins.is_pinned(place.id, place.size):
                    return False
            elif isinstance(place, Directory) and not self._drive.is_whole(place):
                return False  # what is in it may not be pinned
        return found

    async def learn(
        self, node: Node, lane: Lane, told: Callable[[int], None] = lambda count: None
    ) -> dict[str, str]:
        """Have every directory at or below `node` known, one request each where it isn't; `told` their number so far.

        Those that can't be read come back, by path, with the reason.
        """
        unread: dict[str, str] = {}
        ahead = [node]
        count = 0
        while ahead:
            place = ahead.pop()
            if not isinstance(place, Directory) or not self.applies(place):
                continue
            try:
                handle = await self._drive.open_directory(place.inode, Caller(lane=lane))
            except (ApiError, errors.NoSuchName) as error:
                unread[place.path()] = str(error)
                continue
            count += 1
            told(count)
            ahead += [below for _, below in reversed(handle.names)]
        return unread

    async def set(self, inode: int, value: bytes) -> None:
        """Pin for "1", unpin for "0": what is known at once, the rest in the background.

        Raises NoSuchName, NotSupported, BadName for another value, NoRoom.
        """
        node = self._drive.node(inode)
        if not self.applies(node):
            raise errors.NotSupported(f"{node.path()} isn't on the server: there is nothing to fetch")
        if value.strip() == b"0":
            self._pins.unpin(self.files(node))
            return
        if value.strip() != b"1":
            raise errors.BadName(f"{value!r} is neither 0 nor 1")
        await self._pins.pin(self.files(node), Lane.BACKGROUND)
        if isinstance(node, Directory):

            async def rest() -> None:
                for path, reason in (await self.learn(node, Lane.BACKGROUND)).items():
                    log.info("What is in %s isn't pinned: %s", path, reason)
                try:
                    await self._pins.pin(self.files(node), Lane.BACKGROUND)
                except ContentError as error:
                    log.info("Not all of %s is pinned: %s", node.path(), error)

            self._start_soon(rest)


def _at_and_below(node: Node) -> Iterator[Node]:
    """`node` with the directories and the attachments below it."""
    ahead = [node]
    while ahead:
        place = ahead.pop()
        if isinstance(place, Directory):
            ahead += place
            yield place
        elif place.kind is Kind.ATTACHMENT:
            yield place
