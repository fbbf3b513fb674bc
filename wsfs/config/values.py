"""How a written value is read.

Each reader takes a string, number, boolean or table, and raises ValueError saying what the value has to be.
"""

from __future__ import annotations

import datetime
import grp
import os
import pwd
import re
import zoneinfo
from collections.abc import Callable, Mapping
from pathlib import Path


def parse_size(value: object) -> int:
    """A number of bytes: 1048576, "500M", "5GiB" (powers of 1024) or "5GB" (powers of 1000)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?b)?|b)?", text_of(value).strip().lower())
    if match is None:
        raise ValueError("has to be a size such as 500M or 5GiB")
    number, unit, binary = match.groups()
    base = 1000 if binary == "b" else 1024
    factor = int(base ** (" kmgt".index(unit) if unit else 0))
    return int(number) * factor if number.isdigit() else int(float(number) * factor)


def text_of(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("has to be a text or a number")
    return str(value)


def cache_size(value: object) -> int:
    size = parse_size(value)
    if size < 2**20:
        raise ValueError("has to be at least 1M")
    return size


def thumbnails(value: object) -> int:
    """A size, or "no", which is none."""
    if value is False or str(value).strip().lower() in ("no", "false", "off"):
        return 0
    try:
        return parse_size(value)
    except ValueError:
        raise ValueError("has to be a size such as 50M, or no") from None


def line(value: object) -> str:
    text = text_of(value).strip()
    if not text or not text.isprintable():
        raise ValueError("has to be a line of text")
    return text


def boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = text_of(value).strip().lower()
    if text in ("1", "yes", "true", "on"):
        return True
    if text in ("0", "no", "false", "off"):
        return False
    raise ValueError("has to be yes or no")


def number(least: float) -> Callable[[object], float]:
    def parse(value: object) -> float:
        try:
            found = float(text_of(value))
        except ValueError:
            found = float("nan")
        if not least <= found < float("inf"):
            raise ValueError(f"has to be a number, {least:g} or more")
        return found

    return parse


def integer(value: object) -> int:
    text = text_of(value).strip()
    if not (text.isascii() and text.isdigit()):
        raise ValueError("has to be a whole number, 0 or more")
    return int(text)


def user(value: object) -> int:
    """A user of this machine by name or number."""
    text = text_of(value).strip()
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        return pwd.getpwnam(text).pw_uid
    except (KeyError, ValueError) as error:
        raise ValueError("has to be the name or number of a user of this machine") from error


def group(value: object) -> int:
    """A group of this machine by name or number."""
    text = text_of(value).strip()
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        return grp.getgrnam(text).gr_gid
    except (KeyError, ValueError) as error:
        raise ValueError("has to be the name or number of a group of this machine") from error


def umask(value: object) -> int:
    # A number of TOML could be meant in tens or in eights.
    if not isinstance(value, str) or not re.fullmatch(r"(0o)?0?[0-7]{1,3}", value.strip()):
        raise ValueError('has to be three octal digits in quotes, such as "027"')
    return int(value, 8)


class Emails(dict[str, str]):
    """Emails by the names (or numbers) of local users."""

    def __str__(self) -> str:
        return ":".join(f"{name}={email}" for name, email in self.items())


def authors(value: object) -> Emails:
    """A table of user to email, or the same as a line: `ann=ann@example.com:bob=bob@example.com`."""
    if isinstance(value, Mapping):
        pairs = [(str(name), email) for name, email in value.items()]
    else:
        parts = [part.partition("=") for part in text_of(value).split(":") if part.strip()]
        pairs = [(name.strip(), email.strip()) for name, _, email in parts]
    for name, email in pairs:
        if not name or not isinstance(email, str) or not re.fullmatch(r"[^\s@,]+@[^\s@,]+", email):
            raise ValueError(
                f"has to give each user's email, as ann=ann@example.com:bob=bob@example.com; {name or 'one'} has none"
            )
    return Emails(pairs)


def one_of(*choices: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in choices:
            raise ValueError(f"has to be {', '.join(choices[:-1])} or {choices[-1]}")
        return str(value)

    return parse


def create(value: object) -> bool:
    return one_of("projects", "no")("no" if value is False else value) == "projects"


def timezone(value: object) -> datetime.tzinfo:
    try:
        return zoneinfo.ZoneInfo(text_of(value))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("has to be the name of a time zone such as Europe/Kyiv") from error


def template(value: object) -> str:
    text = text_of(value)
    try:
        filled = text.format(names="a.txt")
    except (ValueError, LookupError, AttributeError) as error:
        raise ValueError("may hold {names} and no other braces") from error
    if not filled.strip():
        raise ValueError("may not be empty, as a comment needs a text")
    return text


def fsname(value: object) -> str:
    text = line(value)
    if "," in text:
        raise ValueError("may not hold a comma")
    return text


def path(value: object) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("has to be a path")
    try:
        return Path(os.path.normpath(Path(value).expanduser().absolute()))
    except RuntimeError as error:  # a ~NAME that is nobody's
        raise ValueError("has to be a path; nobody here has the home directory at its beginning") from error


def port(value: object) -> int:
    text = text_of(value).strip()
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ValueError("has to be the number of a port")
    return int(text)
