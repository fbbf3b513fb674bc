from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.conftest import FakeDrive
from wsfs import control, mountinfo
from wsfs.cli import umount
from wsfs.cli.errors import UserError

Run = Callable[..., Result]


@pytest.fixture
def fusermount(monkeypatch: pytest.MonkeyPatch, table: Path) -> list[list[str]]:
    """Takes the place of fusermount3: unmounts everything in the table."""
    calls: list[list[str]] = []

    def run(command: list[str], **rest: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        table.write_text("")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_it_waits_for_uploads_then_stops(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["flush"] = {"sent": 3}
    result = wsfs("umount", drive.mountpoint)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Sent 3 files.\n", "")
    assert drive.calls == [("flush", None), ("stop", None)]
    assert mountinfo.find(drive.mountpoint) is None


def test_what_is_left_is_named_and_does_not_keep_it_mounted(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["flush"] = {"left": [{"path": "/P/a.txt", "state": "quarantined"}]}
    result = wsfs("umount", drive.mountpoint)
    assert result.exit_code == 0
    assert result.stderr == "Not sent: /P/a.txt (quarantined)\n"
    assert ("stop", None) in drive.calls


def test_now_waits_for_nothing(wsfs: Run, drive: FakeDrive) -> None:
    assert wsfs("umount", "--now", drive.mountpoint).exit_code == 0
    assert drive.calls == [("stop", None)]


def test_a_failed_flush_leaves_it_mounted(wsfs: Run, drive: FakeDrive) -> None:
    drive.refusals["flush"] = "Worksection can't be reached"
    result = wsfs("umount", drive.mountpoint)
    assert result.exit_code == 1
    assert result.stderr == "wsfs: Worksection can't be reached\n"
    assert ("stop", None) not in drive.calls


def test_a_drive_in_use_is_told_after_the_wait(
    wsfs: Run, drive: FakeDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(umount, "STOP_SECONDS", 0.2)
    drive.unmounts_when_stopped = False
    result = wsfs("umount", drive.mountpoint)
    assert result.exit_code == 1
    assert "is still mounted" in result.stderr


@pytest.mark.parametrize("socket_left", [True, False])
def test_a_dead_drive_is_cleared_away(
    wsfs: Run, drive: FakeDrive, fusermount: list[list[str]], socket_left: bool
) -> None:
    drive.end()
    if socket_left:
        control.control_path(drive.mountpoint).touch()
    result = wsfs("umount", drive.mountpoint)
    assert result.exit_code == 0
    assert fusermount == [["fusermount3", "-u", str(drive.mountpoint)]]
    assert "had died" in result.stderr


def test_a_live_drive_whose_socket_is_missing_is_not_unmounted_in_passing(
    wsfs: Run, drive: FakeDrive, fusermount: list[list[str]]
) -> None:
    control.control_path(drive.mountpoint).unlink()
    result = wsfs("umount", drive.mountpoint)
    assert result.exit_code == 1
    assert "umount --now" in result.stderr
    assert fusermount == []
    assert (wsfs("umount", "--now", drive.mountpoint).stderr, len(fusermount)) == ("", 1)


def test_fusermounts_own_words_are_passed_on(
    wsfs: Run, drive: FakeDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], **rest: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "fusermount3: failed: Device or resource busy\n")

    monkeypatch.setattr(subprocess, "run", run)
    drive.end()
    result = wsfs("umount", drive.mountpoint)
    assert result.exit_code == 1
    assert "Device or resource busy" in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_inner_path_is_not_the_mountpoint(wsfs: Run, drive: FakeDrive) -> None:
    result = wsfs("umount", drive.mountpoint / "Website")
    assert result.exit_code == 1
    assert f"is mounted at {drive.mountpoint}" in result.stderr
    assert drive.calls == []


def test_another_directory_is_refused(wsfs: Run, tmp_path: Path) -> None:
    result = wsfs("umount", tmp_path)
    assert result.exit_code == 1
    assert result.stderr == f"wsfs: nothing of wsfs is mounted at {tmp_path.resolve()}\n"


def test_the_end_of_another_process_is_seen(table: Path, tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.2)"])
    with umount._process(child.pid) as ended:
        assert ended is not None
        umount._wait(tmp_path, ended)
        assert child.wait(5) == 0


def test_a_process_that_ends_without_unmounting_is_told(table: Path, tmp_path: Path) -> None:
    table.write_text(f"9 1 0:9 / {tmp_path} rw - fuse.wsfs acme rw,user_id=0,group_id=0\n")
    child = subprocess.Popen([sys.executable, "-c", ""])
    with umount._process(child.pid) as ended, pytest.raises(UserError, match="without unmounting"):
        umount._wait(tmp_path, ended)
    child.wait()
