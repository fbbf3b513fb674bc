"""Which changes of the tree the kernel has to be told of: those of what it was shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wsfs.tree.inodes import ROOT_INODE
from wsfs.tree.layout import Changes, Tree


class Publisher:
    """Hands the tree's changes to `on_changes`, which is called synchronously and must not wait."""

    def __init__(self, tree: Tree, on_changes: Callable[[Changes], None] = lambda changes: None) -> None:
        self._tree = tree
        self._on_changes = on_changes
        self._shown: set[int] = {ROOT_INODE}

    def shown(self, inode: int) -> None:
        """Note that the kernel was told of this inode, so that it may hold something of it from now on."""
        self._shown.add(inode)

    def publish(
        self, *, without: Iterable[tuple[int, str]] = (), besides: Iterable[tuple[int, str]] = ()
    ) -> None:
        """Hand over what changed in the tree since the last time, as far as the kernel may hold it.

        `without` are entries (directory's inode, name) that the kernel changes itself, by the call at hand,
        `besides` those that it changes in another way than the tree did.
        """
        changes = self._tree.take_changes()
        changes.entries.update(besides)
        self._tell(
            Changes(
                {entry for entry in changes.entries.difference(without) if entry[0] in self._shown},
                changes.inodes & self._shown,
            )
        )

    def changed(self, inode: int) -> None:
        """The attributes of one node are others, though the tree is as it was: the spool's say so."""
        self._tell(Changes(inodes={inode} & self._shown))

    def _tell(self, changes: Changes) -> None:
        if changes:
            self._on_changes(changes)
