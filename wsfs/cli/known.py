"""The accounts that a command may mean where none is named, and whose logins it has to do with."""

from __future__ import annotations

import os

from wsfs.cli.errors import UserError
from wsfs.config import config_files, known_accounts, vault_of
from wsfs.secrets import short_name


def accounts(system: bool = False) -> dict[str, str]:
    """By base URL the name of every account that the configuration names, or that there is a login to."""
    names = {known.base_url: known.name for known in known_accounts(config_files(system=system))}
    for entry in vault_of(system).entries():
        names.setdefault(entry.base_url, short_name(entry.base_url))
    return names


def only_account(system: bool = False) -> str | None:
    """The only one that is known; None where there is none, UserError where there are several."""
    names = accounts(system)
    if len(names) > 1:
        raise UserError(f"which account? there are {', '.join(sorted(names.values()))}")
    return next(iter(names.values()), None)


def check_system(system: bool, what: str) -> None:
    """UserError when somebody who isn't root is about to change what is the machine's."""
    if system and os.geteuid() != 0:
        raise UserError(
            f"{what} of the machine is root's; use sudo, or leave out --system for one of your own"
        )
