"""`wsfs uploads`: what has not reached the server, and why."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wsfs import control
from wsfs.cli import places
from wsfs.cli.errors import say
from wsfs.cli.flushing import count, shown
from wsfs.cli.status import size


@click.command(
    short_help="List what is not uploaded yet, or let go what is held.",
    options_metavar="[--json]",
)
@click.argument("words", nargs=-1, metavar="[MOUNTPOINT | send PATH...]", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def uploads(words: tuple[str, ...], as_json: bool) -> None:
    """List what has not reached the server, of the drive at MOUNTPOINT or of every drive.

    `wsfs uploads send PATH` sends what is held back there: many new tasks at once, an interrupted copy, or a
    file that the service refused.

    \b
    wsfs uploads
    wsfs uploads ~/Worksection
    wsfs uploads send ~/Worksection/Website/photos
    """
    if words[:1] == ("send",):
        if len(words) < 2:
            raise click.UsageError("`wsfs uploads send` needs the path of what to send")
        for path in words[1:]:
            send(path)
        return
    if len(words) > 1:
        raise click.UsageError("one mountpoint at most can be given")
    lists = [
        {"mountpoint": str(target.mountpoint)} | control.call(target.socket, "uploads")
        for target in places.targets(words[0] if words else None)
    ]
    if as_json:
        click.echo(json.dumps(lists if not words else lists[0], indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    for found in lists:
        show(console, found)


def send(path: str) -> None:
    """Let go what is held back at `path`."""
    target = places.target(path)
    result = control.call(target.socket, "send", within=target.within or "/")
    if isinstance(sent := result.get("files"), int):
        click.echo(f"{count(sent, 'file')} will be sent." if sent else "Nothing is held back there.")


def show(console: Console, found: dict[str, Any]) -> None:
    """Print the uploads of one drive for people; each of its `files` has path, state, size and reason."""
    files = [item for item in found.get("files", ()) if isinstance(item, dict)]
    if not files:
        console.print(Text(f"{shown(found['mountpoint'])}: everything is on the server."))
        return
    console.print(Text(f"{shown(found['mountpoint'])}: {count(len(files), 'file')}", style="bold"))
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    for column in ("state", "size", "path", "why"):
        table.add_column(column, overflow="fold", justify="right" if column == "size" else "left")
    for item in files:
        bytes_ = item.get("size")
        table.add_row(
            Text(str(item.get("state", ""))),
            size(bytes_) if isinstance(bytes_, int | float) else "",
            Text(shown(str(item.get("path", "?")))),
            Text(shown(str(item.get("reason") or item.get("error") or ""))),
        )
    console.print(table)
    if any(item.get("state") in ("held", "quarantined", "interrupted") for item in files):
        say("`wsfs uploads send PATH` sends what is held back")
