from __future__ import annotations

import dataclasses
import errno
import os
import threading
from pathlib import Path

import pytest

from tests.cli.conftest import FakeDrive
from wsfs.api.auth import AdminKey
from wsfs.cli import preflight
from wsfs.cli.errors import UserError
from wsfs.config import Settings


@pytest.fixture
def place(tmp_path: Path, table: Path) -> Path:
    place = tmp_path.resolve() / "drive"
    place.mkdir()
    return place


@pytest.fixture
def settings(place: Path, tmp_path: Path) -> Settings:
    return Settings(
        account="acme",
        base_url="https://acme.worksection.com",
        mountpoint=place,
        credentials=AdminKey("k"),
        cache_dir=tmp_path / "cache",
        data_dir=tmp_path / "data",
    )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a device, a fusermount3 and a fuse.conf that all are as they should be."""
    (tmp_path / "fuse").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "fusermount3").touch(0o755)
    (tmp_path / "fuse.conf").write_text("#user_allow_other\n")
    monkeypatch.setattr(preflight, "DEVICE", tmp_path / "fuse")
    monkeypatch.setattr(preflight, "FUSE_CONF", tmp_path / "fuse.conf")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def refusal(settings: Settings) -> str:
    with pytest.raises(UserError) as caught:
        preflight.check(settings)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_an_empty_directory_on_a_ready_machine_will_do(settings: Settings, machine: Path) -> None:
    preflight.check(settings)


def test_no_device(settings: Settings, machine: Path) -> None:
    (machine / "fuse").unlink()
    assert "modprobe fuse" in refusal(settings)


def test_a_device_that_may_not_be_opened(
    settings: Settings, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != machine / "fuse")
    assert f"you may not open {machine / 'fuse'}" in refusal(settings)


def test_no_fusermount3(settings: Settings, machine: Path) -> None:
    (machine / "bin" / "fusermount3").unlink()
    assert "sudo apt install fuse3" in refusal(settings)


def test_a_missing_mountpoint(settings: Settings, machine: Path) -> None:
    settings.mountpoint.rmdir()
    assert (
        refusal(settings)
        == f"{settings.mountpoint} doesn't exist; make it with `mkdir -p {settings.mountpoint}`"
    )


def test_a_mountpoint_that_is_a_file(settings: Settings, machine: Path) -> None:
    settings.mountpoint.rmdir()
    settings.mountpoint.touch()
    assert "is not a directory" in refusal(settings)


def test_a_mountpoint_below_a_file(settings: Settings, machine: Path) -> None:
    (machine / "file").touch()
    assert "is not a directory" in refusal(dataclasses.replace(settings, mountpoint=machine / "file" / "x"))


def test_a_mountpoint_that_is_not_empty(settings: Settings, machine: Path) -> None:
    (settings.mountpoint / "file").touch()
    assert "is not empty" in refusal(settings)


def test_a_mountpoint_of_somebody_else(
    settings: Settings, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != settings.mountpoint)
    assert "you may not write to" in refusal(settings)


@pytest.mark.parametrize(
    ("user", "line", "allowed"),
    [
        (0, "", True),
        (1000, "#user_allow_other", False),
        (1000, " user_allow_other ", True),
        (1000, "", False),
    ],
)
def test_allow_other(
    settings: Settings, machine: Path, monkeypatch: pytest.MonkeyPatch, user: int, line: str, allowed: bool
) -> None:
    (machine / "fuse.conf").write_text(f"mount_max = 10\n{line}\n")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    settings = dataclasses.replace(settings, allow_other=True)
    if allowed:
        preflight.check(settings)
    else:
        assert f"user_allow_other in {machine / 'fuse.conf'}" in refusal(settings)


def test_a_machine_without_fuse_conf_does_not_allow_other(
    settings: Settings, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "fuse.conf").unlink()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "allow_other" in refusal(dataclasses.replace(settings, allow_other=True))


def test_a_place_with_a_live_drive_is_left_alone(drive: FakeDrive) -> None:
    with pytest.raises(UserError, match=rf"already mounted \(process {os.getpid()}\); `wsfs umount"):
        preflight.check_mountpoint(drive.mountpoint)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (errno.ENOTCONN, "Transport endpoint is not connected"),
        (None, "doesn't answer"),
        (0, "already mounted (acme)"),
        (errno.EACCES, "already mounted (acme)"),
    ],
)
def test_a_mount_that_nobody_serves_is_told_by_its_answer(
    drive: FakeDrive, monkeypatch: pytest.MonkeyPatch, answer: int | None, words: str
) -> None:
    drive.end()
    monkeypatch.setattr(preflight, "probe", lambda place: answer)
    with pytest.raises(UserError) as caught:
        preflight.check_mountpoint(drive.mountpoint)
    assert words in caught.value.message


def test_another_file_system_in_the_place_is_named(place: Path, table: Path) -> None:
    table.write_text(f"9 1 0:9 / {place} rw - tmpfs none rw\n")
    with pytest.raises(UserError, match=r"something else is mounted at .* \(tmpfs\)"):
        preflight.check_mountpoint(place)


def test_the_probe_tells_what_a_statfs_says(tmp_path: Path) -> None:
    assert preflight.probe(tmp_path) == 0
    assert preflight.probe(tmp_path / "missing") == errno.ENOENT


def test_the_probe_gives_a_hung_mount_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(os, "statvfs", lambda place: released.wait(5))
    assert preflight.probe(tmp_path, seconds=0.05) is None
    released.set()
