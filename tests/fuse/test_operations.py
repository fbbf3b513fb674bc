"""The adapter, called as pyfuse3 calls it: nothing but FUSEError and cancellation leaves a handler."""

from __future__ import annotations

import errno
import inspect
import os
import stat
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyfuse3
import pytest
import trio

from tests.drive.harness import Desk, mounted
from wsfs.api.errors import TimedOut
from wsfs.drive import errors
from wsfs.emulator.account import Account
from wsfs.emulator.testing import running
from wsfs.fuse.notify import Notifier
from wsfs.fuse.operations import Operations, guarded

CTX: Any = SimpleNamespace(pid=0, uid=1000, gid=1000, umask=0o022)
TOKEN: Any = object()
NOTHING = SimpleNamespace(about=lambda name, args: "")


class Door:
    """Operations on a drive, and what a program would call."""

    def __init__(self, desk: Desk, operations: Operations) -> None:
        self.desk = desk
        self.operations = operations

    async def inode(self, path: str) -> int:
        found = 1
        for name in filter(None, path.split("/")):
            found = (await self.operations.lookup(found, os.fsencode(name), CTX)).st_ino
        return found


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    account = Account()
    account.add_task(account.add_project("Office"), "Report", files=[("old.txt", b"old content")])
    async with running(account) as emulator, mounted(emulator, tmp_path) as desk:
        yield Door(desk, Operations(desk.drive, desk.namespace, desk.extended, Notifier()))
    account.close()


async def refused(call: Coroutine[Any, Any, Any]) -> int:
    with pytest.raises(pyfuse3.FUSEError) as error:
        await call
    number: int = error.value.errno
    return number


# guarded


def raising(error: BaseException) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def handler(self: Any) -> None:
        raise error

    return guarded(handler)


@pytest.mark.promise("Each thing that goes wrong has one error code, and no mistake in wsfs ends the mount.")
@pytest.mark.parametrize(
    ("error", "number"),
    [
        (errors.NotPermitted("no"), errno.EPERM),
        (TimedOut("30 s"), errno.ETIMEDOUT),
        (pyfuse3.FUSEError(errno.EXDEV), errno.EXDEV),
    ],
)
async def test_known_errors_get_their_errno(error: Exception, number: int) -> None:
    assert await refused(raising(error)(NOTHING)) == number


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), RuntimeError(), OSError(errno.ENOSPC, "x"), AssertionError(), RecursionError()],
)
async def test_mistakes_are_eio_with_a_traceback(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    assert await refused(raising(error)(NOTHING)) == errno.EIO
    (record,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert record.exc_info is not None
    assert "please report it" in record.getMessage()
    caplog.clear()


async def test_a_group_of_errors_is_a_mistake_too(caplog: pytest.LogCaptureFixture) -> None:
    assert await refused(raising(ExceptionGroup("two", [ValueError(), KeyError()]))(NOTHING)) == errno.EIO
    caplog.clear()


async def test_a_mistake_in_the_sentence_for_the_log_is_nobodys_end(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise LookupError("a mistake in the sentence for the log")

    monkeypatch.setattr(door.desk.drive, "path", broken)
    assert await refused(door.operations.mkdir(1, b"new", 0o777, CTX)) == errno.EPERM
    assert door.operations.about("mkdir", ()) == ""


async def test_what_the_log_says(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="wsfs.fuse.operations")
    report = await door.inode("/Office/Report")
    assert await refused(door.operations.unlink(report, b"old.txt", CTX)) == errno.EPERM
    (said,) = [one.getMessage() for one in caplog.records if one.name == "wsfs.fuse.operations"]
    assert said.startswith("unlink of /Office/Report/old.txt refused (EPERM): ")
    assert "delete it on the web" in said


async def test_a_cancelled_handler_is_cancelled() -> None:
    async def handler(self: Any) -> None:
        await trio.sleep_forever()

    with trio.move_on_after(0.01) as scope:
        await guarded(handler)(NOTHING)
    assert scope.cancelled_caught


def test_every_handler_is_guarded() -> None:
    names = {name for name, _ in inspect.getmembers(pyfuse3.Operations, inspect.iscoroutinefunction)}
    own = {name: each for name, each in vars(Operations).items() if name in names}
    assert own.keys() > {"lookup", "getattr", "open", "create", "read", "write", "flush", "release", "rename"}
    for name, each in own.items():
        assert name == "forget" or hasattr(each, "__wrapped__"), name


async def test_forget_never_raises(door: Door) -> None:
    await door.operations.forget([(pyfuse3.InodeT(123456), 1), (pyfuse3.InodeT(1), 5)])


# what programs do


async def test_looking_and_reading(door: Door) -> None:
    call = door.operations
    inode = await door.inode("/Office/Report/old.txt")
    entry = await call.getattr(inode, CTX)
    assert (entry.st_size, stat.filemode(entry.st_mode)) == (11, "-r--r--r--")
    info = await call.open(inode, os.O_RDONLY, CTX)
    assert info.keep_cache
    assert not info.direct_io
    assert await call.read(info.fh, 4, 100) == b"content"
    await call.flush(info.fh)
    await call.release(info.fh)
    assert await refused(call.read(info.fh, 0, 1)) == errno.EBADF


async def test_a_missing_name(door: Door) -> None:
    report = await door.inode("/Office/Report")
    assert (await door.operations.lookup(report, b"none", CTX)).st_ino == 0
    assert (await door.operations.lookup(report, b"\xff\xfe", CTX)).st_ino == 0
    assert await refused(door.operations.lookup(report, b"x" * 256, CTX)) == errno.ENAMETOOLONG
    assert await refused(door.operations.lookup(987654, b"x", CTX)) in (errno.ENOENT,)
    assert await refused(door.operations.getattr(987654, CTX)) == errno.ENOENT


async def test_making_and_writing(door: Door) -> None:
    call, report = door.operations, await door.inode("/Office/Report")
    info, entry = await call.create(report, "звіт".encode(), 0o666, os.O_WRONLY, CTX)
    assert stat.filemode(entry.st_mode) == "-rw-r--r--"
    assert await call.write(info.fh, 0, b"hello") == 5
    await call.fsync(info.fh, False)
    await call.flush(info.fh)
    await call.release(info.fh)
    info = await call.open(entry.st_ino, os.O_WRONLY | os.O_TRUNC, CTX)
    assert (await call.getattr(entry.st_ino, CTX)).st_size == 0
    assert not info.keep_cache
    await call.release(info.fh)
    await call.rename(report, "звіт".encode(), report, b"b", pyfuse3.RENAME_NOREPLACE, CTX)
    assert (
        await refused(call.rename(report, b"b", report, b"c", pyfuse3.RENAME_EXCHANGE, CTX)) == errno.EINVAL
    )
    assert await refused(call.mkdir(report, b"b", 0o777, CTX)) == errno.EEXIST
    made = await call.mkdir(report, b"d", 0o777, CTX)
    assert stat.filemode(made.st_mode) == "drwxr-xr-x"
    await call.rmdir(report, b"d", CTX)
    await call.unlink(report, b"b", CTX)
    assert await refused(call.mkdir(1, b"new", 0o777, CTX)) == errno.EPERM
    assert await refused(call.create(report, b"\xff", 0o666, os.O_WRONLY, CTX)) == errno.EINVAL


async def test_what_is_refused(door: Door) -> None:
    call, report = door.operations, await door.inode("/Office/Report")
    old = await door.inode("/Office/Report/old.txt")
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC):
        assert await refused(call.open(old, flags, CTX)) == errno.EACCES
    assert await refused(call.unlink(report, b"old.txt", CTX)) == errno.EPERM
    assert await refused(call.rename(report, b"old.txt", report, b"x", 0, CTX)) == errno.EPERM
    assert await refused(call.rmdir(1, b"Office", CTX)) == errno.EPERM
    assert await refused(call.symlink(report, b"l", b"t", CTX)) == errno.EPERM
    assert await refused(call.link(old, report, b"l", CTX)) == errno.EPERM
    assert await refused(call.mknod(report, b"p", stat.S_IFIFO, 0, CTX)) == errno.EPERM
    assert await refused(call.readdir(4711, 0, TOKEN)) == errno.EBADF
    assert await refused(call.release(4711)) == errno.EBADF


async def test_extended_attributes(door: Door) -> None:
    call, old = door.operations, await door.inode("/Office/Report/old.txt")
    assert (await call.getxattr(old, b"user.worksection.id", CTX)).isdigit()
    assert b"user.worksection.id" in await call.listxattr(old, CTX)
    for name in (b"security.capability", b"system.posix_acl_access", b"trusted.x", b"user.other"):
        assert await refused(call.getxattr(old, name, CTX)) in (errno.ENODATA, errno.EOPNOTSUPP)
        assert await refused(call.setxattr(old, name, b"x", CTX)) == errno.EOPNOTSUPP
    assert await refused(call.removexattr(old, b"user.x", CTX)) in (errno.ENODATA, errno.EOPNOTSUPP)


async def test_control_files_are_made_anew_at_each_open(door: Door) -> None:
    await door.inode("/Office")
    inode = await door.inode("/.wsfs/requests.log")
    info = await door.operations.open(inode, os.O_RDONLY, CTX)
    assert info.direct_io
    assert b"get_projects" in await door.operations.read(info.fh, 0, 1 << 16)
    await door.operations.release(info.fh)


async def test_a_listing(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    call = door.operations
    taken: list[tuple[bytes, int, int]] = []
    room = 3

    def reply(token: object, name: bytes, attributes: pyfuse3.EntryAttributes, next_id: int) -> bool:
        if len(taken) % 10 >= room:
            return False
        taken.append((name, attributes.st_ino, next_id))
        return True

    monkeypatch.setattr(pyfuse3, "readdir_reply", reply)
    report = await door.inode("/Office/Report")
    for name in (b"a", b"b"):
        info, _ = await call.create(report, name, 0o644, os.O_WRONLY, CTX)
        await call.release(info.fh)
    fh = await call.opendir(report, CTX)
    await call.readdir(fh, 0, TOKEN)
    assert [name for name, _, _ in taken[:2]] == [b".", b".."]
    await call.unlink(report, b"b", CTX)  # what goes meanwhile is skipped
    room = 10
    await call.readdir(fh, taken[-1][2], TOKEN)
    assert sorted(name for name, _, _ in taken[2:]) == [b"a", b"old.txt"]
    await call.readdir(fh, taken[-1][2], TOKEN)
    assert len(taken) == 4
    await call.fsyncdir(fh, False)
    await call.releasedir(fh)
    assert [inode for name, inode, _ in taken if name == b"."] == [report]


async def test_room(door: Door) -> None:
    data = await door.operations.statfs(CTX)
    assert data.f_namemax == 255
    assert data.f_bavail > 0
