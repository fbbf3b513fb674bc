"""Which attachments may be written to, and for how long."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from wsfs.drive.writable import WritePolicy
from wsfs.tree.inodes import FIRST_LOCAL_INODE
from wsfs.tree.layout import Tree
from wsfs.tree.nodes import AttachmentRecord, File, ProjectRecord, TaskRecord
from wsfs.uploads.spool import Spool


class World:
    """A project with a task, their files, and a spool that sent some a while ago."""

    def __init__(self, directory: Path) -> None:
        self.now = 1000.0
        self.spool = Spool(directory, clock=lambda: self.now, writable_for=600.0)
        self.tree = Tree()
        self.tree.set_projects([ProjectRecord(1, "Project")])
        self.tree.set_tasks([TaskRecord(10, 1, "Task")], 1)
        titles = ["a.txt", "b.txt", "b.txt", "c.bak", "d/e.txt", "f (id 7).txt"]
        self.tree.set_attachments(
            ("task", 10), [AttachmentRecord(20 + index, title, 1) for index, title in enumerate(titles)]
        )
        self.tree.set_attachments(("project", 1), [AttachmentRecord(40, "own.txt", 1)])

    def file(self, id: int) -> File:
        return self.tree.attachments[id]

    def sent(self, id: int, ago: float) -> None:
        node = self.file(id)
        assert node.parent is not None
        self.spool.recent[node.parent.inode, node.name] = self.now - ago

    def allowed(self, policy: WritePolicy) -> dict[int, float]:
        found = {id: policy.seconds(node) for id, node in self.tree.attachments.items()}
        return {id: seconds for id, seconds in found.items() if seconds}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_nothing_that_others_made(world: World) -> None:
    assert world.allowed(WritePolicy(world.spool)) == {}


def test_what_was_sent_a_while_ago(world: World) -> None:
    policy = WritePolicy(world.spool)
    world.sent(20, 60)
    world.sent(22, 599)
    world.sent(23, 1)  # a name that is never uploaded
    world.sent(40, 0)
    assert world.allowed(policy) == {20: 540, 22: 1, 40: 600}
    world.now += 10
    assert world.allowed(policy) == {20: 530, 40: 590}
    world.now -= 1000  # a clock that was set back
    assert world.allowed(policy) == {}


def test_the_newest_of_a_name_whoever_made_it(world: World) -> None:
    """Who has it open saves over what has the name by then: refusing that would lose his work."""
    world.sent(20, 60)
    task = world.tree.tasks[10]
    records = [AttachmentRecord(id, node.title, 1) for id, node in world.tree.attachments.items() if id < 40]
    world.tree.set_attachments(("task", 10), [*records, AttachmentRecord(50, "a.txt", 1)])
    assert task.names["a.txt"].id == 50
    assert world.allowed(WritePolicy(world.spool)) == {50: 540}


def test_versions(world: World) -> None:
    policy = WritePolicy(world.spool, versions=True)
    # Not the older b.txt, which shows with its id, nor what looks so, nor what would never be uploaded.
    assert world.allowed(policy) == dict.fromkeys((20, 22, 24, 40), math.inf)


def test_where_nothing_may_be_put(world: World) -> None:
    assert 40 not in world.allowed(WritePolicy(world.spool, versions=True, drop=False))


def test_what_is_pending_or_gone_is_not_its_business(world: World) -> None:
    policy = WritePolicy(world.spool, versions=True)
    pending = world.tree.add_local(FIRST_LOCAL_INODE, world.tree.tasks[10].inode, "new", is_directory=False)
    assert isinstance(pending, File)
    assert policy.seconds(pending) == 0
    gone = world.file(20)
    world.tree.vanished(("task", 10))
    assert policy.seconds(gone) == 0
