"""The catalog's measures at a small scale: that they run, and what they count. Times are for scripts/bench."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.catalog import cut
from tests.benchmarks.catalog_measures import Row, changes_of_a_colleague, person_beside_a_crawl, start
from tests.benchmarks.idle_mounts import idle_mounts


def passed(rows: list[Row]) -> list[Row]:
    """The rows whose limit is passed, but for those about time."""
    return [row for row in rows if not row.kept and not row.timed]


def test_a_known_account_is_mounted_without_a_request(tmp_path: Path) -> None:
    rows = list(start(tmp_path, 1, projects=2, tasks=5, files=2))
    assert passed(rows) == []
    assert rows[-1].measured == "0"


def test_a_person_goes_before_the_crawl_and_a_thumbnailer(tmp_path: Path) -> None:
    rows = list(person_beside_a_crawl(tmp_path, 2, rate=4.0, tasks=12))
    assert len(rows) == 4
    assert passed(rows) == []


def test_a_colleague_s_changes_show(tmp_path: Path) -> None:
    assert len(list(changes_of_a_colleague(tmp_path, 1, poll=1.0))) == 2


def test_a_cut_network_and_its_return(tmp_path: Path) -> None:
    rows = list(cut(tmp_path, 1, projects=2, tasks=5, deadline=2.0))
    failures = [row.measured for row in rows if "an uncached read fails" in row.what]
    assert len(failures) == 2
    assert all("Connection timed out" in measured for measured in failures)


def test_idle_mounts_leave_the_account_to_others(tmp_path: Path) -> None:
    rows = list(idle_mounts(tmp_path, 1, mounts=3, seconds=3.0, rate=20.0))
    assert passed(rows) == []
