"""Safe, stable names: any title that the service may hold becomes exactly one name of its directory.

A name is NFC, free of `/` and control characters, never `.` or `..`, and 255 bytes of UTF-8 at most. Equal names
are told apart by ` (id N)`, and who gets one depends on ids alone, never on the order of an answer. A title that
looks as if it had such a suffix always gets its own behind it, so that a suffix is never mistaken for another's.

With `windows` names are such as Windows can have (see windows.py), and names that differ by case alone are equal.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from wsfs.tree.windows import fitting_end, folded, to_windows

MAX_NAME_BYTES = 255
UNTITLED = "untitled"
# Longer than any extension that a program goes by; what is longer is part of a sentence with a full stop.
_MAX_EXTENSION_BYTES = 24

_TABLE: dict[int, str] = {code: chr(0x2400 + code) for code in range(0x20)}
_TABLE[0x7F] = "␡"
_TABLE |= dict.fromkeys(range(0x80, 0xA0), "\N{REPLACEMENT CHARACTER}")
_TABLE |= dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")
_TABLE[ord("/")] = "／"

_SUFFIX = re.compile(r" \(id \d+\)$")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One node that wants a name: `key` is handed back, `id` and `is_directory` decide between equals."""

    key: int
    id: int
    title: str
    is_directory: bool


def split_extension(name: str) -> tuple[str, str]:
    """`name` as stem and extension (with its dot, or empty); a leading dot begins no extension."""
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem.strip(".") or not extension or " " in extension:
        return name, ""
    if len(extension.encode()) + 1 > _MAX_EXTENSION_BYTES:
        return name, ""
    return stem, dot + extension


def _cut(text: str, limit: int) -> str:
    """The longest beginning of `text` that takes at most `limit` bytes and ends on a whole character."""
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    return encoded[:limit].decode(errors="ignore")


def _fit(name: str, suffix: str, is_directory: bool) -> str:
    stem, extension = (name, "") if is_directory else split_extension(name)
    room = MAX_NAME_BYTES - len((suffix + extension).encode())
    return _cut(stem, room) + suffix + extension


def local_name(title: str, *, is_directory: bool, windows: bool) -> str:
    """The name of what was made here under `title`, which no program could have given if it weren't safe."""
    if not windows:
        return title
    name = to_windows(title)
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    return fitting_end(_fit(name, "", is_directory))


def safe_name(title: str, *, is_directory: bool, windows: bool = False) -> str:
    """The name that `title` has where no other title of its directory comes to the same one."""
    if not windows:
        return _safe_name(title, is_directory)
    # `.` is safe there once it has become what a full stop at the end becomes.
    name = title if title in (".", "..") else _safe_name(title, is_directory)
    return local_name(name, is_directory=is_directory, windows=True)


def _safe_name(title: str, is_directory: bool) -> str:
    if len(title) < MAX_NAME_BYTES and title.isascii() and title.isprintable() and "/" not in title:
        # Most titles: nothing to do but for three.
        if title in (".", ".."):
            return title.replace(".", "．")
        return title or UNTITLED
    name = unicodedata.normalize("NFC", title.translate(_TABLE))
    if name in (".", ".."):
        name = name.replace(".", "．")
    return _fit(name or UNTITLED, "", is_directory)


def with_id(name: str, id: int, *, is_directory: bool) -> str:
    """`name` with ` (id N)` behind it, before a file's extension, cut so that the whole fits."""
    return _fit(name, f" (id {id})", is_directory)


def _looks_suffixed(name: str, is_directory: bool) -> bool:
    if " (id " not in name:
        return False
    stem = name if is_directory else split_extension(name)[0]
    return _SUFFIX.search(stem) is not None


def assign(
    candidates: Iterable[Candidate], taken: Collection[str] = (), *, windows: bool = False
) -> dict[int, str]:
    """Name every candidate of one directory; gives key → name, each name once and none of `taken`.

    A directory wins over a file; among directories the lowest id keeps the plain name, among files the highest
    (the newest). `taken` are names that nobody here may have: those of pending files, and reserved ones.
    """
    same: Callable[[str], str] = folded if windows else str
    taken = {same(name) for name in taken} if windows else taken
    groups: dict[str, list[tuple[str, Candidate]]] = {}
    for candidate in candidates:
        name = safe_name(candidate.title, is_directory=candidate.is_directory, windows=windows)
        groups.setdefault(same(name), []).append((name, candidate))

    names: dict[int, str] = {}
    suffixed: list[tuple[str, Candidate]] = []
    for key, group in groups.items():
        if len(group) > 1:
            group.sort(key=_precedence)
        name, first = group[0]
        if key not in taken and not _looks_suffixed(name, first.is_directory):
            names[first.key] = name
            group = group[1:]
        suffixed += group

    if suffixed:
        used = {same(name) for name in names.values()} | set(taken)
        # Sorted, so that even the last resort below (one id as task and as file) depends on ids alone.
        for name, one in sorted(suffixed, key=lambda pair: (_precedence(pair), pair[0])):
            candidate_name = with_id(name, one.id, is_directory=one.is_directory)
            while same(candidate_name) in used:
                candidate_name = with_id(_shorter(candidate_name), one.id, is_directory=one.is_directory)
            used.add(same(candidate_name))
            names[one.key] = candidate_name
    return names


def _precedence(named: tuple[str, Candidate]) -> tuple[bool, int, str]:
    """Who comes first among equals; folders of projects have no id and go by their titles."""
    _, one = named
    return (not one.is_directory, one.id if one.is_directory else -one.id, one.title)


def _shorter(name: str) -> str:
    """`name`, shortened where another suffix would only replace the end of it and change nothing."""
    stem, extension = split_extension(name)
    return _cut(stem, MAX_NAME_BYTES - 48 - len(extension.encode())) + extension
