"""The command line: `main` is the click group, each command a module of its name, imported when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

import click

from wsfs import __version__
from wsfs.cli.completion import equip
from wsfs.cli.errors import UserError, say
from wsfs.config import ConfigError
from wsfs.control import ControlError

COMMANDS = (
    "login",
    "logout",
    "accounts",
    "config",
    "mount",
    "umount",
    "flush",
    "status",
    "doctor",
    "log",
    "uploads",
    "refresh",
    "pin",
    "unpin",
    "cache",
    "open",
    "url",
    "desktop",
    "service",
    "demo",
    "emulator",
)


class Commands(click.Group):
    """A group that imports a command's module on demand and says what went wrong in one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        try:
            module = importlib.import_module(f"wsfs.cli.{cmd_name}")
        except ModuleNotFoundError as error:
            if cmd_name != "emulator" or (error.name or "wsfs").partition(".")[0] == "wsfs":
                raise
            return _without_extra(error.name or "")
        command: click.Command = getattr(module, cmd_name)
        return equip(command)

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, standalone_mode: bool = True, **extra: Any
    ) -> Any:
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        words = list(sys.argv[1:] if args is None else args)
        if _is_from_mount(words):
            sys.exit(importlib.import_module("wsfs.cli.fstab").run(words))
        try:
            code = super().main(args, standalone_mode=False, **extra)
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else "wsfs"
            say(f"{_plain(error.format_message())}; see `{path} --help`")
            sys.exit(2)
        except (ConfigError, ControlError) as error:
            say(str(error))
            sys.exit(1)
        except UserError as error:
            say(error.message)
            sys.exit(error.exit_code)
        except click.ClickException as error:
            say(_plain(error.format_message()))
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(130)
        sys.exit(code if isinstance(code, int) else 0)


def _is_from_mount(words: Sequence[str]) -> bool:
    """Whether this is `wsfs ACCOUNT DIRECTORY -o OPTIONS`.

    So mount.fuse3, the helper of the package fuse3, passes on `mount -t fuse.wsfs` where ours isn't installed.
    """
    return len(words) >= 4 and words[0] not in COMMANDS and words[0][:1] != "-" and words[2] == "-o"


def _without_extra(missing: str) -> click.Command:
    """What stands for the emulator where the packages of the extra `demo` are missing."""

    def refuse() -> None:
        raise UserError(
            f"the emulator needs the package {missing}, which isn't here; install wsfs anew with its extra for the "
            f"demo: pipx install --force './wsfs-{__version__}-py3-none-any.whl[demo]'"
        )

    return click.Command(
        "emulator",
        callback=refuse,
        short_help="A Worksection account on this machine (needs wsfs[demo]).",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        add_help_option=False,
    )


def _plain(message: str) -> str:
    """A message of click's as it reads after "wsfs: "."""
    return message[:1].lower() + message[1:].rstrip(".")


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="wsfs", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """A Worksection account as a drive.

    Projects and tasks are directories, attachments are files, and a file copied into a task becomes an
    attachment of that task.

    \b
    Try it without an account:   wsfs demo
    Look around in yours:        wsfs mount acme ~/Worksection -o ro
    Work in it:                  wsfs mount acme ~/Worksection
    See what is going on:        wsfs status
    Finish:                      wsfs umount ~/Worksection
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
