"""Programs that save their work on the drive: what arrives is what was saved, once, and nothing beside it."""

from __future__ import annotations

import os
import pty
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mounted.conftest import QUIET, Mounter
from tests.mounted.drives import Ledger, Mount, eventually, files_of, node_id, run
from tests.mounted.office import Office
from wsfs.emulator.testing import Process, running_process

from .conftest import require

SYSTEM_PYTHON = "/usr/bin/python3"
STILL = 1.5
"""Seconds, several times the settle time, after which everything that was to be sent is."""
TASK = "Project 001/Task 001-0001"


@pytest.fixture(scope="module")
def service() -> Iterator[Process]:
    with running_process("--scale", "1,4,1") as running:
        yield running


@pytest.fixture(scope="module")
def drive(service: Process, mounter: Mounter) -> Mount:
    mount = mounter(service, options=f"{QUIET},settle=0.4")
    run("find", mount.place)
    return mount


@pytest.fixture
def task(drive: Mount, _tasks: Iterator[int]) -> Path:
    """A task of a test's own, with one attachment."""
    return drive.place / f"Project 001/Task 001-{next(_tasks):04}"


@pytest.fixture(scope="module")
def _tasks() -> Iterator[int]:
    return iter(range(1, 9))


def new_files(service: Process, task: Path) -> dict[str, dict[str, Any]]:
    """What a task has besides what it had from the start."""
    found = files_of(service, node_id(task))
    return {name: file for name, file in found.items() if name != "file 01.jpg"}


def nothing_more(drive: Mount, task: Path) -> None:
    """Nothing waits, and nothing that a program left lies in the directory on this machine alone."""
    drive.settled()
    time.sleep(STILL)
    drive.settled()
    names = [entry.name for entry in task.iterdir()]
    assert [name for name in names if name.startswith(".") or name.endswith((".tmp", "~"))] == []


class Terminal:
    """A program in a terminal, and a person's keys."""

    def __init__(self, *command: str | Path, cwd: Path) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=slave, stdout=slave, stderr=slave, cwd=cwd,
            env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", "HOME": str(cwd)}, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.shown = ""
        os.set_blocking(self._master, False)

    def look(self) -> str:
        try:
            self.shown += os.read(self._master, 1 << 16).decode(errors="replace")
        except (BlockingIOError, OSError):
            pass
        return self.shown

    def shows(self, text: str) -> None:
        """Wait until a text came to the screen."""
        eventually(lambda: text in self.look(), f"{text!r} in the terminal")
        self.shown = ""

    def types(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def ended(self) -> int:
        eventually(lambda: (self.look(), self.process.poll() is not None)[1], "the program's end")
        os.close(self._master)
        return self.process.returncode


def test_vim_saves_a_new_document_twice(drive: Mount, service: Process, task: Path, tmp_path: Path) -> None:
    require("vim")
    ledger = Ledger(service)
    note = task / "minutes.txt"
    vim = Terminal("vim", "-u", "NONE", "-N", note, cwd=tmp_path)
    vim.shows("minutes.txt")
    vim.types("iThe first line.\x1b:w\r")
    vim.shows("written")
    time.sleep(STILL)  # a person thinks; the file is still for much longer than the settle time
    vim.types("oThe second line.\x1b:w\r")
    vim.shows("written")
    vim.types(":q\r")
    assert vim.ended() == 0
    nothing_more(drive, task)
    sent = new_files(service, task)
    assert note.read_text() == "The first line.\nThe second line.\n"
    assert set(sent) == {"minutes.txt"}
    assert len(ledger.posts()) == 1


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    require("soffice")
    office = Office(tmp_path_factory.mktemp("office"))
    yield office
    office.quit()


def test_libreoffice_saves_a_new_document_twice(
    drive: Mount, service: Process, task: Path, office: Office
) -> None:
    ledger = Ledger(service)
    letter = task / "letter.docx"
    office.do("new")
    office.do("write", text="The first sentence. ")
    office.do("save_as", path=str(letter))
    time.sleep(STILL)
    office.do("write", text="The second sentence.")
    office.do("save")
    office.do("close")
    nothing_more(drive, task)
    sent = new_files(service, task)
    assert set(sent) == {"letter.docx"}
    assert len(ledger.posts()) == 1
    with zipfile.ZipFile(letter) as document:
        text = document.read("word/document.xml").decode()
    assert "The first sentence." in text
    assert "The second sentence." in text


def test_libreoffice_looks_at_an_attachment_and_leaves_nothing(
    drive: Mount, service: Process, task: Path, office: Office
) -> None:
    office.do("new")
    office.do("write", text="Once and for all.")
    office.do("save_as", path=str(task / "contract.docx"))
    office.do("close")
    drive.settled()
    ledger = Ledger(service)
    office.do("open", path=str(task / "contract.docx"))
    time.sleep(STILL)
    office.do("close")
    nothing_more(drive, task)
    assert set(new_files(service, task)) == {"contract.docx"}
    assert ledger.posts() == []


def test_gimp_exports_a_picture(drive: Mount, service: Process, task: Path, tmp_path: Path) -> None:
    require("gimp")
    ledger = Ledger(service)
    target = task / "drawing.png"
    script = (
        "(let* ((image (car (gimp-image-new 64 48 RGB)))"
        ' (layer (car (gimp-layer-new image 64 48 RGB-IMAGE "ground" 100 LAYER-MODE-NORMAL))))'
        " (gimp-image-insert-layer image layer 0 0) (gimp-drawable-fill layer FILL-WHITE)"
        f' (file-png-save RUN-NONINTERACTIVE image layer "{target}" "{target}" 0 9 0 0 0 0 0))'
    )
    run("gimp", "-i", "-d", "-f", "-s", "-b", script, "-b", "(gimp-quit 0)", env={"HOME": str(tmp_path)})
    nothing_more(drive, task)
    sent = new_files(service, task)
    assert set(sent) == {"drawing.png"}
    assert target.read_bytes().startswith(b"\x89PNG")
    assert sent["drawing.png"]["size"] == target.stat().st_size
    assert len(ledger.posts()) == 1
