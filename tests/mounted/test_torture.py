"""Fifty rounds of `scripts/torture uploads`: nothing is lost, and nothing doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsfs.emulator.testing import running_process

from .torture import Torture

ROUNDS = 50
SEED = 1


@pytest.mark.promise("Once closing a file has succeeded, it outlives a crash of wsfs.")
@pytest.mark.promise(
    "An upload whose answer was lost is looked for before it is sent again, so that it is there once."
)
def test_kills_and_faults_lose_and_double_nothing(tmp_path: Path) -> None:
    with running_process("--scale", "2,3,1") as service:
        report = Torture(service, tmp_path, SEED).run(ROUNDS)
    print(report)
    assert not report.wrong, f"{report}\n" + "\n".join(report.wrong)
    assert report.rounds == ROUNDS
    assert report.kills > ROUNDS / 3
    assert report.promised > 5 * ROUNDS
    assert report.faults.total() > ROUNDS / 2
