"""The clipboard and notifications: by whichever program is here."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wsfs.desktop import clipboard, notice

Which = Callable[[str], str | None]


def having(*names: str) -> Which:
    return lambda name: name if name in names else None


@pytest.fixture
def bin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of programs that goes before all others."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def program(bin: Path, name: str, script: str) -> None:
    (bin / name).write_text(f"#!/bin/sh\n{script}\n")
    (bin / name).chmod(0o755)


def test_the_programs_of_each_desktop() -> None:
    assert clipboard.commands({}) == []
    both = clipboard.commands({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"})
    assert [command[0] for command in both] == ["wl-copy", "xclip", "xsel"]
    assert [command[0] for command in clipboard.commands({"DISPLAY": ":0"})] == ["xclip", "xsel"]


def test_the_first_that_works_is_taken(bin: Path) -> None:
    environ = {"DISPLAY": ":0", "PATH": f"{bin}:/usr/bin:/bin"}
    program(bin, "xclip", "exit 1")
    program(bin, "xsel", f"cat > {bin}/text")
    assert clipboard.copy("Звіт\n", environ, which=having("xclip", "xsel"))
    assert (bin / "text").read_text() == "Звіт\n"
    assert not clipboard.copy("a", environ, which=having("xclip"))
    assert not clipboard.copy("a", environ, which=having())
    assert not clipboard.copy("a", {}, which=having("xclip", "xsel"))


def test_what_stays_in_the_background_holds_nothing_up(bin: Path) -> None:
    program(bin, "xclip", "cat > /dev/null; sleep 60 & exit 0")
    environ = {"DISPLAY": ":0", "PATH": f"{bin}:/usr/bin:/bin"}
    assert clipboard.copy("a", environ, which=having("xclip"))


def test_a_notification_by_what_is_here() -> None:
    def command(*names: str) -> list[str] | None:
        return notice.command("<b>", 'a & "b"\n', trouble=True, which=having(*names))

    assert command() is None
    send = command("notify-send", "gdbus")
    assert send is not None
    assert send[0] == "notify-send"
    assert send[-3:] == ["--", "<b>", 'a &amp; "b"\n']
    call = command("gdbus")
    assert call is not None
    assert call[0] == "gdbus"
    assert '"a &amp; \\"b\\"\\n"' in call
    assert "dialog-warning" in call


def test_nobody_takes_a_notification(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **rest: object) -> subprocess.CompletedProcess[str]:
        if command[0] == "gdbus":
            raise subprocess.TimeoutExpired(command, 5)
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(subprocess, "run", run)
    assert not notice.show("a", which=having("notify-send"))
    assert not notice.show("a", which=having("gdbus"))
    assert not notice.show("a", which=having())
