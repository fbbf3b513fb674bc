"""How fast content is read, side by side in one run: wsfs, rclone mount, bindfs, a floor, and the plain disk.

    scripts/bench content [--rounds 5] [--large MIB] [--no-write] [--scratch DIRECTORY]

In each round every system is mounted with empty caches, and measured row by row, each row for all of them in
turn, so that what else the machine does falls on all alike. All memory that this takes is touched once before.
Figures are medians of the rounds; a ratio is the median of the rounds' ratios. wsfs reads from the emulator,
rclone from nginx, both on the loopback interface; what the files below hold is the same, byte for byte.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import platform
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks import content_measures as measures
from tests.benchmarks.catalog_measures import Row
from tests.benchmarks.content_bounds import BOUNDS
from tests.benchmarks.content_report import conclusions, figures_table, plot
from tests.benchmarks.content_systems import (
    MIB,
    Bindfs,
    Files,
    Floor,
    Nginx,
    Plain,
    Rclone,
    System,
    Wsfs,
    drop_caches,
)
from tests.benchmarks.report import PAGE, Figures, table, write_part
from wsfs.emulator.testing import Process, running_process

PICTURE = PAGE.parent / "images" / "benchmark-content.svg"


class Run:
    """All rounds; `figures[row][system]` are the values, one a round."""

    def __init__(
        self,
        files: Files,
        scratch: Path,
        *,
        peers: bool = True,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`peers`: beside bindfs and rclone mount, and with fio, which have to be installed for it."""
        self.files = files
        self.scratch = scratch
        self.peers = peers
        self.figures: Figures = defaultdict(lambda: defaultdict(list))
        self._say = say

    def rounds(self, count: int) -> None:
        """Measure `count` rounds."""
        source = self.scratch / "source"
        source.mkdir()
        self.files.write(source)
        with contextlib.ExitStack() as servers:
            service = servers.enter_context(running_process(*self.files.arguments))
            server = servers.enter_context(Nginx(self.scratch, source)) if self.peers else None
            for number in range(count):
                self._say(f"round {number + 1} of {count}")
                with contextlib.ExitStack() as stack:
                    systems: list[System] = [
                        Plain(self.scratch, source),
                        Floor(self.scratch, source),
                        Wsfs(self.scratch, service),
                    ]
                    if server is not None:
                        systems += [Rclone(self.scratch, server), Bindfs(self.scratch, source)]
                    for system in systems:
                        stack.enter_context(system)
                    turn = number % len(systems)
                    self._round(systems[turn:] + systems[:turn], service, check=number == 0)

    def _note(self, row: str, system: str, value: float | None) -> None:
        if value is not None:
            self.figures[row][system].append(value)
            self._say(f"  {row}: {system} {value:.4g}")

    def _round(self, systems: Sequence[System], service: Process, *, check: bool) -> None:
        for system in systems:
            for group, *_ in self.files.groups:
                measures.listing(system.root / group)
        fetching = [system for system in systems if system.fetches]
        self._note("cold", "httpx", measures.http_alone(service))
        for system in fetching:
            before = measures.processor_seconds(system.pid)
            first, whole = measures.cold(system)
            self._note("first byte", system.name, first)
            self._note("cold", system.name, whole)
            self._note("cold processor", system.name, measures.processor_seconds(system.pid) - before)
        if check:
            digests = {digest(measures.large(system)) for system in systems}
            assert len(digests) == 1, "the large file isn't the same everywhere"
        for system in systems:
            self._note("warm", system.name, measures.warm(system))
        for system in systems:
            plain = isinstance(system, Plain)
            self._note("refetched", system.name, measures.refetched(system, plain=plain))
        for system in systems:
            self._note("disk", system.name, measures.from_disk(system))
        for system in systems if self.peers else ():
            measures.read_whole(measures.large(system))
            self._note("random 4k", system.name, measures.random_reads(system, 4096, 64 * MIB))
        for system in systems if self.peers else ():
            self._note("random 1M", system.name, measures.random_reads(system, MIB, 512 * MIB))
        for system in fetching:
            self._note("small first", system.name, measures.cat_small(system))
        for system in systems:
            measures.cat_small(system)
            self._note("small again", system.name, measures.cat_small(system))
        for system in systems:
            plain = isinstance(system, Plain)
            self._note("small refetched", system.name, measures.cat_small_refetched(system, plain=plain))
        if drop_caches(2):
            for system in systems:
                self._note("ls", system.name, measures.list_long(system))
        for system in systems:
            if system.pid:
                self._note("processor", system.name, measures.processor_seconds(system.pid))
                self._note("memory", system.name, measures.peak_memory(system.pid))
        fresh = 0
        for count in self.files.stalled:
            for system in fetching:
                read, stat = measures.beside_stalled(system, slice(fresh, fresh + count))
                self._note(f"read, {count} stalled", system.name, read)
                self._note(f"stat, {count} stalled", system.name, stat)
            fresh += count


def bounds(scratch: Path, runs: int, say: Callable[[str], None]) -> list[Row]:
    """What wsfs keeps to beside its speed, once the rounds are over."""
    rows: list[Row] = []
    for measure in BOUNDS:
        place = scratch / measure.__name__
        place.mkdir()
        for row in measure(place, runs):
            say(f"  {row.what}: {row.measured} ({row.limit})")
            rows.append(row)
    return rows


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    """Print the tables, and write them and the plot into docs; 1 where a limit isn't kept."""
    parser = argparse.ArgumentParser(prog="scripts/bench content", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, default=1024, metavar="MIB", help="size of the large file")
    parser.add_argument("--scratch", type=Path, help="where to work; the temporary directory by default")
    parser.add_argument("--no-write", action="store_true", help="leave docs as they are")
    given = parser.parse_args()
    files = Files(large=given.large * MIB)
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(
        prefix="wsfs-bench-", dir=given.scratch, ignore_cleanup_errors=True
    ) as scratch:

        def say(text: str) -> None:
            print(text, file=sys.stderr, flush=True)

        run = Run(files, Path(scratch), say=say)
        run.rounds(given.rounds)
        kept_to = bounds(Path(scratch), given.rounds, say)
    limits = conclusions(run.figures)
    text = (
        f"{figures_table(run.figures)}\n\n### What was to be shown\n\n{limits.text}\n\n"
        f"{table(('beside speed', 'measured', 'limit'), [(row.what, row.measured, row.limit) for row in kept_to])}\n\n"
        f"![The same as bars](images/{PICTURE.name})\n"
    )
    print(text)
    if not given.no_write:
        root = "" if os.geteuid() == 0 else " Caches could not be dropped: that takes root."
        system = f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}"
        intro = (
            "## Content\n\n"
            f"A file of {given.large:,} MiB, {files.small:,} files of {files.small_size:,} bytes and a directory of "
            f"{files.listed:,}; medians of {given.rounds} rounds on {os.cpu_count()} processors, of which other work "
            f"kept {busy:.1f} busy at the beginning, {system} (`scripts/bench content`; what each row is, is said in "
            "`tests/benchmarks/content_measures.py`). Times in seconds, reads by fio a second. In brackets: how many "
            f"times wsfs's speed it has, as the median of the rounds' ratios.{root}\n\n"
        )
        write_part("content", intro + text)
        plot(run.figures, PICTURE)
    return 0 if limits.kept and all(row.kept for row in kept_to) else 1


if __name__ == "__main__":
    sys.exit(main())
