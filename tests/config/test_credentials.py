from __future__ import annotations

from pathlib import Path

import pytest

from wsfs.api.auth import AdminKey, TokenPair, UserToken
from wsfs.config import ConfigError, LoginUnreadable, resolve
from wsfs.secrets import Login, Vault

from .conftest import KEY, Resolve


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "logins", ring=lambda: None)


@pytest.fixture
def kept(vault: Vault) -> Login:
    tokens = TokenPair(UserToken("kept-token"), "kept-refresh", 1000.0, 2000.0)
    return vault.store(Login("https://acme.worksection.com", tokens, "Ann"))


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
    with pytest.raises(LoginUnreadable, match="can't be read"):
        settle(environ={}, vault=vault)
