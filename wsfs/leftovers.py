"""What lies in a spool, read without taking it: for the commands, when no mount runs that could be asked.

It is in the form of a mount's own list (`UploadCommands.listing`), but for what only a running mount knows. Nothing is
changed, and no lock is needed: the journal is read as of one moment, and what waits keeps its content.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import platformdirs

from wsfs import belonging
from wsfs.uploads.noise import is_noise
from wsfs.uploads.states import State

JOURNAL = "journal.sqlite"
CONTENT = "content"
BUSY_SECONDS = 5.0

NEXT_MOUNT = "it goes when the drive is mounted again"
LOOKED_FOR = (
    "it was being sent when wsfs ended; whether it arrived is looked up when the drive is mounted again"
)

_COLUMNS = (
    *(
        "inode",
        "parent",
        "name",
        "is_dir",
        "state",
        "size",
        "error",
        "content",
        "closed",
        "uncertain",
        "shadow",
    ),
    *("mtime_ns", "mode"),
)


class Unreadable(Exception):  # noqa: N818 - it says what is the matter
    """A spool can't be read; str() is a sentence for after "wsfs: "."""


@dataclass(frozen=True)
class _Row:
    inode: int
    parent: int
    name: str
    is_dir: bool
    state: State
    size: int
    error: str | None
    content: str
    closed: bool
    uncertain: bool
    shadow: bool
    mtime_ns: int
    mode: int


def user_data() -> Path:
    """Where this user's accounts have their data directories, unless told otherwise."""
    return platformdirs.user_data_path("wsfs")


def spools_below(base: Path) -> list[Path]:
    """The spools of the data directories that lie in `base`, by name."""
    with contextlib.suppress(OSError):
        return [spool for one in sorted(base.iterdir()) if (spool := spool_in(one)) is not None]
    return []


def spool_in(data_dir: Path) -> Path | None:
    """The spool of a data directory; None where it has none."""
    spool = data_dir / "spool"
    return spool if (spool / JOURNAL).is_file() else None


def listing(spool: Path) -> dict[str, Any]:
    """What has not reached the server; see UploadCommands.listing. Raises Unreadable.

    `account` is whose it is, "" where that isn't known.
    """
    rows, places = _read(spool)
    by_inode = {row.inode: row for row in rows}
    files = []
    for row in rows:
        if row.state is State.DROPPED or row.state is State.LOCAL or is_noise(row.name):
            continue
        if row.is_dir and row.state is not State.QUARANTINED:
            continue
        state, reason = _as_found(row)
        files.append(
            {
                "path": _path(row, by_inode, places),
                "state": str(state),
                "size": row.size,
                "reason": reason,
                "inode": row.inode,
                "uncertain": row.uncertain,
                "directory": row.is_dir,
                "old_version": row.shadow,
                "content": row.content,
                "mtime_ns": row.mtime_ns,
                "mode": row.mode,
            }
        )
    return {"account": belonging.account(spool.parent) or "", "spool": str(spool), "files": files}


def open_content(spool: str, name: str) -> BinaryIO:
    """The content of that name, which a list told of, to be read: a small one from the journal, another's file.

    Raises Unreadable for what is no name, and where the journal can't be read; FileNotFoundError, OSError.
    """
    if not name or name in (".", "..") or "/" in name:
        raise Unreadable("the list of uploads makes no sense; is the mount of another version of wsfs?")
    place = Path(spool)
    small = _small_content(place, name) if (place / JOURNAL).exists() else None
    if small is None:
        return (place / CONTENT / name).open("rb")
    memory = os.fdopen(os.memfd_create("wsfs", os.MFD_CLOEXEC), "w+b")
    try:
        memory.write(small)
        memory.seek(0)
    except BaseException:
        memory.close()
        raise
    return memory


def _small_content(spool: Path, name: str) -> bytes | None:
    """What the journal holds of it; nothing where that is a file (see wsfs.uploads.contents)."""
    try:
        with _opened(spool) as database:
            if "contents" not in _tables(database):
                return None
            found = database.execute("select data from contents where name = ?", (name,)).fetchone()
            if found is None and _is_empty(database, name):
                return b""
    except sqlite3.Error as error:
        raise Unreadable(f"the uploads in {spool} can't be read: {error}") from error
    return None if found is None else bytes(found[0])


def _is_empty(database: sqlite3.Connection, name: str) -> bool:
    """Whether a row says that there is nothing in it: then it is nowhere."""
    found = database.execute("select size from nodes where content = ?", (name,)).fetchone()
    return found is not None and found[0] == 0


def _opened(spool: Path) -> contextlib.closing[sqlite3.Connection]:
    address = f"file:{quote(os.fsencode(spool / JOURNAL))}?mode=ro"
    return contextlib.closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS))


def _tables(database: sqlite3.Connection) -> set[str]:
    return {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}


def _as_found(row: _Row) -> tuple[State, str]:
    """The state that a start would give it, and why it waits."""
    if row.state is State.OPEN:
        if row.closed:
            return State.SETTLING, NEXT_MOUNT
        return State.INTERRUPTED, row.error or "it was still being written when wsfs or the computer stopped"
    if row.state in (State.SENDING, State.UNKNOWN):
        return State.UNKNOWN, LOOKED_FOR
    return row.state, row.error or NEXT_MOUNT


def _path(row: _Row, rows: dict[int, _Row], places: dict[int, str]) -> str:
    names = [row.name]
    parent = row.parent
    while (above := rows.get(parent)) is not None and len(names) < len(rows):
        names.append(above.name)
        parent = above.parent
    base = places.get(parent, f"(inode {parent})").rstrip("/")
    return "/".join([base, *reversed(names)])


def _read(spool: Path) -> tuple[list[_Row], dict[int, str]]:
    """The journal's rows; a query of one transaction, so as of one moment."""
    try:
        with _opened(spool) as database:
            database.execute("begin")
            tables = _tables(database)
            nodes = database.execute(f"select {', '.join(_COLUMNS)} from nodes order by inode").fetchall()
            places = dict(database.execute("select root, path from places")) if "places" in tables else {}
    except sqlite3.Error as error:
        raise Unreadable(f"the uploads in {spool} can't be read: {error}") from error
    rows = []
    for values in nodes:
        fields = dict(zip(_COLUMNS, values, strict=True))
        for flag in ("is_dir", "closed", "uncertain", "shadow"):
            fields[flag] = bool(fields[flag])
        try:
            fields["state"] = State(fields["state"])
        except ValueError as error:
            raise Unreadable(f"the uploads in {spool} are those of a newer version of wsfs") from error
        rows.append(_Row(**fields))
    return rows, places
