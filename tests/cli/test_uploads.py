from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

from tests.cli.conftest import FakeDrive

Run = Callable[..., Result]

FILES = {
    "files": [
        {"path": "/Website/a.txt", "state": "settling", "size": 10},
        {"path": "/Сайт/b.pdf", "state": "quarantined", "size": 2048, "reason": "the task is closed"},
    ]
}


def test_pending_files_are_listed_with_their_reason(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["uploads"] = FILES
    result = wsfs("uploads")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "settling 10 B /Website/a.txt" in text
    assert "quarantined 2.0 KiB /Сайт/b.pdf the task is closed" in text
    assert "wsfs uploads send" in result.stderr


def test_nothing_pending(wsfs: Run, drive: FakeDrive) -> None:
    result = wsfs("uploads", drive.mountpoint)
    assert "everything is on the server" in " ".join(result.stdout.split())


def test_programs_get_json(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["uploads"] = FILES
    one = json.loads(wsfs("uploads", drive.mountpoint, "--json").stdout)
    assert one == {"mountpoint": str(drive.mountpoint)} | FILES
    assert json.loads(wsfs("uploads", "--json").stdout) == [one]


def test_send_lets_go_what_is_held(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["send"] = {"files": 2}
    result = wsfs("uploads", "send", drive.mountpoint / "Website" / "photos")
    assert (result.exit_code, result.stdout) == (0, "2 files will be sent.\n")
    assert drive.calls == [("send", "/Website/photos")]


def test_send_at_the_root_lets_go_everything(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["send"] = {"files": 0}
    assert wsfs("uploads", "send", drive.mountpoint).stdout == "Nothing is held back there.\n"
    assert drive.calls == [("send", "/")]


def test_send_needs_a_path_and_a_list_one_drive_at_most(wsfs: Run, drive: FakeDrive) -> None:
    for arguments in (["send"], ["/a", "/b"]):
        result = wsfs("uploads", *arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith("wsfs: ")
        assert result.stderr.count("\n") == 1
    assert drive.calls == []
