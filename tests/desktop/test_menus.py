"""What `wsfs desktop install` puts into the menus of file managers, as a person finds it.

The file managers start a stand-in for wsfs, which notes what it was asked for: the test has the drive do that then,
as the session may see another user in front of it than the drive does. Outside of the drive it is wsfs itself that
answers.
"""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import leave_out
from tests.mounted.conftest import QUIET, Mounter, retire
from tests.mounted.drives import Mount, eventually, wsfs_command, xattr
from wsfs.desktop import extensions, install
from wsfs.desktop.home import Home
from wsfs.desktop.menu import ITEMS
from wsfs.emulator.testing import running_process

from .conftest import notifier, require
from .managers import ALL, NAUTILUS, NEMO, PAUSE, PCMANFM, THUNAR, Kind, Manager
from .screen import Screen, Widget
from .session import Session

Picture = Callable[[str], Path]

PROJECT, TASK, FILE = "Website relaunch", "Launch checklist", "Checklist.xlsx"
WAITING, EMBLEM = 0x6A6F85, 50
"""The colour of what waits, and of how many dots an emblem has more at the least."""
FIRST_OF_NEMO = (268, 170)
"""Where Nemo shows the first thing of a directory, as it doesn't tell."""


@dataclasses.dataclass
class Desk:
    """A file manager with wsfs in its menu, at a drive that sends nothing by itself."""

    mount: Mount
    manager: Manager
    screen: Screen
    asked: Path
    lets_through: Path

    @property
    def task(self) -> Path:
        return self.mount.place / PROJECT / TASK

    def calls(self) -> list[list[str]]:
        """What the stand-in was asked for."""
        return (
            [shlex.split(line) for line in self.asked.read_text().splitlines()] if self.asked.exists() else []
        )

    def menu(self) -> None:
        """Open the menu of what is selected."""
        time.sleep(PAUSE)
        if self.manager.kind is NEMO:  # it knows no key for that
            self.screen.click(*FIRST_OF_NEMO, button=3)
        else:
            self.screen.keys("shift+F10")
        time.sleep(PAUSE)

    def entries(self) -> list[Widget]:
        """What the open menus have."""
        return [one for one in self.manager.see() if one.role in ("menu", "menu item")]

    def has(self, *words: str) -> None:
        """Wait until the open menus have these entries."""
        eventually(lambda: set(words) <= {one.words for one in self.entries()}, f"{words} in a menu")

    def choose(self, words: str, key: str) -> bool:
        """Choose an entry: by the mouse where its place is told, else `key` by `key`; whether it came to it."""
        self.has(words)
        if self.manager.kind in (PCMANFM, NAUTILUS):
            self.screen.click(*self._middle(words))
            time.sleep(PAUSE)
            return True
        for _ in range(12):
            if any(one.words == words and (one.focused or one.selected) for one in self.entries()):
                self.screen.keys("Return")
                time.sleep(PAUSE)
                return True
            self.screen.keys(key)
        return False

    def _middle(self, words: str) -> tuple[int, int]:
        """Where an entry is. Nautilus tells where in the menu; and a menu is where a popup has its size."""

        def find() -> tuple[int, int] | None:
            shown = self.entries()
            entry = next((one for one in reversed(shown) if one.words == words and len(one.place) == 4), None)
            if entry is None or self.manager.kind is not NAUTILUS:
                return None if entry is None else entry.middle
            menu = next(one for one in shown if one.role == "menu")
            for x, y, *size in self.screen.popups():
                if tuple(size) == menu.place[2:]:
                    return entry.middle[0] - menu.place[0] + x, entry.middle[1] - menu.place[1] + y
            return None

        found: tuple[int, int] = eventually(find, f"the place of {words}")
        return found

    def open_submenu(self) -> None:
        """Open the menu of what is selected, and Worksection in it; a menu may open without the keyboard."""
        for _ in range(4):
            self.menu()
            if self.choose("Worksection", "Up"):
                return
            self.screen.keys("Escape")
        raise AssertionError(f"Worksection can't be chosen: {self.entries()}")


@pytest.fixture(scope="module", params=ALL, ids=lambda kind: str(kind.name))
def desk(
    request: pytest.FixtureRequest,
    session: Session,
    screen: Screen,
    home: Path,
    mounter: Mounter,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Desk]:
    kind: Kind = request.param
    require(kind.command[0])
    here = tmp_path_factory.mktemp(kind.name)
    stand_in, asked, lets_through = here / "wsfs", here / "asked", here / "lets-through"
    stand_in.write_text(
        "#!/bin/bash\n"
        f'printf "%q " "$@" >> {asked}.new; echo >> {asked}.new; cp {asked}.new {asked}\n'
        f'[ ! -e {lets_through} ] || exec {shlex.join(wsfs_command())} "$@"\n'
        'echo "https://acme.worksection.com/download/7"\n'
    )
    stand_in.chmod(0o755)
    for loading in (extensions.NEMO, extensions.NAUTILUS):
        if loading.program == kind.command[0] and not loading.has_loader():
            leave_out(f"{loading.package} missing, which scripts/setup dev installs")
    outcomes = install.install(Home.of(session.env), [str(stand_in)], {}, everything=True)
    assert [one.trouble for one in outcomes if one.trouble] == []
    with running_process() as service:
        mount = mounter(
            service, options=f"{QUIET},settle=3600", scratch=here / "mount", place=home / "Worksection"
        )
        manager = Manager(kind, session, screen)
        try:
            yield Desk(mount, manager, screen, asked, lets_through)
            manager.quit()
        finally:
            mount.flush()
            retire(mount)
            install.uninstall(Home.of(session.env))


def test_the_menu_does_what_it_says_with_what_is_selected(desk: Desk, picture: Picture) -> None:
    manager = desk.manager
    window = manager.only(desk.task)
    manager.shows(FILE, window)
    manager.select(FILE, window)
    desk.open_submenu()
    desk.has(*(item.label for item in ITEMS))
    picture(f"{manager.kind.name.lower()}-menu")
    assert desk.choose("Keep Offline", "Down")
    eventually(desk.calls, "wsfs is started")
    assert desk.calls() == [["desktop", "run", "keep", "--", str(desk.task / FILE)]]
    desk.mount.wsfs(*desk.calls()[0])
    assert xattr(desk.task / FILE, "user.wsfs.state") == "kept"


@pytest.mark.parametrize("desk", (NEMO, NAUTILUS), ids=lambda kind: str(kind.name), indirect=True)
def test_a_file_that_has_just_come_shows_that_it_waits(desk: Desk, picture: Picture) -> None:
    desk.manager.only(desk.task)
    before = desk.screen.pixels(WAITING)
    (desk.task / "note.txt").write_text("a")
    eventually(lambda: desk.screen.pixels(WAITING) > before + EMBLEM, "the emblem")
    picture(f"{desk.manager.kind.name.lower()}-emblem")
    (desk.task / "note.txt").unlink()


@pytest.fixture
def elsewhere(home: Path) -> Path:
    """A file outside of the drive."""
    place = home / "Elsewhere"
    place.mkdir(exist_ok=True)
    (place / "note.txt").write_text("a")
    return place / "note.txt"


def test_elsewhere_there_is_no_menu_or_it_says_that_it_is_for_the_drive(
    desk: Desk, elsewhere: Path, session: Session, picture: Picture
) -> None:
    manager = desk.manager
    window = manager.only(elsewhere.parent)
    manager.shows(elsewhere.name, window)
    manager.select(elsewhere.name, window)
    if manager.kind in (THUNAR, PCMANFM):  # which don't tell one place from another
        before = len(desk.calls())
        desk.lets_through.touch()
        server = session.run(notifier(), GTK_MODULES="")
        desk.open_submenu()
        assert desk.choose("Keep Offline", "Down")
        said = desk.screen.find("notifyd", lambda one: "no drive" in one.words, "a notification")
        assert said.words.startswith(f"{elsewhere} lies in no drive of wsfs; ")
        picture(f"{manager.kind.name.lower()}-menu-elsewhere")
        assert desk.calls()[before:] == [["desktop", "run", "keep", "--", str(elsewhere)]]
        session.end(server)
    else:
        desk.menu()
        desk.has("Properties")
        assert "Worksection" not in {one.words for one in desk.entries()}
        desk.screen.keys("Escape")
