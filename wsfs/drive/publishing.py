"""Which changes of the tree the kernel has to be told of: those of what it was shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wsfs.tree.inodes import ROOT_INODE
from wsfs.tree.layout import Changes, Tree


class Publisher:
    """Hands the tree's changes to `on_changes`, which is called synchronously and must not wait.

    `on_dates` is called in its stead with inodes whose times alone are others: the kernel may learn those in a moment.
    """

    def __init__(
        self,
        tree: Tree,
        on_changes: Callable[[Changes], None] = lambda changes: None,
        on_dates: Callable[[set[int]], None] | None = None,
    ) -> None:
        self._tree = tree
        self._on_changes = on_changes
        self._on_dates = on_dates or (lambda inodes: on_changes(Changes(inodes=inodes)))
        self._shown: set[int] = {ROOT_INODE}

    def shown(self, inode: int) -> None:
        """Note that the kernel was told of this inode, so that it may hold something of it from now on."""
        self._shown.add(inode)

    def publish(
        self, *, without: Iterable[tuple[int, str]] = (), besides: Iterable[tuple[int, str]] = ()
    ) -> None:
        """Hand over what changed in the tree since the last time, as far as the kernel may hold it.

        `without` are entries (directory's inode, name) that the kernel changes itself, by the call at hand, and then
        it forgets the attributes of their directories too (fs/fuse/dir.c, fuse_dir_changed); `besides` those that
        it changes in another way than the tree did.
        """
        without = set(without)
        changes = self._tree.take_changes()
        changes.inodes.difference_update(directory for directory, _ in without)
        changes.entries.update(besides)
        self._tell(
            Changes(
                {entry for entry in changes.entries.difference(without) if entry[0] in self._shown},
                changes.inodes & self._shown,
            )
        )

    def publish_dates(self) -> None:
        """As `publish`, where nothing but the times of nodes has changed; anything else is handed over as ever."""
        changes = self._tree.take_changes()
        if changes.entries:
            self._tell(Changes({entry for entry in changes.entries if entry[0] in self._shown}))
        if dated := changes.inodes & self._shown:
            self._on_dates(dated)

    def changed(self, inode: int) -> None:
        """The attributes of one node are others, though the tree is as it was: the spool's say so."""
        self._tell(Changes(inodes={inode} & self._shown))

    def _tell(self, changes: Changes) -> None:
        if changes:
            self._on_changes(changes)
