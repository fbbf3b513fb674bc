"""Inodes: the formula, what overrides it, and what has no id."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsfs.tree.inodes import (
    FIRST_LOCAL_INODE,
    ROOT_INODE,
    Kind,
    control_inode,
    folder_inode,
    is_local,
    remote_inode,
    second_done_inode,
)
from wsfs.tree.layout import Tree
from wsfs.tree.nodes import AttachmentRecord, ProjectRecord, TaskRecord

IDS = st.integers(1, 2**43)
REMOTE = [Kind.DONE, Kind.PROJECT, Kind.TASK, Kind.ATTACHMENT]


@given(st.tuples(st.sampled_from(REMOTE), IDS), st.tuples(st.sampled_from(REMOTE), IDS), st.text())
def test_no_two_nodes_share_a_number(one: tuple[Kind, int], other: tuple[Kind, int], title: str) -> None:
    numbers = {remote_inode(*one), remote_inode(*other)}
    assert len(numbers) == len({one, other})
    special = {ROOT_INODE, second_done_inode(one[1]), folder_inode(title)}
    special |= {control_inode(index) for index in range(16)}
    assert len(special) == 19
    assert not special & numbers
    assert not any(is_local(number) for number in special | numbers)


def test_the_formula() -> None:
    assert [remote_inode(kind, 1234) for kind in REMOTE] == [4936, 4937, 4938, 4939]
    assert is_local(FIRST_LOCAL_INODE)
    assert not is_local(FIRST_LOCAL_INODE - 1)


def test_an_alias_overrides_the_formula() -> None:
    aliases = {(Kind.PROJECT, 1): FIRST_LOCAL_INODE, (Kind.TASK, 2): FIRST_LOCAL_INODE + 1}
    aliases[(Kind.ATTACHMENT, 3)] = FIRST_LOCAL_INODE + 2
    tree = Tree(
        aliases=lambda kind, id: aliases.get((kind, id)),
        timestamps=lambda kind, id: 77 if (kind, id) == (Kind.ATTACHMENT, 3) else None,
    )
    tree.set_projects([ProjectRecord(1, "P")])
    tree.set_tasks([TaskRecord(2, 1, "T"), TaskRecord(4, 1, "U")], 1)
    tree.set_attachments(("task", 2), [AttachmentRecord(3, "a", 1, 50), AttachmentRecord(5, "b", 1, 50)])
    assert tree.projects[1].inode == FIRST_LOCAL_INODE
    assert tree.tasks[2].inode == FIRST_LOCAL_INODE + 1
    assert tree.tasks[4].inode == 18
    assert tree.attachments[3].inode == FIRST_LOCAL_INODE + 2
    assert tree.attachments[3].stamp_ns == 77, "the mtime that it was given here is kept"
    assert tree.attachments[5].stamp_ns == 50


def test_the_done_of_a_project_and_of_a_task_of_one_id() -> None:
    tree = Tree()
    tree.set_projects([ProjectRecord(5, "P"), ProjectRecord(6, "Q")])
    tree.set_tasks(
        [TaskRecord(5, 6, "T"), TaskRecord(7, 6, "sub", 5, done=True), TaskRecord(8, 5, "old", done=True)]
    )
    project_done, task_done = tree.projects[5].names["Done"], tree.tasks[5].names["Done"]
    assert project_done is not task_done
    assert {project_done.inode, task_done.inode} == {20, second_done_inode(5)}
    assert tree.get(project_done.inode) is project_done
    assert tree.get(task_done.inode) is task_done
    # Whichever went first: the other one stays the only one of its directory.
    tree.set_tasks([], 5)
    tree.set_task([TaskRecord(9, 6, "more", 5, done=True)])
    assert tree.tasks[5].names["Done"] is task_done
    assert len(tree.tasks[5].names) == 1
