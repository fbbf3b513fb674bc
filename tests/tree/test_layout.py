"""The tree against a simple model: random tellings and doings, and what must hold after each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from wsfs.tree.inodes import FIRST_LOCAL_INODE, ROOT_INODE, Kind, folder_inode, remote_inode
from wsfs.tree.layout import DONE_NAME, LayoutOptions, Tree
from wsfs.tree.names import safe_name
from wsfs.tree.nodes import (
    LOCAL_KINDS,
    AttachmentRecord,
    Directory,
    File,
    Node,
    Owner,
    ProjectRecord,
    TaskRecord,
)
from wsfs.tree.windows import to_windows

PROJECTS = st.integers(1, 3)
TASKS = st.integers(4, 11)
FILES = st.integers(20, 27)
TITLES = st.sampled_from(["a", "b", "a (id 5)", "Done", ".wsfs", "x/y", "a.txt", "A", "b?", "nul", "."])
STAMPS = st.integers(1, 5)


@dataclass
class Pending:
    parent: int
    name: str
    is_dir: bool


@dataclass
class Model:
    """What was told and done; where everything belongs follows from it."""

    done: str
    folders: bool
    projects: dict[int, ProjectRecord] = field(default_factory=dict)
    tasks: dict[int, TaskRecord] = field(default_factory=dict)
    files: dict[Owner, dict[int, AttachmentRecord]] = field(default_factory=dict)
    pending: dict[int, Pending] = field(default_factory=dict)
    drops: dict[int, int] = field(default_factory=dict)
    aliases: dict[tuple[Kind, int], int] = field(default_factory=dict)

    def inode(self, kind: Kind, id: int) -> int:
        return self.aliases.get((kind, id), remote_inode(kind, id))

    def is_drop(self, task: int) -> bool:
        return task in self.tasks and self.drops.get(self.tasks[task].project_id) == task

    def container(self, owner: Owner) -> int:
        kind, id = owner
        if kind == "project":
            return self.inode(Kind.PROJECT, id)
        if self.is_drop(id):
            return self.inode(Kind.PROJECT, self.tasks[id].project_id)
        return self.inode(Kind.TASK, id)

    def places(self) -> dict[int, Any]:
        """Inode → the inode of its directory; a done task in a Done folder → (that directory, "Done")."""
        where: dict[int, Any] = {}
        for id, project in self.projects.items():
            folder = self.folders and project.folder
            where[self.inode(Kind.PROJECT, id)] = folder_inode(project.folder) if folder else ROOT_INODE
            if folder:
                where[folder_inode(project.folder)] = ROOT_INODE
        for id, task in self.tasks.items():
            parent: Owner = ("project", task.project_id)
            if task.parent_id in self.tasks:
                parent = ("task", task.parent_id)
            above = self.container(parent)
            if self.is_drop(id) or (task.done and self.done == "hide"):
                continue
            inode = self.inode(Kind.TASK, id)
            where[inode] = (above, DONE_NAME) if task.done and self.done == "folder" else above
        for owner, files in self.files.items():
            for id in files:
                where[self.inode(Kind.ATTACHMENT, id)] = self.container(owner)
        for inode, node in self.pending.items():
            above = node.parent
            for id in self.tasks:
                if self.inode(Kind.TASK, id) == above:
                    above = self.container(("task", id))
            where[inode] = above
        return where

    def descendants(self, id: int) -> set[int]:
        below = {one for one, task in self.tasks.items() if task.parent_id == id and one != id}
        return below.union(*(self.descendants(one) for one in below)) if below else below

    def drop_task(self, id: int) -> None:
        for one in {id} | self.descendants(id):
            if one in self.tasks:
                task = self.tasks.pop(one)
                self.files.pop(("task", one), None)
                if self.drops.get(task.project_id) == one:
                    del self.drops[task.project_id]

    def drop_project(self, id: int) -> None:
        for one in [one for one, task in self.tasks.items() if task.project_id == id]:
            self.drop_task(one)
        self.files.pop(("project", id), None)
        self.drops.pop(id, None)
        self.projects.pop(id, None)

    def has(self, owner: Owner) -> bool:
        return owner[1] in (self.projects if owner[0] == "project" else self.tasks)

    def put_file(self, owner: Owner, record: AttachmentRecord) -> None:
        for files in self.files.values():
            files.pop(record.id, None)
        self.files.setdefault(owner, {})[record.id] = record

    def directories(self) -> list[int]:
        found = [self.inode(Kind.PROJECT, id) for id in self.projects]
        found += [self.inode(Kind.TASK, id) for id in self.tasks]
        return found + [inode for inode, node in self.pending.items() if node.is_dir]

    def lies_below(self, inode: int, other: int) -> bool:
        while inode in self.pending:
            if inode == other:
                return True
            inode = self.pending[inode].parent
        return inode == other


def attributes(node: Node) -> tuple[int, int]:
    if isinstance(node, Directory):
        return (node.mtime_ns(), 0)
    assert isinstance(node, File)
    return (node.stamp_ns, node.size)


class Layout(RuleBasedStateMachine):
    """Tellings of the service, doings here, in any order."""

    @initialize(
        done=st.sampled_from(["folder", "mixed", "hide"]), folders=st.booleans(), windows=st.booleans()
    )
    def begin(self, done: str, folders: bool, windows: bool) -> None:
        self.windows = windows
        self.model = Model(done, folders)
        self.tree = Tree(
            LayoutOptions(done, folders, windows), aliases=lambda kind, id: self.model.aliases.get((kind, id))
        )
        self.next_inode = FIRST_LOCAL_INODE
        self.listings: dict[int, dict[str, int]] = {ROOT_INODE: {}}
        self.known: dict[int, tuple[int, int]] = {ROOT_INODE: attributes(self.tree.root)}
        self.objects: dict[int, Node] = {}

    # what the service tells

    @rule(
        records=st.lists(
            st.builds(
                ProjectRecord, PROJECTS, TITLES, st.just("active"), st.sampled_from(["", "F", "a"]), STAMPS
            ),
            unique_by=lambda one: one.id,
        )
    )
    def set_projects(self, records: list[ProjectRecord]) -> None:
        self.tree.set_projects(records)
        for id in self.model.projects.keys() - {one.id for one in records}:
            self.model.drop_project(id)
        self.model.projects.update({one.id: one for one in records})

    def records(self, data: st.DataObject, project: int | None, some: bool) -> list[TaskRecord]:
        """Tasks as an answer nests them: a parent is told before, in the same project."""
        told: dict[int, TaskRecord] = {}
        count = data.draw(st.integers(int(some), 5))
        for id in data.draw(st.lists(TASKS, min_size=count, max_size=count, unique=True)):
            home = project if project is not None else data.draw(PROJECTS)
            parents = [0] + [one.id for one in told.values() if one.project_id == home]
            told[id] = TaskRecord(
                id,
                home,
                data.draw(TITLES),
                data.draw(st.sampled_from(parents)),
                data.draw(st.booleans()),
                data.draw(STAMPS),
            )
        return data.draw(st.permutations(list(told.values())))

    def take(self, records: list[TaskRecord]) -> None:
        for one in records:
            if one.project_id in self.model.projects:
                before = self.model.tasks.get(one.id)
                moved = before is not None and before.project_id != one.project_id
                if before is not None and moved and self.model.drops.get(before.project_id) == one.id:
                    del self.model.drops[before.project_id]
                self.model.tasks[one.id] = one
            # whoever went to a project that isn't shown stays where it was until its old project tells

    @rule(project=PROJECTS, data=st.data())
    def set_tasks(self, project: int, data: st.DataObject) -> None:
        records = self.records(data, project, some=False)
        self.tree.set_tasks(records, project)
        self.take(records)
        told = {one.id for one in records}
        gone = [id for id, task in self.model.tasks.items() if task.project_id == project and id not in told]
        for id in gone:
            self.model.drop_task(id)

    @rule(data=st.data())
    def set_task(self, data: st.DataObject) -> None:
        home = data.draw(PROJECTS)
        records = self.records(data, home, some=True)
        # Where a subtask of another project hangs below one of these, the service tells it with its parent.
        told = {one.id for one in records}
        for one in list(records):
            for below in self.model.descendants(one.id) - told:
                old = self.model.tasks[below]
                if old.project_id != home:
                    records.append(TaskRecord(below, home, old.title, old.parent_id, old.done, old.stamp_ns))
                    told.add(below)
        for one in records:  # no rings: an answer is a tree
            seen = {one.id}
            above = one.parent_id
            while above:
                if above in seen:
                    return
                seen.add(above)
                record = next((r for r in records if r.id == above), self.model.tasks.get(above))
                above = record.parent_id if record else 0
        self.tree.set_task(records)
        self.take(records)

    @rule(kind=st.sampled_from(["project", "task"]), data=st.data())
    def set_attachments(self, kind: Any, data: st.DataObject) -> None:
        owner: Owner = (kind, data.draw(PROJECTS if kind == "project" else TASKS))
        records = data.draw(
            st.lists(
                st.builds(AttachmentRecord, FILES, TITLES, st.integers(0, 3), st.none() | STAMPS),
                unique_by=lambda one: one.id,
                max_size=4,
            )
        )
        self.tree.set_attachments(owner, records)
        if self.model.has(owner):
            self.model.files[owner] = {}
            for record in records:
                self.model.put_file(owner, record)

    @rule(kind=st.sampled_from(["project", "task"]), data=st.data())
    def vanished(self, kind: Any, data: st.DataObject) -> None:
        id = data.draw(PROJECTS if kind == "project" else TASKS)
        self.tree.vanished((kind, id))
        (self.model.drop_project if kind == "project" else self.model.drop_task)(id)

    @precondition(lambda self: self.model.projects)
    @rule(data=st.data())
    def set_drop_task(self, data: st.DataObject) -> None:
        project = data.draw(st.sampled_from(sorted(self.model.projects)))
        top = [id for id, one in self.model.tasks.items() if one.project_id == project and not one.parent_id]
        task = data.draw(st.sampled_from([None, *top]))
        self.tree.set_drop_task(project, task)
        self.model.drops.pop(project, None)
        if task is not None:
            self.model.drops[project] = task

    # what is done here

    @precondition(lambda self: self.model.directories())
    @rule(name=TITLES, is_dir=st.booleans(), data=st.data())
    def add_local(self, name: str, is_dir: bool, data: st.DataObject) -> None:
        parent = data.draw(st.sampled_from(self.model.directories()))
        if (
            any((one.parent, one.name) == (parent, name) for one in self.model.pending.values())
            or "/" in name
            or name == "."
        ):
            return
        inode, self.next_inode = self.next_inode, self.next_inode + 1
        self.tree.add_local(inode, parent, name, is_directory=is_dir, stamp_ns=3)
        self.model.pending[inode] = Pending(parent, name, is_dir)

    @precondition(lambda self: self.model.pending and self.model.directories())
    @rule(name=TITLES, data=st.data())
    def move_local(self, name: str, data: st.DataObject) -> None:
        inode = data.draw(st.sampled_from(sorted(self.model.pending)))
        parent = data.draw(st.sampled_from(self.model.directories()))
        taken = any((one.parent, one.name) == (parent, name) for one in self.model.pending.values())
        if taken or "/" in name or name == "." or self.model.lies_below(parent, inode):
            return
        self.tree.move_local(inode, parent, name)
        self.model.pending[inode].parent, self.model.pending[inode].name = parent, name

    @precondition(lambda self: self.model.pending)
    @rule(data=st.data())
    def remove_local(self, data: st.DataObject) -> None:
        inode = data.draw(st.sampled_from(sorted(self.model.pending)))
        if any(one.parent == inode for one in self.model.pending.values()):
            return
        self.tree.remove_local(inode)
        del self.model.pending[inode]

    @precondition(lambda self: any(not one.is_dir for one in self.model.pending.values()))
    @rule(data=st.data(), id=FILES, stamp=st.none() | STAMPS)
    def adopt_file(self, data: st.DataObject, id: int, stamp: int | None) -> None:
        inode = data.draw(st.sampled_from([i for i, one in self.model.pending.items() if not one.is_dir]))
        pending = self.model.pending[inode]
        owner = next(
            (
                owner
                for owner in self.owners()
                if self.model.inode(Kind.PROJECT if owner[0] == "project" else Kind.TASK, owner[1])
                == pending.parent
            ),
            None,
        )
        if owner is None or (Kind.ATTACHMENT, id) in self.model.aliases:
            return
        other = self.tree.attachments.get(id)
        if other is not None:
            self.objects.pop(other.inode, None)
        self.model.aliases[Kind.ATTACHMENT, id] = inode
        record = AttachmentRecord(id, pending.name, 7, stamp)
        self.tree.adopt_file(inode, owner, record)
        del self.model.pending[inode]
        self.model.put_file(owner, record)

    @precondition(lambda self: self.tree.attachments)
    @rule(data=st.data())
    def part_file(self, data: st.DataObject) -> None:
        """A program writes to an attachment."""
        node = self.tree.attachments[data.draw(st.sampled_from(sorted(self.tree.attachments)))]
        assert node.parent is not None
        home, name = node.parent.inode, safe_name(node.title, is_directory=False)
        if any((one.parent, one.name) == (home, name) for one in self.model.pending.values()):
            return
        inode, id, other = node.inode, node.id, self.next_inode
        self.next_inode += 1
        self.model.aliases[Kind.ATTACHMENT, id] = other
        self.model.pending[inode] = Pending(home, name, False)
        self.objects.pop(inode, None)
        told = (node.title, node.size, node.stamp_ns, node.owner, node.hidden)
        old = self.tree.part_file(inode, other, home, name)
        assert (old.title, old.size, old.stamp_ns, old.owner, old.hidden) == told
        assert self.tree.by_inode[inode] is node, "who has it open keeps his node"
        assert node.name == (to_windows(name) if self.windows else name)

    @precondition(lambda self: self.tree.attachments)
    @rule(data=st.data(), hidden=st.booleans())
    def hide(self, data: st.DataObject, hidden: bool) -> None:
        node = self.tree.attachments[data.draw(st.sampled_from(sorted(self.tree.attachments)))]
        assert node.parent is not None
        names = {one.inode: one.name for one in node.parent.names.values()}
        self.tree.hide(node, hidden=hidden)
        for one in node.parent.names.values():
            assert one is node or one.name == names[one.inode], "nobody gets another name for that"

    def owners(self) -> list[Owner]:
        return [("project", id) for id in self.model.projects] + [("task", id) for id in self.model.tasks]

    @rule(data=st.data(), id=TASKS)
    def adopt_directory(self, data: st.DataObject, id: int) -> None:
        model = self.model
        homes = {model.inode(Kind.PROJECT, one): (one, 0) for one in model.projects}
        homes |= {model.inode(Kind.TASK, one): (task.project_id, one) for one, task in model.tasks.items()}
        ready = [i for i, one in model.pending.items() if one.is_dir and one.parent in homes]
        if not ready or (Kind.TASK, id) in model.aliases:
            return
        inode = data.draw(st.sampled_from(ready))
        project, parent = homes[model.pending[inode].parent]
        if id == parent or id in self.above(parent):
            return
        if id in model.tasks:  # a listing brought it already: the same task, so the same place
            old = model.tasks[id]
            if (old.project_id, old.parent_id) != (project, parent):
                return
            self.objects.pop(model.inode(Kind.TASK, id), None)
            for one in model.pending.values():
                if one.parent == model.inode(Kind.TASK, id):
                    one.parent = inode
        title = model.pending[inode].name
        model.aliases[Kind.TASK, id] = inode
        self.tree.adopt_directory(inode, ("task", id), project, parent, title)
        del model.pending[inode]
        done = id in model.tasks and model.tasks[id].done
        model.tasks[id] = TaskRecord(id, project, title, parent, done, 3)

    def above(self, task: int) -> set[int]:
        found: set[int] = set()
        while task in self.model.tasks and task not in found:
            found.add(task)
            task = self.model.tasks[task].parent_id
        return found

    # what must hold

    @invariant()
    def everything_is_in_its_place(self) -> None:
        if not hasattr(self, "tree"):
            return
        expected = self.model.places()
        found: dict[int, Any] = {}
        for node in self.tree.by_inode.values():
            assert self.tree.by_inode[node.inode] is node
            if node.parent is None or node.kind is Kind.DONE:
                continue
            assert node.parent.members[node.inode] is node
            if node.parent.kind is Kind.DONE:
                above = node.parent.parent
                assert above is not None
                assert above.members[node.parent.inode] is node.parent
                found[node.inode] = (above.inode, DONE_NAME)
            else:
                found[node.inode] = node.parent.inode
        hidden = {self.model.inode(Kind.TASK, id) for id in self.model.tasks} - expected.keys()
        there = {ROOT_INODE, *self.model.directories()}
        waiting = {inode for inode in self.model.pending if expected[inode] not in there}
        assert found == {inode: above for inode, above in expected.items() if inode not in waiting}
        extra = self.tree.by_inode.keys() - found.keys() - waiting - hidden - {ROOT_INODE}
        for inode in extra:
            node = self.tree.by_inode[inode]
            assert node.kind is Kind.DONE, f"{node} leaks"
            assert isinstance(node, Directory)
            assert node.members

    @invariant()
    def names_are_those_of_the_members(self) -> None:
        if not hasattr(self, "tree"):
            return
        for node in self.tree.by_inode.values():
            if not isinstance(node, Directory):
                continue
            listed = [one.inode for one in node.names.values()]
            shown = {inode for inode, one in node.members.items() if not one.hidden}
            assert set(listed) == shown
            dates = [one.stamp_ns for one in node.members.values()]
            assert node.mtime_ns() == max(0, node.stamp_ns, node.touched_ns, *dates)
            assert len(listed) == len(shown)
            assert not [one for one in node.members.values() if one.hidden and one.name in node.names]
            assert sum(one.kind is Kind.DONE for one in node.members.values()) <= 1
            taken = [one.title for one in node.members.values() if one.kind in LOCAL_KINDS]
            for name, one in node.names.items():
                assert one.name == name
                assert one.parent is node
                assert "/" not in name
                if one.kind in LOCAL_KINDS and taken.count(one.title) == 1:
                    own_name = to_windows(one.title) if self.windows else one.title
                    assert name == own_name, "what is pending has its plain name"
                elif one.kind not in LOCAL_KINDS and one.kind is not Kind.DONE:
                    plain = safe_name(
                        one.title, is_directory=isinstance(one, Directory), windows=self.windows
                    )
                    assert name == plain or "(id" in name
            if self.windows:
                remote = [name for name, one in node.names.items() if one.kind not in LOCAL_KINDS]
                assert len({name.casefold() for name in remote}) == len(remote)

    @invariant()
    def what_changed_was_told(self) -> None:
        if not hasattr(self, "tree"):
            return
        changes = self.tree.take_changes()
        for inode in changes.inodes:
            node = self.tree.get(inode)
            if node is None:
                self.known.pop(inode, None)
                self.listings.pop(inode, None)  # its parent's entry goes, and with it all below
            else:
                self.known[inode] = attributes(node)
        for parent, name in changes.entries:
            directory = self.tree.get(parent)
            listing = self.listings.setdefault(parent, {})
            if isinstance(directory, Directory) and name in directory.names:
                listing[name] = directory.names[name].inode
            else:
                listing.pop(name, None)
        gone = [inode for inode in self.listings if inode not in self.tree.by_inode]
        for inode in gone:
            assert not self.listings.pop(inode), "names of a directory that went were not told"
        for inode, node in self.tree.by_inode.items():
            if isinstance(node, Directory):
                real = {name: one.inode for name, one in node.names.items()}
                assert self.listings.setdefault(inode, real) == real
        for inode, node in self.tree.by_inode.items():
            if inode in self.known:
                assert self.known[inode] == attributes(node), f"{node} changed and nobody was told"
            self.known[inode] = attributes(node)
        assert not self.known.keys() - self.tree.by_inode.keys(), "nodes went and nobody was told"

    @invariant()
    def what_stays_is_the_same_node(self) -> None:
        if not hasattr(self, "tree"):
            return
        for inode, node in self.objects.items():
            held = self.tree.by_inode.get(inode)
            if held is not None and (held.kind, held.id) == (node.kind, node.id):
                expected = self.model.aliases.get((node.kind, node.id))
                assert expected in (None, inode)
        self.objects = dict(self.tree.by_inode)
        for id, task in self.tree.tasks.items():
            assert task.inode == self.model.inode(Kind.TASK, id)
        for id, file in self.tree.attachments.items():
            assert file.inode == self.model.inode(Kind.ATTACHMENT, id)

    @invariant()
    def nothing_leaks(self) -> None:
        if not hasattr(self, "tree"):
            return
        model, tree = self.model, self.tree
        assert tree.projects.keys() == model.projects.keys()
        assert tree.tasks.keys() == model.tasks.keys()
        assert tree.attachments.keys() == {id for files in model.files.values() for id in files}
        for owner in self.owners():
            assert tree.attachment_ids(owner) == model.files.get(owner, {}).keys()
        assert model.pending.keys() <= tree.by_inode.keys()


Layout.TestCase.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)
TestLayout = Layout.TestCase
