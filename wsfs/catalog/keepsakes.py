"""What can't be learnt again from the service: inodes of uploaded nodes, times they were given, settings.

It has a database file of its own, beside the catalog's, because the catalog's may be thrown away at any time.
A commit is on the disk when it returns. A damaged file is moved aside and whatever can still be read in it
is taken over.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

from .database import is_damage, move_aside, open_or_begin_anew

log = logging.getLogger(__name__)

_APPLICATION = 0x77734B53


class Alias(NamedTuple):
    """The inode that an uploaded project, task or file keeps, and the modification time it was given here."""

    inode: int
    mtime_ns: int | None


def _first(db: sqlite3.Connection) -> None:
    db.execute(
        "CREATE TABLE aliases (kind INTEGER NOT NULL, id INTEGER NOT NULL, inode INTEGER NOT NULL, "
        "mtime_ns INTEGER, PRIMARY KEY (kind, id)) WITHOUT ROWID"
    )
    db.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")


_MIGRATIONS = (_first,)


class Keepsakes:
    """The aliases and settings of one account; every method blocks, so call it in a worker thread."""

    def __init__(self, path: Path) -> None:
        """Open or make the file at `path`; never fails: at worst it remembers until the process ends."""
        self.path = path
        self.aliases: dict[tuple[int, int], Alias] = {}
        self.meta: dict[str, Any] = {}
        self._db, aside = open_or_begin_anew(path, _APPLICATION, _MIGRATIONS, full=True)
        try:
            self._load()
        except (sqlite3.Error, ValueError) as error:
            if isinstance(error, sqlite3.Error) and not is_damage(error):
                raise
            self._db.close()
            aside = move_aside(path)
            log.warning("%s is damaged (%s): begun anew, the old one is %s", path, error, aside)
            self._db, _ = open_or_begin_anew(path, _APPLICATION, _MIGRATIONS, full=True)
        if aside is not None:
            self._salvage(aside)

    def add_alias(self, kind: int, node_id: int, inode: int, mtime_ns: int | None) -> None:
        """Remember the inode of a node for ever; the latest word counts. Raises sqlite3.Error."""
        self._db.execute(
            "INSERT OR REPLACE INTO aliases VALUES (?, ?, ?, ?)", (kind, node_id, inode, mtime_ns)
        )
        self.aliases[(kind, node_id)] = Alias(inode, mtime_ns)

    def set(self, key: str, value: Any) -> None:
        """Remember a JSON-able value; None forgets it. Raises sqlite3.Error."""
        if value is None:
            self._db.execute("DELETE FROM meta WHERE key = ?", (key,))
            self.meta.pop(key, None)
        else:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))
            self.meta[key] = value

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _load(self) -> None:
        for kind, node_id, inode, mtime_ns in self._db.execute("SELECT * FROM aliases"):
            self.aliases[(kind, node_id)] = Alias(inode, mtime_ns)
        for key, value in self._db.execute("SELECT * FROM meta"):
            self.meta[key] = json.loads(value)

    def _salvage(self, aside: Path) -> None:
        """Take over what a damaged file still gives, row by row."""
        aliases: list[tuple[int, int, int, int | None]] = []
        meta: list[tuple[str, Any]] = []
        try:
            damaged = sqlite3.connect(aside, isolation_level=None)
        except sqlite3.Error:
            return
        try:
            for kind, node_id, inode, mtime_ns in damaged.execute(
                "SELECT kind, id, inode, mtime_ns FROM aliases"
            ):
                if isinstance(kind, int) and isinstance(node_id, int) and isinstance(inode, int):
                    aliases.append((kind, node_id, inode, mtime_ns if isinstance(mtime_ns, int) else None))
        except sqlite3.Error:
            pass  # the rest of the table is the damage
        try:
            for key, value in damaged.execute("SELECT key, value FROM meta"):
                meta.append((key, json.loads(value)))
        except (sqlite3.Error, ValueError, TypeError):
            pass
        damaged.close()
        if not aliases and not meta:
            return
        self._db.execute("BEGIN")
        for alias in aliases:
            self.add_alias(*alias)
        for key, value in meta:
            self.set(key, value)
        self._db.execute("COMMIT")
        log.warning("%d remembered inodes were saved from %s", len(aliases), aside)
