"""What stat says of a node: the drive's own words for it, which fuse/attributes.py translates."""

from __future__ import annotations

import dataclasses
import math
import stat
from dataclasses import dataclass

from wsfs.tree.inodes import Kind
from wsfs.tree.nodes import Directory, File, Node
from wsfs.uploads.nodes import Spooled

#: Directories in which nothing can be made, whatever the options say: what they show is worked out from tasks.
_DERIVED = frozenset({Kind.DONE, Kind.FOLDER, Kind.CONTROL_DIRECTORY})
# Before the mount's umask.
_WRITABLE_DIRECTORY = stat.S_IFDIR | 0o777
_READ_ONLY_DIRECTORY = stat.S_IFDIR | 0o555
_WRITABLE_FILE = stat.S_IFREG | 0o666
_READ_ONLY_FILE = stat.S_IFREG | 0o444


@dataclass(slots=True)
class Attributes:
    """One node's attributes: times in nanoseconds since 1970, size in bytes, `mode` with its type.

    Made anew for each answer, and changed by nobody who gets it; a frozen one takes three times as long to make, which
    a listing of ten thousand feels.

    `lasting` says that they hold until the kernel is told otherwise, or for `seconds`; `live` that the content is
    made anew at each open, so that no page may be kept.
    """

    inode: int
    mode: int
    size: int
    uid: int
    gid: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int
    lasting: bool = True
    live: bool = False
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose the nodes of the account are, what they may do, and what may be made: from the mount options.

    What is pending belongs to whoever made it, with the mode that they gave it. Where the umask lets the group write,
    directories hand their group down to what is made in them (set-group-ID).
    """

    uid: int
    gid: int
    umask: int = 0o022
    read_only: bool = False
    create_projects: bool = False

    @property
    def hands_down(self) -> bool:
        """Whether what is made belongs to the mount's group, rather than to its maker's."""
        return not self.umask & stat.S_IWGRP


def spooled_attributes(node: Node, spooled: Spooled) -> Attributes:
    """The attributes of a pending node: those it was given here."""
    kind = stat.S_IFDIR if spooled.is_dir else stat.S_IFREG
    mtime_ns = spooled.mtime_ns
    if isinstance(node, Directory):
        mtime_ns = max(mtime_ns, node.mtime_ns())
    return Attributes(
        node.inode,
        kind | spooled.mode,
        spooled.size,
        spooled.uid,
        spooled.gid,
        spooled.atime_ns,
        mtime_ns,
        spooled.ctime_ns,
        lasting=False,
    )


def remote_attributes(node: Node, ownership: Ownership, writable: float = 0.0) -> Attributes:
    """The attributes of a node that the service knows, or that is derived from such.

    `writable` is for how many seconds an attachment may be written to.
    """
    if isinstance(node, Directory):
        closed = ownership.read_only or node.kind in _DERIVED
        if node.kind is Kind.ROOT:
            closed = closed or not ownership.create_projects
        mode, size, stamp = (_READ_ONLY_DIRECTORY if closed else _WRITABLE_DIRECTORY), 0, node.mtime_ns()
        if ownership.hands_down and not closed:
            mode |= stat.S_ISGID
    else:
        assert isinstance(node, File)
        open_to_writers = writable > 0 and not ownership.read_only
        mode, size, stamp = _WRITABLE_FILE if open_to_writers else _READ_ONLY_FILE, node.size, node.stamp_ns
    mode &= ~ownership.umask
    attributes = Attributes(node.inode, mode, size, ownership.uid, ownership.gid, stamp, stamp, stamp)
    if writable:
        attributes.seconds = writable
    return attributes


def control_attributes(node: Node, ownership: Ownership, size: int) -> Attributes:
    """The attributes of a control file, which is made anew at each open."""
    return dataclasses.replace(remote_attributes(node, ownership), size=size, lasting=False, live=True)
