from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from wsfs.api.auth import AdminKey
from wsfs.config import OPTIONS, ConfigError, Line, explain, gather, problems
from wsfs.secrets import Login, Vault

from .conftest import KEY

Explain = Callable[..., dict[str, Line]]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The user's file and the system's; both are empty."""
    paths = [tmp_path / "user.toml", tmp_path / "system.toml"]
    for path in paths:
        path.touch(mode=0o600)
    return paths


@pytest.fixture
def told(files: list[Path], tmp_path: Path) -> Explain:
    def run(
        account: str = "acme", *, user: str = "", system: str = "", options: str = "", **environ: str
    ) -> dict[str, Line]:
        for path, text in zip(files, (user, system), strict=True):
            path.write_text(text)
        written = gather(account, mount_options=options, environ=environ, files=files)
        vault = Vault(tmp_path / "logins", ring=lambda: None)
        return {line.name: line for line in explain(written, environ=environ, vault=vault)}

    return run


def test_every_option_is_there_with_its_default(told: Explain) -> None:
    lines = told()
    assert set(OPTIONS) < set(lines)
    assert {line.source for name, line in lines.items() if name in OPTIONS} == {"default"}
    assert lines["cache_size"].value == 5 * 2**30
    assert lines["fsname"].value == "acme.worksection.com"
    assert lines["create"].value == "no"
    assert lines["timezone"].value is None
    assert lines["login"] == Line("login", None, "none; `wsfs login` makes one")


def test_each_value_has_its_place_and_what_it_goes_before(told: Explain, files: list[Path]) -> None:
    user = "[accounts.acme]\npoll = 40\n\n[defaults]\npoll = 50\nro = true\n"
    lines = told(user=user, system="[defaults]\npoll = 60\n", options="ro=no", WSFS_TIMEZONE="Europe/Kyiv")
    assert lines["poll"] == Line(
        "poll",
        40.0,
        f"{files[0]} line 2, in [accounts.acme]",
        str(files[0]),
        2,
        (f"{files[0]} line 5, in [defaults]", f"{files[1]} line 2, in [defaults]"),
    )
    assert lines["ro"].value is False
    assert (lines["ro"].source, lines["ro"].path) == ("-o ro", None)
    assert (lines["timezone"].value, lines["timezone"].source) == ("Europe/Kyiv", "WSFS_TIMEZONE")


def test_all_of_it_is_fit_for_json(told: Explain) -> None:
    lines = told(user="[defaults]\ntimezone = 'Europe/Kyiv'\ncache_dir = '/c'\ncreate = 'projects'\n")
    again = json.loads(json.dumps([asdict(line) for line in lines.values()]))
    assert {line["name"]: line["value"] for line in again} == {n: line.value for n, line in lines.items()}
    assert lines["create"].value == "projects"


def test_no_secret_is_shown(told: Explain) -> None:
    user = f"[defaults]\nclient_id = 'id'\nclient_secret = 'hush'\n[accounts.acme]\napi_key = '{KEY}'\n"
    lines = told(user=user)
    assert (lines["client_id"].value, lines["client_secret"].value) == ("id", "(set)")
    assert lines["client_secret"].line == 3
    assert (lines["login"].value, lines["login"].line) == ("an API key", 5)
    assert "hush" not in str(lines) and KEY not in str(lines)
    assert "hush" not in str(told(WSFS_API_KEY="hush")["login"])


def test_the_login_is_the_one_that_would_be_used(told: Explain, tmp_path: Path) -> None:
    user = f"[accounts.acme]\napi_key = '{KEY}'\n"
    vault = Vault(tmp_path / "logins", ring=lambda: None)
    vault.store(Login("https://acme.worksection.com", AdminKey(KEY)))
    assert "`wsfs login`" in told(user=user)["login"].source
    assert told(user=user, WSFS_ACCESS_TOKEN="t")["login"].source == "WSFS_ACCESS_TOKEN"
    assert told("other", user=user)["login"].value is None


def test_what_can_not_be_used_is_an_error(told: Explain) -> None:
    with pytest.raises(ConfigError, match=r"user\.toml line 2"):
        told(user="[defaults]\npoll = 'never'\n")


def test_all_that_is_wrong_is_told_each_with_its_line(files: list[Path]) -> None:
    files[0].write_text(
        "[defaults]\ncahe_size = 1\nrate = 'x'\n"
        "[accounts.acme]\npoll = 0\nlogin_port = 0\n"
        f"[accounts.'two words']\napi_key = '{KEY}'\naccess_token = 'hush hush'\n"
    )
    files[1].write_text("mountpoint = '/mnt'\n")
    found = problems(files)
    for sentence, (line, words) in zip(
        found,
        [
            ("line 2", "no option cahe_size"),
            ("line 3", "rate has to be a number"),
            ("line 5", "poll has to be"),
            ("line 6", "login_port has to be"),
            ("line 9", "access_token has to be"),
            ("line 8", "both an API key and an access token"),
            ("line 7", "no account of Worksection"),
            ("system.toml line 1", "no table or key mountpoint"),
        ],
        strict=True,
    ):
        assert line in sentence and words in sentence
    assert "is cache_size meant?" in found[0]
    assert KEY not in str(found) and "hush" not in str(found)


def test_a_file_with_a_secret_that_others_can_read_is_wrong(files: list[Path]) -> None:
    files[0].write_text(f"[accounts.acme]\napi_key = '{KEY}'\n")
    assert problems(files) == []
    files[0].chmod(0o644)
    assert ["chmod 600" in sentence for sentence in problems(files)] == [True]


def test_files_that_are_right_have_no_problems(files: list[Path]) -> None:
    files[0].write_text("[accounts.acme]\nmountpoint = '~/x'\naddress = 'acme'\nro = true\n")
    assert problems(files) == []
    files[0].write_text("[defaults]\nmountpoint = '~/x'\n")
    assert "belongs into the table of an account" in problems(files)[0]
