from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wsfs import config
from wsfs.api.auth import Application
from wsfs.config import ConfigError, LoginSettings, resolve_login

APPLICATION = 'client_id = "id"\nclient_secret = "the-secret"\n'


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
    monkeypatch.setattr(config.files, "SYSTEM_FILE", tmp_path / "config.toml")
    login_settings(text=f"[defaults]\n{APPLICATION}", mode=0o644, warn=said.append)
    assert len(said) == 1
