"""How many requests each thing that a user does costs: design.md's table, row by row, on a real mount.

    scripts/bench requests [--projects 50] [--tasks 200] [--files 2] [--commented 0.1] [--large 12000]

Counts are exact and come from the emulator; no time is measured. Only polls for events are left out of a count,
unless the row is about them.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.report import table, write_part
from tests.mounted.drives import Ledger, Mount, eventually, run
from wsfs.emulator.testing import Process, running_process

QUIET = "crawl=no,poll=3600,prefetch=no,settle=0.5"


@dataclass(frozen=True)
class Row:
    """One row: what is done, how many requests it took, and how many it may."""

    what: str
    requests: int
    limit: int
    actions: str = ""

    @property
    def kept(self) -> bool:
        return self.requests <= self.limit


@dataclass(frozen=True)
class Size:
    """An account's size: `commented` is the share of tasks that have a comment with a file."""

    projects: int = 50
    tasks: int = 200
    files: int = 2
    commented: float = 0.1

    @property
    def arguments(self) -> tuple[str, ...]:
        scale = f"{self.projects},{self.tasks},{self.files}"
        return ("--scale", scale, "--commented", str(self.commented))

    @property
    def with_comments(self) -> int:
        return round(self.projects * self.tasks * self.commented)


def measure(size: Size, *, large_tasks: int | None = 12000, idle_seconds: float = 10.0) -> list[Row]:
    """Every row, measured one after the other. Takes minutes at the size of the table."""
    rows: list[Row] = []
    with running_process(*size.arguments) as service, _scratch() as scratch:
        rows += _looking(service, scratch, size)
        rows += _writing(service, scratch)
        rows += _idle(service, scratch, idle_seconds)
    if large_tasks is not None:
        with running_process("--scale", f"10,{large_tasks // 10},1") as service, _scratch() as scratch:
            rows += _too_large(service, scratch)
    return rows


def _looking(service: Process, scratch: Path, size: Size) -> Iterator[Row]:
    mount = Mount(scratch, service.url, service.api_key, options=QUIET)
    ledger = Ledger(service)
    ledger_all = _All(service)
    try:
        mount.wait_ready()
        run("ls", mount.place)
        # The mount itself asked for what the first `ls` shows, and knows by it that the key is good. It goes on
        # to read the tasks, for which this `ls` doesn't wait: the next row has them.
        waited = [action for action in ledger_all.actions() if action != "get_all_tasks"]
        yield Row("the first `ls` ever", len(waited), 1, _counted(waited))
        projects = sorted(mount.place.iterdir())
        run("ls", projects[0])
        tree = [action for action in ledger_all.actions() if action != "get_files"]
        yield Row("know the whole tree", len(tree), 2, _counted(tree))
        ledger.take()
        fresh = projects[1]
        run("ls", fresh)
        yield _row(ledger, "the first listing of a project", 1)
        found = run("find", mount.place, "-type", "f", seconds=900).lines
        filled = 2
        left = len(projects) - filled + size.with_comments
        yield _row(ledger, f"the first `find` over everything ({len(found):,} files)", left)
        run("find", mount.place, seconds=900)
        run("ls", "-lR", mount.place, seconds=900)
        yield _row(ledger, "a second `find`, and `ls -lR`", 0)
        file = Path(found[0])
        run("stat", file)
        yield _row(ledger, "stat of a file", 0)
        run("cat", file)
        yield _row(ledger, "open and read a file for the first time, whole", 1)
        run("cat", file)
        yield _row(ledger, "read it again", 0)
        mount.stop()
        remounted = _All(service)
        mount = Mount(scratch, service.url, service.api_key, options=QUIET)
        mount.wait_ready()
        run("find", mount.place, seconds=900)
        run("cat", file)
        yield remounted.row("the same after a remount, before the answer", 0)
        eventually(remounted.polls, "the poll after a remount")
        yield Row("events after a remount", remounted.polls(), 1, "get_events")
    finally:
        mount.stop()
        mount.clear()


def _writing(service: Process, scratch: Path) -> Iterator[Row]:
    mount = Mount(scratch, service.url, service.api_key, options=QUIET)
    try:
        mount.wait_ready()
        project = sorted(mount.place.iterdir())[0]
        task = sorted(place for place in project.iterdir() if place.is_dir())[0]
        run("ls", task)
        source = scratch / "fifty"
        source.mkdir()
        for number in range(50):
            (source / f"picture {number:02}.dat").write_bytes(bytes([number]) * 10_000)
        files = sorted(source.iterdir())
        mount.settled()
        ledger = Ledger(service)
        run("cp", *files, task)
        mount.settled()
        yield _row(ledger, "copy 50 files into a task", 2)
        run("cp", "-r", source, project / "Fifty files")
        mount.settled()
        yield _row(ledger, "copy a folder of 50 files into a project", 2)
        run("cat", *(task / file.name for file in files))
        run("find", mount.place, seconds=900)
        yield _row(ledger, "read back what was copied, and `find`", 0)
    finally:
        mount.stop()
        mount.clear()


def _idle(service: Process, scratch: Path, seconds: float) -> Iterator[Row]:
    poll = 2.0
    mount = Mount(scratch, service.url, service.api_key, options=f"crawl=no,poll={poll:g}")
    try:
        mount.wait_ready()
        run("ls", mount.place)  # or, as nobody has looked for an hour, it would ask every five minutes
        time.sleep(poll)
        before = len(service.requests())
        time.sleep(seconds)
        count = len(service.requests()) - before
        yield Row(
            f"an idle mount for {seconds / poll:.0f} polls", count, round(seconds / poll) + 1, "get_events"
        )
    finally:
        mount.stop()
        mount.clear()


def _too_large(service: Process, scratch: Path) -> Iterator[Row]:
    mount = Mount(scratch, service.url, service.api_key, options=QUIET)
    ledger = _All(service)
    try:
        mount.wait_ready()
        projects = sorted(mount.place.iterdir())
        for project in projects:
            run("ls", project)
        # the projects, the answer that is too large, the same for active tasks alone, and two for each project
        yield ledger.row("more than 10,000 tasks: list every project", 3 + 2 * len(projects))
    finally:
        mount.stop()
        mount.clear()


class _All:
    """Every request since the beginning, but the polls."""

    def __init__(self, service: Process) -> None:
        self._service = service
        self._before = len(service.requests())

    def actions(self) -> list[str]:
        seen = [one["action"] for one in self._service.requests()[self._before :]]
        return [action for action in seen if action != "get_events"]

    def row(self, what: str, limit: int) -> Row:
        actions = self.actions()
        return Row(what, len(actions), limit, _counted(actions))

    def polls(self) -> int:
        return sum(one["action"] == "get_events" for one in self._service.requests()[self._before :])


def _row(ledger: Ledger, what: str, limit: int) -> Row:
    actions = ledger.actions()
    return Row(what, len(actions), limit, _counted(actions))


def _counted(actions: Sequence[str]) -> str:
    return ", ".join(f"{actions.count(one)} {one}" for one in dict.fromkeys(actions))


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    scratch = Path(tempfile.mkdtemp(prefix="wsfs-bench-"))
    try:
        yield scratch
    finally:
        subprocess.run(["fusermount3", "-uzq", str(scratch / "drive")], check=False, capture_output=True)
        shutil.rmtree(scratch, ignore_errors=True)


def main() -> int:
    """Print the table, and write it into docs/benchmarks.md; 1 where a limit is passed."""
    parser = argparse.ArgumentParser(prog="scripts/bench requests", description=__doc__)
    parser.add_argument("--projects", type=int, default=50)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--files", type=int, default=2)
    parser.add_argument("--commented", type=float, default=0.1)
    parser.add_argument("--large", type=int, default=12000)
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks.md as it is")
    given = parser.parse_args()
    size = Size(given.projects, given.tasks, given.files, given.commented)
    rows = measure(size, large_tasks=given.large)
    text = table(
        ("what a user does", "requests", "at most", "which"),
        [(row.what, f"{row.requests:,}", f"{row.limit:,}", row.actions) for row in rows],
    )
    print(text)
    if not given.no_write:
        intro = (
            "## Requests\n\n"
            f"Counted by the emulator for a real mount of {size.projects} projects × {size.tasks} tasks × "
            f"{size.files} files, {size.with_comments:,} of the tasks commented (`scripts/bench requests`).\n\n"
        )
        write_part("requests", intro + text)
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
