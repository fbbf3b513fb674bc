"""Extended attributes of what isn't uploaded yet."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from trio.testing import MockClock

from wsfs.uploads.errors import NoSpace, NoSuchNode
from wsfs.uploads.xattrs import XATTRS_MOST

from .fakes import TASK, World


async def test_extended_attributes_last_as_long_as_their_node(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a")
        folder = await world.spool.mkdir(TASK, "folder", 0o755, 0, 0)
        await world.spool.set_xattr(node.inode, "user.one", b"\0\xff")
        await world.spool.set_xattr(node.inode, "user.two", b"2")
        await world.spool.set_xattr(node.inode, "user.two", b"")
        await world.spool.set_xattr(folder.inode, "user.three", b"3")
        await world.spool.rename(node.inode, folder.inode, "b")
        assert await world.spool.remove_xattr(folder.inode, "user.three")
        assert not await world.spool.remove_xattr(folder.inode, "user.three")
    again = world.again()
    async with again.running(sending=False):
        kept = again.spool.nodes[node.inode]
        assert kept.xattrs == {"user.one": b"\0\xff", "user.two": b""}
        assert again.spool.nodes[folder.inode].xattrs == {}
        await again.spool.remove(node.inode)
        await again.spool.journal.commit()
        with closing(sqlite3.connect(world.directory / "journal.sqlite")) as database:
            assert database.execute("select count(*) from xattrs").fetchone() == (0,)


async def test_extended_attributes_have_a_limit(world: World, mock_clock: MockClock) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a")
        await world.spool.set_xattr(node.inode, "user.a", b"x" * (XATTRS_MOST - 6))
        await world.spool.set_xattr(node.inode, "user.a", b"y" * (XATTRS_MOST - 6))
        with pytest.raises(NoSpace):
            await world.spool.set_xattr(node.inode, "user.b", b"")
        await world.spool.set_xattr(node.inode, "user.a", b"y")
        await world.spool.set_xattr(node.inode, "user.b", b"")
        assert node.xattrs == {"user.a": b"y", "user.b": b""}
        with pytest.raises(NoSuchNode):
            await world.spool.set_xattr(12345, "user.a", b"")


async def test_what_is_deleted_and_open_takes_extended_attributes(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running(sending=False):
        node = await world.write(TASK, "a")
        handle = world.spool.open(node.inode, write=False)
        await world.spool.remove(node.inode)
        await world.spool.set_xattr(node.inode, "user.a", b"x")
        assert await world.spool.remove_xattr(node.inode, "user.a")
        await world.spool.release(handle)
