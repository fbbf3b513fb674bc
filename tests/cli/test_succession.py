from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsfs.cli import running, succession
from wsfs.cli.errors import UserError

# A mount that holds a directory: it says what its note says, and ends when it is told to.
HOLDER = """
import fcntl, os, signal, sys
from pathlib import Path
from wsfs.cli import succession
directory = Path(sys.argv[1])
descriptor = os.open(directory, os.O_RDONLY)
fcntl.flock(descriptor, fcntl.LOCK_EX)
succession.note(directory, Path("/mnt"), ending=sys.argv[2] == "ending")
print("holding", flush=True)
signal.sigwait({signal.SIGTERM})
succession.forget(directory)
"""


@pytest.fixture(params=["ending", "mounted"])
def holder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    script = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n" + HOLDER
    command = [sys.executable, "-c", script, str(tmp_path), request.param]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


@pytest.mark.parametrize("holder", ["ending"], indirect=True)
def test_one_that_is_only_finishing_is_asked_to_leave_off(
    holder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    found = succession.holder(tmp_path)
    assert found == succession.Holder(holder.pid, "/mnt", True)
    with running.exclusive(tmp_path, "data_dir"):
        assert holder.wait(10) == 0
        assert succession.holder(tmp_path) is None


@pytest.mark.parametrize("holder", ["mounted"], indirect=True)
def test_one_that_is_mounted_is_let_be_and_named(holder: subprocess.Popen[bytes], tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=rf"the mount at /mnt is using {tmp_path}"),
        running.exclusive(tmp_path, "data_dir"),
    ):
        pass
    assert holder.poll() is None


@pytest.mark.parametrize("holder", ["ending"], indirect=True)
def test_one_that_does_not_come_to_its_end_is_not_waited_for_for_ever(
    holder: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SUCCESSION_SECONDS", 0.2)
    monkeypatch.setattr(succession, "hurry", lambda holder: None)
    with pytest.raises(UserError, match="is using"), running.exclusive(tmp_path, "data_dir"):
        pass


def test_a_note_of_one_who_holds_nothing_counts_for_nothing(tmp_path: Path) -> None:
    succession.note(tmp_path, Path("/mnt"), ending=True)
    assert succession.holder(tmp_path) is None
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert succession.holder(tmp_path) is not None
        (tmp_path / succession.NOTE).write_text("{")
        assert succession.holder(tmp_path) is None
    finally:
        os.close(descriptor)
    succession.forget(tmp_path)
    succession.forget(tmp_path)
