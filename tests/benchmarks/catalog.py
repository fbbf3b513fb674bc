"""How fast the catalog is there, and how fresh it stays: what no count of requests shows.

    scripts/bench catalog [--only START ...] [--runs 5]

Listing a large directory beside a bare pyfuse3 file system and rclone mount; a mount of 100,000 attachments; thirty
idle mounts of one account; a person beside a crawl and a thumbnailer; a colleague's changes; the network cut.
Times are medians, and those of this machine at this moment: a busy one is slower.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.benchmarks.catalog_measures import (
    Cut,
    Row,
    at_most,
    changes_of_a_colleague,
    person_beside_a_crawl,
    start,
)
from tests.benchmarks.content_measures import list_long
from tests.benchmarks.content_systems import (
    MIB,
    Files,
    Mounted,
    Nginx,
    Rclone,
    System,
    Wsfs,
    drop_caches,
)
from tests.benchmarks.idle_mounts import idle_mounts
from tests.benchmarks.report import table, write_part
from wsfs.emulator.testing import running_process


class Bare(Mounted):
    """pyfuse3 alone: bare.py."""

    name = "bare"

    def __init__(self, scratch: Path, count: int) -> None:
        super().__init__(scratch)
        self._count = count

    def command(self) -> Sequence[str | Path]:
        return (sys.executable, "-m", "tests.benchmarks.bare", str(self._count), self.place)


def listing(scratch: Path, runs: int, *, files: int = 10_000) -> Iterator[Row]:
    """ls -lU of a large task that the kernel has forgotten, side by side."""
    held = Files(large=MIB, small=1, listed=files, stalled=(1,))
    source = scratch / "source"
    source.mkdir()
    held.write(source)
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(running_process(*held.arguments))
        systems: dict[str, System] = {"bare": Bare(scratch, files), "wsfs": Wsfs(scratch, service)}
        missing = [name for name in ("rclone", "nginx") if not _installed(name)]
        if not missing:
            systems["rclone"] = Rclone(scratch, stack.enter_context(Nginx(scratch, source)))
        taken: dict[str, list[float]] = {name: [] for name in systems}
        for system in systems.values():
            stack.enter_context(system)
            list_long(system)
        # In turns, so that whatever else the machine does meets them all.
        for _ in range(runs):
            for name, system in systems.items():
                taken[name].append(list_long(system))
    seconds = {name: statistics.median(values) for name, values in taken.items()}
    what = f"`ls -lU` of a task with {files:,} attachments, names and inodes dropped"
    yield Row(f"{what}: bare pyfuse3", f"{seconds['bare']:.3f} s")
    ratio = seconds["wsfs"] / seconds["bare"]
    yield Row(
        f"{what}: wsfs",
        f"{seconds['wsfs']:.3f} s, {ratio:.2f} × bare",
        "2 × bare",
        kept=ratio <= 2,
        timed=True,
    )
    if missing:
        yield Row(f"{what}: rclone mount", f"left out: {' and '.join(missing)} not installed")
        return
    ratio = seconds["rclone"] / seconds["wsfs"]
    yield Row(
        f"{what}: rclone mount of WebDAV on loopback",
        f"{seconds['rclone']:.3f} s, {ratio:.1f} × wsfs",
        "at least 5 × wsfs",
        kept=ratio >= 5,
        timed=True,
    )


def _installed(program: str) -> bool:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is not None


def cut(
    scratch: Path, runs: int, *, projects: int = 10, tasks: int = 50, deadline: float = 29.0
) -> Iterator[Row]:
    """The service gone, then silent, then back."""
    with Cut(scratch, projects, tasks, deadline) as network:
        before = network.known(runs)
        network.end()
        yield from _known(before, network.known(runs), "ended")
        yield network.first_failure("ended", limit=30.0)
        yield network.next_failures()
        yield network.recovery()
        with network.silent():
            yield network.first_failure("silent", limit=deadline + 1)
            yield network.next_failures()
            yield from _known(before, network.known(runs), "silent")
        yield network.recovery()


def _known(before: dict[str, float], after: dict[str, float], how: str) -> Iterator[Row]:
    for what, seconds in after.items():
        more = seconds - before[what]
        yield at_most(f"the service {how}: {what}, longer than before", more, 0.1)


Measure = Callable[[Path, int], Iterator[Row]]

MEASURES: dict[str, Measure] = {
    "listing": listing,
    "start": start,
    "person": person_beside_a_crawl,
    "changes": changes_of_a_colleague,
    "cut": cut,
    "idle": idle_mounts,
}


def measure(names: Sequence[str], runs: int) -> list[Row]:
    """The rows of these measures, one after the other; takes minutes."""
    rows: list[Row] = []
    for name in names:
        with _scratch() as scratch:
            for row in MEASURES[name](scratch, runs):
                print(f"{row.what}: {row.measured} ({row.limit})", file=sys.stderr, flush=True)
                rows.append(row)
    return rows


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    scratch = Path(tempfile.mkdtemp(prefix="wsfs-bench-"))
    try:
        yield scratch
    finally:
        for place in scratch.rglob("drive"):
            subprocess.run(["fusermount3", "-uzq", str(place)], check=False, capture_output=True)
        shutil.rmtree(scratch, ignore_errors=True)


def main() -> int:
    """Print the table, and write it into docs/benchmarks.md when it is whole; 1 where a limit is passed."""
    parser = argparse.ArgumentParser(prog="scripts/bench catalog", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--runs", type=int, default=5, help="how often each time is taken")
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks.md as it is")
    given = parser.parse_args()
    if not drop_caches(2):
        print("needs root, to drop what the kernel remembers", file=sys.stderr)
        return 2
    busy = os.getloadavg()[0]
    rows = measure(given.only, given.runs)
    text = table(("what", "measured", "limit"), [(row.what, row.measured, row.limit) for row in rows])
    print(text)
    if not given.no_write and set(given.only) == set(MEASURES):
        intro = (
            "## Catalog\n\n"
            f"Medians of {given.runs} runs on {os.cpu_count()} processors, of which other work kept {busy:.1f} busy "
            "at the beginning (`scripts/bench catalog`).\n\n"
        )
        write_part("catalog", intro + text)
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
