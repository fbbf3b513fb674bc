"""kill -9, and what a person finds at the next mount."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.conftest import ExpectedWarnings
from wsfs.emulator.testing import Process

from .conftest import QUIET, Mounter, account
from .drives import Ledger, Mount, eventually, files_of, is_attachment, node_id, run

WHERE = Path("Project 001/Task 001-0001")


def killed(mount: Mount) -> None:
    """kill -9, and clear away the dead mount as its user would."""
    mount.kill()
    assert mount.mounted
    run("fusermount3", "-u", mount.place)
    assert not mount.mounted


def test_a_file_whose_copy_had_returned_is_in_its_place_and_arrives_once(
    mounting: Mounter, small_service: Process, tmp_path: Path
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=600")
    source = tmp_path / "Звіт.bin"
    source.write_bytes(os.urandom(500_000))
    os.utime(source, ns=(0, 1_600_000_000_123_456_789))
    run("cp", "-p", source, mount.place / WHERE)
    killed(mount)
    ledger = Ledger(small_service)
    again = mounting(small_service, options=f"{QUIET},settle=0.3", scratch=mount.scratch)
    copy = again.place / WHERE / source.name
    run("cmp", source, copy)
    assert copy.stat().st_mtime_ns == source.stat().st_mtime_ns
    inode = copy.stat().st_ino
    again.settled()
    assert [post["files"] for post in ledger.posts()] == [[source.name]]
    assert source.name in files_of(small_service, node_id(copy.parent))
    assert copy.stat().st_ino == inode


def test_everything_that_was_done_before_the_crash_is_found_again(
    mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=600")
    task = mount.place / WHERE
    run(
        "sh",
        "-ec",
        """
        mkdir -p Report/Data
        echo one > Report/one.txt; echo two > Report/Data/two.txt; echo old > gone.txt; echo three > three.txt
        mv three.txt Report/Data/four.txt; rm gone.txt; mkdir Empty; echo noise > .report.swp
        printf 12345678 > short.txt; truncate -s 3 short.txt; chmod 600 short.txt; touch -d @1000000000 short.txt
        """,
        cwd=task,
    )
    shown = sorted(run("find", task, "-printf", "%P %y %s %m %i\n").lines)
    killed(mount)
    again = mounting(small_service, options=f"{QUIET},settle=600", scratch=mount.scratch)
    assert sorted(run("find", task, "-printf", "%P %y %s %m %i\n").lines) == shown
    assert (task / "short.txt").read_text() == "123"
    assert (task / "short.txt").stat().st_mtime == 1_000_000_000
    assert (task / "Report" / "Data" / "four.txt").read_text() == "three\n"
    assert not (task / "gone.txt").exists()
    again.ask("flush")
    assert is_attachment(task / "Report" / "Data" / "two.txt")
    assert not is_attachment(task / ".report.swp")


def test_a_file_that_was_still_open_is_kept_and_not_sent_unasked(
    mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=0.3")
    task = mount.place / WHERE
    script = (
        "import os, sys, time; f = open(sys.argv[1], 'wb', 0); f.write(b'half'); os.fsync(f.fileno()); "
        "print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        ["python3", "-S", "-c", script, task / "half.bin"], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        mount.kill()
        writer.kill()
    run("fusermount3", "-uz", mount.place)
    ledger = Ledger(small_service)
    again = mounting(small_service, options=f"{QUIET},settle=0.3", scratch=mount.scratch)
    assert (task / "half.bin").read_bytes() == b"half"
    run("tee", task / "whole.txt", stdin="x")
    eventually(lambda: is_attachment(task / "whole.txt"))
    [item] = again.ask("uploads")["files"]
    assert (item["state"], item["path"]) == ("interrupted", f"/{WHERE}/half.bin")
    assert [post["files"] for post in ledger.posts()] == [["whole.txt"]]


def test_a_post_that_a_crash_cut_off_is_never_sent_twice(
    mounting: Mounter, small_service: Process, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("being sent")
    mount = mounting(small_service, options=f"{QUIET},settle=0.2")
    task = mount.place / WHERE
    small_service.arm("delay:3:post_comment")  # it is done at once, and answered later
    run("tee", task / "once.txt", stdin="x")
    eventually(lambda: "once.txt" in files_of(small_service, 1004))
    killed(mount)
    small_service.clear_faults()
    ledger = Ledger(small_service)
    mounting(small_service, options=f"{QUIET},settle=0.2", scratch=mount.scratch)
    run("tee", task / "later.txt", stdin="y")
    eventually(lambda: is_attachment(task / "later.txt"))
    assert (task / "once.txt").read_text() == "x"
    assert [post["files"] for post in ledger.posts()] == [["later.txt"]]
    assert "once.txt" in files_of(small_service, node_id(task))


def test_a_download_that_a_crash_cut_off_is_read_whole_afterwards(
    mounting: Mounter, small_service: Process
) -> None:
    files = [{"name": "large.bin", "size": 20_000_000, "seed": 1}]
    small_service.act("add_comment", task=1004, text="", files=files)
    mount = mounting(small_service, options=QUIET)
    large = mount.place / WHERE / "large.bin"
    small_service.arm("slow:2000000:download:1")
    assert run("head", "-c", "1000000", large, seconds=30).code == 0
    killed(mount)
    small_service.clear_faults()
    mounting(small_service, options=QUIET, scratch=mount.scratch)
    sha256 = files_of(small_service, 1004)["large.bin"]["sha256"]
    assert run("sha256sum", large).out.startswith(sha256)


def test_what_was_listed_before_a_crash_costs_no_request_after_it(
    mounting: Mounter, expected_warnings: ExpectedWarnings
) -> None:
    """The tasks are read when what was known of the projects has been written already."""
    with account("--scale", "1,2,2", "--commented", "1", expected=expected_warnings) as service:
        service.arm("delay:2:get_all_tasks:1")
        ledger = Ledger(service)
        mount = mounting(service, options=QUIET)
        shown = run("find", mount.place, "-printf", "%P %s %i\n").lines
        assert ledger.actions().count("get_files") == 3  # of the project and of the two tasks
        time.sleep(4)  # what was learnt is written a second later, and that takes a while itself
        killed(mount)
        mounting(service, options=QUIET, scratch=mount.scratch)
        assert run("find", mount.place, "-printf", "%P %s %i\n").lines == shown
        assert ledger.actions() == []


def test_a_dead_mount_is_told_and_cleared_by_umount(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=QUIET)
    run("ls", mount.place)
    mount.kill()
    assert "Transport endpoint is not connected" in run("ls", mount.place, ok=False).err
    told = mount.wsfs("status", mount.place, ok=False)
    assert f"the process of the mount at {mount.place} is gone" in " ".join(told.out.split())
    assert "cleared away" in mount.wsfs("umount", mount.place).err
    assert not mount.mounted
    again = mounting(small_service, options=QUIET, scratch=mount.scratch)
    assert run("ls", again.place).lines == ["Project 001", "Project 002"]
