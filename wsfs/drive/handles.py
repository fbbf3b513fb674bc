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

    def close(self) -> None:
        """Give it back; twice is no error."""


@dataclass(slots=True, eq=False)
class AttachmentHandle:
    """An attachment, open for reading; `glance`: only to see what kind of file it is."""

    node: File
    reader: Reader
    glance: bool = False


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
