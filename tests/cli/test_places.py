from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import FakeDrive
from wsfs import control
from wsfs.cli.errors import UserError
from wsfs.cli.places import Target, mountpoint, target, targets


def test_a_relative_path_starts_in_the_current_directory(
    drive: FakeDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(drive.mountpoint.parent)
    assert target("Work section/Website/x") == Target(
        drive.mountpoint, control.control_path(drive.mountpoint), "/Website/x"
    )


def test_a_link_to_the_drive_serves(drive: FakeDrive, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(drive.mountpoint)
    assert target(str(tmp_path / "link" / "Website")).within == "/Website"
    assert mountpoint(str(tmp_path / "link")).mountpoint == drive.mountpoint


def test_without_a_path_the_dead_are_left_out(add_drive: Callable[[str], FakeDrive]) -> None:
    dead, live = add_drive("dead"), add_drive("live")
    dead.end()
    assert [found.mountpoint for found in targets(None)] == [live.mountpoint]
    with pytest.raises(UserError, match="is gone"):
        target(str(dead.mountpoint / "x"))


def test_a_socket_that_outlived_its_process_does_not_count(add_drive: Callable[[str], FakeDrive]) -> None:
    dead, live = add_drive("dead"), add_drive("live")
    dead.end()
    control.control_path(dead.mountpoint).touch()
    assert [found.mountpoint for found in targets(None)] == [live.mountpoint]
    with pytest.raises(UserError, match=f"`wsfs umount {dead.mountpoint}` clears it"):
        target(str(dead.mountpoint))
