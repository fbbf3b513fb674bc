from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wsfs.cli.tailing import follow, last_lines


class Ended(Exception):  # noqa: N818
    """The follower has nothing new, and nothing more happens."""


def followed(path: Path, count: int, *events: Callable[[], object]) -> list[str]:
    """What a follower gets, an event happening whenever it has nothing new."""
    ahead: Iterator[Callable[[], object]] = iter(events)

    def wait() -> None:
        event = next(ahead, None)
        if event is None:
            raise Ended
        event()

    lines: list[str] = []
    with pytest.raises(Ended):
        for line in follow(path, count, wait=wait):
            lines.append(line)
    return lines


def append(path: Path, text: str) -> Callable[[], object]:
    def write() -> None:
        with path.open("a") as file:
            file.write(text)

    return write


def test_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "wsfs.log"
    assert last_lines(log, 3) == []
    log.write_text("a\nb\nc\nd\n")
    assert last_lines(log, 3) == ["b", "c", "d"]
    assert last_lines(log, 0) == []


def test_the_file_before_fills_up(tmp_path: Path) -> None:
    log = tmp_path / "wsfs.log"
    log.with_name("wsfs.log.1").write_text("a\nb\n")
    log.write_text("c\n")
    assert last_lines(log, 2) == ["b", "c"]
    assert last_lines(log, 9) == ["a", "b", "c"]
    assert followed(log, 2) == ["b", "c"]


def test_what_is_no_text_is_shown_all_the_same(tmp_path: Path) -> None:
    log = tmp_path / "wsfs.log"
    log.write_bytes(b"\xff\n")
    assert last_lines(log, 1) == ["\N{REPLACEMENT CHARACTER}"]


def test_a_follower_gets_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "wsfs.log"
    log.write_text("a\nb")
    assert followed(log, 9, append(log, "c\nd\n"), append(log, "e")) == ["a", "bc", "d"]


def test_a_follower_goes_with_the_rotation_and_loses_nothing(tmp_path: Path) -> None:
    log = tmp_path / "wsfs.log"
    log.write_text("a\n")

    def rotate() -> None:
        append(log, "b\n")()
        log.rename(log.with_name("wsfs.log.1"))
        log.write_text("c\n")

    assert followed(log, 9, rotate, append(log, "d\n")) == ["a", "b", "c", "d"]


def test_a_follower_waits_for_the_file_and_notices_that_it_was_cut(tmp_path: Path) -> None:
    log = tmp_path / "wsfs.log"
    lines = followed(
        log, 9, append(log, "first\n"), lambda: log.write_text("2\n"), log.unlink, append(log, "third\n")
    )
    assert lines == ["first", "2", "third"]
