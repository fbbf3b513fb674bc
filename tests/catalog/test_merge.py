"""When a task's files are complete, and what an answer leaves of what was known."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import pytest

from tests.catalog.model import ANNA
from wsfs.api.models import Comment, File, Ref, Task
from wsfs.catalog.merge import Merged, merge_files, merge_tasks
from wsfs.catalog.records import COMPLETE, Users
from wsfs.catalog.store import _first

DAY = datetime(2024, 3, 5)


@pytest.fixture
def db() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    _first(db)
    return db


def file(number: int, *, dated: bool = False) -> File:
    return File(
        id=number, name=f"{number}", date_added=DAY if dated else None, user_from=ANNA if dated else None
    )


def told(
    described: list[int] | None, comments: list[Comment] | None = None, has_comments: bool | None = None
) -> Task:
    return Task(
        id=5,
        name="T",
        project=Ref(id=1),
        files=None if described is None else [file(number) for number in described],
        comments=comments,
        has_comments=has_comments,
    )


class Known:
    """What is known of one task."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.users = Users()
        self.files: dict[int, File] = {}
        self.complete: bool | None = None

    def answer(self, task: Task) -> Merged:
        merged = merge_tasks(self.db, self.users, 1, [task], whole=True, first=False)
        for _, files, complete in merged.files:
            self.files = {file.id: file for file in files}
            self.complete = complete
        return merged

    def get_files(self, *numbers: int) -> None:
        files = [file(number, dated=True) for number in numbers]
        merge_files(self.db, self.users, ("task", 5), files)
        self.db.execute("UPDATE tasks SET flags = flags | ? WHERE id = 5", (COMPLETE | 2,))
        self.files, self.complete = {file.id: file for file in files}, True


@pytest.fixture
def known(db: sqlite3.Connection) -> Known:
    return Known(db)


def comments(*numbers: int, files: list[int] | None = None) -> list[Comment]:
    return [Comment(id=n, files=None if files is None else [file(f) for f in files]) for n in numbers]


def test_without_comments_the_description_is_everything(known: Known) -> None:
    known.answer(told([1, 2], [], False))
    assert (set(known.files), known.complete) == ({1, 2}, True)
    known.answer(told([2, 3], [], False))
    assert (set(known.files), known.complete) == ({2, 3}, True)


def test_where_the_answer_does_not_tell_of_comments_nothing_is_complete(known: Known) -> None:
    known.answer(told([1], None, None))
    assert (set(known.files), known.complete) == ({1}, False)


def test_where_the_answer_does_not_tell_files_nothing_is_complete(known: Known) -> None:
    known.answer(told(None, [], False))
    assert known.complete is False
    known.get_files(1)
    known.answer(told(None, [], False))
    assert known.complete is True


@pytest.mark.parametrize(("count", "complete"), [(1, True), (4, True), (5, False)])
def test_embedded_comments_with_files_complete_it_if_there_cannot_be_more(
    known: Known, count: int, complete: bool
) -> None:
    some = [Comment(id=n, files=[file(100 + n)]) for n in range(count)]
    known.answer(told([1], some, True))
    assert known.complete is complete
    assert set(known.files) == {1, *(100 + n for n in range(count))}


def test_one_embedded_comment_without_word_of_its_files_is_not_enough(known: Known) -> None:
    known.answer(told([1], [Comment(id=1, files=[file(2)]), Comment(id=2)], True))
    assert (set(known.files), known.complete) == ({1, 2}, False)


def test_comments_that_are_said_to_be_and_not_told_are_not_enough(known: Known) -> None:
    known.answer(told([1], [], True))
    assert known.complete is False


def test_what_get_files_told_stays_while_the_comments_are_the_same(known: Known) -> None:
    known.answer(told([1], comments(7), True))
    known.get_files(1, 2)
    merged = known.answer(told([1], comments(7), True))
    assert (merged.tasks, merged.files, merged.reread) == (None, [], [])
    assert known.files[1].date_added == DAY
    merged = known.answer(told([1, 3], comments(7), True))  # the description has another file
    assert (set(known.files), known.complete) == ({1, 2, 3}, True)
    assert known.files[1].date_added == DAY
    known.answer(told([3], comments(7), True))  # one of the description's is gone
    assert set(known.files) == {2, 3}


def test_other_comments_ask_for_another_reading_and_hide_nothing(known: Known) -> None:
    known.answer(told([1], comments(7), True))
    known.get_files(1, 2)
    merged = known.answer(told([1], comments(7, 8), True))
    assert merged.reread == [5]
    assert (set(known.files), known.complete) == ({1, 2}, False)


def test_the_first_comment_asks_for_another_reading(known: Known) -> None:
    known.answer(told([1], [], False))
    merged = known.answer(told([1], comments(7), True))
    assert merged.reread == [5]
    assert known.complete is False


def test_after_the_last_comment_was_deleted_the_description_is_everything(known: Known) -> None:
    known.answer(told([1], comments(7), True))
    known.get_files(1, 2)
    known.answer(told([1], [], False))
    assert (set(known.files), known.complete) == ({1}, True)


def test_after_an_event_the_next_comments_are_taken_as_they_come(known: Known) -> None:
    known.answer(told([1], comments(7), True))
    known.get_files(1, 2)
    known.db.execute("UPDATE tasks SET digest = NULL")
    assert known.answer(told([1], comments(7, 8), True)).reread == []
    assert known.answer(told([1], comments(7, 8), True)).reread == []
    assert known.answer(told([1], comments(8), True)).reread == [5]


def test_newer_knowledge_stays(db: sqlite3.Connection) -> None:
    users = Users()
    two = [Task(id=5, name="old"), Task(id=6, name="old")]
    merge_tasks(db, users, 1, two, whole=True, first=True)
    merged = merge_tasks(
        db, users, 1, [Task(id=5, name="older"), Task(id=7)], whole=True, first=True, newer=[5, 6, 7]
    )
    assert merged.gone == []
    assert merged.tasks is not None
    assert {task.id: task.name for task in merged.tasks} == {5: "old", 6: "old"}


def test_a_single_answer_removes_nothing_and_says_what_it_lacks(db: sqlite3.Connection) -> None:
    users = Users()
    tree = Task(id=5, child=[Task(id=6, child=[Task(id=7)]), Task(id=8)])
    merge_tasks(db, users, 1, [tree, Task(id=9)], whole=True, first=True)
    merged = merge_tasks(db, users, 1, [Task(id=5, child=[Task(id=8)])], whole=False, first=False)
    assert merged.missing == [6]
    assert merged.gone == []
    assert merged.tasks is None
    merged = merge_tasks(
        db, users, 1, [Task(id=7, name="New", page="/project/1/5/6/7/")], whole=False, first=False
    )
    assert merged.tasks is not None
    assert merged.tasks[0].parent == Ref(id=6)


def test_the_parent_is_known_from_the_nesting_the_answer_or_the_page(db: sqlite3.Connection) -> None:
    users = Users()
    tasks = [
        Task(id=1, child=[Task(id=2)]),
        Task(id=3, parent=Ref(id=1)),
        Task(id=4, page="/project/1/1/2/4/"),
        Task(id=5, page="/project/1/5/"),
    ]
    merged = merge_tasks(db, users, 1, tasks, whole=True, first=True)
    assert {place[0]: place[2] for place in merged.places} == {1: 0, 2: 1, 3: 1, 4: 2, 5: 0}
    assert merged.tasks is not None
    assert [task.id for task in merged.tasks] == [1, 5]
