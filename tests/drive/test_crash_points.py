"""A crash between any two steps of an upload: everything arrives exactly once all the same.

A first run tells the steps; then a process is killed right before each of them, and another goes on.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import os
import queue
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wsfs.emulator.testing import Process, running_process
from wsfs.uploads.contents import SMALL

MOST = int(os.environ.get("WSFS_CRASHES", "1"))
"""Of one kind of step, this many are crashed at; there are up to ten."""

STEPS = (
    *(
        "content make",
        "content make_safe",
        "content remove",
        "catalog add_alias",
        "catalog flush",
        "cache adopt",
    ),
    *("request post_comment", "request post_task", "request get_files"),
    *("journal.* open", "journal.* open (closed)", "journal.* sending", "journal.* batch posted"),
    *("journal.* dropped", "journal.* no nodes"),
)
"""What has to be among the steps of a copy: that a test which crashes nowhere shows."""


_gardens = itertools.count(1)


LANES = 2
"""So many are crashed side by side: each waits more than it works."""


@pytest.fixture(scope="module")
def services() -> Iterator[list[Process]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(running_process("--scale", "1,0,0")) for _ in range(LANES)]


class Crasher:
    """The program that is killed (crashing.py); `directory` holds a drive's data for each of its lives."""

    def __init__(self, service: Process, directory: Path, process: subprocess.Popen[str]) -> None:
        self.service = service
        self._directory = directory
        self._process = process
        self._lives = 0
        self.project = 0
        self.title = ""

    def begin(self) -> None:
        """A new project with a task, and a drive that knows nothing."""
        if self.project:
            self.service.act("delete_project", project=self.project)
        self._lives += 1
        self.title = f"Garden {next(_gardens)}"
        self.project = self.service.act("add_project", name=self.title)["id"]
        self.service.act("add_task", project=self.project, name="Task")

    def run(self, work: str, stop: tuple[str, int] | None = None) -> tuple[int, list[str]]:
        """How the process ended, and the words that it said."""
        drive = self._directory / str(self._lives)
        drive.mkdir(exist_ok=True)
        words = drive / f"words {work}"
        said: dict[str, Any] = {
            "url": self.service.url,
            "api_key": self.service.api_key,
            "directory": str(drive),
            "words": str(words),
            "task": f"/{self.title}/Task",
            "work": work,
            "stop": stop,
        }
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return code, words.read_text().splitlines()


@contextlib.contextmanager
def crashing(service: Process, directory: Path) -> Iterator[Crasher]:
    """The program, to do things at a service of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.drive.crashing"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
        text=True,
    ) as process:
        directory.mkdir()
        yield Crasher(service, directory, process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def crashers(services: list[Process], tmp_path: Path) -> Iterator[queue.SimpleQueue[Crasher]]:
    """Those that have nothing to do."""
    idle: queue.SimpleQueue[Crasher] = queue.SimpleQueue()
    with contextlib.ExitStack() as stack:
        for number, service in enumerate(services):
            idle.put(stack.enter_context(crashing(service, tmp_path / str(number))))
        yield idle


@dataclass
class Scenario:
    """What is done, and what the service does to a post."""

    work: str
    fault: str = ""

    def __str__(self) -> str:
        return f"{self.work}{f', {self.fault}' if self.fault else ''}"


def only(words: list[str], kind: str) -> list[str]:
    """The rest of the words of that kind."""
    return [word.removeprefix(f"{kind} ") for word in words if word.startswith(f"{kind} ")]


def crash_and_look(crasher: Crasher, scenario: Scenario, stop: tuple[str, int] | None) -> list[str]:
    """One life that is cut off at `stop`, and the next; returns the words of the first."""
    service = crasher.service
    crasher.begin()
    if scenario.fault:
        service.arm(scenario.fault)
    code, words = crasher.run(scenario.work, stop)
    service.clear_faults()
    assert code == (-9 if stop else 0) or (stop and code == 0), words
    code, after = crasher.run("recover")
    assert code == 0, after
    assert "whole" in after
    assert not only(after, "left")
    # The last promise of a name counts; whoever begins to write over a file takes it back himself.
    promised: dict[str, str] = {}
    for word in words:
        kind, _, rest = word.partition(" ")
        if kind == "promised":
            path, content = rest.split(".txt ", 1)
            promised[path] = content
        elif kind == "withdrawn":
            del promised[rest]
    # A version that was cut off while it was written keeps the plain name.
    shown = collections.Counter(re.sub(r" \(id \d+\)", "", sentence) for sentence in only(after, "shown"))
    for path, content in promised.items():
        assert shown[f"{path}.txt {content}"] == 1, (path, shown)
    files = [file for file in service.files() if file["project"]["id"] == crasher.project]
    sums = collections.Counter(file["sha256"] for file in files)
    assert len(files) >= len(promised)
    assert set(sums.values()) <= {1}, f"there twice: {files}"
    # What was made without a promise is whole too, or isn't there.
    large = "content of b.txt" + " and more" * (SMALL // 8)
    contents = {large, "content of a.txt", "content of c.txt", "a new version of a.txt"}
    assert {sentence.split(".txt ", 1)[1] for sentence in shown} <= contents
    assert len(shown) == len(files)
    tasks = {(file["task"]["id"], file["task"]["name"]) for file in files if file["task"]}
    assert len({name for _, name in tasks}) == len(tasks), tasks
    return words


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario("copy"),
        Scenario("copy", "lost-reply:post_comment:1"),
        Scenario("copy", "lost-reply:post_task:1"),
        Scenario("copy", "reset:post_*:1"),
        Scenario("drop"),
        Scenario("drop", "lost-reply:post_task:1"),
        Scenario("save meanwhile", "delay:0.2:post_comment"),
        Scenario("save meanwhile", "lost-reply:post_comment:1"),
        Scenario("copy", "max-files:1:post_comment"),
        Scenario("version"),
        Scenario("version", "lost-reply:post_comment:2"),
    ],
    ids=str,
)
def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(
    crashers: queue.SimpleQueue[Crasher], scenario: Scenario
) -> None:
    first = crashers.get()
    words = crash_and_look(first, scenario, None)
    crashers.put(first)
    steps = collections.Counter(only(words, "step"))
    if scenario.work == "copy":
        for wanted in STEPS:
            begin, _, last = wanted.partition(".*")
            assert any(step.startswith(begin) and last in step for step in steps), (wanted, sorted(steps))

    def crash(point: tuple[str, int]) -> bool:
        """Whether it was met, and the process killed."""
        step, number = point
        crasher = crashers.get()
        try:
            with told(scenario, step, number):
                words = crash_and_look(crasher, scenario, point)
        finally:
            crashers.put(crasher)
        return only(words, "step").count(step) < number

    points = [
        (step, number + 1) for step, count in sorted(steps.items()) for number in range(min(count, MOST))
    ]
    with ThreadPoolExecutor(LANES) as lanes:
        struck = sum(lanes.map(crash, points))
    print(f"{scenario}: killed at {struck} of {len(points)} steps of {len(steps)} kinds")
    # The order of things isn't the same each time, so that a step may not be met again.
    assert struck >= 0.8 * len(points)


@contextlib.contextmanager
def told(scenario: Scenario, step: str, number: int) -> Iterator[None]:
    """Say where it was that an assertion failed."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{scenario}, killed before {step!r} number {number}: {error}") from error
