"""PNG and JPEG pictures with the standard library alone."""

from __future__ import annotations

import hashlib
import random
import struct
import zlib
from functools import lru_cache

# The luminance and chrominance DC tables and the end-of-block code that suffice for blocks of one colour
# (ITU-T T.81, annex K.3): category → (code, length).
_DC_COUNTS = (0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0)
_DC_SYMBOLS = bytes(range(12))


def _dc_codes() -> list[tuple[int, int]]:
    codes, code = [], 0
    for length, count in enumerate(_DC_COUNTS, 1):
        for _ in range(count):
            codes.append((code, length))
            code += 1
        code <<= 1
    return codes


_CODES = _dc_codes()
_END_OF_BLOCK = (0, 1)  # the AC table has this one symbol, with the code 0


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def jpeg(width: int, height: int, colours: list[tuple[int, int, int]], comment: str = "") -> bytes:
    """Return a baseline JPEG of 8×8 blocks of one colour each, given row by row as RGB.

    There are (width + 7) // 8 blocks in a row. The quantisation is all ones at the DC, so colours are exact to a
    step of 1/8.
    """
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\1\x11\0\2\x11\0\3\x11\0"
    head = (
        b"\xff\xd8"
        + _segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\0\0")
        + (_segment(0xFE, comment.encode()) if comment else b"")
        + _segment(0xDB, b"\0" + b"\x08" * 64)
        + _segment(0xC0, frame)
        + _segment(0xC4, b"\0" + bytes(_DC_COUNTS) + _DC_SYMBOLS)
        + _segment(0xC4, b"\x10" + b"\1" + bytes(15) + b"\0")
        + _segment(0xDA, b"\3\1\0\2\0\3\0\0\x3f\0")
    )
    bits, count = 0, 0
    out = bytearray()
    last = [0, 0, 0]
    for red, green, blue in colours:
        values = (
            0.299 * red + 0.587 * green + 0.114 * blue - 128,
            -0.168736 * red - 0.331264 * green + 0.5 * blue,
            0.5 * red - 0.418688 * green - 0.081312 * blue,
        )
        for index, value in enumerate(values):
            level = max(-1023, min(1023, round(value)))  # a DC of 8 × value, quantised by 8
            difference, last[index] = level - last[index], level
            category = abs(difference).bit_length()
            code, length = _CODES[category]
            extra = difference if difference > 0 else difference + (1 << category) - 1
            code = (code << category | extra) << 1 | _END_OF_BLOCK[0]
            length += category + _END_OF_BLOCK[1]
            bits, count = bits << length | code, count + length
            while count >= 8:
                count -= 8
                byte = bits >> count & 0xFF
                out.append(byte)
                if byte == 0xFF:
                    out.append(0)
            bits &= (1 << count) - 1
    if count:
        byte = (bits << (8 - count) | (1 << (8 - count)) - 1) & 0xFF
        out.append(byte)
        if byte == 0xFF:
            out.append(0)
    return head + bytes(out) + b"\xff\xd9"


def photo(title: str, seed: int) -> bytes:
    """Return a JPEG landscape: a sky, hills and a sun, in large pixels."""
    rng = random.Random(seed)
    columns, rows = 96, 64
    top = (rng.randrange(40, 140), rng.randrange(40, 140), rng.randrange(170, 250))
    sun = (rng.randrange(12, 84), rng.randrange(7, 24), rng.randrange(4, 8))
    hills = []
    for base in (37, 45, 53):
        height, line = float(base), []
        for _ in range(columns):
            height += rng.uniform(-1.4, 1.4) + (base - height) * 0.08
            line.append(height)
        hills.append((line, (rng.randrange(20, 90), rng.randrange(70, 150), rng.randrange(20, 80))))
    colours: list[tuple[int, int, int]] = []
    for y in range(rows):
        mix = y / rows
        sky = [int(part + (255 - part) * mix) for part in top]
        for x in range(columns):
            red, green, blue = sky
            if (x - sun[0]) ** 2 + (y - sun[1]) ** 2 <= sun[2] ** 2:
                red, green, blue = 255, 236, 150
            for line, hill in hills:
                if y >= line[x]:
                    shade = max(0.45, 1 - (y - line[x]) / 40)
                    red, green, blue = (int(part * shade) for part in hill)
            grain = rng.randrange(-4, 5)
            colours.append(
                (
                    min(255, max(0, red + grain)),
                    min(255, max(0, green + grain)),
                    min(255, max(0, blue + grain)),
                )
            )
    return jpeg(columns * 8, rows * 8, colours, title)


class Photograph:
    """A JPEG of any size: behind its head come comments of noise, which a reader has to go through to the picture.

    `size` is in bytes, and at least that of the picture.
    """

    __slots__ = ("_seed", "_size")
    slow = False

    def __init__(self, seed: int, size: int) -> None:
        self._seed = seed
        self._size = max(size, len(_large_photo(seed, 0)))

    @property
    def size(self) -> int:
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        return _large_photo(self._seed, self._size)[offset : offset + length]

    def sha256(self) -> str:
        return hashlib.sha256(_large_photo(self._seed, self._size)).hexdigest()


@lru_cache(maxsize=8)
def _landscape(seed: int) -> bytes:
    return photo("", seed)


@lru_cache(maxsize=8)
def _large_photo(seed: int, size: int) -> bytes:
    picture = _landscape(seed % 8)
    start = 2  # behind the marker that begins every JPEG
    noise = random.Random(seed)
    parts = [picture[:start]]
    missing = size - len(picture)
    while missing > 0:
        # A comment has four bytes of its own; one that would leave fewer to the next takes them along.
        length = missing if missing <= 0xFFFF else min(0xFFFF, missing - 4)
        if length < 4:
            break
        parts.append(_segment(0xFE, noise.randbytes(length - 4)))
        missing -= length
    parts.append(picture[start:])
    return b"".join(parts) + bytes(max(0, missing))


def png(width: int, height: int, rows: list[bytes], palette: list[tuple[int, int, int]], title: str) -> bytes:
    """Return a PNG of one byte a pixel, which is an index of the palette."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, 8, 3, 0, 0, 0))
        + chunk(b"PLTE", b"".join(bytes(colour) for colour in palette))
        + chunk(b"iTXt", b"Title\0\0\0\0\0" + title.encode())
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows), 6))
        + chunk(b"IEND", b"")
    )


def diagram(title: str, seed: int) -> bytes:
    """Return a PNG of a mock-up: a header, a menu, cards and a bar chart."""
    rng = random.Random(seed)
    width, height = 960, 600
    palette = [(247, 248, 250), (255, 255, 255), (36, 59, 83), (130, 154, 177)]
    palette += [tuple(rng.randrange(60, 230) for _ in range(3)) for _ in range(5)]  # type: ignore[misc]
    canvas = [bytearray(width) for _ in range(height)]

    def box(x: int, y: int, wide: int, high: int, colour: int) -> None:
        for line in canvas[y : y + high]:
            line[x : x + wide] = bytes([colour]) * len(line[x : x + wide])

    box(0, 0, width, 64, 2)
    for item in range(5):
        box(560 + 76 * item, 26, 56, 12, 3)
    box(32, 22, 120, 20, 4)
    for card in range(3):
        box(32 + 304 * card, 96, 272, 180, 1)
        box(32 + 304 * card, 96, 272, 96, 4 + (card + seed) % 5)
        for line in range(3):
            box(48 + 304 * card, 208 + 20 * line, rng.randrange(120, 236), 8, 3)
    box(32, 308, 880, 260, 1)
    for bar in range(12):
        high = rng.randrange(30, 200)
        box(64 + 70 * bar, 540 - high, 44, high, 4 + bar % 5)
    return png(width, height, [bytes(line) for line in canvas], palette, title)
