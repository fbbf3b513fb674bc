"""The numbers that nodes go by: the same after every remount.

An inode is `id × 4 + kind` for what the service knows, counts up from 2^48 for what was made here, and comes
from small ranges of its own for what has no id of either sort.
"""

from __future__ import annotations

import enum
import hashlib

ROOT_INODE = 1
FIRST_LOCAL_INODE = 1 << 48
# The directory of control files takes numbers that the formula can't give: ids start at 1.
_CONTROL_BASE = (1 << 47) - 16
_SECOND_DONE_BASE = 1 << 47
_FOLDER_BASE = 1 << 46
_FOLDER_BITS = 40


class Kind(enum.IntEnum):
    """What a node is; the first four are the kinds of the inode formula."""

    DONE = 0
    PROJECT = 1
    TASK = 2
    ATTACHMENT = 3
    ROOT = 4
    FOLDER = 5
    LOCAL_FILE = 6
    LOCAL_DIRECTORY = 7
    CONTROL_DIRECTORY = 8
    CONTROL_FILE = 9


def remote_inode(kind: Kind, id: int) -> int:
    """The inode of a project, task, attachment or `Done` folder of the service's `id` (1 or more)."""
    return id * 4 + kind


def second_done_inode(id: int) -> int:
    """The inode of a `Done` folder whose own number is taken: a project and a task that share an id."""
    return _SECOND_DONE_BASE + id


def folder_inode(title: str) -> int:
    """The inode of a folder of projects, which the service knows by its title alone."""
    digest = hashlib.blake2b(title.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return _FOLDER_BASE + (int.from_bytes(digest, "big") & ((1 << _FOLDER_BITS) - 1))


def control_inode(index: int) -> int:
    """The inode of the control directory (0) or of one of its files (1 to 15)."""
    return _CONTROL_BASE + index


def is_local(inode: int) -> bool:
    """Whether the number was given out here, to a node that was made on this machine."""
    return inode >= FIRST_LOCAL_INODE
