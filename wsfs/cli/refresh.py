"""`wsfs refresh`: read from the server again."""

from __future__ import annotations

import click

from wsfs import control
from wsfs.cli.paths import PATH
from wsfs.cli.places import targets


@click.command(short_help="Read a directory, or everything, from the server again.")
@click.argument("path", required=False, type=PATH)
def refresh(path: str | None) -> None:
    """Read PATH, a directory of a drive, from the server again; without PATH, every drive's account.

    There is seldom need for it: a drive asks the service for changes by itself, every half minute or so.

    \b
    wsfs refresh ~/Worksection/Website
    """
    for target in targets(path):
        control.call(target.socket, "refresh", within=target.within)
