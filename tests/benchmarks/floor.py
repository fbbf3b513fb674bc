"""The least that a pyfuse3 file system can do: a read-only mirror of a directory, the floor that wsfs is held against.

    python -m tests.benchmarks.floor SOURCE MOUNTPOINT

Entry and attribute timeouts of an hour, pages kept across opens, one pread a read; no checks, no cache, no log.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

import pyfuse3
import trio

HOUR = 3600.0


class Floor(pyfuse3.Operations):
    """`source`, which must not change meanwhile."""

    supports_dot_lookup = False
    enable_writeback_cache = False

    def __init__(self, source: str) -> None:
        super().__init__()
        self._paths: dict[int, str] = {pyfuse3.ROOT_INODE: source}
        self._listings: dict[int, list[tuple[str, str]]] = {}

    def _entry(self, path: str) -> pyfuse3.EntryAttributes:
        status = os.lstat(path)
        entry = pyfuse3.EntryAttributes()
        root = path == self._paths[pyfuse3.ROOT_INODE]
        entry.st_ino = inode = pyfuse3.ROOT_INODE if root else status.st_ino
        self._paths[inode] = path
        entry.st_mode, entry.st_nlink, entry.st_size = status.st_mode, 1, status.st_size
        entry.st_uid, entry.st_gid = status.st_uid, status.st_gid
        entry.st_mtime_ns = entry.st_atime_ns = entry.st_ctime_ns = status.st_mtime_ns
        entry.st_blksize, entry.st_blocks = 128 * 1024, status.st_blocks
        entry.entry_timeout = entry.attr_timeout = HOUR
        return entry

    async def lookup(
        self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        try:
            return self._entry(f"{self._paths[parent_inode]}/{os.fsdecode(name)}")
        except FileNotFoundError:
            raise pyfuse3.FUSEError(errno.ENOENT) from None

    async def forget(self, inode_list: Sequence[tuple[pyfuse3.InodeT, int]]) -> None:
        pass

    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        return self._entry(self._paths[inode])

    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        place = self._paths[inode]
        self._listings[inode] = [(name, f"{place}/{name}") for name in os.listdir(place)]  # noqa: PTH208
        return inode

    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        listing = self._listings[fh]
        for index in range(start_id, len(listing)):
            name, path = listing[index]
            if not pyfuse3.readdir_reply(token, os.fsencode(name), self._entry(path), index + 1):
                return

    async def releasedir(self, fh: int) -> None:
        pass

    async def open(self, inode: int, flags: int, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        return pyfuse3.FileInfo(fh=os.open(self._paths[inode], os.O_RDONLY), keep_cache=True)

    async def read(self, fh: int, off: int, size: int) -> bytes:
        return os.pread(fh, size, off)

    async def flush(self, fh: int) -> None:
        pass

    async def release(self, fh: int) -> None:
        os.close(fh)


def main() -> None:
    """Mount and serve until unmounted."""
    source, place = sys.argv[1:]
    pyfuse3.init(Floor(source), place, {*pyfuse3.default_options, "fsname=floor", "subtype=floor"})
    try:
        trio.run(pyfuse3.main)
    finally:
        pyfuse3.close()


if __name__ == "__main__":
    main()
