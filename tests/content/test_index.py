"""The index on disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from wsfs.content.index import Index, Row

ROWS = [
    Row(1, "1.a", 10, ((0, 10),), used=3),
    Row(2, "2.b", 10, ((0, 3), (5, 7)), used=1, pinned=True),
    Row(3, "3.c", 10, (), used=2),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


def reopen(path: Path) -> list[Row]:
    index = Index(path)
    rows = index.open()
    index.close()
    return rows


def test_keeps_rows_in_the_order_of_their_use(path: Path) -> None:
    index = Index(path)
    assert index.open() == []
    index.apply(present=ROWS)
    index.close()
    assert reopen(path) == [ROWS[1], ROWS[2], ROWS[0]]


def test_a_use_moves_a_row(path: Path) -> None:
    index = Index(path)
    index.open()
    index.apply(present=ROWS)
    index.apply(used=[(2, "2.b", 9, False)])
    index.close()
    rows = reopen(path)
    assert [row.file_id for row in rows] == [3, 1, 2]
    assert not rows[-1].pinned


def test_gone_takes_only_the_named_file(path: Path) -> None:
    index = Index(path)
    index.open()
    index.apply(present=ROWS)
    index.apply(gone=[(1, "1.other"), (2, "2.b")])
    index.close()
    assert {row.file_id for row in reopen(path)} == {1, 3}


def test_a_new_file_replaces_the_row_of_the_old_one(path: Path) -> None:
    index = Index(path)
    index.open()
    index.apply(present=ROWS)
    index.apply(gone=[(1, "1.a")], present=[Row(1, "1.z", 10, ((0, 2),), used=4)])
    index.close()
    assert [row.name for row in reopen(path)] == ["2.b", "3.c", "1.z"]


def test_a_failed_transaction_changes_nothing(path: Path) -> None:
    index = Index(path)
    index.open()
    index.apply(present=ROWS)
    bad = Row(9, None, 1, ((0, 1),), used=9)  # type: ignore[arg-type]  # the schema refuses it
    with pytest.raises(sqlite3.IntegrityError):
        index.apply(gone=[(1, "1.a")], present=[bad])
    index.apply(used=[(3, "3.c", 8, False)])
    index.close()
    assert {row.file_id for row in reopen(path)} == {1, 2, 3}


def test_a_damaged_one_is_made_anew(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b"this is no database" * 100)
    assert reopen(path) == []
    assert "damaged" in caplog.text
    caplog.clear()
    assert reopen(path) == []
    assert not caplog.records


def test_one_of_another_version_is_made_anew(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reopen(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert reopen(path) == []
    assert "version" in caplog.text
    caplog.clear()
