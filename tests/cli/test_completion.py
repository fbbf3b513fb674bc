"""What is offered while a person types."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from wsfs.cli import completion
from wsfs.cli import main as group
from wsfs.config import OPTIONS, files, parse_mount_options

CONTEXT = click.Context(group)


def offered(command: str, parameter: str, incomplete: str) -> list[str]:
    """What a command offers for one of its parameters."""
    found = group.get_command(CONTEXT, command)
    assert found is not None
    [one] = [one for one in found.params if one.name == parameter]
    return [item.value for item in one.shell_complete(CONTEXT, incomplete)]


def options(incomplete: str) -> list[str]:
    return offered("mount", "mount_options", incomplete)


def test_every_option_is_offered_and_is_one() -> None:
    assert len(options("")) == len(OPTIONS)
    for text in options(""):
        parse_mount_options(text if not text.endswith("=") else f"{text}1")


def test_what_has_been_typed_before_a_comma_stays() -> None:
    assert options("ro,don") == ["ro,done="]
    assert options("ro,done=m") == ["ro,done=mixed"]
    assert options("ro,done=folder,allow_o") == ["ro,done=folder,allow_other"]
    assert options("nonsense") == []
    assert options("author=an") == []


def test_values_are_those_that_are_taken() -> None:
    for name in ("create", "done", "log_level"):
        values = [text.partition("=")[2] for text in options(f"{name}=")]
        assert values
        for value in values:
            OPTIONS[name].parse(value)


@pytest.mark.parametrize("command", ["mount", "login", "logout"])
def test_accounts_of_the_configuration_are_offered(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "config.toml"
    monkeypatch.setattr(files, "config_files", lambda: (path,))
    assert offered(command, "account", "") == []
    path.write_text("[accounts.acme]\n[accounts.globex]\n")
    assert offered(command, "account", "") == ["acme", "globex"]
    assert offered(command, "account", "gl") == ["globex"]
    path.write_text("[accounts.acme\n")
    assert offered(command, "account", "") == []


def test_commands_below_a_command_are_equipped_too() -> None:
    @click.command
    @click.argument("account")
    def below(account: str) -> None: ...

    completion.equip(click.Group("above", commands=[below]))
    assert isinstance(below.params[0].type, completion.Account)
