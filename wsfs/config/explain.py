"""What is in force for an account, where each value comes from, and what is wrong in the files; no secret is shown."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsfs.config.credentials import from_files, vault_of, warn_if_open, word
from wsfs.config.errors import ConfigError
from wsfs.config.files import ConfigFile, config_files, layer, read, url_of
from wsfs.config.layers import Layer, Value, parsed, variable
from wsfs.config.login import port
from wsfs.config.options import APPLICATION, LOGIN_PORT, OPTIONS, SECRETS, Option
from wsfs.config.resolve import Written
from wsfs.config.settings import Settings
from wsfs.secrets import Vault

DEFAULT = "default"


@dataclass(frozen=True)
class Line:
    """One setting as it is in force. `value` is plain (text, number, yes or no, or None), fit for JSON.

    `source` is in words; `path` and `line` name the place if it is a file. `instead_of` are the places of lesser
    rank where it is written too.
    """

    name: str
    value: str | int | float | bool | None
    source: str
    path: str | None = None
    line: int | None = None
    instead_of: tuple[str, ...] = ()


def explain(
    written: Written, *, environ: Mapping[str, str] | None = None, vault: Vault | None = None
) -> list[Line]:
    """Every setting of an account, in the order of OPTIONS, those of the login last. Raises ConfigError."""
    environ = os.environ if environ is None else environ
    place, value = (None, None) if written.system and not written.all("mountpoint") else written.mountpoint()
    lines = [_line("mountpoint", None if place is None else str(place), [value] if value else [])]
    fallback = {
        field.name: field.default
        for field in dataclasses.fields(Settings)
        if field.default is not dataclasses.MISSING
    } | written.defaults()
    for option in OPTIONS.values():
        found = written.all(option.name)
        effective = parsed(option, found[0]) if found else fallback[option.field]
        lines.append(_line(option.name, _plain(option, effective), found))
    return [*lines, *_application(written, environ), _login(written, environ, vault)]


def _line(name: str, value: str | int | float | bool | None, found: Sequence[Value]) -> Line:
    if not found:
        return Line(name, value, DEFAULT)
    first, *others = found
    path = None if first.path is None else str(first.path)
    return Line(name, value, first.source, path, first.line, tuple(other.source for other in others))


def _plain(option: Option, value: Any) -> str | int | float | bool | None:
    match value:
        case bool() if option.name == "create":
            return "projects" if value else "no"
        case int() if option.name == "umask":
            return f"{value:03o}"
        case None | bool() | int() | float() | str():
            return value
        case datetime.tzinfo():
            return str(value)
        case _:
            return str(value)


def _application(written: Written, environ: Mapping[str, str]) -> Iterator[Line]:
    for name in APPLICATION:
        raw = environ.get(variable(name))
        found = [Value(raw, variable(name))] if raw else []
        found += [table[name] for table in written.tables if name in table]
        if name == "login_port":
            yield _line(name, port(found[0]) if found else LOGIN_PORT, found)
        elif name == "client_secret":
            yield _line(name, "(set)" if found else None, found)
        else:
            yield _line(name, word(name, found[0]) if found else None, found)


def _login(written: Written, environ: Mapping[str, str], vault: Vault | None) -> Line:
    """Which login would be used; the keyring isn't asked."""
    kinds = {"api_key": "an API key", "access_token": "an access token"}
    for name in SECRETS:
        if environ.get(variable(name)):
            return Line("login", kinds[name], variable(name))
    vault = vault or vault_of(written.system)
    for entry in vault.entries():
        if entry.base_url == written.base_url:
            kind = "an API key" if entry.kind == "key" else f"{entry.user}, by OAuth2"
            return Line("login", kind, f"`wsfs login`, kept in {entry.place}")
    from_files(written.tables, lambda sentence: None)  # two at once are an error
    for table in written.tables:
        for name in SECRETS:
            if name in table:
                return _line("login", kinds[name], [table[name]])
    return Line("login", None, "none; `wsfs login` makes one")


def problems(files: Sequence[Path] | None = None, *, system: bool = False) -> list[str]:
    """Everything that is wrong in the configuration files, those of other accounts too, a sentence each."""
    found: list[str] = []
    for path in config_files(system=system) if files is None else files:
        try:
            file = read(path)
            file.check_top()
        except ConfigError as error:
            found.append(str(error))
            continue
        _check_table(file, file.tables.get("defaults", {}), ("defaults",), found)
        for name, table in file.accounts():
            _check_table(file, table, ("accounts", name), found)
            if url_of(table.get("address", name)) is None:
                found.append(
                    f"{table.get('address', name)!r} is no account of Worksection "
                    f"({file.place('accounts', name)}); write its name, such as acme, as address"
                )
    return found


def _check_table(file: ConfigFile, table: object, keys: tuple[str, ...], found: list[str]) -> None:
    """Each entry by itself, so that one mistake doesn't hide another."""
    known: dict[str, Value] = {}

    def attempt(action: Callable[[], object]) -> None:
        try:
            action()
        except ConfigError as error:
            found.append(str(error))

    if not isinstance(table, dict):
        attempt(lambda: layer(file, table, *keys))
        return

    def learn(name: str, raw: object) -> None:
        known.update(layer(file, {name: raw}, *keys))

    for name, raw in table.items():
        attempt(functools.partial(learn, name, raw))
    for name, value in known.items():
        attempt(functools.partial(_check_value, name, value))
    secrets: Layer = {name: value for name, value in known.items() if name in SECRETS}
    if len(secrets) > 1:
        attempt(lambda: from_files([secrets], lambda sentence: None))
    if secrets:
        warn_if_open(file.path, found.append)


def _check_value(name: str, value: Value) -> None:
    if name in OPTIONS:
        parsed(OPTIONS[name], value)
    elif name == "login_port":
        port(value)
    elif name in (*SECRETS, *APPLICATION):
        word(name, value)
