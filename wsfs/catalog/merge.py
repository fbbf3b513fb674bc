"""What an answer changes in what is stored: the rules of completeness.

Runs in the store's worker thread, in one transaction. Rules (worksection-api.md, "Answers"): a bulk answer
tells the description's files, whether there are comments, and the last five of these. So

- a task without comments is complete as soon as its description's files are told;
- fewer than five comments that carry their files complete it too;
- else what get_files told before stays, complete as long as the embedded comments are the same (their ids and
  files make the digest; None: accept the next one), and incomplete when they aren't: then it is to be read again.

A date or author known from get_files survives an answer that doesn't carry them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from wsfs.api.models import Comment, File, Task

from .records import (
    COMMENTED,
    COMPLETE,
    DETAILED,
    FileRecord,
    TaskRow,
    Users,
    api_file,
    decode_files,
    encode,
    file_record,
    flatten,
    nest,
    parent_of,
    task_data,
)
from .sink import Owner

PROJECT, TASK = 1, 2
"""The kinds of an owner in the table of files."""

_EMBEDDED = 5
"""How many comments the service embeds at most."""

_COLUMNS = "id, project, parent, flags, digest, data"


@dataclass
class Merged:
    """What came of an answer about one project's tasks.

    `tasks` is what to tell, nested: the whole project's or only the answered ones; None where nothing changed.
    `files` tells each owner whose files or completeness changed. `places` are (id, project, parent, flags) of
    every task that was told. `gone` are ids that the whole project doesn't have any more, `missing` subtasks
    that a single task's answer lacks, `reread` tasks that were complete and aren't now.
    """

    project: int
    tasks: list[Task] | None = None
    files: list[tuple[Owner, list[File], bool]] = field(default_factory=list)
    places: list[tuple[int, int, int, int]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    reread: list[int] = field(default_factory=list)


def merge_tasks(
    db: sqlite3.Connection,
    users: Users,
    project_id: int,
    answer: Iterable[Task],
    *,
    whole: bool,
    first: bool,
    newer: Collection[int] = (),
) -> Merged:
    """Write what `answer` changes of a project's tasks; `whole` if it has all of them.

    `first`: nothing of the project was told before, so everything is to be told now. `newer` are ids of which
    something newer than the answer is known already: their rows, or their absence, stay.
    """
    stored = {row.id: row for row in _rows(db, "project = ?", (project_id,))}
    flat = [(task, parent or parent_of(task)) for task, parent in flatten(answer) if task.id]
    if whole:
        old_files = _project_files(db, project_id)
    else:
        old_files = {}
    strangers = [task.id for task, _ in flat if task.id not in stored]
    foreign = {row.id: row for row in _by_ids(db, strangers)}
    asked = list(foreign) if whole else [task.id for task, _ in flat]
    old_files.update(_task_files(db, asked))

    merged = Merged(project_id)
    rows: dict[int, TaskRow] = {}
    changed_rows: list[TaskRow] = []
    for task, parent in flat:
        old = stored.get(task.id) or foreign.get(task.id)
        if task.id in newer:
            if task.id in stored:
                rows[task.id] = stored[task.id]
            continue
        data = old_files.get(task.id)
        before = decode_files(data)
        flags, digest, after = _fold(task, old, before, users)
        row = TaskRow(task.id, project_id, parent, flags, digest, task_data(task, project_id, users))
        rows[task.id] = row
        if row != old:
            changed_rows.append(row)
        if after != before:
            put_files(db, TASK, task.id, after)
        if old is not None and old.flags & COMPLETE and not flags & COMPLETE:
            merged.reread.append(task.id)
        if first or old is None or after != before or (flags ^ old.flags) & COMPLETE:
            told = [api_file(record, users) for record in after]
            merged.files.append((("task", task.id), told, bool(flags & COMPLETE)))
    if whole:
        for task_id in newer:
            if task_id in stored:
                rows.setdefault(task_id, stored[task_id])
        merged.gone = [task_id for task_id in stored if task_id not in rows]
        forget_tasks(db, merged.gone)
    else:
        merged.missing = _missing(stored.values(), rows)
    db.executemany(
        f"INSERT OR REPLACE INTO tasks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
        changed_rows,
    )
    if first or merged.gone or any(_tellable(row, stored.get(row.id)) for row in changed_rows):
        merged.tasks = nest(rows.values(), users)
    merged.places = [(row.id, row.project, row.parent, row.flags) for row in rows.values()]
    return merged


def stored_tasks(db: sqlite3.Connection, users: Users, project_id: int, *, files: bool = True) -> Merged:
    """Everything the store has of a project's tasks, to be told as at the first time; `files` of them too."""
    rows = list(_rows(db, "project = ?", (project_id,)))
    merged = Merged(project_id, tasks=nest(rows, users))
    merged.places = [(row.id, row.project, row.parent, row.flags) for row in rows]
    if files:
        stored = _project_files(db, project_id)
        for row in rows:
            told = _api_files(stored.get(row.id), users)
            merged.files.append((("task", row.id), told, bool(row.flags & COMPLETE)))
    return merged


def stored_files(db: sqlite3.Connection, users: Users, task_ids: list[int]) -> dict[int, list[File]]:
    """The files of some tasks that have any, by the task's id."""
    return {task_id: _api_files(data, users) for task_id, data in _task_files(db, task_ids).items()}


def _api_files(data: bytes | None, users: Users) -> list[File]:
    return [api_file(record, users) for record in decode_files(data)]


def merge_files(db: sqlite3.Connection, users: Users, owner: Owner, files: Iterable[File]) -> None:
    """Write an owner's files as get_files told them: complete, with dates and authors."""
    kind, records = _files_of(db, owner)
    described = {record.id for record in records if record.described}
    put_files(db, kind, owner[1], [file_record(f, users, described=f.id in described) for f in files])


def add_files(db: sqlite3.Connection, users: Users, owner: Owner, files: Iterable[File]) -> None:
    """Write files besides those that are known of an owner."""
    kind, records = _files_of(db, owner)
    known = {record.id for record in records}
    fresh = [file_record(file, users, described=False) for file in files if file.id not in known]
    put_files(db, kind, owner[1], [*records, *fresh])


def _files_of(db: sqlite3.Connection, owner: Owner) -> tuple[int, list[FileRecord]]:
    """The kind of an owner in the table of files, and what it has there."""
    kind = TASK if owner[0] == "task" else PROJECT
    row = db.execute("SELECT data FROM files WHERE kind = ? AND id = ?", (kind, owner[1])).fetchone()
    return kind, decode_files(row[0] if row else None)


def put_task(
    db: sqlite3.Connection, users: Users, task: Task, project_id: int, parent: int, flags: int
) -> None:
    """Write one task's row; the next answer's comments are accepted as they come."""
    db.execute(
        f"INSERT OR REPLACE INTO tasks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
        (task.id, project_id, parent, flags, None, task_data(task, project_id, users)),
    )


def put_files(db: sqlite3.Connection, kind: int, owner_id: int, records: list[FileRecord]) -> None:
    """Write an owner's files in place of those before; no row for no file."""
    if records:
        db.execute(
            "INSERT OR REPLACE INTO files (kind, id, data) VALUES (?, ?, ?)",
            (kind, owner_id, encode(records)),
        )
    else:
        db.execute("DELETE FROM files WHERE kind = ? AND id = ?", (kind, owner_id))


def forget_tasks(db: sqlite3.Connection, task_ids: Iterable[int]) -> None:
    """Drop tasks and their files."""
    ids = [(task_id,) for task_id in task_ids]
    db.executemany("DELETE FROM tasks WHERE id = ?", ids)
    db.executemany(f"DELETE FROM files WHERE kind = {TASK} AND id = ?", ids)


def _fold(
    task: Task, old: TaskRow | None, before: list[FileRecord], users: Users
) -> tuple[int, str | None, list[FileRecord]]:
    """The flags, digest and files of a task after an answer about it."""
    known = {record.id: record for record in before}
    was = old.flags if old is not None else 0
    if task.files is None:
        described = [record for record in before if record.described]
    else:
        described = [_kept(file, known, users, described=True) for file in task.files]
    if task.has_comments is not None:
        commented = task.has_comments
    elif task.comments is not None:
        commented = bool(task.comments)
    else:
        commented = bool(was & COMMENTED) or old is None
    if not commented:
        complete = task.files is not None or bool(was & COMPLETE)
        return _flags(complete, False, described, was, known), "", described

    comments = task.comments or []
    embedded = [
        _kept(file, known, users, described=False)
        for comment in comments
        for file in comment.files or ()
        if all(file.id != record.id for record in described)
    ]
    if (
        task.files is not None
        and 0 < len(comments) < _EMBEDDED
        and all(comment.files is not None for comment in comments)
    ):
        files = [*described, *embedded]
        return _flags(True, True, files, was, known), _digest(comments), files

    digest = _digest(comments) if task.comments is not None else (old.digest if old is not None else None)
    in_description = {record.id for record in described}
    others = [r for r in before if not r.described and r.id not in in_description]
    present = in_description | {record.id for record in others}
    files = [*described, *others, *(r for r in embedded if r.id not in present)]
    complete = (
        old is not None
        and was & (COMPLETE | COMMENTED) == COMPLETE | COMMENTED
        and (old.digest is None or old.digest == digest)
    )
    return _flags(complete, True, files, was, known), digest, files


def _flags(
    complete: bool, commented: bool, files: list[FileRecord], was: int, known: dict[int, FileRecord]
) -> int:
    detailed = all(
        record.date_added is not None or (was & DETAILED and record.id in known) for record in files
    )
    return (COMPLETE if complete else 0) | (COMMENTED if commented else 0) | (DETAILED if detailed else 0)


def _kept(file: File, known: dict[int, FileRecord], users: Users, *, described: bool) -> FileRecord:
    """The record of a file that an answer names: the known one where get_files told it, as that says more."""
    record = known.get(file.id)
    if record is None or record.date_added is None:
        return file_record(file, users, described=described)
    if record.described == described:
        return record
    return FileRecord(
        record.id, record.name, record.size, record.page, record.date_added, record.user, described
    )


def _digest(comments: Iterable[Comment]) -> str:
    """Changes when a comment comes, goes, or gets another file."""
    return ";".join(
        f"{comment.id}:{','.join(str(file.id) for file in comment.files or ())}" for comment in comments
    )


def _tellable(row: TaskRow, old: TaskRow | None) -> bool:
    """Whether a changed row changes the task itself, and not only what is known of its files."""
    return (
        old is None or row[:3] != old[:3] or row.data != old.data or bool((row.flags ^ old.flags) & COMMENTED)
    )


def _missing(stored: Iterable[TaskRow], told: dict[int, TaskRow]) -> list[int]:
    """Stored tasks below the told ones that weren't told; not what is below such a one."""
    return [row.id for row in stored if row.parent in told and row.id not in told]


def _rows(db: sqlite3.Connection, where: str, values: tuple[int, ...]) -> Iterator[TaskRow]:
    return map(TaskRow._make, db.execute(f"SELECT {_COLUMNS} FROM tasks WHERE {where}", values))


def _by_ids(db: sqlite3.Connection, ids: list[int]) -> Iterator[TaskRow]:
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        yield from _rows(db, f"id IN ({','.join('?' * len(some))})", tuple(some))


def _project_files(db: sqlite3.Connection, project_id: int) -> dict[int, bytes]:
    return dict(
        db.execute(
            "SELECT files.id, files.data FROM tasks JOIN files ON files.kind = ? AND files.id = tasks.id "
            "WHERE tasks.project = ?",
            (TASK, project_id),
        )
    )


def _task_files(db: sqlite3.Connection, ids: list[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        found.update(
            db.execute(
                f"SELECT id, data FROM files WHERE kind = ? AND id IN ({','.join('?' * len(some))})",
                (TASK, *some),
            )
        )
    return found
