"""What a shell offers while a person types: accounts, mount options, and their values.

Typing waits for it, so it looks at the configuration and nothing else, and what it can't read offers nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

from wsfs.config import OPTIONS, ConfigError, known_accounts

_VALUES = {
    "create": ("projects",),
    "done": ("folder", "mixed", "hide"),
    "log_level": ("debug", "info", "warning", "error"),
}


def accounts(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The accounts that the configuration files name."""
    try:
        names = [account.name for account in known_accounts()]
    except ConfigError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def mount_options(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """What may follow in the text of -o, after its last comma."""
    before, comma, begun = incomplete.rpartition(",")
    name, equals, value = begun.partition("=")
    if equals:
        offered = [f"{name}={one}" for one in _VALUES.get(name, ()) if one.startswith(value)]
    else:
        offered = [
            option.name if option.flag else f"{option.name}="
            for option in OPTIONS.values()
            if option.name.startswith(name)
        ]
    return [CompletionItem(f"{before}{comma}{one}") for one in offered]


def words(*names: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """One of these words as the first, and paths."""

    def offer(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        first = not context.params.get(parameter.name or "")
        offered = [CompletionItem(name) for name in names if first and name.startswith(incomplete)]
        return offered or [CompletionItem(incomplete, type="file")]

    return offer
