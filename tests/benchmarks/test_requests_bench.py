"""The table of requests, measured at a small scale: counts, not time."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.report import table, write_part
from tests.benchmarks.requests import Size, measure


def test_no_row_of_the_table_of_requests_is_over_its_limit() -> None:
    rows = measure(Size(projects=3, tasks=10, commented=0.2), large_tasks=10_010, idle_seconds=4.0)
    assert [row for row in rows if not row.kept] == []
    assert {row.what: row.requests for row in rows}["know the whole tree"] == 2
    assert len(rows) == 15


def test_a_part_of_the_page_is_replaced_where_it_stands(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    write_part("one", table(("a", "b"), [(1, 2)]), page)
    write_part("two", "second", page)
    write_part("one", "first, again", page)
    text = page.read_text()
    assert text.index("first, again") < text.index("second")
    assert "| 1 | 2 |" not in text
