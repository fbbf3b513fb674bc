"""The catalog on the disk: one SQLite database an account, written in a worker thread.

Two files: the catalog itself, which can always be learnt again from the service and is thrown away when it is
damaged, and beside it the keepsakes (aliases, settings), which can't.

Changes are queued by synchronous calls, in order, and written in batches, each batch one transaction: what is
on the disk is always a state the catalog once had. A full disk loses nothing but time: the queue waits.
"""

from __future__ import annotations

import logging
import math
import sqlite3
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import trio

from wsfs.api.models import File, Project, Task

from .database import is_damage, open_or_begin_anew, rebuild
from .keepsakes import Alias, Keepsakes
from .merge import (
    PROJECT,
    Merged,
    add_files,
    forget_tasks,
    merge_files,
    merge_tasks,
    put_task,
    stored_files,
    stored_tasks,
)
from .records import Users, api_file, api_project, decode_files, project_data, retitled
from .sink import Owner

log = logging.getLogger(__name__)

_APPLICATION = 0x77734361
LOSSY = "lossy"
"""Key of the state: something that was told could not be written, so only a full load makes the store right."""

_RETRY = 30.0
"""Seconds until a batch that couldn't be written is tried again."""

T = TypeVar("T")
Change = Callable[[sqlite3.Connection], object]


class StoredProject(NamedTuple):
    """A project as the store has it: what is known of it, its own files, and when (unix time) those were read."""

    project: Project
    tasks_known: int
    flags: int
    read_at: float
    files: list[File]


def _first(db: sqlite3.Connection) -> None:
    for statement in (
        "CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE users (key INTEGER PRIMARY KEY, id INTEGER NOT NULL, name TEXT NOT NULL, "
        "email TEXT NOT NULL)",
        "CREATE TABLE projects (id INTEGER PRIMARY KEY, tasks_known INTEGER NOT NULL, flags INTEGER NOT NULL, "
        "read_at REAL NOT NULL, data BLOB NOT NULL)",
        "CREATE TABLE tasks (id INTEGER PRIMARY KEY, project INTEGER NOT NULL, parent INTEGER NOT NULL, "
        "flags INTEGER NOT NULL, digest TEXT, data BLOB NOT NULL)",
        "CREATE INDEX tasks_of_project ON tasks (project)",
        "CREATE TABLE files (kind INTEGER NOT NULL, id INTEGER NOT NULL, data BLOB NOT NULL, "
        "PRIMARY KEY (kind, id))",
    ):
        db.execute(statement)


_MIGRATIONS = (_first,)


class Store:
    """Where the catalog of one account lies.

    `path` is the catalog's database file, `keepsakes` that of what can't be learnt again (beside it by
    default). `on_rebuilt` is called, in the trio thread, when the database was lost while in use.
    """

    def __init__(self, path: Path, keepsakes: Path | None = None) -> None:
        self.path = path
        self.keepsakes_path = keepsakes if keepsakes is not None else path.with_name("keepsakes.db")
        self.on_rebuilt: Callable[[], None] | None = None
        self._db: sqlite3.Connection | None = None
        self._keepsakes: Keepsakes | None = None
        self._users = Users()
        self._lock = trio.Lock()
        self._keepsakes_lock = trio.Lock()
        self._queue: list[Change] = []
        self._queued = trio.Event()
        self._stuck_until = -math.inf

    # life

    async def open(self) -> None:
        """Open or make both files; damage costs a log line and what was in there, never an exception."""
        async with self._lock:
            await trio.to_thread.run_sync(self._open)

    async def close(self) -> None:
        """Write what is queued and close; may be called twice."""
        with trio.CancelScope(shield=True), trio.move_on_after(30):
            if self._db is not None:
                self._stuck_until = -math.inf
                await self.flush()
                async with self._lock:
                    db, self._db = self._db, None
                    await trio.to_thread.run_sync(db.close)
            if self._keepsakes is not None:
                async with self._keepsakes_lock:
                    keepsakes, self._keepsakes = self._keepsakes, None
                    await trio.to_thread.run_sync(keepsakes.close)

    def _open(self) -> None:
        self._keepsakes = Keepsakes(self.keepsakes_path)
        self._db, _ = open_or_begin_anew(self.path, _APPLICATION, _MIGRATIONS, full=False)
        try:
            self._load_users()
        except (sqlite3.Error, msgspec.DecodeError) as error:
            self._begin_anew(error)

    def _load_users(self) -> None:
        assert self._db is not None
        self._users = Users()
        self._users.load(self._db.execute("SELECT key, id, name, email FROM users ORDER BY key"))

    # keepsakes

    def aliases(self) -> dict[tuple[int, int], Alias]:
        """The inode of every uploaded node, by (kind, id); loaded at open, to be read and not changed."""
        assert self._keepsakes is not None, "the store is not open"
        return self._keepsakes.aliases

    async def add_alias(self, kind: int, node_id: int, inode: int, mtime_ns: int | None = None) -> None:
        """Remember a node's inode for ever; on the disk when it returns. Raises sqlite3.Error."""
        await self._keep(lambda keepsakes: keepsakes.add_alias(kind, node_id, inode, mtime_ns))

    def get(self, key: str, default: Any = None) -> Any:
        """A remembered setting (a drop task's id, the scheme of authorisation that works, …)."""
        assert self._keepsakes is not None, "the store is not open"
        return self._keepsakes.meta.get(key, default)

    async def set(self, key: str, value: Any) -> None:
        """Remember a JSON-able value, None forgets it; on the disk when it returns. Raises sqlite3.Error."""
        await self._keep(lambda keepsakes: keepsakes.set(key, value))

    async def _keep(self, change: Callable[[Keepsakes], None]) -> None:
        async with self._keepsakes_lock:
            assert self._keepsakes is not None, "the store is not open"
            await trio.to_thread.run_sync(change, self._keepsakes)

    # changes, queued

    def put_projects(self, projects: Iterable[Project]) -> None:
        """The complete list of projects; what is known of those that stay is kept."""
        kept = list(projects)

        def change(db: sqlite3.Connection) -> None:
            ids = {project.id for project in kept}
            for (gone,) in db.execute("SELECT id FROM projects").fetchall():
                if gone not in ids:
                    _forget_project(db, gone)
            db.executemany(
                "INSERT INTO projects VALUES (?, 0, 0, 0, ?) ON CONFLICT (id) DO UPDATE SET data = excluded.data",
                [(project.id, project_data(project, self._users)) for project in kept],
            )

        self._change(change)

    def put_project_state(self, project_id: int, tasks_known: int, flags: int, read_at: float) -> None:
        """What is known of a project's tasks and own files."""
        self._change(
            lambda db: db.execute(
                "UPDATE projects SET tasks_known = ?, flags = ?, read_at = ? WHERE id = ?",
                (tasks_known, flags, read_at, project_id),
            )
        )

    def put_task(self, task: Task, project_id: int, parent: int, flags: int) -> None:
        """One task that was made here, in its place."""

        def change(db: sqlite3.Connection) -> None:
            put_task(db, self._users, task, project_id, parent, flags)

        self._change(change)

    def retitle(self, owner: Owner, title: str) -> None:
        """A project or task got another title; one that isn't there stays away."""
        table = "projects" if owner[0] == "project" else "tasks"

        def change(db: sqlite3.Connection) -> None:
            for (data,) in db.execute(f"SELECT data FROM {table} WHERE id = ?", (owner[1],)).fetchall():
                db.execute(
                    f"UPDATE {table} SET data = ? WHERE id = ?", (retitled(owner, data, title), owner[1])
                )

        self._change(change)

    def put_files(self, owner: Owner, files: Iterable[File]) -> None:
        """An owner's files as get_files told them."""
        kept = list(files)
        self._change(lambda db: merge_files(db, self._users, owner, kept))

    def add_files(self, owner: Owner, files: Iterable[File]) -> None:
        """Files that an owner has besides those that are known."""
        kept = list(files)
        self._change(lambda db: add_files(db, self._users, owner, kept))

    def put_task_flags(self, task_id: int, flags: int, *, new_comments: bool = False) -> None:
        """What is known of a task's files; `new_comments`: the next answer's comments will differ, and may."""
        also = ", digest = NULL" if new_comments else ""
        self._change(
            lambda db: db.execute(f"UPDATE tasks SET flags = ?{also} WHERE id = ?", (flags, task_id))
        )

    def forget(self, owner: Owner, below: Collection[int] = ()) -> None:
        """A project or task, and the tasks `below` it, are gone."""
        ids = list(below)

        def change(db: sqlite3.Connection) -> None:
            if owner[0] == "project":
                _forget_project(db, owner[1])
            else:
                forget_tasks(db, [owner[1], *ids])

        self._change(change)

    def put_state(self, key: str, value: Any) -> None:
        """A value of the catalog's own (JSON-able), in order with the other changes; lost with them too."""
        encoded = msgspec.json.encode(value)
        self._change(lambda db: db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, encoded)))

    def _change(self, change: Callable[[sqlite3.Connection], object]) -> None:
        self._queue.append(change)
        self._queued.set()

    # writing and reading

    async def write_behind(self, pause: float = 1.0) -> None:
        """Write the queue whenever something is in it, at most once in `pause` seconds; runs for ever."""
        while True:
            await self._queued.wait()
            await trio.sleep(max(pause, self._stuck_until - trio.current_time()))
            await self.flush()

    async def flush(self) -> None:
        """Write everything that is queued, as one transaction."""
        await self._run(lambda _: None)

    async def load_projects(self) -> tuple[list[StoredProject], dict[str, Any]]:
        """Every project with its own files, and the catalog's state."""
        return await self._run(self._load_projects)

    async def chunks_of_projects(self, project_ids: Collection[int], tasks: int) -> list[list[int]]:
        """The projects in groups of about so many tasks."""
        counts = await self._run(
            lambda db: dict(db.execute("SELECT project, COUNT(*) FROM tasks GROUP BY project").fetchall())
        )
        chunks: list[list[int]] = []
        room = 0
        for project_id in project_ids:
            count = counts.get(project_id, 0)
            if not chunks or room < count:
                chunks.append([])
                room = tasks
            chunks[-1].append(project_id)
            room -= count
        return chunks

    async def load_tasks(self, project_ids: Collection[int], *, files: bool = True) -> list[Merged]:
        """All that is stored of the tasks of some projects, with or without their files."""
        return await self._run(
            lambda db: [stored_tasks(db, self._users, pid, files=files) for pid in project_ids]
        )

    async def load_files(self, task_ids: list[int]) -> dict[int, list[File]]:
        """The stored files of some tasks, by the task's id."""
        return await self._run(lambda db: stored_files(db, self._users, task_ids))

    async def merge_tasks(
        self,
        project_id: int,
        answer: Iterable[Task],
        *,
        whole: bool,
        first: bool,
        newer: Collection[int] = (),
    ) -> Merged:
        """Write what an answer changes of a project's tasks; see `merge.merge_tasks`."""
        return await self._run(
            lambda db: merge_tasks(db, self._users, project_id, answer, whole=whole, first=first, newer=newer)
        )

    def _load_projects(self, db: sqlite3.Connection) -> tuple[list[StoredProject], dict[str, Any]]:
        files = dict(db.execute("SELECT id, data FROM files WHERE kind = ?", (PROJECT,)))
        projects = [
            StoredProject(
                api_project(project_id, data, self._users),
                tasks_known,
                flags,
                read_at,
                [api_file(record, self._users) for record in decode_files(files.get(project_id))],
            )
            for project_id, tasks_known, flags, read_at, data in db.execute(
                "SELECT id, tasks_known, flags, read_at, data FROM projects ORDER BY id"
            )
        ]
        state = {key: msgspec.json.decode(value) for key, value in db.execute("SELECT key, value FROM state")}
        return projects, state

    async def _run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Write the queue and do `job` in one transaction, in a worker thread.

        Damage: the database is begun anew (with what is queued) and the job done there. A full disk: the job's
        result is good, but what it wrote is lost, and LOSSY is remembered. Cancellation is noticed before or
        after, not amidst. Raises sqlite3.Error where not even the job can be done.
        """
        async with self._lock:
            assert self._db is not None, "the store is not open"
            changes, self._queue = self._queue, []
            if self._queued.is_set():  # else write_behind waits for this one
                self._queued = trio.Event()
            try:
                with trio.CancelScope(shield=True):
                    outcome = await trio.to_thread.run_sync(self._attempt, changes, job)
            except BaseException:
                self._hold(changes)
                raise
            if not outcome.written:
                self._hold(changes)
                self.put_state(LOSSY, True)
            else:
                self._stuck_until = -math.inf
            if outcome.rebuilt and self.on_rebuilt is not None:
                self.on_rebuilt()
            result: T = outcome.result
            return result

    def _hold(self, changes: list[Change]) -> None:
        """Keep changes that couldn't be written for a later attempt."""
        self._queue[:0] = changes
        if self._queue:
            self._queued.set()
        self._stuck_until = trio.current_time() + _RETRY

    def _attempt(self, changes: list[Change], job: Callable[[sqlite3.Connection], Any]) -> _Outcome:
        try:
            return self._transact(changes, job)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            if not is_damage(error):
                raise
            self._begin_anew(error)
            return self._transact(changes, job)._replace(rebuilt=True)

    def _transact(self, changes: list[Change], job: Callable[[sqlite3.Connection], Any]) -> _Outcome:
        db = self._db
        assert db is not None
        written = True
        db.execute("BEGIN IMMEDIATE")
        try:
            for change in changes:
                change(db)
            result = job(db)
            db.executemany("INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?)", self._users.fresh)
            try:
                db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if is_damage(error):
                    raise
                # with cache_spill off a full disk shows here and not before: what the job found is good
                if self._stuck_until == -math.inf:
                    log.warning("the catalog %s can't be written now: %s", self.path, error)
                db.execute("ROLLBACK")
                written = False
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        if written:
            self._users.fresh = []
        return _Outcome(result, written, False)

    def _begin_anew(self, error: BaseException) -> None:
        assert self._db is not None
        self._db = rebuild(self._db, self.path, _APPLICATION, _MIGRATIONS, error)
        self._users.everyone()


class _Outcome(NamedTuple):
    result: Any
    written: bool
    rebuilt: bool


def _forget_project(db: sqlite3.Connection, project_id: int) -> None:
    forget_tasks(
        db, [task_id for (task_id,) in db.execute("SELECT id FROM tasks WHERE project = ?", (project_id,))]
    )
    db.execute("DELETE FROM files WHERE kind = ? AND id = ?", (PROJECT, project_id))
    db.execute("DELETE FROM projects WHERE id = ?", (project_id,))
