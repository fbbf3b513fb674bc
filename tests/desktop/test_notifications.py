"""What a person is told on the desktop: by a real notification server, on a screen, with a button that is pressed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ExpectedWarnings
from tests.mounted.conftest import QUIET, Mounter
from tests.mounted.drives import Ledger, Mount, eventually, run, xattr
from tests.session_bus import session_bus
from wsfs.emulator.testing import Process, running_process

from .conftest import notifier
from .screen import Screen
from .session import Session

TASK = Path("Website relaunch/Design")
FILES = ("Logo final.svg", "Palette & type.pdf", "Icons <set>.zip")


@pytest.fixture
def account() -> Iterator[Process]:
    with running_process() as service:
        yield service


@pytest.fixture
def bus(session: Session) -> Iterator[str]:
    """A session bus of the user who mounts, and a notification server on it that shows things on the screen."""
    program = notifier()
    with session_bus() as address, (session.said / "notifyd").open("wb") as said:
        environment = {**session.env, "DBUS_SESSION_BUS_ADDRESS": address, "GTK_MODULES": ""}
        server = subprocess.Popen(
            program, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        try:
            yield address
        finally:
            server.terminate()
            server.wait(10)


def shown(session: Session) -> tuple[int, int, int, int] | None:
    """Where the notification is: x, y, width, height; None where there is none."""
    outcome = subprocess.run(
        ["xdotool", "search", "--onlyvisible", "--class", "notifyd", "getwindowgeometry", "--shell"],
        env={**os.environ, "DISPLAY": session.display},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    said = dict(line.split("=", 1) for line in outcome.stdout.splitlines() if "=" in line)
    if int(said.get("HEIGHT", 0)) < 50:
        return None
    return int(said["X"]), int(said["Y"]), int(said["WIDTH"]), int(said["HEIGHT"])


def press_the_button(session: Session, screen: Screen) -> None:
    """The one button of a notification is at its lower right."""
    x, y, width, height = eventually(lambda: shown(session), "a notification")
    screen.click(x + width - 57, y + height - 31)


def test_undo_is_a_button_that_holds_the_files_back(
    session: Session,
    screen: Screen,
    bus: str,
    account: Process,
    mounting: Mounter,
    picture: Callable[[str], Path],
) -> None:
    mount: Mount = mounting(account, options=f"{QUIET},settle=8", env={"DBUS_SESSION_BUS_ADDRESS": bus})
    task = mount.place / TASK
    run("ls", task)
    ledger = Ledger(account)
    for name in FILES:
        run("tee", task / name, stdin="x")
    eventually(lambda: shown(session), "what goes is told")
    time.sleep(1)
    picture("notification")
    press_the_button(session, screen)
    eventually(lambda: xattr(task / FILES[0], "user.wsfs.upload").startswith("interrupted: you held it back"))
    time.sleep(1)  # the one notification goes, the other comes
    assert ledger.posts() == []
    # And the other way: what was held back is sent after all.
    press_the_button(session, screen)
    mount.settled()
    assert [sorted(post["files"]) for post in ledger.posts()] == [sorted(FILES)]


def test_what_was_refused_is_tried_again_by_a_button(
    session: Session,
    screen: Screen,
    bus: str,
    account: Process,
    mounting: Mounter,
    expected_warnings: ExpectedWarnings,
) -> None:
    expected_warnings.expect("Worksection doesn't take")
    mount: Mount = mounting(account, options=f"{QUIET},settle=0.3", env={"DBUS_SESSION_BUS_ADDRESS": bus})
    account.arm("storage-full")
    run("tee", mount.place / TASK / FILES[0], stdin="x")
    eventually(lambda: shown(session), "what was refused is told")
    time.sleep(1)
    account.clear_faults()
    press_the_button(session, screen)
    mount.settled()
