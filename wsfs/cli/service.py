"""`wsfs service`: a drive that is there after every login, or boot, by a unit of systemd."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from wsfs import control, mountinfo
from wsfs.cli import daemon, healing, known, preflight, units
from wsfs.cli.errors import UserError, say
from wsfs.cli.paths import PATH
from wsfs.config import (
    ConfigError,
    LoginUnreadable,
    Settings,
    gather,
    parse_mount_options,
    resolve,
)

_account = click.argument("account", required=False)
_system = click.option("--system", is_flag=True, help="The machine's, by /etc/wsfs/config.toml (root).")


@click.group(short_help="A drive that is there after every login, by systemd.")
def service() -> None:
    """Have systemd mount a drive at every login, and keep it: a unit wsfs@ACCOUNT.service of this user.

    It is started again should it fail, and at the end sends what is pending before it goes, within its limit. Its log
    is in the journal (`wsfs log`). ACCOUNT may be left out where only one is known.

    \b
    wsfs service install acme
    wsfs service status
    wsfs service uninstall acme
    sudo wsfs service install acme --system      for the machine, at every boot
    """


@service.command(short_help="Install the service of an account, and start it.")
@_account
@click.argument("mountpoint", required=False, type=PATH)
@click.option(
    "-o", "mount_options", metavar="OPTIONS", multiple=True, help="Mount options, as for `wsfs mount`."
)
@click.option("--no-start", is_flag=True, help="Only for the logins to come.")
@_system
def install(
    account: str | None, mountpoint: str | None, mount_options: tuple[str, ...], no_start: bool, system: bool
) -> None:
    """Install the service of ACCOUNT, and start it: the drive is at MOUNTPOINT, or where the configuration says."""
    account = account or _only_account(system)
    manager = units.Manager(system)
    manager.check()
    written = parse_mount_options(",".join(mount_options))
    environment = {f"WSFS_{name.upper()}": _written(value.raw) for name, value in written.items()}
    settings = _settings(manager, account, mountpoint, environment)
    if mountpoint is not None:
        environment["WSFS_MOUNTPOINT"] = str(settings.mountpoint)
    command = units.own_command()
    try:
        if not (command == ["/usr/bin/wsfs"] and manager.packaged.exists()):
            _write(manager.template, units.template_text(system, command))
        if environment:
            _write(manager.drop_in(account), units.drop_in_text(environment))
        else:
            _remove(manager.drop_in(account))
    except OSError as error:
        raise UserError(f"{error.filename} can't be written: {error.strerror}") from error
    manager.run("daemon-reload")
    manager.run("enable", manager.unit(account))
    when = "boot" if system else "login"
    if no_start:
        click.echo(f"{settings.fsname} will be mounted at {settings.mountpoint} at every {when}.")
        return
    _start(manager, account, restart=True)
    click.echo(f"{settings.fsname} is mounted at {settings.mountpoint}, and will be at every {when}.")


@service.command(short_help="Start it, and wait until the drive serves.")
@_account
@_system
def start(account: str | None, system: bool) -> None:
    """Start the service of ACCOUNT; returns when the drive serves."""
    manager, account = _installed(account, system)
    _start(manager, account)


@service.command(short_help="Stop it until the next login; sends what is pending first.")
@_account
@_system
def stop(account: str | None, system: bool) -> None:
    """Stop the service of ACCOUNT until the next login: what is pending is sent first, within the drive's limit."""
    manager, account = _installed(account, system)
    manager.run("stop", manager.unit(account))


@service.command(short_help="Show how the services are.")
@_account
@click.option("--json", "as_json", is_flag=True, help="For programs: a list.")
@_system
def status(account: str | None, as_json: bool, system: bool) -> None:
    """Show how the service of ACCOUNT is, or every one; the exit code is 3 unless all of them serve."""
    manager = units.Manager(system)
    manager.check()
    states = [_state(manager, one) for one in ([account] if account else manager.accounts())]
    if as_json:
        click.echo(json.dumps(states, indent=2, ensure_ascii=False))
    elif not states:
        click.echo("No service is installed. `wsfs service install ACCOUNT` installs one.")
    else:
        for state in states:
            enabled = "" if state["enabled"] else ", not at the next login"
            click.echo(
                f"{state['account']}: {state['state']}{enabled}{state['status'] and ' – '}{state['status']}"
            )
    if not all(state["state"] == "active" for state in states):
        sys.exit(3)


@service.command(short_help="Stop it, and take it away.")
@_account
@_system
def uninstall(account: str | None, system: bool) -> None:
    """Stop the service of ACCOUNT and take it away; nothing that is pending is lost."""
    manager, account = _installed(account, system)
    manager.run("disable", "--now", manager.unit(account))
    _remove(manager.drop_in(account))
    if not manager.accounts():
        _remove(manager.template)
    manager.run("daemon-reload")
    with contextlib.suppress(UserError):  # it isn't known any more unless it had failed
        manager.run("reset-failed", manager.unit(account))


@service.command(hidden=True)
@_account
@_system
def cleanup(account: str | None, system: bool) -> None:
    """Take away what a service whose process died left mounted: for ExecStopPost of its unit."""
    written = _mountpoint(account or _only_account(system), system)
    healing.heal(mountinfo.canonical(written), warn=say)


def revive(base_url: str, system: bool) -> list[str]:
    """Start the services of an account that had given up, as after a new login; their accounts by name."""
    manager = units.Manager(system)
    revived = []
    for account in manager.accounts():
        unit = manager.unit(account)
        with contextlib.suppress(ConfigError, UserError):
            its_own = gather(account, system=system).base_url == base_url
            if its_own and manager.show(unit, "ActiveState")["ActiveState"] == "failed":
                manager.run("start", "--no-block", unit)
                revived.append(account)
    return revived


def _start(manager: units.Manager, account: str, *, restart: bool = False) -> None:
    unit = manager.unit(account)
    with contextlib.suppress(ConfigError):  # which the service will tell
        # A process that was killed and hangs is alive to systemd, which waits for its end.
        place = _mountpoint(account, manager.system, manager.drop_in(account))
        healing.heal(mountinfo.canonical(place), warn=say)
    try:
        manager.run("restart" if restart else "start", unit)
    except UserError:
        said = manager.show(unit, "StatusText", "Result")
        reason = said["StatusText"] or said["Result"]
        hint = f"journalctl {'' if manager.system else '--user '}-u '{unit}' -e"
        raise UserError(f"the service of {account} doesn't start: {reason} (`{hint}` shows more)") from None


def _state(manager: units.Manager, account: str) -> dict[str, Any]:
    unit = manager.unit(account)
    said = manager.show(unit, "ActiveState", "SubState", "StatusText", "MainPID", "NRestarts", "LoadState")
    state: dict[str, Any] = {
        "account": account,
        "unit": unit,
        "installed": said["LoadState"] == "loaded",
        "enabled": manager.is_enabled(unit),
        "state": said["ActiveState"],
        "substate": said["SubState"],
        "status": said["StatusText"],
        "pid": int(said["MainPID"] or 0) or None,
        "restarts": int(said["NRestarts"] or 0),
    }
    with contextlib.suppress(ConfigError):
        state["mountpoint"] = str(_mountpoint(account, manager.system, manager.drop_in(account)))
    return state


def _installed(account: str | None, system: bool) -> tuple[units.Manager, str]:
    """The manager, and the account: the only one with a service where none is named. Raises UserError."""
    manager = units.Manager(system)
    manager.check()
    if account:
        return manager, account
    accounts = manager.accounts()
    if len(accounts) != 1:
        which = f"there are {', '.join(accounts)}" if accounts else "none is installed"
        raise UserError(f"the service of which account? {which}")
    return manager, accounts[0]


def _only_account(system: bool) -> str:
    name = known.only_account(system)
    if name is None:
        raise UserError("which account? none is known; `wsfs login ACCOUNT` logs in to one")
    return name


def _settings(
    manager: units.Manager, account: str, mountpoint: str | None, environment: dict[str, str]
) -> Settings:
    """What the service will have: what is wrong is told now, and not in a journal. The environment isn't its."""
    try:
        settings = resolve(account, mountpoint, environ=environment, warn=say, system=manager.system)
    except LoginUnreadable:
        raise
    except ConfigError as error:
        given = [name for name in daemon.SECRET_VARIABLES if os.environ.get(name)]
        if given and "no login" in str(error):
            raise UserError(f"a service doesn't see {given[0]} of this shell; {error}") from error
        raise
    healing.heal(settings.mountpoint, warn=say)
    preflight.check_fuse()
    if settings.allow_other:
        preflight.check_allow_other()
    if not _is_its_own(manager, account, settings.mountpoint):
        if mountinfo.find(settings.mountpoint) is None:
            preflight.make_mountpoint(settings.mountpoint)
        preflight.check_mountpoint(settings.mountpoint)
    return settings


def _is_its_own(manager: units.Manager, account: str, place: Path) -> bool:
    """Whether what is mounted at a place is the drive of this very service, installed before."""
    live = control.find_mount(place)
    if live is None or live.socket is None:
        return False
    with contextlib.suppress(control.ControlError):
        return manager.show(manager.unit(account), "MainPID")["MainPID"] == str(
            control.server_pid(live.socket)
        )
    return False


def _mountpoint(account: str, system: bool, drop_in: Path | None = None) -> Path:
    environ = dict(os.environ)
    if drop_in is not None:
        with contextlib.suppress(OSError):
            for line in drop_in.read_text(encoding="utf-8").splitlines():
                if line.startswith('Environment="WSFS_MOUNTPOINT='):
                    environ["WSFS_MOUNTPOINT"] = units.unquoted(line.partition("=")[2]).partition("=")[2]
    return gather(account, environ=environ, system=system).mountpoint()[0]


def _written(raw: object) -> str:
    return "yes" if raw is True else str(raw)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        if path.parent.name.endswith(".d"):
            path.parent.rmdir()
