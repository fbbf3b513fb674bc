"""Asking a real drive: status, url, log and doctor, what they say and what they cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from wsfs.emulator.testing import Process

from .conftest import QUIET, Mounter
from .drives import Ledger, Mount, eventually, node_id, run, wsfs_command, xattr


def test_status_costs_nothing_and_says_what_is_going_on(small_service: Process, mounting: Mounter) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=3600")
    run("find", mount.place)
    task = next(path for path in next(mount.place.iterdir()).iterdir() if path.is_dir())
    (task / "new.txt").write_text("a" * 5000)
    ledger = Ledger(small_service)
    assert "1 file not there yet" in mount.wsfs("status", mount.place).out
    one = json.loads(mount.wsfs("status", mount.place, "--json").out)
    assert one["uploads"]["files"] == 1
    assert one["requests"]["next"]["seconds"] >= 0
    assert set(one["requests"]["waiting"]) == {"person", "upload", "refresh", "background"}
    assert one["data_dir"] == str(mount.data)
    assert ledger.take() == []
    mount.flush()
    assert "everything is on the server" in mount.wsfs("status", mount.place).out


def test_a_drive_that_hangs_is_said_so_within_two_seconds(small_service: Process, mounting: Mounter) -> None:
    mount = mounting(small_service, options=QUIET)
    run("ls", mount.place)
    mount.process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        done = mount.wsfs("status", mount.place, "--json")
        took = time.monotonic() - began
    finally:
        mount.process.send_signal(signal.SIGCONT)
    one = json.loads(done.out)
    assert "it has not answered for 2 s" in one["error"]
    assert f"`kill -9 {mount.process.pid}` and then `wsfs umount {mount.place}`" in one["error"]
    assert took < 5.0  # two for the drive, the rest for Python on a busy machine
    assert "error" not in json.loads(mount.wsfs("status", mount.place, "--json").out)


def test_a_stale_drive_is_named_with_the_cure(small_service: Process, mounting: Mounter) -> None:
    mount = mounting(small_service, options=QUIET)
    mount.kill()
    one = json.loads(mount.wsfs("status", mount.place, "--json").out)
    assert f"is gone; `wsfs umount {mount.place}` clears it" in one["error"]
    doctor = mount.wsfs("doctor", mount.place, "--offline", "--json", ok=False)
    assert doctor.code == 1
    finding = next(one for one in json.loads(doctor.out) if one["check"].startswith("drive at"))
    assert (finding["state"], finding["cure"]) == ("bad", f"`wsfs umount {mount.place}` clears it")
    mount.wsfs("umount", mount.place)
    assert not mount.mounted


def test_the_address_of_everything(drive: Mount, service: Process, task: Path) -> None:
    old = next(path for path in task.iterdir() if path.is_file())
    pending = task / "pending.txt"
    pending.write_text("a")
    project = node_id(task.parent)
    page = f"{service.url}/project/{project}/{node_id(task)}/"
    told = drive.wsfs("url", drive.place, task.parent, task, old, pending).lines
    assert told == [
        f"{service.url}/",
        f"{service.url}/project/{project}/",
        page,
        xattr(old, "user.worksection.url"),
        page,
    ]
    missing = drive.wsfs("url", task / "missing.txt", task, ok=False)
    assert (missing.code, missing.lines) == (1, [page])


def test_open_starts_the_browser_at_the_task(
    drive: Mount, service: Process, task: Path, tmp_path: Path
) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/seen\n')
    browser.chmod(0o755)
    files = [path for path in task.iterdir() if path.is_file()]
    environment = {**os.environ, **drive.env, "BROWSER": str(browser)}
    subprocess.run(wsfs_command("open", *map(str, files)), env=environment, check=True, timeout=60)
    page = f"{service.url}/project/{node_id(task.parent)}/{node_id(task)}/\n"
    assert eventually((tmp_path / "seen").exists)
    assert (tmp_path / "seen").read_text() == page


def test_the_word_for_an_emblem_costs_nothing(drive: Mount, task: Path, ledger: Ledger) -> None:
    run("ls", task)
    old = next(path for path in task.iterdir() if path.is_file())
    ledger.take()
    assert xattr(old, "user.wsfs.state") in ("online", "here")
    (task / "pending.txt").write_text("a")
    assert xattr(task / "pending.txt", "user.wsfs.state") == "waiting"
    with pytest.raises(OSError, match="No data"):
        xattr(task, "user.wsfs.state")
    assert ledger.actions() == []
    drive.flush()
    assert xattr(task / "pending.txt", "user.wsfs.state") == "here"


def test_the_last_requests(drive: Mount, task: Path) -> None:
    run("cat", *[path for path in task.iterdir() if path.is_file()])
    last = drive.wsfs("log", drive.place, "--requests", "-n", "1").lines
    assert len(last) == 1
    assert last == (drive.place / ".wsfs" / "requests.log").read_text().splitlines()[-1:]
    # Started by the tests, its log goes into a file, as with `2> file` in a shell.
    assert any("is mounted at" in line for line in drive.wsfs("log", drive.place, "-n", "100000").lines)


def test_the_log_of_a_drive_in_the_background(small_service: Process, tmp_path: Path) -> None:
    place = tmp_path / "drive"
    place.mkdir()
    (tmp_path / "run").mkdir(mode=0o700)
    environment = {
        "WSFS_API_KEY": small_service.api_key,
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_DATA_HOME": str(tmp_path / "share"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    run(*wsfs_command("mount", "--rate", "0", small_service.url, str(place)), env=environment)
    try:
        told = run(*wsfs_command("log", str(place)), env=environment).out
        assert "is mounted at" in told
        doctor = run(*wsfs_command("doctor", str(place), "--json"), env=environment, ok=False)
        rows = {one["check"]: one for one in json.loads(doctor.out)}
        for check in ("data directory", "cache directory", "databases", "login", "clock", "connection"):
            assert rows[check]["state"] == "good", rows[check]
        assert rows[f"drive at {place}"]["state"] == "good"
        assert "asking" in doctor.err
        assert [one["action"] for one in small_service.requests()].count("get_events") >= 1
    finally:
        run(*wsfs_command("umount", str(place)), env=environment)
    # Where nothing is mounted any more the account's name finds it.
    told = run(*wsfs_command("log", small_service.url), env=environment).out
    assert "is unmounted" in told
