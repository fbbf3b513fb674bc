"""How the helper of mount(8) reads what it is given; that it mounts is shown in tests/mounted/test_fstab.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsfs.cli import daemon, fstab, healing, preflight
from wsfs.cli.errors import UserError
from wsfs.config import Settings, parse_mount_options

FROM_FSTAB = (
    "rw,noauto,nofail,_netdev,user,noexec,nosuid,nodev,comment=x-udisks-auth,x-systemd.automount,x-gvfs-name=Work,"
    "X-mount.mkdir,uhelper=udisks2,done=hide,hidden=a\\,b,allow_other"
)


@pytest.fixture(autouse=True)
def a_machine(tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "system.toml"
    path.write_text("[accounts.acme]\napi_key = 'k'\n")
    path.chmod(0o600)
    (tmp_path / "drive").mkdir()
    monkeypatch.setattr("wsfs.config.files.SYSTEM_FILE", path)
    monkeypatch.setattr("wsfs.config.credentials.SYSTEM_LOGINS", tmp_path / "logins")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.setattr(preflight, "check_fuse", lambda: None)
    for name in daemon.SECRET_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    calls: list[Settings] = []

    def start(command: Sequence[str], settings: Settings) -> int:
        calls.append(settings)
        return 1

    monkeypatch.setattr(daemon, "start", start)
    return calls


def test_what_is_meant_for_others_is_not_handed_on() -> None:
    call = fstab.parse(["acme", "/mnt", "-o", FROM_FSTAB])
    text, user = fstab.chosen(call)
    assert text == "fsname=acme,rw,noexec,done=hide,hidden=a\\,b,allow_other"
    assert user is None
    assert parse_mount_options(text)["hidden"].raw == "a,b"


def test_flags_of_mount_are_taken_alone_and_together() -> None:
    call = fstab.parse(["-sfnv", "acme", "/mnt", "-oro", "-o", "poll=60", "-t", "fuse.wsfs"])
    assert (call.sloppy, call.fake, call.verbose) == (True, True, True)
    assert call.options == ["ro", "poll=60"]
    assert fstab.chosen(fstab.parse(["acme", "/mnt", "-r"]))[0] == "fsname=acme,ro"


def test_a_name_for_it_may_be_chosen() -> None:
    assert fstab.chosen(fstab.parse(["acme", "/mnt", "-o", "fsname=Work"]))[0] == "fsname=Work"


def test_sloppy_drops_what_nobody_knows() -> None:
    assert fstab.chosen(fstab.parse(["acme", "/mnt", "-s", "-o", "nonsense=1,ro"]))[0] == "fsname=acme,ro"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], fstab.USAGE),
        (["acme"], fstab.USAGE),
        (["acme", "/mnt", "more"], fstab.USAGE),
        (["acme", "/mnt", "-x"], fstab.USAGE),
        (["acme", "/mnt", "-N", "1"], fstab.USAGE),
        (["acme", "{drive}", "-o", "nonsense"], fstab.USAGE),
        (["acme", "{drive}", "-o", "remount,ro"], fstab.USAGE),
        (["acme", "{drive}", "-o", "setuid=nobody-of-that-name"], fstab.USAGE),
        (["other", "{drive}"], fstab.FAILED),
        (["acme", "{drive}/none"], fstab.FAILED),
        (["--help"], fstab.SUCCESS),
    ],
)
def test_the_exit_codes_are_those_of_mount(
    arguments: list[str],
    code: int,
    tmp_path: Path,
    started: list[Settings],
    capsys: pytest.CaptureFixture[str],
) -> None:
    drive = str(tmp_path.resolve() / "drive")
    assert fstab.run([word.replace("{drive}", drive) for word in arguments]) == code
    if code:
        told = capsys.readouterr().err
        assert told.startswith("wsfs: ") and told.count("\n") == 1
    assert started == []


@pytest.mark.parametrize("root", [True, False])
def test_root_mounts_for_the_machine_and_everybody_else_for_himself(
    root: bool, tmp_path: Path, started: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0 if root else 1000)
    assert fstab.run(["acme", str(tmp_path.resolve() / "drive"), "-o", "ro"]) == 0
    [settings] = started
    assert settings.system is root
    assert settings.fsname == "acme"
    assert settings.read_only


def test_to_fake_it_is_to_look_and_not_to_mount(
    tmp_path: Path, started: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fstab.run(["acme", str(tmp_path / "drive"), "-f", "-v"]) == 0
    assert started == []
    assert "acme is mounted" not in capsys.readouterr().err


def test_a_failure_of_the_mount_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(command: Sequence[str], settings: Settings) -> int:
        raise UserError("the key is wrong")

    monkeypatch.setattr(daemon, "start", start)
    assert fstab.run(["acme", str(tmp_path / "drive")]) == fstab.FAILED
    assert capsys.readouterr().err == "wsfs: the key is wrong\n"


def test_what_died_there_is_cleared_away_first(
    tmp_path: Path, started: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    healed: list[Path] = []
    monkeypatch.setattr(healing, "heal", lambda place, warn: healed.append(place))
    assert fstab.run(["acme", str(tmp_path / "drive")]) == 0
    assert healed == [started[0].mountpoint]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), max_size=6))
def test_any_arguments_are_read_or_refused(arguments: list[str]) -> None:
    try:
        call = fstab.parse(arguments)
    except fstab.UsageError as error:
        assert str(error)
    else:
        assert isinstance(call.source, str)


def test_without_a_login_it_says_how_the_machine_gets_one(
    tmp_path: Path,
    started: list[Settings],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert fstab.run(["globex", str(tmp_path / "drive")]) == fstab.FAILED
    said = capsys.readouterr().err
    assert "`sudo wsfs login globex --system`" in said
    assert "WSFS_API_KEY" not in said
    assert started == []
