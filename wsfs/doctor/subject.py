"""The settings that a mount of an account would have, for those who only look."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from wsfs.config import SECRETS, Settings, resolve

#: Where nothing is ever mounted: the settings of an account alone are asked for.
_NOWHERE = "/nonexistent"
_STAND_IN = "none"


def settings_of(
    account: str,
    mountpoint: str | os.PathLike[str] = _NOWHERE,
    *,
    environ: Mapping[str, str] | None = None,
    files: Sequence[Path] | None = None,
) -> Settings:
    """The settings of `account` but for its login, which is a stand-in: no keyring is opened. Raises ConfigError."""
    environ = os.environ if environ is None else environ
    without = {name: value for name, value in environ.items() if name not in _variables()}
    return resolve(account, mountpoint, environ={**without, "WSFS_ACCESS_TOKEN": _STAND_IN}, files=files)


def _variables() -> set[str]:
    return {f"WSFS_{name.upper()}" for name in SECRETS}
