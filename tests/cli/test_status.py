from __future__ import annotations

import io
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from rich.console import Console

from tests.cli.conftest import FakeDrive
from tests.cli.test_status_view import quiet
from wsfs import control
from wsfs.api.auth import AdminKey
from wsfs.cli import preflight, status
from wsfs.secrets import Login, Vault

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def state(drive: FakeDrive) -> dict[str, Any]:
    return quiet(mountpoint=str(drive.mountpoint))


def test_people_get_lines(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["status"] = state(drive)
    result = wsfs("status", drive.mountpoint)
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert str(drive.mountpoint) in text
    assert "acme.worksection.com · Ann" in text
    assert drive.calls == [("status", None)]


def test_programs_get_json(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["status"] = state(drive)
    one = json.loads(wsfs("status", drive.mountpoint, "--json").stdout)
    assert one == state(drive)
    assert json.loads(wsfs("status", "--json").stdout) == [one]


def test_the_drive_that_a_path_lies_in(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["status"] = state(drive)
    assert json.loads(wsfs("status", drive.mountpoint / "deep" / "below", "--json").stdout) == state(drive)


def test_nothing_mounted(wsfs: Run) -> None:
    assert (wsfs("status").stdout, wsfs("status", "--json").stdout) == ("Nothing is mounted.\n", "[]\n")


def test_accounts_without_a_drive_are_named(wsfs: Run, drive: FakeDrive) -> None:
    for name in ("acme", "beta"):
        Vault().store(Login(f"https://{name}.worksection.com", AdminKey("0" * 32)), keyring=False)
    drive.answers["status"] = state(drive)
    assert "Not mounted: beta.worksection.com\n" in wsfs("status").stdout
    assert "Not mounted" not in wsfs("status", drive.mountpoint).stdout
    drive.end()
    assert "Not mounted" not in wsfs("status").stdout  # nobody says whose that one is


def test_a_dead_drive_is_named_with_the_cure_beside_a_live_one(
    wsfs: Run, add_drive: Callable[[str], FakeDrive]
) -> None:
    dead, live = add_drive("dead"), add_drive("live")
    dead.end()
    live.refusals["status"] = "busy"
    first, second = json.loads(wsfs("status", "--json").stdout)
    assert first["mountpoint"] == str(dead.mountpoint)
    assert f"is gone; `wsfs umount {dead.mountpoint}` clears it" in first["error"]
    assert second["error"] == "busy"
    assert "is gone" in " ".join(wsfs("status").stdout.split())


@pytest.fixture
def mute(tmp_path: Path) -> Iterator[Path]:
    """A socket at which somebody listens and never says a word."""
    path = tmp_path / "mute.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        yield path


def test_one_that_says_nothing_is_said_so_within_the_deadline(mute: Path, drive: FakeDrive) -> None:
    drive.answers["status"] = state(drive)
    mounts = [control.LiveMount(Path("/mnt/hung"), mute)] * 3
    mounts.append(control.LiveMount(drive.mountpoint, control.control_path(drive.mountpoint)))
    began = time.monotonic()
    *hung, answered = status.gather(mounts, 0.5)
    assert time.monotonic() - began < 1.0
    assert answered == state(drive)
    for one in hung:
        assert "it has not answered for 0.5 s" in one["error"]
        assert f"`kill -9 {os.getpid()}` and then `wsfs umount /mnt/hung`" in one["error"]


def test_a_mount_that_hangs_without_a_socket_is_said_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(place: Path, seconds: float) -> None:
        time.sleep(seconds)

    monkeypatch.setattr(preflight, "probe", hang)
    (one,) = status.gather([control.LiveMount(Path("/mnt/hung"), None)], 0.2)
    assert "/mnt/hung" in one["error"]


def test_a_place_without_a_drive_is_refused(wsfs: Run, tmp_path: Path) -> None:
    result = wsfs("status", tmp_path)
    assert result.exit_code == 1
    assert "lies in no drive" in result.stderr


# --watch


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What happens in each pause of the watching; after the last a person types Ctrl-C."""

    def happen(*events: Callable[[], object]) -> None:
        ahead = iter(events)

        def sleep(seconds: float) -> None:
            assert seconds == status.EVERY
            event = next(ahead, None)
            if event is None:
                raise KeyboardInterrupt
            event()

        monkeypatch.setattr(status.time, "sleep", sleep)  # type: ignore[attr-defined]

    return happen


def test_a_program_that_watches_gets_a_line_each_time_that_something_changed(
    wsfs: Run, drive: FakeDrive, pauses: Callable[..., None]
) -> None:
    drive.answers["status"] = state(drive)
    pauses(lambda: None, lambda: drive.answers.update(status=state(drive) | {"version": "2"}))
    result = wsfs("status", "--watch", "--json", drive.mountpoint)
    assert result.exit_code == 130
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first.get("version"), second["version"]) == (None, "2")
    assert set(drive.calls) == {("status", None)}


def test_a_pipe_that_watches_gets_lines(wsfs: Run, drive: FakeDrive, pauses: Callable[..., None]) -> None:
    drive.answers["status"] = state(drive)
    pauses(lambda: None)
    result = wsfs("status", "--watch")
    assert result.stdout.count("everything is on the server") == 1
    assert "\x1b" not in result.stdout


def test_a_terminal_that_watches_gets_one_picture_in_place_of_the_last(
    drive: FakeDrive, pauses: Callable[..., None]
) -> None:
    drive.answers["status"] = state(drive)
    pauses(lambda: drive.answers.update(status={"error": "it fell"}))
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=30, highlight=False, _environ={})
    mounts = [control.LiveMount(drive.mountpoint, control.control_path(drive.mountpoint))]
    with pytest.raises(KeyboardInterrupt):
        status._watch(console, lambda: status.gather(mounts), alone=True)
    text = out.getvalue()
    on, off = text.index("\x1b[?1049h"), text.index("\x1b[?1049l")
    assert text.index("everything is on the server", on) < text.index("it fell", on) < off
    assert "\x1b[2J" not in text[on + 20 : off]  # no clearing between two pictures: that is what flickers
    assert "it fell" in text[off:]  # the last one stays
