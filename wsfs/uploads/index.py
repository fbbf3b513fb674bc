"""What the spool knows in memory: its nodes by inode and by name, and the numbers it gives out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import trio

from wsfs.uploads import journal as rows
from wsfs.uploads.contents import SMALL, Contents
from wsfs.uploads.errors import NotADirectory, NotAllowed
from wsfs.uploads.journal import Journal
from wsfs.uploads.nodes import FIRST_LOCAL_INODE, BatchRecord, Spooled
from wsfs.uploads.states import IN_FLIGHT, State

CHUNK = 1000
"""How many inodes are reserved at once: a crash skips at most so many."""

FREE_FLOOR = 64 * 1024 * 1024
"""Bytes of the spool's disk that stay free by default."""


def _nothing(_inode: int) -> None:
    return


class Index:
    """The nodes of the spool in `directory`, its journal and its content files; the foundation of Spool.

    `nodes` holds what is in some directory, by inode; who only reads it may do so at any time without waiting.
    `clock` gives unix seconds. `on_change` is called with the inode whenever the spool itself changed what the
    kernel may believe of a node (not for what the kernel asked for); `on_activity` after any change, for the
    sender to look again. Both are synchronous and must not raise.
    """

    def __init__(
        self,
        directory: Path,
        *,
        clock: Callable[[], float] = time.time,
        floor: int = FREE_FLOOR,
        writable_for: float = 3600.0,
        small: int = SMALL,
    ) -> None:
        self.directory = directory
        self.nodes: dict[int, Spooled] = {}
        self.shadows: dict[int, Spooled] = {}
        self.batches: dict[int, BatchRecord] = {}
        self.last_batch = 0
        """The highest number that a batch has had in this run, also one that an earlier run left."""
        self.recent: dict[tuple[int, str], float] = {}
        self.places: dict[
            int, str
        ] = {}  # where the directories of the server were that something waits below
        self.journal = Journal(directory / "journal.sqlite")
        self.contents = Contents(directory / "content", self.journal.read_content, floor=floor, small=small)
        self.clock = clock
        self.on_change: Callable[[int], None] = _nothing
        self.on_activity: Callable[[], None] = lambda: None
        self._writable_for = writable_for
        self._children: dict[int, dict[str, int]] = {}
        self._going: dict[int, trio.Event] = {}
        self._next_inode = FIRST_LOCAL_INODE
        self._reserved = FIRST_LOCAL_INODE

    def child(self, parent: int, name: str) -> Spooled | None:
        """The node of that name in a directory."""
        inode = self._children.get(parent, {}).get(name)
        return None if inode is None else self.nodes[inode]

    def children(self, parent: int) -> list[Spooled]:
        """The nodes in a directory."""
        return [self.nodes[inode] for inode in self._children.get(parent, {}).values()]

    def parents(self) -> Iterable[int]:
        """The inodes of the directories that hold a spooled node."""
        return self._children.keys()

    def members(self, batch_id: int) -> list[Spooled]:
        """The nodes that a batch took, in the order in which they are sent."""
        found = [
            node
            for group in (self.nodes, self.shadows)
            for node in group.values()
            if node.batch == batch_id and node.state is not State.DROPPED
        ]
        return sorted(found, key=lambda node: node.origin)

    def content_path(self, node: Spooled) -> Path:
        """Where a file's content can be read, for whoever sends it, saves it, or moves it into the cache.

        A small content is written out for that (see Contents.file), which blocks: `lend` does so in a thread.
        """
        return self.contents.file(node.content)

    async def lend(self, nodes: Iterable[Spooled]) -> dict[str, Path]:
        """As `content_path`, for several, in a worker thread; by the names of the contents.

        Whose node a content is may be another's when this returns.
        """
        names = [node.content for node in nodes if not node.is_dir]
        return await trio.to_thread.run_sync(lambda: {name: self.contents.file(name) for name in names})

    def sent_lately(self, parent: int, name: str) -> bool:
        """Whether a file of this name was uploaded from here a short while ago, so that it is still writable."""
        return self.writable_for(parent, name) > 0

    def writable_for(self, parent: int, name: str) -> float:
        """For how many seconds a file of this name, uploaded from here a short while ago, is still writable; or 0."""
        sent_at = self.recent.get((parent, name))
        age = -1.0 if sent_at is None else self.clock() - sent_at
        return max(0.0, self._writable_for - age) if age >= 0 else 0.0

    def _new_inode(self) -> int:
        if self._next_inode == self._reserved:
            # Queued before any row that uses one of them, so it is on disk no later.
            self._reserved += CHUNK
            self.journal.post(rows.put_meta("next_inode", self._reserved))
        self._next_inode += 1
        return self._next_inode - 1

    async def reserve_inode(self) -> int:
        """A number for a node that isn't the spool's; it is given out once, whatever crashes after this returned."""
        inode = self._new_inode()
        await self.journal.commit()
        return inode

    def going(self, inode: int) -> None:
        """The node of that inode has been taken by the drive; its row is still to go."""
        self._going[inode] = trio.Event()

    def gone(self, inode: int) -> None:
        """Its row is gone, or won't go in this run: another node may have the inode."""
        event = self._going.pop(inode, None)
        if event is not None:
            event.set()

    def _add(self, node: Spooled) -> None:
        self.nodes[node.inode] = node
        self._children.setdefault(node.parent, {})[node.name] = node.inode

    def _take_out(self, node: Spooled) -> None:
        del self.nodes[node.inode]
        names = self._children[node.parent]
        del names[node.name]
        if not names:
            del self._children[node.parent]

    def _touch(self, node: Spooled, *, waits: bool) -> None:
        """It changed just now: it settles anew. With `waits`, so does the longest that it may wait."""
        node.quiet_since = trio.current_time()
        node.changed_at = self.clock()
        if waits:
            node.waiting_since = node.quiet_since

    def _check_directory(self, parent: int) -> None:
        node = self.nodes.get(parent)
        if node is not None and not node.is_dir:
            raise NotADirectory(f"{node.name} is not a directory")

    def _check_free(self, node: Spooled) -> None:
        if node.state in IN_FLIGHT:
            raise NotAllowed(f"{node.name} is being sent to Worksection and can't be taken back")
