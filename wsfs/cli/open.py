"""`wsfs open`: the task or project in the browser."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Sequence

import click

from wsfs.cli.errors import UserError, say
from wsfs.cli.paths import PATH
from wsfs.cli.url import asked

#: More pages than this at once are rather a slip than a wish.
MOST = 10


@click.command("open", short_help="Open a task or project in the browser.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=PATH)
def open(paths: tuple[str, ...]) -> None:
    """Open the page of every PATH in the browser: of a project or task its own, of a file that of its task.

    Where there is no browser, the address is printed.

    \b
    wsfs open ~/Worksection/Website/Design
    cd ~/Worksection/Website/Design && wsfs open .
    """
    pages = pages_of(paths)
    for page in pages:
        if has_desktop() and browse(page):
            continue
        say("there is no browser here; this is the page")
        click.echo(page)


def pages_of(paths: Sequence[str]) -> list[str]:
    """The page of each path, every one once; UserError for too many, and what `asked` raises."""
    pages = list(dict.fromkeys(asked(path)["page"] for path in paths))
    if len(pages) > MOST:
        raise UserError(f"these lie in {len(pages)} tasks; {MOST} pages at most are opened at once")
    return pages


def has_desktop() -> bool:
    """Whether a browser could show something: a desktop is there, or a person named one in BROWSER."""
    return any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))


def browse(page: str) -> bool:
    """Have a browser open the page; False where there is none."""
    try:
        return webbrowser.open(page)
    except (webbrowser.Error, OSError):
        return False
