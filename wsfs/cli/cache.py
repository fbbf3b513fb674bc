"""`wsfs cache`: what is kept of the attachments."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wsfs import control
from wsfs.cli import places
from wsfs.cli.flushing import count, shown
from wsfs.cli.output import answers
from wsfs.cli.paths import PATH
from wsfs.cli.status import size

LISTED = 20
"""So many pinned files are listed one by one; of more, their directories are."""


@click.command(short_help="Show what is kept on this machine, or clear it.", options_metavar="[--json]")
@click.argument("words", nargs=-1, metavar="[clear] [MOUNTPOINT]", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def cache(words: tuple[str, ...], as_json: bool) -> None:
    """Show the cache of the drive at MOUNTPOINT, or of every drive: its size and limit, how many reads it answered
    (hits) and how many had to wait for a download (misses), and what is pinned.

    `wsfs cache clear` drops everything in it that is neither open nor pinned.

    \b
    wsfs cache
    wsfs cache clear ~/Worksection
    """
    clear = words[:1] == ("clear",)
    rest = words[1:] if clear else words
    if len(rest) > 1:
        raise click.UsageError("one mountpoint at most can be given")
    targets = places.targets(rest[0] if rest else None)
    if clear:
        for target in targets:
            freed = int(control.call(target.socket, "clear_cache").get("freed", 0))
            click.echo(f"{shown(str(target.mountpoint))}: {size(freed)} freed.")
        return
    found = [
        {"mountpoint": str(target.mountpoint)} | control.call(target.socket, "cache") for target in targets
    ]
    if as_json:
        click.echo(json.dumps(found[0] if rest else found, indent=2, ensure_ascii=False))
        return
    console = answers()
    for state in found:
        show(console, state)


def show(console: Console, state: dict[str, Any]) -> None:
    """Print the cache of one drive for people."""
    console.print(Text(shown(str(state["mountpoint"])), style="bold"))
    number = {name: int(state.get(name, 0)) for name in ("used", "limit", "files", "hits", "misses")}
    pinned = [item for item in state.get("pinned", ()) if isinstance(item, dict)]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(
        "  used", f"{size(number['used'])} of {size(number['limit'])}, {count(number['files'], 'file')}"
    )
    table.add_row("  reads", f"{number['hits']:,} from the cache, {number['misses']:,} had to wait")
    total = sum(int(item.get("size", 0)) for item in pinned)
    told = f"{count(len(pinned), 'file')}, {size(total)}" if pinned else "nothing"
    if missing := int(state.get("to_be_fetched", 0)):
        told += f", {count(missing, 'file')} still to be fetched"
    table.add_row("  pinned", told)
    for path, words in _lines(pinned):
        table.add_row("", Text(f"{shown(path)}  {words}"))
    console.print(table)


def _lines(pinned: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """What is pinned, each a path and what there is to say of it."""
    if len(pinned) <= LISTED:
        return [(str(item.get("path", "?")), _file(item)) for item in pinned]
    directories = defaultdict[str, list[int]](list)
    for item in pinned:
        directories[str(item.get("path", "?")).rpartition("/")[0] or "/"].append(int(item.get("size", 0)))
    return [
        (path, f"{count(len(sizes), 'file')}, {size(sum(sizes))}")
        for path, sizes in sorted(directories.items())
    ]


def _file(item: dict[str, Any]) -> str:
    whole, present = int(item.get("size", 0)), int(item.get("present", 0))
    return size(whole) if present >= whole else f"{size(present)} of {size(whole)}"
