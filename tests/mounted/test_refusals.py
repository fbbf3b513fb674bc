"""What Worksection can't do is refused before anything is sent, in the words that each program has for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsfs.emulator.testing import Process

from .conftest import QUIET, Mounter
from .drives import Done, Ledger, Mount, files_of, node_id, run

NAME = "file 01.jpg"
BOTH = ["file 01.jpg", "file 02.docx"]


@pytest.fixture
def nothing_sent(task: Path, drive: Mount, service: Process, ledger: Ledger) -> Iterator[None]:
    """After the test the task holds its two attachments, here and on the server, and nothing was sent."""
    before = files_of(service, node_id(task))
    yield
    drive.settled()
    assert ledger.posts() == []
    assert files_of(service, node_id(task)) == before
    assert run("ls", "-A", task).lines == BOTH


def refused(done: Done, *words: str) -> None:
    assert done.code != 0
    for word in words:
        assert word in done.err


pytestmark = pytest.mark.usefixtures("nothing_sent")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.write_text("a newer version")
    return path


def test_cp_over_an_attachment(task: Path, source: Path) -> None:
    words = f"cp: cannot create regular file '{task / NAME}': Permission denied"
    refused(run("cp", source, task, ok=False), words)


def test_cp_f_over_an_attachment(task: Path, source: Path) -> None:
    refused(
        run("cp", "-f", source, task, ok=False), f"cp: cannot remove '{task / NAME}': Operation not permitted"
    )


def test_mv_over_an_attachment_keeps_its_source(task: Path, source: Path) -> None:
    refused(run("mv", "-f", source, task, ok=False), "Operation not permitted")
    assert source.read_text() == "a newer version"


def test_mv_of_an_attachment_to_another_name_or_place(task: Path, other_task: Path, tmp_path: Path) -> None:
    words = f"mv: cannot move '{task / NAME}' to '{task / 'other.jpg'}': Operation not permitted"
    refused(run("mv", task / NAME, task / "other.jpg", ok=False), words)
    refused(run("mv", task / NAME, other_task / "other.jpg", ok=False), "Operation not permitted")
    assert run("ls", other_task).lines == BOTH


def test_rm_of_an_attachment(task: Path) -> None:
    words = f"rm: cannot remove '{task / NAME}': Operation not permitted"
    refused(run("rm", "-f", task / NAME, ok=False), words)


def test_rm_r_and_rmdir_of_a_task(task: Path) -> None:
    refused(run("rmdir", task, ok=False), "Operation not permitted")
    refused(run("rm", "-rf", task, ok=False), "Operation not permitted")


def test_writing_appending_and_truncating(task: Path) -> None:
    refused(run("sh", "-c", 'echo x > "$0"', task / NAME, ok=False), "Permission denied")
    refused(run("tee", "-a", task / NAME, stdin="x", ok=False), "Permission denied")
    refused(run("truncate", "-s", "0", task / NAME, ok=False), "Permission denied")
    refused(run("dd", f"of={task / NAME}", "conv=notrunc", stdin="x", ok=False), "Permission denied")
    with pytest.raises(PermissionError):
        os.truncate(task / NAME, 0)


def test_chmod_and_touch_of_an_attachment(task: Path) -> None:
    refused(run("chmod", "600", task / NAME, ok=False), "Operation not permitted")
    refused(run("touch", task / NAME, ok=False), "Permission denied")


def test_sed_in_place_leaves_nothing_behind(task: Path) -> None:
    refused(run("sed", "-i", "s/a/b/", task / NAME, ok=False), "cannot rename", "Operation not permitted")


def test_rsync_over_an_attachment_leaves_nothing_behind(task: Path, source: Path) -> None:
    refused(run("rsync", "-a", source, task, ok=False), "Operation not permitted")


def test_tar_over_an_attachment(task: Path, source: Path, tmp_path: Path) -> None:
    run("tar", "-cf", tmp_path / "all.tar", "-C", tmp_path, NAME)
    refused(
        run("tar", "-xf", tmp_path / "all.tar", "-C", task, ok=False), f"{NAME}: Cannot open: File exists"
    )


def test_unzip_over_an_attachment(task: Path, source: Path, tmp_path: Path) -> None:
    run("zip", "-q", tmp_path / "all.zip", NAME, cwd=tmp_path)
    done = run("unzip", "-oq", tmp_path / "all.zip", "-d", task, ok=False)
    assert done.code != 0
    assert "Operation not permitted" in done.err or "cannot delete old" in done.err


_DENIED, _NOT_PERMITTED = "Permission denied", "Operation not permitted"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("perl -pi -e 's/a/b/' \"$1\"", _NOT_PERMITTED),
        ('install -m 644 "$0" .', f"cannot remove './{NAME}': {_NOT_PERMITTED}"),
        ('cp --remove-destination "$0" .', f"cannot remove './{NAME}': {_NOT_PERMITTED}"),
        ('cp --backup=simple "$0" .', f"cannot backup './{NAME}': {_NOT_PERMITTED}"),
        ('ln -sf "$0" .', _NOT_PERMITTED),
        ('sort -o "$1" "$1"', f"open failed: '{NAME}': {_DENIED}"),
        ("printf '0a\nx\n.\nw\nq\n' | ed -s \"$1\"", _DENIED),
        ('gio copy "$0" "$1"', _DENIED),
        ('gio save "$1" < "$0"', _DENIED),
        ('tee "$1" < "$0"', f"tee: '{NAME}': {_DENIED}"),
        ('rsync --inplace "$0" .', _DENIED),
        ('truncate -s 5 "$1"', f"cannot open '{NAME}' for writing: {_DENIED}"),
        ('shred "$1"', f"'{NAME}': failed to open for writing: {_DENIED}"),
        ('python3 -c "import os, sys; os.truncate(sys.argv[1], 3)" "$1"', "PermissionError"),
        ('python3 -c "import sys; open(sys.argv[1], \'r+b\')" "$1"', "PermissionError"),
        ('python3 -c "import os, sys; os.rename(sys.argv[1], sys.argv[1] + \'~\')" "$1"', "PermissionError"),
    ],
)
def test_what_programs_say(script: str, words: str, task: Path, source: Path) -> None:
    refused(run("sh", "-ec", script, source, NAME, cwd=task, ok=False), words)


def test_patch_leaves_its_result_outside(task: Path, tmp_path: Path) -> None:
    """It makes its copies beside the file, and takes them away again."""
    (tmp_path / "x.patch").write_text("--- x\n+++ x\n@@ -0,0 +1,1 @@\n+line\n")
    done = run("patch", "-f", NAME, tmp_path / "x.patch", cwd=task, ok=False)
    assert done.code != 0


def test_vim_writes_nothing_over_an_attachment(task: Path) -> None:
    command = ("vim", "-N", "-u", "NONE", "-i", "NONE", "-es", "-c", "normal ix", "-c", "w", "-c", "qa!")
    assert run(*command, NAME, cwd=task, ok=False).code != 0


def test_libreoffice_converts_nothing_onto_an_attachment(task: Path, tmp_path: Path) -> None:
    (tmp_path / "file 02.txt").write_text("words")
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    done = run(
        "soffice", profile, "--headless", "--convert-to", "docx", "--outdir", task, tmp_path / "file 02.txt",
        ok=False, seconds=140,
    )  # fmt: skip
    assert "Error" in done.out + done.err


def test_rename_of_a_pending_file_onto_an_attachment_keeps_both(task: Path, drive: Mount) -> None:
    run("tee", task / "new.tmp", stdin="x")
    refused(run("mv", "-f", task / "new.tmp", task / NAME, ok=False), "Operation not permitted")
    assert (task / "new.tmp").read_text() == "x"
    run("rm", task / "new.tmp")


def test_links_and_special_files(task: Path) -> None:
    refused(run("ln", "-s", NAME, task / "link", ok=False), "Operation not permitted")
    refused(run("ln", task / NAME, task / "link", ok=False), "Operation not permitted")
    refused(run("mkfifo", task / "pipe", ok=False), "Operation not permitted")


@pytest.mark.parametrize("name", [".Trash-1000", ".Trash", ".git"])
def test_waste_baskets_and_repositories(name: str, task: Path) -> None:
    refused(run("mkdir", task / name, ok=False), "cannot create directory", "Operation not permitted")


def test_directories_and_files_beside_the_projects(drive: Mount, tmp_path: Path) -> None:
    place = drive.place
    refused(run("mkdir", place / "New", ok=False), "cannot create directory")
    refused(run("cp", "/etc/hostname", place, ok=False), "cannot create regular file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").touch()
    done = run("cp", "-r", tmp_path / "folder", place, ok=False)
    refused(done, "cannot create directory")
    if os.getuid() == 0:  # for whom 0555 is no hindrance: it is the drive that refuses
        assert "Operation not permitted" in done.err


def test_tasks_below_the_third_level(task: Path, drive: Mount) -> None:
    run("mkdir", "-p", task / "sub" / "subsub")
    refused(run("mkdir", task / "sub" / "subsub" / "fourth", ok=False), "Operation not permitted")
    run("rm", "-r", task / "sub")


def test_names_that_are_too_long(task: Path) -> None:
    refused(run("touch", task / ("x" * 256), ok=False), "File name too long")
    refused(run("touch", task / ("щ" * 128), ok=False), "File name too long")


def test_a_name_that_is_no_utf_8(task: Path) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        (task / os.fsdecode(b"caf\xe9")).touch()


def test_moving_a_task_into_another_project(task: Path, drive: Mount) -> None:
    target = next(path for path in sorted(drive.place.iterdir()) if path != task.parent)
    refused(run("mv", task, target, ok=False), "Operation not permitted")


def test_a_task_is_not_renamed_onto_another(task: Path) -> None:
    other = next(path for path in sorted(task.parent.iterdir()) if path != task)
    refused(run("mv", "-T", task, other, ok=False), "File exists")


def test_a_read_only_mount_takes_nothing(mounting: Mounter, small_service: Process, tmp_path: Path) -> None:
    mount = mounting(small_service, options=f"{QUIET},ro")
    task = mount.place / "Project 001" / "Task 001-0001"
    run("find", mount.place)
    ledger = Ledger(small_service)
    for command in (
        ("touch", task / "new"),
        ("cp", "/etc/hostname", task),
        ("mkdir", task / "sub"),
        ("mkdir", mount.place / "New"),
        ("rm", "-f", task / NAME),
        ("mv", task / NAME, task / "other"),
        ("mv", task, task.with_name("other")),
        ("sed", "-i", "s/a/b/", task / NAME),
        ("truncate", "-s", "0", task / NAME),
        ("chmod", "600", task / NAME),
    ):
        refused(run(*command, ok=False), "Read-only file system")
    assert task.stat().st_mode & 0o777 == 0o555
    assert ledger.actions() == []


def test_what_the_options_refuse(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=f"{QUIET},mkdir=no,drop=no")
    project = mount.place / "Project 001"
    run("ls", project, project / "Task 001-0001")
    ledger = Ledger(small_service)
    refused(run("mkdir", project / "New", ok=False), "Operation not permitted")
    refused(run("mkdir", project / "Task 001-0001" / "New", ok=False), "Operation not permitted")
    refused(run("cp", "/etc/hostname", project, ok=False), "Operation not permitted")
    assert ledger.actions() == []
