"""Entries for file managers that read them from files: PCManFM (the draft "DES-EMA") and Nemo's own actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from wsfs.desktop.home import MARK, Home, remove, replace
from wsfs.desktop.menu import ITEMS, Item, command_line

# Whether the first file lies in a drive: shown in the menu only then. A shell, as it is asked at each menu.
_INSIDE = r"""sh -c 'case "$(findmnt -rno FSTYPE -T "$1")" in *fuse.wsfs) echo true;; esac' sh"""


def pcmanfm_files(home: Home, command: Sequence[str]) -> Mapping[Path, str]:
    """A submenu and an entry each, by their paths."""
    place = home.data / "file-manager" / "actions"
    files = {
        place / "wsfs.desktop": _desktop(
            Type="Menu",
            Name="Worksection",
            Tooltip="Worksection",
            Icon="wsfs",
            ItemsList="".join(f"wsfs-{item.action};" for item in ITEMS),
            ShowIfTrue=f"{_INSIDE} %f",
        )
    }
    for item in ITEMS:
        files[place / f"wsfs-{item.action}.desktop"] = _desktop(
            Type="Action",
            Name=item.label,
            Tooltip=item.label,  # which is what libfm 1.3.2 shows
            Icon=item.icon,
            TargetContext="true",
            TargetLocation="true",
            Profiles="run;",
        ) + _profile(item, command)
    return files


def nemo_files(home: Home, command: Sequence[str]) -> Mapping[Path, str]:
    """An entry each, by their paths, for a Nemo without its loader of extensions in Python."""
    place = home.data / "nemo" / "actions"
    inside = f"exec {place / 'wsfs-inside.sh'} %F"
    files = {
        place / "wsfs-inside.sh": (
            f"#!/bin/sh\n# Made by `{MARK}`: whether a file lies in a drive of wsfs.\n"
            '[ "$(findmnt -rno FSTYPE -T "$1")" = fuse.wsfs ]\n'
        )
    }
    for number, item in enumerate(ITEMS):  # shown in the order of the files' names, and in no submenu
        label = item.label if "Worksection" in item.label else f"Worksection: {item.label}"
        files[place / f"wsfs-{number}-{item.action}.nemo_action"] = (
            f"# Made by `{MARK}`.\n[Nemo Action]\nActive=true\nName={label}\nComment={item.tip}\n"
            f"Icon-Name={item.icon}\nExec={_percent(command_line(command, item.action))} %F\n"
            f"Selection=notnone\nExtensions=any;\nQuote=double\nConditions={inside};\n"
        )
    return files


def install(files: Mapping[Path, str]) -> bool:
    """Write the files; whether that changed something. Raises OSError."""
    changed = [replace(path, text) for path, text in files.items()]
    for path in files:
        if path.suffix == ".sh":
            path.chmod(0o755)
    return any(changed)


def uninstall(files: Mapping[Path, str]) -> bool:
    """Take away those that are ours; whether there were any."""
    return sum(map(remove, files)) > 0


def _desktop(**keys: str) -> str:
    lines = "".join(f"{key}={value}\n" for key, value in keys.items())
    return f"# Made by `{MARK}`.\n[Desktop Entry]\n{lines}"


def _profile(item: Item, command: Sequence[str]) -> str:
    line = _percent(command_line(command, item.action))
    # Nothing of "Schemes": libfm 1.3.2 crashes over it.
    return f"\n[X-Action-Profile run]\nMimeTypes=*;\nExec={line} %F\nShowIfTrue={_INSIDE} %f\n"


def _percent(line: str) -> str:
    return line.replace("%", "%%")
