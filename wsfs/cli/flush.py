"""`wsfs flush`: send what is pending now."""

from __future__ import annotations

import sys

import click

from wsfs.cli import flushing
from wsfs.cli.paths import PATH
from wsfs.cli.places import targets


@click.command(short_help="Send pending uploads now and wait for them.")
@click.argument("path", required=False, type=PATH)
def flush(path: str | None) -> None:
    """Send what is pending in PATH, a file or directory of a drive, and wait until it has arrived.

    Without PATH, everything in every drive. Nothing waits for its settle time any longer. The exit code is 1
    when something could not be sent; it stays in its place.

    \b
    wsfs flush
    wsfs flush ~/Worksection/Website/Logo
    """
    complete = [flushing.report(flushing.flush(target)) for target in targets(path)]
    if not all(complete):
        sys.exit(1)
