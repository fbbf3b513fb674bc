"""What real programs were measured to do, replayed on the spool: exactly the expected files arrive.

Each function does the operations that the program sends to the file system, in their order; times between
them are the measured ones.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from trio.testing import MockClock

from wsfs.uploads.handles import SpoolHandle
from wsfs.uploads.nodes import Spooled

from .fakes import PROJECT, TASK, World

Program = Callable[["Shell"], Awaitable[None]]


class Shell:
    """File operations by name in one task's directory, as the kernel sends them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.spool = world.spool

    def node(self, name: str) -> Spooled:
        node = self.spool.child(TASK, name)
        assert node is not None, name
        return node

    async def create(self, name: str) -> SpoolHandle:
        node = await self.spool.create(TASK, name, 0o644, 1000, 1000)
        return self.spool.open(node.inode, write=True, pid=1)

    def open(self, name: str, *, write: bool = True) -> SpoolHandle:
        return self.spool.open(self.node(name).inode, write=write, pid=1)

    async def put(self, handle: SpoolHandle, data: bytes, offset: int = 0) -> None:
        await self.spool.write(handle, offset, data)

    async def close(self, handle: SpoolHandle) -> None:
        await self.spool.flush(handle)
        await self.spool.release(handle)

    async def make(self, name: str, data: bytes = b"") -> None:
        handle = await self.create(name)
        if data:
            await self.put(handle, data)
        await self.close(handle)

    async def rename(self, old: str, new: str) -> None:
        await self.spool.rename(self.node(old).inode, TASK, new)

    async def unlink(self, name: str) -> None:
        await self.spool.remove(self.node(name).inode)

    async def stamp(self, name: str, mode: int = 0o644) -> None:
        await self.spool.set_attributes(self.node(name).inode, mtime_ns=1_600_000_000_000_000_000)
        await self.spool.set_attributes(self.node(name).inode, mode=mode)

    async def pause(self, seconds: float) -> None:
        await self.world.wait(seconds)


async def cp_preserving(shell: Shell) -> None:
    handle = await shell.create("a.pdf")
    await shell.put(handle, b"final")
    await shell.stamp("a.pdf")
    await shell.close(handle)


async def echo(shell: Shell) -> None:
    handle = await shell.create("a.pdf")
    await shell.spool.flush(handle)
    await shell.put(handle, b"final")
    await shell.close(handle)


async def append_loop(shell: Shell) -> None:
    handle = await shell.create("a.pdf")
    for number, piece in enumerate((b"f", b"i", b"n", b"a", b"l")):
        await shell.spool.flush(handle)
        await shell.put(handle, piece, number)
        await shell.spool.flush(handle)
    await shell.spool.release(handle)


async def one_byte_writes(shell: Shell) -> None:
    """posix_fallocate, emulated, and then the content."""
    handle = await shell.create("a.pdf")
    for offset in range(5):
        await shell.put(handle, b"\0", offset)
    await shell.put(handle, b"final")
    await shell.close(handle)


async def truncate_and_write(shell: Shell) -> None:
    handle = await shell.create("a.pdf")
    await shell.spool.truncate(handle.inode, 100)
    await shell.put(handle, b"final")
    await shell.spool.truncate(handle.inode, 5)
    await shell.close(handle)


async def gio_copy(shell: Shell) -> None:
    """Any file manager's paste: the attributes come after the release, and a thumbnailer reads it back."""
    await shell.make("a.pdf", b"final")
    await shell.stamp("a.pdf")
    reader = shell.open("a.pdf", write=False)
    assert reader.read(0, 100) == b"final"
    await shell.pause(10)
    await shell.spool.release(reader)


async def rsync(shell: Shell) -> None:
    await shell.make(".a.pdf.Xy12Ab", b"final")
    reader = shell.open(".a.pdf.Xy12Ab", write=False)
    await shell.spool.release(reader)
    await shell.stamp(".a.pdf.Xy12Ab")
    await shell.rename(".a.pdf.Xy12Ab", "a.pdf")


async def slow_rsync(shell: Shell) -> None:
    handle = await shell.create(".a.pdf.Xy12Ab")
    for number in range(5):
        await shell.put(handle, b"final"[number : number + 1], number)
        await shell.pause(30)
    await shell.close(handle)
    await shell.stamp(".a.pdf.Xy12Ab")
    await shell.rename(".a.pdf.Xy12Ab", "a.pdf")


async def gio_save(shell: Shell) -> None:
    """gedit, and Replace in the file managers: renamed while it is open."""
    await shell.make("a.pdf", b"old")
    untouched = shell.open("a.pdf")
    handle = await shell.create(".goutputstream-AB12CD")
    await shell.put(handle, b"final")
    await shell.spool.fsync(handle)
    await shell.rename(".goutputstream-AB12CD", "a.pdf")
    await shell.close(handle)
    await shell.close(untouched)
    await shell.stamp("a.pdf")


async def zip_archive(shell: Shell) -> None:
    await shell.make("a.pdf")
    await shell.unlink("a.pdf")
    await shell.make("ziB2c3D4", b"final")
    await shell.rename("ziB2c3D4", "a.pdf")


async def zip_without_a_pattern(shell: Shell) -> None:
    """mkstemp may give a plain word: then only the delay tells."""
    await shell.make("zimbabwe", b"final")
    await shell.pause(0.05)
    await shell.rename("zimbabwe", "a.pdf")


async def sed_in_place(shell: Shell) -> None:
    await shell.make("a.pdf", b"old")
    await shell.make("sedA1b2C3", b"final")
    await shell.stamp("sedA1b2C3")
    await shell.rename("sedA1b2C3", "a.pdf")


async def convert(shell: Shell) -> None:
    handle = await shell.create("a.pdf")
    await shell.spool.release(handle)
    handle = shell.open("a.pdf")
    await shell.spool.truncate(handle.inode, 0)
    await shell.put(handle, b"final")
    await shell.spool.release(handle)


async def mogrify(shell: Shell) -> None:
    await shell.make("a.pdf", b"old")
    await shell.rename("a.pdf", "a.pdf~")
    await shell.make("a.pdf", b"final")
    await shell.unlink("a.pdf~")


async def vim_new(shell: Shell) -> None:
    await shell.make(".a.pdf.swp")
    await shell.make(".a.pdf.swx")
    await shell.unlink(".a.pdf.swx")
    await shell.unlink(".a.pdf.swp")
    swap = await shell.create(".a.pdf.swp")
    await shell.put(swap, b"b0VIM 9.0")
    await shell.make("4913")
    await shell.unlink("4913")
    await shell.pause(20)
    for content in (b"first", b"final"):
        known = shell.spool.child(TASK, "a.pdf") is not None
        handle = shell.open("a.pdf") if known else await shell.create("a.pdf")
        await shell.spool.truncate(handle.inode, 0)
        await shell.put(handle, content)
        await shell.spool.fsync(handle)
        await shell.close(handle)
        await shell.pause(20)
    await shell.spool.release(swap)
    await shell.unlink(".a.pdf.swp")


async def nano(shell: Shell) -> None:
    await shell.make(".a.pdf.swp", b"nano")
    await shell.make("a.pdf", b"final")
    await shell.pause(0.6)
    await shell.unlink(".a.pdf.swp")
    await shell.make(".a.pdf.swp", b"nano")
    await shell.pause(0.3)
    await shell.unlink(".a.pdf.swp")


async def libreoffice(shell: Shell) -> None:
    await shell.make("a.pdf", b"old")
    lock = shell.open("a.pdf")
    await shell.make(".~lock.a.pdf#", b",me,")
    await shell.pause(120)
    await shell.unlink(".~lock.a.pdf#")
    await shell.make("lu12345abcd.tmp")
    temporary = shell.open("lu12345abcd.tmp")
    await shell.make(".~lock.a.pdf#", b",me,")
    await shell.put(temporary, b"final")
    await shell.close(temporary)
    await shell.spool.release(lock)
    await shell.rename("lu12345abcd.tmp", "a.pdf")
    await shell.stamp("a.pdf")
    handle = shell.open("a.pdf")
    await shell.spool.fsync(handle)
    await shell.spool.release(handle)
    await shell.pause(300)
    await shell.unlink(".~lock.a.pdf#")


async def libreoffice_export(shell: Shell) -> None:
    await shell.make(".~lock.a.pdf#", b",me,")
    await shell.make("lu12345abcd.tmp", b"final")
    await shell.make("a.pdf", b"final")
    await shell.unlink("lu12345abcd.tmp")
    handle = shell.open("a.pdf")
    await shell.spool.fsync(handle)
    await shell.spool.release(handle)
    await shell.unlink(".~lock.a.pdf#")


async def firefox(shell: Shell) -> None:
    await shell.make("q8Zk.bin")
    await shell.unlink("q8Zk.bin")
    part = await shell.create("q8Zk.bin.part")
    await shell.put(part, b"fi")
    await shell.close(part)
    await shell.make("a.pdf")
    await shell.rename("q8Zk.bin.part", "a.q8Zk.pdf.part")
    part = shell.open("a.q8Zk.pdf.part")
    for offset, piece in ((2, b"n"), (3, b"a"), (4, b"l")):
        await shell.put(part, piece, offset)
        await shell.pause(400)
    await shell.close(part)
    await shell.rename("a.q8Zk.pdf.part", "a.pdf")
    await shell.stamp("a.pdf", 0o644)


async def chromium(shell: Shell) -> None:
    temporary = await shell.create(".org.chromium.Chromium.Ab12Cd")
    await shell.put(temporary, b"final")
    await shell.close(temporary)
    await shell.make("Unconfirmed 123456.crdownload")
    await shell.rename(".org.chromium.Chromium.Ab12Cd", "Unconfirmed 123456.crdownload")
    await shell.make("a.pdf")
    await shell.pause(0.042)
    await shell.rename("Unconfirmed 123456.crdownload", "a.pdf")


async def curl(shell: Shell) -> None:
    handle = await shell.create("a.pdf")
    for offset in range(5):
        await shell.put(handle, b"final"[offset : offset + 1], offset)
        await shell.pause(8)
    await shell.close(handle)


async def samba(shell: Shell) -> None:
    handle = await shell.create("a.pdf")
    await shell.stamp("a.pdf", 0o744)
    await shell.put(handle, b"final")
    await shell.stamp("a.pdf", 0o744)
    await shell.close(handle)


async def patch(shell: Shell) -> None:
    await shell.make("a.pdf", b"old")
    await shell.make("a.pdf.oA1b2C3", b"final")
    await shell.rename("a.pdf.oA1b2C3", "a.pdf")


PROGRAMS: list[Program] = [
    *(cp_preserving, echo, append_loop, one_byte_writes, truncate_and_write, gio_copy, rsync, slow_rsync),
    *(gio_save, zip_archive, zip_without_a_pattern, sed_in_place, convert, mogrify, vim_new, nano),
    *(libreoffice, libreoffice_export, firefox, chromium, curl, samba, patch),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
async def test_exactly_one_whole_file_arrives(world: World, mock_clock: MockClock, program: Program) -> None:
    async with world.running():
        await program(Shell(world))
        await world.wait(24 * 3600)
        assert world.service.posts == [("post_comment", "a.pdf", ("a.pdf",))]
        assert list(world.service.contents.values()) == [b"final"]
        assert not world.spool.nodes
        assert not list((world.directory / "content").iterdir())


async def test_only_looking_at_a_file_with_vim_sends_nothing(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        shell = Shell(world)
        swap = await shell.create(".report.txt.swp")
        await shell.put(swap, b"b0VIM 9.0")
        await shell.pause(600)
        await shell.spool.release(swap)
        await shell.unlink(".report.txt.swp")
        await shell.pause(600)
        assert world.service.requests == []


async def test_touch_makes_an_empty_file_that_waits(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        shell = Shell(world)
        await shell.make("a.pdf")
        await shell.stamp("a.pdf")
        await shell.pause(300)
        await shell.spool.truncate(shell.node("a.pdf").inode, 4)
        await shell.pause(4)
        assert list(world.service.contents.values()) == [bytes(4)]


async def test_nemo_makes_a_directory_and_asks_for_its_name_later(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running():
        folder = await world.spool.mkdir(PROJECT, "Untitled Folder", 0o755, 0, 0)
        await world.wait(30)
        await world.spool.rename(folder.inode, PROJECT, "Invoices")
        await world.write(folder.inode, "one.pdf")
        await world.wait(4)
        assert world.service.posts == [("post_task", "Invoices", ("one.pdf",))]


async def test_cp_recursive_sets_a_directorys_attributes_last(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        folder = await world.spool.mkdir(PROJECT, "Invoices", 0o700, 0, 0)
        await world.write(folder.inode, "one.pdf")
        await world.spool.set_attributes(folder.inode, mtime_ns=1)
        await world.spool.set_attributes(folder.inode, uid=1000, gid=1000)
        await world.spool.set_attributes(folder.inode, mode=0o755)
        await world.wait(4)
        assert world.service.posts == [("post_task", "Invoices", ("one.pdf",))]
        assert world.drive.batches[0].nodes[folder.inode].mode == 0o755


async def test_unzip_of_forty_directories_makes_no_task_until_it_is_let_go(
    world: World, mock_clock: MockClock
) -> None:
    async with world.running():
        top = await world.spool.mkdir(PROJECT, "Archive", 0o755, 0, 0)
        for number in range(39):
            folder = await world.spool.mkdir(top.inode, f"d{number}", 0o755, 0, 0)
            await world.write(folder.inode, "file")
            await world.wait(0.5)
        await world.wait(3600)
        assert world.service.requests == []
        await world.sender.release(top.inode)
        await world.wait(120)
        assert len(world.service.tasks) == 40
        assert len(world.drive.files) == 39


async def test_thirty_photos_dragged_in_slowly_are_few_comments(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        for number in range(30):
            handle = await Shell(world).create(f"photo {number}.jpg")
            await world.spool.write(handle, 0, b"x" * 100)
            await world.wait(5)
            await world.spool.flush(handle)
            await world.spool.release(handle)
        await world.wait(70)
        assert len(world.service.names()) == 30
        assert len(world.service.posts) <= 4
