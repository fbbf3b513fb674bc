"""Where everything goes: projects, tasks and attachments put into directories, under the names they get there.

`Tree` holds every node. Its methods are synchronous and leave it whole; each notes what changed for those who
look through a cache (`take_changes`), so that the kernel can be told afterwards. A name belongs to a directory
and an inode to a node for good: what stays is changed in place, never rebuilt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from wsfs.tree.inodes import ROOT_INODE, Kind, folder_inode, remote_inode, second_done_inode
from wsfs.tree.nodes import AttachmentRecord, Directory, File, Node, Owner, ProjectRecord, TaskRecord

DONE_NAME = "Done"
CONTROL_NAME = ".wsfs"
_LOCAL_KINDS = frozenset({Kind.LOCAL_FILE, Kind.LOCAL_DIRECTORY})


@dataclass(frozen=True, slots=True)
class LayoutOptions:
    """How the account is laid out: `done` is folder, mixed or hide; `folders` groups projects."""

    done: str = "folder"
    folders: bool = False


@dataclass(slots=True)
class Changes:
    """What a mutation changed: names (by directory inode) that came, went or now mean another node, and
    inodes whose attributes differ."""

    entries: set[tuple[int, str]] = field(default_factory=set)
    inodes: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.entries or self.inodes)


class Tree:
    """All nodes of one mount.

    `aliases(kind, id)` gives the inode that overrides the formula, or None: what was uploaded from here keeps
    the number it was made with. `timestamps(kind, id)` likewise gives the mtime in nanoseconds that an
    uploaded file was given here, or None.
    """

    def __init__(
        self,
        options: LayoutOptions | None = None,
        *,
        aliases: Callable[[Kind, int], int | None] = lambda kind, id: None,
        timestamps: Callable[[Kind, int], int | None] = lambda kind, id: None,
    ) -> None:
        self.options = options or LayoutOptions()
        self._aliases = aliases
        self._timestamps = timestamps
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
        self._orphans: dict[int, list[Node]] = {}
        self._stale: set[Directory] = set()
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
        while node is not None and node.kind in (Kind.TASK, Kind.LOCAL_DIRECTORY, Kind.DONE):
            levels += node.kind is not Kind.DONE
            node = node.parent
        # A pending directory at the root is a project to be.
        return levels - 1 if node is self.root else levels

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
            self.set_project(record)
        self._settle()

    def set_project(self, record: ProjectRecord) -> None:
        """Add or change one project."""
        project = self.projects.get(record.id)
        if project is None:
            inode = self._inode(Kind.PROJECT, record.id)
            project = Directory(inode, Kind.PROJECT, record.id, record.title, stamp_ns=record.stamp_ns)
            project.project_id = record.id
            self.projects[record.id] = project
            self._enter(project)
        self._retitle(project, record.title)
        project.status, project.author, project.stamp_ns = record.status, record.author, record.stamp_ns
        self._place(project, self._folder(record.folder))
        self._settle()

    def set_tasks(self, records: Iterable[TaskRecord], project_id: int | None = None) -> None:
        """Take `records` as the complete list of tasks and subtasks of a project, or of the account (None).

        Tasks of projects that aren't known are left out: they belong to projects that the mount doesn't show.
        """
        records = list(records)
        told = {record.id for record in records}
        if project_id is None:
            known = set(self.tasks)
        else:
            known = set(self._tasks_of.get(project_id, ()))
        for id in known - told:
            self._remove_task(id)
        self._upsert(records)
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
        held = self._attachments_of.setdefault(owner, set())
        for id in held - {record.id for record in records}:
            self._remove_attachment(id)
        fallback_ns = self._owner_stamp(owner)
        for record in records:
            self._set_attachment(owner, directory, record, fallback_ns)
            held.add(record.id)
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
        directory = self.by_inode.get(parent)
        if isinstance(directory, Directory):
            self._enter(node)
            self._place(node, directory)
            self._settle()
        else:
            self.by_inode[node.inode] = node
            self._orphans.setdefault(parent, []).append(node)
        return node

    def move_local(self, inode: int, parent: int, name: str) -> None:
        """Rename or move a pending node; both are known."""
        node, directory = self.by_inode[inode], self.by_inode[parent]
        assert isinstance(directory, Directory)
        self._retitle(node, name)
        self._place(node, directory)
        self._settle()

    def remove_local(self, inode: int) -> None:
        """Take a pending node out of the tree; one that isn't there is no error."""
        node = self.by_inode.get(inode)
        if node is not None:
            self._leave(node)
            self._settle()

    def retitle(self, inode: int, title: str) -> None:
        """Give a project or task the title that was just sent to the service."""
        self._retitle(self.by_inode[inode], title)
        self._settle()

    def adopt_file(self, inode: int, owner: Owner, record: AttachmentRecord) -> None:
        """Turn the pending file at `inode` into the attachment that it became, in one step.

        The caller has recorded the alias, so that the id keeps this inode. Where a listing already brought the
        attachment under its own number, that node goes. A pending node that isn't there any more is no error.
        """
        node = self.by_inode.get(inode)
        directory = self.owner_directory(owner)
        if not isinstance(node, File) or directory is None:
            return
        other = self.attachments.get(record.id)
        if other is not None and other is not node:
            self._leave(other)
        node.kind, node.id = Kind.ATTACHMENT, record.id
        self.attachments[record.id] = node
        self._attachments_of.setdefault(owner, set()).add(record.id)
        self._set_attachment(owner, directory, record, node.stamp_ns)
        self._changes.inodes.add(inode)
        self._settle()

    def adopt_directory(
        self, inode: int, owner: Owner, project_id: int, parent_task: int, title: str
    ) -> None:
        """Turn the pending directory at `inode` into the task or project that it became, in one step."""
        node = self.by_inode.get(inode)
        if not isinstance(node, Directory) or node.kind is not Kind.LOCAL_DIRECTORY:
            return
        kind, id = owner
        table = self.projects if kind == "project" else self.tasks
        other = table.get(id)
        node.id, node.project_id = id, project_id
        node.kind = Kind.PROJECT if kind == "project" else Kind.TASK
        node.reserved = self._reserved
        table[id] = node
        if kind == "task":
            node.task_parent, node.status = parent_task, "active"
            self._tasks_of.setdefault(project_id, set()).add(id)
        if other is not None and other is not node:
            for member in list(other.members.values()):
                self._place(member, node)
            self._leave(other)
        self._retitle(node, title)
        self._changes.inodes.add(inode)
        self._settle()

    def touch(self, directory: Directory, now_ns: int) -> None:
        """Note that something was done in `directory` here, as its mtime shows."""
        directory.touched_ns = max(directory.touched_ns, now_ns)
        self._changes.inodes.add(directory.inode)

    # Underneath

    def _inode(self, kind: Kind, id: int) -> int:
        alias = self._aliases(kind, id)
        return remote_inode(kind, id) if alias is None else alias

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
            self.attachments[record.id] = node
            self._enter(node)
        elif node.owner is not None and node.owner != owner:
            self._attachments_of.get(node.owner, set()).discard(record.id)
        stamp_ns = node.stamp_ns
        if record.stamp_ns is not None:
            node.dated, stamp_ns = True, record.stamp_ns
        given = self._timestamps(Kind.ATTACHMENT, record.id)
        if given is not None:
            stamp_ns = given
        if (node.size, node.stamp_ns) != (record.size, stamp_ns):
            node.size, node.stamp_ns = record.size, stamp_ns
            self._changes.inodes.add(node.inode)
        if record.author is not None:
            node.author = record.author
        node.owner = owner
        self._retitle(node, record.name)
        self._place(node, directory)

    def _upsert(self, records: list[TaskRecord]) -> None:
        # Parents first, whatever the order of the answer.
        for record in sorted(records, key=lambda one: one.parent_id != 0):
            if record.project_id not in self.projects:
                continue
            task = self.tasks.get(record.id)
            if task is None:
                inode = self._inode(Kind.TASK, record.id)
                task = Directory(inode, Kind.TASK, record.id, record.title, stamp_ns=record.stamp_ns)
                self.tasks[record.id] = task
                self._enter(task)
            elif task.project_id != record.project_id:
                self._tasks_of.get(task.project_id, set()).discard(record.id)
            self._tasks_of.setdefault(record.project_id, set()).add(record.id)
            self._retitle(task, record.title)
            task.project_id, task.task_parent = record.project_id, record.parent_id
            task.status = "done" if record.done else "active"
            task.stamp_ns, task.author = record.stamp_ns, record.author
        for record in records:
            placed = self.tasks.get(record.id)
            if placed is not None:
                self._replace_task(placed)

    def _replace_task(self, task: Directory) -> None:
        """Put `task`, and what shows in its place, where its record says."""
        project = self.projects[task.project_id]
        if self.drop_tasks.get(task.project_id) == task.id:
            self._displace(task)
            for member in list(task.members.values()):
                self._place(member, project)
            return
        parent = self.tasks.get(task.task_parent) if task.task_parent else None
        directory = project if parent is None else self.container(parent)
        if task.status == "done":
            if self.options.done == "hide":
                self._displace(task)
                return
            if self.options.done == "folder":
                directory = self._done_folder(directory)
        self._place(task, directory)
        for id in self._attachments_of.get(("task", task.id), ()):
            self._place(self.attachments[id], task)

    def _done_folder(self, directory: Directory) -> Directory:
        inode = remote_inode(Kind.DONE, directory.id)
        held = self.by_inode.get(inode)
        if held is not None and held.parent is not directory:
            inode = second_done_inode(directory.id)
            held = self.by_inode.get(inode)
        if isinstance(held, Directory):
            return held
        folder = Directory(inode, Kind.DONE, directory.id, DONE_NAME)
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
        task = self.tasks.get(task_id)
        if task is None:
            return set()
        siblings = self._tasks_of.get(task.project_id, set())
        below: set[int] = set()
        level = {task_id}
        while level:
            level = {id for id in siblings if self.tasks[id].task_parent in level} - below
            below |= level
        return below

    def _remove_project(self, id: int) -> None:
        for task_id in list(self._tasks_of.pop(id, ())):
            self._remove_task(task_id)
        self._remove_owner(("project", id), self.projects.pop(id, None))
        self.drop_tasks.pop(id, None)

    def _remove_task(self, id: int) -> None:
        if id not in self.tasks:
            return
        for below in self._below(id):
            self._remove_task(below)
        task = self.tasks.pop(id)
        self._tasks_of.get(task.project_id, set()).discard(id)
        if self.drop_tasks.get(task.project_id) == id:
            del self.drop_tasks[task.project_id]
        self._remove_owner(("task", id), task)

    def _remove_owner(self, owner: Owner, directory: Directory | None) -> None:
        for id in self._attachments_of.pop(owner, ()):
            self._remove_attachment(id)
        if directory is None:
            return
        # What was made here and isn't sent outlives the directory it was meant for: it waits as an orphan, and
        # what can't be sent any more is for the uploads to say.
        for member in list(directory.members.values()):
            if member.kind in _LOCAL_KINDS:
                self._displace(member)
                self._orphans.setdefault(directory.inode, []).append(member)
        self._leave(directory)

    def _remove_attachment(self, id: int) -> None:
        node = self.attachments.pop(id, None)
        if node is not None:
            if node.owner is not None:
                self._attachments_of.get(node.owner, set()).discard(id)
            self._leave(node)

    def _enter(self, node: Node) -> None:
        self.by_inode[node.inode] = node
        if isinstance(node, Directory):
            if node.kind in (Kind.PROJECT, Kind.TASK):
                node.reserved = self._reserved
            for orphan in self._orphans.pop(node.inode, ()):
                self._place(orphan, node)

    def _leave(self, node: Node) -> None:
        self._displace(node)
        if self.by_inode.get(node.inode) is node:
            del self.by_inode[node.inode]
        self._changes.inodes.add(node.inode)

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
        self._stale.add(directory)
        # `Done` and the folders of projects are there only while they hold something.
        if not directory.members and directory.kind in (Kind.DONE, Kind.FOLDER):
            self._leave(directory)

    def _retitle(self, node: Node, title: str) -> None:
        if node.title != title:
            node.title = title
            if node.parent is not None:
                self._stale.add(node.parent)

    def _settle(self) -> None:
        """Name anew what changed, and note the difference."""
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
