"""Open files and directories: what a file handle stands for. A handle keeps what it needs, so that it goes on
working when its node is renamed, replaced or gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from wsfs.tree.nodes import Directory, File, Node
from wsfs.uploads.handles import SpoolHandle


class Reader(Protocol):
    """What `content` gives for one open attachment."""

    def read_now(self, offset: int, length: int) -> bytes | None:
        """What is on the disk already, without waiting; None where some of it isn't."""

    async def read(self, offset: int, length: int) -> bytes:
        """The same, waiting for the download."""

    async def fill(self) -> None:
        """Have all of it on this machine, and keep it while the reader is open; NoRoom where that can't be."""

    def close(self) -> None:
        """Give it back; twice is no error."""


@dataclass(slots=True, eq=False)
class AttachmentHandle:
    """An attachment that was opened by the process `pid`; `glance` (seconds): only to see what kind of file it is.

    With `writes` it is open for writing too, by the user `uid` of `gid`, in the directory at `home`. Once its next
    version is being written, `spooled` is that, for every handle of the inode.
    """

    node: File
    reader: Reader
    glance: float | None = None
    writes: bool = False
    pid: int = 0
    uid: int = 0
    gid: int = 0
    home: int = 0
    spooled: SpoolHandle | None = None


@dataclass(slots=True, eq=False)
class SpooledHandle:
    """A pending file."""

    node: File
    spooled: SpoolHandle


@dataclass(slots=True, eq=False)
class ControlHandle:
    """A control file, as it was when it was opened."""

    node: File
    data: bytes


@dataclass(slots=True, eq=False)
class DirectoryHandle:
    """A listing: the names as they were at opendir, in the order of their offsets."""

    node: Directory
    names: list[tuple[str, Node]] = field(default_factory=list)


FileHandle = AttachmentHandle | SpooledHandle | ControlHandle


def spooled_of(handle: FileHandle) -> SpoolHandle | None:
    """What it reads and writes in the spool; None where that isn't where its content is."""
    return None if isinstance(handle, ControlHandle) else handle.spooled
