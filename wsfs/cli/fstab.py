"""The helper that mount(8) calls for `mount -t fuse.wsfs` and for lines of fstab: /sbin/mount.fuse.wsfs.

Started by root it makes a mount of the machine (`wsfs mount --system`); by anybody else, as mount(8) does for lines
with `user`, a mount of that user; with `setuid=USER` one of that user, as at his own prompt.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from wsfs.cli import daemon, healing, preflight
from wsfs.cli.errors import UserError, say
from wsfs.config import FOREIGN, OPTIONS, ConfigError, Settings, parse_mount_options, resolve
from wsfs.control import ControlError

# The exit codes of mount(8) and its helpers.
SUCCESS, USAGE, SYSTEM, BUG, INTERRUPTED, FAILED = 0, 1, 2, 4, 8, 32
HELP = "usage: mount.fuse.wsfs ACCOUNT DIRECTORY [-sfnv] [-o OPTIONS]; see docs/system.md"
_REFUSED = {
    "remount": "a drive can't be mounted anew in place; unmount it, and mount it with the other options",
    "bind": "this is no mount of one directory at another; leave out the type for that",
}


@dataclass
class Call:
    """What mount(8) asks for."""

    source: str = ""
    target: str = ""
    options: list[str] = field(default_factory=list)
    sloppy: bool = False
    fake: bool = False
    verbose: bool = False


class UsageError(Exception):
    """mount(8), or whoever it was, said something that makes no sense."""


def parse(arguments: Sequence[str]) -> Call:
    """Read the arguments as mount(8) gives them: the source, the directory, flags, and -o OPTIONS. UsageError."""
    call = Call()
    places: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            places.append(word)
            continue
        for position, letter in enumerate(word[1:], 1):
            if letter in "otN":
                value = word[position + 1 :] or (rest.pop(0) if rest else "")
                if letter == "o":
                    call.options.append(value)
                elif letter == "N":
                    raise UsageError("another name space can't be mounted into; nsenter(1) goes there")
                break
            match letter:
                case "s":
                    call.sloppy = True
                case "f":
                    call.fake = True
                case "v":
                    call.verbose = True
                case "n":
                    pass  # there is no /etc/mtab to be written any more
                case "r":
                    call.options.append("ro")
                case "w":
                    call.options.append("rw")
                case _:
                    raise UsageError(f"-{letter} isn't known; {HELP}")
    if len(places) != 2:
        raise UsageError(HELP)
    call.source, call.target = places
    return call


def split(text: str) -> list[str]:
    """The options between the commas; one after a backslash belongs to a value."""
    return [item.strip() for item in re.split(r"(?<!\\),", text) if item.strip()]


def chosen(call: Call) -> tuple[str, str | None]:
    """The options that concern wsfs, as text for -o, and whose mount it is to be. Raises ConfigError."""
    user: str | None = None
    kept: list[str] = []
    names = {"fsname"} & {item.partition("=")[0] for text in call.options for item in split(text)}
    if not names:  # what mount -a and findmnt look for is what stands in fstab
        kept.append("fsname=" + call.source.replace(",", "\\,"))
    for item in (item for text in call.options for item in split(text)):
        name, _, value = item.partition("=")
        if name in _REFUSED:
            raise ConfigError(_REFUSED[name])
        known = name in OPTIONS or name in ("rw", "exec")
        foreign = name in FOREIGN or name.startswith(("x-", "X-"))
        if name == "setuid":
            user = value
        elif not foreign and (known or not call.sloppy):
            kept.append(item)
    text = ",".join(kept)
    parse_mount_options(text)
    return text, user


def become(user: str) -> None:
    """Go on as another user, with his home and nothing of ours. Raises ConfigError; only root may do this."""
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        raise ConfigError(f"there is no user {user} (given with -o setuid)") from None
    if os.geteuid() != 0:
        if entry.pw_uid == os.geteuid():
            return
        raise ConfigError("setuid is for root, as in fstab; leave it out to mount a drive of your own")
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    kept = {
        name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TZ", "JOURNAL_STREAM")
    }
    os.environ.clear()
    os.environ.update(kept)
    os.environ.update(HOME=entry.pw_dir, USER=entry.pw_name, LOGNAME=entry.pw_name, SHELL=entry.pw_shell)
    runtime = Path(f"/run/user/{entry.pw_uid}")
    if runtime.is_dir():
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        if (runtime / "bus").exists():
            os.environ["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={runtime / 'bus'}"


def mount(call: Call) -> Settings:
    """Mount, or with `fake` only see whether it could be. Returns once the drive serves; raises what `main` tells."""
    try:
        text, user = chosen(call)
        if user is not None:
            become(user)
    except ConfigError as error:
        raise UsageError(str(error)) from error
    system = user is None and os.geteuid() == 0
    settings = resolve(call.source, call.target, mount_options=text, system=system, warn=say)
    preflight.check_fuse()
    healing.heal(settings.mountpoint, warn=say)
    preflight.check(settings)
    if not call.fake:
        daemon.start(daemon.mount_command(settings, [text]), settings)
    return settings


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of mount.fuse.wsfs; ends the process with an exit code of mount(8)."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Do what mount(8) asks for; says what went wrong in one sentence, and returns the exit code."""
    if not os.environ.get("PATH"):  # mount(8) in an early boot
        os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    if any(word in ("-h", "--help") for word in arguments):
        click.echo(HELP)
        return SUCCESS
    try:
        call = parse(arguments)
        settings = mount(call)
    except UsageError as error:
        say(str(error))
        return USAGE
    except (UserError, ConfigError, ControlError) as error:
        say(error.message if isinstance(error, UserError) else str(error))
        return FAILED
    except OSError as error:
        say(f"the mount failed: {error.strerror or error}")
        return SYSTEM
    except KeyboardInterrupt:
        return INTERRUPTED
    if call.verbose:
        with contextlib.suppress(OSError):
            click.echo(f"{settings.fsname} is mounted at {settings.mountpoint}")
    return SUCCESS
