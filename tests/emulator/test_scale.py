from __future__ import annotations

import time

from wsfs.emulator.scale import scaled_account, sized_account


def test_the_numbers_asked_for() -> None:
    account = scaled_account(3, 10, 2, commented=0.1, subtasks=1)
    assert len(account.projects) == 3
    assert [len(project.tasks) for project in account.projects.values()] == [10, 10, 10]
    assert len(account.tasks) == 60
    assert len(account.comments) == 3
    assert len(account.files) == 63
    file = next(iter(account.files.values()))
    assert len(file.content.read(0, 10**6)) == file.size
    assert account.events == []


def test_the_same_again() -> None:
    one, two = scaled_account(2, 5, 2), scaled_account(2, 5, 2)
    assert [one.sha256(number) for number in one.files] == [two.sha256(number) for number in two.files]


def test_files_of_given_sizes() -> None:
    account = sized_account([("one", 1, 5_000_000), ("many", 30, 1_000)], seed=3)
    (project,) = account.projects.values()
    assert [(task.name, {file.size for file in task.files}) for task in project.tasks] == [
        ("one", {5_000_000}),
        ("many", {1_000}),
    ]
    again = sized_account([("one", 1, 5_000_000), ("many", 30, 1_000)], seed=3)
    assert [account.sha256(number) for number in account.files] == [
        again.sha256(number) for number in again.files
    ]
    assert len({account.sha256(number) for number in account.files}) == 31


def test_ten_thousand_tasks_in_a_second() -> None:
    start = time.perf_counter()
    account = scaled_account(50, 200, 2, commented=0.1)
    assert time.perf_counter() - start < 1
    assert (len(account.tasks), len(account.comments)) == (10_000, 1_000)
