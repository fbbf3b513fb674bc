"""`wsfs desktop`: entries in the file managers' menus, emblems, and a place in the side bar."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from wsfs import control, mountinfo
from wsfs.cli import shell_actions
from wsfs.cli.errors import UserError, say
from wsfs.cli.paths import PATH
from wsfs.desktop import install as desktop_install
from wsfs.desktop import tumbler
from wsfs.desktop.home import Home
from wsfs.desktop.install import Outcome
from wsfs.desktop.menu import ITEMS


@click.group(short_help="Put wsfs into the file managers' menus and side bar.")
def desktop() -> None:
    """Entries in the context menus of Nautilus, Nemo, Thunar and PCManFM (open in Worksection, copy the link, keep
    offline, how the upload is), emblems on files that aren't uploaded yet, and the drive in the side bar.

    \b
    wsfs desktop install
    wsfs desktop thumbnails off ~/Worksection
    wsfs desktop uninstall
    """


@desktop.command(short_help="Install it for this user.")
@click.argument("mountpoints", metavar="[MOUNTPOINT...]", nargs=-1, type=PATH)
@click.option("--all", "everything", is_flag=True, help="Also for file managers that aren't here.")
def install(mountpoints: tuple[str, ...], everything: bool) -> None:
    """Install it for this user, with every MOUNTPOINT in the side bar; without one, the drives that are mounted now.

    It may be done again at any time: after an update, or for another drive. Nothing of your own is lost: Thunar's
    other custom actions and your bookmarks stay as they are. `wsfs desktop uninstall` takes all of it away.
    """
    home = Home.of()
    outcomes = desktop_install.install(home, command(), _named(mountpoints), everything=everything)
    report(outcomes)
    if any(outcome.changed for outcome in outcomes):
        click.echo(
            "A file manager that runs takes it up when it is started again: `nautilus -q`, `thunar -q`, …"
        )


@desktop.command(short_help="Take all of it away again.")
def uninstall() -> None:
    """Take away what `wsfs desktop install` made. What is your own stays."""
    outcomes = desktop_install.uninstall(Home.of())
    gone = [outcome for outcome in outcomes if outcome.changed or outcome.trouble]
    report(gone, changed="taken away")
    if not gone:
        click.echo("Nothing was installed.")


@desktop.command(name="thumbnails", short_help="Thumbnails of Thunar in a drive: on or off.")
@click.argument("how", type=click.Choice(["on", "off"]))
@click.argument("mountpoints", metavar="[MOUNTPOINT...]", nargs=-1, type=PATH)
def thumbnail(how: str, mountpoints: tuple[str, ...]) -> None:
    """Have Xfce's thumbnailer, which Thunar uses, leave the drive at every MOUNTPOINT alone, or not; without one, the
    drives that are mounted now.

    A thumbnail needs the whole picture, which is fetched for it when nobody else needs the service.
    """
    found = list(_named(mountpoints))
    if not found:
        raise UserError("nothing is mounted; name the mountpoint of a drive")
    changed = tumbler.switch(Home.of(), found, thumbnails=how == "on")
    if changed is None:
        raise UserError("Xfce's thumbnailer (tumbler) isn't installed here")
    click.echo("The thumbnailer takes that up when it is started next." if changed else "So it is already.")


@desktop.command(hidden=True)
@click.argument("action", type=click.Choice([item.action for item in ITEMS]))
@click.argument("paths", nargs=-1, required=True, type=PATH)
def run(action: str, paths: tuple[str, ...]) -> None:
    """What an entry of the menu starts: do it, and tell the outcome by a notification."""
    if not shell_actions.run(action, paths):
        sys.exit(1)


def command() -> list[str]:
    """What starts this wsfs from anywhere: its program where that is one, else this interpreter with its module."""
    program = Path(sys.argv[0])
    found = str(program.absolute()) if program.name == "wsfs" and program.is_file() else shutil.which("wsfs")
    if found is not None and os.access(found, os.X_OK):
        return [found]
    return [sys.executable, "-P", "-m", "wsfs"]


def report(outcomes: Sequence[Outcome], changed: str = "") -> None:
    """A line for each part; exit code 1 when one could not be done."""
    for outcome in outcomes:
        if outcome.trouble:
            say(f"{outcome.part}: {outcome.trouble}")
            continue
        words = [outcome.said, changed or ("" if outcome.changed else "there already")]
        hint = f"; {outcome.hint}" if outcome.hint else ""
        click.echo(f"{outcome.part}: {', '.join(filter(None, words)) or 'installed'}{hint}")
    if any(outcome.trouble for outcome in outcomes):
        sys.exit(1)


def _named(mountpoints: Sequence[str]) -> dict[Path, str]:
    """The mountpoints with their names for the side bar. UserError for what is no directory."""
    if not mountpoints:
        found = [mount.mountpoint for mount in control.live_mounts()]
    else:
        found = [mountinfo.canonical(place) for place in mountpoints]
        for place in found:
            if mountinfo.find(place) is None and not place.is_dir():
                raise UserError(f"{place} is no directory; give the mountpoint of a drive")
    return {place: name_of(place) for place in found}


def name_of(place: Path) -> str:
    """What the side bar calls a drive: "Worksection (acme)", by the account that is mounted there now."""
    mount = mountinfo.find(place)
    host = mount.source if mount is not None and mount.is_wsfs else ""
    short = (urlsplit(host).netloc or host).removesuffix(".worksection.com")
    return f"Worksection ({short})" if short else place.name
