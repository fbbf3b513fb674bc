"""`wsfs config`: what is in force for an account, and where each value comes from."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wsfs.cli import known
from wsfs.cli.errors import say
from wsfs.cli.flushing import shown
from wsfs.cli.output import answers
from wsfs.cli.status import size
from wsfs.config import (
    ConfigError,
    Line,
    config_files,
    explain,
    gather,
    problems,
)
from wsfs.config.explain import DEFAULT


@click.command(short_help="Show the settings that are in force, and where each comes from.")
@click.argument("account", required=False)
@click.option(
    "-o", "mount_options", metavar="OPTIONS", multiple=True, help="As if these were given to mount."
)
@click.option("--system", is_flag=True, help="Those of a mount of the system, as in fstab.")
@click.option("--json", "as_json", is_flag=True, help="For programs: an object.")
def config(account: str | None, mount_options: tuple[str, ...], system: bool, as_json: bool) -> None:
    """Show what is in force for ACCOUNT, or for every account that is known, and where each value comes from.

    The files are checked as well, all of them: what is wrong is named with file and line, and the exit code is 1
    then. No secret is shown.

    \b
    wsfs config
    wsfs config acme --json
    sudo wsfs config acme --system
    """
    wrong = problems(system=system)
    told: list[dict[str, Any]] = []
    for name in [account] if account else _accounts(system):
        try:
            written = gather(name, mount_options=",".join(mount_options), system=system)
            told.append({"account": name, "address": written.base_url, "settings": explain(written)})
        except ConfigError as error:
            if str(error) not in wrong:
                wrong.append(str(error))
    files = [
        {"path": str(path), "there": path.exists(), "readable": os.access(path, os.R_OK)}
        for path in config_files(system=system)
    ]
    if as_json:
        for one in told:
            one["settings"] = [dataclasses.asdict(line) for line in one["settings"]]
        said = {"files": files, "accounts": told, "problems": wrong}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
    else:
        console = answers()
        for file in files:
            console.print(Text(f"{file['path']}{'' if file['there'] else ' (not there)'}", style="dim"))
        for one in told:
            _show(console, one)
        if not told and not wrong:
            console.print("No account is known. `wsfs config ACCOUNT` shows the defaults of one.")
        for sentence in wrong:
            say(sentence)
    if wrong:
        sys.exit(1)


def _accounts(system: bool) -> list[str]:
    """The accounts that the files name, or that there is a login to."""
    try:
        return list(known.accounts(system).values())
    except ConfigError:
        return []  # which `problems` has told


def _show(console: Console, told: dict[str, Any]) -> None:
    console.print()
    console.print(Text(f"{shown(told['account'])}  ", style="bold") + Text(told["address"], style="dim"))
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for line in told["settings"]:
        style = "dim" if line.source == DEFAULT else ""
        source = _short(line.source + "".join(f"\nrather than {place}" for place in line.instead_of))
        table.add_row(
            Text(line.name, style=style),
            Text(_short(shown(_words(line))), style=style),
            Text(source, style="dim"),
        )
    console.print(table)


def _short(text: str) -> str:
    """Paths below the home directory as they are typed."""
    home = str(Path.home())
    return text.replace(f"{home}/", "~/") if len(home) > 1 else text


def _words(line: Line) -> str:
    match line.value:
        case None:
            return "–"
        case bool():
            return "yes" if line.value else "no"
        case int() if line.name == "cache_size":
            return size(line.value)
        case float():
            return f"{line.value:g}"
        case _:
            return str(line.value)
