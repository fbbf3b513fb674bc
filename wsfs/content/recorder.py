"""What the cache still has to tell the disk: bytes to sync and record, uses to note, files to unlink.

Entries are noted synchronously, as they change, and worked off in batches in a worker thread. An entry's bytes are
recorded only after an fdatasync that began after they were written: the rows are copied before the thread starts.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable

import trio

from wsfs.content.disk import Disk
from wsfs.content.entry import Entry

logger = logging.getLogger(__name__)

BATCH = 32
"""Entries in one commit: it bounds the index's log, which counts against the cache's limit."""
USES = 4096
USES_AGE = 30.0
"""How many uses, and how many seconds of them, a crash may forget. Files that are read again and again are noted
once; with 256 the thread that notes them took a fifth of the time of 2,000 small files (measured)."""


class Recorder:
    """The notes of one cache. `discard` takes an entry out of it whose bytes could not be made durable."""

    def __init__(self, disk: Disk, discard: Callable[[Entry], None]) -> None:
        self._disk = disk
        self._discard = discard
        self._present: dict[str, Entry] = {}
        self._used: dict[str, Entry] = {}
        self._used_since = 0.0
        self._gone: dict[str, int] = {}  # name → file id: rows to delete
        self._doomed: dict[str, int] = {}  # name → charge: files to unlink
        self._recording = trio.Lock()
        self._one_thread = trio.CapacityLimiter(1)
        self._unlink_threads = trio.CapacityLimiter(2)

    def note_present(self, entry: Entry) -> None:
        """It has bytes that the index doesn't know."""
        self._present[entry.name] = entry

    def note_use(self, entry: Entry) -> None:
        """It was used, or pinned; this may wait a while."""
        if not self._used:
            self._used_since = time.monotonic()
        self._used[entry.name] = entry

    def note_gone(self, entry: Entry) -> None:
        """It was dropped: its file and its row are to go."""
        self._present.pop(entry.name, None)
        self._used.pop(entry.name, None)
        self._doomed[entry.name] = entry.charge
        self._gone[entry.name] = entry.file_id

    @property
    def doomed_charge(self) -> int:
        """Bytes that files which are to be unlinked still take."""
        return sum(self._doomed.values())

    @property
    def wants_record(self) -> bool:
        """Whether there is something to do that shouldn't wait."""
        if self._present or self._gone or self._doomed:
            return True
        return bool(self._used) and (
            len(self._used) >= USES or time.monotonic() - self._used_since > USES_AGE
        )

    @property
    def idle(self) -> bool:
        """Whether nothing is noted but uses."""
        return not (self._present or self._gone or self._doomed)

    async def unlink(self) -> int:
        """Unlink what is gone, without waiting for the rest; how many files went."""
        if not self._doomed:
            return 0
        names = list(self._doomed)
        removed = await trio.to_thread.run_sync(self._disk.unlink, names, limiter=self._unlink_threads)
        for name in removed:
            self._doomed.pop(name, None)
        return len(removed)

    async def record(self, *, uses: bool = False) -> None:
        """Work the notes off; with `uses`, those of uses too. Cancelled, the rest stays noted."""
        async with self._recording:
            while self.wants_record or (uses and self._used):
                await self._batch()

    async def _batch(self) -> None:
        entries = [self._present.pop(name) for name in list(self._present)[:BATCH]]
        used = [self._used.pop(name) for name in list(self._used)[:BATCH]]
        rows = [(entry, entry.row, entry.unrecorded) for entry in entries]
        uses = [(entry.file_id, entry.name, entry.used, entry.pinned) for entry in used]
        gone = [(self._gone[name], name) for name in list(self._gone)[:BATCH]]
        doomed = list(self._doomed)

        def work() -> tuple[dict[str, OSError], sqlite3.Error | None]:
            self._disk.unlink(doomed)
            failed: dict[str, OSError] = {}
            for _, row, _ in rows:
                try:
                    self._disk.sync(row.name)
                except OSError as error:
                    failed[row.name] = error
            present = [row for _, row, _ in rows if row.name not in failed]
            try:
                self._disk.index.apply(gone=gone, present=present, used=uses)
            except sqlite3.Error as error:
                return failed, error
            return failed, None

        done = False
        try:
            failed, refused = await trio.to_thread.run_sync(work, limiter=self._one_thread)
            done = True
        finally:
            if not done:
                self._present.update({entry.name: entry for entry in entries if not entry.dropped})
                self._used.update({entry.name: entry for entry in used if not entry.dropped})
        for name in doomed:
            self._doomed.pop(
                name, None
            )  # one that couldn't be unlinked was logged; the next start tries again
        for _, name in gone:
            self._gone.pop(name, None)
        if refused is not None:
            # Safe: nothing is promised that isn't there. After a restart these files are fetched again.
            logger.warning("The cache's index %s can't be written: %s", self._disk.index.path, refused)
        for entry, row, unrecorded in rows:
            if entry.dropped:
                self._gone.setdefault(entry.name, entry.file_id)
            elif row.name in failed:
                logger.warning("Attachment %d can't be kept: %s", entry.file_id, failed[row.name])
                self._discard(entry)
            elif refused is None:
                entry.unrecorded -= unrecorded
            else:
                entry.unrecorded = 0
