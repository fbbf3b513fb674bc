"""Where everything goes: projects, tasks and attachments put into directories, under the names they get there.

`Tree` holds every node. Its methods are synchronous and leave it whole; each notes what changed for those who
look through a cache (`take_changes`), so that the kernel can be told afterwards. A name belongs to a directory
and an inode to a node for good: what stays is changed in place, never rebuilt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from wsfs.tree.changes import Changes
from wsfs.tree.homes import Homes
from wsfs.tree.inodes import ROOT_INODE, Kind, folder_inode, remote_inode, second_done_inode
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

_Key = TypeVar("_Key")

__all__ = ["CONTROL_NAME", "DONE_NAME", "Changes", "LayoutOptions", "Tree"]


@dataclass(frozen=True, slots=True)
class LayoutOptions:
    """How the account is laid out: `done` is folder, mixed or hide; `folders` groups projects."""

    done: str = "folder"
    folders: bool = False


class Tree:
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
        self.options = options or LayoutOptions()
        self._aliases = aliases
        self._timestamps = timestamps
        self._twin = twin
        self.root = Directory(ROOT_INODE, Kind.ROOT, 0, "")
        self.root.reserved = frozenset({CONTROL_NAME})
        self._reserved = frozenset({DONE_NAME}) if self.options.done == "folder" else frozenset()
        self.by_inode: dict[int, Node] = {ROOT_INODE: self.root}
        self.projects: dict[int, Directory] = {}
        self.tasks: dict[int, Directory] = {}
        self.attachments: dict[int, File] = {}
        #: project id → the task whose files show in the project's own directory
        self.drop_tasks: dict[int, int] = {}
        self._tasks_of: dict[int, set[int]] = {}
        self._attachments_of: dict[Owner, set[int]] = {}
        self._subtasks_of: dict[int, set[int]] = {}
        self._homes = Homes()
        self._veiled: dict[Node, int] = {}
        self._stale: set[Directory] = set()
        self._emptied: set[Directory] = set()
        self._changes = Changes()

    # What is there

    def get(self, inode: int) -> Node | None:
        """The node at `inode`, or None where there is none (any more)."""
        return self.by_inode.get(inode)

    def container(self, task: Directory) -> Directory:
        """The directory in which the files and subtasks of `task` show: its own, or the project's for the
        drop task."""
        if self.drop_tasks.get(task.project_id) == task.id:
            return self.projects.get(task.project_id, task)
        return task

    def owner_directory(self, owner: Owner) -> Directory | None:
        """The directory in which the attachments of `owner` show, or None where it isn't known."""
        kind, id = owner
        if kind == "project":
            return self.projects.get(id)
        task = self.tasks.get(id)
        return None if task is None else self.container(task)

    def attachment_ids(self, owner: Owner) -> frozenset[int]:
        """The ids of the attachments known of `owner`."""
        return frozenset(self._attachments_of.get(owner, ()))

    def tasks_of(self, project_id: int) -> list[Directory]:
        """The tasks and subtasks of a project."""
        return [self.tasks[id] for id in self._tasks_of.get(project_id, ())]

    def owners_in(self, directory: Directory) -> list[Owner]:
        """The owners whose attachments show in `directory`, the drop task's among them."""
        if directory.kind is Kind.PROJECT:
            owners: list[Owner] = [("project", directory.id)]
            drop = self.drop_tasks.get(directory.id)
            if drop is not None and drop in self.tasks:
                owners.append(("task", drop))
            return owners
        if directory.kind is Kind.TASK:
            return [("task", directory.id)]
        return []

    def depth(self, directory: Directory) -> int:
        """How many levels of tasks `directory` lies below its project, pending ones counted."""
        levels = 0
        node: Directory | None = directory
        while node is not None and node.kind is Kind.LOCAL_DIRECTORY:
            levels += 1
            node = node.parent
        if node is self.root:
            # A pending directory at the root is a project to be.
            return max(levels - 1, 0)
        if node is not None and node.kind is Kind.TASK:
            levels += 1 + len(self._above(node))
        return levels

    def take_changes(self) -> Changes:
        """What changed since the last call."""
        changes, self._changes = self._changes, Changes()
        return changes

    # What the service tells

    def set_projects(self, records: Iterable[ProjectRecord]) -> None:
        """Take `records` as the complete list of projects."""
        records = list(records)
        for id in self.projects.keys() - {record.id for record in records}:
            self._remove_project(id)
        for record in records:
            self._put_project(record)
        self._settle()

    def _put_project(self, record: ProjectRecord) -> None:
        project = self.projects.get(record.id)
        if project is None:
            inode = self._inode(Kind.PROJECT, record.id)
            project = Directory(inode, Kind.PROJECT, record.id, record.title, stamp_ns=record.stamp_ns)
            project.project_id = record.id
            self.projects[record.id] = project
            self._enter(project)
            self._veil(project, self.root, ("project", record.id))
        self._retitle(project, record.title)
        self._date(project, record.stamp_ns)
        project.status, project.author = record.status, record.author
        self._place(project, self._folder(record.folder))

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
        self._settle()
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
                _discard(self._attachments_of, other.owner, record.id)
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

    # Underneath

    def _inode(self, kind: Kind, id: int) -> int:
        alias = self._aliases(kind, id)
        # While an upload is being adopted its alias is recorded, and the pending node still stands there.
        return remote_inode(kind, id) if alias is None or alias in self.by_inode else alias

    def _owner_stamp(self, owner: Owner) -> int:
        node = (self.projects if owner[0] == "project" else self.tasks).get(owner[1])
        return 0 if node is None else node.stamp_ns

    def _set_attachment(
        self, owner: Owner, directory: Directory, record: AttachmentRecord, fallback_ns: int
    ) -> None:
        node = self.attachments.get(record.id)
        if node is None:
            inode = self._inode(Kind.ATTACHMENT, record.id)
            node = File(
                inode, Kind.ATTACHMENT, record.id, record.name, size=record.size, stamp_ns=fallback_ns
            )
            node.kept_ns = self._timestamps(Kind.ATTACHMENT, record.id)
            self.attachments[record.id] = node
            self._enter(node)
            self._veil(node, directory, owner)
        elif node.owner is not None and node.owner != owner:
            _discard(self._attachments_of, node.owner, record.id)
        if record.stamp_ns is not None:
            node.date_ns = record.stamp_ns
        self._date(node, next((ns for ns in (node.kept_ns, node.date_ns) if ns is not None), node.stamp_ns))
        if node.size != record.size:
            node.size = record.size
            self._changes.inodes.add(node.inode)
        if record.author is not None:
            node.author = record.author
        node.owner = owner
        self._attachments_of.setdefault(owner, set()).add(record.id)
        self._retitle(node, record.name)
        self._place(node, directory)

    def _upsert(self, records: list[TaskRecord]) -> None:
        told: list[Directory] = []
        moved: list[Directory] = []
        # Parents first, whatever the order of the answer.
        for record in sorted(records, key=lambda one: one.parent_id != 0):
            if record.project_id not in self.projects:
                continue
            task = self.tasks.get(record.id)
            is_new = task is None
            if task is None:
                inode = self._inode(Kind.TASK, record.id)
                task = Directory(inode, Kind.TASK, record.id, record.title, stamp_ns=record.stamp_ns)
                task.project_id = record.project_id
                self.tasks[record.id] = task
                self._enter(task)
                moved.append(task)
            elif (task.project_id, task.task_parent) != (record.project_id, record.parent_id):
                moved.append(task)
                if task.project_id != record.project_id:
                    self._leave_project(task)
            self._tasks_of.setdefault(record.project_id, set()).add(record.id)
            task.project_id = record.project_id
            self._set_parent(task, record.parent_id)
            self._retitle(task, record.title)
            self._date(task, record.stamp_ns)
            task.status, task.author = "done" if record.done else "active", record.author
            told.append(task)
            if is_new:
                parent = self.tasks.get(record.parent_id)
                owner: Owner = ("project", record.project_id) if parent is None else ("task", parent.id)
                above = self.projects[record.project_id] if parent is None else self.container(parent)
                self._veil(task, above, owner)
        for task in told:
            self._replace_task(task)
        for task in moved:
            self._replace_contents(task)

    def _set_parent(self, task: Directory, parent_id: int) -> None:
        if task.task_parent:
            _discard(self._subtasks_of, task.task_parent, task.id)
        task.task_parent = parent_id
        if parent_id:
            self._subtasks_of.setdefault(parent_id, set()).add(task.id)

    def _leave_project(self, task: Directory) -> None:
        _discard(self._tasks_of, task.project_id, task.id)
        if self.drop_tasks.get(task.project_id) == task.id:
            del self.drop_tasks[task.project_id]

    def _above(self, task: Directory) -> list[Directory]:
        """The tasks above `task`, the nearest first; none where they form a ring, as tellings in the wrong order
        may make them do."""
        above: list[Directory] = []
        parent = self.tasks.get(task.task_parent)
        while parent is not None:
            if parent is task:
                return []
            if parent in above:
                break
            above.append(parent)
            parent = self.tasks.get(parent.task_parent)
        return above

    def _replace_task(self, task: Directory) -> None:
        """Put `task` where its record says: the drop task, and what is hidden, nowhere."""
        is_done = task.status == "done"
        if self.drop_tasks.get(task.project_id) == task.id or (is_done and self.options.done == "hide"):
            self._displace(task)
            return
        above = self._above(task)
        directory = self.container(above[0]) if above else self.projects[task.project_id]
        if is_done and self.options.done == "folder":
            directory = self._done_folder(directory)
        self._place(task, directory)

    def _replace_contents(self, task: Directory) -> None:
        """Put what belongs into `task` where its content shows: in itself, or in the project for the drop task."""
        container = self.container(task)
        for id in self._attachments_of.get(("task", task.id), ()):
            self._place(self.attachments[id], container)
        for id in self._subtasks_of.get(task.id, ()):
            self._replace_task(self.tasks[id])
        for pending in self._homes.at(task.inode):
            self._bring_home(pending)

    def _bring_home(self, node: Node) -> None:
        """Put a pending node where the content of its directory shows; nowhere while that isn't known."""
        home = self.by_inode.get(self._homes.of(node.inode) or 0)
        if not isinstance(home, Directory):
            self._displace(node)
            return
        self._place(node, self.container(home) if home.kind is Kind.TASK else home)

    def _done_folder(self, directory: Directory) -> Directory:
        if directory.done is not None:
            return directory.done
        inode = remote_inode(Kind.DONE, directory.id)
        if inode in self.by_inode:
            inode = second_done_inode(directory.id)
        folder = directory.done = Directory(inode, Kind.DONE, directory.id, DONE_NAME)
        folder.project_id = directory.project_id
        self._enter(folder)
        self._place(folder, directory)
        return folder

    def _folder(self, title: str) -> Directory:
        if not self.options.folders or not title:
            return self.root
        inode = folder_inode(title)
        held = self.by_inode.get(inode)
        if isinstance(held, Directory):
            return held
        folder = Directory(inode, Kind.FOLDER, 0, title)
        self._enter(folder)
        self._place(folder, self.root)
        return folder

    def _below(self, task_id: int) -> set[int]:
        below: set[int] = set()
        level = {task_id}
        while level:
            level = {id for above in level for id in self._subtasks_of.get(above, ())} - below - {task_id}
            below |= level
        return below

    def _remove_project(self, id: int) -> None:
        project = self.projects.get(id)
        if project is None:
            return
        for task_id in list(self._tasks_of.get(id, ())):
            self._remove_task(task_id)
        del self.projects[id]
        self.drop_tasks.pop(id, None)
        self._remove_owner(("project", id), project)

    def _remove_task(self, id: int) -> None:
        if id not in self.tasks:
            return
        for one in (*self._below(id), id):
            task = self.tasks.pop(one)
            self._leave_project(task)
            self._set_parent(task, 0)
            self._remove_owner(("task", one), task)

    def _remove_owner(self, owner: Owner, directory: Directory) -> None:
        for id in list(self._attachments_of.pop(owner, ())):
            self._remove_attachment(id)
        self._leave(directory)

    def _remove_attachment(self, id: int) -> None:
        node = self.attachments.pop(id)
        if node.owner is not None:
            _discard(self._attachments_of, node.owner, id)
        self._leave(node)

    def _enter(self, node: Node) -> None:
        self.by_inode[node.inode] = node
        if isinstance(node, Directory):
            if node.kind in (Kind.PROJECT, Kind.TASK):
                node.reserved = self._reserved
            for pending in self._homes.at(node.inode):
                self._bring_home(pending)

    def _leave(self, node: Node) -> None:
        """Take `node` out for good. What was made in it here and isn't sent outlives it: it waits unseen, and what
        can't be sent any more is for the uploads to say."""
        self._displace(node)
        self._homes.drop(node.inode)
        self._veiled.pop(node, None)
        if self.by_inode.get(node.inode) is node:
            del self.by_inode[node.inode]
        self._changes.inodes.add(node.inode)
        if isinstance(node, Directory):
            for pending in self._homes.at(node.inode):
                self._displace(pending)
            for member in list(node.members.values()):
                self._displace(member)

    def _place(self, node: Node, directory: Directory) -> None:
        if node.parent is directory:
            return
        self._displace(node)
        node.parent = directory
        directory.members[node.inode] = node
        self._stale.add(directory)

    def _displace(self, node: Node) -> None:
        directory = node.parent
        if directory is None:
            return
        node.parent = None
        directory.members.pop(node.inode, None)
        if directory.done is node:
            directory.done = None
        self._stale.add(directory)
        if not directory.members and directory.kind in (Kind.DONE, Kind.FOLDER):
            self._emptied.add(directory)

    def _veil(self, node: Node, directory: Directory, owner: Owner) -> None:
        """Don't list a new node in `directory` where a pending one shows in its stead."""
        task = self.tasks.get(owner[1]) if owner[0] == "task" else None
        # What was dropped on a project belongs there, what was put into the drop task itself to that.
        for home in {directory.inode, directory.inode if task is None else task.inode}:
            if self._twin(home, node):
                node.veiled = True
                self._veiled[node] = home

    def _lift(self, node: Node) -> None:
        node.veiled = False
        self._veiled.pop(node, None)
        if node.parent is not None:
            self._stale.add(node.parent)

    def _date(self, node: Node, stamp_ns: int) -> None:
        if node.stamp_ns != stamp_ns:
            node.stamp_ns = stamp_ns
            self._changes.inodes.add(node.inode)
            if node.parent is not None:
                self._changes.inodes.add(node.parent.inode)

    def _retitle(self, node: Node, title: str) -> None:
        if node.title != title:
            node.title = title
            if node.parent is not None:
                self._stale.add(node.parent)

    def _settle(self) -> None:
        """Name anew what changed, and note the difference."""
        # `Done` and the folders of projects are there only while they hold something.
        while self._emptied:
            directory = self._emptied.pop()
            if not directory.members:
                self._leave(directory)
        stale, self._stale = self._stale, set()
        for directory in stale:
            self._changes.inodes.add(directory.inode)
            if not directory.is_named:
                continue
            before, after = directory.names, directory.name_members(anew=True)
            for name, node in before.items():
                if after.get(name) is not node:
                    self._changes.entries.add((directory.inode, name))
            for name in after.keys() - before.keys():
                self._changes.entries.add((directory.inode, name))


def _discard(sets: dict[_Key, set[int]], key: _Key, id: int) -> None:
    """Take `id` out of the set at `key`, and the set away once it is empty."""
    held = sets.get(key)
    if held is not None:
        held.discard(id)
        if not held:
            del sets[key]
