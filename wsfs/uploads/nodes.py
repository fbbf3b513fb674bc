"""What the spool holds: its nodes, and the batches that took them."""

from __future__ import annotations

import dataclasses
from typing import Literal

from wsfs.uploads.states import State

FIRST_LOCAL_INODE = 2**48
"""Local nodes count up from here; below are those that the ids of the service give."""

BatchKind = Literal["comment", "task", "project"]


@dataclasses.dataclass(slots=True, eq=False)
class Spooled:
    """One file or directory that lives in the spool.

    `parent` is the inode of its directory: a spooled one's, or one that only the drive can read. `error` is
    the sentence that says why it is quarantined or held up; `uncertain`, that the service may have it all the
    same. `remote_id` is the attachment's id once it is known (state SENT): whoever lists the directory leaves
    that attachment out until the node goes. A `shadow` is the old version of a file that was written to while
    it was being sent: it is in no directory.

    Times that end in `_ns` are unix nanoseconds and go to the kernel; `created_at` and `changed_at` (the last
    close or rename) are unix seconds and are in the journal. `born` and `quiet_since` are the same moments by
    the monotonic clock that the waits use, `waiting_since` is when it was first ready to be sent.

    `content` is the name of its content file; `content_stamp` that file's mtime when its bytes were last made
    safe; `closed`, that every descriptor that wrote has been closed since. `batch` is the batch that took it.
    `xattrs` are the extended attributes that programs gave it; they have a table of their own.
    """

    inode: int
    parent: int
    name: str
    is_dir: bool
    state: State
    mode: int
    uid: int
    gid: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int
    size: int = 0
    error: str | None = None
    remote_id: int | None = None
    content: str = ""
    content_stamp: int = 0
    closed: bool = False
    uncertain: bool = False
    shadow: bool = False
    released: bool = False
    batch: int | None = None
    created_at: float = 0.0
    changed_at: float = 0.0
    xattrs: dict[str, bytes] = dataclasses.field(default_factory=dict)

    # What only the running process knows.
    born: float = 0.0
    quiet_since: float = 0.0
    waiting_since: float = 0.0
    version: int = 0
    safe_version: int = -1
    writers: int = 0
    forced: bool = False
    named: bool = False

    @property
    def dirty(self) -> bool:
        """Whether its content has changed since it was last made safe."""
        return self.version != self.safe_version

    @property
    def origin(self) -> int:
        """The inode that its content was made for: a shadow's own inode is younger than its place in a batch."""
        return int(self.content.partition(".")[0]) if self.content else self.inode


@dataclasses.dataclass(slots=True, frozen=True)
class BatchRecord:
    """A batch as the journal knows it, from the moment before it is sent until its nodes are gone.

    `task` is the task that gets the comment, or under which a task is made (0: at the top); `project` is their
    project (0: the batch makes one). `directory` is the spooled directory that it
    makes a task or project of; `drop` says that it makes or fills a project's drop task. `known` are the
    attachments that the task had before. `author` is the email in whose name it is posted, None where that is the
    login's own. `result` is the id of the comment, task or project that the service
    made of it: None until it has.
    """

    id: int
    kind: BatchKind
    project: int
    task: int
    directory: int | None
    drop: bool
    known: frozenset[int]
    result: int | None = None
    author: str | None = None


NODE_COLUMNS = (
    *("inode", "parent", "name", "is_dir", "state", "mode", "uid", "gid", "atime_ns", "mtime_ns", "ctime_ns"),
    *("size", "error", "remote_id", "content", "content_stamp", "closed", "uncertain", "shadow", "released"),
    *("batch", "created_at", "changed_at"),
)
"""The fields of a node that are on disk, in the order of the table's columns."""
