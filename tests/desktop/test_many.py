"""Many files at once, dragged in as a person does."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from tests.mounted.conftest import QUIET, Mounter, retire
from tests.mounted.drives import Ledger, eventually, files_of, node_id
from wsfs.emulator.testing import running_process

from .conftest import require
from .managers import EMPTY, THUNAR, Manager
from .screen import Screen
from .session import Session

FILES, BYTES = 50, 1_000_000


def test_fifty_files_that_are_dragged_in_thunar_are_one_comment(
    session: Session, screen: Screen, home: Path, mounter: Mounter
) -> None:
    require("thunar")
    directory = home / "From the camera"
    directory.mkdir()
    digests = {}
    for number in range(FILES):
        content = hashlib.sha256(b"%d" % number).digest() * (BYTES // 32)
        (directory / f"IMG {number:02}.raw").write_bytes(content)
        digests[f"IMG {number:02}.raw"] = hashlib.sha256(content).hexdigest()
    with running_process("--scale", "1,1,0") as service:
        mount = mounter(
            service, options=f"{QUIET},settle=1", scratch=home.parent / "drive", place=home / "Worksection"
        )
        task = mount.place / "Project 001" / "Task 001-0001"
        manager = Manager(THUNAR, session, screen)
        try:
            window = manager.open(task)
            number = node_id(task)
            ledger = Ledger(service)
            source = manager.open(directory, THUNAR.second)
            screen.keys("ctrl+2")
            first = manager.item("IMG 00.raw", source)
            screen.keys("ctrl+a")
            manager.find(
                lambda one: one.role == "status bar" and f"{FILES} files" in one.words, "all selected"
            )
            x, y, _, height = first.place
            screen.drag((x + 30, y + height // 2), EMPTY)
            eventually(lambda: len(list(task.iterdir())) == FILES, "all are there")
            mount.settled()
            time.sleep(2.5)
            mount.settled()
            assert [one["action"] for one in ledger.posts()] == ["post_comment"]
            sent = files_of(service, number)
            assert {name: file["sha256"] for name, file in sent.items()} == digests
            assert manager.title(window)
        finally:
            manager.quit()
            retire(mount)
