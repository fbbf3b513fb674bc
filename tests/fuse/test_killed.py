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
