"""`wsfs url`: the address in Worksection of what lies in a drive."""

from __future__ import annotations

import sys

import click

from wsfs import control
from wsfs.api.errors import ApiError
from wsfs.cli import places
from wsfs.cli.errors import UserError, say
from wsfs.cli.paths import PATH


@click.command(short_help="Print the address of a file, task or project in Worksection.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=PATH)
def url(paths: tuple[str, ...]) -> None:
    """Print the address of every PATH, a line each: to be sent to a colleague.

    That of a file fetches the file, that of a task or project shows its page. What isn't uploaded yet has that of the
    task it goes to. The exit code is 1 when one of them has none.

    \b
    wsfs url ~/Worksection/Website/Design
    wsfs url ~/Worksection/Website/Design/*.png
    """
    failed = False
    for path in paths:
        try:
            click.echo(asked(path)["link"])
        except (UserError, control.ControlError, ApiError) as error:
            say(f"{path}: {error}" if not isinstance(error, UserError) else error.message)
            failed = True
    if failed:
        sys.exit(1)


def asked(path: str) -> dict[str, str]:
    """The `link` and `page` of `path`; UserError, ControlError where there is none."""
    target = places.target(path)
    return {
        name: str(value) for name, value in control.call(target.socket, "url", within=target.within).items()
    }
