"""What a copy becomes on the server: one comment, one task, one project, with everything that belongs to it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ExpectedWarnings
from wsfs.emulator.testing import Process

from .conftest import QUIET, Mounter, account
from .drives import Ledger, Mount, eventually, files_of, is_attachment, node_id, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of ten files."""
    folder = tmp_path / "Фотографії"
    folder.mkdir()
    for number in range(10):
        (folder / f"photo {number:02}.jpg").write_bytes(os.urandom(20_000 + number))
    return folder


def sums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def sent_sums(service: Process, task: int) -> dict[str, str]:
    return {name: str(file["sha256"]) for name, file in files_of(service, task).items()}


def test_twenty_files_copied_into_a_task_are_one_comment(
    task: Path, task_id: int, folder: Path, drive: Mount, service: Process, ledger: Ledger
) -> None:
    for number in range(10, 20):
        (folder / f"photo {number:02}.jpg").write_bytes(os.urandom(1000))
    run("sh", "-c", 'cp "$0"/* .', folder, cwd=task)
    drive.settled()
    posted, listed = ledger.take()
    assert (posted["action"], listed["action"]) == ("post_comment", "get_files")
    assert sorted(posted["files"]) == sorted(sums(folder))
    assert posted["params"]["id_task"] == str(task_id)
    assert posted["params"]["text"].split("\n") == sorted(sums(folder))
    assert sums(folder).items() <= sent_sums(service, task_id).items()


def test_a_folder_of_ten_files_copied_into_a_project_is_one_task(
    task: Path, folder: Path, drive: Mount, service: Process, ledger: Ledger
) -> None:
    project = task.parent
    run("cp", "-r", folder, project)
    inode = (project / folder.name).stat().st_ino
    drive.settled()
    posted, listed = ledger.take()
    assert (posted["action"], listed["action"]) == ("post_task", "get_files")
    assert posted["params"]["title"] == folder.name
    assert posted["params"]["id_project"] == str(node_id(project))
    new = node_id(project / folder.name)
    assert sent_sums(service, new) == sums(folder)
    assert (project / folder.name).stat().st_ino == inode
    run("diff", "-r", folder, project / folder.name)
    assert ledger.actions() == []
    run("cp", folder / "photo 00.jpg", project / folder.name / "one more.jpg")
    drive.settled()
    assert [(post["action"], post["params"]["id_task"]) for post in ledger.posts()] == [
        ("post_comment", str(new))
    ]


def test_folders_in_a_folder_are_subtasks(
    task: Path, task_id: int, tmp_path: Path, drive: Mount, service: Process, ledger: Ledger
) -> None:
    tree = tmp_path / "Report"
    (tree / "Data").mkdir(parents=True)
    (tree / "report.txt").write_text("report")
    (tree / "Data" / "table.csv").write_text("a,b")
    (tree / "Empty").mkdir()
    run("cp", "-a", tree, task)
    eventually(lambda: is_attachment(task / "Report" / "Data" / "table.csv"))
    first, second = ledger.posts()
    assert (first["params"]["title"], first["files"]) == ("Report", ["report.txt"])
    assert first["params"]["id_parent"] == str(task_id)
    assert (second["params"]["title"], second["files"]) == ("Data", ["table.csv"])
    assert second["params"]["id_parent"] == str(node_id(task / "Report"))
    assert run("ls", task / "Report").lines == ["Data", "Empty", "report.txt"]
    run("rmdir", task / "Report" / "Empty")


def test_an_empty_folder_is_local_until_it_holds_a_file(task: Path, drive: Mount, ledger: Ledger) -> None:
    run("mkdir", task / "Untitled Folder")
    run("tee", task / "Untitled Folder" / "a.txt", stdin="a")
    run("mkdir", task / "Empty")
    run("tee", task / "other.txt", stdin="x")
    eventually(lambda: is_attachment(task / "other.txt"))
    assert [post["action"] for post in ledger.posts()] == ["post_comment"]
    run("mv", task / "Untitled Folder", task / "Contracts")
    run("rmdir", task / "Empty")
    eventually(lambda: is_attachment(task / "Contracts" / "a.txt"))
    assert [(post["action"], post["params"]["title"]) for post in ledger.posts()] == [
        ("post_task", "Contracts")
    ]


def test_files_on_a_project_go_to_its_drop_task_and_show_where_they_were_put(
    mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=0.5")
    project = mount.place / "Project 001"
    run("find", mount.place)
    ledger = Ledger(small_service)
    run("tee", project / "plan.txt", stdin="plan")
    mount.settled()
    posts = ledger.posts()
    assert posts[0]["action"] == "post_task"
    assert posts[0]["params"]["title"] == "Project files"
    assert [name for post in posts for name in post["files"]] == ["plan.txt"]
    assert "plan.txt" in run("ls", project).lines
    assert "Project files" not in run("ls", project).lines
    run("cp", "/etc/hostname", project / "another.txt")
    mount.settled()
    assert [post["action"] for post in ledger.posts()] == ["post_comment"]
    [drop] = {
        file["task"]["id"] for file in small_service.files() if file["name"] in ("plan.txt", "another.txt")
    }
    assert files_of(small_service, drop).keys() == {"plan.txt", "another.txt"}
    # After a remount, and on another machine, it is the same.
    inode = (project / "plan.txt").stat().st_ino
    assert mount.stop() == 0
    again = mounting(small_service, options=f"{QUIET},settle=0.5", scratch=mount.scratch)
    assert (again.place / "Project 001" / "plan.txt").stat().st_ino == inode
    elsewhere = mounting(small_service, options=f"{QUIET},settle=0.5")
    names = run("ls", elsewhere.place / "Project 001").lines
    assert {"plan.txt", "another.txt"} <= set(names)
    assert "Project files" not in names
    run("tee", elsewhere.place / "Project 001" / "third.txt", stdin="3")
    elsewhere.settled()
    assert "third.txt" in files_of(small_service, drop)


def test_a_folder_beside_the_projects_is_a_new_project_where_that_is_allowed(
    mounting: Mounter, small_service: Process, folder: Path
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=0.5,create=projects")
    run("ls", mount.place)
    assert mount.place.stat().st_mode & 0o777 == 0o755
    ledger = Ledger(small_service)
    run("cp", "-r", folder, mount.place)
    mount.settled()
    [post] = ledger.posts()
    assert (post["action"], post["params"]["title"]) == ("post_project", folder.name)
    assert sorted(post["files"]) == sorted(sums(folder))
    run("diff", "-r", folder, mount.place / folder.name)
    project = node_id(mount.place / folder.name)
    there = [file for file in small_service.files() if file["project"] and file["project"]["id"] == project]
    assert {file["name"]: file["sha256"] for file in there} == sums(folder)


def test_what_was_uploaded_is_the_same_after_a_remount(
    mounting: Mounter, small_service: Process, tmp_path: Path, folder: Path
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=0.3")
    task = mount.place / "Project 001" / "Task 001-0001"
    os.utime(folder / "photo 03.jpg", ns=(0, 1_234_567_890_123_456_789))
    run("rsync", "-a", f"{folder}/", task)
    mount.settled()
    before = sorted(run("find", task, "-type", "f", "-printf", "%P %i %s %T@\n").lines)
    assert mount.stop() == 0
    ledger = Ledger(small_service)
    again = mounting(small_service, options=f"{QUIET},settle=0.3", scratch=mount.scratch)
    assert sorted(run("find", task, "-type", "f", "-printf", "%P %i %s %T@\n").lines) == before
    for path in folder.iterdir():
        run("cmp", path, task / path.name)
    done = run("rsync", "-a", "--stats", f"{folder}/", task)
    assert "Number of regular files transferred: 0" in done.lines
    again.settled()
    # Its own comment shows among the events, so that the task may be looked at again: that, and nothing else.
    assert set(ledger.actions()) <= {"get_files"}


def test_a_comment_s_text_author_and_readers_are_the_options_(
    mounting: Mounter, small_service: Process
) -> None:
    options = r"settle=0.3,author=taras@example.com,hidden=olena@example.com,comment_template=Файли: {names}"
    mount = mounting(small_service, options=f"{QUIET},{options}")
    task = mount.place / "Project 001" / "Task 001-0001"
    ledger = Ledger(small_service)
    run("tee", task / "a.txt", stdin="a")
    mount.settled()
    [post] = ledger.posts()
    assert post["params"]["text"] == "Файли: a.txt"
    assert post["params"]["email_user_from"] == "taras@example.com"
    assert post["params"]["hidden"] == "olena@example.com"


def test_flush_sends_at_once_what_would_settle_for_long(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=600")
    one, other = (mount.place / "Project 001" / f"Task 001-000{number}" for number in (1, 2))
    for task in (one, other):
        run("tee", task / "new.txt", stdin="x")
    run("touch", one / "empty.txt")
    said = mount.wsfs("flush", one)
    assert said.lines == ["Sent 2 files."]
    assert is_attachment(one / "new.txt")
    assert is_attachment(one / "empty.txt")
    assert not is_attachment(other / "new.txt")
    assert "new.txt" in mount.wsfs("uploads", mount.place).out
    [pending] = json.loads(mount.wsfs("uploads", mount.place, "--json").out)["files"]
    assert pending["path"] == "/Project 001/Task 001-0002/new.txt"
    status = json.loads(mount.wsfs("status", mount.place, "--json").out)
    assert status["uploads"]["files"] == 1
    assert mount.wsfs("flush", mount.place).lines == ["Sent 1 file."]
    assert is_attachment(other / "new.txt")
    assert "everything is on the server" in mount.wsfs("uploads", mount.place).out


def test_many_new_tasks_at_once_wait_until_they_are_let_go(
    mounting: Mounter, small_service: Process, tmp_path: Path
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=0.2,hold_tasks=3")
    project = mount.place / "Project 001"
    run("ls", project)
    ledger = Ledger(small_service)
    folders = tmp_path / "many"
    for number in range(5):
        (folders / f"New {number}").mkdir(parents=True)
        (folders / f"New {number}" / "a.txt").write_text(str(number))
    run("sh", "-c", 'cp -r "$0"/* .', folders, cwd=project)
    eventually(lambda: {one["state"] for one in mount.ask("uploads")["files"]} == {"held"})
    assert ledger.posts() == []
    mount.wsfs("uploads", "send", project)
    mount.settled()
    assert sorted(post["params"]["title"] for post in ledger.posts()) == [
        f"New {number}" for number in range(5)
    ]


def test_a_refused_upload_stays_in_its_place_and_is_told(
    mounting: Mounter, small_service: Process, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("Worksection doesn't take")
    mount = mounting(small_service, options=f"{QUIET},settle=0.2")
    task = mount.place / "Project 001" / "Task 001-0001"
    small_service.arm("denied:post_comment:1")
    run("tee", task / "a.txt", stdin="words")
    eventually(lambda: "quarantined" in {one["state"] for one in mount.ask("uploads")["files"]})
    assert (task / "a.txt").read_text() == "words"
    assert "quarantined" in mount.wsfs("uploads", mount.place).out
    assert mount.wsfs("flush", mount.place, ok=False).code == 1
    mount.wsfs("uploads", "send", task / "a.txt")
    mount.settled()
    assert "a.txt" in files_of(small_service, node_id(task))


def test_a_server_that_stumbles_is_tried_again_and_gets_it_once(
    mounting: Mounter, small_service: Process, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("An upload has to wait")
    mount = mounting(small_service, options=f"{QUIET},settle=0.2")
    task = mount.place / "Project 001" / "Task 001-0001"
    small_service.arm("429:post_comment:2")
    run("tee", task / "a.txt", stdin="words")
    mount.settled()
    assert "a.txt" in files_of(small_service, node_id(task))


@pytest.fixture
def paced_service(expected_warnings: ExpectedWarnings) -> Iterator[Process]:
    """An account that takes one request a second, as the service does."""
    with account("--scale", "1,2,1", expected=expected_warnings, rate=1.0) as service:
        yield service


def test_at_one_request_a_second_nothing_is_ever_asked_too_early(
    mounting: Mounter, paced_service: Process, folder: Path
) -> None:
    mount = mounting(paced_service, options="settle=0.5", rate=1.0)
    task = mount.place / "Project 001" / "Task 001-0001"
    run("find", mount.place)
    run("sh", "-c", 'cp "$0"/* .', folder, cwd=task)
    run("cat", task / "file 01.jpg")
    mount.settled()
    assert sums(folder).items() <= sent_sums(paced_service, node_id(task)).items()
    assert {one["result"] for one in paced_service.requests()} == {"ok"}
