"""A directory of large pictures, at one request a second: nothing that a person looks at stands still for it."""

from __future__ import annotations

import datetime
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.mounted.conftest import Mounter, retire
from tests.mounted.drives import Mount, eventually
from wsfs.emulator.testing import Process, running_process

from .conftest import require
from .managers import ALL, NEMO, Kind, Manager
from .screen import Pinger, Screen
from .session import Session
from .viewer import viewer

PHOTOGRAPHS, BYTES = 200, 3_000_000
NOTES = 2  # the third would be fetched ahead
ANSWERED = 2.1
"""Seconds until what a person asks for is there: a request that was just begun, the pause, and his own."""
ALIVE = 1.0
"""Seconds in which every window answers."""
SCROLLED = 5.0
"""Seconds for which a person scrolls on."""


class Request(NamedTuple):
    """A line of the drive's log of requests."""

    began: float
    lane: str
    action: str
    seconds: float
    result: str


def requests(mount: Mount) -> list[Request]:
    """What the drive has asked the service, oldest first."""
    found = []
    for line in (mount.place / ".wsfs" / "requests.log").read_text().splitlines():
        said = re.match(r"(\S+ \S+) (\S+) +(\S+) +(\d+) ms (\S+)", line)
        assert said, line
        began = datetime.datetime.fromisoformat(said[1]).timestamp()
        found.append(Request(began, said[2], said[3], int(said[4]) / 1000, said[5]))
    return found


@pytest.fixture(scope="module")
def service() -> Iterator[Process]:
    """An account with a task of large photographs, and one of notes."""
    with running_process("--scale", "1,1,1", rate=1.0) as running:
        project = running.act("add_project", name="Summer")["id"]
        trip = running.act("add_task", project=project, name="Trip")["id"]
        photographs = [
            {"name": f"IMG {number:04}.jpg", "size": BYTES, "seed": number, "photo": True}
            for number in range(1, PHOTOGRAPHS + 1)
        ]
        running.act("add_comment", task=trip, text="All of them", files=photographs)
        notes = running.act("add_task", project=project, name="Notes")["id"]
        files = [{"name": f"note {number}.txt", "text": f"note {number}"} for number in range(1, NOTES + 1)]
        running.act("add_comment", task=notes, text="Notes", files=files)
        yield running


@pytest.mark.promise(
    "What is read for thumbnails keeps nobody waiting, and files of more than 50 MB aren't fetched for them."
)
@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_two_hundred_large_photographs(
    kind: Kind, service: Process, mounter: Mounter, session: Session, screen: Screen, home: Path
) -> None:
    require(kind.command[0])
    viewer(home)
    shutil.rmtree(home / ".cache" / "thumbnails", ignore_errors=True)
    mount = mounter(
        service, options="poll=3600", rate=1.0, scratch=home.parent / kind.name, place=home / "Worksection"
    )
    try:
        listed = eventually(lambda: sorted((mount.place / "Summer").iterdir()), "the project")
        assert [entry.name for entry in listed] == ["Notes", "Trip"]
        assert len(list((mount.place / "Summer" / "Trip").iterdir())) == PHOTOGRAPHS
        assert len(list((mount.place / "Summer" / "Notes").iterdir())) == NOTES
        manager = Manager(kind, session, screen)
        try:
            _look(manager, mount, screen, session)
        finally:
            manager.quit()
    finally:
        retire(mount)


def _look(manager: Manager, mount: Mount, screen: Screen, session: Session) -> None:
    pinger = Pinger(session.display)
    before = len(requests(mount))
    with pinger.running():
        manager.open(mount.place / "Summer" / "Trip")
        if manager.kind is not NEMO:  # which makes no thumbnails of pictures over 1 MB
            eventually(lambda: _downloads(requests(mount)[before:]), "thumbnails")
        until = time.monotonic() + SCROLLED
        while time.monotonic() < until:
            screen.click(600, 350, button=5, times=3)
            time.sleep(0.3)
        notes = manager.open(mount.place / "Summer" / "Notes", manager.kind.second)
        manager.shows("note 1.txt", notes)
        took = []
        for number in range(1, NOTES + 1):
            manager.select(f"note {number}.txt", notes)
            took.append(_open_a_file(mount, screen))
    told = requests(mount)[before:]
    downloads = _downloads(told)
    assert {one.result for one in told} == {"ok"}
    assert [one.lane for one in downloads].count("person") == NOTES
    assert manager.kind is NEMO or len(downloads) > NOTES
    assert max(took) < ANSWERED, took
    assert pinger.answers > 20
    assert max(pinger.slowest.values()) < ALIVE, pinger.slowest
    print(f"{manager.kind.name}: {took} {pinger.slowest}, {len(downloads)} downloads")


def _downloads(told: list[Request]) -> list[Request]:
    return [one for one in told if one.action == "download"]


def _open_a_file(mount: Mount, screen: Screen) -> float:
    """Press Return on the file that is selected; seconds until its content was there."""

    def asked() -> list[Request]:
        return [one for one in requests(mount) if one.lane == "person" and one.action == "download"]

    before = len(asked())
    clicked = time.time()
    screen.keys("Return")
    eventually(lambda: len(asked()) > before, "the file is fetched")
    request = asked()[-1]
    return request.began + request.seconds - clicked
