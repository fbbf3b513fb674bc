"""`wsfs pin`: keep files on this machine."""

from __future__ import annotations

import sys
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from wsfs import control
from wsfs.cli import places
from wsfs.cli.flushing import count, shown
from wsfs.cli.paths import PATH
from wsfs.cli.places import Target
from wsfs.cli.status import size


@click.command(short_help="Fetch files now and keep them on this machine.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=PATH)
def pin(paths: tuple[str, ...]) -> None:
    """Fetch every PATH, a file or a directory with all that is in it, and keep it: it stays readable without the
    network, and no other file takes its room in the cache. `wsfs cache` lists what is pinned.

    It costs one request, so a second, for each file that isn't here yet. Interrupted, it goes on in the background;
    `wsfs unpin` ends that. What comes into a directory later isn't pinned: pin it again. The exit code is 1 when
    something could not be fetched.

    \b
    wsfs pin ~/Worksection/Website/Design
    """
    complete = [report(fetch(target)) for target in [places.target(path) for path in paths]]
    if not all(complete):
        sys.exit(1)


def fetch(target: Target) -> dict[str, Any]:
    """Have `target` pinned, showing how far it is; the mount's result. ControlError as `control.call`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Looking", total=None, start=False)

        def show(state: dict[str, Any]) -> None:
            if "files" in state:
                bar.start_task(task)
            bar.update(
                task,
                description=words(state),
                total=state.get("bytes"),
                completed=state.get("bytes_done", 0),
            )

        return control.call(target.socket, "pin", within=target.within, progress=show)


def words(state: dict[str, Any]) -> str:
    """What a progress of the mount says, as a person reads it."""
    if "files" not in state:
        return f"Looking into {count(int(state.get('directories', 0)), 'directory', 'directories')}"
    told = f"Fetching {state.get('files_done', 0)} of {count(int(state['files']), 'file')}"
    if requests := int(state.get("requests_left", 0)):
        told += f", {count(requests, 'request')} left"
    if seconds := float(state.get("seconds_left", 0)):
        told += f", {duration(seconds)} at least"
    return told


def duration(seconds: float) -> str:
    """Seconds as a person says them: "40 s", "12 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def report(result: dict[str, Any]) -> bool:
    """Say what is pinned and name what could not be; False when something couldn't."""
    left = [item for item in result.get("left", ()) if isinstance(item, dict)]
    files = int(result.get("files", 0))
    if files:
        click.echo(f"{count(files, 'file')}, {size(int(result.get('bytes', 0)))}, stay on this machine.")
    elif not left:
        click.echo("There is no file to pin.")
    for item in left:
        click.echo(f"Not fetched: {shown(str(item.get('path', '?')))} ({item.get('reason', '?')})", err=True)
    return not left
