"""A SQLite file that is opened, brought to the newest schema, and moved aside where it is damaged.

Everything here blocks: it runs in a worker thread.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)

Migration = Callable[[sqlite3.Connection], None]

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR}
_SUFFIXES = ("", "-wal", "-shm")


class WrongSchemaError(Exception):
    """The file is of a newer wsfs, or of another program."""


def is_damage(error: BaseException) -> bool:
    """Whether an error says that the file's content is bad (and not that the disk is full, say).

    A missing table or column counts (SQLITE_ERROR), and a row that doesn't decode.
    """
    if isinstance(error, (WrongSchemaError, msgspec.DecodeError)):
        return True
    if not isinstance(error, sqlite3.DatabaseError):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) in _DAMAGE


def open_database(
    path: Path, application_id: int, migrations: Sequence[Migration], *, full: bool
) -> sqlite3.Connection:
    """Open or make the database at `path`, in WAL mode, with every migration applied.

    `full`: a commit is on the disk when it returns (synchronous=FULL), else it may be lost with the machine's
    power, in order. Raises sqlite3.Error and WrongSchemaError; `is_damage` sorts them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
        db.execute("PRAGMA cache_spill = OFF")  # a full disk shows at COMMIT, and not amidst a transaction
        _migrate(db, application_id, migrations)
    except BaseException:
        db.close()
        raise
    return db


def memory_database(application_id: int, migrations: Sequence[Migration]) -> sqlite3.Connection:
    """A database that lives as long as the process, where no file can be had."""
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _migrate(db, application_id, migrations)
    return db


def move_aside(path: Path) -> Path | None:
    """Rename a damaged database, so that a new one can be begun; where it went, None where it can't be moved.

    One that was moved aside before is replaced.
    """
    aside = path.with_name(f"{path.name}.damaged")
    try:
        for suffix in _SUFFIXES:
            moved = Path(f"{path}{suffix}")
            if moved.exists():
                moved.replace(f"{aside}{suffix}")
            else:
                Path(f"{aside}{suffix}").unlink(missing_ok=True)
    except OSError as error:
        log.warning("the damaged %s can't be moved aside: %s", path, error)
        return None
    return aside


def open_or_begin_anew(
    path: Path, application_id: int, migrations: Sequence[Migration], *, full: bool
) -> tuple[sqlite3.Connection, Path | None]:
    """Open a database whatever state it is in; beside it, where a damaged one was moved to.

    What can't be opened at all (no space, no right, locked) is replaced by one in memory, with a warning.
    """
    aside: Path | None = None
    for _ in range(2):
        try:
            return open_database(path, application_id, migrations, full=full), aside
        except (sqlite3.Error, WrongSchemaError, OSError) as error:
            if aside is None and is_damage(error):
                aside = move_aside(path)
                if aside is not None:
                    log.warning("%s is damaged (%s): begun anew, the old one is %s", path, error, aside)
                    continue
            log.warning("%s can't be opened (%s): what is learnt now will be forgotten", path, error)
            break
    return memory_database(application_id, migrations), aside


def rebuild(
    db: sqlite3.Connection,
    path: Path,
    application_id: int,
    migrations: Sequence[Migration],
    error: BaseException,
) -> sqlite3.Connection:
    """Close a database that turned out damaged while in use, move it aside, and begin anew."""
    try:
        db.close()
    except sqlite3.Error:
        pass  # it is damaged: the file is what is moved
    aside = move_aside(path)
    log.warning("%s is damaged (%s): begun anew%s", path, error, f", the old one is {aside}" if aside else "")
    if aside is None:
        return memory_database(application_id, migrations)
    return open_or_begin_anew(path, application_id, migrations, full=False)[0]


def _migrate(db: sqlite3.Connection, application_id: int, migrations: Sequence[Migration]) -> None:
    owner = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if owner not in (0, application_id):
        raise WrongSchemaError(f"application id {owner}")
    if version > len(migrations):
        raise WrongSchemaError(f"schema {version} is newer than this wsfs")
    started = time.monotonic()
    for number in range(version, len(migrations)):
        db.execute("BEGIN IMMEDIATE")
        try:
            # another process may have come first while this one waited for the lock
            if db.execute("PRAGMA user_version").fetchone()[0] == number:
                migrations[number](db)
                db.execute(f"PRAGMA user_version = {number + 1}")
                db.execute(f"PRAGMA application_id = {application_id}")
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
    if version and version < len(migrations):
        log.info("schema %d brought to %d in %.1f s", version, len(migrations), time.monotonic() - started)
