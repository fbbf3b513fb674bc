"""A disk that gets full: the program that writes is told, and nothing that was promised is lost, or half sent."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ExpectedWarnings, leave_out
from wsfs.emulator.testing import Process

from .conftest import QUIET, Mounter
from .drives import Ledger, Mount, eventually, files_of, node_id, run, xattr

MIB = 1 << 20
SIZE = 96 * MIB
"""Of the disk; the spool leaves 64 MiB of it free for others and for its journal."""

WHERE = Path("Project 001/Task 001-0001")
FULL = "no room left on the disk"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A scratch directory for a mount whose data directory is a small disk of its own."""
    leave_out(None if os.geteuid() == 0 else "only root can make a small disk")
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    run("mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", data)
    try:
        yield tmp_path
    finally:
        run("umount", "-l", data)


@pytest.fixture
def full(mounting: Mounter, small_service: Process, small_disk: Path) -> Mount:
    return mounting(small_service, options=f"{QUIET},settle=1", scratch=small_disk)


@pytest.mark.promise(
    "A file that the disk had no room for is kept as far as it got, listed as interrupted, and not sent."
)
def test_a_copy_that_does_not_fit_is_told_at_the_write_and_not_sent(
    full: Mount, small_service: Process, tmp_path: Path
) -> None:
    task = full.place / WHERE
    ledger = Ledger(small_service)
    kept, large = tmp_path / "kept.bin", tmp_path / "large.bin"
    kept.write_bytes(os.urandom(3 * MIB))
    large.write_bytes(b"x" * (60 * MIB))
    run("cp", kept, task)
    done = run("cp", large, task, ok=False)
    assert done.code == 1
    assert "error writing" in done.err
    assert "No space left on device" in done.err
    run("cmp", kept, task / kept.name)
    eventually(lambda: xattr(task / large.name, "user.wsfs.upload").startswith("interrupted: "))
    assert FULL in xattr(task / large.name, "user.wsfs.upload")
    size = (task / large.name).stat().st_size
    assert 0 < size < large.stat().st_size
    run("cmp", "-n", str(size), large, task / large.name)
    eventually(lambda: kept.name in files_of(small_service, node_id(task)))
    assert "interrupted" in full.wsfs("uploads").out
    # What is in the way can be taken away, and then there is room again.
    run("rm", task / large.name)
    again = tmp_path / "again.bin"
    again.write_bytes(os.urandom(4 * MIB))
    run("cp", again, task)
    eventually(lambda: again.name in files_of(small_service, node_id(task)))
    assert [post["files"] for post in ledger.posts()] == [[kept.name], [again.name]]


def test_a_disk_that_others_fill_takes_nothing_that_was_promised(
    full: Mount, small_service: Process, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("The upload journal could not be written: there is no room left")
    task = full.place / WHERE
    full.wsfs("umount", "--now", full.place)
    full.process.wait(30)
    waiting = Mount(full.scratch, small_service.url, small_service.api_key, options=f"{QUIET},settle=600")
    try:
        waiting.wait_ready()
        whole = {f"small {number}.txt": os.urandom(5000) for number in range(20)}
        whole["larger.bin"] = os.urandom(MIB)
        for name, data in whole.items():
            (task / name).write_bytes(data)
        half = (task / "half.txt").open("wb", buffering=0)
        half.write(b"h" * 30_000)
        filler = waiting.data / "filler"
        with filler.open("wb", buffering=0) as out:
            for piece in (MIB, 4096):
                try:
                    while True:
                        out.write(b"f" * piece)
                except OSError as error:
                    assert error.errno == errno.ENOSPC
        with pytest.raises(OSError) as told:
            half.close()
        assert told.value.errno == errno.ENOSPC
        with pytest.raises(OSError) as told:
            (task / "new.txt").write_bytes(b"n" * 2 * MIB)
        assert told.value.errno == errno.ENOSPC
        for name, data in whole.items():
            assert (task / name).read_bytes() == data
        waiting.kill()
        waiting.clear()
        filler.unlink()
    finally:
        waiting.stop()
        waiting.clear()
    ledger = Ledger(small_service)
    again = Mount(full.scratch, small_service.url, small_service.api_key, options=f"{QUIET},settle=0.3")
    try:
        again.wait_ready()
        eventually(lambda: whole.keys() <= files_of(small_service, node_id(task)).keys(), "all are sent")
        for name, data in whole.items():
            assert (task / name).read_bytes() == data
        sent = {name for post in ledger.posts() for name in post["files"]}
        assert sent == whole.keys()
    finally:
        again.stop()
        again.clear()


_MAPPED = """
import mmap, os, sys
size = 60 << 20
with open(sys.argv[1], "w+b") as file:
    file.truncate(size)
    mapped = mmap.mmap(file.fileno(), size)
    told = []
    try:
        for offset in range(0, size, 1 << 20):
            mapped[offset:offset + (1 << 20)] = b"m" * (1 << 20)
        mapped.flush()
    except OSError as error:
        told.append(error.errno)
    mapped.close()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        told.append(error.errno)
print(*told)
"""


def test_a_mapped_file_that_does_not_fit_is_told_when_it_is_written_back(
    full: Mount, small_service: Process
) -> None:
    task = full.place / WHERE
    mapped = task / "mapped.bin"
    done = run(sys.executable, "-S", "-c", _MAPPED, mapped, ok=False)
    assert str(errno.ENOSPC) in done.out.split(), (done.out, done.err)
    eventually(lambda: xattr(mapped, "user.wsfs.upload").startswith("interrupted: "))
    assert mapped.name not in files_of(small_service, node_id(task))


def test_ctrl_c_in_a_copy_sends_nothing_and_the_half_is_listed(
    mounting: Mounter, small_service: Process, tmp_path: Path
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=0.3")
    task = mount.place / WHERE
    ledger = Ledger(small_service)
    pipe, film = tmp_path / "film.bin", task / "film.bin"
    os.mkfifo(pipe)
    command = ["env", "--default-signal=INT", "cp", str(pipe), str(film)]
    with subprocess.Popen(command) as copying, pipe.open("wb", buffering=0) as source:
        for _ in range(8):
            source.write(b"f" * MIB)
        eventually(lambda: film.exists() and film.stat().st_size >= 4 * MIB)
        copying.send_signal(signal.SIGINT)
        assert copying.wait(30) == -signal.SIGINT
    eventually(lambda: xattr(film, "user.wsfs.upload").startswith("interrupted: "))
    listed = mount.wsfs("uploads").out
    assert "film.bin" in listed
    assert "interrupted" in listed
    run("tee", task / "after.txt", stdin="x")
    eventually(lambda: "after.txt" in files_of(small_service, node_id(task)))
    assert [post["files"] for post in ledger.posts()] == [["after.txt"]]
    run("rm", film)
