"""`scripts/bench content` at a small scale and without its peers: the tables and the plot come out."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.benchmarks import content_measures
from tests.benchmarks.content import Run
from tests.benchmarks.content_bounds import seek, small_cache
from tests.benchmarks.content_report import conclusions, figures_table, plot, speed_ratio
from tests.benchmarks.content_systems import MIB, Files


def test_a_round_fills_the_tables_and_the_plot(tmp_path: Path) -> None:
    files = Files(large=4 * MIB, small=20, listed=50, stalled=(2, 4))
    run = Run(files, tmp_path, peers=False)
    run.rounds(1)
    text = figures_table(run.figures)
    assert "| large file, first read |" in text
    assert "| small files, again |" in text
    limits = conclusions(run.figures).text
    assert "0.7 × httpx alone" in limits
    assert "| not measured |" in limits
    for count in (2, 4):
        assert len(run.figures[f"stat, {count} stalled"]["wsfs"]) == 1
    plot(run.figures, tmp_path / "plot.svg")
    assert len(ElementTree.parse(tmp_path / "plot.svg").getroot()) > 20
    left = [path.name for path in tmp_path.iterdir()]
    assert sorted(left) == ["plot.svg", "source"]


def test_ratios_are_of_speeds_and_medians_of_rounds() -> None:
    figures = {
        "cold": {"wsfs": [2.0, 4.0, 3.0], "httpx": [1.0, 2.0, 3.0]},
        "random 4k": {"wsfs": [300.0], "plain": [100.0]},
    }
    assert speed_ratio(figures, "cold", "wsfs", "httpx") == 0.5
    assert speed_ratio(figures, "random 4k", "wsfs", "plain") == 3
    assert speed_ratio(figures, "warm", "wsfs", "plain") is None


def test_a_limit_that_is_passed_is_said() -> None:
    good = {"read, 120 stalled": {"wsfs": [0.001]}, "cold": {"wsfs": [1.0], "httpx": [0.8]}}
    assert conclusions(good).kept
    bad = {"read, 120 stalled": {"wsfs": [0.001]}, "cold": {"wsfs": [1.0], "httpx": [0.5]}}
    assert not conclusions(bad).kept
    assert "| 0.50 × | **no** |" in conclusions(bad).text


def test_a_seek_in_a_slow_film_is_measured(tmp_path: Path) -> None:
    (row,) = seek(tmp_path, 1, size=64 * MIB, rates=(0.0,))
    assert float(row.measured.split()[0]) < 64 * MIB / 2_000_000


def test_a_small_cache_stays_within_its_limit(tmp_path: Path) -> None:
    groups = ((60, 1_000), (40, 100_000))
    used, wrong = small_cache(tmp_path, 1, groups=groups, limit=3_000_000, pause=0.01)
    assert used.kept, used
    assert wrong.kept, wrong


def test_memory_is_touched_but_half_of_it_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_measures, "MOST_OF_MEMORY", 1e-6)
    assert content_measures.touch_memory(4096) == 4096
    assert 4096 < content_measures.touch_memory(1 << 60) < MIB
