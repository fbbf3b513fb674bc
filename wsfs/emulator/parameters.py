"""A request's parameters, from wherever they came: query string, form fields, multipart fields or a JSON object."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from wsfs.emulator import problems

_INDEX = re.compile(r"\[[^\]]*\]$")
SECRETS = frozenset({"hash", "access_token", "client_secret", "refresh_token", "code"})


class Parameters:
    """The parameters by name; `raw` keeps a JSON value's own type, `name[]` becomes lines under `name`."""

    def __init__(self, pairs: Iterable[tuple[str, Any]] = ()) -> None:
        self.values: dict[str, str] = {}
        self.raw: dict[str, Any] = {}
        self.update(pairs)

    def update(self, pairs: Iterable[tuple[str, Any]]) -> None:
        """Add more; a later one of the same name wins, a repeated `name[]` is one more line."""
        for name, value in pairs:
            text = _text(value)
            if (short := _INDEX.sub("", name)) != name and short in self.values:
                text = f"{self.values[short]}\n{text}"
            self.values[short] = text
            self.raw[short] = value

    def get(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def words(self, name: str) -> set[str]:
        """Return a list's members, however it was written."""
        return {word for word in re.split(r"[,\s]+", self.get(name)) if word}

    def number(self, name: str) -> int | None:
        """Return an id, None where there is none; -1, which no id is, where it isn't a number."""
        text = self.get(name)
        if not text:
            return None
        return int(text) if text.isascii() and text.isdigit() else -1

    def public(self) -> dict[str, str]:
        """Return them without what proves who asks."""
        return {name: value for name, value in self.values.items() if name not in SECRETS}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list):
        return ",".join(_text(each) for each in value)
    return str(value)


def from_query(query: bytes) -> Parameters:
    """Read a raw query string."""
    return Parameters(parse_qsl(query.decode("latin-1"), keep_blank_values=True))


def body_pairs(content_type: str, body: bytes) -> list[tuple[str, Any]]:
    """Read a small body: a form or a JSON object; anything else holds nothing.

    Raises Problem (11) for what claims to be JSON and is none.
    """
    if content_type.startswith("application/json"):
        if not body.strip():
            return []
        try:
            said = json.loads(body)
        except ValueError:
            raise problems.value_invalid("JSON") from None
        if not isinstance(said, dict):
            raise problems.value_invalid("JSON")
        return list(said.items())
    if content_type.startswith("application/x-www-form-urlencoded"):
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return []
