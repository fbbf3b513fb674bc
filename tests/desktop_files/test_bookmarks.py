from __future__ import annotations

from pathlib import Path

import pytest

from wsfs.desktop import bookmarks
from wsfs.desktop.home import Home

PLACE = Path("/home/ann/My Work/Робота #1")
URI = "file:///home/ann/My%20Work/%D0%A0%D0%BE%D0%B1%D0%BE%D1%82%D0%B0%20%231"
OWN = "file:///home/ann/Music\nfile:///srv Server\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.of({"HOME": str(tmp_path)})


def test_a_line_for_each_place() -> None:
    assert bookmarks.added("", {PLACE: "Worksection (acme)"}) == f"{URI} Worksection (acme)\n"
    assert bookmarks.added(OWN, {PLACE: "a\nb"}) == f"{OWN}{URI} a b\n"


def test_one_that_is_there_stays_as_it_is() -> None:
    own = f"{OWN}{URI} Called by me\n"
    assert bookmarks.added(own, {PLACE: "Worksection"}) == own
    assert bookmarks.added(f"{URI}\n", {PLACE: "Worksection"}) == f"{URI}\n"


def test_taken_away_it_leaves_what_was() -> None:
    places = {PLACE: "Worksection"}
    assert bookmarks.removed(bookmarks.added(OWN, places), places) == OWN
    # Also under a name that the person gave it.
    assert bookmarks.removed(f"{OWN}{URI} Mine\n", places) == OWN


def test_the_file_is_made_and_goes_again(home: Home) -> None:
    path = bookmarks.bookmarks_file(home)
    assert bookmarks.install(home, {PLACE: "Worksection"})
    assert not bookmarks.install(home, {PLACE: "Worksection"})
    assert not bookmarks.install(home, {})
    assert path.read_text() == f"{URI} Worksection\n"
    assert bookmarks.uninstall(home, {PLACE: ""})
    assert not path.exists()
    assert not bookmarks.uninstall(home, {PLACE: ""})


def test_a_link_to_the_file_stays_a_link(home: Home, tmp_path: Path) -> None:
    path = bookmarks.bookmarks_file(home)
    path.parent.mkdir(parents=True)
    (tmp_path / "dotfiles").write_text(OWN)
    path.symlink_to(tmp_path / "dotfiles")
    assert bookmarks.install(home, {PLACE: "Worksection"})
    assert path.is_symlink()
    assert (tmp_path / "dotfiles").read_text() == f"{OWN}{URI} Worksection\n"
