"""Everything together, in a home of its own: put in place, again, and taken away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wsfs.desktop import actions, bookmarks, extensions, install, thunar
from wsfs.desktop.home import MARK, Home, is_ours, remove

COMMAND = ["/usr/bin/wsfs"]
PLACES = {Path("/home/ann/Worksection"): "Worksection (acme)"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.of({"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": "relative"})


@pytest.fixture
def libraries(tmp_path: Path) -> Path:
    """Where the loaders of extensions in Python would be."""
    (tmp_path / "lib" / "nemo" / "extensions-3.0").mkdir(parents=True)
    return tmp_path / "lib"


def contents(home: Home) -> dict[str, bytes]:
    return {
        str(path.relative_to(home.home)): path.read_bytes()
        for path in sorted(home.home.rglob("*"))
        if path.is_file()
    }


def installed(home: Home, libraries: Path, **rest: bool) -> list[install.Outcome]:
    return install.install(home, COMMAND, PLACES, libraries=[libraries], which=lambda name: None, **rest)


def test_put_in_place_again_and_taken_away(home: Home, libraries: Path) -> None:
    own = thunar.actions_file(home)
    own.parent.mkdir(parents=True)
    own.write_text("<actions>\n<action><name>Mine</name></action>\n</actions>\n")
    bookmarks.bookmarks_file(home).parent.mkdir(parents=True)
    bookmarks.bookmarks_file(home).write_text("file:///srv Mine\n")
    before = contents(home)

    first = installed(home, libraries, everything=True)
    assert not any(one.trouble for one in first)
    assert all(one.changed for one in first)
    assert [one.part for one in first] == ["Icons", "Nautilus", "Nemo", "Thunar", "PCManFM", "Side bar"]
    after = contents(home)
    assert len(after) > 15

    assert not any(one.changed for one in installed(home, libraries, everything=True))
    assert contents(home) == after

    assert not any(one.trouble for one in install.uninstall(home))
    assert contents(home) == before
    assert not any(one.changed for one in install.uninstall(home))


def test_only_what_is_here_gets_something(home: Home, libraries: Path) -> None:
    here = {"thunar"}
    outcomes = install.install(
        home, COMMAND, {}, libraries=[libraries], which=lambda name: name if name in here else None
    )
    assert [one.part for one in outcomes] == ["Icons", "Thunar"]
    assert not bookmarks.bookmarks_file(home).exists()


def test_nemo_gets_the_extension_or_entries_never_both(home: Home, libraries: Path) -> None:
    def nemo() -> tuple[bool, bool, str]:
        (outcome,) = [one for one in installed(home, libraries, everything=True) if one.part == "Nemo"]
        files = actions.nemo_files(home, COMMAND)
        return extensions.NEMO.file(home).exists(), any(path.exists() for path in files), outcome.hint

    extension, entries, hint = nemo()
    assert (extension, entries, "nemo-python" in hint) == (False, True, True)
    loader = libraries / "nemo" / "extensions-3.0" / extensions.NEMO.loader
    loader.touch()
    assert nemo() == (True, False, "")
    loader.unlink()
    assert nemo()[:2] == (False, True)


def test_a_place_that_was_in_the_side_bar_before_is_the_person_s(home: Home, libraries: Path) -> None:
    bookmarks.bookmarks_file(home).parent.mkdir(parents=True)
    bookmarks.bookmarks_file(home).write_text("file:///home/ann/Worksection Mine\n")
    installed(home, libraries)
    install.uninstall(home)
    assert bookmarks.bookmarks_file(home).read_text() == "file:///home/ann/Worksection Mine\n"


def test_a_file_of_the_same_name_that_is_not_ours_stays(home: Home, libraries: Path) -> None:
    path = home.data / "file-manager" / "actions" / "wsfs-open.desktop"
    installed(home, libraries, everything=True)
    path.write_text("[Desktop Entry]\nName=Mine\n")
    install.uninstall(home)
    assert path.read_text() == "[Desktop Entry]\nName=Mine\n"
    assert not remove(path)


def test_what_python_compiled_goes_too(home: Home, libraries: Path) -> None:
    installed(home, libraries, everything=True)
    cache = extensions.NAUTILUS.file(home).parent / "__pycache__"
    cache.mkdir()
    (cache / "wsfs_nautilus.cpython-311.pyc").touch()
    install.uninstall(home)
    assert not cache.parent.parent.exists()


def test_trouble_with_one_part_is_told_and_keeps_no_other(home: Home, libraries: Path) -> None:
    thunar.actions_file(home).parent.mkdir(parents=True)
    thunar.actions_file(home).write_text("no xml")
    (home.data / "file-manager").mkdir(parents=True)
    (home.data / "file-manager" / "actions").touch()
    by_part = {one.part: one for one in installed(home, libraries, everything=True)}
    assert "left alone" in by_part["Thunar"].trouble
    assert "actions" in by_part["PCManFM"].trouble
    assert by_part["Nautilus"].changed
    assert thunar.actions_file(home).read_text() == "no xml"


def test_every_file_that_is_ours_says_so(home: Home, libraries: Path) -> None:
    installed(home, libraries, everything=True)
    merged = {thunar.actions_file(home), bookmarks.bookmarks_file(home), home.data / "wsfs" / "desktop.json"}
    files = {path for path in home.home.rglob("*") if path.is_file()} - merged
    assert [path for path in files if not is_ours(path)] == []
    assert MARK


def test_an_entry_for_pcmanfm_has_nothing_that_crashes_it(home: Home) -> None:
    files = actions.pcmanfm_files(home, COMMAND)
    assert len(files) == 6
    for text in files.values():
        assert "Schemes" not in text  # libfm 1.3.2 ends with SIGSEGV over it
        name = next(line for line in text.splitlines() if line.startswith("Name="))
        assert name.replace("Name", "Tooltip") in text.splitlines()  # which is what it shows


@pytest.mark.parametrize("make", [actions.pcmanfm_files, actions.nemo_files])
def test_a_percent_sign_in_the_command_stays_one(
    home: Home, make: Callable[[Home, list[str]], dict[Path, str]]
) -> None:
    texts = "".join(make(home, ["/opt/100%/wsfs"]).values())
    assert "/opt/100%%/wsfs desktop run open -- %F" in texts
