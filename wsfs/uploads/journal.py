"""The journal: what the spool holds, in SQLite, so that no crash loses it; small contents lie in it too.

One thread owns the database. Whatever was asked for while it was busy becomes one transaction, with
synchronous=FULL: sixteen writers share one fsync. What is asked for first is on disk first, so a row can rely
on any that was queued before it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import operator
import queue
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio

from wsfs.uploads.errors import NoSpace, SpoolBroken, UploadError
from wsfs.uploads.nodes import NODE_COLUMNS, BatchRecord, Spooled
from wsfs.uploads.states import State

_log = logging.getLogger(__name__)

_SCHEMA = """
create table if not exists nodes (
    inode integer primary key, parent integer not null, name text not null, is_dir integer not null,
    state text not null, mode integer not null, uid integer not null, gid integer not null,
    atime_ns integer not null, mtime_ns integer not null, ctime_ns integer not null,
    size integer not null, error text, remote_id integer, content text not null,
    content_stamp integer not null, closed integer not null, uncertain integer not null,
    shadow integer not null, released integer not null, batch integer,
    created_at real not null, changed_at real not null);
create table if not exists batches (
    id integer primary key, kind text not null, project integer not null, task integer not null,
    directory integer, is_drop integer not null, known text not null, result integer, author text);
create table if not exists recent (
    parent integer not null, name text not null, sent_at real not null, primary key (parent, name));
create table if not exists places (root integer primary key, path text not null);
create table if not exists xattrs (
    inode integer not null, name text not null, value blob not null, primary key (inode, name));
create trigger if not exists xattrs_go after delete on nodes
    begin delete from xattrs where inode = old.inode; end;
create table if not exists meta (key text primary key, value integer not null);
create table if not exists contents (id integer primary key, name text not null, data blob not null);
"""

LINGER = 1.0
"""Seconds that an operation which nobody waits for may wait for company."""

Operation = tuple[str, tuple[Any, ...]]
"""One SQL statement and its values."""

_BATCH_COLUMNS = "id, kind, project, task, directory, is_drop, known, author, result"
_PUT_NODE = (
    f"insert or replace into nodes ({', '.join(NODE_COLUMNS)}) values ({', '.join('?' * len(NODE_COLUMNS))})"
)


_STATE = NODE_COLUMNS.index("state")
_columns = operator.attrgetter(*NODE_COLUMNS)


def put_node(node: Spooled) -> Operation:
    """Write a node's row as it is now; what changes later needs another."""
    values = _columns(node)
    return _PUT_NODE, (*values[:_STATE], node.state.value, *values[_STATE + 1 :])


def delete_node(inode: int) -> Operation:
    """Remove a node's row."""
    return "delete from nodes where inode = ?", (inode,)


def put_content(name: str, data: bytes) -> Operation:
    """Write a small content."""
    return "insert or replace into contents values (?, ?, ?)", (_content_id(name), name, data)


def copy_content(name: str, new: str) -> Operation:
    """Write a small content once more, under another name."""
    return (
        "insert or replace into contents select ?, ?, data from contents where id = ?",
        (_content_id(new), new, _content_id(name)),
    )


def delete_content(name: str) -> Operation:
    """Remove a small content."""
    return "delete from contents where id = ?", (_content_id(name),)


def _content_id(name: str) -> int:
    """The inode that the content was made with: the last part of its name, and no other content's."""
    return int(name.rpartition(".")[2])


def put_batch(batch: BatchRecord) -> Operation:
    """Write a batch's row."""
    return (
        f"insert or replace into batches ({_BATCH_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(batch.id, batch.kind, batch.project, batch.task, batch.directory, batch.drop),
            *(json.dumps(sorted(batch.known)), batch.author, batch.result),
        ),
    )


def delete_batch(batch_id: int) -> Operation:
    """Remove a batch's row."""
    return "delete from batches where id = ?", (batch_id,)


def put_recent(parent: int, name: str, sent_at: float) -> Operation:
    """Remember that a file of this name was uploaded at `sent_at` (unix seconds)."""
    return "insert or replace into recent values (?, ?, ?)", (parent, name, sent_at)


def delete_recent(before: float) -> Operation:
    """Forget the uploads before that moment (unix seconds)."""
    return "delete from recent where sent_at < ?", (before,)


def put_place(root: int, path: str) -> Operation:
    """Remember where a directory of the server is in the drive."""
    return "insert or replace into places values (?, ?)", (root, path)


def delete_place(root: int) -> Operation:
    """Forget where a directory of the server is."""
    return "delete from places where root = ?", (root,)


def put_xattr(inode: int, name: str, value: bytes) -> Operation:
    """Write an extended attribute of a node; it goes with the node's row."""
    return "insert or replace into xattrs values (?, ?, ?)", (inode, name, value)


def delete_xattr(inode: int, name: str) -> Operation:
    """Remove an extended attribute of a node."""
    return "delete from xattrs where inode = ? and name = ?", (inode, name)


def put_meta(key: str, value: int) -> Operation:
    """Remember a number under a name."""
    return "insert or replace into meta values (?, ?)", (key, value)


@dataclasses.dataclass(frozen=True)
class Stored:
    """All that the journal held when it was opened."""

    nodes: list[Spooled]
    batches: list[BatchRecord]
    recent: dict[tuple[int, str], float]
    meta: dict[str, int]
    places: dict[int, str]
    contents: dict[str, int]
    """The sizes of the small contents, by their names."""


@dataclasses.dataclass(eq=False)
class _Order:
    operations: Sequence[Operation]
    done: trio.Event | None = None
    error: UploadError | None = None


class Journal:
    """The database of a spool, at `path` (made where it is missing, readable by its user alone).

    `open` and `close` are called once each, `expire` now and then. Errors: NoSpace where the disk is full, else
    SpoolBroken.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._orders: queue.SimpleQueue[list[_Order] | None] = queue.SimpleQueue()
        self._company: list[_Order] = []  # joined, and not yet the thread's: each time it wakes costs a write
        self._waiting_since = 0.0
        self._thread: threading.Thread | None = None
        self._reader: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        self._token: trio.lowlevel.TrioToken | None = None
        self._pending = 0

    async def open(self) -> Stored:
        """Open the database, start its thread, and read everything."""
        self._token = trio.lowlevel.current_trio_token()
        database, contents = await trio.to_thread.run_sync(self._connect)
        self._thread = threading.Thread(
            target=self._write, args=(database,), name="wsfs-journal", daemon=True
        )
        self._thread.start()
        return contents

    async def close(self) -> None:
        """Write what is queued, and close; nothing can be committed afterwards."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._hand_over()
            self._orders.put(None)
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(thread.join)
        with self._reading:
            reader, self._reader = self._reader, None
            if reader is not None:
                reader.close()

    def read_content(self, name: str) -> bytes:
        """A small content, as it was last committed; in any thread, and whatever is being written meanwhile.

        Errors: SpoolBroken, also where there is none.
        """
        try:
            with self._reading:
                if self._reader is None:
                    self._reader = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
                    self._reader.execute("pragma query_only = on")
                row = self._reader.execute(
                    "select data from contents where id = ?", (_content_id(name),)
                ).fetchone()
        except sqlite3.Error as error:
            raise _translated(error) from error
        if row is None:
            raise SpoolBroken("a content is missing from the upload journal")
        data: bytes = row[0]
        return data

    async def commit(self, *operations: Operation) -> None:
        """Write the operations, together or not at all, and return when they are on disk.

        A cancelled wait doesn't take them back: they are written all the same.
        """
        order = _Order(operations, trio.Event())
        self._put(order)
        assert order.done is not None
        await order.done.wait()
        if order.error is not None:
            raise order.error

    def post(self, *operations: Operation) -> None:
        """Queue the operations and don't wait: they are on disk before anything that is committed later."""
        self._put(_Order(operations))

    def join(self, *operations: Operation) -> None:
        """As `post`, but to be written together with what comes next, or by `expire` after LINGER seconds."""
        self._check_open()
        if not self._company:
            self._waiting_since = trio.current_time()
        self._pending += 1
        self._company.append(_Order(operations))

    def expire(self, now: float) -> float | None:
        """Have written what has waited for company for too long; `now` is trio's clock. Returns when to ask again."""
        if self._company and now - self._waiting_since >= LINGER:
            self._hand_over()
        return self._waiting_since + LINGER if self._company else None

    async def settled(self) -> None:
        """Wait until what was asked for so far is on disk; its errors are told those who asked."""
        if self._pending:
            await self.commit()

    @property
    def idle(self) -> bool:
        """Whether nothing is being written; what waits for company may be left."""
        return self._pending == len(self._company)

    def _put(self, order: _Order) -> None:
        self._check_open()
        self._pending += 1
        self._company.append(order)
        self._hand_over()

    def _hand_over(self) -> None:
        company, self._company = self._company, []
        if company:
            self._orders.put(company)

    def _check_open(self) -> None:
        if self._thread is None:
            raise SpoolBroken("the spool is closed")

    def _connect(self) -> tuple[sqlite3.Connection, Stored]:
        try:
            self._path.touch(mode=0o600)
            database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = full")
            database.executescript(_SCHEMA)
            _add_columns(database)
            return database, _read(database)
        except (sqlite3.Error, OSError) as error:
            raise _translated(error) from error

    def _write(self, database: sqlite3.Connection) -> None:
        """The thread: take all that is queued, write it, tell who waits; until None comes."""
        group: list[_Order] | None = []
        while group is not None:
            group = self._orders.get()
            orders = group or []
            while group is not None and not self._orders.empty():
                group = self._orders.get()
                orders += group or []
            if orders:
                self._write_group(database, orders)
        database.close()

    def _write_group(self, database: sqlite3.Connection, group: list[_Order]) -> None:
        error = _transact(database, [operation for order in group for operation in order.operations])
        for order in group:
            # One order's fault must not fail the others', so each gets its own second chance.
            alone = error is not None and len(group) > 1
            order.error = _transact(database, order.operations) if alone else error
            if order.done is None and order.error is not None:
                _log.error("The upload journal could not be written: %s", order.error)
        assert self._token is not None
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._written, group)

    def _written(self, group: list[_Order]) -> None:
        self._pending -= len(group)
        for order in group:
            if order.done is not None:
                order.done.set()


def _transact(database: sqlite3.Connection, operations: Sequence[Operation]) -> UploadError | None:
    try:
        database.execute("begin immediate")
        for sql, values in operations:
            database.execute(sql, values)
        database.execute("commit")
    except (sqlite3.Error, OverflowError, ValueError) as error:
        # The last two: a value that SQLite can't hold, as a name that isn't UTF-8.
        with contextlib.suppress(sqlite3.Error):
            database.execute("rollback")
        return _translated(error)
    return None


def _translated(error: Exception) -> UploadError:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return NoSpace("there is no room left for the upload journal")
    return SpoolBroken(f"the upload journal can't be used: {error}")


def _add_columns(database: sqlite3.Connection) -> None:
    """What a journal of an earlier version doesn't have yet."""
    if "author" not in {row[1] for row in database.execute("pragma table_info(batches)")}:
        database.execute("alter table batches add column author text")


def _read(database: sqlite3.Connection) -> Stored:
    nodes = []
    xattrs: dict[int, dict[str, bytes]] = {}
    for inode, name, value in database.execute("select inode, name, value from xattrs order by rowid"):
        xattrs.setdefault(inode, {})[name] = value
    for row in database.execute(f"select {', '.join(NODE_COLUMNS)} from nodes order by inode"):
        fields = dict(zip(NODE_COLUMNS, row, strict=True))
        for flag in ("is_dir", "closed", "uncertain", "shadow", "released"):
            fields[flag] = bool(fields[flag])
        fields["state"] = State(fields["state"])
        nodes.append(Spooled(**fields, xattrs=xattrs.get(fields["inode"], {})))
    batches = [
        BatchRecord(
            id=row[0],
            kind=row[1],
            project=row[2],
            task=row[3],
            directory=row[4],
            drop=bool(row[5]),
            known=frozenset(json.loads(row[6])),
            author=row[7],
            result=row[8],
        )
        for row in database.execute(f"select {_BATCH_COLUMNS} from batches order by id")
    ]
    recent = {(parent, name): sent_at for parent, name, sent_at in database.execute("select * from recent")}
    meta, places, contents = (
        dict(database.execute(sql))
        for sql in (
            "select key, value from meta",
            "select root, path from places",
            "select name, length(data) from contents",
        )
    )
    return Stored(nodes, batches, recent, meta, places, contents)
