"""The contents: files, and small ones that the journal holds."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsfs.uploads import journal as rows
from wsfs.uploads.contents import SMALL, Contents, OpenContent
from wsfs.uploads.errors import NoSpace, SpoolBroken


class Shelf:
    """A journal's part in it: small contents by their numbers."""

    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}

    def write(self, operations: list[rows.Operation]) -> None:
        for sql, values in operations:
            if sql.startswith("delete"):
                self.held.pop(values[0], None)
            elif "select" in sql:
                self.held[values[0]] = self.held[values[2]]
            else:
                self.held[values[0]] = values[2]

    def read(self, name: str) -> bytes:
        return self.held[int(name.rpartition(".")[2])]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def contents(tmp_path: Path, shelf: Shelf) -> Contents:
    made = Contents(tmp_path / "content", shelf.read, floor=0)
    made.prepare()
    return made


def write_file(contents: Contents, name: str, data: bytes) -> tuple[int, int]:
    content = contents.make(name)
    content.write(0, data)
    try:
        return contents.make_safe(content)
    finally:
        content.close()


# Files


def test_any_write_shows_in_the_stamp_however_soon(contents: Contents) -> None:
    for name in map(str, range(50)):
        content = contents.make(name)
        content.write(0, b"a")
        stamp, size = contents.make_safe(content)
        assert size == 1
        assert contents.stamp(name) == (stamp, 1)
        content.write(0, b"b")
        assert os.fstat(content.descriptor).st_mtime_ns != stamp
        content.close()


@pytest.mark.parametrize("keep", [0, 3, 7])
def test_a_copy_is_of_the_first_bytes_and_another_file(contents: Contents, keep: int) -> None:
    write_file(contents, "1", b"content")
    contents.copy("1", "1.2", keep)
    assert contents.file("1.2").read_bytes() == b"content"[:keep]
    assert contents.file("1.2").stat().st_mode & 0o777 == 0o600
    contents.file("1.2").write_bytes(b"other")
    assert contents.file("1").read_bytes() == b"content"


def test_a_copy_that_fails_leaves_nothing(contents: Contents) -> None:
    with pytest.raises(SpoolBroken):
        contents.copy("missing", "2", 1)
    write_file(contents, "1", b"content")
    contents._floor = 2**62
    with pytest.raises(NoSpace):
        for _ in range(10**6):
            contents.copy("1", "2", 7)
            contents.remove("2")
            contents._since_check = 2**62
    assert not (contents.directory / "2").exists()


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
        contents.open("1", 7)


def test_strangers_are_found_and_put_aside(contents: Contents) -> None:
    write_file(contents, "1", b"")
    (contents.directory / "2").write_bytes(b"who?")
    assert contents.strangers({"1"}) == [("2", 4)]
    assert contents.put_aside("2").read_bytes() == b"who?"
    assert contents.strangers({"1"}) == []


# Small ones


def test_a_small_content_lies_in_the_journal_alone(contents: Contents, shelf: Shelf) -> None:
    content = contents.open("1")
    assert content.small
    content.write(0, b"some bytes")
    shelf.write(contents.keep(content))
    content.write(0, b"never kept")
    content.close()
    assert list(contents.directory.iterdir()) == []
    assert contents.stamp("1") == (0, 10)
    again = contents.open("1", 10)
    assert again.whole() == b"some bytes"
    again.close()


def test_an_empty_content_is_nowhere(contents: Contents, shelf: Shelf) -> None:
    content = contents.open("1")
    assert contents.keep(content) == []
    content.write(0, b"a")
    shelf.write(contents.keep(content))
    content.resize(0)
    shelf.write(contents.keep(content))
    assert shelf.held == {}
    assert contents.kept == {}
    content.close()
    assert contents.file("1").read_bytes() == b""


def test_what_is_lent_is_a_copy_that_is_made_once_and_goes_with_the_content(
    contents: Contents, shelf: Shelf
) -> None:
    content = contents.open("1")
    content.write(0, b"first")
    shelf.write(contents.keep(content))
    assert not contents.has_files("1")
    path = contents.file("1")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"first", 0o600)
    assert contents.has_files("1")
    before = path.stat().st_mtime_ns
    assert contents.file("1").stat().st_mtime_ns == before
    content.write(0, b"2nd  ")
    shelf.write(contents.keep(content))
    assert contents.file("1").read_bytes() == b"2nd  "
    content.close()
    contents.remove("1")
    assert list(contents.directory.iterdir()) == []


@given(
    st.lists(
        st.tuples(st.sampled_from(["write", "read", "resize"]), st.integers(0, 40), st.binary(max_size=20)),
        max_size=12,
    )
)
def test_in_memory_is_as_in_a_file(steps: list[tuple[str, int, bytes]]) -> None:
    with tempfile.TemporaryFile() as file:
        there, here = OpenContent("1", os.dup(file.fileno())), OpenContent("1", memory=bytearray())
        for what, offset, data in steps:
            if what == "write":
                assert here.write(offset, memoryview(data)) == there.write(offset, data)
            elif what == "resize":
                here.resize(offset)
                there.resize(offset)
            else:
                assert here.read(offset, len(data)) == there.read(offset, len(data))
            assert here.whole() == there.read(0, 100)
        there.close()


def test_one_that_outgrows_the_journal_is_a_file_for_who_has_it_open(
    contents: Contents, shelf: Shelf
) -> None:
    content = contents.open("1")
    content.write(0, b"x" * SMALL)
    assert not contents.outgrows(content, SMALL)
    assert contents.outgrows(content, SMALL + 1)
    contents.move(content, contents.make("1"))
    assert not content.small
    content.write(SMALL, b"y")
    _, size = contents.make_safe(content)
    assert size == SMALL + 1
    assert not contents.outgrows(content, SMALL * 9)
    content.close()
    assert contents.file("1").read_bytes() == b"x" * SMALL + b"y"
    assert contents.file("1").name == "1"


def test_until_a_move_is_safe_the_journal_has_the_content_and_a_start_tells_so(
    contents: Contents, shelf: Shelf, tmp_path: Path
) -> None:
    content = contents.open("1")
    content.write(0, b"small")
    shelf.write(contents.keep(content))
    contents.move(content, contents.make("1"))
    content.close()
    after = Contents(tmp_path / "content", shelf.read, floor=0)
    after.found({"1": 5})
    assert after.stamp("1") == (0, 5)
    assert after.strangers({"1"}) == [("1", 5)]
    again = after.open("1", 5)
    assert (again.whole(), again.small) == (b"small", True)
    # And where a move is begun once more, what the first left is no part of it.
    (contents.directory / "1").write_bytes(b"what a longer move left")
    after.move(again, after.make("1"))
    again.close()
    assert (contents.directory / "1").read_bytes() == b"small"


def test_a_second_name_for_a_small_content(contents: Contents, shelf: Shelf) -> None:
    content = contents.open("1")
    assert contents.copy_kept("1", "1.2") == []
    content.write(0, b"small")
    shelf.write(contents.keep(content))
    content.close()
    shelf.write(contents.copy_kept("1", "1.2"))
    shelf.write(contents.drop("1"))
    assert contents.drop("1") == []
    assert shelf.held == {2: b"small"}
    assert contents.file("1.2").read_bytes() == b"small"


def test_a_transaction_that_failed_is_taken_back(contents: Contents, shelf: Shelf) -> None:
    content = contents.open("1")
    content.write(0, b"small")
    contents.keep(content)
    contents.take_back("1", None)
    assert contents.kept == {}
    shelf.write(contents.keep(content))
    contents.drop("1")
    contents.take_back("1", 5)
    assert contents.kept == {"1": 5}
    content.close()


def test_with_no_room_for_small_ones_each_is_a_file(tmp_path: Path, shelf: Shelf) -> None:
    contents = Contents(tmp_path / "content", shelf.read, floor=0, small=0)
    contents.prepare()
    content = contents.open("1")
    assert contents.outgrows(content, 1)
    content.close()
