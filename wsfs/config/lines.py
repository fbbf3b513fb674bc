"""In which line of a TOML file each key stands, which the standard library's parser doesn't tell."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Keys = tuple[str, ...]


def key_lines(text: str) -> dict[Keys, int]:
    """The first line of every table and key by its full path: ("accounts", "acme", "rate"), whatever its spelling.

    `text` has to be valid TOML. It is read statement by statement: each begins on a line of its own, and is the
    shortest run of lines from there that the parser takes. A table without a header has the line of its first key.
    """
    found: dict[Keys, int] = {}
    table: Keys = ()
    statement, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        if not statement:
            first = number
        statement += line + "\n"
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # a text or list over several lines
        is_header = statement.lstrip().startswith("[")
        statement = ""
        for path in _paths(parsed):
            if is_header:
                table = path  # the last one is the deepest
            found.setdefault(path if is_header else (*table, *path), first)
    return found


def _paths(parsed: Mapping[str, Any]) -> Iterator[Keys]:
    for name, value in parsed.items():
        yield (name,)
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict):
            yield from ((name, *path) for path in _paths(inner))
