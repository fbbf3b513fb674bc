from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from wsfs import mountinfo
from wsfs.api.auth import AdminKey
from wsfs.config import OPTIONS, ConfigError, Settings, files, resolve
from wsfs.secrets import Vault

from .conftest import KEY, Resolve


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
    given_otherwise = {"account", "base_url", "mountpoint", "credentials", "login", "system"}
    fields = {field.name for field in dataclasses.fields(Settings)} - given_otherwise
    assert {option.field for option in OPTIONS.values()} == fields
    assert len(OPTIONS) == len(fields)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ({"mount_options": "nonsense"}, ["no option nonsense", "-o"]),
        ({"mount_options": "done"}, ["done", "needs a value"]),
        ({"mount_options": "done=sometimes"}, ["done", "folder, mixed or hide", "'sometimes'", "-o done"]),
        ({"mount_options": "uid=-1"}, ["uid", "name or number"]),
        ({"mount_options": "uid=nobody-is-called-so"}, ["uid", "name or number"]),
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


def test_a_mount_of_the_system_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SYSTEM_FILE", tmp_path / "system.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "wsfs").mkdir()
    (tmp_path / "wsfs/config.toml").write_text("[defaults]\nrate = 3\n")
    (tmp_path / "system.toml").write_text(f"[accounts.acme]\napi_key = '{KEY}'\npoll = 40\n")
    (tmp_path / "system.toml").chmod(0o600)
    vault = Vault(tmp_path / "logins", ring=lambda: None)
    settings = resolve("acme", "/mnt", environ={}, vault=vault, system=True)
    assert (settings.rate, settings.poll, settings.system) == (1, 40, True)
    assert settings.cache_dir == Path("/var/cache/wsfs/acme.worksection.com")
    assert settings.data_dir == Path("/var/lib/wsfs/acme.worksection.com")
    with pytest.raises(ConfigError, match="where is acme to be mounted"):
        resolve("acme", None, environ={}, vault=vault, system=True)


def test_authors_are_a_table_of_their_account(settle: Resolve) -> None:
    settings = settle(
        user='[accounts.acme]\ndone = "mixed"\n[accounts.acme.authors]\nann = "ann@example.com"\n',
        system='[defaults.authors]\nbob = "bob@example.com"\n',
    )
    assert settings.authors == {"ann": "ann@example.com"}
    assert settings.done == "mixed"
    assert settle("other", system='[defaults.authors]\nbob = "bob@example.com"\n').authors == {
        "bob": "bob@example.com"
    }
    assert settle(mount_options="authors=ann=ann@example.com:bob=bob@example.com").authors == {
        "ann": "ann@example.com",
        "bob": "bob@example.com",
    }
    with pytest.raises(ConfigError, match=r"authors has to give each user's email.* line 2"):
        settle(user='[accounts.acme]\nauthors = "ann"\n')
