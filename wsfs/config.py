"""The settings of a mount, and where they come from: options > environment > file > defaults.

One table, `OPTIONS`, says what there is. The same names serve in `-o` on the command line, as `WSFS_NAME`
in the environment, and as keys of the tables `[defaults]` and `[accounts.NAME]` in the configuration files
`~/.config/wsfs/config.toml` and `/etc/wsfs/config.toml`; the user's file goes before the system's, an
account's table before the defaults of its file.
"""

from __future__ import annotations

import datetime
import os
import re
import stat
import tomllib
import zoneinfo
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import platformdirs

from wsfs import mountinfo
from wsfs.api.account import account_base_url
from wsfs.api.auth import AdminKey, Application, Credentials, UserToken
from wsfs.secrets import Login, SecretsError, Vault

Done = Literal["folder", "mixed", "hide"]

SYSTEM_FILE = Path("/etc/wsfs/config.toml")
SECRETS = ("api_key", "access_token")
APPLICATION = ("client_id", "client_secret", "login_port")
"""The application that an administrator registered, for `wsfs login`; in files and the environment only."""
LOGIN_PORT = 8743

# Options of mount(8), fstab and the desktop that say nothing to wsfs; "x-…" is meant for others too.
_FOREIGN = """
    defaults auto noauto user users nouser owner group nofail _netdev comment nosuid suid nodev dev noexec
    exec sync async atime noatime relatime norelatime strictatime diratime nodiratime lazytime nolazytime
"""
FOREIGN = frozenset(_FOREIGN.split())


class ConfigError(Exception):
    """A setting that can't be used; str() is one sentence that names the option and its source."""


@dataclass(frozen=True)
class Settings:
    """Everything a mount needs to know; sizes in bytes, times in seconds, paths absolute."""

    account: str  # as the user gave it
    base_url: str
    mountpoint: Path
    credentials: Credentials
    cache_dir: Path  # may be thrown away at any time
    data_dir: Path  # spool, journal, catalog: holds what exists nowhere else
    cache_size: int = 5 * 2**30
    rate: float = 1.0  # starts of requests a second, 0 = no limit
    read_only: bool = False
    archived: bool = False
    folders: bool = False
    done: Done = "folder"
    create_projects: bool = False
    mkdir: bool = True
    drop: bool = True
    drop_title: str = "Project files"
    allow_other: bool = False
    uid: int = 0
    gid: int = 0
    timezone: datetime.tzinfo | None = None  # the account's; None = the machine's
    author: str | None = None  # email_user_from of every post
    hidden: str | None = None  # hidden of every post
    comment_template: str = "{names}"
    settle: float = 3.0
    hold_tasks: int = 10
    deadline: float = 30.0
    poll: float = 30.0
    crawl: bool = True
    prefetch: bool = True
    log_level: str = "info"
    fsname: str = "wsfs"
    login: Login | None = None  # where the credentials are those that `wsfs login` keeps


@dataclass(frozen=True)
class Option:
    """One setting: its public name, the field of Settings it fills, and how a written value is read.

    `parse` takes a string, number or boolean, and raises ValueError saying what the value has to be.
    """

    name: str
    field: str
    parse: Callable[[object], Any]
    flag: bool = False  # may stand alone in -o


def parse_size(value: object) -> int:
    """A number of bytes: 1048576, "500M", "5GiB" (powers of 1024) or "5GB" (powers of 1000)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?b)?|b)?", _text(value).strip().lower())
    if match is None:
        raise ValueError("has to be a size such as 500M or 5GiB")
    number, unit, binary = match.groups()
    base = 1000 if binary == "b" else 1024
    factor = int(base ** (" kmgt".index(unit) if unit else 0))
    return int(number) * factor if number.isdigit() else int(float(number) * factor)


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("has to be a text or a number")
    return str(value)


def _cache_size(value: object) -> int:
    size = parse_size(value)
    if size < 2**20:
        raise ValueError("has to be at least 1M")
    return size


def _line(value: object) -> str:
    text = _text(value).strip()
    if not text or not text.isprintable():
        raise ValueError("has to be a line of text")
    return text


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = _text(value).strip().lower()
    if text in ("1", "yes", "true", "on"):
        return True
    if text in ("0", "no", "false", "off"):
        return False
    raise ValueError("has to be yes or no")


def _number(least: float) -> Callable[[object], float]:
    def parse(value: object) -> float:
        try:
            number = float(_text(value))
        except ValueError:
            number = float("nan")
        if not least <= number < float("inf"):
            raise ValueError(f"has to be a number, {least:g} or more")
        return number

    return parse


def _integer(value: object) -> int:
    text = _text(value).strip()
    if not (text.isascii() and text.isdigit()):
        raise ValueError("has to be a whole number, 0 or more")
    return int(text)


def _one_of(*choices: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in choices:
            raise ValueError(f"has to be {', '.join(choices[:-1])} or {choices[-1]}")
        return str(value)

    return parse


def _login_port(value: Value) -> int:
    text = str(value.raw)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ConfigError(f"login_port has to be the number of a port, not {text!r} ({value.source})")
    return int(text)


def _create(value: object) -> bool:
    return _one_of("projects", "no")("no" if value is False else value) == "projects"


def _timezone(value: object) -> datetime.tzinfo:
    try:
        return zoneinfo.ZoneInfo(_text(value))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("has to be the name of a time zone such as Europe/Kyiv") from error


def _template(value: object) -> str:
    text = _text(value)
    try:
        filled = text.format(names="a.txt")
    except (ValueError, LookupError, AttributeError) as error:
        raise ValueError("may hold {names} and no other braces") from error
    if not filled.strip():
        raise ValueError("may not be empty, as a comment needs a text")
    return text


def _fsname(value: object) -> str:
    text = _line(value)
    if "," in text:
        raise ValueError("may not hold a comma")
    return text


def _path(value: object) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("has to be a path")
    return Path(os.path.normpath(Path(value).expanduser().absolute()))


OPTIONS: Mapping[str, Option] = {
    option.name: option
    for option in (
        Option("cache_dir", "cache_dir", _path),
        Option("data_dir", "data_dir", _path),
        Option("cache_size", "cache_size", _cache_size),
        Option("rate", "rate", _number(0)),
        Option("ro", "read_only", _boolean, flag=True),
        Option("archived", "archived", _boolean, flag=True),
        Option("folders", "folders", _boolean, flag=True),
        Option("done", "done", _one_of("folder", "mixed", "hide")),
        Option("create", "create_projects", _create),
        Option("mkdir", "mkdir", _boolean),
        Option("drop", "drop", _boolean),
        Option("drop_title", "drop_title", _line),
        Option("allow_other", "allow_other", _boolean, flag=True),
        Option("uid", "uid", _integer),
        Option("gid", "gid", _integer),
        Option("timezone", "timezone", _timezone),
        Option("author", "author", _line),
        Option("hidden", "hidden", _line),
        Option("comment_template", "comment_template", _template),
        Option("settle", "settle", _number(0)),
        Option("hold_tasks", "hold_tasks", _integer),
        Option("deadline", "deadline", _number(1)),
        Option("poll", "poll", _number(1)),
        Option("crawl", "crawl", _boolean),
        Option("prefetch", "prefetch", _boolean),
        Option("log_level", "log_level", _one_of("debug", "info", "warning", "error")),
        Option("fsname", "fsname", _fsname),
    )
}


@dataclass(frozen=True)
class Value:
    """A written value and the words that say where it was written."""

    raw: object
    source: str
    path: Path | None = None  # the file, if it was one


Layer = Mapping[str, Value]


def resolve(
    account: str,
    mountpoint: str | os.PathLike[str],
    *,
    options: Mapping[str, object] | None = None,
    mount_options: str = "",
    environ: Mapping[str, str] | None = None,
    files: Sequence[Path] | None = None,
    ask: Callable[[str], str] | None = None,
    warn: Callable[[str], None] = lambda sentence: None,
    vault: Vault | None = None,
) -> Settings:
    """Gather the settings of one mount; raises ConfigError.

    `options` are those of the command line by their names in OPTIONS, None meaning not given;
    `mount_options` is the text of -o. `files` are the configuration files, first one first. `ask(question)`
    returns a secret typed by the user and may raise ConfigError; without it a missing secret is an error.
    `warn` gets sentences about what should be mended but doesn't keep the mount from working. `vault` holds the
    logins of `wsfs login` (the user's own); one of them goes before a key in a file, the environment before it.
    """
    environ = os.environ if environ is None else environ
    parsed = [(path, _read(path)) for path in (config_files() if files is None else files)]
    address, tables = _account_tables(account, parsed)
    try:
        base_url = account_base_url(address)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    layers: list[Layer] = [
        {name: Value(raw, _flag(name)) for name, raw in (options or {}).items() if raw is not None},
        parse_mount_options(mount_options),
        {name: Value(raw, _variable(name)) for name in OPTIONS if (raw := environ.get(_variable(name)))},
        *tables,
    ]
    fields: dict[str, Any] = {}
    for option in OPTIONS.values():
        value = next((layer[option.name] for layer in layers if option.name in layer), None)
        if value is not None:
            fields[option.field] = _parsed(option, value)
    host = urlsplit(base_url).netloc
    fields.setdefault("fsname", host)
    fields.setdefault("cache_dir", platformdirs.user_cache_path("wsfs") / host.replace(":", "_"))
    fields.setdefault("data_dir", platformdirs.user_data_path("wsfs") / host.replace(":", "_"))
    fields.setdefault("uid", os.getuid())
    fields.setdefault("gid", os.getgid())
    place = mountinfo.canonical(mountpoint)
    for name in ("cache_dir", "data_dir"):
        if mountinfo.canonical(fields[name]).is_relative_to(place):
            raise ConfigError(
                f"{name} is {fields[name]}, which lies inside the mountpoint {place}; "
                "choose a directory outside it"
            )
    credentials = _from_environment(environ)
    if credentials is None:
        try:
            fields["login"] = login = (vault or Vault()).load(base_url)
        except SecretsError as error:
            raise ConfigError(str(error)) from error
        credentials = (
            login.credentials if login is not None else _from_files(tables, warn) or _asked(host, ask)
        )
    return Settings(account=account, base_url=base_url, mountpoint=place, credentials=credentials, **fields)


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
    parsed = [(path, _read(path)) for path in (config_files() if files is None else files)]
    address, tables = _account_tables(account or "", parsed)
    try:
        base_url = account_base_url(address) if account else None
    except ValueError as error:
        raise ConfigError(str(error)) from error
    found: dict[str, Value] = {}
    for name in APPLICATION:
        if raw := environ.get(_variable(name)):
            found[name] = Value(raw, _variable(name))
        elif value := next((layer[name] for layer in tables if name in layer), None):
            found[name] = value
            if name == "client_secret" and value.path is not None and value.path != SYSTEM_FILE:
                _warn_if_open(value.path, warn)
    port = _login_port(found["login_port"]) if "login_port" in found else LOGIN_PORT
    texts = {name: _word(name, found[name]) for name in APPLICATION[:2] if name in found}
    if len(texts) == 1:
        name, other = (*texts, *(set(APPLICATION[:2]) - set(texts)))
        raise ConfigError(f"{name} is set ({found[name].source}), but {other} isn't; a login needs both")
    return LoginSettings(base_url, Application(**texts) if texts else None, port)


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
        text, tables = _read(path)
        accounts = tables.get("accounts", {})
        for name, table in accounts.items() if isinstance(accounts, dict) else ():
            if not isinstance(table, dict) or (url := _url(table.get("address", name))) is None:
                continue
            layer = _layer(path, text, f"accounts.{name}", table)
            secret_name = next((one for one in SECRETS if one in layer), None)
            source = layer[secret_name].source if secret_name else ""
            if url not in found or (secret_name and found[url].secret is None):
                found[url] = KnownAccount(name, url, secret_name, source)
    return list(found.values())


def config_files() -> tuple[Path, ...]:
    """Where configuration is looked for, the user's file first."""
    return (platformdirs.user_config_path("wsfs") / "config.toml", SYSTEM_FILE)


def parse_mount_options(text: str) -> dict[str, Value]:
    """Read the text of -o: names and name=value between commas, `\\,` being a comma inside a value.

    The last of equal names counts. Options meant for mount(8) or the desktop are dropped; raises ConfigError
    for unknown names.
    """
    found: dict[str, Value] = {}
    for item in re.split(r"(?<!\\),", text):
        name, equals, raw = item.strip().replace("\\,", ",").partition("=")
        if name == "rw":
            found["ro"] = Value("no", "-o rw")
        elif not name or name in FOREIGN or name.startswith("x-"):
            continue
        elif name not in OPTIONS:
            raise ConfigError(f"there is no option {name} (given with -o); `wsfs mount --help` lists them")
        elif not equals and not OPTIONS[name].flag:
            raise ConfigError(f"the option {name} (given with -o) needs a value: {name}=…")
        else:
            found[name] = Value(raw if equals else True, f"-o {name}")
    return found


def _parsed(option: Option, value: Value) -> object:
    try:
        return option.parse(value.raw)
    except ValueError as error:
        raise ConfigError(f"{option.name} {error}, not {value.raw!r} ({value.source})") from error


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _variable(name: str) -> str:
    return "WSFS_" + name.upper()


def _read(path: Path) -> tuple[str, dict[str, Any]]:
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


def _account_tables(
    account: str, files: Sequence[tuple[Path, tuple[str, dict[str, Any]]]]
) -> tuple[str, list[Layer]]:
    """The address of `account` and the tables that speak of it, first one first.

    An account's table is known by its name, or by its `address` (without one, its name) being that of `account`.
    """
    address = account
    asked_for = _url(account)
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
            if name == account or (asked_for and _url(table.get("address", name)) == asked_for):
                layers.append(_layer(path, text, f"accounts.{name}", table))
                address = str(table.get("address", address))
        layers.append(_layer(path, text, "defaults", tables.get("defaults", {})))
    return address, layers


def _url(address: object) -> str | None:
    try:
        return account_base_url(str(address))
    except ValueError:
        return None


def _layer(path: Path, text: str, header: str, table: object) -> Layer:
    if not isinstance(table, dict):
        raise ConfigError(f"[{header}] in {path} has to be a table")
    lines = dict(_key_lines(text, header))
    layer = {}
    for name, raw in table.items():
        source = f"{name} in [{header}] of {path}"
        if name in lines:
            source = f"{path} line {lines[name]}, in [{header}]"
        if name not in OPTIONS and name not in (*SECRETS, *APPLICATION, "address"):
            raise ConfigError(f"there is no option {name} ({source})")
        layer[name] = Value(raw, source, path)
    return layer


def _key_lines(text: str, header: str) -> Iterator[tuple[str, int]]:
    """Key and line number of each plain `key = value` below a header, as far as lines alone can tell."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            inside = re.sub(r"[\s\"']", "", line.split("#")[0]) == f"[{header}]"
        elif inside and (match := re.match(r"\s*([\w-]+)\s*=", line)):
            yield match[1], number


def _from_environment(environ: Mapping[str, str]) -> Credentials | None:
    return _only_one(
        {name: Value(raw, _variable(name)) for name in SECRETS if (raw := environ.get(_variable(name)))}
    )


def _from_files(tables: Sequence[Layer], warn: Callable[[str], None]) -> Credentials | None:
    for layer in tables:
        found = _only_one(layer)
        if found is not None:
            for value in (layer[name] for name in SECRETS if name in layer):
                if value.path is not None:
                    _warn_if_open(value.path, warn)
            return found
    return None


def _only_one(layer: Layer) -> Credentials | None:
    found = [(name, layer[name]) for name in SECRETS if name in layer]
    if len(found) > 1:
        sources = " and ".join(value.source for _, value in found)
        raise ConfigError(f"both an API key and an access token are set ({sources}); keep one of them")
    return secret(*found[0]) if found else None


def secret(name: str, value: Value) -> Credentials:
    """Credentials from a secret called api_key or access_token; a ConfigError never shows the secret."""
    text = _word(name, value)
    return AdminKey(text) if name == "api_key" else UserToken(text)


def _word(name: str, value: Value) -> str:
    text = value.raw.strip() if isinstance(value.raw, str) else ""
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise ConfigError(f"{name} has to be letters, digits and signs without a space ({value.source})")
    return text


def _asked(host: str, ask: Callable[[str], str] | None) -> Credentials:
    if ask is None:
        raise ConfigError(
            f"no login for {host} is known and there is no terminal to ask for one; log in with `wsfs login`, set "
            "WSFS_API_KEY or WSFS_ACCESS_TOKEN, or write api_key into the configuration file"
        )
    text = ask(f"API key or access token for {host}").strip()
    is_key = re.fullmatch(r"[0-9a-fA-F]{32}", text) is not None
    return secret("api_key" if is_key else "access_token", Value(text, "typed"))


def _warn_if_open(path: Path, warn: Callable[[str], None]) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        warn(f"{path} holds a secret and can be read by other users; `chmod 600 {path}` mends that")
