"""The end of a log that is rotated: its last lines, and what comes after them."""

from __future__ import annotations

import collections
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines, of the file and of the one it was before (`path`.1) where it is short."""
    here = _lines(path, count)
    return [*_lines(_before(path), count - len(here)), *here]


def follow(path: Path, count: int, *, wait: Callable[[], None]) -> Iterator[str]:
    """The last `count` lines and then, for ever, each that is added; `wait` is called whenever there is nothing new.

    A file that is put aside is read to its end first. One that isn't there is waited for.
    """
    file = _open(path)
    try:
        *lines, rest = (file.read() if file is not None else b"").split(b"\n")
        shown = collections.deque(map(_text, lines), maxlen=count)
        if len(shown) < count:
            shown.extendleft(reversed(_lines(_before(path), count - len(shown))))
        yield from shown
        while True:
            piece = file.read() if file is not None else b""
            *lines, rest = (rest + piece).split(b"\n")
            yield from map(_text, lines)
            if piece:
                continue
            fresh = _open(path) if file is None or _is_another(path, file) else None
            if fresh is None:
                wait()
                continue
            if file is not None:
                # What was written to the old one between the last read and the change.
                *lines, rest = (rest + file.read()).split(b"\n")
                yield from map(_text, lines)
                file.close()
            file = fresh
    finally:
        if file is not None:
            file.close()


def _before(path: Path) -> Path:
    """What a rotated log (logging.handlers.RotatingFileHandler) calls the file that it put aside last."""
    return path.with_name(path.name + ".1")


def _lines(path: Path, count: int) -> list[str]:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        return list(collections.deque(map(_text, file), maxlen=count))
    return []


def _open(path: Path) -> BinaryIO | None:
    with contextlib.suppress(FileNotFoundError):
        return path.open("rb")
    return None


def _is_another(path: Path, file: BinaryIO) -> bool:
    """Whether the name means another file by now, or the file was cut."""
    own = os.fstat(file.fileno())
    try:
        named = path.stat()
    except FileNotFoundError:
        return True
    return (own.st_dev, own.st_ino) != (named.st_dev, named.st_ino) or named.st_size < file.tell()


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\n")
