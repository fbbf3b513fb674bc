"""A download that hangs holds up whoever waits for it, and nobody else."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import leave_out
from wsfs.emulator.testing import Process, running_process

from .conftest import QUIET, Mounter
from .drives import CONNECTIONS, Mount, eventually, has_fusectl, run

READERS = 120


@pytest.fixture(scope="module")
def crowd() -> Iterator[Process]:
    """An account with more files than anybody reads at once."""
    with running_process("--scale", f"1,1,{READERS + 40}") as service:
        yield service


@contextlib.contextmanager
def stuck(files: list[Path]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Programs that each read one file and get nothing."""
    readers = [
        subprocess.Popen(["cat", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for file in files
    ]
    try:
        yield readers
    finally:
        for reader in readers:
            reader.kill()
        for reader in readers:
            reader.wait()


def timed(path: Path) -> float:
    """How long it takes to open and read a file, by this process's own clock."""
    began = time.perf_counter()
    assert path.read_bytes()
    return time.perf_counter() - began


@pytest.mark.parametrize("number", [20, READERS])
def test_cached_files_are_read_at_once_while_readers_hang(
    number: int, mounting: Mounter, crowd: Process
) -> None:
    leave_out(None if has_fusectl() else "fusectl isn't mounted, so that no limit can be raised")
    mount = mounting(crowd, options=f"{QUIET},deadline=60")
    task = mount.place / "Project 001" / "Task 001-0001"
    *files, first, second, third = sorted(path for path in task.iterdir() if path.is_file())
    for cached in (first, second, third):
        run("cat", cached)
    for cached in (first, second, third):  # from the drive, not from the kernel's memory of the pages
        drop_pages(cached)
    crowd.arm("hang:download")
    try:
        with stuck(files[:number]) as readers:
            eventually(lambda: waiting(mount) >= number, f"{number} readers that hang", 60)
            # The best of three: a machine with much else to do is no fault of the drive's.
            assert min(timed(path) for path in (first, second, third)) < 0.1
            assert min(timed_stat(path) for path in (first, second, third)) < 0.1
            began = time.perf_counter()
            run("ls", "-l", task)
            assert time.perf_counter() - began < 5
            assert all(reader.poll() is None for reader in readers)
    finally:
        crowd.clear_faults()


def timed_stat(path: Path) -> float:
    began = time.perf_counter()
    path.stat()
    return time.perf_counter() - began


def waiting(mount: Mount) -> int:
    """How many calls the kernel waits for, by its own count."""
    minor = os.minor(mount.place.stat().st_dev)
    return int((CONNECTIONS / str(minor) / "waiting").read_text())


def drop_pages(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def test_a_reader_that_hangs_is_given_up_after_the_deadline(
    mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service, options=f"{QUIET},deadline=2")
    file = mount.place / "Project 001" / "Task 001-0001" / "file 01.jpg"
    run("stat", file)
    small_service.arm("hang:download")
    began = time.monotonic()
    refused = run("cat", file, ok=False)
    assert "Connection timed out" in refused.err
    assert 1 < time.monotonic() - began < 15
    small_service.clear_faults()
    eventually(lambda: run("cat", file, ok=False).code == 0, "a good download")


def test_a_reader_that_hangs_can_be_killed_at_once(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=f"{QUIET},deadline=60")
    file = mount.place / "Project 001" / "Task 001-0001" / "file 01.jpg"
    run("stat", file)
    small_service.arm("hang:download")
    with stuck([file]) as [reader]:
        eventually(lambda: small_service.requests()[-1]["action"] == "download", "the download")
        began = time.monotonic()
        reader.kill()
        reader.wait(10)
        assert time.monotonic() - began < 2
    small_service.clear_faults()


def test_a_mount_with_hanging_readers_unmounts_in_order(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=f"{QUIET},deadline=60")
    file = mount.place / "Project 001" / "Task 001-0001" / "file 01.jpg"
    run("stat", file)
    small_service.arm("hang:download")
    with stuck([file]):
        eventually(lambda: small_service.requests()[-1]["action"] == "download", "the download")
        assert mount.stop() == 0
        assert not mount.mounted
    small_service.clear_faults()


def test_a_slow_download_shows_its_first_bytes_as_they_come(
    mounting: Mounter, small_service: Process
) -> None:
    files = [{"name": "film.bin", "size": 30_000_000, "seed": 1}]
    small_service.act("add_comment", task=1004, text="", files=files)
    mount = mounting(small_service, options=QUIET)
    film = mount.place / "Project 001" / "Task 001-0001" / "film.bin"
    run("stat", film)
    small_service.arm("slow:1000000:download")
    began = time.monotonic()
    run("head", "-c", "100000", film)
    assert time.monotonic() - began < 5
    began = time.monotonic()
    run("tail", "-c", "100000", film)  # by a range, or it would take half a minute
    assert time.monotonic() - began < 10
    small_service.clear_faults()


def test_a_listing_that_hangs_holds_up_nobody_elsewhere(mounting: Mounter, small_service: Process) -> None:
    small_service.act("add_comment", task=1004, text="", files=[{"name": "note.txt", "text": "x"}])
    mount = mounting(small_service, options=f"{QUIET},deadline=60")
    project = mount.place / "Project 001"
    run("ls", project, project / "Task 001-0002")
    small_service.arm("hang:get_files:1")
    with subprocess.Popen(
        ["ls", project / "Task 001-0001"], stdout=subprocess.PIPE, text=True
    ) as waiting_one:
        eventually(lambda: small_service.requests()[-1]["result"] == "fault hang", "the request that hangs")
        began = time.monotonic()
        run("ls", "-l", project / "Task 001-0002")
        run("cat", project / "Task 001-0002" / "file 01.jpg")
        run("ls", mount.place / "Project 002" / "Task 002-0001")
        run("tee", project / "Task 001-0002" / "new.tmp", stdin="x")
        assert time.monotonic() - began < 5
        assert waiting_one.poll() is None
        small_service.clear_faults()
        assert waiting_one.communicate(timeout=30)[0].split("\n")[:-1] == [
            "file 01.jpg",
            "file 02.docx",
            "note.txt",
        ]
