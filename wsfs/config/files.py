"""The configuration files: what stands in them, and in which line."""

from __future__ import annotations

import difflib
import functools
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from wsfs.api.account import account_base_url
from wsfs.config.errors import ConfigError
from wsfs.config.layers import Layer, Value
from wsfs.config.lines import Keys, key_lines
from wsfs.config.options import APPLICATION, OPTIONS, SECRETS

SYSTEM_FILE = Path("/etc/wsfs/config.toml")

OF_ACCOUNT = ("address", "mountpoint")
"""What the table of an account may say besides; the defaults of all of them can't."""


def config_files(*, system: bool = False) -> tuple[Path, ...]:
    """Where configuration is looked for, the user's file first; for a mount of the system its file alone."""
    users = platformdirs.user_config_path("wsfs") / "config.toml"
    return (SYSTEM_FILE,) if system else (users, SYSTEM_FILE)


@dataclass(frozen=True)
class ConfigFile:
    """One configuration file; one that doesn't exist has no text and no tables."""

    path: Path
    text: str
    tables: dict[str, Any]

    @functools.cached_property
    def lines(self) -> dict[Keys, int]:
        """The first line of each table and key."""
        return key_lines(self.text)

    def place(self, *keys: str) -> str:
        """The words that say where something stands: "PATH line N"."""
        return f"{self.path} line {self.lines[keys]}" if keys in self.lines else str(self.path)

    def accounts(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The tables [accounts.NAME] by their names; ConfigError where one is none."""
        accounts = self.tables.get("accounts", {})
        if not isinstance(accounts, dict):
            raise ConfigError(
                f"accounts has to be a table ({self.place('accounts')}); each account has one: [accounts.NAME]"
            )
        for name, table in accounts.items():
            if not isinstance(table, dict):
                raise ConfigError(
                    f"{name} belongs into the table of an account, [accounts.NAME], or into [defaults] "
                    f"({self.place('accounts', name)})"
                )
            yield name, table

    def check_top(self) -> None:
        """ConfigError for what stands outside the tables that there are."""
        for name in self.tables:
            if name not in ("accounts", "defaults"):
                raise ConfigError(
                    f"there is no table or key {name} at the top of {self.place(name)}; "
                    "settings belong into [defaults] or [accounts.NAME]"
                )
        for _ in self.accounts():
            pass


@dataclass(frozen=True)
class KnownAccount:
    """A table [accounts.NAME]: its account, and where it has a key or token, which may be nowhere."""

    name: str
    base_url: str
    secret: str | None = None  # api_key or access_token
    source: str = ""


def known_accounts(files: Sequence[Path] | None = None) -> list[KnownAccount]:
    """The accounts that the configuration files name, each once, the user's file first. Raises ConfigError."""
    found: dict[str, KnownAccount] = {}
    for file in map(read, config_files() if files is None else files):
        for name, table in file.accounts():
            if (url := url_of(table.get("address", name))) is None:
                continue
            values = layer(file, table, "accounts", name)
            secret_name = next((one for one in SECRETS if one in values), None)
            source = values[secret_name].source if secret_name else ""
            if url not in found or (secret_name and found[url].secret is None):
                found[url] = KnownAccount(name, url, secret_name, source)
    return list(found.values())


def read(path: Path) -> ConfigFile:
    """What a configuration file says. ConfigError when it can't be read, or is no TOML, with line and column.

    A file of the system's that this user may not read isn't meant for him: it holds secrets of the machine's drives.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return ConfigFile(path, text, tomllib.loads(text))
    except (FileNotFoundError, NotADirectoryError):
        return ConfigFile(path, "", {})
    except OSError as error:
        if isinstance(error, PermissionError) and path == SYSTEM_FILE:
            return ConfigFile(path, "", {})
        raise ConfigError(f"the configuration file {path} can't be read: {error.strerror}") from error
    except ValueError as error:  # TOMLDecodeError, which names line and column, and UnicodeDecodeError
        raise ConfigError(f"the configuration file {path} isn't valid TOML: {error}") from error


def account_tables(account: str, files: Sequence[ConfigFile]) -> tuple[str, list[Layer]]:
    """The address of `account` and the tables that speak of it, first one first.

    An account's table is known by its name, or by its `address` (without one, its name) being that of `account`,
    or of the table of that name. Raises ConfigError for what makes no sense in them, and at the top of any file.
    """
    for file in files:
        file.check_top()
    named = [table for file in files for name, table in file.accounts() if name == account]
    address = next((str(table["address"]) for table in named if "address" in table), account)
    asked_for = url_of(address)
    layers: list[Layer] = []
    for file in files:
        for name, table in file.accounts():
            if name == account or (asked_for and url_of(table.get("address", name)) == asked_for):
                layers.append(layer(file, table, "accounts", name))
        layers.append(layer(file, file.tables.get("defaults", {}), "defaults"))
    return address, layers


def url_of(address: object) -> str | None:
    """The base URL of an account by any spelling of its address; None where it can be none."""
    try:
        return account_base_url(str(address))
    except ValueError:
        return None


def layer(file: ConfigFile, table: object, *keys: str) -> Layer:
    """The table [keys] of a file, each value with its line; ConfigError for a name that says nothing."""
    header = f"[{'.'.join(keys)}]"
    if not isinstance(table, dict):
        raise ConfigError(f"{header} in {file.place(*keys)} has to be a table")
    known = {*OPTIONS, *SECRETS, *APPLICATION, *(OF_ACCOUNT if keys[0] == "accounts" else ())}
    found = {}
    for name, raw in table.items():
        source = f"{file.place(*keys, name)}, in {header}"
        if name in OF_ACCOUNT and name not in known:
            raise ConfigError(f"{name} belongs into the table of an account, [accounts.NAME] ({source})")
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"; is {close[0]} meant?" if close else ""
            raise ConfigError(f"there is no option {name} ({source}){hint}")
        found[name] = Value(raw, source, file.path, file.lines.get((*keys, name)))
    return found
