"""Whether a process is being ended by a signal: what it closes then it didn't close itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from wsfs.fuse.callers import closes_half, is_being_killed
from wsfs.uploads.handles import SpoolHandle


def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait until the process has ended, and leave it there: its entry in /proc says how."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return process.pid


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_a_signal_ends(number: signal.Signals) -> None:
    # Tests that were started in the background of a script ignore SIGINT, and so would what they start.
    with subprocess.Popen(["env", "--default-signal=INT", "sleep", "60"]) as process:
        assert not is_being_killed(process.pid)
        while Path(f"/proc/{process.pid}/comm").read_text() != "sleep\n":
            time.sleep(0.01)
        process.send_signal(number)
        assert is_being_killed(ended(process))
    assert not is_being_killed(process.pid), "there is none of that number any more"


@pytest.mark.parametrize("code", [0, 1])
def test_a_process_that_ends_by_itself(code: int) -> None:
    with subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"]) as process:
        assert not is_being_killed(ended(process))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_process_that_ends_with_the_code_of_a_signal(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", f"raise SystemExit({128 + number})"]) as process:
        assert is_being_killed(ended(process))


def called(name: str, script: str) -> list[str]:
    """A command that runs a script of Python by that name."""
    start = f"import ctypes; ctypes.CDLL(None).prctl(15, {name.encode()!r}, 0, 0, 0); "
    return [sys.executable, "-S", "-c", start + script]


@pytest.mark.parametrize(("name", "killed"), [("rsync", True), ("diff", False)])
def test_only_rsync_leaves_a_file_half_when_it_ends_with_an_error(name: str, killed: bool) -> None:
    with subprocess.Popen(called(name, "raise SystemExit(20)")) as process:
        assert is_being_killed(ended(process)) is killed
    with subprocess.Popen(called(name, "raise SystemExit(0)")) as process:
        assert not is_being_killed(ended(process))


_TIDYING = """
import signal, sys, time
def tidy(number, frame):
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    print("tidying", flush=True)
    time.sleep(60)
for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, tidy)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("name", "number", "killed"),
    [
        ("rsync", signal.SIGINT, True),
        ("rsync", signal.SIGUSR1, True),
        ("rsync", signal.SIGUSR2, False),  # how its processes tell each other that all is done
        ("tidy", signal.SIGINT, False),
    ],
)
def test_rsync_that_tidies_up_for_a_signal_closes_what_is_half(
    name: str, number: signal.Signals, killed: bool
) -> None:
    command = called(name, f"exec({_TIDYING!r})")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert not is_being_killed(process.pid)
        process.send_signal(number)
        assert process.stdout.readline() == "tidying\n"
        assert is_being_killed(process.pid) is killed
        process.kill()


class FakeHandle:
    """As far as it is looked at."""

    def __init__(self, name: str, *, wrote: bool, sized: bool) -> None:
        self.opened = SimpleNamespace(node=SimpleNamespace(name=name))
        self.wrote = wrote
        self.sized = sized


@pytest.mark.parametrize(
    ("program", "handle", "half"),
    [
        ("rsync", FakeHandle("film.mp4", wrote=True, sized=False), True),
        ("rsync", FakeHandle("film.mp4", wrote=True, sized=True), False),
        ("rsync", FakeHandle("film.mp4", wrote=False, sized=False), False),
        ("rsync", FakeHandle(".film.mp4.Ab12Cd", wrote=True, sized=False), False),
        ("rsync", FakeHandle(".film.mp4.abcdef", wrote=True, sized=False), False),
        ("cp", FakeHandle("film.mp4", wrote=True, sized=False), False),
    ],
)
def test_what_rsync_writes_in_place_is_half_until_it_is_cut_to_its_size(
    program: str, handle: FakeHandle, half: bool
) -> None:
    script = "print(flush=True); import time; time.sleep(60)"
    with subprocess.Popen(called(program, script), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert closes_half(process.pid, cast(SpoolHandle, handle)) is half
        process.kill()
    assert not closes_half(process.pid, cast(SpoolHandle, handle)), "there is none of that number any more"


def test_a_name_with_brackets_and_spaces_is_no_trap() -> None:
    script = "import ctypes, time; ctypes.CDLL(None).prctl(15, b') 4 (x) 0', 0, 0, 0); "
    script += "print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert not is_being_killed(process.pid)
        process.kill()
        assert is_being_killed(ended(process))


def test_nobody() -> None:
    assert not is_being_killed(0)
    assert not is_being_killed(-1)
    assert not is_being_killed(os.getpid())
