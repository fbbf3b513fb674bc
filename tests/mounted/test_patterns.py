"""A file costs one request however it is read, when it is read whole; in the next mount none."""

from __future__ import annotations

import hashlib
import mmap
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wsfs.emulator.testing import Process, running_process

from .conftest import QUIET, Mounter
from .drives import Ledger, Mount, eventually

SIZE = 20_000_000
Pattern = Callable[[Path], bytes]


def forward(file: Path) -> bytes:
    return file.read_bytes()


def pieces(file: Path, length: int, order: Callable[[list[int]], object]) -> bytes:
    offsets = list(range(0, SIZE, length))
    order(offsets)
    descriptor = os.open(file, os.O_RDONLY)
    try:
        found = {offset: os.pread(descriptor, length, offset) for offset in offsets}
    finally:
        os.close(descriptor)
    return b"".join(found[offset] for offset in sorted(found))


def backward(file: Path) -> bytes:
    return pieces(file, 100_000, list.reverse)


def at_random(file: Path) -> bytes:
    return pieces(file, 4096, random.Random(1).shuffle)


def end_first(file: Path) -> bytes:
    """As programs do that look for the directory of a ZIP or PDF."""
    with file.open("rb") as opened:
        opened.seek(-65_536, os.SEEK_END)
        opened.read()
        opened.seek(0)
        return opened.read()


def mapped(file: Path) -> bytes:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as view:
        parts = {start: view[start : start + 1_000_000] for start in range(19_000_000, -1, -1_000_000)}
    return b"".join(parts[start] for start in sorted(parts))


def by_many(file: Path) -> bytes:
    with ThreadPoolExecutor(16) as threads:
        found = {hashlib.sha256(data).digest(): data for data in threads.map(Path.read_bytes, [file] * 16)}
    (data,) = found.values()
    return data


def opened_anew(file: Path) -> bytes:
    """A descriptor for each piece, as `split` and download managers have it."""
    parts = []
    for offset in range(0, SIZE, 1_000_000):
        with file.open("rb") as opened:
            opened.seek(offset)
            parts.append(opened.read(1_000_000))
    return b"".join(parts)


PATTERNS: tuple[Pattern, ...] = (forward, backward, at_random, end_first, mapped, by_many, opened_anew)


@pytest.fixture(scope="module")
def service() -> Iterator[Process]:
    with running_process("--files", f"large,{len(PATTERNS)},{SIZE}") as running:
        yield running


def test_whatever_the_pattern_one_request_and_the_second_time_none(
    service: Process, mounting: Mounter
) -> None:
    sums = sorted(file["sha256"] for file in service.files())
    mount = mounting(service, options=QUIET)
    ledger = Ledger(service)
    found = []
    for file, pattern in zip(sorted(mount.place.rglob("*.dat")), PATTERNS, strict=True):
        found.append(hashlib.sha256(pattern(file)).hexdigest())
        assert ledger.actions().count("download") == 1, pattern.__name__
    assert sorted(found) == sums
    settle(mount)

    assert mount.stop() == 0
    again = mounting(service, options=QUIET, scratch=mount.scratch)
    ledger.take()
    for file, pattern in zip(sorted(again.place.rglob("*.dat")), reversed(PATTERNS), strict=True):
        assert hashlib.sha256(pattern(file)).hexdigest() in sums
    assert "download" not in ledger.actions()


def test_a_seek_to_the_end_of_a_large_file_does_not_wait_for_what_lies_between(mounting: Mounter) -> None:
    size = 2 << 30
    with running_process("--files", f"films,1,{size}", "--fault", "slow:2000000:download") as service:
        mount = mounting(service, options=QUIET)
        (film,) = mount.place.rglob("*.dat")
        ledger = Ledger(service)
        descriptor = os.open(film, os.O_RDONLY)
        try:
            os.pread(descriptor, 4096, 0)
            began = time.monotonic()
            assert len(os.pread(descriptor, 65_536, size - 65_536)) == 65_536
            assert time.monotonic() - began < 3
        finally:
            os.close(descriptor)
        assert ledger.actions() == ["download", "download"]


def settle(mount: Mount) -> None:
    eventually(lambda: not mount.ask("cache")["streams"], "no download runs")
