"""What is measured of a system: each function prepares, measures once, and returns seconds, or operations a second."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.content_systems import MIB, System, drop_caches
from tests.mounted.drives import run
from wsfs.emulator.testing import Process

PAGE = 4096
PROBES = 50
MOST_OF_MEMORY = 0.5
KEPT_OF_COLD = 3
"""How often a file is in memory at most after its first read: the mount's pages, its cache's, what is on its way."""


def touch_memory(size: int) -> int:
    """Have the kernel take up to `size` bytes of memory, half of what there is at most, and give them back; how many.

    In a virtual machine the first touch of a page is the host's work, a third of a second a GiB (measured), and what is
    free for two seconds is the host's again (mm/page_reporting.c); it would count for who keeps most in memory.
    """
    available = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemAvailable:")
    )
    size = min(size, int(available * MOST_OF_MEMORY))
    run(sys.executable, "-c", _TOUCH, str(size))
    return size


_TOUCH = f"""
import mmap, sys
size = int(sys.argv[1])
with mmap.mmap(-1, max(size, 1)) as memory:
    for place in range(0, size, {PAGE}):
        memory[place] = 1
"""


def large(system: System) -> Path:
    """The large file."""
    return system.root / "large" / "file 00000.dat"


def small(system: System) -> list[Path]:
    """The small files."""
    return listing(system.root / "small")


def listing(directory: Path) -> list[Path]:
    """The files in a directory, by name."""
    return [directory / name for name in sorted(os.listdir(directory))]  # noqa: PTH208


def read_whole(path: Path) -> tuple[float, float]:
    """Read a file in pieces of a MiB: seconds until the first piece of 4 KiB is there, and until all is."""
    buffer = bytearray(MIB)
    size = 0
    begun = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        size += file.readinto(memoryview(buffer)[:PAGE]) or 0
        first = time.perf_counter() - begun
        while count := file.readinto(buffer):
            size += count
    taken = time.perf_counter() - begun
    expected = path.stat().st_size
    assert size == expected, f"{path} gave {size} of {expected} bytes"
    return first, taken


def forget_pages(path: Path) -> None:
    """Have the kernel drop the clean pages of this file, as this mount has them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def cold(system: System) -> tuple[float, float]:
    """The large file for the first time: first bytes, and the whole."""
    file = large(system)
    os.sync()
    touch_memory(KEPT_OF_COLD * file.stat().st_size)
    return read_whole(file)


def warm(system: System) -> float:
    """The large file once more, as a program that reads it twice."""
    read_whole(large(system))
    return read_whole(large(system))[1]


def refetched(system: System, *, plain: bool) -> float:
    """The large file when its mount has no page of it, though the file below has: the price of the way.

    The first of two such reads sees to the file below, of which only a mount's cache may be a copy of its own.
    """
    os.sync()
    for _ in range(2):
        if not plain:
            forget_pages(large(system))
        _, whole = read_whole(large(system))
    return whole


def from_disk(system: System) -> float | None:
    """The large file when nothing of it is in memory; None where caches can't be dropped."""
    if not drop_caches(3):
        return None
    return read_whole(large(system))[1]


def random_reads(system: System, block: int, total: int) -> float:
    """Reads a second at random places of the large file, `block` bytes each, by fio; no page in its mount."""
    path = large(system)
    total = min(total, path.stat().st_size)
    done = run(
        *("fio", "--name=random", f"--filename={path}", "--readonly", "--rw=randread", f"--bs={block}"),
        *(f"--size={path.stat().st_size}", f"--io_size={total}", "--ioengine=psync", "--randseed=7"),
        *("--runtime=10", "--output-format=json"),
        seconds=60,
    )
    start = done.out.index("{")
    iops: float = json.loads(done.out[start:])["jobs"][0]["read"]["iops"]
    return iops


def cat_small(system: System) -> float:
    """All small files by one cat."""
    paths = small(system)
    begun = time.perf_counter()
    subprocess.run(["cat", *paths], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def cat_small_refetched(system: System, *, plain: bool) -> float:
    """The same when the mount has no page of them, though the files below have: by the second of two such reads."""
    for _ in range(2):
        if not plain:
            for path in small(system):
                forget_pages(path)
        taken = cat_small(system)
    return taken


def list_long(system: System) -> float:
    """ls -lU of the large directory, whose names and inodes the kernel was made to drop."""
    directory = system.root / "listed"
    os.listdir(directory)  # noqa: PTH208
    drop_caches(2)
    begun = time.perf_counter()
    subprocess.run(["ls", "-lU", directory], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def beside_stalled(system: System, files: slice) -> tuple[float, float]:
    """The worst cached read and the worst stat of fifty each, in seconds, while downloads hang.

    The reads are of files whose pages were dropped, the stats of names that the kernel doesn't know: both have
    to be served by the mount. Infinite where they weren't done in ten seconds. `files` are those of the group
    `stalled` that are read: fresh ones each time.
    """
    readable = small(system)[:PROBES]
    for path in readable:
        read_whole(path)
    statted = listing(system.root / "listed")[:PROBES]
    stalled = listing(system.root / "stalled")[files]
    drop_caches(2)
    with system.stall():
        readers = _started(_READERS, *stalled)
        probes: subprocess.Popen[bytes] | None = None
        try:
            assert readers.stdout is not None
            readers.stdout.readline()
            time.sleep(1.0)
            probes = _started(_PROBES, len(readable), *readable, *statted)
            try:
                worst = probes.communicate(timeout=10)[0].split()
            except subprocess.TimeoutExpired:
                worst = [b"inf", b"inf"]
            assert readers.poll() is None, "the downloads don't hang"
        finally:
            for process in (probes, readers):
                if process is not None:
                    process.kill()
                    if process.stdout is not None:
                        process.stdout.close()
    for process in (probes, readers):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)  # what hangs in a mount ends with it
    return float(worst[0]), float(worst[1])


def _started(script: str, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE)


_READERS = """
import os, sys, threading
def read(path):
    with open(path, "rb") as file:
        file.read()
    os._exit(1)
for path in sys.argv[1:]:
    threading.Thread(target=read, args=(path,)).start()
print("reading", flush=True)
"""

_PROBES = """
import os, sys, time
def taken(act, *arguments):
    begun = time.perf_counter()
    act(*arguments)
    return time.perf_counter() - begun
def read(path):
    with open(path, "rb", buffering=0) as file:
        file.read()
half = int(sys.argv[1])
paths = sys.argv[2:]
for path in paths[:half]:
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
print(max(taken(read, path) for path in paths[:half]))
print(max(taken(os.stat, path) for path in paths[half:]))
"""


def http_alone(service: Process) -> float:
    """Seconds that httpx alone takes for the large file from the emulator, in a process of its own."""
    (file,) = [one for one in service.files(sha256=False) if one["task"]["name"] == "large"]
    url = f"{service.url}/api/oauth2?action=download&access_token={service.token}&id_file={file['id']}"
    done = run(sys.executable, "-c", _HTTP_ALONE, url, str(file["size"]))
    return float(done.out)


_HTTP_ALONE = """
import sys, time
import httpx, trio
async def main():
    size = 0
    async with httpx.AsyncClient(timeout=None, trust_env=False) as client:
        begun = time.perf_counter()
        async with client.stream("GET", sys.argv[1]) as answer:
            async for piece in answer.aiter_raw():
                size += len(piece)
        print(time.perf_counter() - begun)
    assert size == int(sys.argv[2])
trio.run(main)
"""


def processor_seconds(pid: int) -> float:
    """User and system time that a process took so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory(pid: int) -> float:
    """The most bytes that a process had in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def median(values: list[float]) -> float | None:
    """Their median; None where there are none."""
    return statistics.median(values) if values else None
