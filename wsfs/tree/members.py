"""The nodes of a tree and the directories they lie in: what takes them in and out, names them, and notes what changed.

Who belongs where is told by placing.py. A name belongs to a directory and an inode to a node for good: what stays is
changed in place, never rebuilt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from wsfs.tree.changes import Changes
from wsfs.tree.homes import Homes
from wsfs.tree.inodes import ROOT_INODE, Kind
from wsfs.tree.nodes import CONTROL_NAME, Directory, Node

_OF_THE_SERVICE = frozenset({Kind.PROJECT, Kind.TASK})


class Members:
    """All nodes by inode, and the changes of what a listing shows; see Tree for `twin`, Directory for the others."""

    def __init__(
        self, reserved: frozenset[str], twin: Callable[[int, Node], bool], *, windows: bool = False
    ) -> None:
        self._reserved = reserved
        self._windows = windows
        self._twin = twin
        self.root = Directory(ROOT_INODE, Kind.ROOT, 0, "")
        self.root.reserved = frozenset({CONTROL_NAME})
        self.root.windows = windows
        self.by_inode: dict[int, Node] = {ROOT_INODE: self.root}
        self._homes = Homes()
        self._veiled: dict[Node, int] = {}
        self._stale: set[Directory] = set()
        self._emptied: set[Directory] = set()
        self._held = 0
        self._changes = Changes()

    def get(self, inode: int) -> Node | None:
        """The node at `inode`, or None where there is none (any more)."""
        return self.by_inode.get(inode)

    def take_changes(self) -> Changes:
        """What changed since the last call."""
        changes, self._changes = self._changes, Changes()
        return changes

    def container(self, task: Directory) -> Directory:
        """The directory in which the content of `task` shows."""
        return task

    def _bring_home(self, node: Node) -> None:
        """Put a pending node where the content of its directory shows; nowhere while that isn't known."""
        home = self.by_inode.get(self._homes.of(node.inode) or 0)
        if not isinstance(home, Directory):
            self._displace(node)
            return
        self._place(node, self.container(home) if home.kind is Kind.TASK else home)

    def _enter(self, node: Node) -> None:
        self.by_inode[node.inode] = node
        if isinstance(node, Directory):
            node.windows = self._windows
            if node.kind in _OF_THE_SERVICE:
                node.reserved = self._reserved
            for pending in self._homes.at(node.inode):
                self._bring_home(pending)

    def _leave(self, node: Node) -> None:
        """Take `node` out for good. What was made in it here and isn't sent outlives it: it waits unseen, and what
        can't be sent any more is for the uploads to say."""
        self._displace(node)
        self._homes.drop(node.inode)
        self._veiled.pop(node, None)
        if self.by_inode.get(node.inode) is node:
            del self.by_inode[node.inode]
        self._changes.inodes.add(node.inode)
        if isinstance(node, Directory):
            for pending in self._homes.at(node.inode):
                self._displace(pending)
            for member in list(node.members.values()):
                self._displace(member)

    def _place(self, node: Node, directory: Directory) -> None:
        if node.parent is directory:
            return
        self._displace(node)
        node.parent = directory
        directory.take_in(node)
        self._stale.add(directory)

    def _displace(self, node: Node) -> None:
        directory = node.parent
        if directory is None:
            return
        node.parent = None
        directory.let_out(node)
        if directory.done is node:
            directory.done = None
        self._stale.add(directory)
        if not directory.members and directory.kind in (Kind.DONE, Kind.FOLDER):
            self._emptied.add(directory)

    def _lift(self, node: Node) -> None:
        node.veiled = False
        self._veiled.pop(node, None)
        if node.parent is not None:
            self._stale.add(node.parent)

    def _date(self, node: Node, stamp_ns: int) -> None:
        if node.stamp_ns != stamp_ns:
            before, node.stamp_ns = node.stamp_ns, stamp_ns
            self._changes.inodes.add(node.inode)
            if node.parent is not None:
                node.parent.redated(before, stamp_ns)
                self._changes.inodes.add(node.parent.inode)

    def _retitle(self, node: Node, title: str) -> None:
        if node.title != title:
            node.title = title
            if node.parent is not None:
                self._stale.add(node.parent)

    def together(self) -> AbstractContextManager[None]:
        """What is changed in the block is named and noted once, at its end; nobody may look at names within."""
        return self._together()

    @contextmanager
    def _together(self) -> Iterator[None]:
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self._settle()

    def _settle(self, fresh: Node | None = None) -> None:
        """Name anew what changed, and note the difference. `fresh` is what alone came, where that is known."""
        if self._held:
            return
        home = fresh.parent if fresh is not None else None
        if fresh is not None and home is not None and self._stale == {home} and home.name_one(fresh):
            self._stale.clear()
            self._changes.inodes.add(home.inode)
            self._changes.entries.add((home.inode, fresh.name))
        # `Done` and the folders of projects are there only while they hold something.
        while self._emptied:
            directory = self._emptied.pop()
            if not directory.members:
                self._leave(directory)
        stale, self._stale = self._stale, set()
        for directory in stale:
            self._changes.inodes.add(directory.inode)
            if not directory.is_named:
                continue
            before, after = directory.names, directory.name_members(anew=True)
            for name, node in before.items():
                if after.get(name) is not node:
                    self._changes.entries.add((directory.inode, name))
            for name in after.keys() - before.keys():
                self._changes.entries.add((directory.inode, name))
