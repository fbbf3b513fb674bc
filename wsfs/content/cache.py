"""The cache of attachments on disk: what is there, what may come in, what has to go.

Theory of operation
    Each attachment has one sparse file and an entry that knows which of its bytes are there. Bytes are
    readable as soon as they are written, and recorded in the index only after an fdatasync: a crash loses
    what wasn't recorded, and never turns a hole into zeros. Room is reserved before a download begins, for as
    long as it may grow.

    An entry is in one of two places: in the LRU index (a cachetools.LRUCache whose getsizeof is the entry's
    charge), from where it may be evicted, or among the held, as long as someone reads it, fills it or has
    pinned it. `used` = charges of both + what is evicted but not yet unlinked; it never passes the limit less
    the overhead.

    All changes of state are synchronous functions of the main task; a worker thread only syncs, unlinks and
    runs SQL on what it was handed. Every await in here may be cancelled: what was not done yet stays noted
    and is done by the next call.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import trio
from cachetools import LRUCache

from wsfs.content.disk import Disk, free_space
from wsfs.content.entry import Entry, charge_for
from wsfs.content.errors import WrongSize
from wsfs.content.recorder import Recorder

logger = logging.getLogger(__name__)

MIB = 1 << 20


class Cache:
    """The disk cache in `directory`: never more than `limit` bytes, never less than `floor` bytes left free.

    One task opens it (`async with`, or `start` and `close`); all other calls come from the same trio thread.
    It starts no tasks of its own: while `wants_record`, someone has to await `record`. `descriptors` files at
    most are kept open.
    """

    def __init__(
        self,
        directory: Path,
        limit: int,
        *,
        floor: int = 256 * MIB,
        descriptors: int = 256,
        free_space: Callable[[Path], int] = free_space,
        step: int = 1024 * MIB,
        pause: float = 2.0,
    ) -> None:
        self.directory = directory
        self.limit = limit
        self.floor = floor
        self.hits = 0
        self.misses = 0
        self._disk = Disk(directory)
        self._free_space = free_space
        # Bytes and seconds after which what came is recorded though more is to come: a crash costs so much. Each
        # record is a sync; one every 16 MiB took a twelfth of the speed of a download at 700 MB/s (measured).
        self._step = step
        self._pause = pause
        self._slack = min(256 * 1024, limit // 4)  # the index may grow by this between two looks
        self._entries: dict[int, Entry] = {}
        self._idle: LRUCache[int, Entry] = LRUCache(sys.maxsize, getsizeof=_charge)
        self._held: dict[int, Entry] = {}
        self._held_charge = 0
        self._recorder = Recorder(self._disk, self.discard)
        self._descriptors: LRUCache[str, Entry] = _Descriptors(descriptors)
        self._serial = 0
        self._making_room = trio.Lock()
        self._limiter = trio.CapacityLimiter(2)

    # ------------------------------------------------------------------ opening and closing

    async def start(self) -> None:
        """Lock and load. Raises CacheBusy (another process has it) or CacheUnusable."""
        rows = await trio.to_thread.run_sync(self._disk.open)
        over = []
        budget = self._budget
        # What is pinned first, then the last used: where the limit was lowered, the others go.
        for row in sorted(rows, key=lambda row: (not row.pinned, -row.used)):
            entry = Entry.from_row(row)
            self._serial = max(self._serial, row.used)
            if not entry.pinned and self.used + entry.charge > budget:
                over.append(entry)
            else:
                self._entries[row.file_id] = entry
                self._make_held(entry)
        for entry in reversed([entry for entry in self._held.values() if not entry.pinned]):
            self._make_idle(entry)
        if self.room_to_pin() < 0:
            logger.warning(
                "What is pinned takes more than the cache's limit of %s bytes: unpin some of it, or raise the limit",
                f"{self.limit:,}",
            )
        for entry in over:
            self._doom(entry)
        if over:
            await self._recorder.unlink()

    async def close(self) -> None:
        """Record what is there, close everything, give the lock back; shielded, for a minute at most."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 60):
            await self.record(uses=True)
        for entry in tuple(self._descriptors.values()):
            self._close_descriptor(entry)
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._disk.close)

    async def __aenter__(self) -> Cache:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    # ------------------------------------------------------------------ what is there

    @property
    def used(self) -> int:
        """Bytes that the files may take, those being filled counted whole."""
        return int(self._idle.currsize) + self._held_charge + self._recorder.doomed_charge

    @property
    def _budget(self) -> int:
        return self.limit - self._disk.overhead() - self._slack

    def find(self, file_id: int, size: int) -> Entry | None:
        """The entry of an attachment; one with another size is of no use, and is dropped unless it is held."""
        entry = self._entries.get(file_id)
        if entry is not None and entry.size != size:
            if not entry.holders:
                self.discard(entry)
            return None
        return entry

    def status(self) -> dict[str, int]:
        """limit and used (bytes, with the index), files, pinned, hits, misses."""
        return {
            "limit": self.limit,
            "used": self.used + self._disk.overhead(),
            "files": len(self._entries),
            "pinned": len(self.pinned),
            "hits": self.hits,
            "misses": self.misses,
        }

    # ------------------------------------------------------------------ holding

    def hold(self, entry: Entry) -> None:
        """Keep it from being evicted until `release`; each hold is released once."""
        entry.holders += 1
        self._make_held(entry)

    def release(self, entry: Entry) -> None:
        """Give a hold back; the last one makes it the most recently used. One that has no byte goes."""
        entry.holders -= 1
        assert entry.holders >= 0, "released more often than held"
        if entry.dropped:
            return
        self._touch(entry)
        if entry.holders or entry.pinned:
            return
        if entry.present.total:
            self._make_idle(entry)
        else:
            self.discard(entry)

    def pin(self, entry: Entry, *, pinned: bool = True) -> None:
        """Never evict it, over restarts (or, with pinned=False, no longer so).

        Pinned, it keeps the room that it will take as a whole. Unpinned, one that nobody holds may be evicted,
        and goes at once where it has no byte.
        """
        if entry.dropped or entry.pinned == pinned:
            return
        entry.pinned = pinned
        self._touch(entry)
        self._recorder.note_present(entry)  # not as a use, which may wait; and it may have no row yet
        if pinned:
            self._make_held(entry)
            self._recharge(entry, max(entry.charge, charge_for(entry.size)))
            return
        if not entry.filling:
            self._recharge(entry, min(entry.charge, entry.least_charge))
        if entry.holders:
            return
        if entry.present.total:
            self._make_idle(entry)
        else:
            self.discard(entry)

    @property
    def pinned(self) -> list[Entry]:
        """The pinned entries, whole or not."""
        return [entry for entry in self._held.values() if entry.pinned]

    def room_to_pin(self) -> int:
        """The bytes, each file by its `charge_for`, that can be pinned beside what is pinned already."""
        return self._budget - sum(entry.charge for entry in self.pinned)

    def _touch(self, entry: Entry) -> None:
        self._serial += 1
        entry.used = self._serial
        self._recorder.note_use(entry)

    def _make_held(self, entry: Entry) -> None:
        if not entry.dropped and entry.file_id not in self._held:
            if entry.file_id in self._idle:
                del self._idle[entry.file_id]  # pop would make it the most recently used first
            self._held[entry.file_id] = entry
            self._held_charge += entry.charge

    def _make_idle(self, entry: Entry) -> None:
        if self._held.pop(entry.file_id, None) is not None:
            self._held_charge -= entry.charge
            self._idle[entry.file_id] = entry

    def _recharge(self, entry: Entry, charge: int) -> None:
        """Change what a held entry counts."""
        self._held_charge += charge - entry.charge
        entry.charge = charge

    # ------------------------------------------------------------------ room

    async def create(self, file_id: int, size: int) -> Entry | None:
        """Reserve room for an attachment that isn't there and make its file; None where there is no room to be had.

        The entry comes held (the caller owes a `release`), charged whole and filling (the caller owes a
        `settle`). Whoever calls this twice at once for one id gets the same entry twice.
        """
        async with self._making_room:
            entry = self.find(file_id, size)
            if entry is None:
                charge = charge_for(size)
                if file_id in self._entries or not await self._make_room(charge):
                    return None
                try:
                    name, descriptor = self._disk.create(file_id, size)
                except OSError as error:
                    logger.warning("The cache can't make a file in %s: %s", self.directory, error)
                    return None
                entry = self._entries[file_id] = Entry(file_id, size, name)
                self._remember_descriptor(entry, descriptor)
                self.hold(entry)
                entry.filling = True
                return entry
            self.hold(entry)
            if await self._refill(entry):
                return entry
            self.release(entry)
            return None

    async def refill(self, entry: Entry) -> bool:
        """Reserve room for the rest of a held entry; whether there is. The caller owes a `settle`."""
        async with self._making_room:
            return await self._refill(entry)

    async def _refill(self, entry: Entry) -> bool:
        if entry.filling:
            return True
        charge = max(entry.charge, charge_for(entry.size))
        if not await self._make_room(charge - entry.charge) or entry.dropped:
            return False
        self._recharge(entry, charge)
        entry.filling = True
        return True

    def settle(self, entry: Entry) -> None:
        """Nothing more is written to a held entry for now: give back the room that it didn't take."""
        entry.filling = False
        if not entry.dropped:
            if not entry.pinned:
                self._recharge(entry, min(entry.charge, entry.least_charge))
            if entry.unrecorded:
                self._recorder.note_present(entry)

    async def _make_room(self, charge: int) -> bool:
        """Evict until `charge` more bytes fit the limit and the floor; False, and nothing evicted, if they can't.

        With the lock held. When it returns True the caller takes the room before its next await.
        """
        while True:
            doomed = self._recorder.doomed_charge
            unwritten = sum(
                entry.charge - entry.present.total
                for entry in self._held.values()
                if entry.filling or entry.pinned
            )
            lacking = max(
                self.used + charge - self._budget,
                self.floor + unwritten + charge - self._free_space(self.directory),
            )
            if lacking <= 0:
                return True
            if lacking > self._idle.currsize + doomed:
                return False
            lacking -= doomed
            while lacking > 0 and self._idle:
                _, entry = self._idle.popitem()
                logger.debug("Evicting attachment %d", entry.file_id)
                lacking -= entry.charge
                self._entries.pop(entry.file_id)
                self._doom(entry)
            if not await self._recorder.unlink():
                return False

    def discard(self, entry: Entry) -> None:
        """Take an entry out, held or not: nothing of it is present any more. Its holders still release it."""
        if entry.dropped:
            return
        self._entries.pop(entry.file_id)
        self._idle.pop(entry.file_id, None)
        if self._held.pop(entry.file_id, None) is not None:
            self._held_charge -= entry.charge
        self._doom(entry)

    def _doom(self, entry: Entry) -> None:
        """Note that the file of an entry, which is in no index any more, is to be unlinked, and its row deleted."""
        self._close_descriptor(entry)
        entry.dropped = True
        entry.present.clear()
        self._recorder.note_gone(entry)

    async def forget(self, file_id: int) -> None:
        """Take an attachment out of the cache, pinned or not; one that isn't there is no error."""
        entry = self._entries.get(file_id)
        if entry is not None:
            self.discard(entry)
        await self._recorder.unlink()

    async def clear(self) -> int:
        """Evict everything that is neither held nor pinned; the bytes that became free."""
        freed = int(self._idle.currsize)
        for entry in tuple(self._idle.values()):
            self.discard(entry)
        await self._recorder.unlink()
        return freed

    async def adopt(self, file_id: int, size: int, path: Path) -> bool:
        """Move a file in as the whole content of an attachment; whether it was kept. `path` is gone afterwards.

        For what was uploaded from here; nobody may write to it any more. Raises WrongSize (it isn't `size`
        bytes long) or OSError, and then `path` is left alone. A path that is already gone changes nothing, so
        it may be called again.
        """
        try:
            status = await trio.to_thread.run_sync(path.stat)
        except FileNotFoundError:
            entry = self.find(file_id, size)
            return entry is not None and entry.complete
        if status.st_size != size:
            raise WrongSize(file_id, size, f"{path.name} has {status.st_size:,}")
        entry = await self.create(file_id, size) if size else None
        if entry is None or entry.present.total:
            kept = entry is not None and entry.complete
        else:
            self._close_descriptor(entry)
            try:
                await trio.to_thread.run_sync(self._disk.move_in, path, entry.name, limiter=self._limiter)
            except BaseException:
                self.discard(entry)
                self.release(entry)
                raise
            # Another one's download may have opened the old file meanwhile: its bytes are the same, its inode isn't.
            self._close_descriptor(entry)
            entry.present.add(0, size)
            entry.unrecorded = size
            kept = True
        if entry is not None:
            if entry.holders == 1:
                self.settle(entry)
            self.release(entry)
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(_remove, path, limiter=self._limiter)
        return kept

    # ------------------------------------------------------------------ bytes

    def read(self, entry: Entry, offset: int, length: int) -> bytes | None:
        """Bytes that are present, by one pread; None where the file turns out damaged, and then it is discarded.

        Blocks for as long as the disk takes. The caller made sure that the range is present.
        """
        try:
            descriptor = entry.descriptor
            if descriptor < 0:
                descriptor = self._open_descriptor(entry)
            else:
                self._descriptors[entry.name]  # makes it the most recently used
            data = os.pread(descriptor, length, offset)
            if len(data) == length:
                return data
            problem = "it is shorter than it should be"
        except OSError as error:
            problem = str(error)
        logger.warning(
            "The cached content of attachment %d can't be read and is fetched anew: %s",
            entry.file_id,
            problem,
        )
        self.discard(entry)
        return None

    def write(self, entry: Entry, offset: int, data: bytes | memoryview) -> None:
        """Take in bytes of a filling entry; readable at once, recorded later. Raises OSError."""
        descriptor = entry.descriptor
        if descriptor < 0:
            descriptor = self._open_descriptor(entry)
        position = offset
        while True:
            written = os.pwrite(descriptor, data, position)
            position += written
            if written == len(data):
                break
            data = memoryview(data)[written:]
        entry.present.add(offset, position)
        entry.unrecorded += position - offset
        if entry.unrecorded >= self._step or time.monotonic() - entry.recorded_at >= self._pause:
            entry.recorded_at = time.monotonic()
            self._recorder.note_present(entry)

    def _open_descriptor(self, entry: Entry) -> int:
        descriptor = self._disk.open_file(entry.name)
        self._remember_descriptor(entry, descriptor)
        return descriptor

    def _remember_descriptor(self, entry: Entry, descriptor: int) -> None:
        entry.descriptor = descriptor
        self._descriptors[entry.name] = entry

    def _close_descriptor(self, entry: Entry) -> None:
        self._descriptors.pop(entry.name, None)
        _close(entry)

    # ------------------------------------------------------------------ recording

    @property
    def wants_record(self) -> bool:
        """Whether `record` has something to do that shouldn't wait."""
        return self._recorder.wants_record

    async def record(self, *, uses: bool = False) -> None:
        """Make what is present durable and write it down; with `uses`, also who was used last.

        Cancelled, it leaves the rest for the next call. An error of the disk is logged; what could not be
        synced is discarded.
        """
        await self._recorder.record(uses=uses)


class _Descriptors(LRUCache[str, Entry]):
    """Entries with an open descriptor, by name: whoever falls out is closed."""

    def popitem(self) -> tuple[str, Entry]:
        name, entry = super().popitem()
        _close(entry)
        return name, entry


def _close(entry: Entry) -> None:
    descriptor, entry.descriptor = entry.descriptor, -1
    if descriptor >= 0:
        os.close(descriptor)


def _charge(entry: Entry) -> int:
    return entry.charge


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
