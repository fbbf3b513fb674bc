from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.conftest import FakeDrive
from wsfs.cli import log

Run = Callable[..., Result]


def test_a_drive_in_the_background_has_a_file(wsfs: Run, drive: FakeDrive, tmp_path: Path) -> None:
    (tmp_path / "own.log").write_text("a\nb\nc\n")
    drive.answers["status"] = {"log": {"to": "file", "path": str(tmp_path / "own.log")}}
    assert wsfs("log", "-n", "2").stdout == "b\nc\n"
    assert wsfs("log", drive.mountpoint / "deep" / "below").stdout == "a\nb\nc\n"


def test_one_that_systemd_started_has_the_journal(
    wsfs: Run, drive: FakeDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(log.shutil, "which", lambda name: f"/usr/bin/{name}")  # type: ignore[attr-defined]

    def call(command: list[str]) -> int:
        commands.append(command)
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    drive.answers["status"] = {"log": {"to": "journal", "unit": "wsfs@acme.service", "manager": "user"}}
    assert wsfs("log", "-f", "-n", "5").exit_code == 0
    drive.answers["status"] = {"log": {"to": "journal"}}
    assert wsfs("log").exit_code == 0
    assert commands == [
        [
            *("journalctl", "--quiet", "--output=short-iso", "--lines=5"),
            *("--user-unit=wsfs@acme.service", "--follow"),
        ],
        ["journalctl", "--quiet", "--output=short-iso", "--lines=200", "--identifier=wsfs"],
    ]
    monkeypatch.setattr(log.shutil, "which", lambda name: None)  # type: ignore[attr-defined]
    assert "journalctl, which shows it, is missing" in wsfs("log").stderr


def test_one_in_the_foreground_has_its_terminal(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["status"] = {"log": {"to": "terminal"}}
    result = wsfs("log")
    assert result.exit_code == 1
    assert "the terminal where it was started" in result.stderr


def test_the_file_of_a_drive_that_is_gone(
    wsfs: Run, drive: FakeDrive, tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSFS_DATA_DIR", str(tmp_path / "data"))
    drive.end()
    result = wsfs("log")
    assert result.exit_code == 1
    assert f"there is no log at {tmp_path / 'data' / 'wsfs.log'}" in result.stderr
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "wsfs.log").write_text("it fell\n")
    assert wsfs("log").stdout == "it fell\n"  # the socket outlives the process
    table.write_text("")
    assert wsfs("log", "acme").stdout == "it fell\n"
    assert "nothing is mounted" in wsfs("log").stderr
    assert "neither a drive nor an account" in wsfs("log", "/no such/place").stderr


def test_root_sees_the_log_of_the_machine_s_drive_where_it_is_the_newer(
    wsfs: Run, tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setattr(sys.modules["wsfs.config.resolve"], "SYSTEM_DATA", tmp_path / "machine")
    own, machine = (tmp_path / place / "acme.worksection.com" for place in ("share/wsfs", "machine"))
    for number, place in enumerate((own, machine)):
        place.mkdir(parents=True)
        (place / "wsfs.log").write_text(f"{number}\n")
        os.utime(place / "wsfs.log", (number, number))
    assert wsfs("log", "acme").stdout == "0\n"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert wsfs("log", "acme").stdout == "1\n"
    os.utime(own / "wsfs.log", (2, 2))
    assert wsfs("log", "acme").stdout == "0\n"
    (own / "wsfs.log").unlink()
    assert wsfs("log", "acme").stdout == "1\n"


def test_which_of_several(wsfs: Run, add_drive: Callable[[str], FakeDrive]) -> None:
    one, other = add_drive("one"), add_drive("other")
    result = wsfs("log")
    assert result.exit_code == 1
    assert str(one.mountpoint) in result.stderr
    assert str(other.mountpoint) in result.stderr
    assert "one drive at a time" in wsfs("log", "--requests", "-f").stderr
    one.answers["requests"] = {"lines": ["a"], "total": 1}
    other.answers["requests"] = {"lines": ["b"], "total": 1}
    assert wsfs("log", "--requests").stdout == f"==> {one.mountpoint} <==\na\n==> {other.mountpoint} <==\nb\n"


def test_requests_are_followed_from_where_they_were(
    wsfs: Run, drive: FakeDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive.answers["requests"] = {"lines": ["a", "b"], "total": 7}
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        drive.answers["requests"] = {"lines": ["c"], "total": 8}
        pauses.append(seconds)
        if len(pauses) > 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(log.time, "sleep", sleep)  # type: ignore[attr-defined]
    result = wsfs("log", "--requests", "-f", "-n", "1", drive.mountpoint)
    assert (result.exit_code, result.stdout) == (130, "b\nc\n")
    assert drive.calls == [("requests", "0"), ("requests", "7")]
