"""One attachment in the cache, and what it may cost on disk."""

from __future__ import annotations

import time

from wsfs.content.extents import Extents
from wsfs.content.index import Row

BLOCK = 4096
ROW = 256
"""What a file costs beside its blocks: its row in the index, its place in the directory, both with room to spare."""


def charge_for(size: int, ranges: int = 0) -> int:
    """Bytes on disk that `size` bytes may take, the file system's bookkeeping included.

    `ranges` is 0 for a whole file, else the number of pieces that it is in, each with a begun block at both
    ends. ext4 keeps four extents in the inode and needs a block for more, which a large or sparse file has.
    """
    blocks = -(-size // BLOCK) + 2 * ranges
    if blocks > 4:
        blocks += 1 + blocks * BLOCK // (64 << 20)
    return blocks * BLOCK + ROW


class Entry:
    """An attachment with a file in the cache. Owned by the cache; others hold it and look.

    `present` is what may be read (written, perhaps not yet durable); `charge` is what it counts against the
    limit; `holders` says how many use it, and with any it is never evicted. `dropped` entries are out of the
    cache: nothing is present.
    """

    __slots__ = (
        "charge",
        "descriptor",
        "dropped",
        "file_id",
        "filling",
        "holders",
        "name",
        "pinned",
        "present",
        "recorded_at",
        "size",
        "unrecorded",
        "used",
    )

    def __init__(self, file_id: int, size: int, name: str, *, used: int = 0) -> None:
        self.file_id = file_id
        self.size = size
        self.name = name
        self.present = Extents()
        self.charge = charge_for(size)
        self.holders = 0
        self.pinned = False
        self.filling = False
        self.used = used
        self.unrecorded = 0
        self.recorded_at = time.monotonic()
        self.dropped = False
        self.descriptor = -1

    @classmethod
    def from_row(cls, row: Row) -> Entry:
        """The entry that a row of the index tells of."""
        entry = cls(row.file_id, row.size, row.name, used=row.used)
        for start, end in row.extents:
            entry.present.add(start, end)
        entry.pinned = row.pinned
        entry.charge = charge_for(row.size) if row.pinned else entry.least_charge
        return entry

    @property
    def row(self) -> Row:
        """What the index is to say of it now."""
        return Row(self.file_id, self.name, self.size, tuple(self.present), self.used, self.pinned)

    @property
    def complete(self) -> bool:
        """Whether every byte is there."""
        return self.present.total == self.size

    @property
    def least_charge(self) -> int:
        """What it takes when nothing is added."""
        return charge_for(self.present.total, 0 if self.complete else len(self.present))
