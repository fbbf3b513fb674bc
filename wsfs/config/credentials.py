"""The secrets among the settings: where they may stand, and that nobody else may read them there."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wsfs.api.auth import AdminKey, Credentials, UserToken
from wsfs.config.errors import ConfigError
from wsfs.config.layers import Layer, Value, variable
from wsfs.config.options import SECRETS
from wsfs.secrets import Vault

SYSTEM_LOGINS = Path("/var/lib/wsfs/logins")


def vault_of(system: bool) -> Vault:
    """The logins of this user; or those of the machine, which has no keyring."""
    return Vault(SYSTEM_LOGINS, ring=lambda: None) if system else Vault()


def from_environment(environ: Mapping[str, str]) -> Credentials | None:
    """The key or token of WSFS_API_KEY or WSFS_ACCESS_TOKEN; ConfigError when both are set."""
    return _only_one(
        {name: Value(raw, variable(name)) for name in SECRETS if (raw := environ.get(variable(name)))}
    )


def from_files(tables: Sequence[Layer], warn: Callable[[str], None]) -> Credentials | None:
    """The key or token of the first table that has one; `warn` is told of a file that others can read."""
    for layer in tables:
        found = _only_one(layer)
        if found is not None:
            for value in (layer[name] for name in SECRETS if name in layer):
                if value.path is not None:
                    warn_if_open(value.path, warn)
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
    text = word(name, value)
    return AdminKey(text) if name == "api_key" else UserToken(text)


def word(name: str, value: Value) -> str:
    """A secret or an id as it goes into a header; a ConfigError never shows it."""
    text = value.raw.strip() if isinstance(value.raw, str) else ""
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise ConfigError(f"{name} has to be letters, digits and signs without a space ({value.source})")
    return text


def asked(host: str, ask: Callable[[str], str] | None, *, account: str, system: bool) -> Credentials:
    """What the user types, told by its form; ConfigError where nobody can be asked."""
    if ask is None and system:
        raise ConfigError(
            f"the drives of this machine have no login for {host}; log in with `sudo wsfs login {account} --system`"
        )
    if ask is None:
        raise ConfigError(
            f"no login for {host} is known and there is no terminal to ask for one; log in with "
            f"`wsfs login {account}`, set WSFS_API_KEY or WSFS_ACCESS_TOKEN, or write api_key into the configuration "
            "file"
        )
    text = ask(f"API key or access token for {host}").strip()
    is_key = re.fullmatch(r"[0-9a-fA-F]{32}", text) is not None
    return secret("api_key" if is_key else "access_token", Value(text, "typed"))


def warn_if_open(path: Path, warn: Callable[[str], None]) -> None:
    """Say so when a file with a secret in it can be read by others."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        warn(f"{path} holds a secret and can be read by other users; `chmod 600 {path}` mends that")
