"""What is taken for dead; that it is cleared away is shown in tests/mounted/test_healing.py."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wsfs import mountinfo
from wsfs.cli import healing, preflight
from wsfs.cli.errors import UserError

from .conftest import FakeDrive

AddDrive = Callable[[str], FakeDrive]


def test_a_process_that_lives_is_not_dying() -> None:
    assert not healing.is_dying(os.getpid())


def test_one_that_was_killed_is() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert not healing.is_dying(process.pid)
        process.send_signal(signal.SIGSTOP)
        assert not healing.is_dying(process.pid)
        process.kill()
        deadline = time.monotonic() + 10
        while not healing.is_dying(process.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert healing.is_dying(process.pid)  # nobody has waited for it
    assert healing.is_dying(process.pid)


def test_one_that_hangs_in_the_kernel_after_its_kill_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healing, "PROC", tmp_path)
    (tmp_path / "7").mkdir()
    for state, pending, dying in (
        ("S", 0, False),
        ("D", 1 << 14, False),
        ("D", 1 << 8, True),
        ("Z", 0, True),
    ):
        text = f"Name:\twsfs\nState:\t{state} (x)\nSigPnd:\t0000000000000000\nShdPnd:\t{pending:016x}\n"
        (tmp_path / "7/status").write_text(text)
        assert healing.is_dying(7) is dying


def test_a_live_drive_is_let_be(add_drive: AddDrive, monkeypatch: pytest.MonkeyPatch) -> None:
    drive = add_drive("drive")
    monkeypatch.setattr(healing, "clear", lambda *arguments, **rest: pytest.fail("it lives"))
    monkeypatch.setattr(preflight, "probe", lambda place: errno.ENOTCONN)  # its process answers all the same
    assert not healing.heal(drive.mountpoint)


@pytest.mark.parametrize("answer", [0, None, errno.EIO])
def test_what_the_kernel_does_not_call_dead_is_let_be(
    answer: int | None, add_drive: AddDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = add_drive("drive")
    drive.end()
    monkeypatch.setattr(
        healing, "clear", lambda *arguments, **rest: pytest.fail("nobody knows whether it lives")
    )
    monkeypatch.setattr(preflight, "probe", lambda place: answer)
    assert not healing.heal(drive.mountpoint)


def test_somebody_elses_and_other_file_systems_are_let_be(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path.resolve() / "drive"
    monkeypatch.setattr(preflight, "probe", lambda place: errno.ENOTCONN)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for kind, user in (("fuse.wsfs", 1001), ("fuse.sshfs", 1000)):
        table.write_text(f"9 1 0:9 / {place} rw - {kind} acme rw,user_id={user},group_id=0\n")
        assert mountinfo.find(place) is not None
        assert not healing.heal(place)


@pytest.mark.parametrize("busy", [False, True])
def test_a_dead_one_is_taken_away_and_lazily_if_it_is_in_use(
    busy: bool, add_drive: AddDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = add_drive("drive")
    drive.end()
    calls: list[bool] = []

    def clear(place: Path, *, lazy: bool = False) -> None:
        calls.append(lazy)
        if busy and not lazy:
            raise UserError("busy")
        drive.table.write_text("")

    monkeypatch.setattr(healing, "clear", clear)
    said: list[str] = []
    assert healing.heal(drive.mountpoint, warn=said.append)
    assert calls == ([False, True] if busy else [False])
    assert len(said) == 1 and str(drive.mountpoint) in said[0]


def test_where_the_switch_of_the_kernel_is_missing_a_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healing, "CONNECTIONS", tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    mount = mountinfo.Mount(Path("/mnt"), "fuse.wsfs", "acme", 0, "0:59")
    with pytest.raises(UserError, match=r"59/abort can't be written .*`sudo umount -f /mnt`"):
        healing.abort(mount)
    (tmp_path / "59").mkdir()
    healing.abort(mount)
    assert (tmp_path / "59/abort").read_text() == "1"
