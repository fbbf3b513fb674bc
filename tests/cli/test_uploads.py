from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.conftest import FakeDrive
from wsfs import belonging

promise = pytest.mark.promise

Run = Callable[..., Result]

FILES = {
    "files": [
        {"path": "/Website/a.txt", "state": "settling", "size": 10, "inode": 1},
        {
            "path": "/Сайт/b.pdf",
            "state": "quarantined",
            "size": 2048,
            "reason": "the task is closed",
            "inode": 2,
        },
    ]
}


def entry(path: str, state: str, inode: int, **rest: Any) -> dict[str, Any]:
    return {"path": path, "state": state, "size": 3, "reason": "", "inode": inode, **rest}


STUCK = {
    "files": [
        entry("/Website/Logo", "quarantined", 10, directory=True, uncertain=True),
        entry("/Website/Logo/new.png", "quarantined", 11, uncertain=True),
        entry("/Website/a.txt", "quarantined", 12),
        entry("/Website/half.bin", "interrupted", 13),
        entry("/Website/old.txt", "quarantined", 14, old_version=True),
        entry("/Website/on its way", "sending", 15),
        entry("/Other/b.txt", "quarantined", 16),
        entry("/Other/waits", "settling", 17),
    ]
}


def test_pending_files_are_listed_with_their_reason(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["uploads"] = FILES
    result = wsfs("uploads")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "settling 10 B /Website/a.txt" in text
    assert "quarantined 2.0 KiB /Сайт/b.pdf the task is closed" in text
    for word in ("retry", "save", "discard"):
        assert word in result.stderr


def test_what_leaves_and_what_waits_for_the_network_is_listed(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["uploads"] = {
        "message": "Worksection can't be reached",
        "again_in": 20.4,
        "files": [entry("/P/big.bin", "sending", 1) | {"size": 2048, "bytes_done": 1024}],
    }
    text = " ".join(wsfs("uploads").stdout.split())
    assert "Worksection can't be reached; next try in 20 s" in text
    assert "sending 1.0 KiB of 2.0 KiB /P/big.bin" in text


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


@pytest.mark.parametrize("arguments", [["send"], ["save"], ["discard"], ["/a", "/b"]])
def test_what_is_missing_or_too_much_is_said(wsfs: Run, drive: FakeDrive, arguments: list[str]) -> None:
    result = wsfs("uploads", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("wsfs: ")
    assert result.stderr.count("\n") == 1
    assert drive.calls == []


# retry


def test_retry_everywhere_sends_what_was_refused_and_nothing_else(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers |= {"uploads": STUCK, "retry": {"files": 2}}
    result = wsfs("uploads", "retry")
    assert drive.inodes["retry"] == [12, 16]
    assert (result.exit_code, result.stdout) == (1, "2 files will be sent.\n")
    assert "/Website/Logo/new.png (it may have arrived already" in result.stderr
    assert "/Website/old.txt (a newer version has its place)" in result.stderr


def test_retry_at_a_path_sends_what_was_interrupted_too(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers |= {"uploads": STUCK, "retry": {"files": 2}}
    told = json.loads(wsfs("uploads", "retry", "--json", drive.mountpoint / "Website").stdout)
    assert drive.inodes["retry"] == [12, 13]
    assert told["files"] == 2
    assert [one["path"] for one in told["left"]] == [
        "/Website/Logo",
        "/Website/Logo/new.png",
        "/Website/old.txt",
    ]


@pytest.mark.parametrize("path", ["Website/Logo", "Website/Logo/new.png"])
@promise("What may have arrived already is sent again only when a person names that very file.")
def test_what_may_have_arrived_goes_only_by_its_own_name(wsfs: Run, drive: FakeDrive, path: str) -> None:
    drive.answers |= {"uploads": STUCK, "retry": {"files": 1}}
    assert wsfs("uploads", "retry", drive.mountpoint / path).exit_code == 0
    assert 11 in drive.inodes["retry"]


def test_a_path_as_the_list_shows_it_will_do(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers |= {"uploads": STUCK, "retry": {"files": 1}}
    assert wsfs("uploads", "retry", "/Other/b.txt").exit_code == 0
    assert drive.inodes["retry"] == [16]


def test_a_path_where_nothing_waits_is_an_error(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["uploads"] = STUCK
    for command in ("retry", "discard"):
        result = wsfs("uploads", command, drive.mountpoint / "Elsewhere")
        assert result.exit_code == 1
        assert "nothing that waits lies at" in result.stderr
    assert drive.inodes == {}


def test_with_nothing_refused_retry_says_so(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["uploads"] = {"files": [entry("/a", "settling", 1)]}
    result = wsfs("uploads", "retry")
    assert (result.exit_code, result.stdout, drive.inodes) == (0, "Nothing was refused there.\n", {})


# discard


def test_discard_asks_first(wsfs: Run, drive: FakeDrive, monkeypatch: pytest.MonkeyPatch) -> None:
    drive.answers |= {"uploads": STUCK, "discard": {"files": 1}}
    path = drive.mountpoint / "Website" / "a.txt"
    assert wsfs("uploads", "discard", path).exit_code == 2  # nobody can be asked
    assert drive.inodes == {}
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    result = wsfs("uploads", "discard", path, input="n\n")
    assert (result.exit_code, drive.inodes) == (130, {})
    assert "/Website/a.txt" in result.stdout
    assert "1 file (3 B) for good" in result.stdout
    result = wsfs("uploads", "discard", path, input="y\n")
    assert result.exit_code == 0
    assert drive.inodes["discard"] == [12]
    assert result.stdout.endswith("1 file deleted.\n")


def test_discard_leaves_what_is_on_its_way(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers |= {
        "uploads": STUCK,
        "discard": {
            "files": 3,
            "left": [{"path": "/Website/a.txt", "state": "open", "reason": "it is open"}],
        },
    }
    result = wsfs("uploads", "discard", "--yes", drive.mountpoint / "Website")
    assert result.exit_code == 1
    assert drive.inodes["discard"] == [10, 11, 12, 13, 14]
    assert "stays: /Website/on its way (it is being sent" in result.stderr
    assert "stays: /Website/a.txt (it is open)" in result.stderr


# save, and what no mount has


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A spool that nobody has: three files that wait, one of them refused, and what isn't for anybody's eyes."""
    spool = tmp_path / "share" / "wsfs" / "acme.worksection.com" / "spool"
    (spool / "content").mkdir(parents=True)
    belonging.claim(spool.parent, "https://acme.worksection.com")
    database = sqlite3.connect(spool / "journal.sqlite")
    database.execute("pragma journal_mode = wal")
    database.execute(
        "create table nodes (inode integer primary key, parent, name, is_dir, state, mode, mtime_ns, size, error,"
        " content, closed, uncertain, shadow)"
    )
    database.execute("create table places (root integer primary key, path text)")
    database.execute("insert into places values (82, '/Сайт/Logo')")
    rows = [
        (100, 82, "refused.txt", 0, "quarantined", "the task is closed", 0),
        (101, 82, "New", 1, "settling", None, 0),
        (102, 101, "closed.bin", 0, "open", None, 1),
        (103, 82, "half.bin", 0, "open", None, 0),
        (104, 99, "lost.txt", 0, "sending", None, 0),
        (105, 82, "a.tmp", 0, "local", None, 0),
        (106, 82, "gone.txt", 0, "dropped", None, 0),
    ]
    for inode, parent, name, is_dir, state, error, closed in rows:
        data = b"" if is_dir else f"content of {name}".encode()
        if not is_dir:
            (spool / "content" / str(inode)).write_bytes(data)
        database.execute(
            "insert into nodes values (?, ?, ?, ?, ?, 420, 1234567890000000000, ?, ?, ?, ?, 0, 0)",
            (inode, parent, name, is_dir, state, len(data), error, "" if is_dir else str(inode), closed),
        )
    database.commit()
    database.close()
    return spool


def test_what_lies_in_a_spool_is_listed_with_no_mount_running(wsfs: Run, spool: Path) -> None:
    [told] = json.loads(wsfs("uploads", "--json").stdout)
    assert (told["mountpoint"], told["account"]) == (None, "https://acme.worksection.com")
    assert [(one["path"], one["state"]) for one in told["files"]] == [
        ("/Сайт/Logo/refused.txt", "quarantined"),
        ("/Сайт/Logo/New/closed.bin", "settling"),
        ("/Сайт/Logo/half.bin", "interrupted"),
        ("(inode 99)/lost.txt", "unknown"),
    ]
    result = wsfs("uploads")
    assert result.exit_code == 0
    assert "not mounted" in result.stdout
    assert "the task is closed" in " ".join(result.stdout.split())


def test_root_is_shown_the_spools_of_the_machine_s_drives_too(
    wsfs: Run, spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "system").mkdir()
    spool.parent.rename(tmp_path / "system" / "acme")
    for user, lists in ((0, 1), (1000, 0)):
        monkeypatch.setattr("wsfs.cli.pending.os.geteuid", lambda user=user: user)
        result = wsfs("uploads", "--json")
        assert (len(json.loads(result.stdout)) if result.exit_code == 0 else 0) == lists


def test_it_is_copied_out_with_its_times(wsfs: Run, spool: Path, tmp_path: Path) -> None:
    place = tmp_path / "rescued"
    result = wsfs("uploads", "save", place)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "4 files" in result.stdout
    refused = place / "Сайт" / "Logo" / "refused.txt"
    assert refused.read_text() == "content of refused.txt"
    assert refused.stat().st_mtime_ns == 1234567890000000000
    assert refused.stat().st_mode & 0o777 == 0o644
    assert (place / "(inode 99)" / "lost.txt").exists()
    assert not [path for path in place.rglob("*") if path.name.startswith(".wsfs")]


def test_what_lies_in_the_journal_alone_is_copied_out_too(wsfs: Run, spool: Path, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(spool / "journal.sqlite")) as database:
        database.execute("create table contents (id integer primary key, name text, data blob)")
        database.execute("insert into contents values (100, '100', ?)", (b"CONTENT OF REFUSED.TXT",))
        database.execute("update nodes set size = 0 where inode = 103")
        database.commit()
    (spool / "content" / "103").unlink()
    place = tmp_path / "rescued"
    result = wsfs("uploads", "save", place)
    assert (result.exit_code, result.stderr) == (0, "")
    assert (place / "Сайт" / "Logo" / "refused.txt").read_bytes() == b"CONTENT OF REFUSED.TXT"
    assert (place / "Сайт" / "Logo" / "half.bin").read_bytes() == b"", "it is empty, and so nowhere"
    assert (place / "Сайт" / "Logo" / "New" / "closed.bin").read_bytes() == b"content of closed.bin"


@promise(
    "`wsfs uploads save` copies out what could not be sent, also with no drive mounted, and overwrites nothing."
)
def test_nothing_that_is_there_is_overwritten(wsfs: Run, spool: Path, tmp_path: Path) -> None:
    place = tmp_path / "rescued"
    (place / "Сайт" / "Logo").mkdir(parents=True)
    (place / "Сайт" / "Logo" / "refused.txt").write_text("mine")
    for _ in range(2):  # the second time everything is there already
        told = json.loads(wsfs("uploads", "save", "--json", place, "/Сайт/Logo/refused.txt").stdout)
        assert [one["saved"] for one in told["saved"]] == [str(place / "Сайт" / "Logo" / "refused (2).txt")]
    assert sorted(path.name for path in (place / "Сайт" / "Logo").iterdir()) == [
        "refused (2).txt",
        "refused.txt",
    ]
    assert (place / "Сайт" / "Logo" / "refused.txt").read_text() == "mine"


def test_what_can_not_be_copied_is_named(wsfs: Run, spool: Path, tmp_path: Path) -> None:
    (spool / "content" / "100").unlink()
    (spool / "content" / "103").write_text("longer than the journal says it is")
    result = wsfs("uploads", "save", tmp_path / "rescued")
    assert result.exit_code == 1
    assert "2 files" in result.stdout
    assert "refused.txt (its content is gone" in result.stderr
    assert "half.bin (it is being written)" in result.stderr


def test_a_running_drive_is_asked_for_its_list_and_its_spool_read(
    wsfs: Run, drive: FakeDrive, spool: Path, tmp_path: Path
) -> None:
    drive.answers["uploads"] = {
        "spool": str(spool),
        "files": [
            entry("/P/a.txt", "quarantined", 1) | {"size": len("content of refused.txt"), "content": "100"},
            entry("/P/b.txt", "settling", 2) | {"content": "102"},
        ],
    }
    told = json.loads(wsfs("uploads", "save", "--json", tmp_path / "rescued").stdout)
    assert [one["path"] for one in told["saved"]] == ["/P/a.txt"]  # the other goes by itself
    assert (tmp_path / "rescued" / "P" / "a.txt").read_text() == "content of refused.txt"
    assert "lost.txt" not in wsfs("uploads").stdout  # its spool isn't listed a second time


@pytest.mark.parametrize("path", ["/../outside", "/a/./b", "/"])
def test_a_path_that_leads_elsewhere_is_refused(
    wsfs: Run, drive: FakeDrive, spool: Path, tmp_path: Path, path: str
) -> None:
    drive.answers["uploads"] = {
        "spool": str(spool),
        "files": [entry(path, "quarantined", 1) | {"size": 22, "content": "100"}],
    }
    assert wsfs("uploads", "save", tmp_path / "rescued").exit_code == 1
    assert not (tmp_path / "outside").exists()


def test_a_content_outside_the_spool_is_refused(
    wsfs: Run, drive: FakeDrive, spool: Path, tmp_path: Path
) -> None:
    drive.answers["uploads"] = {
        "spool": str(spool),
        "files": [entry("/a", "quarantined", 1) | {"content": "../lock"}],
    }
    assert "makes no sense" in wsfs("uploads", "save", tmp_path / "rescued").stderr


def test_nothing_is_copied_into_a_drive(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["uploads"] = STUCK
    result = wsfs("uploads", "save", drive.mountpoint / "rescued")
    assert result.exit_code == 1
    assert "would be uploaded" in result.stderr


def test_without_a_mount_nothing_can_be_sent_or_deleted(wsfs: Run, spool: Path) -> None:
    for command in (["retry"], ["discard", "--yes"]):
        result = wsfs("uploads", *command, "/Сайт/Logo/refused.txt")
        assert result.exit_code == 1
        assert "isn't mounted" in result.stderr
    assert (spool / "content" / "100").exists()


def test_a_data_directory_is_named(wsfs: Run, drive: FakeDrive, spool: Path, tmp_path: Path) -> None:
    [told] = json.loads(wsfs("uploads", "--json", "--data-dir", spool.parent).stdout)
    assert len(told["files"]) == 4
    result = wsfs("uploads", "--data-dir", tmp_path)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def test_a_spool_that_can_not_be_read_is_said(wsfs: Run, spool: Path) -> None:
    (spool / "journal.sqlite").write_bytes(b"no database at all, but long enough to be taken for one" * 10)
    result = wsfs("uploads", "--data-dir", spool.parent)
    assert result.exit_code == 1
    assert "can't be read" in result.stderr
