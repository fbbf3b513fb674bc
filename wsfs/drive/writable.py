"""Which attachments may be written to: those that were uploaded from here a short while ago, or all of them."""

from __future__ import annotations

import functools
import math

from wsfs.tree.inodes import Kind
from wsfs.tree.names import safe_name
from wsfs.tree.nodes import File
from wsfs.uploads.noise import is_noise
from wsfs.uploads.spool import Spool

_is_noise = functools.lru_cache(maxsize=4096)(is_noise)


class WritePolicy:
    """What the options say; with `versions` every attachment is writable, in every directory that takes files.

    With `drop` files may be put onto a project. What is saved becomes an attachment of the name that is shown, so an
    older version, which shows with its id, is never writable; and neither is a name that isn't uploaded.
    """

    def __init__(self, spool: Spool, *, versions: bool = False, drop: bool = True) -> None:
        self.versions = versions
        self._spool = spool
        self._drop = drop

    def seconds(self, node: File) -> float:
        """For how many seconds from now the attachment may be written to: 0 for not at all, inf for ever."""
        if not self.versions and not self._spool.recent:
            return 0.0  # first, as it is so for nearly every file of nearly every listing
        directory = node.parent
        if node.kind is not Kind.ATTACHMENT or directory is None:
            return 0.0
        directory.name_members()
        name = safe_name(node.title, is_directory=False)
        left = math.inf if self.versions else self._spool.writable_for(directory.inode, name)
        if left <= 0 or node.name != directory.plain_name(node.title) or _is_noise(name):
            return 0.0
        if directory.kind is Kind.PROJECT and not self._drop:
            return 0.0
        return left
