"""Thumbnails, and looks at what kind a file is: what they read, in which lane, and what is left to a person."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mounted.conftest import QUIET, Mounter, retire
from tests.mounted.drives import Mount, eventually
from wsfs.emulator.testing import Process, running_process

from .conftest import require
from .managers import ALL, PCMANFM, THUNAR, Kind, Manager
from .screen import Pinger, Screen
from .session import Session

promise = pytest.mark.promise

MIB = 1 << 20
LARGE = 51 * MIB
PICTURE = 60_000
SMALL = 3
UNKNOWN = 20
ALIVE = 1.0
"""Seconds in which every window answers."""


@pytest.fixture(scope="module")
def service() -> Iterator[Process]:
    """An account with small photographs beside a very large one, and a task of files of unknown kind."""
    with running_process("--scale", "1,1,1") as running:
        project = running.act("add_project", name="Summer")["id"]
        coast = running.act("add_task", project=project, name="Coast")["id"]
        files: list[dict[str, object]] = [{"name": "panorama.jpg", "size": LARGE, "seed": 9, "photo": True}]
        files += [
            {"name": f"IMG {number}.jpg", "size": PICTURE, "seed": number, "photo": True}
            for number in range(SMALL)
        ]
        running.act("add_comment", task=coast, text="All of them", files=files)
        papers = running.act("add_task", project=project, name="Papers")["id"]
        files = [
            {"name": name, "size": 5000, "seed": 1}
            for name in ("plan.xlsx", "old.zip", "data.csv", "talk.pptx")
        ]
        running.act("add_comment", task=papers, text="Of known kinds", files=files)
        odd = running.act("add_task", project=project, name="Odd")["id"]
        files = [{"name": f"draft {number}", "text": "of no known kind"} for number in range(UNKNOWN)]
        running.act("add_comment", task=odd, text="Who knows", files=files)
        yield running


def thumbnails(home: Path) -> int:
    """How many thumbnails there are, without those that failed."""
    return sum("fail" not in path.parts for path in (home / ".cache" / "thumbnails").rglob("*.png"))


def lanes(mount: Mount, size: int | None = None) -> list[str]:
    """The lanes of the downloads so far; of files of that size."""
    lines = (mount.place / ".wsfs" / "requests.log").read_text().splitlines()
    end = "" if size is None else f" {size} bytes"
    return [line.split()[2] for line in lines if line.split()[3] == "download" and line.endswith(end)]


@pytest.fixture(params=ALL, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    require(found.command[0])
    return found


@pytest.fixture(scope="module")
def known(service: Process, mounter: Mounter, home: Path) -> Path:
    """The data directory of a drive where everything has been listed."""
    mount = mounter(service, options=QUIET, scratch=home.parent / "known")
    for name in ("Coast", "Papers", "Odd"):
        assert list((mount.place / "Summer" / name).iterdir())
    retire(mount)
    return mount.data


@pytest.fixture
def mount(kind: Kind, service: Process, known: Path, mounter: Mounter, home: Path) -> Iterator[Mount]:
    """A drive that knows all names, and has read nothing, at one request a second."""
    shutil.rmtree(home / ".cache" / "thumbnails", ignore_errors=True)
    scratch, place = home.parent / kind.name, home / "Worksection"
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(known, scratch / "data")
    mount = mounter(service, options=QUIET, rate=1.0, scratch=scratch, place=place)
    yield mount
    retire(mount)


@pytest.fixture
def manager(kind: Kind, mount: Mount, session: Session, screen: Screen) -> Iterator[Manager]:
    manager = Manager(kind, session, screen)
    yield manager
    manager.quit()


@promise("Listing a directory waits for no program that looks into its files to see of what kind they are.")
def test_looking_at_pictures_and_at_what_kind_a_file_is(
    kind: Kind, manager: Manager, mount: Mount, session: Session, home: Path
) -> None:
    summer = mount.place / "Summer"

    # Kinds that the name tells: nothing is read.
    manager.only(summer / "Papers")
    manager.find(lambda one: "plan.xlsx" in one.words or one.words.startswith("4 "), "the papers")
    time.sleep(1)
    assert lanes(mount) == []

    # Kinds that it doesn't tell: what would have to be waited for is done without, and no window stands still.
    pinger = Pinger(session.display)
    with pinger.running():
        manager.only(summer / "Odd")
        began = time.monotonic()
        if kind is not PCMANFM:  # it looks in its own way, which nothing tells from reading
            manager.find(
                lambda one: "draft " in one.words or one.words.startswith(f"{UNKNOWN} "), "the odd ones"
            )
        took = time.monotonic() - began
        time.sleep(1)
    assert max(pinger.slowest.values()) < ALIVE, pinger.slowest
    assert took < 5
    if kind is not PCMANFM:
        assert lanes(mount) in ([], ["background"], 2 * ["background"])

    # Pictures: the small ones are fetched behind whatever a person does, the very large one isn't.
    manager.only(summer / "Coast")
    eventually(lambda: len(lanes(mount, PICTURE)) == SMALL, "the small pictures are fetched")
    time.sleep(1.5)
    assert lanes(mount, PICTURE) == SMALL * ["background"]
    assert lanes(mount, LARGE) == []
    assert all("panorama" in line for line in refusals(mount))


def refusals(mount: Mount) -> list[str]:
    """What the log says was refused at opening."""
    return [line for line in mount.log.read_text().splitlines() if "open of" in line and "refused" in line]


@promise(
    "What is read for thumbnails keeps nobody waiting, and files of more than 50 MB aren't fetched for them."
)
@pytest.mark.parametrize("kind", [THUNAR], ids=lambda kind: kind.name, indirect=True)
def test_a_picture_that_was_too_large_has_its_thumbnail_once_a_person_looked_at_it(
    manager: Manager, mount: Mount, home: Path
) -> None:
    coast = mount.place / "Summer" / "Coast"
    manager.only(coast)
    eventually(lambda: thumbnails(home) >= SMALL and refusals(mount), "thumbnails, but of one")
    made = thumbnails(home)
    assert len((coast / "panorama.jpg").read_bytes()) == LARGE
    manager.quit()
    manager.only(coast)
    eventually(lambda: thumbnails(home) > made, "the one that was missing")
