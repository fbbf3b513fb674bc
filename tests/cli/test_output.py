"""What is printed into a pipe isn't broken into lines."""

from __future__ import annotations

import sys

import pytest
from rich.text import Text

from wsfs.cli.output import answers

LONG = "/Website relaunch/" + "a directory of a long name/" * 20 + "offer.pdf"


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    answers().print(Text(LONG))
    return capsys.readouterr().out


def test_a_long_path_is_one_line_for_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert printed(capsys) == LONG + "\n"


def test_it_is_as_wide_as_somebody_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, printed(capsys).splitlines())) <= 60


def test_on_a_terminal_it_is_as_wide_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert answers().width <= 1000
