"""What the bytes of an attachment come from: memory, a file on disk, or a rule that makes them when asked.

Every source knows its exact size before any byte is made, and gives the same bytes for ever.
"""

from __future__ import annotations

import hashlib
import os
import random
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

# A download is sent in pieces of this many bytes. With a quarter of it the emulator took so much of two processors that
# what it measured was slower by a fifth (`scripts/bench content`, cold).
PIECE = 1024 * 1024
# A prime, so that no aligned piece of the pattern equals another one: a piece served from the wrong place shows.
PERIOD = 1_048_583


class Content(Protocol):
    """The bytes of one attachment."""

    @property
    def size(self) -> int:
        """The size in bytes."""

    @property
    def slow(self) -> bool:
        """Whether `read` may block long enough to belong in a worker thread."""

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer only at the end."""

    def sha256(self) -> str:
        """Return the SHA-256 of the whole, in hex; computed at the first call."""


def pieces(content: Content, size: int = PIECE) -> Iterator[bytes]:
    """Yield the whole content in pieces of `size` bytes."""
    for offset in range(0, content.size, size):
        yield content.read(offset, size)


def _digest(content: Content) -> str:
    state = hashlib.sha256()
    for piece in pieces(content, 4 * 1024 * 1024):
        state.update(piece)
    return state.hexdigest()


class Fixed:
    """Bytes that are there already."""

    __slots__ = ("_data",)
    slow = False

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]

    def sha256(self) -> str:
        return hashlib.sha256(self._data).hexdigest()


Maker = Callable[[str, int], bytes]


@lru_cache(maxsize=8)
def _made(maker: Maker, title: str, seed: int) -> bytes:
    return maker(title, seed)


@lru_cache(maxsize=4096)
def _measured(maker: Maker, title: str, seed: int) -> tuple[int, str]:
    data = _made(maker, title, seed)
    return len(data), hashlib.sha256(data).hexdigest()


class Generated:
    """A document that `maker(title, seed)` makes when it is asked for; only its size and digest are kept."""

    __slots__ = ("_what",)
    slow = False

    def __init__(self, maker: Maker, title: str, seed: int) -> None:
        self._what = (maker, title, seed)

    @property
    def size(self) -> int:
        return _measured(*self._what)[0]

    def read(self, offset: int, length: int) -> bytes:
        return _made(*self._what)[offset : offset + length]

    def sha256(self) -> str:
        return _measured(*self._what)[1]


@lru_cache(maxsize=8)
def _block(seed: int, length: int) -> bytes:
    """Return pseudo-random bytes, twice over, so that a slice across the seam is one slice."""
    once = random.Random(seed).randbytes(length)
    return once + once


class Noise:
    """Incompressible bytes of any size, computable at any offset: a random block repeated with a prime period."""

    __slots__ = ("_seed", "_sha256", "_size")
    slow = False

    def __init__(self, seed: int, size: int) -> None:
        self._seed = seed
        self._size = size
        self._sha256: str | None = None

    @property
    def size(self) -> int:
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        length = min(length, self._size - offset)
        if length <= 0:
            return b""
        period = min(self._size, PERIOD)
        block = _block(self._seed, period)
        phase = offset % period
        first = block[phase : phase + min(length, period)]
        if len(first) == length:
            return first
        parts = [first]
        missing = length - len(first)
        while missing:
            parts.append(self.read(offset + length - missing, min(missing, period)))
            missing -= len(parts[-1])
        return b"".join(parts)

    def sha256(self) -> str:
        if self._sha256 is None:
            self._sha256 = _digest(self)
        return self._sha256


class OnDisk:
    """A file on disk that was uploaded; its digest was computed while it was written."""

    __slots__ = ("_path", "_sha256", "_size")
    slow = True

    def __init__(self, path: Path, size: int, sha256: str) -> None:
        self._path = path
        self._size = size
        self._sha256 = sha256

    @property
    def size(self) -> int:
        return self._size

    @property
    def path(self) -> Path:
        """Where the bytes lie."""
        return self._path

    def read(self, offset: int, length: int) -> bytes:
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            return os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)

    def sha256(self) -> str:
        return self._sha256


class StoredZip:
    """A ZIP archive of stored (uncompressed) members whose size is known before any byte of it is made.

    The members are other contents, read when asked for. Their CRCs stand in the headers and are computed at the
    first read (some 0.3 s for 300 MB, so `slow`).
    """

    slow = True
    _LOCAL, _CENTRAL, _END = 30, 46, 22
    _DATE, _TIME, _UTF8 = (44 << 9) | (9 << 5) | 12, 10 << 11, 0x800  # 12 September 2024, 10:00

    def __init__(self, members: Sequence[tuple[str, Content]]) -> None:
        self._members = [(name.encode(), content) for name, content in members]
        self._segments: list[Content] | None = None
        self._starts: list[int] = []
        self._sha256: str | None = None
        self._size = self._END + sum(
            self._LOCAL + self._CENTRAL + 2 * len(name) + content.size for name, content in self._members
        )
        assert self._size < 2**32, "ZIP64 is not written here"

    @property
    def size(self) -> int:
        return self._size

    def _lay_out(self) -> list[Content]:
        if self._segments is not None:
            return self._segments
        segments: list[Content] = []
        central = b""
        offset = 0
        for name, content in self._members:
            crc = 0
            for piece in pieces(content, 4 * 1024 * 1024):
                crc = zlib.crc32(piece, crc)
            common = struct.pack(
                "<HHHHHLLLHH",
                20,
                self._UTF8,
                0,
                self._TIME,
                self._DATE,
                crc,
                content.size,
                content.size,
                len(name),
                0,
            )
            segments += [Fixed(b"PK\3\4" + common + name), content]
            central += (
                b"PK\1\2\x14\3" + common + struct.pack("<HHHLL", 0, 0, 0, 0o100644 << 16, offset) + name
            )
            offset += self._LOCAL + len(name) + content.size
        count = len(self._members)
        end = b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, count, count, len(central), offset, 0)
        segments.append(Fixed(central + end))
        self._starts = []
        position = 0
        for segment in segments:
            self._starts.append(position)
            position += segment.size
        assert position == self._size
        self._segments = segments
        return segments

    def read(self, offset: int, length: int) -> bytes:
        segments = self._lay_out()
        parts: list[bytes] = []
        length = min(length, self._size - offset)
        while length > 0:
            index = bisect_right(self._starts, offset) - 1
            while not (part := segments[index].read(offset - self._starts[index], length)):
                index += 1
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return b"".join(parts)

    def sha256(self) -> str:
        if self._sha256 is None:
            self._sha256 = _digest(self)
        return self._sha256
