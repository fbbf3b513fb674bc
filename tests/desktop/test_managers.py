"""What a person does with the drive in each file manager, and what comes of it on the server.

Files are dragged in: real drags (XDND) with the mouse, from a second window of the same file manager.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mounted.conftest import QUIET, Mounter, retire
from tests.mounted.drives import Ledger, Mount, eventually, wsfs_command
from wsfs.emulator.testing import Process, running_process

from .conftest import require
from .managers import ALL, PCMANFM, Kind, Manager
from .screen import Screen
from .session import Session
from .viewer import viewer

Picture = Callable[[str], Path]

PROJECT, TASK, SUBTASK = "Website relaunch", "Design", "Photographs"
PICTURES = 6
"""How many there are in that task."""
QUIET_TASK = "Launch checklist"
"""A task with one file and nothing else, so that there is room to drop something."""
STILL = 1.2
"""Seconds, three times the settle time: what was to be sent is under way."""

File = tuple[str, str, str]


@dataclasses.dataclass
class Desk:
    """A file manager that shows the drive of a demo account, and the account."""

    service: Process
    mount: Mount
    manager: Manager
    screen: Screen
    home: Path

    @property
    def name(self) -> str:
        return self.manager.kind.name.lower()

    @property
    def project(self) -> Path:
        return self.mount.place / PROJECT

    def files(self) -> dict[int, File]:
        """What the server has: task, name and digest of each file, by its id."""
        return {
            file["id"]: (file["task"]["name"] if file["task"] else "", file["name"], file["sha256"])
            for file in self.service.files()
        }

    def bring_file(self, name: str, content: bytes) -> Path:
        """A file in a directory of the home that holds nothing else."""
        directory = self.home / "From the camera"
        directory.mkdir(exist_ok=True)
        for old in directory.iterdir():
            old.unlink()
        path = directory / name
        path.write_bytes(content)
        return path


class Changes:
    """What has come to the server since."""

    def __init__(self, desk: Desk) -> None:
        desk.mount.settled()
        self._desk = desk
        self._before = desk.files()
        self._ledger = Ledger(desk.service)

    def are(self, *files: File, posts: tuple[str, ...] = ()) -> None:
        """Wait until all is sent; then it is exactly this, and it came with exactly these requests."""
        self._desk.mount.settled()
        time.sleep(STILL)
        self._desk.mount.settled()
        now = self._desk.files()
        assert {id: now.get(id) for id in self._before} == self._before, (
            "something that was there has changed"
        )
        assert sorted(now[id] for id in now.keys() - self._before.keys()) == sorted(files)
        assert [one["action"] for one in self._ledger.posts()] == list(posts)


@pytest.fixture(scope="module", params=ALL, ids=lambda kind: kind.name)
def desk(
    request: pytest.FixtureRequest, session: Session, screen: Screen, home: Path, mounter: Mounter
) -> Iterator[Desk]:
    kind: Kind = request.param
    require(kind.command[0])
    with running_process() as service:
        place = home / "Worksection"
        shutil.rmtree(home / ".cache" / "thumbnails", ignore_errors=True)
        mount = mounter(service, options=f"{QUIET},settle=0.4", scratch=home.parent / kind.name, place=place)
        manager = Manager(kind, session, screen)
        try:
            yield Desk(service, mount, manager, screen, home)
            manager.quit()
        finally:
            retire(mount)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_drive_is_in_the_side_bar(desk: Desk, session: Session, picture: Picture) -> None:
    manager = desk.manager
    if manager.kind is PCMANFM:  # it shows no mounts that udisks doesn't know, but bookmarks
        session.do(*wsfs_command("desktop", "install", str(desk.mount.place)))
    manager.only(desk.mount.place)
    manager.in_side_bar("Worksection")
    picture(f"{desk.name}-drive")


def test_three_levels_down_and_a_file_is_opened(desk: Desk, picture: Picture) -> None:
    manager = desk.manager
    opened = viewer(desk.home)
    window = manager.only(desk.mount.place)
    manager.enter(PROJECT, window)
    ledger = Ledger(desk.service)
    manager.enter(TASK, window)
    with_thumbnails(desk, ledger)
    picture(desk.name)
    manager.enter(SUBTASK, window)
    manager.activate("Beans.jpg", window)
    said = eventually(lambda: opened.exists() and opened.read_text(), "the file is opened")
    expected = {sha for task, name, sha in desk.files().values() if (task, name) == (SUBTASK, "Beans.jpg")}
    assert {said.split()[0]} == expected


def with_thumbnails(desk: Desk, ledger: Ledger) -> None:
    """Wait until the pictures of the task were read for their thumbnails, and nothing more is read."""
    read: list[str] = []

    def done() -> bool:
        fresh = ledger.actions()
        read.extend(fresh)
        if fresh:
            time.sleep(1.5)
        return not fresh and read.count("download") >= PICTURES

    eventually(done, "all thumbnails are made")
    assert set(read) <= {"download", "get_files"}  # Nemo and Nautilus count what is in directories


def test_a_file_that_is_dropped_in_is_attached_once(desk: Desk, picture: Picture) -> None:
    window = desk.manager.only(desk.project / QUIET_TASK)
    changes = Changes(desk)
    content = b"dropped by " + desk.name.encode()
    note = desk.bring_file("note.txt", content)
    desk.manager.drag_in(note, window)
    eventually(lambda: (desk.project / QUIET_TASK / "note.txt").exists(), "the file is in the directory")
    title = desk.manager.title(window)
    desk.manager.find(
        lambda one: one.window == title and ("note.txt" in one.words or one.words.startswith("2 ")),
        "the file in the window",
    )
    picture(f"{desk.name}-drop")
    changes.are((QUIET_TASK, "note.txt", digest(content)), posts=("post_comment",))


def test_a_new_folder_is_a_task_under_its_last_name_alone(desk: Desk) -> None:
    manager = desk.manager
    window = manager.only(desk.project / QUIET_TASK)
    changes = Changes(desk)
    manager.new_folder("Prints", window)
    task = desk.project / QUIET_TASK
    eventually((task / "Prints").is_dir, "the folder is made")
    time.sleep(STILL)
    manager.rename("Prints", "Large prints", window)
    eventually((task / "Large prints").is_dir, "the folder is renamed")
    changes.are()
    manager.enter("Large prints", window)
    content = b"printed by " + desk.name.encode()
    manager.drag_in(desk.bring_file("print.txt", content), window)
    eventually(lambda: (task / "Large prints" / "print.txt").exists(), "the file is in the directory")
    changes.are(("Large prints", "print.txt", digest(content)), posts=("post_task",))
    assert sorted(entry.name for entry in task.iterdir() if entry.is_dir()) == ["Large prints"]


def test_an_attachment_is_not_replaced_and_a_person_is_told_so(desk: Desk, picture: Picture) -> None:
    manager = desk.manager
    window = manager.only(desk.project / QUIET_TASK)
    changes = Changes(desk)
    manager.drag_in(desk.bring_file("Checklist.xlsx", b"another one"), window)
    manager.button(manager.kind.replace)
    manager.message("Checklist.xlsx", "Permission denied")
    picture(f"{desk.name}-replace")
    manager.dismiss(2)
    changes.are()


def test_an_attachment_is_not_deleted_and_a_person_is_told_so(desk: Desk, picture: Picture) -> None:
    manager = desk.manager
    window = manager.only(desk.project / QUIET_TASK)
    changes = Changes(desk)
    manager.shows("Checklist.xlsx", window)
    manager.select("Checklist.xlsx", window)
    desk.screen.keys("Delete")
    for answer in manager.kind.answers:
        manager.button(answer)
    manager.message("Checklist.xlsx", "Operation not permitted")
    picture(f"{desk.name}-delete")
    manager.dismiss(1)
    changes.are()
    assert (desk.project / QUIET_TASK / "Checklist.xlsx").exists()
