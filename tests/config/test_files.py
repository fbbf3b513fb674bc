from __future__ import annotations

from pathlib import Path

import pytest

from wsfs import config, mountinfo
from wsfs.config import ConfigError, known_accounts, resolve

from .conftest import KEY, Resolve


def test_tables_of_other_accounts_are_let_be(settle: Resolve) -> None:
    settings = settle(user="[accounts.other]\nrate = 'fast'\nnonsense = 1\napi_key = 'x'\n")
    assert settings.rate == 1


def test_an_account_is_known_by_its_table_or_its_address(settle: Resolve) -> None:
    text = "[accounts.work]\naddress = 'acme.worksection.com'\ndone = 'hide'\n"
    for account in ("work", "acme.worksection.com"):
        settings = settle(account, user=text)
        assert settings.base_url == "https://acme.worksection.com"
        assert settings.done == "hide"
        assert settings.account == account


def test_an_account_is_known_by_another_spelling_of_its_address(settle: Resolve) -> None:
    text = "[accounts.acme]\ndone = 'hide'\n"
    for account in ("acme", "acme.worksection.com", "https://acme.worksection.com/"):
        assert settle(account, user=text).done == "hide"


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(ConfigError, match=r"config\.toml can't be read"):
        resolve("acme", "/mnt", environ={"WSFS_API_KEY": KEY}, files=[tmp_path / "config.toml"])


def test_files_that_are_not_there_are_no_error(tmp_path: Path) -> None:
    files = [tmp_path / "none" / "config.toml", Path("/dev/null/config.toml")]
    assert resolve("acme", "/mnt", environ={"WSFS_API_KEY": KEY}, files=files).rate == 1


def test_the_files_are_the_users_and_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/ann/.config")
    assert config.config_files() == (
        Path("/home/ann/.config/wsfs/config.toml"),
        Path("/etc/wsfs/config.toml"),
    )


def test_the_accounts_of_the_files_are_known_once_each(tmp_path: Path) -> None:
    user, system = tmp_path / "user.toml", tmp_path / "system.toml"
    user.write_text(
        '[accounts.acme]\n[accounts.here]\naddress = "http://127.0.0.1:8080"\naccess_token = "t"\n'
    )
    system.write_text(f'[accounts.firm]\naddress = "acme.worksection.com"\napi_key = "{KEY}"\n')
    known = {one.base_url: one for one in known_accounts([user, system])}
    assert set(known) == {"https://acme.worksection.com", "http://127.0.0.1:8080"}
    assert known["https://acme.worksection.com"].secret == "api_key"
    assert str(system) in known["https://acme.worksection.com"].source
    assert known["http://127.0.0.1:8080"].name == "here"
    assert KEY not in repr(known)


def test_the_systems_table_of_an_account_is_known_by_the_address_in_the_users(settle: Resolve) -> None:
    settings = settle(
        "work",
        user="[accounts.work]\naddress = 'acme'\n",
        system="[accounts.acme]\ndone = 'hide'\n",
    )
    assert (settings.base_url, settings.done) == ("https://acme.worksection.com", "hide")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("accounts = 1\n", "accounts has to be a table .*line 1"),
        ("[accounts]\nrate = 1\n", "rate belongs into the table of an account.*line 2"),
        ("[accounts.acme]\ncach_size = 1\n", "no option cach_size .*line 2.*is cache_size meant"),
        ("[defaults]\nmountpoint = '/m'\n", "mountpoint belongs into the table of an account.*line 2"),
        ("[accounts.acme]\nmountpoint = 1\n", "mountpoint has to be a path .*line 2"),
    ],
)
def test_what_stands_in_the_wrong_place_is_named_with_its_line(
    settle: Resolve, text: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        settle(user=text, mountpoint=None)


def test_where_an_account_is_mounted_may_be_configured(settle: Resolve, tmp_path: Path) -> None:
    user = f"[accounts.acme]\nmountpoint = '{tmp_path}/x'\n"
    assert settle(user=user, mountpoint=None).mountpoint == mountinfo.canonical(tmp_path) / "x"
    environ = {"WSFS_API_KEY": KEY, "WSFS_MOUNTPOINT": "/elsewhere"}
    assert settle(user=user, mountpoint=None, environ=environ).mountpoint == Path("/elsewhere")
    assert settle(user=user, mountpoint="/given").mountpoint == Path("/given")
    assert settle("other", user=user, mountpoint=None).mountpoint == mountinfo.canonical(
        Path.home() / "Worksection"
    )
