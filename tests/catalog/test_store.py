"""The store: what survives, what damage costs, and what a full disk does."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing

from tests.catalog.model import ANNA, World
from tests.conftest import ExpectedWarnings
from wsfs.api.models import File, Project, Ref, Task, User
from wsfs.api.pacing import Lane
from wsfs.catalog.catalog import Catalog
from wsfs.catalog.keepsakes import Alias
from wsfs.catalog.records import COMPLETE
from wsfs.catalog.store import LOSSY, Store

DAY = datetime(2024, 3, 5, 10, 30)


def project(number: int = 1) -> Project:
    return Project(
        id=number, name="Проєкт", page=f"/project/{number}/", status="active", company="Folder",
        date_added=DAY, user_from=ANNA, user_to=User(id=8, name="Bo"),
    )  # fmt: skip


def task(number: int, *, files: int = 0, child: list[Task] | None = None, name: str = "Task") -> Task:
    return Task(
        id=number,
        name=name,
        page=f"/project/1/{number}/",
        status="active",
        project=Ref(id=1),
        date_added=DAY,
        user_from=ANNA,
        files=[File(id=number * 100 + n, name=f"{n}.pdf", size=n) for n in range(files)],
        has_comments=False,
        comments=[],
        child=child or [],
    )


async def opened(path: Path) -> Store:
    store = Store(path)
    await store.open()
    return store


async def with_a_project(path: Path) -> Store:
    store = await opened(path)
    store.put_projects([project()])
    store.put_project_state(1, 2, COMPLETE, 5.0)
    await store.merge_tasks(1, [task(2, files=2, child=[task(3)]), task(4)], whole=True, first=True)
    return store


def damage(path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    content = bytearray(path.read_bytes())
    content[1000:] = b"\xff" * (len(content) - 1000)
    path.write_bytes(content)


async def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "account" / "catalog.db"
    store = await with_a_project(path)
    store.put_files(
        ("project", 1), [File(id=9, name="a", size=1, page="/download/9/", date_added=DAY, user_from=ANNA)]
    )
    store.put_state("polled_at", 12.5)
    await store.close()
    await store.close()

    store = await opened(path)
    (stored,), state = await store.load_projects()
    assert stored.project == project()
    assert (stored.tasks_known, stored.flags, stored.read_at) == (2, COMPLETE, 5.0)
    assert stored.files == [File(id=9, name="a", size=1, page="/download/9/", date_added=DAY, user_from=ANNA)]
    assert state["polled_at"] == 12.5
    (merged,) = await store.load_tasks([1])
    assert merged.tasks is not None
    top = {t.id: t for t in merged.tasks}
    assert set(top) == {2, 4}
    assert [child.id for child in top[2].child] == [3]
    assert top[4].name == "Task" and top[4].page == "/project/1/4/" and top[4].user_from == ANNA
    assert {owner[1]: len(files) for owner, files, _ in merged.files} == {2: 2, 3: 0, 4: 0}
    await store.close()


async def test_equal_people_are_one_object(tmp_path: Path) -> None:
    store = await with_a_project(tmp_path / "catalog.db")
    await store.close()
    store = await opened(tmp_path / "catalog.db")
    (merged,) = await store.load_tasks([1])
    assert merged.tasks is not None
    assert merged.tasks[0].user_from is merged.tasks[1].user_from is not None
    await store.close()


async def test_an_equal_answer_changes_and_tells_nothing(tmp_path: Path) -> None:
    store = await with_a_project(tmp_path / "catalog.db")
    same = [task(2, files=2, child=[task(3)]), task(4)]
    merged = await store.merge_tasks(1, same, whole=True, first=False)
    assert (merged.tasks, merged.files, merged.gone, merged.reread) == (None, [], [], [])
    merged = await store.merge_tasks(1, [task(4, name="New")], whole=True, first=False)
    assert sorted(merged.gone) == [2, 3]
    assert merged.tasks is not None and [t.name for t in merged.tasks] == ["New"]
    await store.close()


async def test_aliases_and_settings_are_on_the_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    store = await opened(path)
    await store.add_alias(3, 77, 2**48 + 5, 1_700_000_000_123_456_789)
    await store.add_alias(2, 78, 2**48 + 6)
    await store.set("drop_task:1", 42)
    await store.set("gone", 1)
    await store.set("gone", None)
    other = await opened(path)  # without closing the first: a killed process closes nothing
    assert other.aliases() == {
        (3, 77): Alias(2**48 + 5, 1_700_000_000_123_456_789),
        (2, 78): Alias(2**48 + 6, None),
    }
    assert other.get("drop_task:1") == 42
    assert other.get("gone", "default") == "default"
    await other.close()
    await store.close()


async def test_a_damaged_catalog_is_begun_anew_and_keepsakes_stay(
    tmp_path: Path, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("is damaged")
    path = tmp_path / "catalog.db"
    store = await with_a_project(path)
    await store.add_alias(3, 77, 2**48 + 5)
    await store.close()
    damage(path)

    store = await opened(path)
    projects, state = await store.load_projects()
    assert (projects, state) == ([], {})
    assert (3, 77) in store.aliases()
    assert (tmp_path / "catalog.db.damaged").exists()
    store.put_projects([project()])
    await store.flush()
    assert len((await store.load_projects())[0]) == 1
    await store.close()


@pytest.mark.parametrize(
    "content", [b"", b"no database at all, but a text" * 100, b"SQLite format 3\0" + b"\0" * 90]
)
async def test_whatever_the_file_holds_the_store_opens(
    tmp_path: Path, expected_warnings: ExpectedWarnings, content: bytes
) -> None:
    expected_warnings.expect("is damaged")
    for name in ("catalog.db", "keepsakes.db"):
        (tmp_path / name).write_bytes(content)
    store = await opened(tmp_path / "catalog.db")
    assert (await store.load_projects())[0] == []
    await store.add_alias(1, 2, 3)
    await store.close()


async def test_damage_found_while_in_use_asks_for_a_full_load(
    tmp_path: Path, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("is damaged")
    path = tmp_path / "catalog.db"
    store = await with_a_project(path)
    rebuilt = []
    store.on_rebuilt = lambda: rebuilt.append(True)
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE files")
    merged = await store.merge_tasks(1, [task(2, files=1)], whole=True, first=False)
    assert merged.tasks is not None and rebuilt == [True]
    await store.close()
    store = await opened(path)
    (merged,) = await store.load_tasks([1])
    assert merged.tasks is not None and merged.tasks[0].user_from == ANNA
    await store.close()


async def test_a_row_that_does_not_decode_is_damage(
    tmp_path: Path, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("is damaged")
    path = tmp_path / "catalog.db"
    await (await with_a_project(path)).close()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE projects SET data = x'00'")
    store = await opened(path)
    assert (await store.load_projects())[0] == []
    await store.close()


async def test_a_newer_schema_is_moved_aside(tmp_path: Path, expected_warnings: ExpectedWarnings) -> None:
    expected_warnings.expect("newer than this wsfs")
    path = tmp_path / "catalog.db"
    await (await with_a_project(path)).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 1000")
    store = await opened(path)
    assert (await store.load_projects())[0] == []
    await store.close()


async def test_what_is_left_of_damaged_keepsakes_is_saved(
    tmp_path: Path, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("is damaged")
    expected_warnings.expect("remembered inodes were saved")
    path = tmp_path / "keepsakes.db"
    store = await opened(tmp_path / "catalog.db")
    assert store._keepsakes is not None
    store._keepsakes._db.executescript(
        "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
        "INSERT INTO aliases SELECT 3, i, 281474976710656 + i, NULL FROM n; COMMIT"
    )
    await store.close()
    content = bytearray(path.read_bytes())
    page = 4096
    content[page * 6 : page * 8] = b"\xff" * (page * 2)
    path.write_bytes(content)
    store = await opened(tmp_path / "catalog.db")
    saved = len(store.aliases())
    assert 100 < saved < 2000
    await store.add_alias(3, 5000, 7)
    await store.close()
    store = await opened(tmp_path / "catalog.db")
    assert len(store.aliases()) == saved + 1
    await store.close()


async def test_where_nothing_can_be_written_the_store_works_in_memory(
    tmp_path: Path, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("can't be opened")
    (tmp_path / "file").write_text("in the way of the directory")
    store = await with_a_project(tmp_path / "file" / "catalog.db")
    assert len((await store.load_projects())[0]) == 1
    await store.add_alias(1, 2, 3)
    await store.close()


class _FullDisk:
    """A connection whose transactions can't be committed."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return self._database.execute(statement, *values)


async def test_a_full_disk_loses_nothing_but_time(
    tmp_path: Path, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("can't be written now")
    path = tmp_path / "catalog.db"
    store = await with_a_project(path)
    database = store._db
    assert database is not None
    store._db = cast(sqlite3.Connection, _FullDisk(database))
    many = [task(n, files=3, name="A long name " * 20) for n in range(10, 200)]
    store.put_state("polled_at", 99)
    merged = await store.merge_tasks(1, many, whole=True, first=False)
    assert merged.tasks is not None and len(merged.tasks) == 190  # what is to be shown is shown
    store._db = database
    await store.close()
    store = await opened(path)
    _, state = await store.load_projects()
    assert state["polled_at"] == 99
    assert state[LOSSY] is True  # so that the next start reads everything
    await store.close()


async def test_a_kill_keeps_a_state_that_once_was(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    store = await with_a_project(path)
    store.put_state("polled_at", 1)
    await store.flush()
    store.put_state("polled_at", 2)  # queued, and never written
    other = await opened(path)
    _, state = await other.load_projects()
    assert state["polled_at"] == 1
    await other.close()
    await store.close()


async def test_the_queue_is_written_behind(tmp_path: Path) -> None:
    store = await with_a_project(tmp_path / "catalog.db")
    written = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.write_behind, 0.01)
        store.put_state("a", 1)
        store._change(lambda db: trio.from_thread.run_sync(written.set))
        with trio.fail_after(5):
            await written.wait()
            await store.flush()  # after the batch
        nursery.cancel_scope.cancel()
    with sqlite3.connect(tmp_path / "catalog.db") as other:
        assert other.execute("SELECT value FROM state WHERE key = 'a'").fetchone() == (b"1",)
    await store.close()


async def test_the_queue_is_written_behind_also_after_other_work_on_the_store(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Else a kill would cost whatever was learnt since, and be asked for again."""
    store = await with_a_project(tmp_path / "catalog.db")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.write_behind)
        for number in range(3):
            await trio.sleep(5)
            await store.load_projects()
            store.put_state("a", number)
            await trio.sleep(5)
            await store._lock.acquire()  # when it is free, what was begun has been written
            store._lock.release()
            with contextlib.closing(sqlite3.connect(tmp_path / "catalog.db")) as other:
                found = other.execute("SELECT value FROM state WHERE key = 'a'").fetchone()
            assert found == (str(number).encode(),)
        nursery.cancel_scope.cancel()
    await store.close()


async def test_a_damaged_catalog_costs_a_full_load_and_no_crash(
    world: World, expected_warnings: ExpectedWarnings, autojump_clock: trio.testing.MockClock
) -> None:
    expected_warnings.expect("is damaged")
    project_id = world.account.add_project()
    task_id = world.account.add_task(project_id, files=1)
    async with world.mounted() as catalog:
        await catalog.need_tasks(project_id, Lane.PERSON)
        with sqlite3.connect(world.path) as other:
            other.execute("DROP TABLE tasks")
        world.account.rename_task(task_id, "Renamed")
        world.forget_requests()
        catalog.looked()
        await trio.sleep(60)
        assert ("get_all_tasks", None) in world.account.requests
        assert world.sink.known[task_id][2] == "Renamed"
        await trio.sleep(200)
        world.forget_requests()
        await catalog.refresh(None)
        assert world.sink.calls == []  # everything is on the disk again, and equal
    async with world.mounted(run=False) as catalog:
        assert world.sink.known[task_id][2] == "Renamed"


class _Counting:
    """A sink that only counts."""

    def __init__(self) -> None:
        self.count = 0

    def projects(self, projects: list[Project]) -> None: ...

    def tasks(self, project_id: int | None, tasks: list[Task]) -> None: ...

    def task(self, project_id: int, task: Task) -> None: ...

    def files(self, owner: object, files: list[File], complete: bool) -> None:
        self.count += len(files)

    def vanished(self, owner: object, *, deleted: bool = False) -> None: ...


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """20,000 tasks with 100,000 files in 50 projects."""
    path = tmp_path_factory.mktemp("large") / "catalog.db"

    async def make() -> None:
        store = await opened(path)
        store.put_projects(project(number) for number in range(1, 51))
        store.put_state("projects_at", 1.0)
        for number in range(1, 51):
            first = number * 1000
            answer = [task(first + n, files=5) for n in range(400)]
            for one in answer:
                one.project, one.page = Ref(id=number), f"/project/{number}/{one.id}/"
            await store.merge_tasks(number, answer, whole=True, first=True)
            store.put_project_state(number, 2, 0, 0.0)
        await store.close()

    trio.run(make)
    yield path


async def test_a_large_account_loads_fast(large: Path) -> None:
    store = await opened(large)
    sink = _Counting()
    catalog = Catalog(World(large.parent).account, store, sink)
    began = time.process_time()
    await catalog.start()
    took = time.process_time() - began
    assert sink.count == 100_000
    assert took < 1.5  # 0.3 s on an idle machine
    await store.close()
