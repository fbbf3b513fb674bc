"""Thunar's custom actions: `uca.xml`, which is the person's own, and into which four entries are merged.

The file is changed as text, between other actions, so that all else in it stays byte for byte. It is read as XML
before and after: where it can't be, or where something else would change, it is left alone. Without a file of the
person's, Thunar takes the system's, so that a new one begins as a copy of that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from wsfs.desktop.home import Home, read, replace
from wsfs.desktop.menu import ITEMS, Item, command_line

SYSTEM_FILE = Path("/etc/xdg/Thunar/uca.xml")
_ID = "wsfs-"
_ACTION = re.compile(r"[ \t]*<action>(?:(?!</action>).)*</action>[ \t]*\n?", re.DOTALL)
_OURS = re.compile(r"<unique-id>\s*" + _ID)
_END = re.compile(r"[ \t]*</actions>\s*$")
_EMPTY = '<?xml version="1.0" encoding="UTF-8"?>\n<actions>\n</actions>\n'
#: Of the kinds that Thunar tells apart all.
_KINDS = ("directories", "audio-files", "image-files", "other-files", "text-files", "video-files")


class Unmergeable(Exception):  # noqa: N818 - it says what is the matter
    """The file is of a shape that isn't understood; `str()` says so to a person."""


def actions_file(home: Home) -> Path:
    """Where Thunar keeps a person's custom actions."""
    return home.config / "Thunar" / "uca.xml"


def merged(text: str, command: Sequence[str]) -> str:
    """The file with our actions at its end, in place of those that it had. Raises Unmergeable."""
    before = _others(text)
    bare = _without(text)
    end = _END.search(bare)
    if end is None:
        raise Unmergeable("it has no </actions> at its end")
    ours = "".join(_action(item, command) for item in ITEMS)
    result = bare[: end.start()] + ours + bare[end.start() :]
    if _others(result) != before or len(_own(result)) != len(ITEMS):
        raise Unmergeable("other actions in it would have changed")
    return result


def without(text: str) -> str:
    """The file without our actions. Raises Unmergeable."""
    result = _without(text)
    if _others(result) != _others(text) or _own(result):
        raise Unmergeable("other actions in it would have changed")
    return result


def install(home: Home, command: Sequence[str], *, system: Path = SYSTEM_FILE) -> bool:
    """Merge the actions in; whether that changed something. Raises Unmergeable, OSError."""
    text = read(actions_file(home))
    if text is None or not text.strip():
        text = read(system) or _EMPTY
    return replace(actions_file(home), merged(text, command))


def uninstall(home: Home, *, system: Path = SYSTEM_FILE) -> bool:
    """Take them out; a file that is then no other than the system's goes too. Raises Unmergeable, OSError."""
    path = actions_file(home)
    text = read(path)
    if text is None or not _OURS.search(text):
        return False
    left = without(text)
    if left in (read(system), _EMPTY):
        path.unlink()
        return True
    return replace(path, left)


def _without(text: str) -> str:
    return _ACTION.sub(lambda match: "" if _OURS.search(match[0]) else match[0], text)


def _action(item: Item, command: Sequence[str]) -> str:
    # Thunar takes %F for the files and %% for a percent sign, and reads the rest as a shell does.
    line = command_line(command, item.action).replace("%", "%%") + " %F"
    lines = [
        f"<icon>{item.icon}</icon>",
        f"<name>{escape(item.label)}</name>",
        "<submenu>Worksection</submenu>",
        f"<unique-id>{_ID}{item.action}</unique-id>",
        f"<command>{escape(line)}</command>",
        f"<description>{escape(item.tip)}</description>",
        "<range></range>",
        "<patterns>*</patterns>",
        *(f"<{kind}/>" for kind in _KINDS),
    ]
    return "<action>\n" + "".join(f"\t{line}\n" for line in lines) + "</action>\n"


def _parsed(text: str) -> list[ElementTree.Element]:
    try:
        root = ElementTree.fromstring(text.encode("utf-8"))
    except (ElementTree.ParseError, ValueError) as error:
        raise Unmergeable(f"it isn't valid XML ({error})") from None
    if root.tag != "actions":
        raise Unmergeable("it holds no actions")
    return list(root)


def _is_own(action: ElementTree.Element) -> bool:
    return (action.findtext("unique-id") or "").strip().startswith(_ID)


def _own(text: str) -> list[ElementTree.Element]:
    return [action for action in _parsed(text) if _is_own(action)]


def _others(text: str) -> list[bytes]:
    """Every action that isn't ours, as XML, whatever stands between them."""
    others = [action for action in _parsed(text) if not _is_own(action)]
    for action in others:
        action.tail = None
    return [ElementTree.tostring(action) for action in others]
