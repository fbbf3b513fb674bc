"""What the desktop tests share. Without the programs that scripts/setup dev installs: skipped, in CI a failure.

Pictures of the screen go to `screenshots` in the directory of the test run. With WSFS_UPDATE_IMAGES=1 those that the
documentation shows are brought up to date too, by name: `WSFS_UPDATE_IMAGES=1 scripts/test tests/desktop`.
"""

from __future__ import annotations

import glob
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ExpectedWarnings, leave_out
from tests.mounted.conftest import _live, fuse, mounter, mounting  # noqa: F401 - fixtures
from tests.mounted.drives import watchdog

from .screen import Screen
from .session import Session, missing

PROGRAMS = ("Xvfb", "openbox", "xdotool", "xprop", "import", "dbus-run-session", "unshare")
TEST_SECONDS = 240.0
IMAGES = Path(__file__).parents[2] / "docs" / "images"
MOMENT = 0.3
"""Seconds until a window has painted what it tells of."""


NOTIFIERS = "/usr/lib/*/xfce4/notifyd/xfce4-notifyd"


def require(*programs: str) -> None:
    """Leave the test out where a program is missing."""
    absent = missing(programs)
    leave_out(f"{', '.join(absent)} missing, which scripts/setup dev installs" if absent else None)


def notifier() -> str:
    """The program that shows notifications; without it the test is left out."""
    found = glob.glob(NOTIFIERS)  # noqa: PTH207 - an absolute pattern
    leave_out(None if found else "xfce4-notifyd missing, which scripts/setup dev installs")
    return found[0]


@pytest.fixture(autouse=True)
def quiet_logs(expected_warnings: ExpectedWarnings) -> Iterator[None]:
    """Fail the test on what its mounts logged in alarm, and end what hangs."""
    with watchdog(lambda: list(_live), TEST_SECONDS):
        yield
    told = [line for mount in _live for line in mount.unexpected(expected_warnings.covers)]
    assert not told, f"unexpected in a mount's log: {told}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a person who has just got the machine."""
    home = tmp_path_factory.mktemp("desktop") / "ann"
    home.mkdir()
    return home


@pytest.fixture(scope="module")
def session(home: Path) -> Iterator[Session]:
    """A session for the tests of a module."""
    require(*PROGRAMS)
    session = Session(home)
    try:
        session.start()
        yield session
    finally:
        session.stop()


@pytest.fixture(scope="module")
def screen(session: Session) -> Iterator[Screen]:
    """Its display."""
    screen = Screen(session)
    yield screen
    screen.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the screen go."""
    return tmp_path_factory.getbasetemp() / "screenshots"


@pytest.fixture
def picture(screen: Screen, pictures: Path) -> Callable[[str], Path]:
    """Takes a picture of the screen, by name."""

    def take(name: str) -> Path:
        path = pictures / f"{name}.png"
        time.sleep(MOMENT)
        screen.picture(path)
        shown = IMAGES / path.name
        if os.environ.get("WSFS_UPDATE_IMAGES") and shown.exists():
            shutil.copyfile(path, shown)
        return path

    return take


@pytest.fixture(autouse=True)
def picture_of_a_failure(request: pytest.FixtureRequest, pictures: Path) -> Iterator[None]:
    """Keep what the screen showed when a test failed."""
    failed = request.session.testsfailed
    yield
    screen = request.node.funcargs.get("screen") or getattr(request.node.funcargs.get("desk"), "screen", None)
    report = getattr(request.node, "failed_call", False)
    if screen is not None and (report or request.session.testsfailed > failed):
        screen.picture(pictures / "failed" / f"{request.node.name}.png")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call" and report.failed:
        item.failed_call = True  # type: ignore[attr-defined]
