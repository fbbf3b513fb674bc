"""The disk cache by itself: limit, order, restarts, locks, damage."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
import trio

from wsfs.content.cache import Cache
from wsfs.content.entry import Entry, charge_for
from wsfs.content.errors import CacheBusy, CacheUnusable, WrongSize

from .fakes import content

KIB = 1024
LIMIT = 2 << 20


def disk_usage(directory: Path) -> int:
    """What `du` says. A worker thread may be about to unlink some of it."""
    total = 0
    for path in [directory, *directory.rglob("*")]:
        with contextlib.suppress(FileNotFoundError):
            total += path.lstat().st_blocks * 512
    return total


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def open_cache(path: Path, limit: int = LIMIT, floor: int = 0) -> Cache:
    return Cache(path / "cache", limit, floor=floor)


async def put(cache: Cache, file_id: int, size: int) -> Entry:
    """Have a whole attachment in the cache, not held."""
    entry = await cache.create(file_id, size)
    assert entry is not None
    cache.write(entry, 0, content(file_id, 0, size))
    cache.settle(entry)
    cache.release(entry)
    return entry


def ids(cache: Cache, among: range) -> set[int]:
    return {file_id for file_id in among if file_id in cache._entries}


class TestRestart:
    async def test_what_was_recorded_is_there_again(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            await put(cache, 1, 100 * KIB)
        async with open_cache(tmp_path) as cache:
            entry = cache.find(1, 100 * KIB)
            assert entry is not None and entry.complete
            assert cache.read(entry, 1000, 5000) == content(1, 1000, 6000)

    async def test_parts_are_there_again(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            entry = await cache.create(1, 100 * KIB)
            assert entry is not None
            cache.write(entry, 10, content(1, 10, 500))
            cache.write(entry, 9000, content(1, 9000, 9100))
            cache.settle(entry)
            cache.release(entry)
        async with open_cache(tmp_path) as cache:
            found = cache.find(1, 100 * KIB)
            assert found is not None
            assert list(found.present) == [(10, 500), (9000, 9100)]

    async def test_the_order_of_use_is_kept(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            entries = [await put(cache, file_id, 100 * KIB) for file_id in range(10)]
            cache.hold(entries[0])
            cache.release(entries[0])
        async with open_cache(tmp_path) as cache:
            await put(cache, 99, 1200 * KIB)
            left = ids(cache, range(10))
            assert 0 in left and 9 in left and 1 not in left and 2 not in left

    async def test_a_lowered_limit_keeps_what_was_used_last(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            for file_id in range(10):
                await put(cache, file_id, 100 * KIB)
        async with open_cache(tmp_path, limit=600 * KIB) as cache:
            left = ids(cache, range(10))
            assert 9 in left and 0 not in left
            assert disk_usage(tmp_path / "cache") <= 600 * KIB

    async def test_files_that_no_row_names_are_removed(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            await put(cache, 1, 100)
        stray = tmp_path / "cache" / "files" / "7.stray"
        stray.write_bytes(b"x" * 10000)
        async with open_cache(tmp_path) as cache:
            assert not stray.exists()
            assert ids(cache, range(10)) == {1}

    async def test_rows_without_a_whole_file_are_dropped(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            names = [(await put(cache, file_id, 10000)).name for file_id in range(3)]
        (tmp_path / "cache" / "files" / names[0]).unlink()
        os.truncate(tmp_path / "cache" / "files" / names[1], 5000)
        async with open_cache(tmp_path) as cache:
            assert ids(cache, range(3)) == {2}
            assert len(list((tmp_path / "cache" / "files").iterdir())) == 1

    async def test_a_damaged_index_costs_the_content_and_nothing_else(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with open_cache(tmp_path) as cache:
            await put(cache, 1, 10000)
        (tmp_path / "cache" / "index.sqlite").write_bytes(b"garbage" * 1000)
        async with open_cache(tmp_path) as cache:
            assert cache.find(1, 10000) is None
            assert list((tmp_path / "cache" / "files").iterdir()) == []
        assert "damaged" in caplog.text
        caplog.clear()


class TestRecording:
    async def test_bytes_are_synced_before_they_are_recorded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps: list[str] = []
        async with open_cache(tmp_path) as cache:
            sync, apply = cache._disk.sync, cache._disk.index.apply

            def noted_sync(name: str) -> None:
                sync(name)
                steps.append("synced")

            def noted_apply(**what: Any) -> None:
                steps.append("apply")
                apply(**what)

            monkeypatch.setattr(cache._disk, "sync", noted_sync)
            monkeypatch.setattr(cache._disk.index, "apply", noted_apply)
            await put(cache, 1, 10000)
            await cache.record()
        assert steps[:2] == ["synced", "apply"]

    async def test_what_comes_while_syncing_is_not_recorded_with_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recorded: list[tuple[tuple[int, int], ...]] = []
        async with open_cache(tmp_path) as cache:
            entry = await cache.create(1, 10000)
            assert entry is not None
            cache.write(entry, 0, content(1, 0, 4000))
            cache._recorder.note_present(entry)
            sync, apply = cache._disk.sync, cache._disk.index.apply

            def slow(name: str) -> None:
                sync(name)
                trio.from_thread.run_sync(cache.write, entry, 4000, content(1, 4000, 10000))

            def noted_apply(**what: Any) -> None:
                recorded.extend(row.extents for row in what["present"])
                apply(**what)

            monkeypatch.setattr(cache._disk, "sync", slow)
            monkeypatch.setattr(cache._disk.index, "apply", noted_apply)
            await cache._recorder._batch()
            assert recorded == [((0, 4000),)]
            monkeypatch.setattr(cache._disk, "sync", sync)
            cache.settle(entry)
            cache.release(entry)
            await cache.record()
            assert recorded[-1] == ((0, 10000),)

    async def test_a_file_that_cannot_be_synced_is_dropped(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(name: str) -> None:
            raise OSError(5, "Input/output error")

        async with open_cache(tmp_path) as cache:
            await put(cache, 1, 10000)
            monkeypatch.setattr(cache._disk, "sync", fail)
            await cache.record()
            assert cache.find(1, 10000) is None
        assert "can't be kept" in caplog.text
        caplog.clear()

    async def test_an_index_that_cannot_be_written_costs_no_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(**what: Any) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        async with open_cache(tmp_path) as cache:
            entry = await put(cache, 1, 10000)
            monkeypatch.setattr(cache._disk.index, "apply", fail)
            with trio.fail_after(5):
                await cache.record()
            assert cache.read(entry, 0, 10000) == content(1, 0, 10000)
        assert "can't be written" in caplog.text
        caplog.clear()


class TestLimit:
    async def test_the_least_recently_used_goes_first(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            entries = [await put(cache, file_id, 100 * KIB) for file_id in range(10)]
            cache.hold(entries[0])
            cache.release(entries[0])
            while len(ids(cache, range(10))) == 10:
                await put(cache, 100 + len(cache._entries), 100 * KIB)
            assert ids(cache, range(10)) == set(range(10)) - {1}

    async def test_disk_usage_never_passes_the_limit(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            for file_id in range(300):
                await put(cache, file_id, (file_id * 7919) % (60 * KIB) + 1)
                assert disk_usage(tmp_path / "cache") <= LIMIT
                if file_id % 7 == 0:
                    await cache.record()
                    assert disk_usage(tmp_path / "cache") <= LIMIT
            assert cache.status()["files"] > 20
        assert disk_usage(tmp_path / "cache") <= LIMIT

    async def test_room_is_made_before_it_is_promised(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            for file_id in range(12):
                await put(cache, file_id, 100 * KIB)
            entry = await cache.create(50, 1400 * KIB)
            assert entry is not None
            assert disk_usage(tmp_path / "cache") + 1400 * KIB <= LIMIT
            assert cache.status()["used"] <= LIMIT
            cache.settle(entry)
            cache.release(entry)

    async def test_what_is_held_is_never_evicted(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            held = await put(cache, 1, 900 * KIB)
            cache.hold(held)
            for file_id in range(2, 30):
                await put(cache, file_id, 100 * KIB)
            assert cache.read(held, 0, 900 * KIB) == content(1, 0, 900 * KIB)
            assert await cache.create(99, 900 * KIB) is None
            cache.release(held)
            entry = await cache.create(99, 900 * KIB)
            assert entry is not None
            cache.settle(entry)
            cache.release(entry)

    async def test_what_cannot_fit_evicts_nothing(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            for file_id in range(5):
                await put(cache, file_id, 100 * KIB)
            assert await cache.create(99, LIMIT) is None
            assert len(ids(cache, range(5))) == 5

    async def test_pinned_files_stay_over_a_restart(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            cache.pin(await put(cache, 1, 100 * KIB))
        async with open_cache(tmp_path) as cache:
            assert cache.status()["pinned"] == 1
            for file_id in range(2, 40):
                await put(cache, file_id, 100 * KIB)
            entry = cache.find(1, 100 * KIB)
            assert entry is not None
            cache.pin(entry, pinned=False)
            for file_id in range(50, 90):
                await put(cache, file_id, 100 * KIB)
            assert cache.find(1, 100 * KIB) is None

    async def test_a_partial_file_counts_what_it_takes(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            entry = await cache.create(1, 1000 * KIB)
            assert entry is not None
            cache.write(entry, 500 * KIB, content(1, 500 * KIB, 510 * KIB))
            before = cache.used
            cache.settle(entry)
            assert cache.used < before - 900 * KIB
            assert await cache.refill(entry)
            assert cache.used == before
            cache.settle(entry)
            cache.release(entry)

    async def test_the_floor_of_free_space_is_kept(self, tmp_path: Path) -> None:
        capacity = 1000 * KIB

        def free_space(directory: Path) -> int:
            return capacity - disk_usage(directory / "files")

        async with Cache(tmp_path / "cache", LIMIT, floor=500 * KIB, free_space=free_space) as cache:
            entry = await put(cache, 1, 200 * KIB)
            assert await cache.create(2, 600 * KIB) is None
            assert cache.find(1, 200 * KIB) is entry
            again = await cache.create(3, 400 * KIB)  # the first one goes for it
            assert again is not None
            assert cache.find(1, 200 * KIB) is None
            cache.release(again)

    async def test_clear_leaves_what_is_held_or_pinned(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            entries = [await put(cache, file_id, 100 * KIB) for file_id in range(4)]
            cache.hold(entries[0])
            cache.pin(entries[1])
            assert await cache.clear() == 2 * charge_for(100 * KIB)
            assert ids(cache, range(4)) == {0, 1}
            assert len(list((tmp_path / "cache" / "files").iterdir())) == 2
            cache.release(entries[0])


class TestSharing:
    async def test_a_second_cache_in_the_directory_is_refused(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path):
            with pytest.raises(CacheBusy, match=rf"in use by another wsfs \(process {os.getpid()}\)"):
                await open_cache(tmp_path).start()
        async with open_cache(tmp_path):
            pass

    async def test_modes_keep_others_out(self, tmp_path: Path) -> None:
        (tmp_path / "cache").mkdir(mode=0o755)
        async with open_cache(tmp_path) as cache:
            await put(cache, 1, 100)
            await cache.record()
            for path in [tmp_path / "cache", *(tmp_path / "cache").rglob("*")]:
                mode = stat.S_IMODE(path.stat().st_mode)
                assert mode == (0o700 if path.is_dir() else 0o600), path

    async def test_a_directory_that_cannot_be_made_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "cache").write_bytes(b"a file")
        with pytest.raises(CacheUnusable, match="can't be used"):
            await open_cache(tmp_path).start()


class TestDamage:
    async def test_a_file_that_was_deleted_is_fetched_anew(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with open_cache(tmp_path) as cache:
            await put(cache, 1, 10000)
        async with open_cache(tmp_path) as cache:
            entry = cache.find(1, 10000)
            assert entry is not None
            cache._disk.path(entry.name).unlink()
            assert cache.read(entry, 0, 100) is None
            assert cache.find(1, 10000) is None
        assert "fetched anew" in caplog.text
        caplog.clear()

    async def test_a_file_that_was_cut_is_fetched_anew(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with open_cache(tmp_path) as cache:
            entry = await put(cache, 1, 10000)
            os.truncate(cache._disk.path(entry.name), 50)
            assert cache.read(entry, 0, 100) is None
        assert "shorter" in caplog.text
        caplog.clear()

    async def test_another_size_is_another_file(self, tmp_path: Path) -> None:
        async with open_cache(tmp_path) as cache:
            await put(cache, 1, 10000)
            assert cache.find(1, 9999) is None
            assert cache.find(1, 10000) is None


class TestAdopting:
    async def test_the_bytes_move_in(self, tmp_path: Path) -> None:
        source = tmp_path / "spooled"
        source.write_bytes(content(5, 0, 50000))
        source.chmod(0o644)
        async with open_cache(tmp_path) as cache:
            assert await cache.adopt(5, 50000, source)
            assert not source.exists()
        async with open_cache(tmp_path) as cache:
            entry = cache.find(5, 50000)
            assert entry is not None and entry.complete
            assert cache.read(entry, 0, 50000) == content(5, 0, 50000)
            assert stat.S_IMODE(cache._disk.path(entry.name).stat().st_mode) == 0o600

    async def test_from_another_file_system(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(self: Path, target: Path) -> Path:
            raise OSError(18, "Invalid cross-device link")

        source = tmp_path / "spooled"
        source.write_bytes(content(5, 0, 50000))
        async with open_cache(tmp_path) as cache:
            monkeypatch.setattr(Path, "replace", refuse)
            assert await cache.adopt(5, 50000, source)
            entry = cache.find(5, 50000)
            assert entry is not None
            assert cache.read(entry, 0, 50000) == content(5, 0, 50000)
            assert not source.exists()

    async def test_what_is_too_large_is_dropped(self, tmp_path: Path) -> None:
        source = tmp_path / "spooled"
        source.write_bytes(b"x" * LIMIT)
        async with open_cache(tmp_path) as cache:
            assert not await cache.adopt(5, LIMIT, source)
            assert not source.exists()
            assert cache.find(5, LIMIT) is None

    async def test_the_wrong_size_is_refused_and_the_file_left(self, tmp_path: Path) -> None:
        source = tmp_path / "spooled"
        source.write_bytes(b"x" * 100)
        async with open_cache(tmp_path) as cache:
            with pytest.raises(WrongSize):
                await cache.adopt(5, 101, source)
            assert source.read_bytes() == b"x" * 100

    async def test_a_second_time_changes_nothing(self, tmp_path: Path) -> None:
        source = tmp_path / "spooled"
        source.write_bytes(content(5, 0, 100))
        async with open_cache(tmp_path) as cache:
            assert await cache.adopt(5, 100, source)
            assert await cache.adopt(5, 100, source)
            source.write_bytes(b"y" * 100)
            assert await cache.adopt(5, 100, source)
            entry = cache.find(5, 100)
            assert entry is not None
            assert cache.read(entry, 0, 100) == content(5, 0, 100)
            assert not source.exists()

    async def test_a_failed_move_leaves_the_file_and_no_entry(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = tmp_path / "spooled"
        source.write_bytes(b"x" * 100)

        def fail(source: Path, name: str) -> None:
            raise OSError(28, "No space left on device")

        async with open_cache(tmp_path) as cache:
            monkeypatch.setattr(cache._disk, "move_in", fail)
            with pytest.raises(OSError, match="No space"):
                await cache.adopt(5, 100, source)
            assert source.exists()
            assert cache.find(5, 100) is None
            assert cache.used == cache._recorder.doomed_charge


async def test_open_descriptors_are_few(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 32 << 20, floor=0, descriptors=4)
    before = open_descriptors()
    async with cache:
        entries = [await put(cache, file_id, 5000) for file_id in range(50)]
        for entry in entries:
            assert cache.read(entry, 100, 200) == content(entry.file_id, 100, 300)
        await cache.record()
        assert open_descriptors() <= before + 4 + 4  # the lock, the index and its log
    assert open_descriptors() <= before + 1  # a worker thread's, perhaps
