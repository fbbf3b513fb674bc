from __future__ import annotations

from collections.abc import Callable

from click.testing import Result

from tests.cli.conftest import FakeDrive

Run = Callable[..., Result]


def test_a_directory_is_read_again(wsfs: Run, drive: FakeDrive) -> None:
    assert wsfs("refresh", drive.mountpoint / "Website").exit_code == 0
    assert drive.calls == [("refresh", "/Website")]


def test_the_mountpoint_stands_for_the_account(wsfs: Run, drive: FakeDrive) -> None:
    assert wsfs("refresh", drive.mountpoint).exit_code == 0
    assert drive.calls == [("refresh", None)]


def test_a_dead_drive_gets_its_sentence(wsfs: Run, drive: FakeDrive) -> None:
    drive.end()
    result = wsfs("refresh")
    assert result.exit_code == 1
    assert f"`wsfs umount {drive.mountpoint}` clears it" in result.stderr
