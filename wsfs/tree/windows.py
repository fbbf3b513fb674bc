"""Names that Windows can have, for drives that it sees through Samba (`-o windows_names`).

What Windows refuses in a name becomes a visible look-alike: `?` becomes `？`, a full stop or space at the end `．` or
`␠`, and `CON`, which is a device there whatever its extension, `ＣON`. Where a title holds such a look-alike already,
it gets a `‛` before it. So every name means exactly one title and every title has exactly one name: what a person on
Windows makes or renames is told to Worksection with the characters that the look-alikes stand for.

How the `‛` keeps that so: where n of them stand before a character that is replaced, 2n do before its look-alike; where
n stand before the look-alike itself, 2n+1 do (before `ＣON`, n+1). Elsewhere they mean nothing.

Source of what Windows refuses: "Naming Files, Paths, and Namespaces" in Microsoft's documentation of Win32.
"""

from __future__ import annotations

import re

QUOTE = "‛"

_FULLWIDTH = 0xFF00 - 0x20
_REPLACED = {character: chr(ord(character) + _FULLWIDTH) for character in '<>:"\\|?*'}
_AT_END = {".": "．", " ": "␠"}
_MEANT = {look: character for character, look in (_REPLACED | _AT_END).items()}

_ANYWHERE = re.compile(f"({QUOTE}*)([{re.escape(''.join(_REPLACED) + ''.join(_REPLACED.values()))}])")
_ENDING = re.compile(f"({QUOTE}*)([{re.escape(''.join(_AT_END) + ''.join(_AT_END.values()))}])\\Z")
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|\Z)", re.IGNORECASE)


def to_windows(name: str) -> str:
    """The name that Windows is shown for a name that holds no `/` and no control character; one that it can have
    anyway is itself, unless it looks like another's. It may be longer."""
    name = _ENDING.sub(_quoted, _ANYWHERE.sub(_quoted, name))
    if _DEVICE.match(name):
        return _wide(name[0]) + name[1:]
    return QUOTE + name if _is_wide_device(name.lstrip(QUOTE)) else name


def from_windows(name: str) -> str:
    """What is meant by a name that Windows shows or gives: the only one that `to_windows` turns into it."""
    if _is_wide_device(name.lstrip(QUOTE)):
        name = name[1:] if name[0] == QUOTE else _narrow(name[0]) + name[1:]
    return _ANYWHERE.sub(_unquoted, _ENDING.sub(_unquoted, name))


def is_possible(name: str) -> bool:
    """Whether Windows can have a file of that name, and what it means is a name here too."""
    meant = from_windows(name)
    return meant not in (".", "..") and to_windows(meant) == name


def folded(name: str) -> str:
    """What Windows compares of a name: it takes no account of case."""
    return name.casefold()


def same_to_windows(one: str, other: str) -> bool:
    """Whether two names are one to Windows."""
    return folded(one) == folded(other)


def fitting_end(name: str) -> str:
    """A name that was cut short, with its end made such that Windows can have it."""
    return name.rstrip("".join(_AT_END)) or _AT_END["."]


def _quoted(found: re.Match[str]) -> str:
    quotes, character = found.groups()
    look = _REPLACED.get(character) or _AT_END.get(character)
    return 2 * quotes + look if look else 2 * quotes + QUOTE + character


def _unquoted(found: re.Match[str]) -> str:
    quotes, character = found.groups()
    half, odd = divmod(len(quotes), 2)
    return half * QUOTE + (character if odd else _MEANT.get(character, character))


def _is_wide_device(name: str) -> bool:
    return name > "\uff00" and _DEVICE.match(_narrow(name[0]) + name[1:]) is not None


def _wide(character: str) -> str:
    return chr(ord(character) + _FULLWIDTH)


def _narrow(character: str) -> str:
    return chr(ord(character) - _FULLWIDTH)
