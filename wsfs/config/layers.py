"""Where a setting may stand: each such place is a layer, a map from the names of options to written values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wsfs.config.errors import ConfigError
from wsfs.config.options import FOREIGN, OPTIONS, Option


@dataclass(frozen=True)
class Value:
    """A written value and the words that say where it was written."""

    raw: object
    source: str
    path: Path | None = None  # the file, if it was one
    line: int | None = None


Layer = Mapping[str, Value]


_OPPOSITES = {"rw": "ro", "exec": "noexec"}


def parse_mount_options(text: str) -> dict[str, Value]:
    """Read the text of -o: names and name=value between commas, `\\,` being a comma inside a value.

    The last of equal names counts. Options meant for mount(8) or the desktop are dropped; raises ConfigError
    for unknown names.
    """
    found: dict[str, Value] = {}
    for item in re.split(r"(?<!\\),", text):
        name, equals, raw = item.strip().replace("\\,", ",").partition("=")
        if name in _OPPOSITES:
            found[_OPPOSITES[name]] = Value("no", f"-o {name}")
        elif not name or name in FOREIGN or name.startswith(("x-", "X-")):
            continue
        elif name not in OPTIONS:
            raise ConfigError(f"there is no option {name} (given with -o); `wsfs mount --help` lists them")
        elif not equals and not OPTIONS[name].flag:
            raise ConfigError(f"the option {name} (given with -o) needs a value: {name}=…")
        else:
            found[name] = Value(raw if equals else True, f"-o {name}")
    return found


def parsed(option: Option, value: Value) -> object:
    """The value that an option has by what was written; a ConfigError names both and the place."""
    try:
        return option.parse(value.raw)
    except ValueError as error:
        raise ConfigError(f"{option.name} {error}, not {value.raw!r} ({value.source})") from error


def flag(name: str) -> str:
    """An option of the command line by its name in OPTIONS."""
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    """The name of an option in the environment."""
    return "WSFS_" + name.upper()
