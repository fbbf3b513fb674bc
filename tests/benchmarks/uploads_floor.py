"""The least that a pyfuse3 file system must do to keep what is copied in: the floor that wsfs is held against.

    python -m tests.benchmarks.uploads_floor DIRECTORY MOUNTPOINT

One flat directory. Each file is a file in DIRECTORY; its close syncs it (one fsync) and commits a row of its name and
size (one transaction, WAL, synchronous=FULL), right there, in the one thread, as nobody else is served. No directory
is synced, nothing is committed when a file is made, there are no checks, no log, and no extended attributes.
"""

from __future__ import annotations

import errno
import itertools
import os
import sqlite3
import stat
import sys
import time
from collections.abc import Sequence

import pyfuse3
import trio

HOUR = 3600.0


class Floor(pyfuse3.Operations):
    """Keeps files below `directory`, which is empty."""

    supports_dot_lookup = False
    enable_writeback_cache = False

    def __init__(self, directory: str) -> None:
        super().__init__()
        self._directory = directory
        self._numbers = itertools.count(16)
        self._inodes: dict[bytes, int] = {}
        self._names: dict[int, str] = {}
        self._sizes: dict[int, int] = {}
        self._descriptors: dict[int, int] = {}
        self._journal = sqlite3.connect(f"{directory}/journal.sqlite", isolation_level=None)
        self._journal.execute("pragma journal_mode = wal")
        self._journal.execute("pragma synchronous = full")
        self._journal.execute("create table files (inode integer primary key, name text, size integer)")

    def _entry(self, inode: int) -> pyfuse3.EntryAttributes:
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = inode
        root = inode == pyfuse3.ROOT_INODE
        entry.st_mode = (stat.S_IFDIR | 0o755) if root else (stat.S_IFREG | 0o644)
        entry.st_size = self._sizes.get(inode, 0)
        entry.st_uid, entry.st_gid = os.getuid(), os.getgid()
        entry.st_mtime_ns = entry.st_atime_ns = entry.st_ctime_ns = time.time_ns()
        entry.entry_timeout = entry.attr_timeout = HOUR
        return entry

    async def lookup(
        self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        if name in self._inodes:
            return self._entry(self._inodes[name])
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = 0
        entry.entry_timeout = HOUR
        return entry

    async def forget(self, inode_list: Sequence[tuple[pyfuse3.InodeT, int]]) -> None:
        pass

    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        return self._entry(inode)

    async def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: pyfuse3.RequestContext
    ) -> tuple[pyfuse3.FileInfo, pyfuse3.EntryAttributes]:
        if name in self._inodes:
            raise pyfuse3.FUSEError(errno.EEXIST)
        inode = next(self._numbers)
        path = f"{self._directory}/{inode}"
        self._descriptors[inode] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._inodes[name] = inode
        self._names[inode] = os.fsdecode(name)
        self._sizes[inode] = 0
        return pyfuse3.FileInfo(fh=inode), self._entry(inode)

    async def write(self, fh: int, off: int, buf: bytes) -> int:
        done = os.pwrite(self._descriptors[fh], buf, off)
        self._sizes[fh] = max(self._sizes[fh], off + done)
        return done

    async def flush(self, fh: int) -> None:
        os.fsync(self._descriptors[fh])
        row = (fh, self._names[fh], self._sizes[fh])
        self._journal.execute("insert or replace into files values (?, ?, ?)", row)

    async def release(self, fh: int) -> None:
        os.close(self._descriptors.pop(fh))


def main() -> None:
    """Mount and serve until unmounted."""
    directory, place = sys.argv[1:]
    pyfuse3.init(Floor(directory), place, {*pyfuse3.default_options, "fsname=floor", "subtype=floor"})
    try:
        trio.run(pyfuse3.main)
    finally:
        pyfuse3.close()


if __name__ == "__main__":
    main()
