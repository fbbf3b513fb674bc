"""What file managers and operating systems ask a directory for, and strew about: it costs the service nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ExpectedWarnings
from wsfs.emulator.testing import Process

from .conftest import QUIET, Mounter, account
from .drives import Ledger, Mount, run

PROJECT, TASK, FILE = "Website relaunch", "Design", "Hero.jpg"
ASKED_FOR = (
    *(".hidden", ".Trash", ".Trash-0", ".Trash-1000", ".xdg-volume-info", "autorun.inf"),  # GIO
    *(".directory", ".git", ".hg", ".svn", ".bzr"),  # KDE, PCManFM
    *(".sh_thumbnails", ".nomedia", ".trackerignore"),  # thumbnailers and indexers
    *("desktop.ini", "Desktop.ini", "AUTORUN.INF", "Thumbs.db", "ehthumbs.db"),  # Windows
    *(".DS_Store", "._.", f"._{FILE}", ".Trashes", ".localized", ".fseventsd", ".Spotlight-V100"),  # macOS
    *(".metadata_never_index", ".apdisk", ".TemporaryItems"),
)
STREWN = (".directory", ".hidden", "autorun.inf", "desktop.ini", "Thumbs.db", ".DS_Store", f"._{FILE}")
SETTLED = 1.5
"""Seconds, twice the settle time: what was to be sent is under way."""


@pytest.fixture
def service(expected_warnings: ExpectedWarnings) -> Iterator[Process]:
    """A demo account: of a task with comments no bulk answer gives the files."""
    with account(expected=expected_warnings) as running:
        yield running


@pytest.fixture
def fresh(service: Process, mounting: Mounter) -> Mount:
    """A drive of which nobody has looked at anything yet."""
    return mounting(service, options=f"{QUIET},settle=0.7")


def missing(directory: Path) -> None:
    """Ask for each name, as file managers do, and find none."""
    for name in ASKED_FOR:
        with pytest.raises(FileNotFoundError):
            (directory / name).lstat()


@pytest.mark.promise("A name that only programs ask for, such as `.hidden`, is answered without a request.")
def test_what_programs_ask_every_directory_for_costs_no_request(fresh: Mount, service: Process) -> None:
    ledger = Ledger(service)
    missing(fresh.place)
    assert ledger.actions() == []
    # The way down costs what it costs; in a directory that nobody has listed, it is those names that cost nothing.
    project = fresh.place / PROJECT
    project.lstat()
    ledger.take()
    missing(project)
    assert ledger.actions() == []
    task = project / TASK
    task.lstat()
    ledger.take()
    missing(task)
    assert ledger.actions() == []
    with pytest.raises(FileNotFoundError):
        (task / "hidden").lstat()
    assert ledger.actions() == ["get_files"], "any other name is asked for"
    missing(task)
    run("gio", "list", "--hidden", task)
    assert ledger.actions() == []


@pytest.mark.promise("Directories named `.Trash`, `.Trash-UID` or `.git` can't be made.")
def test_a_waste_basket_costs_no_request(fresh: Mount, service: Process) -> None:
    task = fresh.place / PROJECT / TASK
    before = run("ls", "-A", task).lines
    ledger = Ledger(service)
    for directory in (fresh.place, task.parent, task):
        for name in (".Trash", ".Trash-0", ".Trash-1000", ".Trashes"):
            with pytest.raises(PermissionError):
                (directory / name).mkdir()
    refused = run("gio", "trash", task / FILE, ok=False)
    assert (refused.code, "trash" in refused.err) == (1, True)
    assert run("ls", "-A", task).lines == before
    assert ledger.actions() == []


@pytest.mark.promise(
    "Temporary files, editors' locks and what operating systems strew about work in every way and are never uploaded."
)
def test_what_is_strewn_about_stays_here(fresh: Mount, service: Process) -> None:
    task = fresh.place / PROJECT / TASK
    before = run("ls", "-A", task).lines
    run("ls", task.parent)
    ledger = Ledger(service)
    for directory in (task, task.parent):
        for name in STREWN:
            run("tee", directory / name, stdin="[.ShellClassInfo]")
            assert (directory / name).read_text() == "[.ShellClassInfo]"
    with pytest.raises(PermissionError):
        (fresh.place / ".directory").write_text("x")
    time.sleep(SETTLED)
    fresh.settled()
    assert ledger.actions() == []
    run("rm", *(directory / name for directory in (task, task.parent) for name in STREWN))
    assert run("ls", "-A", task).lines == before
    assert ledger.actions() == []
