"""What is written to files by handle, and which attributes are kept."""

from __future__ import annotations

import stat

import pytest

from tests.drive.harness import ME, Desk
from wsfs.drive import errors

REPORT = "/Office/Report"


async def test_an_open_file_that_is_deleted_or_replaced_stays_usable(desk: Desk) -> None:
    handle = await desk.create(f"{REPORT}/a.txt")
    await desk.put(handle, b"before")
    await desk.unlink(f"{REPORT}/a.txt")
    await desk.put(handle, b" and after", 6)
    assert await desk.read_handle(handle) == b"before and after"
    assert desk.drive.get_attributes(handle.node.inode).size == 16
    await desk.close(handle)
    with pytest.raises(errors.NoSuchName):
        desk.drive.get_attributes(handle.node.inode)
    assert not desk.spool.nodes


async def test_a_handle_that_was_not_opened_for_writing_does_not_write(desk: Desk) -> None:
    await desk.write(f"{REPORT}/a.txt")
    handle = desk.drive.open((await desk.node(f"{REPORT}/a.txt")).inode, ME)
    with pytest.raises(errors.BadHandle):
        desk.namespace.write_now(handle, 0, b"x")
    await desk.close(handle)


async def test_a_kept_mode_owner_and_time(desk: Desk) -> None:
    inode = await desk.write(f"{REPORT}/a.txt", mtime_ns=1_600_000_000_123_456_789)
    await desk.namespace.set_attributes(inode, mode=0o100640, uid=12, gid=34, atime_ns=5)
    attributes = await desk.stat(f"{REPORT}/a.txt")
    assert stat.filemode(attributes.mode) == "-rw-r-----"
    assert (attributes.uid, attributes.gid, attributes.atime_ns) == (12, 34, 5)
    assert attributes.mtime_ns == 1_600_000_000_123_456_789


async def test_the_time_of_a_directory_follows_what_is_written_in_it(desk: Desk) -> None:
    task = await desk.node(REPORT)
    handle = await desk.create(f"{REPORT}/a.txt")
    await desk.put(handle, b"x")
    desk.told.inodes.clear()
    future = 4_000_000_000 * 10**9
    await desk.namespace.set_attributes(handle.node.inode, mtime_ns=future)
    assert (await desk.stat(REPORT)).mtime_ns == future
    assert task.inode in desk.told.inodes, "the kernel keeps attributes for an hour unless it is told"
    await desk.close(handle)
