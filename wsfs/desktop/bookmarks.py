"""The places in the side bar: GTK's bookmarks, a line each, its address and then its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from wsfs.desktop.home import Home, read, replace


def bookmarks_file(home: Home) -> Path:
    """Where GTK 3 and 4, and so every file manager but those of KDE, keep them."""
    return home.config / "gtk-3.0" / "bookmarks"


def address(place: Path) -> str:
    """The address of a directory as GTK writes it into the file."""
    return "file://" + quote(str(place), safe="/!$&'()*+,;=:@~-._", errors="surrogateescape")


def added(text: str, places: Mapping[Path, str]) -> str:
    """The file with a line for every place that has none yet; whatever is in it stays, a name that was changed too."""
    lines = text.splitlines()
    known = {line.split(" ", 1)[0] for line in lines}
    lines += [
        f"{address(place)} {' '.join(name.split())}"
        for place, name in places.items()
        if address(place) not in known
    ]
    return "".join(f"{line}\n" for line in lines)


def removed(text: str, places: Mapping[Path, str]) -> str:
    """The file without the lines for those places."""
    gone = {address(place) for place in places}
    return "".join(f"{line}\n" for line in text.splitlines() if line.split(" ", 1)[0] not in gone)


def install(home: Home, places: Mapping[Path, str]) -> bool:
    """Put the places into the side bar; whether that changed something."""
    return bool(places) and replace(bookmarks_file(home), added(read(bookmarks_file(home)) or "", places))


def uninstall(home: Home, places: Mapping[Path, str]) -> bool:
    """Take them out; a file that would be empty goes, if it was made for them alone."""
    path = bookmarks_file(home)
    text = read(path)
    if text is None:
        return False
    left = removed(text, places)
    if not left and text:
        path.unlink()
        return True
    return replace(path, left)
