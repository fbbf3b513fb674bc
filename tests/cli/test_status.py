from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.conftest import FakeDrive
from wsfs.cli import status

Run = Callable[..., Result]

STATE = {
    "account": "acme.worksection.com",
    "read_only": False,
    "cache": {"used": 3 * 2**20, "limit": 5 * 2**30, "files": 0, "error": None},
    "errors": [],
    "poll": 30.0,
    "login": None,
}


def test_people_get_lines(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["status"] = STATE
    result = wsfs("status", drive.mountpoint)
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "account acme.worksection.com" in text
    assert "read only no" in text
    assert "cache used 3.0 MiB, limit 5.0 GiB, files 0" in text
    assert "errors – poll 30 login –" in text


def test_programs_get_json(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["status"] = STATE
    one = json.loads(wsfs("status", drive.mountpoint, "--json").stdout)
    assert one == {"mountpoint": str(drive.mountpoint)} | STATE
    assert json.loads(wsfs("status", "--json").stdout) == [one]


def test_nothing_mounted(wsfs: Run) -> None:
    assert (wsfs("status").stdout, wsfs("status", "--json").stdout) == ("Nothing is mounted.\n", "[]\n")


def test_a_dead_drive_is_listed_beside_a_live_one(wsfs: Run, add_drive: Callable[[str], FakeDrive]) -> None:
    dead, live = add_drive("dead"), add_drive("live")
    dead.end()
    live.refusals["status"] = "busy"
    first, second = json.loads(wsfs("status", "--json").stdout)
    assert first["mountpoint"] == str(dead.mountpoint)
    assert "is gone" in first["error"]
    assert second["error"] == "busy"
    assert "is gone" in " ".join(wsfs("status").stdout.split())


def test_a_place_without_a_drive_is_refused(wsfs: Run, tmp_path: Path) -> None:
    result = wsfs("status", tmp_path)
    assert result.exit_code == 1
    assert "lies in no drive" in result.stderr


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 2**30, "5.0 GiB"), (2**41, "2.0 TiB")],
)
def test_sizes_are_for_people(number: int, words: str) -> None:
    assert status.size(number) == words


def test_what_could_steer_a_terminal_is_replaced() -> None:
    assert "\x1b" not in status.words("last_error", {"name": ["a\x1b[31m"]})
