"""The content files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wsfs.uploads.contents import Contents
from wsfs.uploads.errors import NoSpace, SpoolBroken


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    made = Contents(tmp_path / "content", floor=0)
    made.prepare()
    return made


def test_any_write_shows_in_the_stamp_however_soon(contents: Contents) -> None:
    for name in map(str, range(50)):
        stamp = contents.make(name)
        descriptor = contents.open(name)
        os.pwrite(descriptor, b"a", 0)
        assert os.fstat(descriptor).st_mtime_ns != stamp
        stamp, size = contents.make_safe(descriptor)
        assert size == 1
        os.pwrite(descriptor, b"b", 0)
        assert os.fstat(descriptor).st_mtime_ns != stamp
        os.close(descriptor)


def test_a_name_is_made_once(contents: Contents) -> None:
    contents.make("1")
    with pytest.raises(SpoolBroken):
        contents.make("1")


@pytest.mark.parametrize("keep", [0, 3, 7])
def test_a_copy_is_of_the_first_bytes_and_another_file(contents: Contents, keep: int) -> None:
    contents.make("1")
    contents.path("1").write_bytes(b"content")
    contents.copy("1", "1.2", keep)
    assert contents.path("1.2").read_bytes() == b"content"[:keep]
    assert contents.path("1.2").stat().st_mode & 0o777 == 0o600
    contents.path("1.2").write_bytes(b"other")
    assert contents.path("1").read_bytes() == b"content"


def test_a_copy_that_fails_leaves_nothing(contents: Contents) -> None:
    with pytest.raises(SpoolBroken):
        contents.copy("missing", "2", 1)
    contents.make("1")
    contents.path("1").write_bytes(b"content")
    contents._floor = 2**62
    with pytest.raises(NoSpace):
        for _ in range(10**6):
            contents.copy("1", "2", 7)
            contents.remove("2")
            contents._since_check = 2**62
    assert not contents.path("2").exists()


def test_the_floor_is_kept(contents: Contents) -> None:
    found = os.statvfs(contents.directory)
    contents._floor = found.f_bavail * found.f_frsize - 100_000_000
    contents._since_check = 0
    contents.need_room(10)
    with pytest.raises(NoSpace):
        contents.need_room(1_000_000_000)


def test_what_is_missing_is_told_or_forgiven(contents: Contents) -> None:
    assert contents.stamp("1") is None
    contents.remove("1")
    with pytest.raises(SpoolBroken):
        contents.open("1")


def test_strangers_are_found_and_put_aside(contents: Contents) -> None:
    contents.make("1")
    contents.path("2").write_bytes(b"who?")
    assert contents.strangers({"1"}) == [("2", 4)]
    assert contents.put_aside("2").read_bytes() == b"who?"
    assert contents.strangers({"1"}) == []
