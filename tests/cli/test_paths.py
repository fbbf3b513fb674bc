"""No command looks at a path before it has asked the kernel's table whether a drive is mounted there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.cli.conftest import FakeDrive
from wsfs.cli import COMMANDS, main
from wsfs.cli.paths import PATH, UntouchedPath


def arguments(command: click.Command, name: str) -> Iterator[tuple[str, click.Parameter]]:
    """Every argument of a command and of those below it."""
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            yield f"{name} {parameter.name}", parameter
    if isinstance(command, click.Group):
        for below, one in command.commands.items():
            yield from arguments(one, f"{name} {below}")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_path_is_taken_as_it_is_typed(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    for which, argument in arguments(command, name):
        looks = isinstance(argument.type, click.Path) and not isinstance(argument.type, UntouchedPath)
        # The demo makes its directory, and what is copied out goes into a new one: neither lies in a drive.
        assert not looks or which in ("demo mountpoint", "uploads save directory"), which


def test_nothing_of_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*rest: object, **more: object) -> None:
        raise AssertionError("it was looked at")

    for name in ("stat", "lstat", "access"):
        monkeypatch.setattr(os, name, look)
    assert PATH.convert("/mnt/hung/a", None, None) == "/mnt/hung/a"


def test_a_drive_that_hangs_is_never_looked_at(drive: FakeDrive, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.stat

    def stat(path: int | str | bytes | os.PathLike[str], *rest: object, **more: object) -> os.stat_result:
        assert isinstance(path, int) or not Path(os.fsdecode(path)).is_relative_to(drive.mountpoint)
        return real(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", stat)
    for arguments in (["status"], ["url"], ["flush"], ["refresh"], ["unpin"], ["log", "--requests"]):
        drive.answers["requests"] = {"lines": [], "total": 0}
        drive.answers["url"] = {"link": "a", "page": "b"}
        with pytest.raises(SystemExit) as ended:
            main([*arguments, str(drive.mountpoint / "below")])
        assert ended.value.code == 0, arguments
