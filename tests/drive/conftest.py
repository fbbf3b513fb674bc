"""An emulated account of one project, and a drive on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.drive.harness import Desk, mounted
from wsfs.emulator.account import Account
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.testing import running


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """`/Office/Report` with `old.txt`, and `/Office/Report/Details`; nothing else."""
    account = Account()
    project = account.add_project("Office")
    report = account.add_task(project, "Report", files=[("old.txt", b"old content")])
    account.add_task(project, "Details", parent=report)
    async with running(account) as emulator:
        yield emulator
    account.close()


@pytest.fixture
async def desk(emulator: Emulator, tmp_path: Path) -> AsyncIterator[Desk]:
    """The drive of that account."""
    async with mounted(emulator, tmp_path) as desk:
        yield desk


@pytest.fixture
def expected(expected_warnings: Any) -> None:
    """Uploads that fail say so in the log."""
    for words in ("Nobody knows whether", "Worksection doesn't take", "An upload has to wait"):
        expected_warnings.expect(words)
