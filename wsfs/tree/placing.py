"""Where projects, tasks and attachments belong, by what the service tells of them: in which directory each shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from wsfs.tree.inodes import Kind, folder_inode, remote_inode, second_done_inode
from wsfs.tree.members import Members
from wsfs.tree.nodes import (
    DONE_NAME,
    AttachmentRecord,
    Directory,
    File,
    Node,
    Owner,
    ProjectRecord,
    TaskRecord,
)

_Key = TypeVar("_Key")
# Looking a member of an enum up takes Python 3.11 as long as a call, and these are wanted for each of 100,000 nodes.
_TASK = Kind.TASK
_ATTACHMENT = Kind.ATTACHMENT


@dataclass(frozen=True, slots=True)
class LayoutOptions:
    """How the account is laid out: `done` is folder, mixed or hide; `folders` groups projects; `windows_names` has
    every name be one that Windows can have."""

    done: str = "folder"
    folders: bool = False
    windows_names: bool = False


class Placing(Members):
    """The tables of what the service has, and the rules that put each thing into a directory; see Tree."""

    def __init__(
        self,
        options: LayoutOptions,
        aliases: Callable[[Kind, int], int | None],
        timestamps: Callable[[Kind, int], int | None],
        twin: Callable[[int, Node], bool],
    ) -> None:
        reserved = frozenset({DONE_NAME}) if options.done == "folder" else frozenset()
        super().__init__(reserved, twin, windows=options.windows_names)
        self.options = options
        self._aliases = aliases
        self._timestamps = timestamps
        self.projects: dict[int, Directory] = {}
        self.tasks: dict[int, Directory] = {}
        self.attachments: dict[int, File] = {}
        #: project id → the task whose files show in the project's own directory
        self.drop_tasks: dict[int, int] = {}
        self._tasks_of: dict[int, set[int]] = {}
        self._attachments_of: dict[Owner, set[int]] = {}
        self._subtasks_of: dict[int, set[int]] = {}

    # What is there

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

    def attachments_of(self, owner: Owner, *, below: bool = False) -> list[File]:
        """The attachments known of `owner`; with `below` those of a task's subtasks too."""
        owners: list[Owner] = [owner]
        if below and owner[0] == "task":
            owners += [("task", id) for id in self._below(owner[1])]
        return [self.attachments[id] for one in owners for id in self._attachments_of.get(one, ())]

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

    # Where it goes

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
            inode = self._inode(_ATTACHMENT, record.id)
            node = File(inode, _ATTACHMENT, record.id, record.name, size=record.size, stamp_ns=fallback_ns)
            node.kept_ns = self._timestamps(_ATTACHMENT, record.id)
            self.attachments[record.id] = node
            self._enter(node)
            self._veil(node, directory, owner)
        elif node.owner is not None and node.owner != owner:
            discard(self._attachments_of, node.owner, record.id)
        if record.stamp_ns is not None:
            node.date_ns = record.stamp_ns
        if node.kept_ns is not None:
            self._date(node, node.kept_ns)
        elif node.date_ns is not None:
            self._date(node, node.date_ns)
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
                inode = self._inode(_TASK, record.id)
                task = Directory(inode, _TASK, record.id, record.title, stamp_ns=record.stamp_ns)
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
            discard(self._subtasks_of, task.task_parent, task.id)
        task.task_parent = parent_id
        if parent_id:
            self._subtasks_of.setdefault(parent_id, set()).add(task.id)

    def _leave_project(self, task: Directory) -> None:
        discard(self._tasks_of, task.project_id, task.id)
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

    def _veil(self, node: Node, directory: Directory, owner: Owner) -> None:
        """Don't list a new node in `directory` where a pending one shows in its stead."""
        task = self.tasks.get(owner[1]) if owner[0] == "task" else None
        # What was dropped on a project belongs there, what was put into the drop task itself to that.
        for home in {directory.inode, directory.inode if task is None else task.inode}:
            if self._twin(home, node):
                node.veiled = True
                self._veiled[node] = home

    # What goes

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
            discard(self._attachments_of, node.owner, id)
        self._leave(node)


def discard(sets: dict[_Key, set[int]], key: _Key, id: int) -> None:
    """Take `id` out of the set at `key`, and the set away once it is empty."""
    held = sets.get(key)
    if held is not None:
        held.discard(id)
        if not held:
            del sets[key]
