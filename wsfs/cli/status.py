"""`wsfs status`: what the drives are doing, once or as it goes on."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from wsfs import control
from wsfs.cli import places, preflight
from wsfs.cli.output import answers
from wsfs.cli.paths import PATH
from wsfs.cli.status_view import not_mounted, view
from wsfs.cli.words import size
from wsfs.config import ConfigError, known_accounts
from wsfs.secrets import Vault

__all__ = ["size", "status"]

#: Seconds after which a drive that says nothing is said to hang.
DEADLINE = 2.0
EVERY = 1.0

States = list[dict[str, Any]]


@click.command(short_help="Show what the drives are doing.")
@click.argument("mountpoint", required=False, type=PATH)
@click.option(
    "--json", "as_json", is_flag=True, help="For programs: an object, or without MOUNTPOINT a list."
)
@click.option("-w", "--watch", is_flag=True, help="Go on showing it, until Ctrl-C.")
def status(mountpoint: str | None, as_json: bool, watch: bool) -> None:
    """Show the state of the drive at MOUNTPOINT, or of every drive of this user: whose turn the next request is, what
    is being uploaded, how full the cache is, how fresh what is shown, and what went wrong lately.

    It asks the drives alone, and costs no request. With --watch it is shown anew every second; with --json too it is
    a line each time that something has changed.

    \b
    wsfs status
    wsfs status --watch
    wsfs status ~/Worksection --json
    """

    def ask() -> States:
        if mountpoint is not None:
            return gather([places.lying_in(mountpoint)[0]])
        return gather([*control.live_mounts(), *places.finishing()])

    console = answers()
    alone = mountpoint is not None
    try:
        if not watch:
            _print(console, ask(), as_json=as_json, alone=alone)
        elif as_json or not console.is_terminal:
            _print_changes(console, ask, as_json=as_json, alone=alone)
        else:
            _watch(console, ask, alone=alone)
    except KeyboardInterrupt:
        sys.exit(130)


# Asking


def gather(mounts: Sequence[control.LiveMount], deadline: float = DEADLINE) -> States:
    """The status of each, asked at one time; one that doesn't answer in time, or is dead, has an `error` instead."""
    answers: list[dict[str, Any] | None] = [None] * len(mounts)
    pids: list[int | None] = [None] * len(mounts)

    def ask(number: int, mount: control.LiveMount) -> None:
        if mount.socket is not None:
            with contextlib.suppress(control.NotServed):
                pids[number] = control.server_pid(mount.socket)
        answers[number] = _asked(mount, deadline)

    threads = [
        threading.Thread(target=ask, args=one, daemon=True)  # left behind where it hangs
        for one in enumerate(mounts)
    ]
    until = time.monotonic() + deadline
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return [
        {"mountpoint": str(mount.mountpoint)}
        | (answer if answer is not None else {"error": _deaf(mount, deadline, pid)})
        for mount, answer, pid in zip(mounts, answers, pids, strict=True)
    ]


def _asked(mount: control.LiveMount, deadline: float) -> dict[str, Any] | None:
    try:
        if mount.socket is not None:
            return control.call(mount.socket, "status", silence=deadline + 1)
    except control.NotServed:
        pass
    except control.ControlError as error:
        return {"error": str(error)}
    if preflight.probe(mount.mountpoint, deadline) == errno.ENOTCONN:
        return {"error": places.gone(mount.mountpoint)}
    return None if mount.socket is not None else {"error": places.deaf(mount.mountpoint)}


def _deaf(mount: control.LiveMount, deadline: float, pid: int | None) -> str:
    process = "its process" if pid is None else f"its process {pid}"
    kill = "end that" if pid is None else f"`kill -9 {pid}`"
    return (
        f"it has not answered for {deadline:g} s: the machine is very busy, or {process} hangs; if that stays so, "
        f"{kill} and then `wsfs umount {mount.mountpoint}`: what is pending is kept"
    )


# Showing


def _shown(states: States, *, alone: bool) -> RenderableType:
    now = datetime.datetime.now().astimezone()
    parts: list[RenderableType] = []
    for state in states:
        parts += [view(state, now), Text()]
    if not states:
        parts.append(Text("Nothing is mounted."))
    elif parts:
        parts.pop()  # no empty line at the end
    if not alone and (others := _others(states)):
        parts.append(not_mounted(others))
    return Group(*parts)


def _others(states: States) -> list[str]:
    """The accounts with a login that none of the drives shows, where each says whose it is."""
    if any("account" not in state for state in states):
        return []
    shown = {str(state.get("account")) for state in states}
    urls = {entry.base_url for entry in Vault().entries()}
    try:
        urls |= {one.base_url for one in known_accounts() if one.secret is not None}
    except ConfigError:
        pass  # which other commands complain of
    return [urlsplit(url).netloc for url in sorted(urls - shown)]


def _json(states: States, *, alone: bool, indent: int | None) -> str:
    told: object = states[0] if alone else states
    return json.dumps(told, indent=indent, ensure_ascii=False)


def _print(console: Console, states: States, *, as_json: bool, alone: bool) -> None:
    if as_json:
        click.echo(_json(states, alone=alone, indent=2))
    else:
        console.print(_shown(states, alone=alone))


def _print_changes(console: Console, ask: Callable[[], States], *, as_json: bool, alone: bool) -> None:
    """For a pipe or a file: again each time that it is another."""
    last: States | None = None
    while True:
        states = ask()
        if states != last:
            last = states
            if as_json:
                click.echo(_json(states, alone=alone, indent=None))
            else:
                console.print(_shown(states, alone=alone))
                console.print()
        time.sleep(EVERY)


def _watch(console: Console, ask: Callable[[], States], *, alone: bool) -> None:
    """On the terminal's other screen, one picture in place of the last; at the end the last one stays."""
    states: States = ask()
    try:
        with Live(_shown(states, alone=alone), console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(_shown(states, alone=alone), refresh=True)
                time.sleep(EVERY)
                states = ask()
    finally:
        console.print(_shown(states, alone=alone))
