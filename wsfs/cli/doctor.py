"""`wsfs doctor`: looks for what may be wrong, and says how to mend it."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import trio
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wsfs import control, leftovers, mountinfo
from wsfs.cli import known
from wsfs.cli.errors import say
from wsfs.cli.flushing import count, shown
from wsfs.cli.output import answers
from wsfs.cli.paths import PATH
from wsfs.cli.status import gather as statuses
from wsfs.config import ConfigError, Settings, Written, gather, problems, resolve, vault_of
from wsfs.desktop import tumbler
from wsfs.desktop.home import Home
from wsfs.doctor import Finding, State, asking, bad, directories, machine, mounts, network, note, thumbnails

MACHINE = "this machine"
_NOWHERE = "/nonexistent"  # a mountpoint for the settings of an account alone
_SIGNS = {State.GOOD: ("✓", "green"), State.NOTE: ("•", "yellow"), State.BAD: ("✗", "red")}

Found = Iterator[tuple[str, Finding]]
States = list[dict[str, Any]]


@dataclass(frozen=True)
class Subject:
    """An account that is looked at: what is written about it, and the status of its drive where one is mounted."""

    written: Written
    state: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        return self.written.host

    @property
    def short(self) -> str:
        return self.name.removesuffix(".worksection.com")


@click.command(short_help="Look for what may be wrong, and say how to mend it.")
@click.argument("place", metavar="[ACCOUNT|MOUNTPOINT]", required=False, type=PATH)
@click.option("--offline", is_flag=True, help="Send no request, and look at no network.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(place: str | None, offline: bool, as_json: bool) -> None:
    """Look at this machine, at the account or drive that is named (or all that are known), at its directories, the
    network, the login, its rights, the clock and the time zone, and name a cure for whatever is wrong.

    It sends two requests an account, three with a login by the browser, and changes nothing. The exit code is 1 when
    something is wrong.

    \b
    wsfs doctor
    wsfs doctor acme --offline
    """
    states = statuses(control.live_mounts())
    console = answers()
    told: list[tuple[str, Finding]] = []
    about = ""
    for where, finding in examine(place, states, offline=offline, announce=say):
        told.append((where, finding))
        if not as_json:
            if where != about:
                about = where
                console.print(Text(shown(where), style="bold"))
            show(console, finding)
    if as_json:
        rows = [{"about": where, **dataclasses.asdict(finding)} for where, finding in told]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    wrong = sum(finding.state is State.BAD for _, finding in told)
    if not as_json:
        console.print(
            Text(f"{count(wrong, 'thing')} to mend." if wrong else "Nothing is wrong.", style="bold")
        )
    if wrong:
        sys.exit(1)


def examine(place: str | None, states: States, *, offline: bool, announce: Callable[[str], None]) -> Found:
    """Every finding, with what it is about, as it is made; `announce` is told of requests before they are sent."""
    try:
        subjects, own = _subjects(place, states)
        trouble = None
    except ConfigError as error:
        subjects, own, trouble = [], states, str(error)
    yield from ((MACHINE, finding) for finding in _machine(subjects, own))
    if trouble is not None and place is not None:
        cure = "name a mountpoint, or an account as in https://acme.worksection.com"
        yield place, bad("account", trouble, cure)
    for state in own:
        yield from ((str(state["mountpoint"]), finding) for finding in mounts.check_mount(state))
    for subject in subjects:
        yield from ((subject.name, finding) for finding in _account(subject, offline, announce))
    if not subjects and trouble is None and place is None:
        yield MACHINE, note("accounts", "no account is known", "log in with `wsfs login`")


def _subjects(place: str | None, states: States) -> tuple[list[Subject], States]:
    """The accounts to look at, and the drives. Raises ConfigError."""
    by_account = {str(state["account"]): state for state in states if "account" in state}
    if place is None:
        urls = [*known.accounts(), *by_account]
        return [Subject(gather(url), by_account.get(url)) for url in dict.fromkeys(urls)], states
    mount = mountinfo.containing(mountinfo.canonical(place))
    found = control.find_mount(mount.mountpoint) if mount is not None else None
    if found is not None and mount is not None:
        own = [state for state in states if state["mountpoint"] == str(found.mountpoint)]
        state = own[0] if own and "account" in own[0] else None
        try:
            return [Subject(gather(str(state["account"]) if state is not None else mount.source), state)], own
        except ConfigError:  # a drive that says nothing may be called anything
            return [], own
    written = gather(place)
    state = by_account.get(written.base_url)
    return [Subject(written, state)], [state] if state is not None else []


def _machine(subjects: Iterable[Subject], states: States) -> Iterator[Finding]:
    yield machine.check_device()
    yield machine.check_helper()
    yield machine.check_libfuse()
    yield machine.check_kernel()
    yield machine.check_fusectl(bool(states))
    yield from machine.check_python()
    yield machine.check_binding()
    try:
        wanted = any(_fields(subject)["allow_other"] for subject in subjects)
    except ConfigError:
        wanted = False  # which the configuration's own check tells
    yield machine.check_allow_other(wanted)
    yield from directories.check_configuration(problems())
    yield directories.check_private("kept logins", vault_of(False).directory)
    places = [Path(str(state["mountpoint"])) for state in states]
    yield thumbnails.check_tumbler(places, tumbler.text_in_force(Home.of()))


def _account(subject: Subject, offline: bool, announce: Callable[[str], None]) -> Iterator[Finding]:
    try:
        fields = _fields(subject)
    except ConfigError:
        return  # told above
    data_dir, cache_dir = fields["data_dir"], fields["cache_dir"]
    mounted = subject.state is not None
    yield directories.check_directory("data directory", data_dir)
    yield directories.check_kind(data_dir)
    yield directories.check_directory("cache directory", cache_dir)
    yield from directories.check_space(data_dir, cache_dir, fields["cache_size"])
    yield from directories.check_databases(data_dir, cache_dir, mounted=mounted)
    if (spool := leftovers.spool_in(data_dir)) is not None:
        try:
            yield directories.check_spool(leftovers.listing(spool), mounted=mounted)
        except leftovers.Unreadable as error:
            yield bad("uploads", str(error), "keep a copy of that directory before anything else")
    if offline:
        return
    base_url = subject.written.base_url
    reached = True
    for finding in network.check_network(base_url, proxy=network.proxy_for(base_url)):
        reached = reached and finding.state is not State.BAD
        yield finding
    if reached:
        yield from _asked(subject, fields["timezone"], announce)


def _asked(subject: Subject, timezone: Any, announce: Callable[[str], None]) -> Iterator[Finding]:
    requests = _requests(subject)
    try:
        settings = resolve(subject.written.account, _NOWHERE)
    except ConfigError as error:
        if subject.state is not None:  # its drive was given a key that nothing else knows
            yield note("login", "that of the drive alone is known; see above whether it is accepted")
            yield asking.check_rights(asking.Answers(), subject.short, requests)
        else:
            yield bad("login", str(error), f"log in with `wsfs login {subject.short}`")
        return
    announce(f"asking {subject.name}: {count(asking.cost(settings.credentials), 'request')}")
    answers = trio.run(_ask, settings)
    yield from asking.judge(answers, subject.short, timezone, requests)


async def _ask(settings: Settings) -> asking.Answers:
    return await asking.ask(
        settings.base_url, settings.credentials, settings.login, vault_of(False), rate=settings.rate
    )


def _requests(subject: Subject) -> list[str]:
    """The lines of the drive's log of requests, where there is one that tells them."""
    if subject.state is None:
        return []
    live = control.find_mount(Path(str(subject.state["mountpoint"])))
    if live is None or live.socket is None:
        return []
    try:
        return [str(line) for line in control.call(live.socket, "requests", silence=2.0).get("lines", ())]
    except control.ControlError:
        return []


def _fields(subject: Subject) -> dict[str, Any]:
    """The settings of the account; directories are those that its running drive has. Raises ConfigError."""
    defaults = {name: getattr(Settings, name) for name in ("allow_other", "cache_size", "timezone")}
    fields = defaults | subject.written.defaults() | subject.written.fields()
    for name in ("data_dir", "cache_dir"):
        if subject.state is not None and subject.state.get(name):
            fields[name] = Path(str(subject.state[name]))
    return fields


def show(console: Console, finding: Finding) -> None:
    """Print one finding, with its cure below."""
    sign, style = _SIGNS[finding.state]
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim", min_width=18)
    table.add_column(overflow="fold")
    # A drive's own name stands above already.
    check = "drive" if finding.check.startswith("drive at ") else finding.check
    said = Text(shown(finding.said), style="" if finding.state is State.GOOD else style)
    table.add_row(Text(f"  {sign}", style=style), check, said)
    if finding.cure:
        table.add_row("", "", Text(f"→ {shown(finding.cure)}"))
    console.print(table)
