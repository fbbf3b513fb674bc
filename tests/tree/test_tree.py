"""Single cases of the tree that a random test seldom comes to."""

from __future__ import annotations

from wsfs.tree.inodes import FIRST_LOCAL_INODE, Kind
from wsfs.tree.layout import LayoutOptions, Tree
from wsfs.tree.nodes import AttachmentRecord, Directory, Node, ProjectRecord, TaskRecord

LOCAL = FIRST_LOCAL_INODE


def make_tree(done: str = "folder") -> Tree:
    tree = Tree(LayoutOptions(done))
    tree.set_projects([ProjectRecord(1, "P"), ProjectRecord(2, "Q")])
    return tree


def paths(directory: Directory) -> set[str]:
    found: set[str] = set()
    for node in directory:
        found.add(node.path())
        if isinstance(node, Directory):
            found |= paths(node)
    return found


def test_tasks_that_form_a_ring_for_a_moment_are_shown_and_have_a_path() -> None:
    # A colleague moves B out of A, then A into B; the tree is told of A first.
    tree = make_tree()
    tree.set_tasks([TaskRecord(10, 1, "A"), TaskRecord(11, 1, "B", 10)], 1)
    tree.set_task([TaskRecord(10, 1, "A", 11)])
    assert {"/P/A", "/P/B"} & paths(tree.root)
    assert tree.tasks[10].path().count("A") == 1
    tree.set_task([TaskRecord(11, 1, "B")])
    assert paths(tree.root) == {"/P", "/Q", "/P/B", "/P/B/A"}


def test_a_subtask_that_is_told_before_its_parent_moves_below_it() -> None:
    tree = make_tree()
    tree.set_task([TaskRecord(11, 1, "sub", 10)])
    assert "/P/sub" in paths(tree.root)
    tree.set_task([TaskRecord(10, 1, "task")])
    assert paths(tree.root) == {"/P", "/Q", "/P/task", "/P/task/sub"}


def test_a_subtask_that_outlives_its_parent_keeps_its_files() -> None:
    tree = make_tree()
    tree.set_tasks([TaskRecord(10, 1, "task"), TaskRecord(11, 1, "sub", 10)], 1)
    tree.set_attachments(("task", 11), [AttachmentRecord(20, "a", 1)])
    node = tree.tasks[11]
    tree.set_tasks([TaskRecord(11, 1, "sub")], 1)
    assert tree.tasks[11] is node
    assert paths(tree.root) == {"/P", "/Q", "/P/sub", "/P/sub/a"}


def test_the_contents_of_a_drop_task_come_and_go_with_it() -> None:
    tree = make_tree()
    tree.set_tasks(
        [
            TaskRecord(10, 1, "Project files"),
            TaskRecord(11, 1, "sub", 10),
            TaskRecord(12, 1, "old", 10, True),
        ],
        1,
    )
    tree.set_attachments(("task", 10), [AttachmentRecord(20, "a", 1)])
    tree.add_local(LOCAL, tree.tasks[10].inode, "pending", is_directory=False)
    apart = {f"/P/Project files/{name}" for name in ("sub", "Done", "Done/old", "a", "pending")}
    assert paths(tree.root) == {"/P", "/Q", "/P/Project files"} | apart
    tree.set_drop_task(1, 10)
    assert paths(tree.root) == {"/P", "/Q", "/P/sub", "/P/Done", "/P/Done/old", "/P/a", "/P/pending"}
    tree.set_drop_task(1, None)
    assert paths(tree.root) == {"/P", "/Q", "/P/Project files"} | apart


def test_a_drop_task_that_is_closed_takes_its_files_along_even_into_hiding() -> None:
    tree = make_tree("hide")
    tree.set_tasks([TaskRecord(10, 1, "Project files")], 1)
    tree.set_attachments(("task", 10), [AttachmentRecord(20, "a", 1)])
    tree.set_drop_task(1, 10)
    assert "/P/a" in paths(tree.root)
    tree.set_task([TaskRecord(10, 1, "Project files", done=True)])
    tree.set_drop_task(1, None)
    assert paths(tree.root) == {"/P", "/Q"}


def test_a_task_that_moves_to_another_project_is_no_drop_task_there() -> None:
    tree = make_tree()
    tree.set_tasks([TaskRecord(10, 1, "Project files")], 1)
    tree.set_attachments(("task", 10), [AttachmentRecord(20, "a", 1)])
    tree.set_drop_task(1, 10)
    tree.set_task([TaskRecord(10, 2, "Project files")])
    assert tree.drop_tasks == {}
    assert paths(tree.root) == {"/P", "/Q", "/Q/Project files", "/Q/Project files/a"}


def test_pending_files_wait_unseen_for_their_directory_and_come_back_with_it() -> None:
    tree = make_tree()
    tree.set_tasks([TaskRecord(10, 1, "task")], 1)
    home = tree.tasks[10].inode
    for number, name in enumerate(("stays", "goes", "moves")):
        tree.add_local(LOCAL + number, home, name, is_directory=False)
    tree.vanished(("task", 10))
    assert paths(tree.root) == {"/P", "/Q"}
    assert tree.get(LOCAL) is not None
    tree.remove_local(LOCAL + 1)
    tree.move_local(LOCAL + 2, tree.projects[2].inode, "moved")
    tree.set_task([TaskRecord(10, 1, "task")])
    assert paths(tree.root) == {"/P", "/Q", "/P/task", "/P/task/stays", "/Q/moved"}


def test_a_pending_done_keeps_its_name_and_the_folder_takes_another() -> None:
    tree = make_tree()
    tree.add_local(LOCAL, tree.projects[1].inode, "Done", is_directory=False)
    tree.set_tasks([TaskRecord(10, 1, "Done"), TaskRecord(11, 1, "old", done=True)], 1)
    names = tree.projects[1].names
    assert names.keys() == {"Done", "Done (id 1)", "Done (id 10)"}
    assert names["Done"].inode == LOCAL
    tree.remove_local(LOCAL)
    assert tree.projects[1].names["Done"].kind is Kind.DONE


def test_an_attachment_that_a_listing_brings_before_its_adoption_is_veiled() -> None:
    twins: set[str] = {"mine.txt"}
    tree = Tree(twin=lambda home, node: home == 42 and node.title in twins)
    tree.set_projects([ProjectRecord(1, "P")])
    tree.set_tasks([TaskRecord(10, 1, "task")], 1)
    tree.add_local(LOCAL, 42, "mine.txt", is_directory=False, stamp_ns=77)
    task = tree.tasks[10]
    files = [AttachmentRecord(20, "mine.txt", 4, 50), AttachmentRecord(21, "other.txt", 4, 50)]
    tree.set_attachments(("task", 10), files)
    assert {name: node.inode for name, node in task.names.items()} == {"mine.txt": LOCAL, "other.txt": 87}
    assert tree.attachment_ids(("task", 10)) == {20, 21}
    assert tree.adopt_file(LOCAL, ("task", 10), files[0], 77) == LOCAL
    assert {name: node.inode for name, node in task.names.items()} == {"mine.txt": LOCAL, "other.txt": 87}
    assert task.names["mine.txt"].stamp_ns == 77
    assert tree.get(83) is None
    tree.set_attachments(("task", 10), files)
    assert task.names["mine.txt"].stamp_ns == 77, "a later listing doesn't change the mtime"


def test_what_was_veiled_in_error_is_listed_once_that_is_known() -> None:
    twins: set[str] = {"same.txt", "same"}
    tree = Tree(twin=lambda home, node: node.title in twins)
    tree.set_projects([ProjectRecord(1, "P")])
    tree.set_task([TaskRecord(10, 1, "same"), TaskRecord(11, 1, "task")])
    tree.set_attachments(("task", 11), [AttachmentRecord(20, "same.txt", 4)])
    assert paths(tree.root) == {"/P", "/P/task"}
    tree.take_changes()
    tree.unveil()
    assert not tree.take_changes()
    twins.clear()
    tree.unveil()
    assert paths(tree.root) == {"/P", "/P/task", "/P/task/same.txt", "/P/same"}
    assert {(4 * 11 + 2, "same.txt"), (5, "same")} <= tree.take_changes().entries


def test_a_version_that_was_written_over_while_it_was_sent_has_the_number_it_was_given() -> None:
    tree = make_tree()
    tree.set_tasks([TaskRecord(10, 1, "task")], 1)
    tree.add_local(LOCAL, tree.tasks[10].inode, "a", is_directory=False)
    assert tree.adopt_file(LOCAL + 1, ("task", 10), AttachmentRecord(20, "a", 1, 50), 60) == LOCAL + 1
    assert {name: node.inode for name, node in tree.tasks[10].names.items()} == {
        "a": LOCAL,
        "a (id 20)": LOCAL + 1,
    }
    # One that is listed under a number of its own already keeps that.
    tree.set_attachments(("task", 10), [AttachmentRecord(20, "a", 1, 50), AttachmentRecord(21, "b", 1, 50)])
    assert tree.adopt_file(LOCAL + 2, ("task", 10), AttachmentRecord(21, "b", 1, 50), 60) == 87
    assert tree.get(LOCAL + 2) is None


def test_a_pending_file_whose_task_went_while_it_was_sent_goes_too() -> None:
    tree = make_tree()
    tree.set_tasks([TaskRecord(10, 1, "task")], 1)
    tree.add_local(LOCAL, tree.tasks[10].inode, "a", is_directory=False)
    tree.vanished(("task", 10))
    tree.adopt_file(LOCAL, ("task", 10), AttachmentRecord(20, "a", 1))
    assert tree.get(LOCAL) is None
    assert tree.attachments == {}


def test_a_new_date_of_a_file_changes_its_directory_too() -> None:
    tree = make_tree()
    tree.set_tasks([TaskRecord(10, 1, "task", stamp_ns=5)], 1)
    tree.set_attachments(("task", 10), [AttachmentRecord(20, "a", 1)])
    assert tree.tasks[10].mtime_ns() == 5
    tree.take_changes()
    tree.set_attachments(("task", 10), [AttachmentRecord(20, "a", 1, 9)])
    assert tree.tasks[10].mtime_ns() == 9
    assert tree.take_changes().inodes == {83, 42}


def test_what_was_made_here_gets_no_older_by_the_date_of_the_service() -> None:
    tree = make_tree()
    tree.set_tasks([TaskRecord(10, 1, "task", stamp_ns=5)], 1)
    tree.date_at_least(tree.tasks[10].inode, 9)
    assert (tree.tasks[10].stamp_ns, tree.projects[1].mtime_ns()) == (9, 9)
    tree.date_at_least(tree.tasks[10].inode, 7)
    assert tree.tasks[10].stamp_ns == 9
    tree.date_at_least(LOCAL, 7)


def test_depth_counts_tasks_and_not_what_they_are_shown_in() -> None:
    tree = make_tree()
    tree.set_tasks(
        [TaskRecord(10, 1, "drop"), TaskRecord(11, 1, "sub", 10), TaskRecord(12, 1, "old", 11, True)], 1
    )
    tree.set_drop_task(1, 10)
    local = tree.add_local(LOCAL, tree.projects[1].inode, "new", is_directory=True)
    deeper = tree.add_local(LOCAL + 1, LOCAL, "newer", is_directory=True)
    project = tree.add_local(LOCAL + 2, tree.root.inode, "project", is_directory=True)
    task = tree.add_local(LOCAL + 3, LOCAL + 2, "task", is_directory=True)

    def depth(node: Node) -> int:
        assert isinstance(node, Directory)
        return tree.depth(node)

    assert [depth(node) for node in (tree.root, tree.projects[1], tree.tasks[11], tree.tasks[12])] == [
        0,
        0,
        2,
        3,
    ]
    assert [depth(node) for node in (local, deeper, project, task)] == [1, 2, 0, 1]


def test_what_a_listing_brought_of_a_new_directory_comes_into_it() -> None:
    tree = make_tree()
    tree.add_local(LOCAL, tree.projects[1].inode, "new", is_directory=True)
    tree.add_local(LOCAL + 1, LOCAL, "pending", is_directory=False)
    tree.set_task(
        [TaskRecord(10, 1, "new"), TaskRecord(11, 1, "sub", 10), TaskRecord(12, 1, "old", 10, True)]
    )
    tree.set_attachments(("task", 10), [AttachmentRecord(20, "a", 1)])
    other = tree.tasks[10].inode
    tree.add_local(LOCAL + 2, other, "late", is_directory=False)
    tree.adopt_directory(LOCAL, ("task", 10), 1, 0, "new")
    names = ("", "/pending", "/sub", "/Done", "/Done/old", "/a", "/late")
    assert paths(tree.root) == {"/P", "/Q"} | {f"/P/new{name}" for name in names}
    assert tree.get(other) is None
    assert tree.tasks[10].inode == LOCAL


def test_the_same_of_a_project() -> None:
    tree = make_tree()
    tree.add_local(LOCAL, tree.root.inode, "new", is_directory=True)
    tree.set_projects([ProjectRecord(1, "P"), ProjectRecord(3, "new")])
    tree.set_tasks([TaskRecord(10, 3, "sub"), TaskRecord(11, 3, "old", 0, True)], 3)
    tree.adopt_directory(LOCAL, ("project", 3), 3, 0, "new")
    assert tree.get(13) is None
    assert paths(tree.root) == {"/P", "/new", "/new/sub", "/new/Done", "/new/Done/old"}
    assert tree.projects[3].inode == LOCAL


def test_an_alias_that_is_recorded_before_the_pending_node_turns_pushes_nobody_out() -> None:
    aliases: dict[tuple[Kind, int], int] = {}
    tree = Tree(aliases=lambda kind, id: aliases.get((kind, id)))
    tree.set_projects([ProjectRecord(1, "P")])
    tree.set_tasks([TaskRecord(10, 1, "task")], 1)
    pending = tree.add_local(LOCAL, tree.tasks[10].inode, "a", is_directory=False)
    aliases[Kind.ATTACHMENT, 20] = LOCAL
    tree.set_attachments(("task", 10), [AttachmentRecord(20, "a", 1)])
    assert tree.get(LOCAL) is pending
    assert len(tree.tasks[10].names) == 2
    tree.adopt_file(LOCAL, ("task", 10), AttachmentRecord(20, "a", 1))
    assert {name: node.inode for name, node in tree.tasks[10].names.items()} == {"a": LOCAL}


def test_what_is_made_here_is_named_without_naming_all_the_rest_anew() -> None:
    tree = make_tree()
    tree.set_tasks([TaskRecord(10, 1, "task")], 1)
    task = tree.tasks[10]
    tree.set_attachments(("task", 10), [AttachmentRecord(20, "a", 1)])
    names = task.names
    tree.take_changes()
    tree.add_local(LOCAL, task.inode, "b", is_directory=False)
    assert task.names is names
    assert {name: node.inode for name, node in names.items()} == {"a": 20 * 4 + 3, "b": LOCAL}
    assert tree.take_changes().entries == {(task.inode, "b")}
    tree.add_local(LOCAL + 1, task.inode, "a", is_directory=False)
    assert {name: node.inode for name, node in task.names.items()} == {
        "a (id 20)": 20 * 4 + 3,
        "b": LOCAL,
        "a": LOCAL + 1,
    }


def test_what_is_adopted_together_is_named_once() -> None:
    tree = make_tree()
    tree.set_tasks([TaskRecord(10, 1, "task")], 1)
    task = tree.tasks[10]
    for number in range(3):
        tree.add_local(LOCAL + number, task.inode, f"file {number}", is_directory=False)
    names = task.names
    tree.take_changes()
    with tree.together():
        for number in range(3):
            record = AttachmentRecord(20 + number, f"file {number}", 1)
            tree.adopt_file(LOCAL + number, ("task", 10), record)
            assert task.names is names
    assert {name: node.inode for name, node in task.names.items()} == {
        f"file {number}": LOCAL + number for number in range(3)
    }
    changes = tree.take_changes()
    assert changes.inodes >= {LOCAL, LOCAL + 1, LOCAL + 2}
    assert not changes.entries
