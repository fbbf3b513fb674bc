"""The cache's index on disk: which file holds which attachment, and which of its bytes are known to be there.

Everything here blocks and belongs into a worker thread, one call at a time. WAL with synchronous=NORMAL: a
crash may lose the last commits but never the order of them, which is safe in both directions. A lost
"present" costs a download. A lost "gone" names a file that is no longer there, because every file gets a name
of its own that is never used again.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

VERSION = 1

_SCHEMA = """
CREATE TABLE files (
    file_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    extents TEXT,
    used INTEGER NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0
);
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One attachment: its file's `name`, the API's `size`, what is on disk, the serial number of its last use."""

    file_id: int
    name: str
    size: int
    extents: tuple[tuple[int, int], ...]
    used: int
    pinned: bool = False


def _pack(row: Row) -> str | None:
    """Extents as text, NULL for the usual case of a whole file."""
    if row.extents == ((0, row.size),):
        return None
    return ",".join(f"{start}-{end}" for start, end in row.extents)


def _unpack(text: str | None, size: int) -> tuple[tuple[int, int], ...]:
    if text is None:
        return ((0, size),)
    if not text:
        return ()
    pairs = (part.split("-") for part in text.split(","))
    return tuple((int(start), int(end)) for start, end in pairs)


class Index:
    """An SQLite file with one row for each attachment that has bytes in the cache."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """What the index occupies on disk."""
        return self.path, self.path.with_name(self.path.name + "-wal")

    def open(self) -> list[Row]:
        """Open or make it and read all rows, least recently used first; a damaged one is made anew, empty."""
        try:
            return self._load()
        except (sqlite3.DatabaseError, ValueError) as error:
            logger.warning("The cache's index %s is damaged and is made anew: %s", self.path, error)
            self.close()
            for path in self.files:
                path.unlink(missing_ok=True)
            return self._load()

    def _load(self) -> list[Row]:
        # Autocommit mode: the transactions are written out. Any thread may call, one at a time.
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._connection = connection
        connection.execute(
            "PRAGMA locking_mode = EXCLUSIVE"
        )  # no -shm file: the cache's lock guards it already
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 16")  # the log counts against the cache's limit
        connection.execute("PRAGMA journal_size_limit = 65536")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {VERSION};COMMIT;")
        elif version != VERSION:
            raise sqlite3.DatabaseError(f"its version is {version}, not {VERSION}")
        rows = connection.execute(
            "SELECT file_id, name, size, extents, used, pinned FROM files ORDER BY used"
        ).fetchall()
        return [
            Row(file_id, name, size, _unpack(extents, size), used, bool(pinned))
            for file_id, name, size, extents, used, pinned in rows
        ]

    def apply(
        self,
        *,
        gone: Iterable[tuple[int, str]] = (),
        present: Iterable[Row] = (),
        used: Iterable[tuple[int, str, int, bool]] = (),
    ) -> None:
        """One transaction: rows out by (file_id, name), rows in, uses and pins (file_id, name, serial, pinned).

        Raises sqlite3.Error, and then nothing of it is written.
        """
        connection = self._connection
        assert connection is not None, "the index is not open"
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany("DELETE FROM files WHERE file_id = ? AND name = ?", gone)
            connection.executemany(
                "INSERT OR REPLACE INTO files (file_id, name, size, extents, used, pinned)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [(row.file_id, row.name, row.size, _pack(row), row.used, row.pinned) for row in present],
            )
            connection.executemany(
                "UPDATE files SET used = ?, pinned = ? WHERE file_id = ? AND name = ?",
                [(serial, pinned, file_id, name) for file_id, name, serial, pinned in used],
            )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close it; may be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
