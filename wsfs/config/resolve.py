"""The settings of one mount, gathered: options > environment > the user's file > the system's > defaults."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

from wsfs import mountinfo
from wsfs.api.account import account_base_url
from wsfs.config.credentials import asked, from_environment, from_files
from wsfs.config.errors import ConfigError
from wsfs.config.files import account_tables, config_files, read
from wsfs.config.layers import Layer, Value, flag, parse_mount_options, parsed, variable
from wsfs.config.options import OPTIONS
from wsfs.config.settings import Settings
from wsfs.secrets import SecretsError, Vault


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
    texts = [(path, read(path)) for path in (config_files() if files is None else files)]
    address, tables = account_tables(account, texts)
    try:
        base_url = account_base_url(address)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    layers: list[Layer] = [
        {name: Value(raw, flag(name)) for name, raw in (options or {}).items() if raw is not None},
        parse_mount_options(mount_options),
        {name: Value(raw, variable(name)) for name in OPTIONS if (raw := environ.get(variable(name)))},
        *tables,
    ]
    fields: dict[str, Any] = {}
    for option in OPTIONS.values():
        value = next((layer[option.name] for layer in layers if option.name in layer), None)
        if value is not None:
            fields[option.field] = parsed(option, value)
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
    credentials = from_environment(environ)
    if credentials is None:
        try:
            fields["login"] = login = (vault or Vault()).load(base_url)
        except SecretsError as error:
            raise ConfigError(str(error)) from error
        credentials = login.credentials if login is not None else from_files(tables, warn) or asked(host, ask)
    return Settings(account=account, base_url=base_url, mountpoint=place, credentials=credentials, **fields)
