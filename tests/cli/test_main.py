from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import wsfs as package
from wsfs.cli import COMMANDS

Run = Callable[..., Result]


def test_help_lists_every_command(wsfs: Run) -> None:
    result = wsfs("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert f"\n  {command} " in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(wsfs: Run, command: str) -> None:
    result = wsfs(command, "--help")
    assert result.exit_code == 0
    assert f"wsfs {command}" in result.stdout or "Usage" in result.stdout


def test_without_a_command_there_is_help(wsfs: Run) -> None:
    result = wsfs()
    assert result.exit_code == 0
    assert "wsfs demo" in result.stdout


def test_version(wsfs: Run) -> None:
    assert wsfs("--version").stdout == f"wsfs {package.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mount"], "missing argument"),
        (["mount", "acme", "/mnt", "--nonsense"], "--nonsense"),
        (["dance"], "dance"),
    ],
)
def test_a_wrong_command_line_gets_one_line(wsfs: Run, arguments: list[str], words: str) -> None:
    result = wsfs(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("wsfs: ")
    assert words in result.stderr
    assert "--help" in result.stderr
    assert result.stderr.count("\n") == 1


def test_without_the_demos_packages_the_emulator_says_what_to_install(
    wsfs: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("wsfs.emulator", "wsfs.cli.emulator"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "starlette"] or ["starlette"]:
        monkeypatch.setitem(sys.modules, name, None)
    result = wsfs("emulator", "--port", "0")
    assert result.exit_code == 1
    assert "whl[demo]" in result.stderr  # of a file: what a registry has by that name may be anybody's
    assert result.stderr.startswith("wsfs: the emulator needs ")
    assert result.stderr.count("\n") == 1


def test_a_fault_in_a_command_is_not_taken_for_a_missing_package(
    wsfs: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'wsfs.emulator.nonsense'", name="wsfs.emulator.nonsense")

    monkeypatch.setattr("wsfs.cli.importlib.import_module", missing)
    with pytest.raises(ModuleNotFoundError):
        wsfs("emulator")


def test_it_runs_as_a_module(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wsfs", "--version"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert outcome.stdout == f"wsfs {package.__version__}\n"
