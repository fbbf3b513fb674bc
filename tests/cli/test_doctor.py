from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.conftest import FakeDrive
from tests.cli.test_status_view import quiet
from wsfs import __version__
from wsfs.api.auth import AdminKey
from wsfs.cli import doctor
from wsfs.doctor import Finding, State, asking, bad, good, machine, network
from wsfs.secrets import Login, Vault

Run = Callable[..., Result]
URL = "https://acme.worksection.com"


@pytest.fixture(autouse=True)
def sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Path) -> None:
    """A machine and a network that nothing is wrong with, whatever this one is like, and a home of its own."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home" / name))
    for name in ("check_device", "check_helper", "check_libfuse", "check_binding"):
        monkeypatch.setattr(machine, name, lambda name=name: good(name, "fine"))
    monkeypatch.setattr(network, "check_network", lambda url, proxy: iter([good("name", url)]))

    async def ask(*rest: Any, **more: Any) -> asking.Answers:
        return asking.Answers(who="Ann", events=[], offsets=[0.0])

    monkeypatch.setattr(asking, "ask", ask)


def log_in(name: str = "acme") -> None:
    Vault().store(Login(f"https://{name}.worksection.com", AdminKey("0" * 32)), keyring=False)


def state(drive: FakeDrive, **changed: Any) -> dict[str, Any]:
    return quiet(mountpoint=str(drive.mountpoint), version=__version__) | changed


def found(result: Result) -> list[tuple[str, str, str]]:
    return [(one["about"], one["check"], one["state"]) for one in json.loads(result.stdout)]


def test_a_sound_machine_and_account(wsfs: Run) -> None:
    log_in()
    result = wsfs("doctor")
    assert result.exit_code == 0, result.stdout
    assert "asking acme.worksection.com: 2 requests" in result.stderr
    assert "Nothing is wrong." in result.stdout
    assert "✓ login" in result.stdout
    assert "you are Ann" in result.stdout


def test_what_is_wrong_has_its_cure_below_and_the_exit_code(
    wsfs: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in()
    monkeypatch.setattr(machine, "check_device", lambda: bad("fuse device", "it is missing", "load it"))
    result = wsfs("doctor")
    assert result.exit_code == 1
    lines = [line.strip() for line in result.stdout.splitlines()]
    at = next(number for number, line in enumerate(lines) if line.startswith("✗ fuse device"))
    assert lines[at + 1] == "→ load it"
    assert "1 thing to mend." in result.stdout


def test_programs_get_json(wsfs: Run) -> None:
    log_in()
    result = wsfs("doctor", "acme", "--json")
    rows = json.loads(result.stdout)
    assert {"about", "check", "state", "said", "cure"} == set(rows[0])
    checks = {check for _, check, _ in found(result)}
    assert checks >= {
        *("kernel", "libraries", "configuration", "kept logins", "thumbnails"),
        *("data directory", "data on a disk", "cache directory", "room for uploads", "room for the cache"),
        *("databases", "name", "login", "rights", "clock", "time zone"),
    }


def test_offline_nothing_is_asked(wsfs: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in()
    monkeypatch.setattr(network, "check_network", None)
    monkeypatch.setattr(asking, "ask", None)
    result = wsfs("doctor", "--offline", "--json")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "login" not in {check for _, check, _ in found(result)}


def test_without_the_network_no_request_is_sent(wsfs: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in()
    unknown: list[Finding] = [bad("name", "acme isn't known", "look at the network")]
    monkeypatch.setattr(network, "check_network", lambda url, proxy: iter(unknown))
    monkeypatch.setattr(asking, "ask", None)
    result = wsfs("doctor", "acme")
    assert result.exit_code == 1
    assert "asking" not in result.stderr


def test_an_account_that_nobody_logged_in_to(wsfs: Run) -> None:
    result = wsfs("doctor", "beta", "--json")
    assert result.exit_code == 1
    login = next(one for one in json.loads(result.stdout) if one["check"] == "login")
    assert (login["about"], login["state"]) == ("beta.worksection.com", "bad")
    assert login["cure"] == "log in with `wsfs login beta`"


def test_nothing_known_at_all(wsfs: Run) -> None:
    result = wsfs("doctor", "--json")
    assert result.exit_code == 0
    assert ("this machine", "accounts", "note") in found(result)


def test_what_is_neither_account_nor_drive(wsfs: Run) -> None:
    result = wsfs("doctor", "/no such/place", "--json")
    assert result.exit_code == 1
    assert ("/no such/place", "account", "bad") in found(result)


def test_drives_and_their_accounts(wsfs: Run, add_drive: Callable[[str], FakeDrive], tmp_path: Path) -> None:
    one, other = add_drive("one"), add_drive("other")
    (tmp_path / "data").mkdir(mode=0o755)
    one.answers["status"] = state(one, data_dir=str(tmp_path / "data"))
    one.answers["requests"] = {"lines": ["2026 12:00 person download 9 ms ok"], "total": 1}
    other.end()
    log_in()
    everything = found(wsfs("doctor", "--json"))
    assert (str(one.mountpoint), f"drive at {one.mountpoint}", "good") in everything
    assert (str(other.mountpoint), f"drive at {other.mountpoint}", "bad") in everything
    # The directories are those of the drive, wherever its options had put them: others can look into this one.
    assert ("acme.worksection.com", "data directory", "bad") in everything

    alone = wsfs("doctor", one.mountpoint / "deep" / "below", "--json")
    assert {about for about, _, _ in found(alone)} == {
        "this machine",
        str(one.mountpoint),
        "acme.worksection.com",
    }
    rights = next(one for one in json.loads(alone.stdout) if one["check"] == "rights")
    assert "files_read" in rights["said"]


def test_a_drive_with_a_key_that_nothing_else_knows(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["status"] = state(drive)
    drive.answers["requests"] = {"lines": [], "total": 0}
    result = wsfs("doctor", drive.mountpoint, "--json")
    assert result.exit_code == 0, result.stdout
    assert result.stderr == ""
    assert ("acme.worksection.com", "login", "note") in found(result)


def test_a_mistake_in_the_configuration_hides_nothing_else(wsfs: Run, tmp_path: Path) -> None:
    log_in()
    file = tmp_path / "home" / "XDG_CONFIG_HOME" / "wsfs" / "config.toml"
    file.write_text("[defaults]\nrate = -1\n")
    result = wsfs("doctor", "--json")
    assert result.exit_code == 1
    states = {check: state for _, check, state in found(result)}
    assert states["configuration"] == "bad"
    assert states["kernel"] == "good"


def test_every_state_has_a_sign() -> None:
    assert set(doctor._SIGNS) == set(State)
