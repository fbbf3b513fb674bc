"""Waiting for uploads, with a bar: what `wsfs flush` and `wsfs umount` have in common.

The mount's progress says `files`, `files_done`, `bytes`, `bytes_done`, `requests_left`, `speed` (bytes a second),
`seconds_left`, `current` (a name), and while nothing can go `message` and `again_in`; any may be missing.
Its result says `sent` (a count) and `left`: what could not go, each with `path`, `state` and `reason`.
"""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from wsfs import control
from wsfs.cli.errors import say
from wsfs.cli.places import Target
from wsfs.cli.words import joined, size, span


def flush(target: Target) -> dict[str, Any]:
    """Have everything pending in `target` sent, showing how far it is; the mount's result. ControlError as `call`.

    Where no terminal is there to show it, it is only said why it has to wait, once each.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TextColumn("{task.fields[rest]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Uploading", total=None, start=False, rest="")
        told: set[str] = set()

        def show(state: dict[str, Any]) -> None:
            message = str(state.get("message") or "")
            if bar.disable and message and message not in told:
                told.add(message)
                say(f"waiting: {shown(message)}")
            bar.start_task(task)
            bar.update(
                task,
                description=doing(state),
                total=state.get("bytes"),
                completed=state.get("bytes_done", 0),
                rest=rest(state),
            )

        return control.call(target.socket, "flush", within=target.within, progress=show)


def doing(state: dict[str, Any]) -> str:
    """What a flush is at: which of how many files, and its name, or why it has to wait."""
    if message := state.get("message"):
        return f"Waiting: {shown(str(message))}"
    words = "Uploading"
    if "files" in state:
        words += f" {state.get('files_done', 0)} of {state['files']} files"
    if state.get("current"):
        words += f": {shown(str(state['current']))}"
    return words


def rest(state: dict[str, Any]) -> str:
    """What is still to come of a flush: speed, requests, and time, which takes the account's pace into account."""
    again = state.get("again_in")
    if isinstance(again, int | float):
        return f"next try in {span(again)}"
    speed, seconds, requests = (
        state.get("speed") or 0,
        state.get("seconds_left"),
        state.get("requests_left") or 0,
    )
    return joined(
        f"{size(speed)}/s" if speed else "",
        count(int(requests), "request") if requests else "",
        f"{span(seconds)} left" if seconds else "",
    )


def report(result: dict[str, Any]) -> bool:
    """Say what was sent and name what was left; False when something was."""
    left = [item for item in result.get("left", ()) if isinstance(item, dict)]
    if sent := result.get("sent"):
        click.echo(f"Sent {count(int(sent), 'file')}.")
    elif not left:
        click.echo("Everything is on the server.")
    for item in left:
        reason = item.get("reason") or item.get("state") or "not sent"
        click.echo(f"Not sent: {shown(str(item.get('path', '?')))} ({reason})", err=True)
    return not left


def count(number: int, noun: str, plural: str = "") -> str:
    """ "1 file", "2 files"."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"


def shown(name: str) -> str:
    """A name fit for a terminal: what could steer it is replaced."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)
