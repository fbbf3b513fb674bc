"""The configuration files: what stands in them, and in which line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from wsfs.api.account import account_base_url
from wsfs.config.errors import ConfigError
from wsfs.config.layers import Layer, Value
from wsfs.config.options import APPLICATION, OPTIONS, SECRETS

SYSTEM_FILE = Path("/etc/wsfs/config.toml")


def config_files() -> tuple[Path, ...]:
    """Where configuration is looked for, the user's file first."""
    return (platformdirs.user_config_path("wsfs") / "config.toml", SYSTEM_FILE)


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
    for path in config_files() if files is None else files:
        text, tables = read(path)
        accounts = tables.get("accounts", {})
        for name, table in accounts.items() if isinstance(accounts, dict) else ():
            if not isinstance(table, dict) or (url := url_of(table.get("address", name))) is None:
                continue
            values = layer(path, text, f"accounts.{name}", table)
            secret_name = next((one for one in SECRETS if one in values), None)
            source = values[secret_name].source if secret_name else ""
            if url not in found or (secret_name and found[url].secret is None):
                found[url] = KnownAccount(name, url, secret_name, source)
    return list(found.values())


def read(path: Path) -> tuple[str, dict[str, Any]]:
    """The text and tables of a configuration file; both empty where there is none."""
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        return "", {}
    except OSError as error:
        raise ConfigError(f"the configuration file {path} can't be read: {error.strerror}") from error
    except ValueError as error:  # TOMLDecodeError, which names line and column, and UnicodeDecodeError
        raise ConfigError(f"the configuration file {path} isn't valid TOML: {error}") from error


def account_tables(
    account: str, files: Sequence[tuple[Path, tuple[str, dict[str, Any]]]]
) -> tuple[str, list[Layer]]:
    """The address of `account` and the tables that speak of it, first one first.

    An account's table is known by its name, or by its `address` (without one, its name) being that of `account`.
    """
    address = account
    asked_for = url_of(account)
    layers: list[Layer] = []
    for path, (text, tables) in files:
        for name in tables:
            if name not in ("accounts", "defaults"):
                raise ConfigError(
                    f"there is no table or key {name} at the top of {path}; "
                    "settings belong into [defaults] or [accounts.NAME]"
                )
        accounts = tables.get("accounts", {})
        for name, table in accounts.items() if isinstance(accounts, dict) else ():
            if not isinstance(table, dict):
                continue
            if name == account or (asked_for and url_of(table.get("address", name)) == asked_for):
                layers.append(layer(path, text, f"accounts.{name}", table))
                address = str(table.get("address", address))
        layers.append(layer(path, text, "defaults", tables.get("defaults", {})))
    return address, layers


def url_of(address: object) -> str | None:
    """The base URL of an account by any spelling of its address; None where it can be none."""
    try:
        return account_base_url(str(address))
    except ValueError:
        return None


def layer(path: Path, text: str, header: str, table: object) -> Layer:
    """The table [header] of a file, each value with its line; ConfigError for a name that says nothing."""
    if not isinstance(table, dict):
        raise ConfigError(f"[{header}] in {path} has to be a table")
    lines = dict(_key_lines(text, header))
    found = {}
    for name, raw in table.items():
        source = f"{name} in [{header}] of {path}"
        if name in lines:
            source = f"{path} line {lines[name]}, in [{header}]"
        if name not in OPTIONS and name not in (*SECRETS, *APPLICATION, "address"):
            raise ConfigError(f"there is no option {name} ({source})")
        found[name] = Value(raw, source, path)
    return found


def _key_lines(text: str, header: str) -> Iterator[tuple[str, int]]:
    """Key and line number of each plain `key = value` below a header, as far as lines alone can tell."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            inside = re.sub(r"[\s\"']", "", line.split("#")[0]) == f"[{header}]"
        elif inside and (match := re.match(r"\s*([\w-]+)\s*=", line)):
            yield match[1], number
