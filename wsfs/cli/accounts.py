"""`wsfs accounts`: which accounts are known, whose login to each is kept where, and when it ends."""

from __future__ import annotations

import datetime
import json
import time
from typing import Any
from urllib.parse import urlsplit

import click
from rich.table import Table
from rich.text import Text

from wsfs.cli.flushing import shown
from wsfs.cli.output import answers
from wsfs.config import config_files, known_accounts, vault_of


@click.command(short_help="Show the accounts that are known, and their logins.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a list.")
@click.option("--system", is_flag=True, help="Those of this machine's drives.")
def accounts(as_json: bool, system: bool) -> None:
    """Show every account that there is a login to, or that the configuration names. No secret is shown.

    \b
    wsfs accounts
    wsfs accounts --json
    """
    found = _found(system)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo("No account is known. `wsfs login ACCOUNT` logs in to one.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for title in ("ACCOUNT", "LOGIN", "KEPT IN", "ENDS"):
        table.add_column(title, header_style="dim", overflow="fold")
    for one in found:
        login = one["user"] if one["login"] in ("oauth", "key") else one["login"] or "none"
        table.add_row(
            Text(urlsplit(one["account"]).netloc),
            Text(shown(login)),
            Text(shown(one["kept_in"] or "–")),
            Text(_ends(one["ends"])),
        )
    answers().print(table)


def _found(system: bool) -> list[dict[str, Any]]:
    """A row for each account: the kept login, which goes before a key in a file."""
    rows: dict[str, dict[str, Any]] = {
        entry.base_url: {
            "account": entry.base_url,
            "login": entry.kind,
            "user": entry.user,
            "kept_in": entry.place,
            "ends": None if entry.ends is None else _moment(entry.ends),
        }
        for entry in vault_of(system).entries()
    }
    for known in known_accounts(config_files(system=system)):
        rows.setdefault(
            known.base_url,
            {
                "account": known.base_url,
                "login": {"api_key": "API key", "access_token": "access token"}.get(known.secret or ""),
                "user": "",
                "kept_in": known.source,
                "ends": None,
            },
        )
    return [rows[url] for url in sorted(rows)]


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="minutes")


def _ends(moment: str | None) -> str:
    if moment is None:
        return "–"
    ends = datetime.datetime.fromisoformat(moment)
    day = f"{ends.date():%Y-%m-%d}"
    return f"{day}, later with each use" if ends.timestamp() > time.time() else f"ended {day}: log in again"
