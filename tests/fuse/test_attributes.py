"""What the kernel is told of a node, and for how long it may believe it."""

from __future__ import annotations

import dataclasses
import errno
import stat

import pyfuse3
import pytest

from wsfs.drive.attributes import Attributes
from wsfs.fuse.attributes import LASTING, PENDING, entry_attributes, missing

ATTACHMENT = Attributes(83, stat.S_IFREG | 0o444, 1025, 12, 34, 10**18 + 1, 10**18 + 2, 10**18 + 3)


def test_every_attribute_is_passed_on() -> None:
    entry = entry_attributes(ATTACHMENT)
    assert (entry.st_ino, entry.generation, entry.st_nlink, entry.st_rdev) == (83, 0, 1, 0)
    assert (entry.st_mode, entry.st_size, entry.st_blocks) == (stat.S_IFREG | 0o444, 1025, 3)
    assert (entry.st_uid, entry.st_gid) == (12, 34)
    assert entry.st_atime_ns == 10**18 + 1
    assert entry.st_mtime_ns == 10**18 + 2
    assert entry.st_ctime_ns == 10**18 + 3


@pytest.mark.parametrize(
    ("lasting", "live", "entry_timeout", "attr_timeout"),
    [
        (True, False, LASTING, LASTING),
        (False, False, PENDING, PENDING),  # what programs are still changing
        (False, True, LASTING, 0),  # control files: the name stays, the content is made anew
    ],
)
def test_timeouts(lasting: bool, live: bool, entry_timeout: float, attr_timeout: float) -> None:
    entry = entry_attributes(dataclasses.replace(ATTACHMENT, lasting=lasting, live=live))
    assert (entry.entry_timeout, entry.attr_timeout) == (entry_timeout, attr_timeout)


def test_what_is_missing_for_good_may_be_remembered() -> None:
    entry = missing(lasting=True)
    assert (entry.st_ino, entry.entry_timeout) == (0, LASTING)
    with pytest.raises(pyfuse3.FUSEError) as refused:
        missing(lasting=False)
    assert refused.value.errno == errno.ENOENT


def test_what_is_written_is_written_in_large_pieces() -> None:
    """cp goes by it; what reads an attachment's head would fetch as much."""
    assert entry_attributes(ATTACHMENT).st_blksize == 128 * 1024
    assert entry_attributes(dataclasses.replace(ATTACHMENT, lasting=False)).st_blksize == 512 * 1024
    assert (
        entry_attributes(dataclasses.replace(ATTACHMENT, lasting=False, live=True)).st_blksize == 128 * 1024
    )
