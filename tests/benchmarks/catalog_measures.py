"""What `scripts/bench catalog` measures on real mounts; each function yields rows as they come."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mounted.drives import Mount, eventually, run, status_file, wsfs_command
from wsfs.emulator.testing import Process, running_process

QUIET = "crawl=no,poll=3600,prefetch=no"
MIB = 1 << 20


@dataclass(frozen=True)
class Row:
    """One row; `timed` says that it is `kept` or not by a time, so that a busy machine may pass the limit."""

    what: str
    measured: str
    limit: str = ""
    kept: bool = True
    timed: bool = False


def at_most(what: str, seconds: float, limit: float) -> Row:
    """A row about seconds."""
    return Row(what, f"{round(seconds, 2) + 0.0:.2f} s", f"{limit:g} s", kept=seconds <= limit, timed=True)


def seconds_of(act: Callable[[], object]) -> float:
    """How long it takes."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


# A large account, known


def start(
    scratch: Path, runs: int, *, projects: int = 20, tasks: int = 1000, files: int = 5
) -> Iterator[Row]:
    """From the command to the listing of a project, the account being known; and the memory of it."""
    what = f"{projects * tasks * files:,} attachments in {projects * tasks:,} tasks"
    with running_process("--scale", f"{projects},{tasks},{files}") as service:
        mount = Mount(scratch, service.url, service.api_key, options=QUIET)
        try:
            mount.wait_ready()
            begun = time.perf_counter()
            for project in mount.place.iterdir():
                run("ls", project)
            filled = time.perf_counter() - begun
        finally:
            mount.stop()
            mount.clear()
        yield Row(f"{what}: learn all of it, project by project, no limit of requests", f"{filled:.1f} s")
        before = len(service.requests())
        project_name = "Project 001"
        taken: list[float] = []
        whole: list[float] = []
        memory = 0.0
        for _ in range(runs):
            with background_mount(mount, service) as begun:
                assert len(os.listdir(mount.place / project_name)) == tasks  # noqa: PTH208
                taken.append(time.perf_counter() - begun)
                last = sorted(mount.place.iterdir())[-1]
                assert len(os.listdir(last)) == tasks  # noqa: PTH208
                one = sorted(last.iterdir())[-1]
                assert len(os.listdir(one)) == files  # noqa: PTH208
                whole.append(time.perf_counter() - begun)
                time.sleep(2.0)
                memory = max(memory, resident(mount.ask("status")["pid"]))
        asked = [one["action"] for one in service.requests()[before:]]
    yield at_most(f"{what}: from `wsfs mount` to the listing of a project", statistics.median(taken), 1.0)
    yield Row(f"{what}: … to that of a task of the last project too", f"{statistics.median(whole):.2f} s")
    yield Row(f"{what}: resident memory", f"{memory / MIB:.0f} MiB", "200 MB", kept=memory <= 200e6)
    others = sum(action != "get_events" for action in asked)
    yield Row(f"{what}: requests but polls, of {runs} remounts", str(others), "0", kept=others == 0)


@contextlib.contextmanager
def background_mount(mount: Mount, service: Process) -> Iterator[float]:
    """`wsfs mount`, as a user types it, where `mount` was; gives the moment at which it was typed."""
    arguments = ("--cache-dir", mount.cache, "--data-dir", mount.data, "--rate", "0", "-o", QUIET)
    begun = time.perf_counter()
    run(*wsfs_command("mount", *map(str, arguments), service.url, str(mount.place)), env=mount.env)
    try:
        yield begun
    finally:
        mount.wsfs("umount", mount.place)
        eventually(lambda: not mount.mounted, "unmounting")


def resident(pid: int) -> float:
    """The bytes that a process has in memory."""
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in one)
    return float(line.split()[1]) * 1024


# A person beside those who read everything

_THUMBNAILER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(15, b"tumblerd", 0, 0, 0)  # PR_SET_NAME
for directory, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(directory, name), "rb") as file:
            file.read()
"""


def person_beside_a_crawl(
    scratch: Path, runs: int, *, rate: float = 1.0, pause: float = 3.3, tasks: int = 40
) -> Iterator[Row]:
    """The first `ls` of unvisited tasks, while the crawl runs and a thumbnailer reads."""
    turn = 1 / rate
    with running_process("--scale", f"3,{tasks},2", "--commented", "1", rate=rate) as service:
        mount = Mount(scratch, service.url, service.api_key, options="poll=30", rate=rate)
        thumbnailer = None
        try:
            mount.wait_ready()
            project = mount.place / "Project 001"
            run("ls", project)
            thumbnailer = subprocess.Popen(
                [sys.executable, "-c", _THUMBNAILER, str(mount.place / "Project 003")]
            )
            eventually(
                lambda: _asked(service, "download") and _asked(service, "get_files") > 1, "both at work"
            )
            taken, before = [], []
            for number in range(1, runs + 1):
                time.sleep(pause * turn)
                task = project / f"Task 001-{number:04}"
                seen = len(service.requests())
                moment = time.time()
                taken.append(seconds_of(functools.partial(os.listdir, task)))
                since = service.requests()[seen:]
                person = next(
                    i for i, one in enumerate(since) if one["action"] == "get_files" and one["time"] > moment
                )
                before.append(person)
            log = (mount.place / ".wsfs" / "requests.log").read_text().splitlines()
            lanes = {line.split()[2] for line in log if " download " in line}
            crawled = mount.ask("status")["account_known"]["crawl"]["requests"]
        finally:
            if thumbnailer is not None:
                thumbnailer.kill()
                thumbnailer.wait()
            mount.stop()
            mount.clear()
    what = (
        f"a person's first `ls` of a task, while the crawl runs and a thumbnailer reads, {rate:g} request/s"
    )
    yield at_most(f"{what}: the worst of {runs}", max(taken), 2.1 * turn)
    yield Row(
        f"{what}: others' requests that are sent before it", str(max(before)), "1", kept=max(before) <= 1
    )
    yield Row(
        f"{what}: the lanes of the thumbnailer", ", ".join(lanes), "background", kept=lanes == {"background"}
    )
    yield Row(f"{what}: crawl's requests meanwhile", str(crawled), "more than 0", kept=crawled > 0)


def _asked(service: Process, action: str) -> int:
    return sum(one["action"] == action for one in service.requests())


# A colleague's changes


def changes_of_a_colleague(scratch: Path, runs: int, *, poll: float = 5.0) -> Iterator[Row]:
    """How long until a new file and a renamed task show in directories that the kernel has cached."""
    with running_process("--scale", f"1,{2 * runs},1") as service:
        mount = Mount(scratch, service.url, service.api_key, options=f"crawl=no,poll={poll:g}")
        try:
            mount.wait_ready()
            project = next(mount.place.iterdir())
            run("ls", "-lR", project)
            files, names = [], []
            for number in range(1, runs + 1):
                files.append(_new_file(service, project / f"Task 001-{number:04}", number))
            for number in range(runs + 1, 2 * runs + 1):
                names.append(_new_name(service, project / f"Task 001-{number:04}", number))
        finally:
            mount.stop()
            mount.clear()
    yield at_most(
        f"a colleague's new file shows (polls every {poll:g} s, ± 20 %): the worst of {runs}",
        max(files),
        1.2 * poll + 2,
    )
    yield at_most("a renamed task shows, and the old name is gone: the worst", max(names), 1.2 * poll + 2)


def _new_file(service: Process, task: Path, number: int) -> float:
    new = task / f"new {number}.txt"
    assert not new.exists()  # which the kernel remembers
    time.sleep(0.37 * (number % 7))  # not always at the same moment between two polls
    begun = time.perf_counter()
    service.act("add_comment", task=_id(task), text="See there", files=[{"name": new.name, "text": "new"}])
    eventually(new.exists, "the new file")
    assert new.name in os.listdir(task)  # noqa: PTH208
    return time.perf_counter() - begun


def _new_name(service: Process, task: Path, number: int) -> float:
    renamed = task.with_name(f"Renamed {number}")
    assert task.exists() and not renamed.exists()
    time.sleep(0.37 * (number % 7))
    begun = time.perf_counter()
    service.act("rename_task", task=_id(task), name=renamed.name)
    eventually(lambda: renamed.exists() and not task.exists(), "the new name")
    return time.perf_counter() - begun


def _id(task: Path) -> int:
    return int(os.getxattr(task, "user.worksection.id"))


# The network cut


class Cut:
    """A mount, whose service can be ended, silenced and brought back."""

    def __init__(self, scratch: Path, projects: int, tasks: int, deadline: float) -> None:
        self._scratch = scratch
        self._arguments = ("--scale", f"{projects},{tasks},2")
        self._deadline = deadline
        self._stack = contextlib.ExitStack()
        self._next = 2

    def __enter__(self) -> Cut:
        self._service = self._stack.enter_context(running_process(*self._arguments))
        self._mount = Mount(
            self._scratch,
            self._service.url,
            self._service.api_key,
            options=f"crawl=no,poll=5,deadline={self._deadline:g}",
        )
        self._stack.callback(self._mount.clear)
        self._stack.callback(self._mount.stop)
        self._mount.wait_ready()
        place = self._mount.place
        self._files = [Path(line) for line in sorted(run("find", place, "-type", "f").lines)]
        run("cat", *self._files[:2])
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def known(self, runs: int) -> dict[str, float]:
        """Seconds for what needs no request."""
        place = self._mount.place
        task = self._files[0].parent
        acts: dict[str, tuple[Any, ...]] = {
            "`find`": ("find", place),
            "`ls -l`": ("ls", "-l", task),
            "`cat` of a cached file": ("cat", self._files[0]),
        }
        return {
            what: statistics.median(seconds_of(functools.partial(run, *words)) for _ in range(runs))
            for what, words in acts.items()
        }

    def end(self) -> None:
        """End the service."""
        self._service.stop()

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Let the service answer nothing while the block runs."""
        self._service.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._service.process.send_signal(signal.SIGCONT)

    def _fail(self) -> tuple[float, str]:
        self._next += 1
        done = []
        seconds = seconds_of(lambda: done.append(run("cat", self._files[self._next], ok=False)))
        return seconds, done[0].err.strip().rpartition(": ")[2]

    def first_failure(self, how: str, limit: float) -> Row:
        """The first read that needs the service."""
        seconds, said = self._fail()
        row = at_most(f"the service {how}: an uncached read fails", seconds, limit)
        return Row(
            row.what,
            f"{row.measured}, “{said}”",
            row.limit,
            row.kept and said == "Connection timed out",
            True,
        )

    def next_failures(self) -> Row:
        """Those after it."""
        failures = [self._fail() for _ in range(5)]
        row = at_most("… and the five after it, the slowest", max(seconds for seconds, _ in failures), 1.0)
        return Row(
            row.what,
            row.measured,
            row.limit,
            row.kept and {said for _, said in failures} == {"Connection timed out"},
            True,
        )

    def recovery(self) -> Row:
        """Bring the service back: how long until what failed can be read."""
        if self._service.process.poll() is not None:
            port = int(self._service.url.rpartition(":")[2])
            self._service = self._stack.enter_context(running_process(*self._arguments, port=port))
        begun = time.perf_counter()
        wanted = self._files[self._next]
        eventually(lambda: run("cat", wanted, ok=False).code == 0, "the way back", seconds=90)
        seconds = time.perf_counter() - begun
        eventually(lambda: status_file(self._mount)["account_known"]["mode"] == "events", "events again")
        return at_most("… is back: read again after", seconds, 40.0)
