from __future__ import annotations

from pathlib import Path

import pytest

from wsfs import mountinfo
from wsfs.mountinfo import Mount, canonical, containing, find, parse

TABLE = r"""
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
40 22 0:39 / /home/ann/Work\040Section rw,nosuid - fuse.wsfs acme.example rw,user_id=1000,group_id=1000
41 22 0:40 / /home/ann/Work\040Section/over rw - tmpfs none rw
42 22 0:41 / /mnt rw - ext4 /dev/vdb rw
43 22 0:42 / /mnt rw - fuse.wsfs beta rw,user_id=0,group_id=0
short line
"""


def test_the_table_is_read_with_its_escapes() -> None:
    assert parse(TABLE)[1] == Mount(
        Path("/home/ann/Work Section"), "fuse.wsfs", "acme.example", user=1000, device="0:39"
    )
    assert len(parse(TABLE)) == 5


def test_the_topmost_mount_counts() -> None:
    found = find(Path("/mnt"), parse(TABLE))
    assert found is not None
    assert found.is_wsfs
    assert find(Path("/mnt/deeper"), parse(TABLE)) is None


@pytest.mark.parametrize(
    ("path", "mountpoint"),
    [
        ("/home/ann/Work Section/Website/a.txt", "/home/ann/Work Section"),
        ("/home/ann/Work Section", "/home/ann/Work Section"),
        ("/home/ann/Work Section/over/x", "/home/ann/Work Section/over"),
        ("/home/ann/Work Sections", "/"),
    ],
)
def test_a_path_lies_in_the_deepest_mount(path: str, mountpoint: str) -> None:
    found = containing(Path(path), parse(TABLE))
    assert found is not None
    assert found.mountpoint == Path(mountpoint)


def test_links_are_followed_up_to_a_mount_and_not_inside(tmp_path: Path) -> None:
    drive = tmp_path.resolve() / "drive"
    drive.mkdir()
    (drive / "inner").symlink_to("/etc")
    (tmp_path / "link").symlink_to("drive")
    table = [Mount(drive, "fuse.wsfs", "acme", 0)]
    assert canonical(tmp_path / "link", []) == drive
    assert canonical(tmp_path / "link" / "inner", []) == Path("/etc")
    assert canonical(tmp_path / "link" / "inner", table) == drive / "inner"
    assert canonical(tmp_path / "missing" / ".." / "link", table) == drive


def test_what_can_not_be_looked_at_is_taken_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "readlink", refuse)
    assert canonical("/root/secret/x", []) == Path("/root/secret/x")


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert canonical(tmp_path / "a", []).name in ("a", "b")


def test_a_relative_path_starts_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert canonical("drive", []) == tmp_path.resolve() / "drive"


def test_this_machine_has_a_root() -> None:
    assert find(Path("/")) in mountinfo.mounts()
