from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wsfs.emulator.account import Account, NewFile
from wsfs.emulator.contents import Noise


def test_ids_come_from_one_growing_counter(account: Account) -> None:
    project = account.add_project("P", files=[("a", b"a")])
    task = account.add_task(project, "T", files=[("b", b"b")])
    comment = account.add_comment(task, "c", files=[NewFile("c", Noise(1, 10))])
    ids = [project.id, project.files[0].id, task.id, task.files[0].id, comment.id, comment.files[0].id]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_each_deed_leaves_its_event(account: Account, clock: Any) -> None:
    project = account.add_project("P")
    task = account.add_task(project, "T")
    comment = account.add_comment(task, "hello")
    account.rename_task(task, "T2")
    account.close_task(task)
    account.reopen_task(task)
    account.delete_comment(comment)
    account.delete_task(task)
    account.rename_project(project, "P2")
    account.close_project(project)
    account.activate_project(project)
    account.delete_project(project)
    told = [(event.action, event.type) for event in account.events_since(clock.now)]
    assert told == [
        ("post", "project"),
        ("post", "task"),
        ("post", "comment"),
        ("update", "task"),
        ("close", "task"),
        ("reopen", "task"),
        ("delete", "comment"),
        ("delete", "task"),
        ("update", "project"),
        ("close", "project"),
        ("reopen", "project"),
        ("delete", "project"),
    ]


def test_files_of_the_files_section_leave_no_event(account: Account) -> None:
    project = account.add_project("P")
    account.events.clear()
    file = account.add_file_to_project(project, ("a", b"a"))
    account.delete_file(file)
    assert account.events == []
    assert project.section == []


def test_a_file_added_to_a_description_is_an_update_that_tells_no_file(account: Account) -> None:
    task = account.add_task(account.add_project("P"), "T")
    account.events.clear()
    file = account.add_file_to_task(task, ("a", b"a"))
    (event,) = account.events
    assert (event.action, event.id, event.new) == ("update", task.id, {})
    assert task.all_files() == [file]


def test_events_are_kept_for_thirty_days(account: Account, clock: Any) -> None:
    account.add_project("old")
    clock.advance(days=29)
    account.add_project("new")
    clock.advance(days=2)
    assert [event.name for event in account.events_since(account.events[0].time)] == ["new"]


def test_what_is_deleted_takes_everything_in_it(account: Account) -> None:
    project = account.add_project("P", files=[("p", b"p")])
    task = account.add_task(project, "T", files=[("t", b"t")])
    child = account.add_task(project, "S", parent=task, files=[("s", b"s")])
    account.add_comment(child, "c", files=[("c", b"c")])
    account.add_file_to_project(project, ("f", b"f"))
    account.delete_task(task)
    assert sorted(file.name for file in account.files.values()) == ["f", "p"]
    assert not account.tasks
    assert not account.comments
    account.delete_project(project)
    assert not account.files


def test_a_task_moves_with_what_is_below_it(account: Account) -> None:
    one, two = account.add_project("1"), account.add_project("2")
    task = account.add_task(one, "T")
    child = account.add_task(one, "S", parent=task)
    other = account.add_task(two, "O")
    account.move_task(task, parent=other)
    assert child.project is two
    assert child.page == f"/project/{two.id}/{other.id}/{task.id}/{child.id}/"
    assert one.tasks == []
    with pytest.raises(ValueError, match="itself"):
        account.move_task(task, parent=child)
    account.move_task(child, project=one)
    assert one.tasks == [child]


def test_three_levels_and_no_more(account: Account) -> None:
    project = account.add_project("P")
    task = account.add_task(project, "1")
    child = account.add_task(project, "2", parent=task)
    leaf = account.add_task(project, "3", parent=child)
    with pytest.raises(ValueError, match="lowest level"):
        account.add_task(project, "4", parent=leaf)


def test_close_removes_the_uploaded_bytes(account: Account) -> None:
    directory: Path = account.directory
    (directory / "upload").write_bytes(b"x")
    account.close()
    account.close()
    assert not directory.exists()


def test_version_grows_with_every_change(account: Account) -> None:
    project = account.add_project("P")
    task = account.add_task(project, "T", files=[("a", b"a")])
    for deed in (
        lambda: account.delete_file(task.files[0]),
        lambda: account.rename_task(task, "U"),
        lambda: account.add_file_to_project(project, ("f", b"")),
        lambda: account.update_task(task, {"priority": "3"}),
        lambda: account.update_project(project, {"date_end": "1"}),
    ):
        before = account.version
        deed()
        assert account.version > before
