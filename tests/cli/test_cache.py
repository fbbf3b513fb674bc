from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from click.testing import Result

from tests.cli.conftest import FakeDrive

Run = Callable[..., Result]

STATE: dict[str, Any] = {
    "used": 3 << 20,
    "limit": 5 << 30,
    "files": 40,
    "hits": 12_345,
    "misses": 67,
    "to_be_fetched": 1,
    "pinned": [
        {"path": "/Website/a\x1b.pdf", "size": 2048, "present": 2048},
        {"path": "/Website/b.mp4", "size": 4 << 20, "present": 1 << 20},
    ],
}


def test_size_limit_hits_and_pins_are_shown(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["cache"] = STATE
    result = wsfs("cache")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "used 3.0 MiB of 5.0 GiB, 40 files" in text
    assert "reads 12,345 from the cache, 67 had to wait" in text
    assert "pinned 2 files, 4.0 MiB, 1 file still to be fetched" in text
    assert "/Website/a\N{REPLACEMENT CHARACTER}.pdf 2.0 KiB" in text
    assert "/Website/b.mp4 1.0 MiB of 4.0 MiB" in text


def test_of_many_pinned_files_the_directories_are_listed(wsfs: Run, drive: FakeDrive) -> None:
    pinned = [{"path": f"/P{n % 2}/{n}.txt", "size": 1024, "present": 1024} for n in range(100)]
    drive.answers["cache"] = STATE | {"pinned": pinned, "to_be_fetched": 0}
    lines = wsfs("cache", drive.mountpoint).stdout.splitlines()
    assert [" ".join(line.split()) for line in lines[-3:]] == [
        "pinned 100 files, 100.0 KiB",
        "/P0 50 files, 50.0 KiB",
        "/P1 50 files, 50.0 KiB",
    ]


def test_nothing_pinned(wsfs: Run, drive: FakeDrive) -> None:
    assert "pinned nothing" in " ".join(wsfs("cache", drive.mountpoint).stdout.split())


def test_programs_get_json(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["cache"] = STATE
    one = json.loads(wsfs("cache", drive.mountpoint, "--json").stdout)
    assert one == {"mountpoint": str(drive.mountpoint)} | STATE
    assert json.loads(wsfs("cache", "--json").stdout) == [one]


def test_clear_says_what_became_free(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["clear_cache"] = {"freed": 5 << 20}
    for arguments in (["clear"], ["clear", drive.mountpoint]):
        result = wsfs("cache", *arguments)
        assert (result.exit_code, result.stdout) == (0, f"{drive.mountpoint}: 5.0 MiB freed.\n")
    assert drive.calls == [("clear_cache", None)] * 2


def test_one_mountpoint_at_most(wsfs: Run, drive: FakeDrive) -> None:
    for arguments in (["/a", "/b"], ["clear", "/a", "/b"]):
        assert wsfs("cache", *arguments).exit_code == 2
    assert drive.calls == []
