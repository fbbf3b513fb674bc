from __future__ import annotations

import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsfs.config import OPTIONS, ConfigError, parse_mount_options

from .conftest import Resolve


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


WORDS_FOR_OTHERS = (
    "defaults,noauto,user,users,_netdev,nofail,x-systemd.automount,x-systemd.requires=network-online.target,"
    "X-mount.mkdir=0755,x-gvfs-name=Work,x-gvfs-show,comment=x-udisks-auth,uhelper=udisks2,nosuid,nodev,suid,dev,"
    "noatime,relatime,auto,user=ann"
)


def test_the_last_of_equal_mount_options_counts(settle: Resolve) -> None:
    assert settle(mount_options="ro,rw,").read_only is False
    assert settle(mount_options="rw,ro").read_only is True
    assert settle(mount_options="noexec").noexec is True
    assert settle(mount_options="noexec,exec").noexec is False


def test_options_meant_for_mount_and_desktop_are_let_pass() -> None:
    assert parse_mount_options(WORDS_FOR_OTHERS) == {}


@given(st.text())
def test_any_text_as_mount_options_is_read_or_refused(text: str) -> None:
    try:
        found = parse_mount_options(text)
    except ConfigError:
        return
    assert set(found) <= set(OPTIONS)


@pytest.mark.parametrize("name", ["client_id", "client_secret", "login_port", "api_key"])
def test_no_part_of_a_login_is_a_mount_option(name: str) -> None:
    with pytest.raises(ConfigError, match="there is no option"):
        parse_mount_options(f"{name}=x")
