"""What the catalog tells becomes records: dates, persons, drop tasks."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest

from wsfs.api.models import File, Project, Ref, Task, User
from wsfs.drive.population import Population
from wsfs.tree.layout import Tree

NOON = datetime.datetime(2024, 7, 5, 12, 0)
ANNA = User(id=7, name="Anna", email="anna@example.com")


def make(**options: object) -> tuple[Tree, Population]:
    tree = Tree()
    population = Population(tree, drop_title="Project files", **options)  # type: ignore[arg-type]
    population.projects([Project(id=1, name="P", user_from=ANNA)])
    return tree, population


def task(id: int, title: str = "Project files", *, done: bool = False, parent: int = 0) -> Task:
    return Task(
        id=id,
        name=title,
        project=Ref(id=1),
        parent=Ref(id=parent) if parent else None,
        status="done" if done else "active",
    )


def file(id: int) -> File:
    return File(id=id, name=f"{id}.txt", size=id)


@pytest.mark.parametrize(
    ("zone", "utc_hour"),
    [(datetime.UTC, 12), (ZoneInfo("Europe/Kyiv"), 9), (ZoneInfo("America/New_York"), 16)],
)
def test_times_are_those_of_the_accounts_zone(zone: datetime.tzinfo, utc_hour: int) -> None:
    _, population = make(timezone=zone)
    moment = NOON.replace(hour=utc_hour, tzinfo=datetime.UTC)
    assert population.stamp_ns(NOON) == int(moment.timestamp()) * 10**9
    assert population.stamp_ns(None) == 0


def test_without_a_zone_they_are_the_machines() -> None:
    _, population = make()
    assert population.stamp_ns(NOON) == int(NOON.timestamp()) * 10**9


def test_persons_and_files() -> None:
    tree, population = make(timezone=datetime.UTC)
    assert tree.projects[1].author == "Anna <anna@example.com>"
    record = population.attachment(File(id=2, name="a", size=3, user_from=User(id=8, name="Bot")))
    assert (record.stamp_ns, record.author) == (None, "Bot")
    assert population.attachment(File(id=2, name="a", size=3)).author is None


def test_tasks_nested_in_an_answer() -> None:
    tree, population = make()
    outer = task(10, "outer")
    outer.child = [task(11, "inner")]
    outer.child[0].child = [task(12, "innermost", done=True)]
    population.tasks(1, [outer])
    assert tree.tasks[12].path() == "/P/outer/inner/Done/innermost"
    population.task(1, task(13, "late", parent=11))
    assert tree.tasks[13].path() == "/P/outer/inner/late"
    population.vanished(("task", 11))
    assert tree.tasks.keys() == {10}


def test_what_is_gone_is_told_and_what_only_moved_or_is_not_shown_is_not() -> None:
    told: list[list[int]] = []
    tree, population = make(gone=lambda files: told.append(sorted(file.id for file in files)))
    outer = task(10, "outer")
    outer.child = [task(11, "inner")]
    population.tasks(1, [outer, task(12, "other"), task(13, "last")])
    population.files(("task", 10), [file(1), file(2)], True)
    population.files(("task", 11), [file(3), file(4)], True)
    population.files(("task", 12), [file(5)], True)
    population.files(("task", 13), [file(6)], True)
    assert told == []
    population.files(("task", 10), [file(2)], True)
    assert told.pop() == [1]
    population.files(("task", 12), [file(5), file(3)], True)  # a file that is another task's now
    population.files(("task", 11), [file(4)], True)
    assert told == []
    population.vanished(("task", 12))
    assert (told, 5 in tree.attachments) == ([], False)
    population.vanished(("task", 10), deleted=True)
    assert told.pop() == [2, 4]
    population.tasks(1, [])
    assert (told, tree.attachments) == ([], {}), "a list may lack what is closed or archived"


def test_the_drop_task_is_the_open_top_level_one_of_the_title_with_the_lowest_id() -> None:
    tree, population = make()
    population.tasks(1, [task(9, done=True), task(10), task(11), task(8, "Project Files"), task(12, "t")])
    assert tree.drop_tasks == {1: 10}
    population.task(1, task(7, parent=12))
    assert tree.drop_tasks == {1: 10}
    population.task(1, task(10, done=True))
    assert tree.drop_tasks == {1: 11}
    population.vanished(("task", 11))
    population.tasks(1, [task(9, done=True)])
    assert tree.drop_tasks == {}


def test_a_remembered_drop_task_goes_before_one_of_the_title() -> None:
    tree, population = make(remembered_drop=lambda project_id: 12)
    population.tasks(1, [task(10), task(12, "renamed by a colleague")])
    assert tree.drop_tasks == {1: 12}
    population.task(1, task(12, "renamed by a colleague", done=True))
    assert tree.drop_tasks == {1: 10}


def test_a_drop_task_that_was_just_made_counts_before_it_is_remembered_on_disk() -> None:
    tree, population = make()
    population.tasks(1, [task(10)])
    population.remember_drop(1, 13)
    assert tree.drop_tasks == {1: 10}
    population.task(1, task(13))
    assert tree.drop_tasks == {1: 13}


def test_without_a_title_there_is_none() -> None:
    tree = Tree()
    population = Population(tree)
    population.projects([Project(id=1, name="P")])
    population.tasks(1, [task(10)])
    assert tree.drop_tasks == {}


def test_every_telling_is_followed_by_word_of_it() -> None:
    heard: list[int] = []
    tree = Tree()
    population = Population(tree, changed=lambda: heard.append(len(tree.by_inode)))
    population.projects([Project(id=1, name="P")])
    population.tasks(1, [task(10, "t")])
    population.task(1, task(11, "u"))
    population.files(("task", 10), [File(id=20, name="a", size=1)], True)
    population.vanished(("task", 10))
    assert heard == [2, 3, 4, 5, 3]
