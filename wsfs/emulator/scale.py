"""Synthetic accounts of any size, for benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from wsfs.emulator.account import Account
from wsfs.emulator.contents import Noise
from wsfs.emulator.entities import Comment, Project, StoredFile, Task

KINDS = ("pdf", "jpg", "docx", "xlsx", "png", "txt", "zip")
START = datetime(2024, 1, 8, 9, 0)


def scaled_account(
    projects: int, tasks: int, files: int, *, commented: float = 0.0, subtasks: int = 0, seed: int = 0
) -> Account:
    """Return an account of `projects` × `tasks` tasks × `files` files in each description.

    commented: the share of tasks that have a comment with one more file, spread evenly. subtasks: of each task,
    without files, beside `tasks`. Files have 1 to 100 kB of noise. The same arguments make the same account.
    """
    account = Account()
    people = [account.owner, account.add_user("Taras Shevchuk", "taras@example.com")]
    minute = timedelta(minutes=1)
    when = START
    count = 0

    def attach(owner: Task | Comment, name: str) -> StoredFile:
        number = account.new_id()
        size = 1_000 + (number * 7_919 + seed) % 99_000
        content = Noise(seed * 1_000_003 + number, size)
        file = account.files[number] = StoredFile(number, name, content, when, people[number % 2], owner)
        return file

    for p in range(1, projects + 1):
        number = account.new_id()
        project = account.projects[number] = Project(number, f"Project {p:03}", when, people[0], people[1])
        for t in range(1, tasks + 1):
            number = account.new_id()
            task = Task(number, f"Task {p:03}-{t:04}", project, when, people[0], people[1])
            account.tasks[number] = task
            project.tasks.append(task)
            task.files = [attach(task, f"file {f:02}.{KINDS[f % len(KINDS)]}") for f in range(1, files + 1)]
            for s in range(1, subtasks + 1):
                number = account.new_id()
                child = Task(number, f"Subtask {s:02}", project, when, people[0], people[1], task)
                account.tasks[number] = child
                task.children.append(child)
            count += 1
            if int(count * commented + 1e-9) > int((count - 1) * commented + 1e-9):
                number = account.new_id()
                comment = Comment(number, task, "See the file.", when, people[1])
                account.comments[number] = comment
                comment.files = [attach(comment, "answer.pdf")]
                task.comments.append(comment)
            when += minute
    account.version += 1
    return account


def sized_account(groups: Sequence[tuple[str, int, int]], *, seed: int = 0) -> Account:
    """Return an account of one project, `Files`, with a task for each (name, number of files, bytes of each).

    The files lie in the task's description and hold noise. The same arguments make the same account.
    """
    account = Account()
    number = account.new_id()
    project = account.projects[number] = Project(number, "Files", START, account.owner, account.owner)
    for name, count, size in groups:
        number = account.new_id()
        task = account.tasks[number] = Task(number, name, project, START, account.owner, account.owner)
        project.tasks.append(task)
        for index in range(count):
            number = account.new_id()
            content = Noise(seed * 1_000_003 + number, size)
            file = StoredFile(number, f"file {index:05}.dat", content, START, account.owner, task)
            account.files[number] = file
            task.files.append(file)
    account.version += 1
    return account
