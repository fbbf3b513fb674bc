"""What a huge upload costs the rest of the drive: memory of the mount, stats and cached reads meanwhile."""

from __future__ import annotations

import os
import statistics
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.content_measures import forget_pages, listing, processor_seconds, read_whole
from tests.benchmarks.content_systems import drop_caches
from tests.mounted.drives import Mount
from wsfs.emulator.testing import Process

PAUSE = 0.05
LONGEST = 1800.0


@dataclass
class Huge:
    """What was seen while a file of `size` bytes was sent; memory in bytes, times in seconds."""

    size: int
    seconds: float = 0.0
    processor: float = 0.0
    before: int = 0
    most: int = 0
    service_before: int = 0
    service_most: int = 0
    stats: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    progress: list[int] = field(default_factory=list)

    @property
    def grown(self) -> int:
        """How much the mount's memory grew."""
        return self.most - self.before


def resident(pid: int) -> int:
    """Bytes that a process has in memory of its own now (shared pages of files left out)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def send_huge(mount: Mount, service: Process, task: Path, reads: Path, stats: Path, size: int) -> Huge:
    """Make a sparse file of `size` bytes in `task`, and look, until it is sent, what the rest of the drive does.

    `reads` and `stats` are directories of attachments: those of the first are read once beforehand, and then again
    without their pages, so that the mount has to serve them; of the second each name is asked for once.
    """
    readable = listing(reads)
    for path in readable:
        read_whole(path)
    statted = listing(stats)
    drop_caches(2)
    seen = Huge(size, before=resident(mount.process.pid), service_before=resident(service.process.pid))
    seen.most, seen.service_most = seen.before, seen.service_before
    ended = threading.Event()

    def watch_memory() -> None:
        while not ended.wait(0.02):
            seen.most = max(seen.most, resident(mount.process.pid))
            seen.service_most = max(seen.service_most, resident(service.process.pid))

    watcher = threading.Thread(target=watch_memory)
    watcher.start()
    try:
        used = processor_seconds(mount.process.pid)
        huge = task / "huge.bin"
        with huge.open("wb") as file:
            os.truncate(file.fileno(), size)
        begun = time.perf_counter()
        number = 0
        while files := mount.ask("uploads")["files"]:
            assert time.perf_counter() - begun < LONGEST, "the upload doesn't end"
            if files[0]["state"] == "sending":
                seen.progress.append(mount.ask("status")["uploads"]["bytes_done"])
                seen.stats.append(_seconds(os.stat, statted[number % len(statted)]))
                path = readable[number % len(readable)]
                forget_pages(path)
                seen.reads.append(_seconds(read_whole, path))
                number += 1
            time.sleep(PAUSE)
        seen.seconds = time.perf_counter() - begun
        seen.processor = processor_seconds(mount.process.pid) - used
    finally:
        ended.set()
        watcher.join()
    return seen


def _seconds(act: object, *arguments: object) -> float:
    assert callable(act)
    begun = time.perf_counter()
    act(*arguments)
    return time.perf_counter() - begun


def rows_of(seen: Huge) -> list[tuple[str, str, str, bool]]:
    """Rows of the table: what, measured, limit, whether it is kept."""
    mib = 1 << 20
    grown = seen.grown / mib
    worst_stat, worst_read = max(seen.stats, default=0.0), max(seen.reads, default=0.0)
    steady = all(a <= b for a, b in zip(seen.progress, seen.progress[1:], strict=False))
    return [
        ("seconds until it has arrived", f"{seen.seconds:.1f}", "", True),
        ("processor seconds of the mount", f"{seen.processor:.1f}", "", True),
        (
            "memory of the mount, more than before",
            f"{grown:.0f} MiB",
            f"{MOST_GROWN} MiB",
            grown <= MOST_GROWN,
        ),
        (
            "memory of the emulator, more than before",
            f"{(seen.service_most - seen.service_before) / mib:.0f} MiB",
            "",
            True,
        ),
        *_latency("a stat meanwhile", seen.stats, worst_stat, WORST_STAT),
        *_latency("a cached read of 20 kB meanwhile", seen.reads, worst_read, WORST_READ),
        (
            "looks at its progress, none less than the one before",
            str(len(seen.progress)),
            "2 at least",
            steady and len(set(seen.progress)) > 1,
        ),
    ]


MOST_GROWN = 32
WORST_STAT, WORST_READ = 0.05, 0.05


def _latency(what: str, values: list[float], worst: float, limit: float) -> list[tuple[str, str, str, bool]]:
    middle = statistics.median(values) if values else 0.0
    return [
        (f"{what}, the median of {len(values)}", f"{middle * 1000:.1f} ms", "", True),
        (f"{what}, the worst", f"{worst * 1000:.1f} ms", f"{limit * 1000:.0f} ms", worst <= limit),
    ]
