from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import leave_out
from wsfs.cli import units

NAMES = [
    "acme",
    "acme.worksection.com",
    "http://127.0.0.1:8080",
    "-x",
    ".hidden",
    "my firm",
    "фірма",
    "a\\x2d",
]


def need(program: str) -> None:
    leave_out(None if shutil.which(program) else f"{program} is missing")


@pytest.mark.parametrize("name", NAMES)
def test_instances_are_named_as_systemd_does_it(name: str) -> None:
    need("systemd-escape")
    command = ["systemd-escape", "--template=wsfs@.service", "--", name]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert units.Manager().unit(name) == told


@given(st.text().filter(lambda text: "\0" not in text and all(ord(letter) < 0xD800 for letter in text)))
def test_every_name_comes_back(name: str) -> None:
    assert units.unescape(units.escape(name)) == name
    assert units.unquoted(units.quoted(name)) == name
    assert "\n" not in units.quoted(name)


def test_the_template_starts_this_very_wsfs() -> None:
    command = ["/opt/my wsfs/100%/wsfs"]
    for system in (False, True):
        text = units.template_text(system, command)
        assert text.count('"/opt/my wsfs/100%%/wsfs" ') == 2
        assert "/usr/bin/wsfs" not in text
        assert ("--system" in text) is system


def test_settings_of_an_account_are_quoted() -> None:
    text = units.drop_in_text({"WSFS_MOUNTPOINT": '/home/ann/"100%" \\', "WSFS_RO": "yes"})
    assert '\nEnvironment="WSFS_MOUNTPOINT=/home/ann/\\"100%%\\" \\\\"\nEnvironment="WSFS_RO=yes"\n' in text


def test_what_is_installed_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    manager = units.Manager()
    assert manager.accounts() == []
    manager.drop_in("http://127.0.0.1:8080").parent.mkdir(parents=True)
    manager.drop_in("http://127.0.0.1:8080").touch()
    wants = manager.directory / "default.target.wants"
    wants.mkdir()
    (wants / manager.unit("acme")).symlink_to(manager.template)
    assert manager.accounts() == ["acme", "http://127.0.0.1:8080"]


@pytest.mark.parametrize("manager", ["user", "system"])
def test_systemd_finds_nothing_wrong_with_the_units(manager: str, tmp_path: Path) -> None:
    need("systemd-analyze")
    unit = tmp_path / "wsfs@acme.service"
    unit.write_text(units.template_text(manager == "system", [sys.executable]))
    # Only what stands in the file is judged: the user's manager can't be asked for here.
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    told = [line for line in (done.stderr + done.stdout).splitlines() if "wsfs@" in line]
    assert [line for line in told if "default.target" not in line] == []


def test_a_mistake_in_a_unit_would_be_seen(tmp_path: Path) -> None:
    need("systemd-analyze")
    unit = tmp_path / "wsfs@acme.service"
    unit.write_text(units.template_text(True, [sys.executable]).replace("TimeoutStopSec", "TimoutStopSec"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert "TimoutStopSec" in done.stderr
