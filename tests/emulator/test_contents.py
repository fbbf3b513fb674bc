from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsfs.emulator.contents import PERIOD, Content, Fixed, Generated, Noise, OnDisk, StoredZip, pieces


def made(title: str, seed: int) -> bytes:
    return f"{title} {seed}".encode() * 100


def contents(directory: Path) -> list[Content]:
    path = directory / "file"
    path.write_bytes(b"0123456789")
    digest = hashlib.sha256(b"0123456789").hexdigest()
    return [
        Fixed(b""),
        Fixed(b"abc"),
        Generated(made, "Title", 3),
        Noise(1, 0),
        Noise(1, 1),
        Noise(2, 5_000),
        Noise(3, 3 * PERIOD + 17),
        OnDisk(path, 10, digest),
        StoredZip([("a.txt", Fixed(b"a")), ("порожній", Fixed(b"")), ("b.raw", Noise(4, 2 * PERIOD))]),
    ]


def test_size_and_digest_are_those_of_the_bytes(tmp_path: Path) -> None:
    for content in contents(tmp_path):
        size = content.size  # asked before any byte is read
        data = content.read(0, size + 10)
        assert len(data) == size
        assert b"".join(pieces(content, 1000)) == data
        assert content.sha256() == hashlib.sha256(data).hexdigest()


NOISE = Noise(7, 3 * PERIOD + 100)
WHOLE = b"".join(NOISE.read(offset, 1) for offset in range(5)) + NOISE.read(5, NOISE.size)


@settings(deadline=None)
@given(offset=st.integers(0, 4 * PERIOD), length=st.integers(0, 3 * PERIOD))
def test_noise_is_the_same_at_any_offset(offset: int, length: int) -> None:
    assert NOISE.read(offset, length) == WHOLE[offset : offset + length]


def test_no_two_aligned_pieces_of_noise_are_equal() -> None:
    noise = Noise(0, 64 * 1024 * 1024)
    found = [noise.read(offset, 64) for offset in range(0, noise.size, 128 * 1024)]
    assert len(set(found)) == len(found)


@settings(deadline=None)
@given(offset=st.integers(0, 5_000), length=st.integers(0, 5_000))
def test_zip_is_the_same_at_any_offset(offset: int, length: int) -> None:
    archive = StoredZip([("a.txt", Fixed(b"hello")), ("e", Fixed(b"")), ("b.raw", Noise(4, 3_000))])
    assert archive.read(offset, length) == archive.read(0, archive.size)[offset : offset + length]


def test_zip_opens() -> None:
    archive = StoredZip([("ПРОЧИТАЙ.txt", Fixed(b"hello")), ("b/b.raw", Noise(4, 100_000))])
    with zipfile.ZipFile(io.BytesIO(archive.read(0, archive.size))) as file:
        assert file.testzip() is None
        assert file.namelist() == ["ПРОЧИТАЙ.txt", "b/b.raw"]
        assert file.read("b/b.raw") == Noise(4, 100_000).read(0, 100_000)


def test_a_document_is_made_when_it_is_asked_for() -> None:
    def never(title: str, seed: int) -> bytes:
        raise AssertionError("made")

    content = Generated(never, "Title", 0)
    with pytest.raises(AssertionError, match="made"):
        _ = content.size
