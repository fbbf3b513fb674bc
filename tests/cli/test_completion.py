"""What is offered while a person types."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from wsfs.cli import completion
from wsfs.cli import main as group
from wsfs.config import OPTIONS, files, parse_mount_options

CONTEXT = click.Context(group)
PARAMETER = click.Option(["-o"])


def offered(incomplete: str) -> list[str]:
    return [item.value for item in completion.mount_options(CONTEXT, PARAMETER, incomplete)]


def test_every_option_is_offered_and_is_one() -> None:
    assert len(offered("")) == len(OPTIONS)
    for text in offered(""):
        parse_mount_options(text if not text.endswith("=") else f"{text}1")


def test_what_has_been_typed_before_a_comma_stays() -> None:
    assert offered("ro,do") == ["ro,done="]
    assert offered("ro,done=m") == ["ro,done=mixed"]
    assert offered("ro,done=folder,allow_o") == ["ro,done=folder,allow_other"]
    assert offered("nonsense") == []
    assert offered("author=an") == []


def test_values_are_those_that_are_taken() -> None:
    for name in ("create", "done", "log_level"):
        values = [text.partition("=")[2] for text in offered(f"{name}=")]
        assert values
        for value in values:
            OPTIONS[name].parse(value)


def test_accounts_of_the_configuration_are_offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    monkeypatch.setattr(files, "config_files", lambda: (path,))

    def names(incomplete: str) -> list[str]:
        return [item.value for item in completion.accounts(CONTEXT, PARAMETER, incomplete)]

    assert names("") == []
    path.write_text("[accounts.acme]\n[accounts.globex]\n")
    assert names("") == ["acme", "globex"]
    assert names("gl") == ["globex"]
    path.write_text("[accounts.acme\n")
    assert names("") == []


def test_words_are_offered_first_and_then_paths() -> None:
    offer = completion.words("send", "save")
    argument = click.Argument(["words"], nargs=-1)
    context = click.Context(group)
    context.params["words"] = ()
    assert [item.value for item in offer(context, argument, "s")] == ["send", "save"]
    assert [item.value for item in offer(context, argument, "se")] == ["send"]
    assert [(item.value, item.type) for item in offer(context, argument, "/mnt")] == [("/mnt", "file")]
    context.params["words"] = ("send",)
    assert [(item.value, item.type) for item in offer(context, argument, "s")] == [("s", "file")]
