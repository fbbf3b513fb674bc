"""The settings of `wsfs login`: the account, and the application that an administrator registered."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wsfs.api.account import account_base_url
from wsfs.api.auth import Application
from wsfs.config import files as configuration
from wsfs.config import values
from wsfs.config.credentials import warn_if_open, word
from wsfs.config.errors import ConfigError
from wsfs.config.files import account_tables, config_files, read
from wsfs.config.layers import Value, variable
from wsfs.config.options import APPLICATION, LOGIN_PORT


@dataclass(frozen=True)
class LoginSettings:
    """What `wsfs login` needs; `base_url` is None where no account was named. `port` is that of the redirect."""

    base_url: str | None
    application: Application | None
    port: int


def resolve_login(
    account: str | None,
    *,
    environ: Mapping[str, str] | None = None,
    files: Sequence[Path] | None = None,
    warn: Callable[[str], None] = lambda sentence: None,
) -> LoginSettings:
    """The settings of a login; raises ConfigError. An account's table goes before the defaults, as for a mount.

    A client secret in the system's file may be readable by everybody: it is every user's of this machine.
    """
    environ = os.environ if environ is None else environ
    places = [read(path) for path in (config_files() if files is None else files)]
    address, tables = account_tables(account or "", places)
    try:
        base_url = account_base_url(address) if account else None
    except ValueError as error:
        raise ConfigError(str(error)) from error
    found: dict[str, Value] = {}
    for name in APPLICATION:
        if raw := environ.get(variable(name)):
            found[name] = Value(raw, variable(name))
        elif value := next((layer[name] for layer in tables if name in layer), None):
            found[name] = value
            if name == "client_secret" and value.path is not None and value.path != configuration.SYSTEM_FILE:
                warn_if_open(value.path, warn)
    number = port(found["login_port"]) if "login_port" in found else LOGIN_PORT
    words = {name: word(name, found[name]) for name in APPLICATION[:2] if name in found}
    if len(words) == 1:
        name, other = (*words, *(set(APPLICATION[:2]) - set(words)))
        raise ConfigError(f"{name} is set ({found[name].source}), but {other} isn't; a login needs both")
    return LoginSettings(base_url, Application(**words) if words else None, number)


def port(value: Value) -> int:
    """The number that login_port says. Raises ConfigError."""
    try:
        return values.port(value.raw)
    except ValueError as error:
        raise ConfigError(f"login_port {error}, not {value.raw!r} ({value.source})") from error
