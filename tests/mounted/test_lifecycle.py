"""From `wsfs mount` to the end of it: what is said, what is waited for, and that nothing is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wsfs import mountinfo
from wsfs.emulator.testing import Process

from .conftest import QUIET, Mounter
from .drives import Mount, eventually, files_of, is_attachment, node_id, run, wsfs_command

promise = pytest.mark.promise

TASK = Path("Project 001/Task 001-0001")


def alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has asked after since its end doesn't."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_unmounts_in_order(
    number: signal.Signals, mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service)
    run("find", mount.place)
    run("tee", mount.place / TASK / "pending.txt", stdin="x")
    assert mount.stop(number) == 0
    assert not mount.mounted
    assert not mount.socket.exists()
    assert list(mount.place.iterdir()) == []


def test_unmounting_by_fusermount3_ends_the_process(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=QUIET)
    run("fusermount3", "-u", mount.place)
    assert mount.process.wait(20) == 0


def test_a_signal_while_a_program_is_in_the_drive_unmounts_all_the_same(
    mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service, options=QUIET)
    with subprocess.Popen(["sleep", "60"], cwd=mount.place / TASK) as program:
        assert mount.stop() == 0
        assert not mount.mounted
        program.kill()


def telling_the_kernel(pid: int) -> bool:
    """Whether a thread of the process is in the kernel, to tell it of a name, and waits there."""
    stats = [(task / "stat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return any("(_invalidate" in stat and stat.rpartition(") ")[2][0] == "D" for stat in stats)


@pytest.mark.parametrize("way", ["a signal", "umount"])
def test_an_end_while_a_program_and_the_kernel_wait_for_each_other_is_an_end(
    way: str, mounting: Mounter, small_service: Process
) -> None:
    """A program makes a file and holds its directory's lock until it is answered; a thread tells the kernel of another
    name in that directory, waits for the lock, and keeps the connection open that nobody answers at any more."""
    mount = mounting(small_service, options="crawl=no,poll=1", program=Path(__file__).parent / "holding.py")
    task = mount.place / TASK
    run("ls", task)
    held = task / "held.txt"
    with subprocess.Popen(["touch", held], stderr=subprocess.PIPE, text=True) as program:
        files = [{"name": "from a colleague.txt", "text": "hello"}]
        small_service.act("add_comment", task=node_id(task), text="see", files=files)
        eventually(lambda: telling_the_kernel(mount.process.pid), "a thread in the kernel")
        assert program.poll() is None
        if way == "umount":
            mount.wsfs("umount", "--now", mount.place)
            assert mount.process.wait(20) == 0
        else:
            begun = time.monotonic()
            assert mount.stop() == 0
            assert time.monotonic() - begun < 10
        assert program.wait(10) == 1
        assert program.stderr is not None
        assert "held.txt" in program.stderr.read()
    assert not mount.mounted


def test_what_is_being_sent_at_the_end_is_sent_once(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=0.1")
    small_service.arm("delay:1:post_comment")
    run("tee", mount.place / TASK / "late.txt", stdin="x")
    eventually(lambda: [one for one in small_service.requests() if one["action"] == "post_comment"])
    assert mount.stop() == 0
    small_service.clear_faults()
    again = mounting(small_service, options=f"{QUIET},settle=0.1", scratch=mount.scratch)
    again.settled()
    assert is_attachment(mount.place / TASK / "late.txt")
    assert "late.txt" in files_of(small_service, node_id(mount.place / TASK))


def test_a_second_mount_at_the_same_place_is_refused_and_the_first_lives_on(
    mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service, options=QUIET)
    refused = run(*mount.command, env=mount.env, ok=False)
    assert refused.code == 1
    assert refused.err == (
        f"wsfs: {mount.place} is already mounted (process {mount.process.pid}); "
        f"`wsfs umount {mount.place}` ends that\n"
    )
    assert run("ls", mount.place).lines == ["Project 001", "Project 002"]


def test_a_second_mount_with_the_same_directories_is_refused(
    mounting: Mounter, small_service: Process, tmp_path: Path
) -> None:
    mount = mounting(small_service, options=QUIET)
    (tmp_path / "other").mkdir()
    refused = run(*mount.command[:-1], tmp_path / "other", env=mount.env, ok=False)
    assert refused.code == 1
    assert refused.err.startswith(f"wsfs: the mount at {mount.place} is using {mount.data}")
    assert mountinfo.find(tmp_path / "other") is None


@pytest.mark.parametrize(
    ("key", "account", "words"),
    [
        ("0" * 32, None, "doesn't accept the API key"),
        (None, "http://127.0.0.1:1", "check the network"),
        (None, "not an account", "not an account"),
    ],
)
def test_a_wrong_key_or_account_is_one_sentence(
    key: str | None, account: str | None, words: str, small_service: Process, tmp_path: Path
) -> None:
    (tmp_path / "drive").mkdir()
    env = {"WSFS_API_KEY": key or small_service.api_key, "XDG_RUNTIME_DIR": str(tmp_path)}
    directories = ("--cache-dir", str(tmp_path / "cache"), "--data-dir", str(tmp_path / "data"))
    for foreground in ((), ("--foreground",)):
        command = wsfs_command("mount", *foreground, *directories, "--rate", "0")
        refused = run(*command, account or small_service.url, tmp_path / "drive", env=env, ok=False)
        assert refused.code == 1
        [sentence] = [line for line in refused.err.splitlines() if " INFO " not in line]
        assert sentence.startswith("wsfs: ")
        assert words in sentence
        assert "Traceback" not in refused.err
        assert mountinfo.find(tmp_path / "drive") is None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda place: None, "doesn't exist; make it with"),
        (lambda place: place.write_text("x"), "is not a directory"),
        (lambda place: (place.mkdir(), (place / "a").touch()), "is not empty"),
    ],
)
def test_a_mountpoint_that_will_not_do_is_one_sentence(
    make: Callable[[Path], object], words: str, small_service: Process, tmp_path: Path
) -> None:
    place = tmp_path / "drive"
    make(place)
    env = {"WSFS_API_KEY": small_service.api_key, "XDG_RUNTIME_DIR": str(tmp_path)}
    refused = run(*wsfs_command("mount", small_service.url, str(place)), env=env, ok=False)
    assert refused.code == 1
    assert len(refused.err.splitlines()) == 1
    assert words in refused.err


@promise("`wsfs umount` waits until what was copied in has arrived.")
def test_in_the_background_it_returns_once_it_serves_and_umount_waits_for_uploads(
    small_service: Process, tmp_path: Path
) -> None:
    place = tmp_path / "drive"
    for directory in (place, tmp_path / "run"):
        directory.mkdir()
    env = {
        "WSFS_API_KEY": small_service.api_key,
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "XDG_DATA_HOME": str(tmp_path / "share"),
    }
    directories = ("--cache-dir", str(tmp_path / "cache"), "--data-dir", str(tmp_path / "data"))
    options = ("--rate", "0", "-o", f"{QUIET},settle=600")
    try:
        said = run(*wsfs_command("mount", *directories, *options, small_service.url, str(place)), env=env)
        assert f"is mounted at {place}" in said.lines[0]
        assert said.err == ""
        assert run("ls", place).lines == ["Project 001", "Project 002"]
        status = json.loads(run(*wsfs_command("status", str(place), "--json"), env=env).out)
        pid = status["pid"]
        assert status["mountpoint"] == str(place)
        assert small_service.api_key not in Path(f"/proc/{pid}/cmdline").read_text()
        assert str(place) in run(*wsfs_command("status"), env=env).out
        run("cp", "/etc/hostname", place / TASK / "pending.txt")
        assert not is_attachment(place / TASK / "pending.txt")
        ended = run(*wsfs_command("umount", str(place)), env=env)
        assert "Sent 1 file." in ended.out
        assert mountinfo.find(place) is None
        assert not alive(pid)
        assert "pending.txt" in files_of(small_service, 1004)
        log = (tmp_path / "data" / "wsfs.log").read_text()
        assert "WARNING" not in log
        assert "Traceback" not in log
        assert (tmp_path / "data" / "wsfs.log").stat().st_mode & 0o777 == 0o600
    finally:
        if mountinfo.find(place) is not None:
            run("fusermount3", "-uz", place)


def test_umount_now_keeps_what_is_pending_for_the_next_mount(
    mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=600")
    run("tee", mount.place / TASK / "pending.txt", stdin="x")
    mount.wsfs("umount", "--now", mount.place)
    assert mount.process.wait(20) == 0
    again = mounting(small_service, options=f"{QUIET},settle=0.1", scratch=mount.scratch)
    again.settled()
    assert (mount.place / TASK / "pending.txt").read_text() == "x"
    assert "pending.txt" in files_of(small_service, node_id(mount.place / TASK))


def test_the_key_is_told_to_nobody(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, arguments=("--debug",))
    run("find", mount.place)
    run("cat", mount.place / TASK / "file 01.jpg")
    pid = mount.process.pid
    key = small_service.api_key
    assert key not in mount.log.read_text()
    assert key not in Path(f"/proc/{pid}/cmdline").read_text()
    assert key not in (mount.place / ".wsfs" / "requests.log").read_text()
    assert run("grep", "-r", "-l", key, mount.data, mount.cache, ok=False).out == ""
    assert mount.data.stat().st_mode & 0o777 == 0o700
    assert mount.cache.stat().st_mode & 0o777 == 0o700


def test_the_demo_is_what_the_readme_promises_and_leaves_nothing(tmp_path: Path) -> None:
    place = tmp_path / "Worksection"
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "share")}
    command = wsfs_command("demo", str(place), "-o", "settle=0.2")
    with (tmp_path / "said").open("wb") as said, (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=log)
    try:
        eventually(
            lambda: "is mounted at" in (tmp_path / "said").read_text() or process.poll() is not None,
            "the demo",
        )
        assert process.poll() is None, (tmp_path / "log").read_text()
        children = [
            int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        ]
        assert len(children) >= 1
        assert "Website relaunch" in run("ls", place).lines
        task = place / "Website relaunch" / "Design"
        assert run("head", "-c", "5", task / "Style guide.pdf").out == "%PDF-"
        run("cp", "/etc/hostname", task / "note.txt")
        eventually(lambda: is_attachment(task / "note.txt"), "the upload")
        # A terminal sends Ctrl-C to the drive; the emulator is in a group of its own.
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
    assert mountinfo.find(place) is None
    assert not place.exists()
    until = time.monotonic() + 10
    while any(alive(pid) for pid in children) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in children)
    assert (tmp_path / "log").read_text() == ""


def test_the_mount_is_ready_before_the_account_is_read(mounting: Mounter, small_service: Process) -> None:
    """A slow account holds up whoever looks into it, not the mount that knows it already."""
    mount = mounting(small_service, options=QUIET)
    before = run("find", mount.place).lines
    assert mount.stop() == 0
    small_service.arm("hang")
    again = mounting(small_service, options=QUIET, scratch=mount.scratch)
    assert run("find", again.place, seconds=10).lines == before
    small_service.clear_faults()
    assert isinstance(again, Mount)
