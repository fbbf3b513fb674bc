"""Which attachment became of which file."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from wsfs.api.models import File
from wsfs.uploads.matching import match
from wsfs.uploads.nodes import Spooled
from wsfs.uploads.states import State


def spooled(inode: int, name: str, size: int) -> Spooled:
    return Spooled(
        inode=inode,
        parent=1,
        name=name,
        is_dir=False,
        state=State.SENT,
        mode=0o644,
        uid=0,
        gid=0,
        atime_ns=0,
        mtime_ns=0,
        ctime_ns=0,
        size=size,
    )


def ids(found: dict[int, File]) -> dict[int, int]:
    return {inode: file.id for inode, file in found.items()}


def test_name_and_size_go_before_the_order() -> None:
    nodes = [spooled(1, "a", 5), spooled(2, "b", 5)]
    listed = [File(id=10, name="b", size=5), File(id=11, name="a", size=5)]
    assert ids(match(nodes, listed, set())) == {1: 11, 2: 10}


def test_what_was_there_before_is_never_taken() -> None:
    listed = [File(id=10, name="a", size=5), File(id=11, name="a", size=5)]
    assert ids(match([spooled(1, "a", 5)], listed, {10})) == {1: 11}
    assert match([spooled(1, "a", 5)], listed, {10, 11}) == {}


def test_a_name_that_the_service_changed_is_known_by_size_and_order() -> None:
    nodes = [spooled(1, "one?.txt", 5), spooled(2, "two*.txt", 5), spooled(3, "c", 6)]
    listed = [File(id=12, name="y", size=5), File(id=11, name="x", size=5), File(id=10, name="z", size=6)]
    assert ids(match(nodes, listed, set())) == {1: 11, 2: 12, 3: 10}


def test_a_name_changed_a_little_is_known_before_the_size_alone() -> None:
    nodes = [spooled(1, "план: 1.txt", 5), spooled(2, "other", 5)]
    listed = [File(id=10, name="renamed", size=5), File(id=11, name="план_1.txt", size=5)]
    assert ids(match(nodes, listed, set())) == {1: 11, 2: 10}
    composed = [spooled(1, unicodedata.normalize("NFD", "їжак"), 5)]
    twins = [File(id=10, name="x", size=5), File(id=11, name=unicodedata.normalize("NFC", "їжак"), size=5)]
    assert ids(match(composed, twins, set())) == {1: 11}


def test_another_size_is_another_file() -> None:
    assert match([spooled(1, "a", 5)], [File(id=10, name="a", size=6)], set()) == {}


@given(
    sizes=st.lists(st.integers(0, 3), max_size=8),
    colleague=st.lists(st.integers(0, 3), max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_every_file_gets_an_attachment_of_its_own(
    sizes: list[int], colleague: list[int], order: object
) -> None:
    nodes = [spooled(number, f"n{number}", size) for number, size in enumerate(sizes)]
    listed = [File(id=100 + number, name=f"n{number}", size=size) for number, size in enumerate(sizes)]
    listed += [File(id=200 + number, name=f"c{number}", size=size) for number, size in enumerate(colleague)]
    order.shuffle(listed)  # type: ignore[attr-defined]
    assert ids(match(nodes, listed, set())) == {number: 100 + number for number in range(len(sizes))}
