"""`wsfs unpin`: the opposite of `wsfs pin`."""

from __future__ import annotations

import click

from wsfs import control
from wsfs.cli import places
from wsfs.cli.flushing import count
from wsfs.cli.paths import PATH


@click.command(short_help="Let pinned files make room for others again.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=PATH)
def unpin(paths: tuple[str, ...]) -> None:
    """Let every PATH, a file or a directory with all that is in it, make room for other files again.

    What is here stays until the cache needs its room; what isn't yet is no longer fetched.

    \b
    wsfs unpin ~/Worksection/Website/Design
    """
    total = 0
    for target in [places.target(path) for path in paths]:
        total += int(control.call(target.socket, "unpin", within=target.within).get("files", 0))
    click.echo(f"{count(total, 'file')} unpinned." if total else "Nothing was pinned there.")
