"""The journal: group commit, order, faults, and reading back."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
import trio

from tests.conftest import ExpectedWarnings
from wsfs.uploads import journal as rows
from wsfs.uploads.errors import NoSpace, SpoolBroken, UploadError
from wsfs.uploads.journal import Journal
from wsfs.uploads.nodes import NODE_COLUMNS, BatchRecord, Spooled
from wsfs.uploads.states import State


def node(inode: int, name: str = "a") -> Spooled:
    return Spooled(
        inode=inode,
        parent=1,
        name=name,
        is_dir=False,
        state=State.SETTLING,
        mode=0o644,
        uid=1,
        gid=2,
        atime_ns=3,
        mtime_ns=4,
        ctime_ns=5,
        size=6,
        error="why",
        remote_id=7,
        content=str(inode),
        content_stamp=8,
        closed=True,
        uncertain=True,
        shadow=True,
        released=True,
        batch=9,
        created_at=10.5,
        changed_at=11.5,
    )


async def read(path: Path) -> rows.Stored:
    journal = Journal(path)
    stored = await journal.open()
    await journal.close()
    return stored


async def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    assert (await journal.open()).nodes == []
    batch = BatchRecord(3, "task", 10, 20, 2**48, True, frozenset({5, 4}), 6)
    await journal.commit(
        rows.put_node(node(2**48, "Звіт")),
        rows.put_batch(batch),
        rows.put_recent(1, "a", 100.0),
        rows.put_recent(1, "b", 200.0),
        rows.delete_recent(150.0),
        rows.put_meta("next_inode", 77),
    )
    await journal.close()
    stored = await read(tmp_path / "journal")
    [found] = stored.nodes
    expected = node(2**48, "Звіт")
    assert [getattr(found, name) for name in NODE_COLUMNS] == [
        getattr(expected, name) for name in NODE_COLUMNS
    ]
    assert found.state is State.SETTLING
    assert stored.batches == [batch]
    assert stored.recent == {(1, "b"): 200.0}
    assert stored.meta == {"next_inode": 77}


async def test_many_writers_share_a_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []
    write_group = Journal._write_group

    def counting(self: Journal, database: sqlite3.Connection, group: list[rows._Order]) -> None:
        groups.append(len(group))
        write_group(self, database, group)

    monkeypatch.setattr(Journal, "_write_group", counting)
    journal = Journal(tmp_path / "journal")
    await journal.open()
    async with trio.open_nursery() as nursery:
        for number in range(64):
            nursery.start_soon(journal.commit, rows.put_node(node(number)))
    await journal.close()
    assert sum(groups) == 64
    assert len(groups) < 32
    assert len((await read(tmp_path / "journal")).nodes) == 64


async def test_what_is_posted_is_on_disk_before_what_is_committed_later(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    await journal.open()
    journal.post(rows.put_node(node(1)))
    journal.post(rows.put_node(node(2)))
    await journal.commit(rows.delete_node(1))
    with sqlite3.connect(tmp_path / "journal") as other:
        assert other.execute("select inode from nodes").fetchall() == [(2,)]
    other.close()
    assert journal.idle
    await journal.close()


async def test_one_orders_fault_fails_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    await journal.open()
    failed: list[Exception] = []

    async def faulty() -> None:
        try:
            await journal.commit(rows.put_node(node(1)), rows.put_node(node(2**70)))
        except SpoolBroken as error:
            failed.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.commit, rows.put_node(node(2)))
        nursery.start_soon(faulty)
        nursery.start_soon(journal.commit, rows.put_node(node(3)))
    await journal.close()
    assert len(failed) == 1
    assert [found.inode for found in (await read(tmp_path / "journal")).nodes] == [2, 3]


async def test_a_posted_fault_is_logged(tmp_path: Path, expected_warnings: ExpectedWarnings) -> None:
    expected_warnings.expect("The upload journal could not be written")
    journal = Journal(tmp_path / "journal")
    await journal.open()
    journal.post(rows.put_node(node(1, "\udcff")))
    await journal.close()
    assert (await read(tmp_path / "journal")).nodes == []


async def test_a_full_disk_is_no_space(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    await journal.open()
    await journal.commit(("pragma max_page_count = 20", ()))
    with pytest.raises(NoSpace):
        for number in range(1000):
            await journal.commit(rows.put_node(node(number, "n" * 200)))
    await journal.commit(rows.delete_node(0))
    await journal.close()


async def test_a_cancelled_commit_is_written_all_the_same(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    await journal.open()
    with trio.CancelScope() as scope:
        scope.cancel()
        await journal.commit(rows.put_node(node(1)))
    await journal.close()
    assert len((await read(tmp_path / "journal")).nodes) == 1


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"this is no database, but some other file of a certain length" * 100)
    with pytest.raises(SpoolBroken):
        await Journal(tmp_path / "journal").open()


async def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    await journal.open()
    await journal.close()
    await journal.close()
    with pytest.raises(SpoolBroken):
        await journal.commit(rows.delete_node(1))


async def test_what_nobody_waits_for_is_written_with_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    transact = rows._transact

    def counted(database: sqlite3.Connection, operations: list[rows.Operation]) -> UploadError | None:
        written.append(len(operations))
        return transact(database, operations)

    monkeypatch.setattr(rows, "_transact", counted)
    journal = Journal(tmp_path / "journal")
    await journal.open()
    journal.join(rows.put_node(node(1)))
    journal.join(rows.put_node(node(2)))
    await journal.commit(rows.put_node(node(3)))
    assert written == [3]
    journal.join(rows.put_node(node(4)))
    await journal.settled()
    assert written == [3, 1]
    journal.join(rows.put_node(node(5)))
    await journal.close()
    assert written == [3, 1, 1]
    assert [found.inode for found in (await read(tmp_path / "journal")).nodes] == [1, 2, 3, 4, 5]


async def test_what_nothing_follows_is_written_in_a_moment(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    await journal.open()
    journal.join(rows.put_node(node(1)))
    due = journal.expire(trio.current_time())
    assert due is not None
    assert trio.current_time() < due <= trio.current_time() + rows.LINGER
    assert journal.expire(due) is None
    with trio.fail_after(10):
        while not journal.idle:  # noqa: ASYNC110 - threads tell no trio event
            await trio.sleep(0.01)
    with contextlib.closing(sqlite3.connect(tmp_path / "journal")) as other:
        assert other.execute("select inode from nodes").fetchall() == [(1,)]
    await journal.close()


async def test_a_small_content_is_read_back_while_others_are_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    await journal.open()
    await journal.commit(rows.put_content("7", b"one"), rows.put_content("7.9", b"other"))
    assert journal.read_content("7") == b"one"
    await journal.commit(
        rows.put_content("7", b"two"), rows.copy_content("7", "7.8"), rows.delete_content("7.9")
    )
    assert journal.read_content("7") == b"two"
    assert await trio.to_thread.run_sync(journal.read_content, "7.8") == b"two"
    with pytest.raises(SpoolBroken):
        journal.read_content("7.9")
    await journal.close()
    assert (await read(tmp_path / "journal")).contents == {"7": 3, "7.8": 3}
