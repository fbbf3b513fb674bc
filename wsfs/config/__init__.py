"""The settings of a mount, and where they come from: options > environment > file > defaults.

One table, `OPTIONS`, says what there is. The same names serve in `-o` on the command line, as `WSFS_NAME`
in the environment, and as keys of the tables `[defaults]` and `[accounts.NAME]` in the configuration files
`~/.config/wsfs/config.toml` and `/etc/wsfs/config.toml`; the user's file goes before the system's, an
account's table before the defaults of its file.
"""

from __future__ import annotations

from wsfs.config.credentials import secret, vault_of
from wsfs.config.errors import ConfigError, LoginUnreadable
from wsfs.config.explain import Line, explain, problems
from wsfs.config.files import KnownAccount, config_files, known_accounts
from wsfs.config.layers import Layer, Value, parse_mount_options
from wsfs.config.login import LoginSettings, resolve_login
from wsfs.config.options import APPLICATION, FOREIGN, LOGIN_PORT, OPTIONS, SECRETS, Option
from wsfs.config.resolve import Written, gather, resolve
from wsfs.config.settings import Done, Settings
from wsfs.config.values import parse_size

__all__ = [
    "APPLICATION",
    "FOREIGN",
    "LOGIN_PORT",
    "OPTIONS",
    "SECRETS",
    "ConfigError",
    "Done",
    "KnownAccount",
    "Layer",
    "Line",
    "LoginSettings",
    "LoginUnreadable",
    "Option",
    "Settings",
    "Value",
    "Written",
    "config_files",
    "explain",
    "gather",
    "known_accounts",
    "parse_mount_options",
    "parse_size",
    "problems",
    "resolve",
    "resolve_login",
    "secret",
    "vault_of",
]
