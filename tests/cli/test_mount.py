from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from wsfs.api.auth import AdminKey, UserToken
from wsfs.cli import daemon, logs, preflight, running
from wsfs.cli.errors import UserError
from wsfs.cli.mount import mount
from wsfs.config import OPTIONS, ConfigError, LoginUnreadable, Settings
from wsfs.service import Supervisor

Run = Callable[..., Result]
KEY = "7776461cd931e7b1c8e9632ff8e979ce"


@pytest.fixture(autouse=True)
def nothing_of_this_machine(tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("wsfs.config.files.SYSTEM_FILE", tmp_path / "none.toml")
    monkeypatch.setattr(preflight, "check_fuse", lambda: None)
    monkeypatch.setattr(logs, "set_up", lambda level, file: None)
    for name, value in {"XDG_CONFIG_HOME": "config", "XDG_CACHE_HOME": "cache", "WSFS_API_KEY": KEY}.items():
        monkeypatch.setenv(name, value if name == "WSFS_API_KEY" else str(tmp_path / value))
    monkeypatch.delenv("WSFS_ACCESS_TOKEN", raising=False)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path.resolve() / "drive"
    place.mkdir()
    return place


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Settings]]:
    """The settings with which a mount was served in this process."""
    calls: list[Settings] = []

    def run(settings: Settings, ready: Callable[[], None], supervisor: Supervisor) -> None:
        calls.append(settings)
        ready()

    monkeypatch.setattr(running, "run", run)
    here = Path.cwd()
    yield calls
    os.chdir(here)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines with which a mount was started in the background."""
    calls: list[list[str]] = []

    def start(command: list[str], settings: Settings) -> int:
        calls.append(command)
        return 1

    monkeypatch.setattr(daemon, "start", start)
    return calls


def test_in_the_foreground_it_serves_here(wsfs: Run, place: Path, served: list[Settings]) -> None:
    result = wsfs("mount", "acme", "drive", "--foreground", "-o", "ro,done=mixed", "-o", "rate=2", "--debug")
    assert result.exit_code == 0
    assert result.stdout == f"acme.worksection.com is mounted at {place}\n"
    [settings] = served
    assert (settings.mountpoint, settings.read_only, settings.done) == (place, True, "mixed")
    assert (settings.rate, settings.log_level) == (2, "debug")
    assert "WSFS_API_KEY" not in os.environ


def test_in_whose_name_it_posts_is_said(wsfs: Run, place: Path, served: list[Settings]) -> None:
    result = wsfs("mount", "acme", place, "--foreground")
    assert "account's owner" in result.stdout


@pytest.mark.parametrize("options", ["ro", "author=ann@example.com"])
def test_where_nothing_is_posted_as_the_owner_nothing_is_said(
    wsfs: Run, place: Path, served: list[Settings], options: str
) -> None:
    assert "owner" not in wsfs("mount", "acme", place, "--foreground", "-o", options).stdout


def test_in_the_background_a_process_is_started(
    wsfs: Run, place: Path, started: list[list[str]], tmp_path: Path
) -> None:
    result = wsfs("mount", "acme", "drive", "--cache-size", "1G", "--data-dir", "data", "-o", "ro")
    assert result.exit_code == 0
    assert result.stdout == f"acme.worksection.com is mounted at {place}\n"
    [command] = started
    assert command[1:6] == ["-P", "-m", "wsfs", "mount", "--foreground"]
    assert command[command.index("--cache-size") + 1] == str(2**30)
    assert command[command.index("--data-dir") + 1] == str(tmp_path / "data")
    assert command[-3:] == ["--", "acme", str(place)]
    assert KEY not in " ".join(command)


def test_the_started_process_comes_to_the_same_settings(
    wsfs: Run, place: Path, started: list[list[str]], served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the parent resolved from a relative place is what the child gets from the command line."""
    wsfs(
        "mount",
        "acme",
        "drive",
        "--rate",
        "0",
        "--cache-dir",
        "../x",
        "-o",
        "hidden=a\\,b",
        "-o",
        "done=hide",
    )
    reading, writing = os.pipe()
    monkeypatch.setenv(daemon.READY_FD, str(writing))
    monkeypatch.setenv("WSFS_API_KEY", KEY)
    arguments = started[0][4:]
    monkeypatch.chdir("/")
    assert wsfs(*arguments).exit_code == 0
    [settings] = served
    assert settings.mountpoint == place
    assert settings.cache_dir == place.parent.parent / "x"
    assert (settings.rate, settings.hidden, settings.done) == (0, "a,b", "hide")
    with os.fdopen(reading) as lines:
        assert lines.read() == "ready\n"


def test_the_background_process_passes_its_failure_on(
    wsfs: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(settings: Settings, ready: Callable[[], None], supervisor: Supervisor) -> None:
        raise UserError("the key is wrong")

    monkeypatch.setattr(running, "run", run)
    reading, writing = os.pipe()
    monkeypatch.setenv(daemon.READY_FD, str(writing))
    result = wsfs("mount", "acme", place, "--foreground")
    assert result.exit_code == 1
    with os.fdopen(reading) as lines:
        assert lines.read() == "error the key is wrong\n"


def test_a_failure_in_the_background_is_the_users_sentence(
    wsfs: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(command: list[str], settings: Settings) -> int:
        raise UserError("the key is wrong")

    monkeypatch.setattr(daemon, "start", start)
    result = wsfs("mount", "acme", place)
    assert (result.exit_code, result.stderr) == (1, "wsfs: the key is wrong\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["acme", "missing"], "mkdir -p"),
        (["two words", "drive"], "'two words' is not an account"),
        (["acme", "drive", "-o", "nonsense"], "no option nonsense"),
        (["acme", "drive", "--cache-dir", "drive/cache"], "inside the mountpoint"),
        (["acme", "drive", "--cache-size", "big"], "--cache-size"),
    ],
)
def test_what_a_user_can_mend_is_one_sentence(
    wsfs: Run, place: Path, started: list[list[str]], arguments: list[str], words: str
) -> None:
    result = wsfs("mount", *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("wsfs: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert started == []


def test_without_key_and_terminal_it_says_how_to_give_one(
    wsfs: Run, place: Path, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WSFS_API_KEY")
    result = wsfs("mount", "acme", place)
    assert result.exit_code == 1
    assert "no terminal to ask" in result.stderr
    assert "WSFS_API_KEY" in result.stderr


@pytest.mark.parametrize(("typed", "credentials"), [(KEY, AdminKey(KEY)), ("token", UserToken("token"))])
def test_at_a_terminal_the_key_is_asked_for(
    wsfs: Run, place: Path, monkeypatch: pytest.MonkeyPatch, typed: str, credentials: object
) -> None:
    asked: dict[str, Any] = {}

    def prompt(question: str, **options: Any) -> str:
        asked.update(options, question=question)
        return typed

    found: list[Settings] = []

    def start(command: list[str], settings: Settings) -> int:
        found.append(settings)
        return 1

    monkeypatch.delenv("WSFS_API_KEY")
    monkeypatch.setattr("wsfs.cli.mount._at_terminal", lambda: True)
    monkeypatch.setattr("click.prompt", prompt)
    monkeypatch.setattr(daemon, "start", start)
    assert wsfs("mount", "acme", place).exit_code == 0
    assert asked["hide_input"]
    assert "acme.worksection.com" in asked["question"]
    assert found[0].credentials == credentials


def test_a_configuration_file_others_can_read_is_warned_of(
    wsfs: Run, place: Path, started: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WSFS_API_KEY")
    file = tmp_path / "config" / "wsfs" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f"[accounts.acme]\napi_key = '{KEY}'\nro = true\n")
    file.chmod(0o644)
    result = wsfs("mount", "acme", place)
    assert result.exit_code == 0
    assert (
        result.stderr == f"wsfs: {file} holds a secret and can be read by other users; "
        f"`chmod 600 {file}` mends that\n"
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("the file is wrong"), 78),
        (UserError("the login is refused", lasts=True), 78),
        (UserError("the network is away"), 1),
        (LoginUnreadable("the keyring is locked"), 1),
    ],
)
def test_systemd_is_told_why_and_whether_a_restart_may_help(
    error: Exception, code: int, wsfs: Run, place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(settings: Settings, ready: Callable[[], None], supervisor: Supervisor) -> None:
        raise error

    monkeypatch.setattr(running, "run", run)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        result = wsfs("mount", "acme", place, "--foreground")
        assert systemd.recv(1000).decode() == f"STATUS={error}"
    assert (result.exit_code, result.stderr) == (code, f"wsfs: {error}\n")


def test_a_place_that_nobody_named_is_made(
    wsfs: Run, tmp_path: Path, served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSFS_MOUNTPOINT", str(tmp_path / "new/drive"))
    assert wsfs("mount", "acme", "--foreground").exit_code == 0
    assert served[0].mountpoint == tmp_path.resolve() / "new/drive"
    assert served[0].mountpoint.is_dir()


def test_a_drive_of_the_machine_is_roots(
    wsfs: Run, place: Path, monkeypatch: pytest.MonkeyPatch, served: list[Settings]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    result = wsfs("mount", "acme", place, "--foreground", "--system")
    assert (result.exit_code, served) == (1, [])
    assert "a drive of the machine is root's" in result.stderr


def test_each_setting_of_the_command_line_may_stand_in_a_file() -> None:
    options = [one for one in mount.params if isinstance(one, click.Option) and not one.is_flag]
    names = {one.name for one in options} - {"mount_options"}
    assert names and names <= set(OPTIONS)
