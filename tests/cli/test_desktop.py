from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.conftest import FakeDrive
from wsfs.cli import desktop
from wsfs.desktop import tumbler

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Path) -> Path:
    """A home of its own, without a single file manager."""
    for name, place in (("HOME", ""), ("XDG_CONFIG_HOME", ".config"), ("XDG_DATA_HOME", ".local/share")):
        monkeypatch.setenv(name, str(tmp_path / "home" / place))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    return tmp_path / "home"


def test_the_drives_that_are_mounted_come_into_the_side_bar(wsfs: Run, drive: FakeDrive, home: Path) -> None:
    first = wsfs("desktop", "install")
    assert first.exit_code == 0
    assert "Side bar: Worksection (acme)\n" in first.stdout
    assert "started again" in first.stdout
    again = wsfs("desktop", "install")
    assert "Side bar: Worksection (acme), there already\n" in again.stdout
    assert "started again" not in again.stdout
    uri = f"file://{str(drive.mountpoint).replace(' ', '%20')}"
    assert (home / ".config/gtk-3.0/bookmarks").read_text() == f"{uri} Worksection (acme)\n"
    gone = wsfs("desktop", "uninstall")
    assert "Side bar: Worksection (acme), taken away\n" in gone.stdout
    assert not (home / ".config/gtk-3.0/bookmarks").exists()
    assert wsfs("desktop", "uninstall").stdout == "Nothing was installed.\n"


def test_a_mountpoint_that_nothing_is_mounted_at(wsfs: Run, tmp_path: Path, home: Path) -> None:
    (tmp_path / "Office").mkdir()
    assert "Side bar: Office\n" in wsfs("desktop", "install", tmp_path / "Office").stdout
    result = wsfs("desktop", "install", tmp_path / "nothing")
    assert result.exit_code == 1
    assert "is no directory" in result.stderr


def test_everything_for_every_file_manager(wsfs: Run, home: Path) -> None:
    result = wsfs("desktop", "install", "--all")
    assert result.exit_code == 0
    for part in ("Nautilus", "Nemo", "Thunar", "PCManFM"):
        assert f"{part}: a menu" in result.stdout


def test_trouble_has_the_exit_code(wsfs: Run, home: Path) -> None:
    (home / ".config/Thunar").mkdir(parents=True)
    (home / ".config/Thunar/uca.xml").write_text("no xml")
    result = wsfs("desktop", "install", "--all")
    assert result.exit_code == 1
    assert "wsfs: Thunar: its custom actions are left alone" in result.stderr
    assert "PCManFM: a menu" in result.stdout


def test_what_starts_wsfs_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "wsfs"
    program.touch()
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert desktop.command() == [str(program)]
    monkeypatch.setattr(sys, "argv", ["/somewhere/__main__.py"])
    assert desktop.command() == [sys.executable, "-P", "-m", "wsfs"]
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    assert desktop.command() == [str(program)]


def test_thumbnails_off_and_on(
    wsfs: Run, drive: FakeDrive, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = home / ".config/tumbler/tumbler.rc"
    own.parent.mkdir(parents=True)
    own.write_text("[Pixbuf]\nExcludes=\n")
    assert "when it is started next" in wsfs("desktop", "thumbnails", "off").stdout
    assert str(drive.mountpoint) in own.read_text()
    assert wsfs("desktop", "thumbnails", "off").stdout == "So it is already.\n"
    assert wsfs("desktop", "thumbnails", "on", drive.mountpoint).exit_code == 0
    assert own.read_text() == "[Pixbuf]\nExcludes=\n"
    monkeypatch.setattr(tumbler, "text_in_force", lambda *rest: None)
    assert "isn't installed" in wsfs("desktop", "thumbnails", "off").stderr


def test_thumbnails_of_what(wsfs: Run) -> None:
    assert "nothing is mounted" in wsfs("desktop", "thumbnails", "off").stderr
