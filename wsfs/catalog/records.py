"""How projects, tasks and files lie in the store: small arrays, and how they become the API's structures again.

A file's or task's user is a number of the store's own table of users, so that 100,000 files of ten people
hold ten `User` objects and not 100,000. A page that can be told from the ids isn't kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from wsfs.api.models import File, Project, Ref, Task, User
from wsfs.catalog.sink import Owner

COMPLETE = 1
"""Flag of an owner: all its files are known."""
DETAILED = 2
"""Flag of an owner: its files' dates and authors are known too (get_files told them)."""
COMMENTED = 4
"""Flag of a task: it has comments, so that only get_files tells all its files."""


class FileRecord(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A file of an owner; `described` marks one that the description is known to hold."""

    id: int
    name: str
    size: int
    page: str | None
    date_added: datetime | None
    user: int
    described: bool


class TaskRecord(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """What is kept of a task beside its place."""

    name: str
    page: str | None
    status: str
    date_added: datetime | None
    date_closed: datetime | None
    user_from: int
    user_to: int


class ProjectRecord(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """What is kept of a project."""

    name: str
    page: str
    status: str
    company: str | None
    date_added: datetime | None
    date_closed: datetime | None
    user_from: int
    user_to: int


class TaskRow(NamedTuple):
    """A row of the table of tasks; `parent` is 0 at the top level, `digest` sums up the embedded comments."""

    id: int
    project: int
    parent: int
    flags: int
    digest: str | None
    data: bytes


_encoder = msgspec.msgpack.Encoder()
_files_decoder = msgspec.msgpack.Decoder(list[FileRecord])
_task_decoder = msgspec.msgpack.Decoder(TaskRecord)
_project_decoder = msgspec.msgpack.Decoder(ProjectRecord)
encode = _encoder.encode


class Users:
    """The people of the account, each once; `fresh` are those that the store has not written yet."""

    def __init__(self) -> None:
        self._by_key: list[User | None] = [None]
        self._keys: dict[tuple[int, str, str], int] = {}
        self.fresh: list[tuple[int, int, str, str]] = []

    def load(self, rows: Iterable[tuple[int, int, str, str]]) -> None:
        """Take the rows (key, id, name, email) that the store holds, by ascending key."""
        for key, user_id, name, email in rows:
            while len(self._by_key) <= key:
                self._by_key.append(None)
            self._by_key[key] = User(id=user_id, name=name, email=email)
            self._keys[(user_id, name, email)] = key

    def key(self, user: User | None) -> int:
        """The user's number; 0 for nobody."""
        if user is None:
            return 0
        wanted = (user.id, user.name, user.email)
        key = self._keys.get(wanted)
        if key is None:
            key = self._keys[wanted] = len(self._by_key)
            self._by_key.append(user)
            self.fresh.append((key, *wanted))
        return key

    def user(self, key: int) -> User | None:
        """Whose number this is; the object is shared."""
        return self._by_key[key] if 0 <= key < len(self._by_key) else None

    def everyone(self) -> None:
        """Let every user be written again (the store was begun anew)."""
        self.fresh = [
            (key, user.id, user.name, user.email) for key, user in enumerate(self._by_key) if user is not None
        ]


def file_record(file: File, users: Users, *, described: bool) -> FileRecord:
    """What is kept of a file."""
    page = None if file.page == f"/download/{file.id}" else file.page
    return FileRecord(
        file.id, file.name, file.size, page, file.date_added, users.key(file.user_from), described
    )


def api_file(record: FileRecord, users: Users) -> File:
    """The file that a record was made of."""
    page = record.page
    return File(
        id=record.id,
        name=record.name,
        size=record.size,
        page=f"/download/{record.id}" if page is None else page,
        date_added=record.date_added,
        user_from=users.user(record.user) if record.user else None,
    )


def decode_files(data: bytes | None) -> list[FileRecord]:
    """The records of an owner's files; raises msgspec.DecodeError for anything else."""
    return _files_decoder.decode(data) if data else []


def task_data(task: Task, project_id: int, users: Users) -> bytes:
    """What is kept of a task, encoded; equal for equal tasks."""
    plain = f"/project/{project_id}/{task.id}/"
    return encode(
        TaskRecord(
            task.name,
            None if task.page == plain else task.page,
            task.status,
            task.date_added,
            task.date_closed,
            users.key(task.user_from),
            users.key(task.user_to),
        )
    )


def api_task(row: TaskRow, users: Users) -> Task:
    """The task that a row was made of, without subtasks."""
    record = _task_decoder.decode(row.data)
    return Task(
        id=row.id,
        name=record.name,
        page=f"/project/{row.project}/{row.id}/" if record.page is None else record.page,
        status=record.status,
        project=Ref(id=row.project),
        parent=Ref(id=row.parent) if row.parent else None,
        date_added=record.date_added,
        date_closed=record.date_closed,
        user_from=users.user(record.user_from),
        user_to=users.user(record.user_to),
        has_comments=bool(row.flags & COMMENTED),
        child=[],
    )


def nest(rows: Iterable[TaskRow], users: Users) -> list[Task]:
    """Tasks with their subtasks inside; one whose parent isn't among the rows comes first level."""
    tasks: dict[int, Task] = {}
    parents: dict[int, int] = {}
    for row in rows:
        tasks[row.id] = api_task(row, users)
        parents[row.id] = row.parent
    top: list[Task] = []
    for task_id, task in tasks.items():
        above = tasks.get(parents[task_id])
        if above is None or above is task:
            top.append(task)
        else:
            above.child.append(task)
    return top


def flatten(tasks: Iterable[Task], parent: int = 0) -> Iterator[tuple[Task, int]]:
    """Each task with its parent's id, parents first."""
    for task in tasks:
        yield task, parent
        if task.child:
            yield from flatten(task.child, task.id)


def project_data(project: Project, users: Users) -> bytes:
    """What is kept of a project, encoded."""
    return encode(
        ProjectRecord(
            project.name,
            project.page,
            project.status,
            project.company,
            project.date_added,
            project.date_closed,
            users.key(project.user_from),
            users.key(project.user_to),
        )
    )


def retitled(owner: Owner, data: bytes, title: str) -> bytes:
    """What is kept of a project or task, under another title."""
    if owner[0] == "project":
        return encode(msgspec.structs.replace(_project_decoder.decode(data), name=title))
    return encode(msgspec.structs.replace(_task_decoder.decode(data), name=title))


def api_project(project_id: int, data: bytes, users: Users) -> Project:
    """The project that a row was made of."""
    record = _project_decoder.decode(data)
    return Project(
        id=project_id,
        name=record.name,
        page=record.page,
        status=record.status,
        company=record.company,
        date_added=record.date_added,
        date_closed=record.date_closed,
        user_from=users.user(record.user_from),
        user_to=users.user(record.user_to),
    )


def ids_of_page(page: str) -> tuple[int, list[int]]:
    """The project's id and the chain of task ids in `/project/P/TASK/SUBTASK/`; (0, []) for another page."""
    parts = page.split("#", 1)[0].split("?", 1)[0].strip("/").split("/")
    if len(parts) < 2 or parts[0] != "project" or not parts[1].isdigit():
        return 0, []
    chain: list[int] = []
    for part in parts[2:]:
        if not part.isdigit():
            break
        chain.append(int(part))
    return int(parts[1]), chain


def project_of(task: Task) -> int:
    """The project a task says it is of; 0 where it doesn't say."""
    if task.project is not None and task.project.id:
        return task.project.id
    return ids_of_page(task.page)[0]


def parent_of(task: Task) -> int:
    """The parent task that a task says it has; 0 at the top level."""
    if task.parent is not None and task.parent.id:
        return task.parent.id
    chain = ids_of_page(task.page)[1]
    if len(chain) >= 2 and chain[-1] == task.id:
        return chain[-2]
    return 0
