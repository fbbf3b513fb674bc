"""Whether a process is being ended by a signal: what it closes then it didn't close itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from wsfs.fuse.callers import is_being_killed


def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait until the process has ended, and leave it there: its entry in /proc says how."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return process.pid


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_a_signal_ends(number: signal.Signals) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert not is_being_killed(process.pid)
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
signal.signal(signal.SIGINT, tidy)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(("name", "killed"), [("rsync", True), ("tidy", False)])
def test_rsync_that_tidies_up_for_a_signal_closes_what_is_half(name: str, killed: bool) -> None:
    command = called(name, f"exec({_TIDYING!r})")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert not is_being_killed(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "tidying\n"
        assert is_being_killed(process.pid) is killed
        process.kill()


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
