"""`wsfs log`: what a drive wrote into its log, wherever that goes, and its last requests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import click

from wsfs import control, mountinfo
from wsfs.cli import daemon, places
from wsfs.cli.errors import UserError, say
from wsfs.cli.paths import PATH
from wsfs.cli.tailing import follow, last_lines
from wsfs.config import ConfigError, gather

LOOK_EVERY = 0.5
ASK_EVERY = 1.0


@click.command(short_help="Show what a drive wrote into its log.")
@click.argument("place", metavar="[MOUNTPOINT|ACCOUNT]", required=False, type=PATH)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("-n", "--lines", default=200, show_default=True, type=click.IntRange(0), help="How many.")
@click.option("--requests", "of_requests", is_flag=True, help="The requests to Worksection instead.")
def log(place: str | None, following: bool, lines: int, of_requests: bool) -> None:
    """Show the last lines of the log of the drive at MOUNTPOINT, running or not; of the only one without it.

    A drive in the background writes to wsfs.log in its data directory, one that systemd started to the journal, and
    one in the foreground to its terminal.

    \b
    wsfs log
    wsfs log ~/Worksection -f
    wsfs log --requests -f
    """
    try:
        if of_requests:
            _requests(places.targets(place), lines, following)
        else:
            _log(place, lines, following)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)


def _log(place: str | None, lines: int, following: bool) -> None:
    where = _where(place)
    match where.get("to"):
        case "file":
            path = Path(where["path"])
            if following:
                _print(follow(path, lines, wait=lambda: time.sleep(LOOK_EVERY)))
            else:
                _print(last_lines(path, lines))
        case "journal":
            sys.exit(subprocess.call(journal_command(where, lines, following)))
        case "terminal":
            raise UserError(
                "this drive runs in the foreground and writes its log to the terminal where it was started; "
                "`wsfs log --requests` works all the same"
            )
        case _:
            raise UserError("this drive doesn't say where its log goes; is it of another version of wsfs?")


def _where(place: str | None) -> dict[str, str]:
    """Where the log goes: what the running mount says, else the file of the one that ran. UserError for none."""
    found = _found(place)
    if found is not None and found.socket is not None:
        try:
            return dict(control.call(found.socket, "status").get("log") or {})
        except control.ControlError as error:
            say(f"{found.mountpoint} doesn't say where its log goes ({error}); this is the file's")
    account = place or ""
    if found is not None:
        mount = mountinfo.find(found.mountpoint)
        account = mount.source if mount is not None else ""
    try:
        paths = [_file(account)]
        if os.geteuid() == 0:
            paths.append(_file(account, system=True))
    except ConfigError as error:
        raise UserError(f"{place or 'this drive'} is neither a drive nor an account ({error})") from error
    there = [path for path in paths if path.exists()]
    if not there:
        told = " or ".join(map(str, dict.fromkeys(paths)))
        raise UserError(
            f"there is no log at {told}; one that systemd started writes to the journal: "
            f"`journalctl {'' if len(paths) > 1 else '--user '}-t wsfs`"
        )
    return {"to": "file", "path": str(max(there, key=lambda path: path.stat().st_mtime_ns))}


def _file(account: str, *, system: bool = False) -> Path:
    """The log's file of an account's drive, the user's own or the machine's. Raises ConfigError."""
    written = gather(account, system=system)
    return daemon.log_path((written.defaults() | written.fields())["data_dir"])


def _found(place: str | None) -> control.LiveMount | None:
    """The mount that the argument names, dead ones too; None where it isn't the path of one. UserError."""
    if place is not None:
        mount = mountinfo.containing(mountinfo.canonical(place))
        return control.find_mount(mount.mountpoint) if mount is not None else None
    mounts = control.live_mounts()
    if len(mounts) != 1:
        names = ", ".join(str(mount.mountpoint) for mount in mounts)
        raise UserError(
            f"which drive's log? There are {names}"
            if mounts
            else "nothing is mounted; `wsfs log ACCOUNT` shows the log of the drive that was"
        )
    return mounts[0]


def journal_command(where: dict[str, str], lines: int, following: bool) -> list[str]:
    """The command that shows the journal's part of a mount; UserError without systemd's tools."""
    if shutil.which("journalctl") is None:
        raise UserError("the log is in the journal, but journalctl, which shows it, is missing")
    command = ["journalctl", "--quiet", "--output=short-iso", f"--lines={lines}"]
    if unit := where.get("unit"):
        command.append(f"--user-unit={unit}" if where.get("manager") == "user" else f"--unit={unit}")
    else:
        command.append("--identifier=wsfs")
    return [*command, *(["--follow"] if following else [])]


def _requests(targets: list[places.Target], lines: int, following: bool) -> None:
    if following and len(targets) > 1:
        raise UserError("one drive at a time can be followed; name its mountpoint")
    for target in targets:
        if len(targets) > 1:
            click.echo(f"==> {target.mountpoint} <==")
        answer = control.call(target.socket, "requests")
        _print(answer["lines"][-lines:] if lines else [])
        while following:
            time.sleep(ASK_EVERY)
            answer = control.call(target.socket, "requests", after=int(answer["total"]))
            _print(answer["lines"])


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
