"""The settings of one mount, gathered: options > environment > the user's file > the system's > defaults."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

from wsfs import mountinfo
from wsfs.api.account import account_base_url
from wsfs.config import values
from wsfs.config.credentials import asked, from_environment, from_files, vault_of
from wsfs.config.errors import ConfigError, LoginUnreadable
from wsfs.config.files import account_tables, config_files, read
from wsfs.config.layers import Layer, Value, flag, parse_mount_options, parsed, variable
from wsfs.config.options import OPTIONS
from wsfs.config.settings import Settings
from wsfs.secrets import SecretsError, Vault

SYSTEM_CACHE = Path("/var/cache/wsfs")
SYSTEM_DATA = Path("/var/lib/wsfs")
DEFAULT_MOUNTPOINT = "~/Worksection"


@dataclass(frozen=True)
class Written:
    """What is written about one account, in every place where settings may stand; the first layer counts."""

    account: str
    base_url: str
    layers: Sequence[Layer]
    tables: Sequence[Layer]  # those of them that stand in files
    system: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc

    def all(self, name: str) -> list[Value]:
        """What is written about one setting, the one that counts first."""
        return [layer[name] for layer in self.layers if name in layer]

    def fields(self) -> dict[str, Any]:
        """The fields of Settings that something is written about. Raises ConfigError."""
        found = {option: self.all(option.name) for option in OPTIONS.values()}
        return {option.field: parsed(option, at[0]) for option, at in found.items() if at}

    def defaults(self) -> dict[str, Any]:
        """The fields of Settings whose defaults depend on the account, the user, or the machine."""
        directory = self.host.replace(":", "_")
        cache, data = platformdirs.user_cache_path("wsfs"), platformdirs.user_data_path("wsfs")
        return {
            "fsname": self.host,
            "cache_dir": (SYSTEM_CACHE if self.system else cache) / directory,
            "data_dir": (SYSTEM_DATA if self.system else data) / directory,
            "uid": os.getuid(),
            "gid": os.getgid(),
        }

    def mountpoint(self) -> tuple[Path, Value | None]:
        """Where to mount if nobody says it, and where that is written, if it is. Raises ConfigError."""
        value = next(iter(self.all("mountpoint")), None)
        if value is None and self.system:
            raise ConfigError(
                f"where is {self.account} to be mounted? name a directory, or write mountpoint into its table"
            )
        try:
            return values.path(DEFAULT_MOUNTPOINT if value is None else value.raw), value
        except ValueError as error:
            source = "" if value is None else f" ({value.source})"
            raise ConfigError(f"mountpoint {error}{source}") from error


def gather(
    account: str,
    *,
    options: Mapping[str, object] | None = None,
    mount_options: str = "",
    environ: Mapping[str, str] | None = None,
    files: Sequence[Path] | None = None,
    system: bool = False,
) -> Written:
    """Everything that is written about an account; the parameters are those of `resolve`. Raises ConfigError."""
    environ = os.environ if environ is None else environ
    texts = [read(path) for path in (config_files(system=system) if files is None else files)]
    address, tables = account_tables(account, texts)
    try:
        base_url = account_base_url(address)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    in_environment = {name: environ.get(variable(name)) for name in (*OPTIONS, "mountpoint")}
    layers: list[Layer] = [
        {name: Value(raw, flag(name)) for name, raw in (options or {}).items() if raw is not None},
        parse_mount_options(mount_options),
        {name: Value(raw, variable(name)) for name, raw in in_environment.items() if raw},
        *tables,
    ]
    return Written(account, base_url, layers, tables, system)


def resolve(
    account: str,
    mountpoint: str | os.PathLike[str] | None,
    *,
    options: Mapping[str, object] | None = None,
    mount_options: str = "",
    environ: Mapping[str, str] | None = None,
    files: Sequence[Path] | None = None,
    ask: Callable[[str], str] | None = None,
    warn: Callable[[str], None] = lambda sentence: None,
    vault: Vault | None = None,
    system: bool = False,
) -> Settings:
    """Gather the settings of one mount; raises ConfigError.

    `mountpoint` is None for the one that is configured, or the default. `options` are those of the command line by
    their names in OPTIONS, None meaning not given; `mount_options` is the text of -o. `files` are the configuration
    files, first one first. `ask(question)` returns a secret typed by the user and may raise ConfigError; without it
    a missing secret is an error. `warn` gets sentences about what should be mended but doesn't keep the mount from
    working. `vault` holds the logins of `wsfs login` (the user's own); one of them goes before a key in a file, the
    environment before it. A mount of the `system` has nothing to do with the user who happens to start it: its
    configuration, cache, data and logins are the machine's.
    """
    environ = os.environ if environ is None else environ
    written = gather(
        account,
        options=options,
        mount_options=mount_options,
        environ=environ,
        files=files,
        system=system,
    )
    fields = written.defaults() | written.fields()
    place = mountinfo.canonical(written.mountpoint()[0] if mountpoint is None else mountpoint)
    for name in ("cache_dir", "data_dir"):
        if mountinfo.canonical(fields[name]).is_relative_to(place):
            raise ConfigError(
                f"{name} is {fields[name]}, which lies inside the mountpoint {place}; "
                "choose a directory outside it"
            )
    credentials = from_environment(environ)
    if credentials is None:
        try:
            fields["login"] = login = (vault or vault_of(system)).load(written.base_url)
        except SecretsError as error:
            raise LoginUnreadable(str(error)) from error
        credentials = (
            login.credentials
            if login is not None
            else from_files(written.tables, warn) or asked(written.host, ask, account=account, system=system)
        )
    return Settings(
        account=account,
        base_url=written.base_url,
        mountpoint=place,
        credentials=credentials,
        system=system,
        **fields,
    )
