"""Nodes: what stands at an inode. Plain records; layout.py moves them about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from wsfs.tree.inodes import Kind
from wsfs.tree.names import Candidate, assign, local_name, safe_name, with_id
from wsfs.tree.windows import same_to_windows

#: Whose files they are: a project's own or a task's, by the service's id.
Owner = tuple[Literal["project", "task"], int]


DONE_NAME = "Done"
CONTROL_NAME = ".wsfs"
#: Kinds of what was made here and is in the spool.
LOCAL_KINDS = frozenset({Kind.LOCAL_FILE, Kind.LOCAL_DIRECTORY})
#: Kinds whose title is their name.
_PLAIN = LOCAL_KINDS | {Kind.CONTROL_FILE}


class ProjectRecord(NamedTuple):
    """A project as the tree needs it; `stamp_ns` is its date_added in nanoseconds since 1970."""

    id: int
    title: str
    status: str = "active"
    folder: str = ""
    stamp_ns: int = 0
    author: str = ""


class TaskRecord(NamedTuple):
    """A task or subtask; `parent_id` is 0 at the top level of its project."""

    id: int
    project_id: int
    title: str
    parent_id: int = 0
    done: bool = False
    stamp_ns: int = 0
    author: str = ""


class AttachmentRecord(NamedTuple):
    """An attachment; `stamp_ns` is None where the answer told no date (the owner's date stands in)."""

    id: int
    name: str
    size: int
    stamp_ns: int | None = None
    author: str | None = None


class Node:
    """Something with an inode and a name in one directory.

    `title` is what the service (or the user, for local nodes) calls it, `name` what its directory does.
    `stamp_ns` is its own date. `parent` is None for the root and for what has been taken out of the tree. What is
    `veiled` isn't listed: a pending node shows in its stead. What is `hidden` isn't listed either, but keeps its name
    from others, until it shows again.
    """

    __slots__ = ("author", "hidden", "id", "inode", "kind", "name", "parent", "stamp_ns", "title", "veiled")

    def __init__(self, inode: int, kind: Kind, id: int, title: str, stamp_ns: int = 0) -> None:
        self.inode = inode
        self.kind = kind
        self.id = id
        self.title = title
        self.name = title
        self.parent: Directory | None = None
        self.stamp_ns = stamp_ns
        self.author = ""
        self.veiled = False
        self.hidden = False

    def __repr__(self) -> str:
        return f"<{self.kind.name} {self.inode} {self.name!r}>"

    def path(self) -> str:
        """Where it is, from the root of the mount, as `/Project/Task/name`."""
        parts: list[str] = []
        node: Node | None = self
        while node is not None and node.parent is not None:
            node.parent.name_members()
            parts.append(node.name)
            node = node.parent
        return "/" + "/".join(reversed(parts))


class File(Node):
    """An attachment, a file in the spool, or a control file; `size` in bytes is the API's for an attachment.

    `date_ns` is the service's date (None: not told yet), `kept_ns` the mtime that an uploaded file was given here.
    """

    __slots__ = ("date_ns", "kept_ns", "owner", "size")

    def __init__(
        self, inode: int, kind: Kind, id: int, title: str, *, size: int = 0, stamp_ns: int = 0
    ) -> None:
        super().__init__(inode, kind, id, title, stamp_ns)
        self.size = size
        self.owner: Owner | None = None
        self.date_ns: int | None = None
        self.kept_ns: int | None = None

    @property
    def dated(self) -> bool:
        """Whether the service told its date, and with it its author."""
        return self.date_ns is not None


class Directory(Node):
    """A directory: `members` by inode are what belongs into it, `names` is what a listing shows.

    Names are given when somebody first asks for them, and again when a member came, went or got another title:
    of a hundred thousand nodes most are never looked at. `reserved` are names that no member of the service's may
    have. `done` is the directory of done tasks in it. `windows` says that Windows has to be able to have the names.
    """

    __slots__ = (
        *("_names", "_newest", "done", "members", "project_id", "reserved", "status", "task_parent"),
        *("touched_ns", "windows"),
    )

    def __init__(self, inode: int, kind: Kind, id: int, title: str, *, stamp_ns: int = 0) -> None:
        super().__init__(inode, kind, id, title, stamp_ns)
        self.members: dict[int, Node] = {}
        self._names: dict[str, Node] | None = None
        self._newest: int | None = 0
        self.done: Directory | None = None
        self.reserved: frozenset[str] = frozenset()
        self.touched_ns = 0
        self.status = ""
        self.project_id = 0
        self.task_parent = 0
        self.windows = False

    def __iter__(self) -> Iterator[Node]:
        return iter(self.names.values())

    @property
    def names(self) -> dict[str, Node]:
        """The members by name; not to be changed."""
        names = self._names
        return self.name_members() if names is None else names

    @property
    def is_named(self) -> bool:
        """Whether somebody has asked for names, so that a change of them is news."""
        return self._names is not None

    def name_members(self, *, anew: bool = False) -> dict[str, Node]:
        """Give every member that shows its name, where that isn't done or is wanted anew; the names.

        What was made here keeps its plain name over whatever the service brings.
        """
        if self._names is not None and not anew:
            return self._names
        names: dict[str, Node] = {}
        again: list[Node] = []
        candidates: list[Candidate] = []
        for inode, node in self.members.items():
            if node.veiled or node.kind is Kind.CONTROL_DIRECTORY:
                continue
            if node.kind in _PLAIN:
                if names.setdefault(self._local_name(node), node) is not node:
                    again.append(node)
            elif node is not self.done:
                candidates.append(Candidate(inode, node.id, node.title, isinstance(node, Directory)))
        # Two pending nodes of one name meet only where two directories became one: the first made keeps it.
        for node in sorted(again, key=lambda one: one.inode):
            name = self._local_name(node)
            first = names[name]
            if first.inode > node.inode:
                names[name], node = node, first
            names[with_id(name, node.inode, is_directory=isinstance(node, Directory))] = node
        if self.done is not None:
            taken = DONE_NAME in names
            names[with_id(DONE_NAME, self.id, is_directory=True) if taken else DONE_NAME] = self.done
        for inode, name in assign(candidates, self.reserved.union(names), windows=self.windows).items():
            node = self.members[inode]
            if node.hidden:
                node.name = name
            else:
                names[name] = node
        for name, node in names.items():
            node.name = name
        self._names = names
        return names

    def plain_name(self, file: str) -> str:
        """The name that a file of the service of this title has here if nothing else wants it."""
        return safe_name(file, is_directory=False, windows=self.windows)

    def _local_name(self, node: Node) -> str:
        return local_name(node.title, is_directory=isinstance(node, Directory), windows=self.windows)

    def name_one(self, node: Node) -> bool:
        """Give a new member that was made here its plain name, where nothing else has to be named anew for it; whether
        that was so. A thousand files that are copied in are then not named a thousand times."""
        names = self._names
        if names is None or node.veiled or node.kind not in _PLAIN:
            return False
        name = self._local_name(node)
        if name in names or (self.windows and any(same_to_windows(name, other) for other in names)):
            return False
        names[name] = node
        node.name = name
        return True

    def take_in(self, node: Node) -> None:
        """Have a member more; its name is for `name_members` or `name_one`."""
        self.members[node.inode] = node
        if self._newest is not None:
            self._newest = max(self._newest, node.stamp_ns)

    def let_out(self, node: Node) -> None:
        """Have a member less, where it is one."""
        if self.members.pop(node.inode, None) is not None and node.stamp_ns == self._newest:
            self._newest = None

    def redated(self, before: int, after: int) -> None:
        """A member has another date."""
        if self._newest is None:
            return
        if after >= self._newest:
            self._newest = after
        elif before == self._newest:
            self._newest = None

    def mtime_ns(self) -> int:
        """The newest date among itself, its members and what was done in it here. The kernel asks after each file that
        is copied in, so the members aren't gone through each time."""
        newest = self._newest
        if newest is None:
            newest = self._newest = max((member.stamp_ns for member in self.members.values()), default=0)
        return max(newest, self.stamp_ns, self.touched_ns)
