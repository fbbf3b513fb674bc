from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import leave_out
from wsfs.desktop import tumbler
from wsfs.desktop.home import Home
from wsfs.doctor.thumbnails import excluded

SYSTEM = """# comment
[JPEG]
Disabled=false
Excludes=
MaxFileSize=0

[Pixbuf]
Excludes = /tmp;~/x
[Bare]
Disabled=false

"""
DRIVE, OTHER = Path("/home/ann/Worksection"), Path("/mnt/acme")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.of({"HOME": str(tmp_path / "home")})


@pytest.fixture
def system(tmp_path: Path) -> Path:
    path = tmp_path / "tumbler.rc"
    path.write_text(SYSTEM)
    return path


def test_off_and_on_again(home: Home, system: Path) -> None:
    def switch(*places: Path, thumbnails: bool) -> bool | None:
        return tumbler.switch(home, places, thumbnails=thumbnails, system=system)

    def text() -> str:
        return tumbler.text_in_force(home, system) or ""

    assert not excluded(text(), DRIVE)
    assert switch(DRIVE, thumbnails=False)
    assert excluded(text(), DRIVE)
    assert not switch(DRIVE, thumbnails=False)
    assert switch(OTHER, thumbnails=False)
    assert "Excludes = /tmp;~/x;/home/ann/Worksection;/mnt/acme\n" in text()
    assert text().startswith(
        "# comment\n[JPEG]\nDisabled=false\nExcludes=/home/ann/Worksection;/mnt/acme\nMax"
    )
    assert "[Bare]\nDisabled=false\nExcludes=/home/ann/Worksection;/mnt/acme\n" in text()
    assert switch(DRIVE, thumbnails=True)
    assert not excluded(text(), DRIVE)
    assert excluded(text(), OTHER)
    assert not switch(DRIVE, thumbnails=True)


def test_a_file_that_is_the_system_s_again_goes(home: Home, tmp_path: Path) -> None:
    system = tmp_path / "tumbler.rc"
    system.write_text("[JPEG]\nExcludes=\n")
    assert tumbler.switch(home, [DRIVE], thumbnails=False, system=system)
    assert tumbler.settings_file(home).exists()
    assert tumbler.switch(home, [DRIVE], thumbnails=True, system=system)
    assert not tumbler.settings_file(home).exists()
    assert not tumbler.switch(home, [DRIVE], thumbnails=True, system=system)


def test_without_tumbler(home: Home, tmp_path: Path) -> None:
    assert tumbler.switch(home, [DRIVE], thumbnails=False, system=tmp_path / "none") is None
    assert not tumbler.settings_file(home).exists()


def test_tumbler_s_own_file() -> None:
    leave_out(None if tumbler.SYSTEM_FILE.exists() else "tumbler isn't installed")
    text = tumbler.SYSTEM_FILE.read_text(encoding="utf-8")
    off = tumbler.edited(text, lambda paths: [*paths, str(DRIVE)])
    assert excluded(off, DRIVE)
    assert tumbler.edited(off, lambda paths: [path for path in paths if path != str(DRIVE)]) == text
