"""The drive's attributes as pyfuse3 wants them, and how long the kernel may believe them."""

from __future__ import annotations

import errno
import stat

import pyfuse3

from wsfs.drive.attributes import Attributes

#: Seconds that the kernel may go by what it was told: it is told of every change (design.md, "Freshness").
LASTING = 3600.0
#: The same for what programs are still changing.
PENDING = 1.0
BLOCK_SIZE = 128 * 1024
WRITTEN_SIZE = 512 * 1024
"""What a program is to write at a time: cp goes by it. The kernel asks for `security.capability` before each write, so
that a large file comes in a third faster than by 128 KiB (measured, seconds for 1 GiB: 3.6 at 128 KiB, 2.3 at 512)."""


def entry_attributes(attributes: Attributes) -> pyfuse3.EntryAttributes:
    """`attributes` for a reply to lookup, getattr, create and readdir."""
    entry = pyfuse3.EntryAttributes()  # of one link and generation 0, until said otherwise
    entry.st_ino = attributes.inode
    entry.st_mode = attributes.mode
    entry.st_uid = attributes.uid
    entry.st_gid = attributes.gid
    entry.st_size = size = attributes.size
    entry.st_blocks = (size + 511) // 512
    entry.st_atime_ns = attributes.atime_ns
    entry.st_mtime_ns = attributes.mtime_ns
    entry.st_ctime_ns = attributes.ctime_ns
    if attributes.lasting:
        entry.st_blksize = BLOCK_SIZE
        entry.entry_timeout = LASTING
        seconds = attributes.seconds
        entry.attr_timeout = seconds if seconds < LASTING else LASTING
    elif attributes.live:
        entry.st_blksize = BLOCK_SIZE
        entry.entry_timeout = LASTING
        entry.attr_timeout = 0
    else:
        entry.st_blksize = WRITTEN_SIZE
        entry.entry_timeout = PENDING
        entry.attr_timeout = min(PENDING, attributes.seconds)
    return entry


def bare_directory(inode: int) -> pyfuse3.EntryAttributes:
    """A directory of which only the number is wanted: the kernel takes no more of `.` and `..` in a listing.

    Source: the kernel's fs/fuse/readdir.c, fuse_direntplus_link. The date of a directory is that of its newest
    member, so that the whole attributes would cost a look at everything beside a directory, at each listing.
    """
    entry = pyfuse3.EntryAttributes()
    entry.st_ino = inode
    entry.st_mode = stat.S_IFDIR | 0o755
    entry.entry_timeout = entry.attr_timeout = 0
    return entry


def missing(*, lasting: bool) -> pyfuse3.EntryAttributes:
    """The answer to a lookup that nothing is there; one that the kernel may keep, where it is `lasting`.

    Source: libfuse's fuse_lowlevel.h, fuse_reply_entry: an inode of 0 is a cacheable ENOENT.
    """
    if not lasting:
        raise pyfuse3.FUSEError(errno.ENOENT)
    entry = pyfuse3.EntryAttributes()
    entry.st_ino = 0
    entry.entry_timeout = LASTING
    return entry
