"""`wsfs status`: what the drives are doing."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wsfs import control
from wsfs.cli import places
from wsfs.cli.flushing import shown

# In a status, numbers under these names are bytes.
SIZES = frozenset({"bytes", "bytes_done", "free", "limit", "size", "total_bytes", "used", "pending_bytes"})


@click.command(short_help="Show what the drives are doing.")
@click.argument("mountpoint", required=False, type=click.Path())
@click.option(
    "--json", "as_json", is_flag=True, help="For programs: an object, or without MOUNTPOINT a list."
)
def status(mountpoint: str | None, as_json: bool) -> None:
    """Show the state of the drive at MOUNTPOINT, or of every drive of this user.

    \b
    wsfs status
    wsfs status ~/Worksection --json
    """
    if mountpoint is not None:
        target = places.target(mountpoint)
        mounts = [control.LiveMount(target.mountpoint, target.socket)]
    else:
        mounts = control.live_mounts()
    states = [_state(mount) for mount in mounts]
    if as_json:
        told: object = states if mountpoint is None else states[0]
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    elif not states:
        click.echo("Nothing is mounted.")
    else:
        console = Console(highlight=False)
        for state in states:
            show(console, state)


def _state(mount: control.LiveMount) -> dict[str, Any]:
    state: dict[str, Any] = {"mountpoint": str(mount.mountpoint)}
    if mount.socket is None:
        return state | {"error": places.trouble(mount.mountpoint)}
    try:
        return state | control.call(mount.socket, "status")
    except control.NotServed:
        return state | {"error": places.trouble(mount.mountpoint)}
    except control.ControlError as error:
        return state | {"error": str(error)}


def show(console: Console, state: dict[str, Any]) -> None:
    """Print a status for people: the mountpoint, and a line for each thing known of it."""
    console.print(Text(shown(str(state["mountpoint"])), style="bold"))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in state.items():
        if name != "mountpoint":
            style = "red" if name == "error" else ""
            table.add_row("  " + label(name), Text(words(name, value), style=style))
    console.print(table)


def label(name: str) -> str:
    """A key of a status as a person reads it."""
    return shown(name).replace("_", " ")


def words(name: str, value: object) -> str:
    """A value of a status as a person reads it; nested ones as "name value", with commas between.

    In nested ones what is empty is left out, as there is much to say already.
    """
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int() if name in SIZES:
            return size(value)
        case float():
            return f"{value:g}"
        case dict():
            told = {key: item for key, item in value.items() if item not in (None, "", [], {})}
            return ", ".join(f"{label(key)} {words(key, item)}" for key, item in told.items()) or "–"
        case list():
            return "\n".join(words(name, item) for item in value) or "–"
        case _:
            return shown(str(value))


def size(number: float) -> str:
    """A number of bytes for people: "512 B", "1.5 MiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"
