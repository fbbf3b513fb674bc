from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from tests.conftest import leave_out
from wsfs import mountinfo
from wsfs.doctor import State, directories

GIB = 2**30


def test_what_is_wrong_in_the_configuration_is_told_one_by_one() -> None:
    assert [one.state for one in directories.check_configuration([])] == [State.GOOD]
    found = list(directories.check_configuration(["line 1 is wrong", "line 2 too"]))
    assert [(one.state, one.said) for one in found] == [
        (State.BAD, "line 1 is wrong"),
        (State.BAD, "line 2 too"),
    ]


def test_nobody_else_may_read_secrets(tmp_path: Path) -> None:
    logins = tmp_path / "logins"
    assert directories.check_private("kept logins", logins).state is State.GOOD
    logins.mkdir(mode=0o700)
    secret = logins / "acme.json"
    secret.touch(mode=0o600)
    assert directories.check_private("kept logins", logins).state is State.GOOD
    secret.chmod(0o640)
    found = directories.check_private("kept logins", logins)
    assert (found.state, str(secret) in found.said) == (State.BAD, True)
    secret.chmod(0o600)
    logins.chmod(0o755)
    assert directories.check_private("kept logins", logins).state is State.BAD


def test_what_belongs_to_another_user(tmp_path: Path) -> None:
    leave_out(None if os.geteuid() == 0 else "only root gives files away")
    place = tmp_path / "data"
    place.mkdir(mode=0o700)
    os.chown(place, 1000, 1000)
    for found in (
        directories.check_directory("data directory", place),
        directories.check_private("kept logins", place),
    ):
        assert (found.state, "chown" in found.cure) == (State.BAD, True)


def test_a_directory_is_yours_alone_or_can_be_made(tmp_path: Path) -> None:
    place = tmp_path / "data"

    def check() -> tuple[State, str]:
        found = directories.check_directory("data directory", place)
        return found.state, found.said + found.cure

    assert check()[0] is State.GOOD
    assert "will be made" in check()[1]
    place.mkdir(mode=0o700)
    assert check()[0] is State.GOOD
    place.chmod(0o755)
    assert check()[0] is State.BAD
    place.rmdir()
    place.touch()
    assert check()[0] is State.BAD
    assert "--data-dir" in check()[1]
    assert directories.check_directory("cache directory", place / "below").state is State.BAD


def test_what_cannot_be_made_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "can't be made" in directories.check_directory("data directory", tmp_path / "a" / "b").said
    tmp_path.chmod(0o700)
    assert "can't write" in directories.check_directory("data directory", tmp_path).said


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("ext4", State.GOOD),
        ("tmpfs", State.BAD),
        ("nfs4", State.NOTE),
        ("fuse.sshfs", State.NOTE),
        ("fuseblk", State.GOOD),
    ],
)
def test_the_data_is_on_a_disk(kind: str, state: State) -> None:
    table = [mountinfo.Mount(Path("/"), "ext4", "a"), mountinfo.Mount(Path("/data"), kind, "b")]
    assert directories.check_kind(Path("/data/wsfs"), table).state is state


def test_there_is_room(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_bytes(bytes(2**20))

    def check(free: int, limit: int) -> list[State]:
        found = directories.check_space(tmp_path / "data", tmp_path, limit, lambda path: free)
        return [one.state for one in found]

    assert check(10 * GIB, 5 * GIB) == [State.GOOD, State.GOOD]
    assert check(100 * 2**20, 2**20) == [State.BAD, State.GOOD]
    assert check(3 * GIB, 5 * GIB) == [State.GOOD, State.NOTE]
    # Of a directory that isn't there yet it is the room where it would be made.
    real = list(directories.check_space(tmp_path / "no" / "such", tmp_path, 0))
    assert len(real) == 2


def test_what_waits_goes_by_itself_or_not() -> None:
    def check(*states: str, mounted: bool = True) -> State:
        return directories.check_spool({"files": [{"state": one} for one in states]}, mounted=mounted).state

    assert check() is State.GOOD
    assert check("settling") is State.GOOD
    assert check("settling", mounted=False) is State.NOTE
    assert check("settling", "quarantined") is State.BAD
    assert check("interrupted", mounted=False) is State.BAD


def test_databases_are_whole_or_damaged(tmp_path: Path) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    (data / "spool").mkdir(parents=True)

    def check(*, mounted: bool = False) -> list[tuple[State, str]]:
        found = directories.check_databases(data, cache, mounted=mounted)
        return [(one.state, one.said) for one in found]

    assert [state for state, _ in check()] == [State.GOOD]  # there are none
    for path in (data / "catalog.db", data / "spool" / "journal.sqlite"):
        with sqlite3.connect(path) as database:
            database.execute("create table t (a)")
            database.executemany("insert into t values (?)", [(bytes(3000),)] * 50)
        database.close()
    assert [state for state, _ in check()] == [State.GOOD]
    with (data / "catalog.db").open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 4096)
    ((state, said),) = check()
    assert (state, "catalog.db is damaged" in said) == (State.BAD, True)
    (data / "spool" / "journal.sqlite").write_bytes(b"no database" * 1000)
    assert [state for state, _ in check()] == [State.BAD, State.BAD]
    assert check(mounted=True) == [(State.GOOD, "in use by the drive")]


def test_the_databases_that_are_looked_at_are_those_that_a_mount_has() -> None:
    # Their names are the parts' own; here they are said again, as the doctor knows no part.
    from wsfs import leftovers

    assert leftovers.JOURNAL == "journal.sqlite"
    text = Path(directories.__file__).read_text()
    for module, name in (
        ("content/disk.py", "index.sqlite"),
        ("catalog/store.py", "keepsakes.db"),
        ("mount.py", "catalog.db"),
    ):
        assert f'"{name}"' in (Path(directories.__file__).parent.parent / module).read_text()
        assert f'"{name}"' in text


def test_a_database_that_another_has_locked_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    database = sqlite3.connect(path)
    database.execute("create table t (a)")
    database.commit()
    database.execute("begin exclusive")
    try:
        (found,) = directories.check_databases(tmp_path, tmp_path, mounted=False)
        assert found.state is State.GOOD
    finally:
        database.close()
