"""Xfce's thumbnailer (tumbler) and the drives: `Excludes` in its tumbler.rc, which is changed line by line.

A person's file takes the place of the system's as a whole, so a new one begins as a copy of that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from wsfs.desktop.home import Home, read, replace

SYSTEM_FILE = Path("/etc/xdg/tumbler/tumbler.rc")
_SECTION = re.compile(r"^\s*\[.+\]\s*$")
_EXCLUDES = re.compile(r"^(\s*Excludes\s*=\s*)(.*)$")


def settings_file(home: Home) -> Path:
    """Where a person's settings are."""
    return home.config / "tumbler" / "tumbler.rc"


def text_in_force(home: Home, system: Path = SYSTEM_FILE) -> str | None:
    """The settings that tumbler takes: the person's, else the system's; None where it isn't installed."""
    own = read(settings_file(home))
    return own if own is not None else read(system)


def switch(
    home: Home, places: Sequence[Path], *, thumbnails: bool, system: Path = SYSTEM_FILE
) -> bool | None:
    """Have thumbnails made in `places`, or not; whether that changed something, None where there is no tumbler."""
    text = text_in_force(home, system)
    if text is None:
        return None

    def changed(paths: list[str]) -> list[str]:
        wanted = [str(place) for place in places]
        left = [path for path in paths if path not in wanted]
        return left if thumbnails else left + wanted

    result = edited(text, changed)
    if result == read(system):
        existed = settings_file(home).exists()
        settings_file(home).unlink(missing_ok=True)
        return existed
    return replace(settings_file(home), result)


def edited(text: str, change: Callable[[list[str]], list[str]]) -> str:
    """The text with `change` applied to the paths of every section's Excludes; a section without gets one."""
    lines: list[str] = []
    missing = False  # of the section that is being read

    def close() -> None:
        if missing and (paths := change([])):
            at = len(lines)
            while at and not lines[at - 1].strip():
                at -= 1
            lines.insert(at, f"Excludes={';'.join(paths)}")

    for line in text.splitlines():
        if _SECTION.match(line):
            close()
            missing = True
        elif match := _EXCLUDES.match(line):
            missing = False
            line = match[1] + ";".join(change([path for path in match[2].strip().split(";") if path]))
        lines.append(line)
    close()
    return "\n".join(lines) + ("\n" if text.endswith("\n") or not text else "")
