"""What content keeps to, beside its speed: a seek in a slow film, and the disk usage of a small cache."""

from __future__ import annotations

import hashlib
import random
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.benchmarks.catalog_measures import QUIET, Row, at_most
from tests.mounted.drives import Mount
from wsfs.emulator.testing import running_process

GIB = 1 << 30
GROUPS = ((4000, 1_000), (3000, 20_000), (2000, 80_000), (900, 300_000), (100, 2_000_000))
"""Count and size of the files that go through the small cache: 10,000 in all, 694 MB."""


def seek(
    scratch: Path,
    runs: int,
    *,
    size: int = 2 * GIB,
    speed: int = 2_000_000,
    rates: tuple[float, ...] = (0.0, 1.0),
) -> Iterator[Row]:
    """From the head of a large file straight to its end, the service sending slowly."""
    for rate in rates:
        taken = [_seek(scratch / f"{rate:g}-{number}", size, speed, rate) for number in range(runs)]
        allowed = f"{rate:g} request a second" if rate else "no limit of requests"
        what = f"a seek to the end of {size / GIB:g} GiB that come at {speed / 1e6:g} MB/s, {allowed}"
        yield at_most(what, statistics.median(taken), 3.0)


def _seek(scratch: Path, size: int, speed: int, rate: float) -> float:
    scratch.mkdir()
    with running_process("--files", f"Film,1,{size}", rate=rate) as service:
        service.arm(f"slow:{speed}:download")
        mount = Mount(scratch, service.url, service.api_key, options=QUIET, rate=rate)
        try:
            mount.wait_ready()
            (path,) = (mount.place / "Files" / "Film").iterdir()
            with path.open("rb", buffering=0) as film:
                assert film.read(4096)
                begun = time.perf_counter()
                film.seek(size - 4096)
                assert len(film.read(4096)) == 4096
                return time.perf_counter() - begun
        finally:
            service.clear_faults()
            mount.stop()
            mount.clear()


def small_cache(
    scratch: Path,
    runs: int,
    *,
    groups: tuple[tuple[int, int], ...] = GROUPS,
    limit: int = 100_000_000,
    readers: int = 4,
    pause: float = 0.1,
) -> Iterator[Row]:
    """Many files in random order by several readers at once, `du` looking all the while; once, whatever `runs`."""
    words = [
        word
        for number, (count, size) in enumerate(groups)
        for word in ("--files", f"Group {number},{count},{size}")
    ]
    with running_process(*words) as service:
        mount = Mount(scratch, service.url, service.api_key, options=f"{QUIET},cache_size={limit}")
        right = {(file["task"]["name"], file["name"]): file["sha256"] for file in service.files(sha256=True)}
        try:
            mount.wait_ready()
            paths = [path for task in (mount.place / "Files").iterdir() for path in task.iterdir()]
            random.Random(7).shuffle(paths)
            with (
                _Sampler(lambda: _disk_usage(mount.cache), pause) as used,
                ThreadPoolExecutor(readers) as pool,
            ):
                found = list(pool.map(_digest, paths))
        finally:
            mount.stop()
            mount.clear()
    wrong = sum(
        right[path.parent.name, path.name] != sha256 for path, sha256 in zip(paths, found, strict=True)
    )
    total = sum(count * size for count, size in groups)
    what = f"{len(paths):,} files, {total / 1e6:,.0f} MB, through a cache of {limit / 1e6:,.0f} MB"
    most = max(used.samples)
    yield Row(
        f"{what}: the most of {len(used.samples):,} samples of du",
        f"{most / 1e6:.1f} MB",
        f"{limit / 1e6:,.0f} MB",
        kept=most <= limit,
    )
    yield Row(
        f"{what}: files with a wrong byte", str(wrong), "0", kept=wrong == 0 and len(paths) == len(right)
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _disk_usage(directory: Path) -> int | None:
    # It complains of files that went while it looked, and is right all the same.
    done = subprocess.run(
        ["du", "-s", "--block-size=1", str(directory)], check=False, capture_output=True, text=True
    )
    return int(done.stdout.split()[0]) if done.stdout else None


class _Sampler:
    """Asks `sample` again and again while the block runs; `samples` are its answers."""

    def __init__(self, sample: Callable[[], int | None], pause: float) -> None:
        self.samples: list[int] = []
        self._sample = sample
        self._pause = pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while True:
            value = self._sample()
            if value is not None:
                self.samples.append(value)
            if self._over.wait(self._pause):
                return

    def __enter__(self) -> _Sampler:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()


BOUNDS: tuple[Callable[[Path, int], Iterator[Row]], ...] = (seek, small_cache)
