"""Installing everything that a desktop gets, and taking it away again without a trace.

What is ours as a whole is a file that says so. What isn't (Thunar's actions, the side bar) is merged, and the places
that were put into the side bar are noted in `desktop.json`, as nothing in that file could say whose they are.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from wsfs.desktop import actions, bookmarks, extensions, thunar
from wsfs.desktop.home import Home, read, remove, replace


@dataclass(frozen=True)
class Outcome:
    """What became of one part: `changed` is False where it was so already, `trouble` says why it couldn't be.

    `hint` names what is missing for all of it.
    """

    part: str
    said: str
    changed: bool = True
    trouble: str = ""
    hint: str = ""


Which = Callable[[str], str | None]


def install(
    home: Home,
    command: Sequence[str],
    places: Mapping[Path, str],
    *,
    everything: bool = False,
    which: Which = shutil.which,
    libraries: Sequence[Path] = extensions.LIBRARIES,
) -> list[Outcome]:
    """Give every file manager that is here (with `everything`: that there is) its entries, and `places` the side bar.

    `command` starts wsfs; `places` are mountpoints with the names they get. May be called again at any time.
    """

    def here(program: str) -> bool:
        return everything or which(program) is not None

    outcomes = [_tried("Icons", "", lambda: sum(replace(*icon) for icon in _icons(home)) > 0)]
    if here("nautilus"):
        outcomes.append(
            _tried(
                "Nautilus",
                "a menu and emblems",
                lambda: extensions.install(home, extensions.NAUTILUS, command),
                "" if extensions.NAUTILUS.has_loader(libraries) else _missing(extensions.NAUTILUS),
            )
        )
    if here("nemo"):
        outcomes.append(_nemo(home, command, libraries))
    if here("thunar"):
        outcomes.append(_tried("Thunar", "a menu", lambda: thunar.install(home, command)))
    if here("pcmanfm"):
        outcomes.append(
            _tried("PCManFM", "a menu", lambda: actions.install(actions.pcmanfm_files(home, command)))
        )
    if places:
        outcomes.append(_tried("Side bar", ", ".join(places.values()), lambda: _bookmarked(home, places)))
    return outcomes


def uninstall(home: Home) -> list[Outcome]:
    """Take everything away that `install` made; what is a person's own stays as it is."""
    noted = _noted(home)
    outcomes = [
        _tried("Nautilus", "", lambda: extensions.uninstall(home, extensions.NAUTILUS)),
        _tried(
            "Nemo",
            "",
            lambda: any(
                [
                    extensions.uninstall(home, extensions.NEMO),
                    actions.uninstall(actions.nemo_files(home, ())),
                ]
            ),
        ),
        _tried("Thunar", "", lambda: thunar.uninstall(home)),
        _tried("PCManFM", "", lambda: actions.uninstall(actions.pcmanfm_files(home, ()))),
        _tried("Side bar", ", ".join(noted.values()), lambda: bookmarks.uninstall(home, noted)),
        _tried("Icons", "", lambda: sum(remove(path) for path, _ in _icons(home)) > 0),
    ]
    if not any(outcome.trouble for outcome in outcomes):
        _note_file(home).unlink(missing_ok=True)
    return outcomes


def _nemo(home: Home, command: Sequence[str], libraries: Sequence[Path]) -> Outcome:
    """With its loader Nemo gets the extension, else entries alone; never both, or each entry would be there twice."""
    files = actions.nemo_files(home, command)
    if extensions.NEMO.has_loader(libraries):

        def extension() -> bool:
            return any([actions.uninstall(files), extensions.install(home, extensions.NEMO, command)])

        return _tried("Nemo", "a menu and emblems", extension)

    def entries() -> bool:
        return any([extensions.uninstall(home, extensions.NEMO), actions.install(files)])

    return _tried(
        "Nemo", "a menu", entries, _missing(extensions.NEMO, "for emblems too, install it again after")
    )


def _missing(manager: extensions.Manager, what: str = "for these to show") -> str:
    return f"{what} `sudo apt install {manager.package}`"


def _tried(part: str, said: str, do: Callable[[], bool], hint: str = "") -> Outcome:
    try:
        return Outcome(part, said, do(), hint=hint)
    except (OSError, UnicodeDecodeError) as error:
        named = getattr(error, "filename", None)
        reason = f"{named}: {error.strerror}" if isinstance(error, OSError) and named else str(error)
        return Outcome(part, said, False, reason)
    except thunar.Unmergeable as error:
        return Outcome(part, said, False, f"its custom actions are left alone, as {error}")


def _icons(home: Home) -> Iterator[tuple[Path, str]]:
    place = home.data / "icons" / "hicolor" / "scalable"
    for icon in resources.files("wsfs.desktop").joinpath("icons").iterdir():
        if icon.name.endswith(".svg"):
            kind = "emblems" if icon.name.startswith("emblem-") else "apps"
            yield place / kind / icon.name, icon.read_text(encoding="utf-8")


# The side bar


def _note_file(home: Home) -> Path:
    return home.data / "wsfs" / "desktop.json"


def _noted(home: Home) -> dict[Path, str]:
    """The places that were put into the side bar, by an earlier call too."""
    with contextlib.suppress(OSError, ValueError):
        noted = json.loads(read(_note_file(home)) or "{}").get("places", {})
        return {Path(place): str(name) for place, name in noted.items()}
    return {}


def _bookmarked(home: Home, places: Mapping[Path, str]) -> bool:
    text = read(bookmarks.bookmarks_file(home)) or ""
    own = {line.split(" ", 1)[0] for line in text.splitlines()}
    noted = _noted(home)
    # A bookmark that a person made for the same place is the person's, and stays at the end.
    fresh = {place: name for place, name in places.items() if bookmarks.address(place) not in own}
    if fresh:
        told = {str(place): name for place, name in {**noted, **fresh}.items()}
        replace(_note_file(home), json.dumps({"places": told}, indent=2, ensure_ascii=False) + "\n")
    return bookmarks.install(home, fresh)
