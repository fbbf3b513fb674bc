"""`wsfs uploads`: what has not reached the server, why, and what to do with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wsfs import control
from wsfs.cli import pending, places, saving
from wsfs.cli.errors import UserError, say
from wsfs.cli.flushing import count, shown
from wsfs.cli.output import answers
from wsfs.cli.paths import PATH
from wsfs.cli.pending import FLYING, HELD_BACK, Choice, Pending
from wsfs.cli.words import size

CHUNK = 1000
"""How many files a mount is asked about at once."""

DATA_DIR = click.option(
    "--data-dir",
    metavar="DIR",
    help="Read the uploads that lie in this data directory, with no mount running.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")


class Listing(click.Group):
    """A group whose command `list` may be left out."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, "-h", "--help"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Listing, short_help="List what is not uploaded yet; send it, save it, or let go of it.")
def uploads() -> None:
    """What has not reached the server, and what to do with it.

    \b
    wsfs uploads                                      list it
    wsfs uploads send ~/Worksection/Website/photos    let go what is held: many new tasks at once
    wsfs uploads retry                                send again what was refused
    wsfs uploads save ~/rescued                       copy it out
    wsfs uploads discard ~/Worksection/Website/a.txt  delete it for good
    """


@uploads.command("list", short_help="List what has not reached the server (the default).")
@click.argument("mountpoint", required=False, type=PATH)
@DATA_DIR
@AS_JSON
def list_(mountpoint: str | None, data_dir: str | None, as_json: bool) -> None:
    """List what has not reached the server, of the drive at MOUNTPOINT or of every drive.

    Without MOUNTPOINT also what lies in the data directories of accounts that aren't mounted: it goes when they are.
    """
    if mountpoint is not None:
        lists = [pending.of(places.target(mountpoint))]
    else:
        lists = pending.everything(data_dir)
        if not lists:
            places.targets(None)  # says that nothing is mounted
    if as_json:
        told = [
            {"mountpoint": None if one.mountpoint is None else str(one.mountpoint), **one.told}
            for one in lists
        ]
        click.echo(json.dumps(told if mountpoint is None else told[0], indent=2, ensure_ascii=False))
        return
    console = answers()
    for found in lists:
        show(console, found)


@uploads.command(short_help="Let go what is held back.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=PATH)
@AS_JSON
def send(paths: tuple[str, ...], as_json: bool) -> None:
    """Send what is held back at PATH: more than ten new tasks at once, a directory that still has the name which a
    file manager gave it, a copy that was interrupted, and what the service refused.

    What may have arrived already goes only if PATH is its own.
    """
    sent = 0
    for path in paths:
        target = places.target(path)
        result = control.call(target.socket, "send", within=target.within or "/")
        sent += result["files"] if isinstance(result.get("files"), int) else 0
    if as_json:
        click.echo(json.dumps({"files": sent}))
    else:
        click.echo(f"{count(sent, 'file')} will be sent." if sent else "Nothing is held back there.")


@uploads.command(short_help="Send again what was refused or interrupted.")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=PATH)
@AS_JSON
def retry(paths: tuple[str, ...], as_json: bool) -> None:
    """Send again what the service refused: at PATH, with what was interrupted there, or else in every drive.

    What may have arrived already goes only if PATH is its own, as nothing can be deleted through Worksection's API:
    look there first. The exit code is 1 when something stays.
    """
    if paths:
        choices = pending.chosen(paths)
    else:
        choices = [Choice(one, _refused(one), frozenset()) for one in pending.everything()]
        if not choices:
            places.targets(None)
    sent, left = 0, list[dict[str, Any]]()
    for choice in choices:
        back = [file for file in choice.files if file["state"] in HELD_BACK]
        kept = [file for file in back if _stays(file, choice)]
        kept_inodes = {file["inode"] for file in kept}
        going = [int(file["inode"]) for file in back if file["inode"] not in kept_inodes]
        left += [_told(file, _stays(file, choice)) for file in kept]
        if going and choice.pending.socket is None:
            raise UserError("the drive isn't mounted: `wsfs mount` it, then try again")
        if choice.pending.socket is not None:
            for chunk in _chunks(going):
                answer = control.call(choice.pending.socket, "retry", inodes=chunk)
                sent += int(answer.get("files") or 0)
                left += [one for one in answer.get("left", ()) if isinstance(one, dict)]
    if as_json:
        click.echo(json.dumps({"files": sent, "left": left}, indent=2, ensure_ascii=False))
    else:
        if sent or not left:
            click.echo(f"{count(sent, 'file')} will be sent." if sent else "Nothing was refused there.")
        _say_left(left)
    if left or (paths and not sent):
        sys.exit(1)


@uploads.command(short_help="Copy out what could not be sent.")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False))
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=PATH)
@DATA_DIR
@AS_JSON
def save(directory: str, paths: tuple[str, ...], data_dir: str | None, as_json: bool) -> None:
    """Copy what could not be sent into DIR, each file in its place in the drive, with its time.

    That is what was refused, interrupted or is held back; with PATH whatever waits there; and with no mount running
    all that waits: it is read from the data directory. Each copy is compared with its source, and nothing is
    overwritten. What was copied stays in the drive: `wsfs uploads discard` lets go of it. The exit code is 1 when
    something could not be copied.
    """
    place = pending.directory_to_fill(directory)
    if paths:
        choices = pending.chosen(paths, data_dir)
    else:
        choices = [Choice(one, _stuck(one), frozenset()) for one in pending.everything(data_dir)]
        if not choices and not pending.everything(data_dir):
            places.targets(None)
    saved, left = list[dict[str, Any]](), list[dict[str, Any]]()
    for choice in choices:
        for file in choice.files:
            if file.get("directory") or file["state"] == "sent":
                continue
            try:
                if file["state"] == "open":
                    raise saving.NotSaved("a program has it open")
                copy = saving.save(file, choice.pending.spool, place)
            except saving.NotSaved as error:
                left.append(_told(file, str(error)))
            else:
                saved.append({"path": file["path"], "saved": str(copy), "size": file["size"]})
    if as_json:
        click.echo(json.dumps({"saved": saved, "left": left}, indent=2, ensure_ascii=False))
    else:
        total = size(sum(int(one["size"]) for one in saved))
        click.echo(
            f"{count(len(saved), 'file')} ({total}) copied to {shown(str(place))}."
            if saved
            else "Nothing there needs to be saved."
        )
        _say_left(left, "not copied")
    if left or (paths and not saved):
        sys.exit(1)


@uploads.command(short_help="Delete for good what shall not be sent.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=PATH)
@click.option("--yes", is_flag=True, help="Don't ask.")
@AS_JSON
def discard(paths: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Delete what waits at PATH from this machine, after asking: it is nowhere else.

    What is on its way can't be taken back and stays. `wsfs uploads save DIR PATH` makes copies first. The drive has to
    be mounted. The exit code is 1 when something stays.
    """
    choices = pending.chosen(paths)
    if any(choice.pending.socket is None for choice in choices):
        raise UserError("the drive isn't mounted: `wsfs mount` it, then try again")
    doomed = [file for choice in choices for file in choice.files if file["state"] not in FLYING]
    left = [
        _told(file, "it is being sent and can't be taken back")
        for choice in choices
        for file in choice.files
        if file["state"] in FLYING
    ]
    if doomed and not yes:
        if as_json or not sys.stdin.isatty():
            raise click.UsageError("`--yes` is needed where nobody can be asked")
        _confirm(doomed)
    gone = 0
    inodes = {file["inode"] for file in doomed}
    for choice in choices:
        # By what was shown: nothing goes that came since.
        mine = [int(file["inode"]) for file in choice.files if file["inode"] in inodes]
        for chunk in _chunks(mine):
            assert choice.pending.socket is not None
            answer = control.call(choice.pending.socket, "discard", inodes=chunk)
            gone += int(answer.get("files") or 0)
            left += [one for one in answer.get("left", ()) if isinstance(one, dict)]
    if as_json:
        click.echo(json.dumps({"files": gone, "left": left}, indent=2, ensure_ascii=False))
    else:
        click.echo(f"{count(gone, 'file')} deleted." if gone else "Nothing was deleted.")
        _say_left(left, "stays")
    if left:
        sys.exit(1)


def _refused(one: Pending) -> list[dict[str, Any]]:
    return [file for file in one.files if file["state"] == "quarantined"]


def _stuck(one: Pending) -> list[dict[str, Any]]:
    """What doesn't go by itself; with no mount nothing does."""
    return [file for file in one.files if one.socket is None or file["state"] in (*HELD_BACK, "held")]


def _stays(file: dict[str, Any], choice: Choice) -> str:
    """Why a retry leaves a file alone; "" where it doesn't."""
    if file.get("old_version"):
        return "a newer version has its place"
    above = [one for one in choice.files if one.get("directory") and one["inode"] in choice.named]
    named = file["inode"] in choice.named or any(
        pending.lies_at(str(file["path"]), str(one["path"])) for one in above
    )
    if file.get("uncertain") and not named:
        return "it may have arrived already: look in Worksection, then `wsfs uploads retry` with its own path"
    return ""


def _told(file: dict[str, Any], reason: str) -> dict[str, Any]:
    return {"path": file["path"], "state": file["state"], "reason": reason}


def _say_left(left: Sequence[dict[str, Any]], what: str = "not sent") -> None:
    for one in left:
        reason = shown(str(one.get("reason") or one.get("state") or ""))
        say(f"{what}: {shown(str(one.get('path', '?')))} ({reason})")


def _chunks(inodes: Sequence[int]) -> list[Sequence[int]]:
    return [inodes[start : start + CHUNK] for start in range(0, len(inodes), CHUNK)]


def _confirm(doomed: Sequence[dict[str, Any]]) -> None:
    """Show what will be gone, and ask; Abort where the answer is no."""
    answers().print(_table(doomed))
    files = [file for file in doomed if not file.get("directory")]
    total = size(sum(int(file.get("size") or 0) for file in files))
    click.confirm(
        f"Delete {count(len(files), 'file')} ({total}) for good? There is no other copy", abort=True
    )


def show(console: Console, found: Pending) -> None:
    """Print the uploads of one drive for people."""
    if not found.files:
        console.print(Text(f"{shown(found.name)}: everything is on the server."))
        return
    mounted = "" if found.socket is not None else ", not mounted"
    console.print(Text(f"{shown(found.name)}{mounted}: {count(len(found.files), 'file')}", style="bold"))
    if message := shown(str(found.told.get("message") or "")):
        again = found.told.get("again_in")
        when = f"; next try in {again:.0f} s" if isinstance(again, int | float) else ""
        console.print(Text(f"{message}{when}", style="yellow"))
    console.print(_table(found.files))
    states = {file.get("state") for file in found.files}
    if found.socket is None:
        say("it goes when the drive is mounted; `wsfs uploads save DIR` copies it out")
        return
    if states & {"held", "interrupted"}:
        say("`wsfs uploads send PATH` sends what is held back")
    if "quarantined" in states:
        say(
            "`wsfs uploads retry` sends again what was refused, `save DIR` copies it out, `discard PATH` deletes it"
        )


def _table(files: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    for column in ("state", "size", "path", "why"):
        table.add_column(column, overflow="fold", justify="right" if column == "size" else "left")
    for item in files:
        bytes_, done = item.get("size"), item.get("bytes_done")
        told = size(bytes_) if isinstance(bytes_, int | float) and not item.get("directory") else ""
        if told and isinstance(done, int) and item.get("state") == "sending":
            told = f"{size(done)} of {told}"
        table.add_row(
            Text(str(item.get("state", ""))),
            told,
            Text(shown(str(item.get("path", "?")))),
            Text(shown(str(item.get("reason") or item.get("error") or ""))),
        )
    return table
