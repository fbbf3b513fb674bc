"""What isn't on the server yet: refused, saved, let go of, sent at the end of a mount, and told on the desktop."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.conftest import ExpectedWarnings
from tests.session_bus import Server, notification_server, session_bus
from wsfs import control
from wsfs.emulator.testing import Process

from .conftest import QUIET, Mounter
from .drives import Ledger, Mount, eventually, files_of, node_id, run, wsfs_command, xattr

promise = pytest.mark.promise

HURRIED = Path(__file__).with_name("hurried.py")
TASK = Path("Project 001/Task 001-0001")
OTHER = Path("Project 001/Task 001-0002")


def listed(mount: Mount, name: str) -> dict[str, Any] | None:
    """What `wsfs uploads` says of the file of that name."""
    files: list[dict[str, Any]] = mount.ask("uploads")["files"]
    return next((one for one in files if str(one["path"]).endswith(f"/{name}")), None)


def in_state(mount: Mount, name: str, state: str) -> dict[str, Any]:
    """Wait until a file is in that state."""

    def found() -> dict[str, Any] | None:
        one = listed(mount, name)
        return one if one is not None and one["state"] == state else None

    one: dict[str, Any] = eventually(found, f"{name} is {state}")
    return one


# Refused for good


def storage_full(service: Process, task: int) -> Callable[[], object]:
    service.arm("storage-full")
    return service.clear_faults


def rights_withdrawn(service: Process, task: int) -> Callable[[], object]:
    service.arm({"name": "denied", "action": "post_*"})
    return service.clear_faults


def task_closed(service: Process, task: int) -> Callable[[], object]:
    service.act("close_task", task=task)
    return lambda: service.act("reopen_task", task=task)


@promise(
    "What Worksection refuses for good says what can be done about it, and goes again with `wsfs uploads retry`."
)
@pytest.mark.parametrize(
    ("harm", "said", "cure"),
    [
        (storage_full, "storage in Worksection is full", "make room there"),
        (rights_withdrawn, "no right to do this", "ask the project's manager"),
        (task_closed, "the task is closed", "reopen it"),
    ],
)
def test_what_is_refused_stays_readable_says_what_to_do_and_goes_once_that_is_done(
    mounting: Mounter,
    small_service: Process,
    expected_warnings: ExpectedWarnings,
    harm: Callable[[Process, int], Callable[[], object]],
    said: str,
    cure: str,
) -> None:
    expected_warnings.expect("Worksection doesn't take")
    mount = mounting(small_service, options=f"{QUIET},settle=0.2")
    task = mount.place / TASK
    number = node_id(task)
    mend = harm(small_service, number)
    run("tee", task / "plan.txt", stdin="the plan")
    refused = in_state(mount, "plan.txt", "quarantined")
    assert said in refused["reason"]
    assert cure in refused["reason"]
    assert "wsfs uploads retry" in refused["reason"]
    assert (task / "plan.txt").read_text() == "the plan"
    assert said in xattr(task / "plan.txt", "user.wsfs.upload")
    table = mount.wsfs("uploads")
    assert "plan.txt" in table.out
    assert "wsfs uploads retry" in table.err
    assert mount.ask("status")["uploads"]["attention"] == 1
    # Tried again too early, it is refused again, and still there.
    assert mount.wsfs("uploads", "retry").lines == ["1 file will be sent."]
    in_state(mount, "plan.txt", "quarantined")
    assert "plan.txt" not in files_of(small_service, number)
    mend()
    assert mount.wsfs("uploads", "retry", task).lines == ["1 file will be sent."]
    mount.settled()
    assert files_of(small_service, number)["plan.txt"]["size"] == len("the plan")
    assert mount.wsfs("uploads", "retry").lines == ["Nothing was refused there."]


def test_what_was_put_into_a_task_that_vanished_is_saved_and_let_go_of(
    mounting: Mounter, small_service: Process, expected_warnings: ExpectedWarnings, tmp_path: Path
) -> None:
    expected_warnings.expect("Worksection doesn't take")
    mount = mounting(small_service, options=f"{QUIET},settle=0.2")
    task = mount.place / TASK
    run("ls", task)
    small_service.act("delete_task", task=node_id(task))
    os.utime(run_tee(task / "plan.txt", "the plan"), ns=(0, 1_234_567_890_123_456_789))
    mount.wsfs("refresh", mount.place)
    lost = eventually(lambda: (one := listed(mount, "plan.txt")) and one["state"] != "settling" and one)
    assert lost["state"] in ("quarantined", "held")
    assert lost["path"] == f"/{TASK}/plan.txt"
    assert "wsfs uploads save DIR" in lost["reason"]
    rescued = tmp_path / "rescued"
    assert mount.wsfs("uploads", "save", rescued).code == 0
    copy = rescued / TASK / "plan.txt"
    assert copy.read_text() == "the plan"
    assert copy.stat().st_mtime_ns == 1_234_567_890_123_456_789
    # By the path that the list shows, as the drive has none for it.
    assert mount.wsfs("uploads", "discard", "--yes", f"/{TASK}/plan.txt").lines == ["1 file deleted."]
    assert mount.ask("uploads")["files"] == []
    assert list((mount.data / "spool" / "content").iterdir()) == []


def run_tee(path: Path, text: str) -> Path:
    run("tee", path, stdin=text)
    return path


@promise("`wsfs uploads discard` deletes what isn't sent, and asks before it does.")
def test_discard_asks_and_then_the_bytes_go(
    mounting: Mounter, small_service: Process, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("Worksection doesn't take")
    mount = mounting(small_service, options=f"{QUIET},settle=0.2")
    task = mount.place / TASK
    small_service.arm("storage-full")
    for name in ("a.txt", "b.txt"):
        run("tee", task / name, stdin=name)
    for name in ("a.txt", "b.txt"):
        in_state(mount, name, "quarantined")
    assert at_a_terminal(mount, "n\n", "uploads", "discard", task / "a.txt") != 0
    assert (task / "a.txt").read_text() == "a.txt"
    assert at_a_terminal(mount, "y\n", "uploads", "discard", task / "a.txt") == 0
    assert not (task / "a.txt").exists()
    assert (task / "b.txt").read_text() == "b.txt"
    assert len(list((mount.data / "spool" / "content").iterdir())) == 1
    small_service.clear_faults()
    assert mount.wsfs("uploads", "retry").code == 0
    mount.settled()
    names = files_of(small_service, node_id(task))
    assert ("a.txt" in names, "b.txt" in names) == (False, True)


def at_a_terminal(mount: Mount, answer: str, *arguments: str | Path) -> int:
    """Run a command with a terminal for its input, and type an answer."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            wsfs_command(*map(str, arguments)),
            env={**os.environ, **mount.env},
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.write(ours, answer.encode())
        return process.wait(30)
    finally:
        os.close(ours)
        os.close(theirs)


@promise(
    "`wsfs uploads save` copies out what could not be sent, also with no drive mounted, and overwrites nothing."
)
def test_with_no_mount_running_what_waits_is_listed_and_saved(
    mounting: Mounter, small_service: Process, tmp_path: Path
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=600,drain=0")
    run("cp", "-r", "/etc/default", mount.place / "Project 001")
    sums = run("find", ".", "-type", "f", "-exec", "sha256sum", "{}", "+", cwd=Path("/etc/default")).lines
    assert mount.stop() == 0
    [told] = json.loads(mount.wsfs("uploads", "--data-dir", mount.data, "--json").out)
    assert told["account"] == small_service.url
    assert {one["state"] for one in told["files"]} == {"settling"}
    done = mount.wsfs("uploads", "save", "--data-dir", mount.data, tmp_path / "rescued")
    assert done.err == ""
    place = tmp_path / "rescued" / "Project 001" / "default"
    assert sorted(run("find", ".", "-type", "f", "-exec", "sha256sum", "{}", "+", cwd=place).lines) == sorted(
        sums
    )
    # Nothing was taken from the spool: the next mount sends it.
    again = mounting(small_service, options=f"{QUIET},settle=0.2", scratch=mount.scratch)
    again.settled()
    assert len(files_of(small_service, node_id(mount.place / "Project 001" / "default"))) == len(sums)


# The end of a mount


@promise(
    "A drive that a signal ends still sends what waits, for a minute at most; the rest is kept, and the next mount's."
)
def test_a_signal_sends_what_settles_and_then_ends(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=600,drain=60")
    task = mount.place / TASK
    number = node_id(task)
    for name in ("a.txt", "b.txt"):
        run("tee", task / name, stdin=name)
    ledger = Ledger(small_service)
    assert mount.stop() == 0
    assert [post["action"] for post in ledger.posts()] == ["post_comment"]
    assert {"a.txt", "b.txt"} <= files_of(small_service, number).keys()


@promise(
    "A drive that a signal ends still sends what waits, for a minute at most; the rest is kept, and the next mount's."
)
def test_a_signal_is_not_kept_waiting_longer_than_the_option_says(
    mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=600,drain=2")
    task = mount.place / TASK
    number = node_id(task)
    small_service.arm("hang")
    run("tee", task / "a.txt", stdin="a")
    begun = time.monotonic()
    assert mount.stop() == 0
    # The post that hangs gets its grace, once the time is over.
    assert 1.5 <= time.monotonic() - begun <= 15
    assert "Sending 1 file" in mount.log.read_text()
    assert "1 file is left" in mount.log.read_text()
    small_service.clear_faults()
    assert "a.txt" not in files_of(small_service, number)
    again = mounting(small_service, options=f"{QUIET},settle=0.2", scratch=mount.scratch, program=HURRIED)
    again.settled()
    assert "a.txt" in files_of(small_service, number)


@promise("A drive that is unmounted by other means sends on until all is sent, or until it is told to stop.")
def test_after_an_unmount_from_outside_it_sends_on_and_then_ends(
    mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=600")
    task = mount.place / TASK
    number = node_id(task)
    run("ls", task)
    small_service.arm("delay:15:post_comment")
    run("tee", task / "plan.txt", stdin="the plan")
    run("fusermount3", "-u", mount.place)
    assert not mount.mounted
    [socket] = eventually(lambda: list(mount.runtime.glob("wsfs/finishing-*.sock")), "it answers")
    # The commands reach it all the same, and name it. Other drives may be on this machine.
    told = [one for one in json.loads(mount.wsfs("status", "--json").out) if one.get("unmounted")]
    assert [one["mountpoint"] for one in told] == [str(mount.place)]
    assert "still sending" in mount.wsfs("status").out
    assert "plan.txt" in mount.wsfs("uploads").out
    assert "`wsfs flush` waits for it" in mount.wsfs("umount", mount.place, ok=False).err
    assert mount.process.poll() is None
    assert control.call(socket, "flush")["sent"] == 1
    assert mount.process.wait(30) == 0
    assert files_of(small_service, number)["plan.txt"]["size"] == len("the plan")
    assert not list(mount.runtime.glob("wsfs/*.sock"))


def test_a_second_start_meanwhile_takes_over(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=600")
    task = mount.place / TASK
    number = node_id(task)
    run("ls", task)
    small_service.arm({"name": "hang", "action": "get_files"})
    run("tee", task / "a.txt", stdin="a")
    run("fusermount3", "-u", mount.place)
    time.sleep(1)
    assert mount.process.poll() is None  # it waits for the service
    again = mounting(small_service, options=f"{QUIET},settle=0.2", scratch=mount.scratch)
    small_service.clear_faults()
    assert mount.process.wait(30) == 0
    assert f"what was mounted at {mount.place} still sends; this drive takes over" in again.log.read_text()
    again.settled()
    assert "a.txt" in files_of(small_service, number)  # which fails where it is there twice


@promise("What one account hasn't sent yet never goes to another.")
def test_one_account_s_files_never_go_to_another(
    mounting: Mounter, small_service: Process, demo: Process
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=600,drain=0")
    run("tee", mount.place / TASK / "secret.txt", stdin="for us alone")
    assert mount.stop() == 0
    before = len(demo.requests())
    other = run(
        *wsfs_command(
            "mount", "--foreground", "--data-dir", str(mount.data), "--cache-dir", str(mount.cache)
        ),
        *("--rate", "0", demo.url, str(mount.place)),
        env={**mount.env, "WSFS_API_KEY": demo.api_key},
        ok=False,
    )
    assert other.code != 0
    assert f"{mount.data} belongs to {small_service.url}" in other.err
    assert "--data-dir" in other.err
    assert len(demo.requests()) == before
    again = mounting(small_service, options=f"{QUIET},settle=0.2", scratch=mount.scratch)
    again.settled()
    assert "secret.txt" in files_of(small_service, node_id(mount.place / TASK))


def test_a_flush_shows_how_far_one_large_file_is(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=600")
    task = mount.place / TASK
    run("ls", task)
    # Much more than the buffers on the way take.
    small_service.arm("slow-upload:8000000")
    (mount.scratch / "large.bin").write_bytes(os.urandom(40_000_000))
    run("cp", mount.scratch / "large.bin", task)
    seen: list[dict[str, Any]] = []

    assert control.call(mount.socket, "flush", progress=seen.append)["sent"] == 1
    # What has left includes what the kernel's buffers hold, so that the first steps are large.
    done = [one["bytes_done"] for one in seen]
    assert done == sorted(done)
    assert len({one for one in done if 0 < one < 40_000_000}) >= 3
    assert {one["files"] for one in seen} == {1}
    assert any(one["current"] == "large.bin" and one["speed"] > 0 for one in seen)
    assert any(one["seconds_left"] for one in seen)


# On the desktop


@contextlib.asynccontextmanager
async def desktop() -> AsyncIterator[tuple[str, Server]]:
    with session_bus() as address:
        async with notification_server(address) as server:
            yield address, server


@promise("Undo in a notification holds the files back where they are: nothing is sent, and nothing is lost.")
async def test_what_goes_is_told_and_undo_holds_it_back(mounting: Mounter, small_service: Process) -> None:
    async with desktop() as (address, server):

        def mount_it(**rest: Any) -> Mount:
            return mounting(
                small_service,
                options=f"{QUIET},settle=8",
                env={"DBUS_SESSION_BUS_ADDRESS": address},
                **rest,
            )

        mount = await trio.to_thread.run_sync(mount_it)
        task = mount.place / TASK
        ledger = Ledger(small_service)
        await trio.to_thread.run_sync(run, "sh", "-c", f"for n in 1 2 3; do echo $n > '{task}'/$n.txt; done")
        shown = await server.until("3 files go to Task 001-0001")
        assert "1.txt, 2.txt, 3.txt" in shown.body
        await server.press("3 files go to", "undo")
        await server.until("3 files held back in Task 001-0001")
        state = await trio.to_thread.run_sync(xattr, task / "1.txt", "user.wsfs.upload")
        assert state.startswith("interrupted: you held it back")
        await trio.sleep(9)
        assert not [one for one in ledger.take() if one["action"].startswith("post_")]
        await server.press("3 files held back", "send")
        await trio.to_thread.run_sync(mount.settled)
        assert len(ledger.posts()) == 1


async def test_what_is_refused_is_told_and_the_log_names_no_title(
    mounting: Mounter, small_service: Process, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("Worksection doesn't take")
    async with desktop() as (address, server):

        def mount_it() -> Mount:
            return mounting(
                small_service,
                options=f"{QUIET},settle=0.2,log_level=debug",
                env={"DBUS_SESSION_BUS_ADDRESS": address},
            )

        mount = await trio.to_thread.run_sync(mount_it)
        small_service.arm("storage-full")
        await trio.to_thread.run_sync(run_tee, mount.place / TASK / "plan.txt", "x")
        shown = await server.until("1 file could not be uploaded")
        assert "storage in Worksection is full" in shown.body
        assert "could not be uploaded" not in mount.log.read_text()
        small_service.clear_faults()
        await trio.to_thread.run_sync(mount.wsfs, "uploads", "retry")
        await server.until_gone("1 file could not be uploaded")
        await trio.to_thread.run_sync(mount.settled)


async def test_a_desktop_that_does_not_answer_disturbs_nothing(
    mounting: Mounter, small_service: Process
) -> None:
    async with desktop() as (address, server):
        server.silent = True

        def work() -> None:
            begun = time.monotonic()
            mount = mounting(
                small_service,
                options=f"{QUIET},settle=1",
                env={"DBUS_SESSION_BUS_ADDRESS": address},
            )
            run_tee(mount.place / TASK / "a.txt", "x")
            mount.settled()
            assert mount.stop() == 0
            assert time.monotonic() - begun < 20

        await trio.to_thread.run_sync(work)


async def test_no_notifications_are_shown_where_they_are_turned_off(
    mounting: Mounter, small_service: Process
) -> None:
    async with desktop() as (address, server):

        def work() -> None:
            mount = mounting(
                small_service,
                options=f"{QUIET},settle=2,notifications=no",
                env={"DBUS_SESSION_BUS_ADDRESS": address},
            )
            run_tee(mount.place / TASK / "a.txt", "x")
            mount.settled()
            assert mount.stop(signal.SIGINT) == 0

        await trio.to_thread.run_sync(work)
        assert server.received == 0
