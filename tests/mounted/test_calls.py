"""Single system calls on files that aren't uploaded yet: each does what it does on a disk, or says that it can't."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import leave_out
from wsfs.emulator.testing import Process

from .conftest import QUIET, Mounter
from .drives import Ledger, Mount, eventually, is_attachment, run

promise = pytest.mark.promise
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
_libc = ctypes.CDLL(None, use_errno=True)


def refusal(call: Callable[..., Any], *arguments: Any) -> int:
    """The errno of a call that has to fail."""
    with pytest.raises(OSError) as error:
        call(*arguments)
    assert error.value.errno is not None
    return error.value.errno


def renameat2(old: Path, new: Path, flags: int) -> None:
    if _libc.renameat2(-100, bytes(old), -100, bytes(new), flags):
        raise OSError(ctypes.get_errno(), "renameat2")


@pytest.fixture
def note(task: Path, drive: Mount) -> Iterator[Path]:
    """A pending file of ten bytes that isn't sent, as it is a temporary one by its name."""
    path = task / "note.tmp"
    path.write_bytes(b"0123456789")
    yield path
    path.unlink(missing_ok=True)
    drive.settled()


# Holes and room


def test_seeking_data_and_holes(note: Path) -> None:
    """The kernel has no answer of wsfs (pyfuse3 has no handler for it), and takes all for data."""
    with note.open("r+b") as opened:
        opened.truncate(1_000_000)
        descriptor = opened.fileno()
        assert os.lseek(descriptor, 0, os.SEEK_DATA) == 0
        assert os.lseek(descriptor, 500_000, os.SEEK_DATA) == 500_000
        assert os.lseek(descriptor, 0, os.SEEK_HOLE) == 1_000_000
        assert refusal(os.lseek, descriptor, 1_000_000, os.SEEK_DATA) == errno.ENXIO


def test_cp_of_a_sparse_file(task: Path, tmp_path: Path, note: Path) -> None:
    os.truncate(note, 1_000_000)
    run("cp", "--sparse=always", note, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == note.read_bytes() == b"0123456789".ljust(1_000_000, b"\0")


def test_posix_fallocate_is_emulated_and_fallocate_is_not(note: Path) -> None:
    with note.open("r+b") as opened:
        os.posix_fallocate(opened.fileno(), 0, 1_000_000)
        assert os.fstat(opened.fileno()).st_size == 1_000_000
    assert note.read_bytes() == b"0123456789".ljust(1_000_000, b"\0")
    with note.open("r+b") as opened:
        assert _libc.fallocate(opened.fileno(), 0, ctypes.c_long(0), ctypes.c_long(100)) == -1
        assert ctypes.get_errno() == errno.EOPNOTSUPP


def test_copying_in_the_kernel(note: Path, task: Path) -> None:
    with note.open("rb") as source, (task / "copy.tmp").open("wb") as target:
        assert os.copy_file_range(source.fileno(), target.fileno(), 10) == 10
        assert os.sendfile(target.fileno(), source.fileno(), 2, 5) == 5
    assert (task / "copy.tmp").read_bytes() == b"012345678923456"
    (task / "copy.tmp").unlink()


def test_files_without_a_name(task: Path) -> None:
    assert refusal(os.open, task, os.O_TMPFILE | os.O_RDWR) == errno.EOPNOTSUPP


# Names


def test_flags_of_rename(note: Path, task: Path) -> None:
    other = task / "other.tmp"
    other.write_bytes(b"other")
    assert refusal(renameat2, note, other, NOREPLACE) == errno.EEXIST
    assert refusal(renameat2, note, other, EXCHANGE) == errno.EINVAL
    assert refusal(renameat2, note, task / "new.tmp", WHITEOUT) in (errno.EINVAL, errno.EPERM)
    assert (note.read_bytes(), other.read_bytes()) == (b"0123456789", b"other")
    renameat2(note, task / "new.tmp", NOREPLACE)
    renameat2(task / "new.tmp", other, 0)
    assert other.read_bytes() == b"0123456789"
    renameat2(other, note, NOREPLACE)


def test_links_and_special_files(note: Path, task: Path) -> None:
    assert refusal(os.symlink, note, task / "link") == errno.EPERM
    assert refusal(os.link, note, task / "link") == errno.EPERM
    assert refusal(os.mkfifo, task / "pipe") == errno.EPERM
    assert not (task / "link").is_symlink()


def test_a_file_that_is_deleted_while_it_is_open(task: Path) -> None:
    with (task / "gone.tmp").open("w+b") as opened:
        opened.write(b"before")
        opened.flush()
        (task / "gone.tmp").unlink()
        opened.write(b" and after")
        opened.seek(0)
        assert opened.read() == b"before and after"
        assert os.fstat(opened.fileno()).st_size == 16
        os.ftruncate(opened.fileno(), 3)
        assert os.fstat(opened.fileno()).st_size == 3


# Extended attributes


@promise(
    "Extended attributes that programs give to a new file are kept until it is uploaded, also over a new mount."
)
def test_extended_attributes_of_a_new_file(mounting: Mounter, small_service: Process) -> None:
    options = f"{QUIET},settle=3600"
    mount = mounting(small_service, options=options)
    task = mount.place / "Project 001" / "Task 001-0001"
    note, folder = task / "note.txt", task / "Folder"
    note.write_bytes(b"words")
    folder.mkdir()
    os.setxattr(note, "user.xdg.tags", "red,важливо".encode())
    os.setxattr(note, "user.empty", b"")
    os.setxattr(note, "user.bytes", bytes(range(256)))
    os.setxattr(note, "user.gone", b"x")
    os.removexattr(note, "user.gone")
    os.setxattr(folder, "user.DOSATTRIB", b"0x10")
    note.rename(folder / "renamed.txt")
    mount.kill()
    mount.clear()
    again = mounting(small_service, options=options, scratch=mount.scratch)
    renamed = folder / "renamed.txt"
    own = {name: os.getxattr(renamed, name) for name in os.listxattr(renamed) if "wsfs" not in name}
    assert own == {
        "user.xdg.tags": "red,важливо".encode(),
        "user.empty": b"",
        "user.bytes": bytes(range(256)),
    }
    assert os.getxattr(folder, "user.DOSATTRIB") == b"0x10"
    again.flush()
    assert is_attachment(renamed)
    assert refusal(os.getxattr, renamed, "user.xdg.tags") == errno.ENODATA
    assert not [name for name in os.listxattr(renamed) if "xdg" in name]
    assert not [name for name in os.listxattr(folder) if "DOS" in name]


def test_what_is_wrong_with_an_extended_attribute(note: Path, task: Path) -> None:
    set, get, remove = os.setxattr, os.getxattr, os.removexattr
    assert refusal(get, note, "user.none") == errno.ENODATA
    assert refusal(remove, note, "user.none") == errno.ENODATA
    assert refusal(set, note, "user.none", b"x", os.XATTR_REPLACE) == errno.ENODATA
    set(note, "user.one", b"x", os.XATTR_CREATE)
    assert refusal(set, note, "user.one", b"y", os.XATTR_CREATE) == errno.EEXIST
    set(note, "user.one", b"y", os.XATTR_REPLACE)
    assert get(note, "user.one") == b"y"
    # The kernel's limits, and that of one file.
    assert refusal(set, note, "user." + "x" * 251, b"") == errno.ERANGE
    assert refusal(set, note, "user.large", b"x" * (64 * 1024 + 1)) == errno.E2BIG
    set(note, "user.large", b"x" * 60_000)
    assert refusal(set, note, "user.more", b"x" * 6_000) == errno.ENOSPC
    remove(note, "user.large")
    set(note, "user.more", b"x" * 6_000)
    buffer = ctypes.create_string_buffer(10)
    assert _libc.getxattr(bytes(note), b"user.more", buffer, 10) == -1
    assert ctypes.get_errno() == errno.ERANGE
    assert _libc.listxattr(bytes(note), buffer, 10) == -1
    assert ctypes.get_errno() == errno.ERANGE
    # What wsfs says is its own: it is taken and forgotten.
    set(note, "user.worksection.id", b"5")
    assert refusal(get, note, "user.worksection.id") == errno.ENODATA
    set(note, "user.wsfs.upload", b"x")
    remove(note, "user.wsfs.upload")
    assert get(note, "user.wsfs.upload") == b"local"
    # What isn't user.* has no place.
    for name in ("security.x", "trusted.x"):
        assert refusal(set, note, name, b"x") == errno.EOPNOTSUPP
    # On what the service has.
    for path in (task / "file 01.jpg", task):
        assert refusal(set, path, "user.xdg.tags", b"x") == errno.EOPNOTSUPP
        assert refusal(get, path, "user.xdg.tags") == errno.ENODATA
        assert refusal(remove, path, "user.xdg.tags") == errno.ENODATA
    for name in ("user.one", "user.more"):
        remove(note, name)


def test_programs_that_copy_extended_attributes(
    task: Path, tmp_path: Path, drive: Mount, ledger: Ledger
) -> None:
    source = tmp_path / "tagged.tmp"
    source.write_bytes(b"words")
    try:
        os.setxattr(source, "user.xdg.tags", b"red")
    except OSError:
        leave_out(f"no extended attributes in {tmp_path}")
    assert run("cp", "--preserve=all", source, task / "one.tmp").err == ""
    assert run("rsync", "-aX", source, task / "two.tmp").err == ""
    assert run("cp", "-a", task / "one.tmp", task / "three.tmp").err == ""
    for name in ("one", "two", "three"):
        assert os.getxattr(task / f"{name}.tmp", "user.xdg.tags") == b"red"
        run("rm", task / f"{name}.tmp")
    # What an attachment says of itself isn't a copy's.
    assert run("cp", "--preserve=all", task / "file 01.jpg", task / "copy.tmp").err == ""
    assert refusal(os.getxattr, task / "copy.tmp", "user.worksection.id") == errno.ENODATA
    run("rm", task / "copy.tmp")
    assert ledger.posts() == []


def test_extended_attributes_of_an_open_file_that_is_deleted(task: Path) -> None:
    with (task / "gone.tmp").open("w+b") as opened:
        (task / "gone.tmp").unlink()
        os.setxattr(opened.fileno(), "user.x", b"y")
        assert os.getxattr(opened.fileno(), "user.x") == b"y"


def test_extended_attributes_say_nothing_to_the_server(task: Path, drive: Mount, ledger: Ledger) -> None:
    path = task / "tagged.txt"
    run("sh", "-c", 'echo words > "$0" && setfattr -n user.xdg.tags -v red "$0"', path)
    assert "user.xdg.tags" in run("getfattr", path).out
    eventually(lambda: is_attachment(path))
    assert [post["action"] for post in ledger.posts()] == ["post_comment"]
