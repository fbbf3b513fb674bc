"""What a shell offers while a person types: accounts, mount options, and their values.

Typing waits for it, so it looks at the configuration and nothing else, and what it can't read offers nothing.
"""

from __future__ import annotations

import os

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    add_completion_class,
    split_arg_string,
)
from click.types import StringParamType

from wsfs.config import OPTIONS, ConfigError, known_accounts

_VALUES = {
    "create": ("projects",),
    "done": ("folder", "mixed", "hide"),
    "log_level": ("debug", "info", "warning", "error"),
}


class Account(StringParamType):
    """An account: those that the configuration files name are offered."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            names = [account.name for account in known_accounts()]
        except ConfigError:
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class MountOptions(StringParamType):
    """The text of -o: what may follow after its last comma is offered."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
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


TYPES: dict[str, StringParamType] = {"account": Account(), "mount_options": MountOptions()}
"""By the parameter's name, which is the same in every command."""


def equip(command: click.Command) -> click.Command:
    """Give a command's parameters, and those of the commands below it, what a shell may offer for them."""
    for parameter in command.params:
        if parameter.name in TYPES and isinstance(parameter.type, StringParamType):
            parameter.type = TYPES[parameter.name]
    if isinstance(command, click.Group):
        for below in command.commands.values():
            equip(below)
    return command


_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' response completion type value
    response=$(COMP_LINE="${COMP_LINE:0:COMP_POINT}" %(complete_var)s=bash_complete $1)
    for completion in $response; do
        IFS=, read -r type value <<<"$completion"
        case $type in
        dir) compopt -o dirnames ;;
        file) compopt -o default ;;
        plain)
            COMPREPLY+=("$value")
            [[ $value != *= ]] || compopt -o nospace
            ;;
        esac
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


@add_completion_class
class Bash(BashComplete):
    """bash's completion, with values after a "=".

    bash cuts words at "=" (COMP_WORDBREAKS), which click's own doesn't know: the line as it is typed is taken, and
    of what is offered only the part that bash is to put behind the last "=".
    """

    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """Which bash is here says nothing of the one that the script is for."""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)[1:]
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        self._behind = incomplete.rpartition("=")[0]
        return words, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        value = item.value.removeprefix(f"{self._behind}=") if self._behind else item.value
        return f"{item.type},{value}"


_FISH = """\
function %(complete_func)s
    set -l typed COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t)
    set -l response (env %(complete_var)s=fish_complete $typed %(prog_name)s)
    for completion in $response
        set -l parts (string split --max 1 , -- $completion)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                echo -- $parts[2]
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


@add_completion_class
class Fish(FishComplete):
    """fish's completion, with values that hold commas, which click's own cuts there."""

    source_template = _FISH
