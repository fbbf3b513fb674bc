"""What the entries of a file manager's menu do: as the commands, but told by notifications.

A file manager shows nothing that a program prints; without a desktop's notifications it goes to stderr all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

import click

from wsfs import control
from wsfs.cli import open as opening
from wsfs.cli import places, url
from wsfs.cli.errors import UserError, say
from wsfs.cli.flushing import count, shown
from wsfs.cli.pin import duration
from wsfs.cli.places import Target
from wsfs.cli.upload_words import words_for
from wsfs.cli.words import size
from wsfs.desktop import clipboard, notice

Tell = Callable[[str, str, bool], None]

_FAILED = {
    "open": "The page could not be opened",
    "copy-link": "No link was copied",
    "keep": "Nothing was kept offline",
    "release": "Nothing was changed",
    "state": "The upload state isn't known",
}

#: Seconds of fetching from which on a person is told that it goes on.
LONG = 5.0
LISTED = 5


def tell(title: str, body: str = "", trouble: bool = False) -> None:
    """Show a notification, or without a desktop print it."""
    if not notice.show(title, body, trouble=trouble):
        say(": ".join(filter(None, (title, body.replace("\n", "; ")))))


def run(action: str, paths: Sequence[str], tell: Tell = tell) -> bool:
    """Do what the entry `action` stands for; whether it could be done. What can't be is told, not raised."""
    does: dict[str, Callable[[Sequence[str], Tell], bool]] = {
        "open": open_pages,
        "copy-link": copy_links,
        "keep": keep,
        "release": release,
        "state": state,
    }
    try:
        return does[action](paths, tell)
    except (UserError, control.ControlError, click.ClickException) as error:
        sentence = error.message if isinstance(error, click.ClickException) else str(error)
        # A notification shows a line of its title, and all of its body.
        tell(_FAILED[action], f"{sentence[:1].upper()}{sentence[1:]}", True)
        return False


def open_pages(paths: Sequence[str], tell: Tell) -> bool:
    """The page of each, in the browser."""
    pages = opening.pages_of(paths)
    left = [page for page in pages if not opening.browse(page)]
    if left:
        tell("No browser could be started", "\n".join(left), True)
    return not left


def copy_links(paths: Sequence[str], tell: Tell) -> bool:
    """The address of each into the clipboard, a line each."""
    links = "\n".join(url.asked(path)["link"] for path in paths)
    if clipboard.copy(links):
        tell("Link copied" if len(paths) == 1 else f"{len(paths)} links copied", links, False)
        return True
    tell("The clipboard can't be reached: install xclip (or wl-clipboard)", links, True)
    return False


def keep(paths: Sequence[str], tell: Tell) -> bool:
    """Pin each and say when it is there; also that it takes a while, where it does."""
    files = bytes_ = 0
    left: list[dict[str, Any]] = []
    told = False

    def progress(now: dict[str, Any]) -> None:
        nonlocal told
        seconds = float(now.get("seconds_left") or 0)
        if not told and seconds > LONG:
            told = True
            files = count(int(now.get("files", 0)), "file")
            tell(f"Fetching {files}", f"It takes {duration(seconds)} at least.", False)

    for target in [places.target(path) for path in paths]:
        result = control.call(target.socket, "pin", within=target.within, progress=progress)
        files += int(result.get("files", 0))
        bytes_ += int(result.get("bytes", 0))
        left += [item for item in result.get("left", ()) if isinstance(item, dict)]
    if left:
        names = [f"{shown(str(item.get('path')))} ({item.get('reason')})" for item in left[:LISTED]]
        tell(f"{count(len(left), 'file')} could not be fetched", "\n".join(names), True)
    elif files:
        tell(f"{count(files, 'file')}, {size(bytes_)}, stay on this computer", "", False)
    else:
        tell("There is no file to keep", "", False)
    return not left


def release(paths: Sequence[str], tell: Tell) -> bool:
    """Unpin each."""
    files = 0
    for target in [places.target(path) for path in paths]:
        files += int(control.call(target.socket, "unpin", within=target.within).get("files", 0))
    tell(f"{count(files, 'file')} may make room again" if files else "Nothing was kept there", "", False)
    return True


def state(paths: Sequence[str], tell: Tell) -> bool:
    """How the upload of each is, in words; of a directory, of what is in it."""
    pending: list[dict[str, Any]] = []
    targets = [places.target(path) for path in paths]
    for socket in dict.fromkeys(target.socket for target in targets):
        files = control.call(socket, "uploads").get("files", ())
        below = [target for target in targets if target.socket == socket]
        pending += [
            item for item in files if isinstance(item, dict) and any(_holds(one, item) for one in below)
        ]
    if not pending:
        what = _name(targets[0]) if len(targets) == 1 else f"All {len(targets)}"
        tell(f"{what}: everything is on the server", "", False)
        return True
    lines = [f"{_last(item)}: {words_for(item)}" for item in pending[:LISTED]]
    if len(pending) > LISTED:
        lines.append(f"and {len(pending) - LISTED} more; `wsfs uploads` lists them")
    trouble = any(item.get("state") in ("quarantined", "interrupted") for item in pending)
    not_there = "isn't" if len(pending) == 1 else "aren't"
    tell(f"{count(len(pending), 'file')} {not_there} on the server yet", "\n".join(lines), trouble)
    return True


def _holds(target: Target, item: dict[str, Any]) -> bool:
    place = PurePosixPath(target.within or "/")
    return PurePosixPath(str(item.get("path"))).is_relative_to(place)


def _name(target: Target) -> str:
    return shown(PurePosixPath(target.within).name if target.within else target.mountpoint.name)


def _last(item: dict[str, Any]) -> str:
    return shown(PurePosixPath(str(item.get("path"))).name)
