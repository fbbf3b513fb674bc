"""Which changes the kernel hears of."""

from __future__ import annotations

from wsfs.drive.publishing import Publisher
from wsfs.tree.layout import Changes, Tree
from wsfs.tree.nodes import ProjectRecord, TaskRecord


def make() -> tuple[Tree, Publisher, list[Changes]]:
    tree, heard = Tree(), list[Changes]()
    publisher = Publisher(tree, heard.append)
    tree.set_projects([ProjectRecord(1, "P")])
    tree.set_tasks([TaskRecord(10, 1, "t"), TaskRecord(11, 1, "u")], 1)
    assert tree.root.names.keys() == {"P"}
    assert tree.projects[1].names.keys() == {"t", "u"}
    tree.take_changes()
    return tree, publisher, heard


def test_only_what_was_shown_is_told() -> None:
    tree, publisher, heard = make()
    tree.set_task([TaskRecord(10, 1, "new title")])
    publisher.publish()
    assert heard == [], "the kernel has never heard of the project"
    publisher.shown(5)
    publisher.shown(42)
    tree.set_task([TaskRecord(10, 1, "newer title"), TaskRecord(11, 1, "u", stamp_ns=9)])
    publisher.publish()
    assert heard == [Changes({(5, "new title"), (5, "newer title")}, {5})]


def test_the_root_is_always_shown() -> None:
    tree, publisher, heard = make()
    tree.set_projects([])
    publisher.publish()
    assert heard == [Changes({(1, "P")}, {1})]


def test_what_the_kernel_does_itself_is_left_out_and_what_it_does_otherwise_is_added() -> None:
    tree, publisher, heard = make()
    publisher.shown(5)
    tree.set_task([TaskRecord(10, 1, "new")])
    publisher.publish(without=[(5, "t")], besides=[(5, "believed")])
    assert heard == [Changes({(5, "new"), (5, "believed")})], "it forgets the directory's attributes too"
    publisher.publish()
    assert len(heard) == 1


def test_a_change_of_attributes_alone() -> None:
    _, publisher, heard = make()
    publisher.changed(42)
    assert heard == []
    publisher.shown(42)
    publisher.changed(42)
    assert heard == [Changes(inodes={42})]


def test_times_alone_may_come_later() -> None:
    tree, _, heard = make()
    dates: list[set[int]] = []
    publisher = Publisher(tree, heard.append, dates.append)
    publisher.shown(5)
    tree.add_local(2**48, 5, "mine", is_directory=False)
    tree.date_local(2**48, 7)
    publisher.publish_dates()
    assert heard == [Changes({(5, "mine")})], "a name is never late"
    assert dates == [{5}], "the file was never shown"
    publisher.publish_dates()
    assert (len(heard), len(dates)) == (1, 1)
