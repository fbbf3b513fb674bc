"""KDE's file manager: what a person does with the drive in it, and what it reads by itself."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mounted.conftest import QUIET, Mounter, retire
from tests.mounted.drives import Ledger, Mount, eventually
from wsfs.emulator.testing import Process, running_process

from .conftest import require
from .managers import EMPTY, PAUSE, SECOND, WINDOW
from .screen import Screen, Widget, Window
from .session import Session
from .viewer import viewer

PROJECT, TASK, SUBTASK, PICTURE = "Website relaunch", "Design", "Photographs", "Beans.jpg"
QUIET_TASK, ATTACHMENT = "Launch checklist", "Checklist.xlsx"
SETTLE, STILL = 0.4, 1.2
PREVIEWS = "[PreviewSettings]\nPlugins=imagethumbnail,jpegthumbnail\n[IconsMode]\nPreviewSize=64\n"
LARGE, SMALL, UNKNOWN = 51 << 20, 60_000, 20
SHOWN = 3.0
"""Seconds until a directory is shown whose files have to be looked into, of which the drive lets it have 0.3."""


class Dolphin:
    """Its windows. It tells where its icons are, and calls a window by its directory."""

    def __init__(self, session: Session, screen: Screen) -> None:
        self.session = session
        self.screen = screen

    def windows(self) -> list[Window]:
        return [one for one in self.screen.windows() if one.program == "dolphin"]

    def open(self, directory: Path, place: tuple[int, int, int, int] = WINDOW) -> Window:
        """Open one more window, at a directory."""
        before = {one.id for one in self.windows()}
        self.session.run("dolphin", "--new-window", directory, QT_LINUX_ACCESSIBILITY_ALWAYS_ON="1")
        window: Window = eventually(
            lambda: next((one for one in self.windows() if one.id not in before), None), "a window of Dolphin"
        )
        self.screen.put(window, *place)
        self.screen.bring(window)
        return window

    def find(self, words: str, window: str, *roles: str) -> Widget:
        """Wait for what has these words, in the window of that directory."""
        return self.screen.find(
            "dolphin", lambda one: words in one.words and one.role in roles, words, window=window
        )

    def name_of(self, name: str, directory: str) -> tuple[int, int]:
        """Where the name of something is, below its icon."""
        time.sleep(PAUSE)  # icons move until all are there
        x, y, width, height = self.find(name, directory, "table cell").place
        return x + width // 2, y + height - 14

    def select(self, name: str, directory: str) -> None:
        self.screen.click(*self.name_of(name, directory))

    def copy_in(self, file: Path) -> Window:
        """Drag a file from a window of its directory, which is returned, into the first one."""
        source = self.open(file.parent, SECOND)
        self.screen.drag(self.name_of(file.name, file.parent.name), EMPTY)
        # It asks what to do in a menu, where the file is let go: "Move Here", "Copy Here", "Link Here" and "Cancel".
        x, y, width, height = eventually(self.screen.popups, "a menu")[0]
        time.sleep(PAUSE)
        self.screen.click(x + width // 3, y + round(0.36 * height))
        return source

    def enter(self, name: str, directory: str) -> None:
        self.select(name, directory)
        self.screen.keys("Return")

    def quit(self) -> None:
        for window in self.windows():
            self.screen.close_window(window)
        eventually(lambda: not self.windows(), "Dolphin ended")


@pytest.fixture
def dolphin(session: Session, screen: Screen, home: Path) -> Iterator[Dolphin]:
    require("dolphin")
    settings = home / ".config" / "dolphinrc"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(PREVIEWS)
    shutil.rmtree(home / ".cache" / "thumbnails", ignore_errors=True)
    dolphin = Dolphin(session, screen)
    yield dolphin
    dolphin.quit()


@pytest.fixture
def service() -> Iterator[Process]:
    with running_process() as running:
        yield running


@pytest.fixture
def mount(service: Process, mounter: Mounter, home: Path) -> Iterator[Mount]:
    mount = mounter(
        service,
        options=f"{QUIET},settle={SETTLE}",
        scratch=home.parent / "drive",
        place=home / "Worksection",
    )
    yield mount
    retire(mount)


def test_what_a_person_does_in_dolphin(
    service: Process, mount: Mount, dolphin: Dolphin, home: Path, picture: Callable[[str], Path]
) -> None:
    screen, opened = dolphin.screen, viewer(home)
    # Three levels down, and a file is opened.
    window = dolphin.open(mount.place)
    dolphin.enter(PROJECT, "Worksection")
    dolphin.enter(TASK, PROJECT)
    dolphin.enter(SUBTASK, TASK)
    dolphin.enter(PICTURE, SUBTASK)
    said = eventually(lambda: opened.exists() and opened.read_text(), "the file is opened")
    assert [said.split()[0]] == [file["sha256"] for file in service.files() if file["name"] == PICTURE]
    picture("dolphin")

    # A file is dragged in, and attached once.
    task = mount.place / PROJECT / QUIET_TASK
    screen.keys("alt+Up")
    dolphin.find(SUBTASK, TASK, "table cell")
    screen.keys("alt+Up")
    dolphin.enter(QUIET_TASK, PROJECT)
    dolphin.find(ATTACHMENT, QUIET_TASK, "table cell")
    note = home / "From the camera" / "note.txt"
    note.parent.mkdir()
    note.write_text("dropped by Dolphin")
    ledger = Ledger(service)
    source = dolphin.copy_in(note)
    picture("dolphin-drop")
    eventually((task / "note.txt").exists, "the file is in the directory")
    screen.close_window(source)
    eventually(lambda: len(dolphin.windows()) == 1, "the window closed")
    screen.bring(window)
    mount.settled()
    time.sleep(STILL)
    mount.settled()
    [post] = ledger.posts()
    assert (post["action"], post["files"]) == ("post_comment", ["note.txt"])
    [sent] = [file["sha256"] for file in service.files() if file["name"] == "note.txt"]
    assert sent == hashlib.sha256(note.read_bytes()).hexdigest()

    # A new folder.
    screen.keys("F10")
    question = screen.window("New Folder", program="dolphin")
    eventually(lambda: screen.has_keyboard(question), "the question for the name has the keyboard")
    time.sleep(PAUSE)
    screen.keys("ctrl+a")
    screen.write("Prints")
    screen.keys("Return")
    eventually((task / "Prints").is_dir, "the folder is made")

    # An attachment is not replaced, and a person is told so.
    other = note.parent.with_name("Another") / ATTACHMENT
    other.parent.mkdir()
    other.write_text("another one")
    source = dolphin.copy_in(other)
    question = screen.window("File Already Exists", program="dolphin")
    time.sleep(PAUSE)
    screen.click(*screen.find("dolphin", lambda one: one.words == "Overwrite", "the button Overwrite").middle)
    eventually(lambda: question not in screen.windows(), "the question is answered")
    screen.window("Information", program="dolphin")
    picture("dolphin-replace")
    dolphin.find("Access denied.\nCould not write to", "Information", "label")
    assert sorted(path.name for path in task.iterdir()) == sorted([ATTACHMENT, "note.txt", "Prints"])
    screen.click(
        *screen.find("dolphin", lambda one: one.words == "Cancel", "Cancel", window="Information").middle
    )
    screen.close_window(source)
    eventually(lambda: len(dolphin.windows()) == 1, "the messages are closed")
    screen.bring(window)

    # An attachment is not deleted, and a person is told so.
    before = service.files()
    dolphin.select(ATTACHMENT, QUIET_TASK)
    screen.keys("Delete")
    dolphin.find("Access denied", QUIET_TASK, "label", "text", "panel")
    picture("dolphin-delete")
    time.sleep(STILL)
    assert (task / ATTACHMENT).exists()
    assert service.files() == before
    assert ledger.posts() == []


@pytest.mark.promise(
    "What is read for thumbnails keeps nobody waiting, and files of more than 50 MB aren't fetched for them."
)
@pytest.mark.promise(
    "Listing a directory waits for no program that looks into its files to see of what kind they are."
)
def test_what_dolphin_reads_by_itself(dolphin: Dolphin, mounter: Mounter, home: Path) -> None:
    with running_process("--scale", "1,1,1") as service:
        project = service.act("add_project", name="Summer")["id"]
        photographs = [
            {"name": f"IMG {number}.jpg", "size": size, "seed": number, "photo": True}
            for number, size in enumerate((LARGE, SMALL, SMALL, SMALL))
        ]
        unknown = [{"name": f"draft {number}", "text": "of no known kind"} for number in range(UNKNOWN)]
        for name, files in (("Coast", photographs), ("Odd", unknown)):
            task = service.act("add_task", project=project, name=name)["id"]
            service.act("add_comment", task=task, text="All of them", files=files)
        mount = mounter(
            service, options=QUIET, rate=1.0, scratch=home.parent / "slow", place=home / "Worksection"
        )
        try:
            for name in ("Coast", "Odd"):
                assert list((mount.place / "Summer" / name).iterdir())
            dolphin.open(mount.place / "Summer" / "Coast")
            eventually(lambda: len(downloads(mount)) == 3, "the small pictures are read")
            dolphin.open(mount.place / "Summer" / "Odd", SECOND)
            began = time.monotonic()
            dolphin.find(f"{UNKNOWN} F", "Odd", "label")
            assert time.monotonic() - began < SHOWN
            time.sleep(1.5)
            lines = downloads(mount)
            assert {line.split()[2] for line in lines} == {"background"}
            assert not [line for line in lines if line.endswith(f" {LARGE} bytes")]
            assert len(lines) <= 3 + 2
            dolphin.quit()
        finally:
            retire(mount)


def downloads(mount: Mount) -> list[str]:
    """The lines of the drive's log of requests that are downloads."""
    lines = (mount.place / ".wsfs" / "requests.log").read_text().splitlines()
    return [line for line in lines if line.split()[3] == "download"]
