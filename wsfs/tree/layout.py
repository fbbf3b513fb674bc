"""The tree of one account: what the service tells of it and what is made here, put where it belongs.

`Tree` holds every node. Its methods are synchronous and leave it whole; each notes what changed for those who
look through a cache (`take_changes`), so that the kernel can be told afterwards. Where things go is in placing.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wsfs.tree.changes import Changes
from wsfs.tree.inodes import Kind
from wsfs.tree.nodes import (
    CONTROL_NAME,
    DONE_NAME,
    LOCAL_KINDS,
    AttachmentRecord,
    Directory,
    File,
    Node,
    Owner,
    ProjectRecord,
    TaskRecord,
)
from wsfs.tree.placing import LayoutOptions, Placing, discard
from wsfs.tree.windows import from_windows

__all__ = ["CONTROL_NAME", "DONE_NAME", "Changes", "LayoutOptions", "Tree"]


class Tree(Placing):
    """All nodes of one mount.

    `aliases(kind, id)` gives the inode that overrides the formula, or None: what was uploaded from here keeps
    the number it was made with. `timestamps(kind, id)` likewise gives the mtime in nanoseconds that an
    uploaded file was given here, or None. `twin(home, node)` says of a node of the service that is new in the
    directory at inode `home` whether it is a pending node's that still shows there: then it isn't listed until
    that one is adopted, or `unveil` finds it to be another after all.
    """

    def __init__(
        self,
        options: LayoutOptions | None = None,
        *,
        aliases: Callable[[Kind, int], int | None] = lambda kind, id: None,
        timestamps: Callable[[Kind, int], int | None] = lambda kind, id: None,
        twin: Callable[[int, Node], bool] = lambda home, node: False,
    ) -> None:
        super().__init__(options or LayoutOptions(), aliases, timestamps, twin)

    # What the service tells

    def set_projects(self, records: Iterable[ProjectRecord]) -> None:
        """Take `records` as the complete list of projects."""
        records = list(records)
        for id in self.projects.keys() - {record.id for record in records}:
            self._remove_project(id)
        for record in records:
            self._put_project(record)
        self._settle()

    def set_tasks(self, records: Iterable[TaskRecord], project_id: int | None = None) -> None:
        """Take `records` as the complete list of tasks and subtasks of a project, or of the account (None).

        Tasks of projects that aren't known are left out: they belong to projects that the mount doesn't show.
        """
        records = list(records)
        # First what is told: a subtask that outlives its parent goes elsewhere before the parent goes.
        self._upsert(records)
        known = set(self.tasks) if project_id is None else set(self._tasks_of.get(project_id, ()))
        for id in known - {record.id for record in records}:
            self._remove_task(id)
        self._settle()

    def set_task(self, records: Iterable[TaskRecord]) -> None:
        """Add or change a task and those of its subtasks that `records` hold; others stay."""
        self._upsert(list(records))
        self._settle()

    def set_attachments(self, owner: Owner, records: Iterable[AttachmentRecord]) -> None:
        """Take `records` as all attachments that are known of `owner`; what was known before and is missing
        here is gone."""
        records = list(records)
        directory = self.owner_directory(owner)
        if directory is None:
            return
        for id in self.attachment_ids(owner) - {record.id for record in records}:
            self._remove_attachment(id)
        fallback_ns = self._owner_stamp(owner)
        for record in records:
            self._set_attachment(owner, directory, record, fallback_ns)
        self._settle()

    def vanished(self, owner: Owner) -> None:
        """Take a project or task, and everything in it, out of the tree."""
        kind, id = owner
        if kind == "project":
            self._remove_project(id)
        else:
            self._remove_task(id)
        self._settle()

    def set_drop_task(self, project_id: int, task_id: int | None) -> None:
        """Say which task holds the files dropped on a project; None: there is none (any more)."""
        before = self.drop_tasks.get(project_id)
        if before == task_id:
            return
        if task_id is None:
            del self.drop_tasks[project_id]
        else:
            self.drop_tasks[project_id] = task_id
        for id in (before, task_id):
            task = self.tasks.get(id) if id is not None else None
            if task is not None:
                self._replace_task(task)
                self._replace_contents(task)
        self._settle()

    def unveil(self) -> None:
        """Look again at what isn't listed because a pending node shows in its stead."""
        for node, home in list(self._veiled.items()):
            if not self._twin(home, node):
                self._lift(node)
        self._settle()

    # What is made here

    def title_of(self, name: str) -> str:
        """What is made here under the name is called so, in the spool and on the server."""
        return from_windows(name) if self.options.windows_names else name

    def add_local(self, inode: int, parent: int, name: str, *, is_directory: bool, stamp_ns: int = 0) -> Node:
        """Put a pending file or directory into the directory at inode `parent`.

        One whose directory isn't known (yet) waits for it, unseen.
        """
        node: Node
        if is_directory:
            node = Directory(inode, Kind.LOCAL_DIRECTORY, 0, name, stamp_ns=stamp_ns)
        else:
            node = File(inode, Kind.LOCAL_FILE, 0, name, stamp_ns=stamp_ns)
        return self.add_node(node, parent)

    def add_node(self, node: Node, parent: int) -> Node:
        """Put a node that was made elsewhere (a control file, say) into the directory at inode `parent`."""
        self._homes.put(node, parent)
        self._enter(node)
        self._bring_home(node)
        self._settle(fresh=node)
        return node

    def move_local(self, inode: int, parent: int, name: str) -> None:
        """Rename or move a pending node, into a directory that may be unknown; one that isn't there (any more) is
        no error."""
        node = self.by_inode.get(inode)
        if node is not None and node.kind in LOCAL_KINDS:
            self._retitle(node, name)
            self._homes.put(node, parent)
            self._bring_home(node)
            self._settle()

    def remove_local(self, inode: int) -> None:
        """Take a pending node out of the tree; one that isn't there, or that is an attachment by now, stays."""
        node = self.by_inode.get(inode)
        if node is not None and node.kind in LOCAL_KINDS:
            self._leave(node)
            self._settle()

    def date_local(self, inode: int, stamp_ns: int) -> None:
        """Note the mtime of a pending node, which its directory's may follow."""
        node = self.by_inode.get(inode)
        if node is not None and node.kind in LOCAL_KINDS:
            self._date(node, stamp_ns)

    def date_at_least(self, inode: int, stamp_ns: int) -> None:
        """What was made here and sent is no older than it was here, whatever date the service gives it."""
        node = self.by_inode.get(inode)
        if node is not None:
            self._date(node, max(node.stamp_ns, stamp_ns))

    def retitle(self, inode: int, title: str) -> None:
        """Give a project or task the title that was just sent to the service."""
        self._retitle(self.by_inode[inode], title)
        self._settle()

    def adopt_file(
        self, inode: int, owner: Owner, record: AttachmentRecord, kept_ns: int | None = None
    ) -> int:
        """Turn the pending file at `inode` into the attachment that it became, in one step.

        It keeps its inode, and `kept_ns` as its mtime. Where a listing already brought the attachment under its
        own number, that node goes; where the pending one has gone, the attachment stands at `inode` all the same,
        unless it is listed under another number already. A pending file whose owner isn't known (any more) goes.
        Returns the inode that the attachment has for good.
        """
        node = self.by_inode.get(inode)
        other = self.attachments.get(record.id)
        if node is None and other is not None and not other.veiled:
            inode, node = other.inode, other
        if not isinstance(node, File):
            node = File(inode, Kind.ATTACHMENT, record.id, record.name, size=record.size)
        directory = self.owner_directory(owner)
        if directory is None:
            self._leave(node)
            self._settle()
            return inode
        if other is not None and other is not node:
            if other.owner is not None:
                discard(self._attachments_of, other.owner, record.id)
            self._leave(other)
        self._homes.drop(inode)
        node.kind, node.id, node.kept_ns = Kind.ATTACHMENT, record.id, kept_ns
        self.attachments[record.id] = node
        if inode not in self.by_inode:
            self._enter(node)
        self._set_attachment(owner, directory, record, node.stamp_ns)
        self._changes.inodes.add(inode)
        self._settle()
        return inode

    def part_file(self, inode: int, other: int, home: int, name: str) -> File:
        """Turn the attachment at `inode` into the pending file `name` of the directory at `home`, in one step.

        The attachment itself goes on at `other`, a new inode, where it was. Returns it.
        """
        node = self.by_inode[inode]
        assert isinstance(node, File)
        assert node.kind is Kind.ATTACHMENT
        old = File(other, Kind.ATTACHMENT, node.id, node.title, size=node.size, stamp_ns=node.stamp_ns)
        old.owner, old.author, old.hidden = node.owner, node.author, node.hidden
        old.date_ns, old.kept_ns = node.date_ns, node.kept_ns
        directory = node.parent
        assert directory is not None
        self.attachments[old.id] = old
        self._enter(old)
        self._place(old, directory)
        node.kind, node.id, node.title = Kind.LOCAL_FILE, 0, name
        node.owner = node.date_ns = node.kept_ns = None
        node.author, node.hidden = "", False
        self._homes.put(node, home)
        self._bring_home(node)
        self._stale.add(directory)
        self._changes.inodes.add(inode)
        self._settle()
        return old

    def hide(self, node: Node, *, hidden: bool = True) -> None:
        """Don't list `node` for now, though nobody else gets its name (or list it again, with hidden=False)."""
        if node.hidden != hidden:
            node.hidden = hidden
            if node.parent is not None:
                self._stale.add(node.parent)
            self._settle()

    def adopt_directory(
        self, inode: int, owner: Owner, project_id: int, parent_task: int, title: str
    ) -> None:
        """Turn the pending directory at `inode` into the task or project that it became, in one step.

        Where a listing already brought it under its own number, that node goes and what it holds comes here.
        """
        node = self.by_inode.get(inode)
        if not isinstance(node, Directory) or node.kind is not Kind.LOCAL_DIRECTORY:
            return
        kind, id = owner
        table = self.projects if kind == "project" else self.tasks
        other = table.get(id)
        self._homes.drop(inode)
        node.id, node.project_id = id, project_id
        node.kind = Kind.PROJECT if kind == "project" else Kind.TASK
        node.reserved = self._reserved
        table[id] = node
        if kind == "task":
            node.status = "active"
            self._tasks_of.setdefault(project_id, set()).add(id)
            self._set_parent(node, parent_task)
        if other is not None:
            node.status, node.author = other.status, other.author
            for pending in self._homes.at(other.inode):
                self._homes.put(pending, inode)
            for member in list(other.members.values()):
                self._place(member, node)
                if member.kind is Kind.DONE and isinstance(member, Directory):
                    node.done = member
            if kind == "project" and other.parent is not None:
                self._place(node, other.parent)
            self._leave(other)
        self._retitle(node, title)
        if kind == "task":
            self._replace_task(node)
            self._replace_contents(node)
        else:
            for task in self.tasks_of(id):
                self._replace_task(task)
        self._stale.add(node)
        self._settle()

    def touch(self, directory: Directory, now_ns: int) -> None:
        """Note that something was done in `directory` here, as its mtime shows."""
        directory.touched_ns = max(directory.touched_ns, now_ns)
        self._changes.inodes.add(directory.inode)
