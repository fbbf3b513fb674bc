"""`scripts/bench uploads` at a small scale and without its peer: the tables come out, and everything arrives."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.content_systems import MIB
from tests.benchmarks.uploads import Run, huge
from tests.benchmarks.uploads_huge import rows_of
from tests.benchmarks.uploads_report import conclusions, figures_table


def test_a_round_fills_the_table_and_everything_arrives(tmp_path: Path) -> None:
    run = Run(tmp_path, small=12, large=2 * MIB, peers=False, paced=False)
    run.rounds(1)
    text = figures_table(run.figures)
    assert "| small files: `cp` returns |" in text
    assert "| … it is uploaded, by itself |" in text
    for system in ("plain", "floor", "wsfs"):
        assert len(run.figures["small copied"][system]) == 1
    limits = conclusions(run.figures).text
    assert "≤ 1.2 × pyfuse3 floor" in limits
    assert "| not measured |" in limits
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large", "small"]


def test_memory_stays_flat_and_the_drive_answers_while_a_large_file_is_sent(tmp_path: Path) -> None:
    size = 600 * MIB
    seen = huge(tmp_path, size)
    assert seen.grown < 64 * MIB, seen
    assert seen.service_most - seen.service_before < 64 * MIB, seen
    assert seen.progress == sorted(seen.progress)
    assert len({0, size, *seen.progress}) > 2, seen.progress
    assert seen.stats and seen.reads
    assert "memory of the mount, more than before" in [row[0] for row in rows_of(seen)]


def test_a_limit_that_is_passed_is_said() -> None:
    figures = {"small copied": {"wsfs": [1.0, 1.1, 9.0], "floor": [1.0, 1.0, 1.0], "rclone": [2.0, 2.0, 2.0]}}
    assert conclusions(figures).kept
    figures["small copied"]["wsfs"] = [1.3, 1.3, 1.3]
    limits = conclusions(figures)
    assert not limits.kept
    assert "| 1.30 × | **no** |" in limits.text
