"""How the helper of umount(8) chooses; that a drive ends by it is shown in tests/mounted/test_fstab.py."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wsfs import control
from wsfs.cli import fstab, fstab_umount

from .conftest import FakeDrive


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is started in place of umount(8)."""
    found: list[list[str]] = []

    def run(command: list[str], **rest: Any) -> subprocess.CompletedProcess[bytes]:
        found.append(command)
        return subprocess.CompletedProcess(command, 32)

    monkeypatch.setattr(subprocess, "run", run)
    return found


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    found: list[Path] = []

    def end(place: Path) -> bool:
        found.append(place)
        return True

    monkeypatch.setattr(fstab_umount, "end", end)
    return found


def test_at_a_persons_hand_it_unmounts_at_once(
    commands: list[list[str]], ended: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fstab_umount, "by_systemd", lambda: False)
    assert fstab_umount.run([str(tmp_path), "-t", "fuse.wsfs"]) == 32  # as umount has it
    assert commands == [["umount", "-i", "--", str(tmp_path.resolve())]]
    assert ended == []


@pytest.mark.parametrize("flags", [[], ["-l"], ["-f"]])
def test_at_a_shutdown_the_drive_is_waited_for_unless_it_is_torn_off(
    commands: list[list[str]],
    ended: list[Path],
    tmp_path: Path,
    flags: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fstab_umount, "by_systemd", lambda: True)
    code = fstab_umount.run([str(tmp_path), *flags])
    assert (code, len(ended)) == ((32, 0) if flags else (0, 1))
    assert commands == ([["umount", "-i", *flags, "--", str(tmp_path.resolve())]] if flags else [])


def test_a_drive_that_can_not_be_asked_is_unmounted_all_the_same(
    commands: list[list[str]], add_drive: Callable[[str], FakeDrive], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fstab_umount, "by_systemd", lambda: True)
    drive = add_drive("drive")
    drive.end()
    assert fstab_umount.run([str(drive.mountpoint)]) == 32
    assert len(commands) == 1


def test_one_place_is_what_it_takes(commands: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    assert fstab_umount.run([]) == fstab.USAGE
    assert fstab_umount.run(["/a", "/b"]) == fstab.USAGE
    assert commands == []
    assert "usage" in capsys.readouterr().err


def test_who_started_umount_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fstab_umount, "PROC", tmp_path)
    (tmp_path / "7").mkdir()
    (tmp_path / "7/stat").write_text("7 (umount) x) S 1 7 7 0")
    assert fstab_umount.by_systemd(7)
    (tmp_path / "7/stat").write_text("7 (umount) S 11 7 7 0")
    assert not fstab_umount.by_systemd(7)
    assert not fstab_umount.by_systemd(8)


def test_a_process_is_ended_and_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wait = "signal.signal(15, lambda *a: exit(time.sleep(2)))"
    script = f"import signal, time; {wait}; print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        live = control.LiveMount(tmp_path, tmp_path / "socket")
        monkeypatch.setattr(control, "find_mount", lambda place: live)
        monkeypatch.setattr(control, "server_pid", lambda path: process.pid)
        assert not fstab_umount.end(tmp_path, limit=-1)
        assert fstab_umount.end(tmp_path)
        assert process.wait(0) == 0
