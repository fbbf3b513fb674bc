"""What colleagues do shows within a poll, and what is known stays while the service is away."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ExpectedWarnings
from wsfs.emulator.testing import Process, running_process

from .conftest import QUIET, Mounter, account
from .drives import Ledger, Mount, eventually, files_of, node_id, run, status_file

POLL = "crawl=no,poll=1,settle=0.3"
#: A poll, with its jitter, the request that follows it, and a busy machine.
SOON = 10.0


@pytest.fixture
def fresh(mounting: Mounter, small_service: Process) -> Mount:
    """A mount that polls every second and has been looked at all over, so that the kernel holds it all."""
    mount = mounting(small_service, options=POLL)
    run("find", mount.place)
    run("ls", "-lR", mount.place)
    return mount


@pytest.fixture
def task(fresh: Mount) -> Path:
    return fresh.place / "Project 001" / "Task 001-0001"


def missing(path: Path) -> bool:
    return "No such file or directory" in run("stat", path, ok=False).err


def test_a_new_file_in_a_comment_shows(task: Path, small_service: Process) -> None:
    assert missing(task / "from a colleague.txt")
    small_service.act(
        "add_comment",
        task=node_id(task),
        text="see",
        files=[{"name": "from a colleague.txt", "text": "hello"}],
    )
    eventually(lambda: "from a colleague.txt" in run("ls", task).lines, "the new name", SOON)
    assert run("cat", task / "from a colleague.txt").out == "hello"


def test_a_name_that_the_kernel_held_for_missing_is_found(task: Path, small_service: Process) -> None:
    for _ in range(3):
        assert missing(task / "late.txt")
    small_service.act("add_comment", task=node_id(task), text="", files=[{"name": "late.txt", "text": "x"}])
    eventually(lambda: not missing(task / "late.txt"), "the name", SOON)


def test_a_newer_file_of_a_name_has_the_plain_one(task: Path, small_service: Process) -> None:
    old = node_id(task / "file 01.jpg")
    small_service.act(
        "add_comment", task=node_id(task), text="", files=[{"name": "file 01.jpg", "text": "new"}]
    )
    eventually(lambda: (task / "file 01.jpg").stat().st_size == 3, "the new one", SOON)
    assert run("cat", task / "file 01.jpg").out == "new"
    assert node_id(task / f"file 01 (id {old}).jpg") == old


def test_a_renamed_task_shows_and_its_old_name_is_gone(task: Path, small_service: Process) -> None:
    inode = task.stat().st_ino
    small_service.act("rename_task", task=node_id(task), name="Renamed by a colleague")
    renamed = task.with_name("Renamed by a colleague")
    eventually(lambda: not missing(renamed), "the new name", SOON)
    assert missing(task)
    assert task.name not in run("ls", task.parent).lines
    assert renamed.stat().st_ino == inode
    assert "file 01.jpg" in run("ls", renamed).lines


def test_a_deleted_task_goes_and_an_open_file_of_it_stays_readable(
    task: Path, small_service: Process
) -> None:
    expected = (task / "file 02.docx").read_bytes()
    descriptor = os.open(task / "file 02.docx", os.O_RDONLY)
    try:
        small_service.act("delete_task", task=node_id(task))
        eventually(lambda: missing(task), "the end of the task", SOON)
        assert missing(task / "file 01.jpg")
        assert task.name not in run("ls", task.parent).lines
        assert os.pread(descriptor, len(expected) + 1, 0) == expected
    finally:
        os.close(descriptor)


def test_a_closed_task_moves_to_done_and_a_reopened_one_back(task: Path, small_service: Process) -> None:
    inode, number = task.stat().st_ino, node_id(task)
    small_service.act("close_task", task=number)
    done = task.parent / "Done" / task.name
    eventually(lambda: not missing(done), "the task in Done", SOON)
    assert missing(task)
    assert done.stat().st_ino == inode
    small_service.act("reopen_task", task=number)
    eventually(lambda: not missing(task), "the task back", SOON)
    assert missing(done)
    assert missing(task.parent / "Done")


def test_new_tasks_and_projects_show_and_archived_ones_go(fresh: Mount, small_service: Process) -> None:
    project = node_id(fresh.place / "Project 001")
    small_service.act(
        "add_task", project=project, name="Нове завдання", files=[{"name": "a.txt", "text": "a"}]
    )
    made = small_service.act("add_project", name="New project")["id"]
    eventually(lambda: not missing(fresh.place / "Project 001" / "Нове завдання" / "a.txt"), "the task", SOON)
    eventually(lambda: "New project" in run("ls", fresh.place).lines, "the project", SOON)
    small_service.act("close_project", project=made)
    eventually(lambda: "New project" not in run("ls", fresh.place).lines, "its end", SOON)
    assert missing(fresh.place / "New project")


def test_a_program_that_stands_in_a_renamed_task_goes_on(task: Path, small_service: Process) -> None:
    descriptor = os.open(task, os.O_RDONLY | os.O_DIRECTORY)
    try:
        small_service.act("rename_task", task=node_id(task), name="Elsewhere")
        eventually(lambda: missing(task), "the new name", SOON)
        assert set(os.listdir(descriptor)) == {"file 01.jpg", "file 02.docx"}  # noqa: PTH208 - a descriptor
        assert os.stat("file 01.jpg", dir_fd=descriptor).st_size > 0
    finally:
        os.close(descriptor)


def test_refresh_asks_anew_where_no_poll_would(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=QUIET)
    project = mount.place / "Project 001"
    run("find", mount.place)
    number = node_id(project)
    small_service.act("add_file_to_project", project=number, file={"name": "section.txt", "text": "x"})
    assert "section.txt" not in run("ls", project).lines
    mount.wsfs("refresh", project)
    eventually(lambda: "section.txt" in run("ls", project).lines, "the file", SOON)


def test_idle_polls_cost_one_request_each(fresh: Mount, small_service: Process) -> None:
    seen = len(small_service.requests())
    eventually(lambda: len(small_service.requests()) >= seen + 3, "three polls")
    assert {one["action"] for one in small_service.requests()[seen:]} == {"get_events"}


# Away and back


@pytest.fixture
def away_and_back(expected_warnings: ExpectedWarnings) -> Iterator[Process]:
    """The same account each time it is started, at whatever port."""
    with account("--scale", "1,2,3", expected=expected_warnings) as service:
        yield service


def test_without_the_service_what_is_known_lists_and_what_is_cached_reads(
    mounting: Mounter, away_and_back: Process, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("An upload has to wait")
    service = away_and_back
    mount = mounting(service, options="crawl=no,poll=1,settle=0.2,deadline=2")
    task = mount.place / "Project 001" / "Task 001-0001"
    cached, uncached = task / "file 01.jpg", task / "file 02.docx"
    shown = run("find", mount.place, "-printf", "%P %s %i\n").lines
    content = cached.read_bytes()
    port = int(service.url.rpartition(":")[2])
    service.stop()
    began = time.monotonic()
    refused = run("cat", uncached, ok=False)
    assert "Connection timed out" in refused.err
    assert time.monotonic() - began < 10
    assert run("find", mount.place, "-printf", "%P %s %i\n").lines == shown
    assert cached.read_bytes() == content
    began = time.monotonic()
    assert "Connection timed out" in run("cat", uncached, ok=False).err
    assert time.monotonic() - began < 2  # by now it is known
    eventually(lambda: status_file(mount)["account_known"]["mode"] == "offline", "the status")
    run("cp", "/etc/hostname", task / "offline.txt")
    assert (task / "offline.txt").read_bytes() == Path("/etc/hostname").read_bytes()
    with running_process("--scale", "1,2,3", port=port) as again:
        assert (again.url, again.api_key) == (service.url, service.api_key)
        eventually(lambda: run("cat", uncached, ok=False).code == 0, "the way back", 60)
        eventually(lambda: not mount.ask("uploads")["files"], "the upload", 60)
        assert "offline.txt" in files_of(again, node_id(task))
        eventually(lambda: status_file(mount)["account_known"]["mode"] == "events", "the status")
        assert mount.stop() == 0


def test_a_service_that_stumbles_is_not_seen_by_programs(
    fresh: Mount, task: Path, small_service: Process
) -> None:
    small_service.arm("429@0.3", "reset@0.2")
    try:
        for path in (task / "file 01.jpg", task / "file 02.docx"):
            assert run("cat", path, ok=False).err == ""
    finally:
        small_service.clear_faults()


def test_a_warm_drive_costs_nothing_whatever_is_asked(fresh: Mount, small_service: Process) -> None:
    run("sh", "-c", 'find "$0" -type f -exec cat {} + | wc -c', fresh.place)
    ledger = Ledger(small_service)
    for _ in range(2):
        run("find", fresh.place)
        run("ls", "-lR", fresh.place)
        run("sh", "-c", 'find "$0" -type f -exec sha256sum {} + | wc -c', fresh.place)
        run("du", "-sh", fresh.place)
    assert ledger.actions() == []
