"""A pyfuse3 file system that does next to nothing: one directory of made-up files, listed as fast as can be.

    python -m tests.benchmarks.bare COUNT MOUNTPOINT

Entry and attribute timeouts of an hour, as wsfs has them. What `ls` takes here is pyfuse3's and the kernel's part.
"""

from __future__ import annotations

import errno
import stat
import sys

import pyfuse3
import trio

HOUR = 3600.0
DIRECTORY = 2
FIRST = 16


class Bare(pyfuse3.Operations):
    """The root, `listed` in it, and `count` files in that."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._names = [f"file {number:05}.dat".encode() for number in range(count)]

    def _entry(self, inode: int) -> pyfuse3.EntryAttributes:
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = inode
        entry.st_mode = (stat.S_IFREG | 0o444) if inode >= FIRST else (stat.S_IFDIR | 0o755)
        entry.st_size = 100
        entry.entry_timeout = entry.attr_timeout = HOUR
        return entry

    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        return self._entry(inode)

    async def lookup(
        self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        if parent_inode == pyfuse3.ROOT_INODE and name == b"listed":
            return self._entry(DIRECTORY)
        raise pyfuse3.FUSEError(errno.ENOENT)

    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        return inode

    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        if fh != DIRECTORY:
            return
        for index in range(start_id, len(self._names)):
            if not pyfuse3.readdir_reply(token, self._names[index], self._entry(FIRST + index), index + 1):
                return

    async def releasedir(self, fh: int) -> None:
        pass


def main() -> None:
    """Mount and serve until unmounted."""
    count, place = sys.argv[1:]
    pyfuse3.init(Bare(int(count)), place, {*pyfuse3.default_options, "fsname=bare", "subtype=bare"})
    try:
        trio.run(pyfuse3.main)
    finally:
        pyfuse3.close()


if __name__ == "__main__":
    main()
