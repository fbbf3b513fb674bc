from __future__ import annotations

import dataclasses
import os
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsfs import config, mountinfo
from wsfs.api.auth import AdminKey, Application, TokenPair, UserToken
from wsfs.config import (
    OPTIONS,
    ConfigError,
    LoginSettings,
    Settings,
    known_accounts,
    parse_mount_options,
    parse_size,
    resolve,
    resolve_login,
)
from wsfs.secrets import Login, Vault

KEY = "7776461cd931e7b1c8e9632ff8e979ce"

Resolve = Callable[..., Settings]


@pytest.fixture
def settle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """`resolve` with nothing of this machine's configuration in it, and texts for the two files."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")

    def run(
        account: str = "acme",
        *,
        user: str = "",
        system: str = "",
        environ: dict[str, str] | None = None,
        **rest: Any,
    ) -> Settings:
        files = [tmp_path / "user.toml", tmp_path / "system.toml"]
        for path, text in zip(files, (user, system), strict=True):
            path.write_text(text)
            path.chmod(0o600)
        environ = {"WSFS_API_KEY": KEY} if environ is None else environ
        return resolve(account, "/mnt", environ=environ, files=files, **rest)

    return run


def test_the_defaults(settle: Resolve) -> None:
    settings = settle()
    assert settings == Settings(
        account="acme",
        base_url="https://acme.worksection.com",
        mountpoint=Path("/mnt"),
        credentials=AdminKey(KEY),
        cache_dir=Path("/cache/wsfs/acme.worksection.com"),
        data_dir=Path("/data/wsfs/acme.worksection.com"),
        uid=os.getuid(),
        gid=os.getgid(),
        fsname="acme.worksection.com",
    )
    assert settings.cache_size == 5 * 1024**3


def test_an_emulators_port_is_part_of_its_directories(settle: Resolve) -> None:
    settings = settle("http://127.0.0.1:8080")
    assert settings.data_dir.name == "127.0.0.1_8080"


def test_options_go_before_environment_before_files(settle: Resolve) -> None:
    layers: dict[str, Any] = {
        "options": {"rate": "1"},
        "mount_options": "rate=2",
        "environ": {"WSFS_API_KEY": KEY, "WSFS_RATE": "3"},
        "user": "[accounts.acme]\nrate = 4\n[defaults]\nrate = 5\n",
        "system": "[accounts.acme]\nrate = 6\n[defaults]\nrate = 7\n",
    }
    assert settle(**layers).rate == 1
    assert settle(**layers | {"options": {"rate": None}}).rate == 2
    del layers["options"], layers["mount_options"]
    assert settle(**layers).rate == 3
    layers["environ"] = {"WSFS_API_KEY": KEY, "WSFS_RATE": ""}
    assert settle(**layers).rate == 4
    assert settle(**layers | {"user": "[defaults]\nrate = 5\n"}).rate == 5
    assert settle(**layers | {"user": ""}).rate == 6
    assert settle(**layers | {"user": "", "system": "[defaults]\nrate = 7"}).rate == 7


def test_every_option_fills_a_field_and_every_field_has_an_option() -> None:
    given_otherwise = {"account", "base_url", "mountpoint", "credentials", "login"}
    fields = {field.name for field in dataclasses.fields(Settings)} - given_otherwise
    assert {option.field for option in OPTIONS.values()} == fields
    assert len(OPTIONS) == len(fields)


def test_mount_options_as_fuse_has_them(settle: Resolve) -> None:
    settings = settle(
        mount_options="ro,done=mixed,uid=1000,gid=0100,create=projects,mkdir=no,allow_other,timezone=Europe/Kyiv,"
        "hidden=a@b.c\\,d@e.f,archived=yes,folders=0"
    )
    assert (settings.read_only, settings.done, settings.uid, settings.gid) == (True, "mixed", 1000, 100)
    assert (settings.create_projects, settings.mkdir, settings.allow_other) == (True, False, True)
    assert settings.timezone == zoneinfo.ZoneInfo("Europe/Kyiv")
    assert settings.hidden == "a@b.c,d@e.f"
    assert (settings.archived, settings.folders) == (True, False)


def test_the_last_of_equal_mount_options_counts(settle: Resolve) -> None:
    assert settle(mount_options="ro,rw,").read_only is False
    assert settle(mount_options="rw,ro").read_only is True


def test_options_meant_for_mount_and_desktop_are_let_pass() -> None:
    assert parse_mount_options("noauto,user,_netdev,x-systemd.automount,x-gvfs-name=Work,nosuid,nodev") == {}


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ({"mount_options": "nonsense"}, ["no option nonsense", "-o"]),
        ({"mount_options": "done"}, ["done", "needs a value"]),
        ({"mount_options": "done=sometimes"}, ["done", "folder, mixed or hide", "'sometimes'", "-o done"]),
        ({"mount_options": "uid=-1"}, ["uid", "whole number"]),
        ({"mount_options": "uid=ann"}, ["uid", "whole number"]),
        ({"mount_options": "create=tasks"}, ["create", "projects or no"]),
        ({"mount_options": "timezone=Mars/Base"}, ["timezone", "Europe/Kyiv"]),
        ({"mount_options": "timezone=../../etc/passwd"}, ["timezone"]),
        ({"mount_options": "comment_template={file}"}, ["comment_template", "{names}"]),
        ({"mount_options": "comment_template={names.x}"}, ["comment_template", "{names}"]),
        ({"mount_options": "comment_template= "}, ["comment_template", "empty"]),
        ({"mount_options": "fsname=a\\,b"}, ["fsname", "comma"]),
        ({"mount_options": "drop_title="}, ["drop_title", "line of text"]),
        ({"mount_options": "deadline=0"}, ["deadline", "1 or more"]),
        ({"options": {"rate": "fast"}}, ["rate", "--rate"]),
        ({"options": {"rate": "inf"}}, ["rate", "--rate"]),
        ({"options": {"cache_size": "5 apples"}}, ["cache_size", "500M", "--cache-size"]),
        ({"options": {"cache_size": "10"}}, ["cache_size", "at least 1M"]),
        ({"environ": {"WSFS_CRAWL": "perhaps"}}, ["crawl", "yes or no", "WSFS_CRAWL"]),
        ({"environ": {"WSFS_LOG_LEVEL": "loud"}}, ["log_level", "debug, info, warning or error"]),
        ({"user": "[defaults]\n\nrate = []\n"}, ["rate", "user.toml line 3", "[defaults]"]),
        ({"user": "[defaults]\nrate = true\n"}, ["rate", "user.toml line 2"]),
        ({"user": '[defaults]\n"cache_dir" = 1\n'}, ["cache_dir", "user.toml"]),
        (
            {"system": "[accounts.acme]\nspeed = 1\n"},
            ["no option speed", "system.toml line 2", "[accounts.acme]"],
        ),
        ({"user": "rate = 1\n"}, ["rate", "top of", "user.toml"]),
        ({"user": "[account.acme]\nrate = 1\n"}, ["account", "[accounts.NAME]"]),
        ({"user": "defaults = 1\n"}, ["[defaults]", "table"]),
        ({"user": "[defaults\n"}, ["user.toml", "line 1"]),
        ({"account": "two words"}, ["two words", "account"]),
    ],
)
def test_a_bad_setting_is_one_sentence_with_option_and_source(
    settle: Resolve, layers: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        settle(**layers)
    sentence = str(caught.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


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


@pytest.mark.parametrize("option", ["cache_dir", "data_dir"])
def test_a_directory_inside_the_mountpoint_is_refused(settle: Resolve, option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option} is /mnt/x, which lies inside the mountpoint"):
        settle(options={option: "/mnt/x"})


def test_a_directory_that_a_link_leads_into_the_mountpoint_is_refused(
    settle: Resolve, tmp_path: Path
) -> None:
    (tmp_path / "cache").symlink_to("/mnt")
    with pytest.raises(ConfigError, match="inside the mountpoint"):
        settle(options={"cache_dir": str(tmp_path / "cache" / "x")})


def test_the_mountpoint_is_canonical(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to("drive")
    monkeypatch.chdir(tmp_path)
    settings = resolve("acme", "link", environ={"WSFS_API_KEY": KEY}, files=[])
    assert settings.mountpoint == mountinfo.canonical(tmp_path) / "drive"


# Credentials


def test_the_environments_secret_goes_first(settle: Resolve) -> None:
    user = "[accounts.acme]\napi_key = 'filekey'\n"
    assert settle(user=user, environ={"WSFS_API_KEY": KEY}).credentials == AdminKey(KEY)
    assert settle(user=user, environ={"WSFS_ACCESS_TOKEN": "tok"}).credentials == UserToken("tok")
    assert settle(user=user, environ={}).credentials == AdminKey("filekey")


def test_a_secret_may_stand_in_the_defaults_or_the_systems_file(settle: Resolve) -> None:
    settings = settle(environ={}, system="[defaults]\naccess_token = 'tok'\n")
    assert settings.credentials == UserToken("tok")


def test_two_secrets_at_once_are_refused(settle: Resolve) -> None:
    with pytest.raises(ConfigError, match=r"WSFS_API_KEY and WSFS_ACCESS_TOKEN"):
        settle(environ={"WSFS_API_KEY": KEY, "WSFS_ACCESS_TOKEN": "tok"})


def test_a_secret_others_can_read_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[defaults]\napi_key = 'abc'\n")
    warnings: list[str] = []
    for mode, count in ((0o600, 0), (0o640, 1), (0o604, 1)):
        path.chmod(mode)
        warnings.clear()
        resolve("acme", "/mnt", environ={}, files=[path], warn=warnings.append)
        assert len(warnings) == count
    assert f"chmod 600 {path}" in warnings[0]


@pytest.mark.parametrize(
    ("typed", "credentials"),
    [
        (f" {KEY}\n", AdminKey(KEY)),
        (KEY.upper(), AdminKey(KEY.upper())),
        ("long.token-1", UserToken("long.token-1")),
    ],
)
def test_a_typed_secret_is_known_by_its_form(
    settle: Resolve, typed: str, credentials: AdminKey | UserToken
) -> None:
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return typed

    assert settle(environ={}, ask=ask).credentials == credentials
    assert "acme.worksection.com" in questions[0]


def test_without_a_terminal_a_missing_secret_is_an_error(settle: Resolve) -> None:
    with pytest.raises(ConfigError, match="WSFS_API_KEY"):
        settle(environ={})


@pytest.mark.parametrize("secret", ["my secret", "ключ", "a\nb"])
def test_no_error_shows_the_secret(settle: Resolve, secret: str) -> None:
    with pytest.raises(ConfigError, match="WSFS_API_KEY") as caught:
        settle(environ={"WSFS_API_KEY": secret})
    assert secret not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        settle(environ={}, user="[defaults]\napi_key = 123456\n")
    assert "123456" not in str(caught.value)


def test_the_settings_do_not_show_the_secret(settle: Resolve) -> None:
    assert KEY not in repr(settle())


# Values


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1048576", 2**20),
        ("500M", 500 * 2**20),
        ("5GiB", 5 * 2**30),
        ("5 gb", 5 * 10**9),
        ("1.5k", 1536),
        (7, 7),
    ],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@given(st.integers(0, 2**60))
def test_a_number_alone_is_bytes(number: int) -> None:
    assert parse_size(str(number)) == number


@given(st.text())
def test_any_text_as_mount_options_is_read_or_refused(text: str) -> None:
    try:
        found = parse_mount_options(text)
    except ConfigError:
        return
    assert set(found) <= set(OPTIONS)


@given(
    st.sampled_from(sorted(OPTIONS)),
    st.one_of(st.text(), st.booleans(), st.integers(), st.floats(), st.none()),
)
def test_any_value_is_read_or_refused(name: str, raw: object) -> None:
    try:
        OPTIONS[name].parse(raw)
    except ValueError as error:
        assert str(error)


# The logins of `wsfs login`


APPLICATION = 'client_id = "id"\nclient_secret = "the-secret"\n'


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "logins", ring=lambda: None)


@pytest.fixture
def kept(vault: Vault) -> Login:
    tokens = TokenPair(UserToken("kept-token"), "kept-refresh", 1000.0, 2000.0)
    return vault.store(Login("https://acme.worksection.com", tokens, "Ann"))


def test_a_kept_login_goes_before_a_key_in_a_file(settle: Resolve, vault: Vault, kept: Login) -> None:
    settings = settle(environ={}, user=f'[accounts.acme]\napi_key = "{KEY}"\n', vault=vault)
    assert settings.credentials == UserToken("kept-token")
    assert settings.login == kept


def test_the_environment_goes_before_a_kept_login(settle: Resolve, vault: Vault, kept: Login) -> None:
    settings = settle(vault=vault)
    assert settings.credentials == AdminKey(KEY)
    assert settings.login is None


def test_a_kept_login_is_its_accounts_alone(settle: Resolve, vault: Vault, kept: Login) -> None:
    with pytest.raises(ConfigError, match=r"no login for other\.worksection\.com"):
        settle("other", environ={}, vault=vault)


def test_a_kept_login_that_can_not_be_read_is_an_error(settle: Resolve, vault: Vault, kept: Login) -> None:
    Path(kept.place).write_text("{")
    with pytest.raises(ConfigError, match="can't be read"):
        settle(environ={}, vault=vault)


@pytest.fixture
def login_settings(tmp_path: Path) -> Callable[..., LoginSettings]:
    def run(account: str | None = "acme", *, text: str = "", mode: int = 0o600, **rest: Any) -> LoginSettings:
        path = tmp_path / "config.toml"
        path.write_text(text)
        path.chmod(mode)
        return resolve_login(account, files=[path], environ=rest.pop("environ", {}), **rest)

    return run


def test_an_accounts_application_goes_before_the_defaults(
    login_settings: Callable[..., LoginSettings],
) -> None:
    text = f'[defaults]\n{APPLICATION}login_port = 9000\n[accounts.acme]\nclient_id = "own"\n'
    settings = login_settings(text=text)
    assert settings.base_url == "https://acme.worksection.com"
    assert settings.application == Application("own", "the-secret")
    assert settings.port == 9000
    assert "the-secret" not in repr(settings)
    assert login_settings(None, text=text).application == Application("id", "the-secret")
    environ = {"WSFS_CLIENT_ID": "env", "WSFS_LOGIN_PORT": "9001"}
    changed = login_settings(text=text, environ=environ)
    assert (changed.application, changed.port) == (Application("env", "the-secret"), 9001)


def test_without_an_application_there_is_none(login_settings: Callable[..., LoginSettings]) -> None:
    assert login_settings() == LoginSettings("https://acme.worksection.com", None, config.LOGIN_PORT)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('client_id = "id"', "client_id is set .*line 2.*client_secret isn't"),
        ('client_secret = "the-secret"', "client_secret is set .*client_id isn't"),
        ('client_id = "id"\nclient_secret = "the secret"', "client_secret has to be"),
        (f"{APPLICATION}login_port = 0", "login_port has to be the number of a port.*line 4"),
        (f'{APPLICATION}login_port = "x"', "login_port has to be the number of a port"),
    ],
)
def test_an_application_that_is_none_is_an_error_without_the_secret(
    login_settings: Callable[..., LoginSettings], text: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        login_settings(text=f"[defaults]\n{text}\n")
    assert "the-secret" not in str(caught.value) and "the secret" not in str(caught.value)


def test_a_client_secret_that_others_can_read_is_said_but_for_the_systems_file(
    login_settings: Callable[..., LoginSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    login_settings(text=f"[defaults]\n{APPLICATION}", mode=0o644, warn=said.append)
    assert len(said) == 1 and "chmod 600" in said[0]
    monkeypatch.setattr(config, "SYSTEM_FILE", tmp_path / "config.toml")
    login_settings(text=f"[defaults]\n{APPLICATION}", mode=0o644, warn=said.append)
    assert len(said) == 1


@pytest.mark.parametrize("name", ["client_id", "client_secret", "login_port", "api_key"])
def test_no_part_of_a_login_is_a_mount_option(name: str) -> None:
    with pytest.raises(ConfigError, match="there is no option"):
        parse_mount_options(f"{name}=x")


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
