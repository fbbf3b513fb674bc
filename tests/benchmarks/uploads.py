"""How fast files are copied in, side by side in one run: wsfs, rclone mount, a floor, and the plain disk.

    scripts/bench uploads [--rounds 5] [--small COUNT] [--large MIB] [--huge MIB] [--no-write] [--scratch DIRECTORY]

In each round every system is mounted by itself with empty caches, and `cp` copies the same files into it: a thousand
of 10 kB, then one of 1 GiB. Measured is how long `cp` takes, and until everything is where it stays, by each system's
own defaults (wsfs waits 3 s for more, rclone 5 s), then once more without that waiting (`wsfs flush`;
`--vfs-write-back 0`). The floor (uploads_floor.py) does one fsync and one commit a file in the same directory.
Figures are medians of the rounds; a ratio is the median of the rounds' ratios. wsfs sends to the emulator, rclone to
nginx, both on the loopback interface and on the same disk. At last one huge file is sent, while the rest is used.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.content_measures import peak_memory, processor_seconds
from tests.benchmarks.content_systems import MIB, Nginx
from tests.benchmarks.report import Figures, table, write_part
from tests.benchmarks.uploads_huge import Huge, rows_of, send_huge
from tests.benchmarks.uploads_report import conclusions, figures_table
from tests.benchmarks.uploads_systems import GROUPS, Floor, Plain, Rclone, Target, Wsfs, copy, write_source
from wsfs.emulator.testing import running_process

SMALL = 10_000
"""Bytes of a small file."""


class Run:
    """All rounds; `figures[row][system]` are the values, one a round."""

    def __init__(
        self,
        scratch: Path,
        *,
        small: int = 1000,
        large: int = 1024 * MIB,
        peers: bool = True,
        paced: bool = True,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`peers`: beside rclone mount, which has to be installed for it; `paced`: at one request a second too."""
        self.scratch = scratch
        self.figures: Figures = defaultdict(lambda: defaultdict(list))
        self._peers = peers
        self._paced = paced
        self._say = say
        self._small = write_source(scratch / "small", small, SMALL)
        self._large = write_source(scratch / "large", 1, large)

    def rounds(self, count: int) -> None:
        """Measure `count` rounds."""
        for number in range(count):
            self._say(f"round {number + 1} of {count}")
            with contextlib.ExitStack() as servers:
                names = [f"{group} {name}" for group in GROUPS for name in ("wsfs", "paced")]
                groups = [word for name in names for word in ("--files", f"{name},0,0")]
                service = servers.enter_context(running_process(*groups))
                systems: list[Target] = [
                    Plain(self.scratch),
                    Floor(self.scratch),
                    Wsfs(self.scratch, service),
                ]
                if self._paced:
                    systems.append(Wsfs(self.scratch, service, rate=1.0))
                if self._peers:
                    served = self.scratch / "served"
                    served.mkdir(exist_ok=True)
                    server = servers.enter_context(Nginx(self.scratch, served, writable=True))
                    systems.append(Rclone(self.scratch, server, served))
                    systems.append(Rclone(self.scratch, server, served, at_once=True))
                turn = number % len(systems)
                for system in systems[turn:] + systems[:turn]:
                    os.sync()
                    with system:
                        self._measure(system)

    def _measure(self, system: Target) -> None:
        waits = not isinstance(system, Rclone) or not system.at_once
        if waits:
            self._copies(system, "small", self._small)
            self._copies(system, "large", self._large)
            if system.pid:
                self._note("memory", system, peak_memory(system.pid))
        if system.at_once and system.name != "paced":
            self._hurries(system, "at once", self._small)
            self._hurries(system, "large at once", self._large)

    def _copies(self, system: Target, group: str, files: Sequence[Path]) -> None:
        before = processor_seconds(system.pid) if system.pid else 0.0
        begun = time.perf_counter()
        taken = copy(files, system.into(group))
        if system.name != "paced":
            self._note(f"{group} copied", system, taken)
        if not isinstance(system, Floor):
            system.sent(group, files)
            self._note(f"{group} sent", system, time.perf_counter() - begun)
        if system.pid:
            self._note(f"{group} processor", system, processor_seconds(system.pid) - before)
        system.check(group, files)

    def _hurries(self, system: Target, group: str, files: Sequence[Path]) -> None:
        begun = time.perf_counter()
        copy(files, system.into(group))
        system.hurry(group, files)
        self._note(f"{group} sent", system, time.perf_counter() - begun)
        system.check(group, files)

    def _note(self, row: str, system: Target, value: float) -> None:
        self.figures[row][system.name].append(value)
        self._say(f"  {row}: {system.name} {value:.4g}")


def huge(scratch: Path, size: int) -> Huge:
    """Send one huge file, and look what the drive does meanwhile."""
    files = ("--files", "huge wsfs,0,0", "--files", "read,100,20000", "--files", "listed,1000,10")
    with running_process(*files) as service, Wsfs(scratch, service) as system:
        assert isinstance(system, Wsfs)
        root = system.root
        seen = send_huge(system.mount, service, root / "huge wsfs", root / "read", root / "listed", size)
        there = [file["size"] for file in service.files(sha256=False) if file["name"] == "huge.bin"]
        assert there == [size], "the huge file isn't there as it should be"
        return seen


def main() -> int:
    """Print the tables, and write them into docs; 1 where a limit isn't kept."""
    parser = argparse.ArgumentParser(prog="scripts/bench uploads", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", type=int, default=1000, metavar="COUNT", help="how many small files")
    parser.add_argument("--large", type=int, default=1024, metavar="MIB", help="size of the large file")
    parser.add_argument(
        "--huge", type=int, default=5000, metavar="MIB", help="size of the huge file; 0: none"
    )
    parser.add_argument("--scratch", type=Path, help="where to work; the temporary directory by default")
    parser.add_argument(
        "--no-paced", action="store_true", help="leave out what one request a second makes of it"
    )
    parser.add_argument("--no-write", action="store_true", help="leave docs as they are")
    given = parser.parse_args()
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(
        prefix="wsfs-bench-", dir=given.scratch, ignore_cleanup_errors=True
    ) as scratch:
        run = Run(
            Path(scratch),
            small=given.small,
            large=given.large * MIB,
            paced=not given.no_paced,
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
        run.rounds(given.rounds)
        rows = rows_of(huge(Path(scratch), given.huge * MIB)) if given.huge else []
    limits = conclusions(run.figures)
    text = f"{figures_table(run.figures)}\n\n### What was to be shown\n\n{limits.text}\n"
    kept = limits.kept and all(row[3] for row in rows)
    if rows:
        shown = [
            (what, value, limit, "" if not limit else "yes" if good else "**no**")
            for what, value, limit, good in rows
        ]
        text += (
            f"\n### A file of {given.huge:,} MiB on its way\n\n"
            f"{table(('while it is sent', 'measured', 'at most', 'kept'), shown)}\n"
        )
    print(text)
    if not given.no_write:
        system = f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}"
        intro = (
            "## Uploads\n\n"
            f"{given.small:,} files of {SMALL:,} bytes and one of {given.large:,} MiB, copied in by `cp`; seconds, "
            f"medians of {given.rounds} rounds on {os.cpu_count()} processors, of which other work kept {busy:.1f} "
            f"busy at the beginning, {system} (`scripts/bench uploads`; what is measured, is said in "
            "`tests/benchmarks/uploads.py`). The floor is a bare pyfuse3 file system that does one fsync and one "
            "commit a file. In brackets: how many times the time of wsfs it takes, as the median of the rounds' "
            "ratios.\n\n"
        )
        write_part("uploads", intro + text)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
