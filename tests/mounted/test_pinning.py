"""Pinning, the cache's commands, and what is fetched that nobody asked for: with the kernel and real programs."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from wsfs.emulator.testing import Process, running_process

from .conftest import QUIET, Mounter
from .drives import Ledger, Mount, eventually, node_id, run, xattr

PIN = "user.wsfs.pin"


def is_pinned(path: Path) -> bool:
    return xattr(path, PIN) == "1"


def files_below(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


def sums(service: Process) -> set[str]:
    return {file["sha256"] for file in service.files()}


def test_pin_fetches_a_directory_and_keeps_it_over_a_remount_without_the_network(
    small_service: Process, mounting: Mounter
) -> None:
    mount = mounting(small_service, options=QUIET)
    ledger = Ledger(small_service)
    told = mount.wsfs("pin", mount.place)
    assert told.out.startswith("12 files, ") and told.out.endswith(" stay on this machine.\n")
    assert ledger.actions().count("download") == 12
    assert mount.wsfs("pin", mount.place).code == 0
    assert "download" not in ledger.actions()
    files = files_below(mount.place)
    assert len(files) == 12 and all(map(is_pinned, files)) and is_pinned(next(mount.place.iterdir()))
    state = json.loads(mount.wsfs("cache", mount.place, "--json").out)
    assert sorted(file["path"] for file in state["pinned"]) == [
        f"/{file.relative_to(mount.place)}" for file in files
    ]
    assert mount.wsfs("cache", "clear", mount.place).out.endswith(": 0 B freed.\n")
    assert mount.stop() == 0

    small_service.arm("reset")
    again = mounting(small_service, options=QUIET, scratch=mount.scratch)
    content = {hashlib.sha256(file.read_bytes()).hexdigest() for file in files_below(again.place)}
    small_service.clear_faults()
    assert content == sums(small_service)
    assert again.wsfs("unpin", again.place).out == "12 files unpinned.\n"
    assert not any(map(is_pinned, files_below(again.place)))
    assert not again.wsfs("cache", "clear", again.place).out.endswith(": 0 B freed.\n")
    assert xattr(files[0], "user.wsfs.cached") == "0"


def test_what_a_colleague_deletes_does_not_stay_pinned(small_service: Process, mounting: Mounter) -> None:
    mount = mounting(small_service, options=QUIET)
    gone, kept, *_ = files_below(min(mount.place.iterdir()))
    for path in (gone, kept):
        mount.wsfs("pin", path)
    small_service.act("delete_file", file=node_id(gone))
    mount.wsfs("refresh", gone.parent)
    assert not gone.exists() and is_pinned(kept)
    assert mount.stop() == 0

    again = mounting(small_service, options=QUIET, scratch=mount.scratch)
    state = json.loads(again.wsfs("cache", again.place, "--json").out)
    assert [file["path"] for file in state["pinned"]] == [f"/{kept.relative_to(mount.place)}"]


def test_a_script_pins_by_the_extended_attribute(small_service: Process, mounting: Mounter) -> None:
    mount = mounting(small_service, options=QUIET)
    project = min(mount.place.iterdir())
    one, *others = files_below(project)
    ledger = Ledger(small_service)
    run("setfattr", "-n", PIN, "-v", "1", one)
    mount.pinned()
    assert ledger.actions() == ["download"]
    assert (xattr(one, PIN), xattr(one, "user.wsfs.cached")) == ("1", "100")
    assert not is_pinned(others[0]) and not is_pinned(project)
    run("setfattr", "-x", PIN, one)
    assert not is_pinned(one)

    run("setfattr", "-n", "system.wsfs.pin", "-v", "1", project)  # what a file's owner may write, too
    eventually(lambda: is_pinned(project), "the project is pinned")
    mount.pinned()
    assert ledger.actions() == ["download"] * len(others)
    assert f'{PIN}="1"' in run("getfattr", "-d", project).out
    run("setfattr", "-n", PIN, "-v", "0", project)
    assert not any(map(is_pinned, files_below(project)))


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        (PIN, b"2", errno.EINVAL),
        ("user.wsfs.cached", b"1", errno.EOPNOTSUPP),
        ("user.other", b"1", errno.EOPNOTSUPP),
    ],
)
def test_nothing_else_can_be_set(demo_mount: Mount, name: str, value: bytes, number: int) -> None:
    with pytest.raises(OSError) as caught:
        os.setxattr(demo_mount.place, name, value)
    assert caught.value.errno == number


def test_what_is_not_on_the_server_cannot_be_pinned(drive: Mount, task: Path) -> None:
    (task / "notes.tmp").write_text("a file of this machine's")
    with pytest.raises(OSError) as caught:
        os.setxattr(task / "notes.tmp", PIN, b"1")
    assert caught.value.errno == errno.EOPNOTSUPP
    told = drive.wsfs("pin", task / "notes.tmp", ok=False)
    assert told.code == 1 and "isn't on the server" in told.err
    (task / "notes.tmp").unlink()


def test_what_does_not_fit_is_refused(mounting: Mounter) -> None:
    with running_process("--files", "big,3,2000000") as service:
        mount = mounting(service, options=QUIET, arguments=("--cache-size", "5M"))
        run("find", mount.place)
        told = mount.wsfs("pin", mount.place, ok=False)
        assert told.code == 1
        assert "3 files of 5.7 MiB can't be pinned: the cache of 5.0 MiB has room" in told.err
        with pytest.raises(OSError) as caught:
            os.setxattr(next(mount.place.iterdir()), PIN, b"1")
        assert caught.value.errno == errno.ENOSPC
        assert mount.ask("cache")["pinned"] == []
        assert mount.wsfs("pin", *files_below(mount.place)[:2]).code == 0
        for file in files_below(mount.place):
            assert hashlib.sha256(file.read_bytes()).hexdigest() in sums(service)


def test_what_was_pinned_goes_on_after_kill(mounting: Mounter) -> None:
    with running_process("--files", "many,20,300000", "--fault", "slow:1000000:download") as service:
        mount = mounting(service, options=QUIET)
        project = next(mount.place.iterdir())
        run("find", project)
        os.setxattr(project, PIN, b"1")
        eventually(lambda: Ledger(service) and len(service.requests()) > 6, "some are fetched")
        mount.kill()
        mount.clear()
        again = mounting(service, options=QUIET, scratch=mount.scratch)
        again.pinned()
        assert {hashlib.sha256(file.read_bytes()).hexdigest() for file in files_below(again.place)} == sums(
            service
        )
        assert len(again.ask("cache")["pinned"]) == 20


def test_a_walk_through_a_directory_fetches_what_comes_next(mounting: Mounter) -> None:
    with running_process("--files", "pictures,9,100000") as service:
        mount = mounting(service, options="crawl=no,poll=3600")
        first, second, *rest = files_below(mount.place)
        ledger = Ledger(service)
        first.read_bytes()
        time.sleep(0.5)
        assert ledger.actions() == ["download"]
        second.read_bytes()
        eventually(
            lambda: all(xattr(file, "user.wsfs.cached") == "100" for file in rest), "the rest is there"
        )
        assert ledger.actions() == ["download"] * 8
        assert sums(service) == {
            hashlib.sha256(file.read_bytes()).hexdigest() for file in files_below(mount.place)
        }
        assert ledger.actions() == []


def test_a_look_at_the_head_of_a_film_does_not_fetch_it(mounting: Mounter) -> None:
    with running_process("--files", "films,2,40000000", "--fault", "slow:2000000:download") as service:
        mount = mounting(service, options=QUIET)
        for film, command in zip(
            files_below(mount.place), (["head", "-c", "65536"], ["head", "-c", "4096"]), strict=True
        ):
            run(*command, film)
            eventually(lambda: mount.ask("cache")["streams"] == 0, "the download ended")
            assert int(xattr(film, "user.wsfs.cached")) < 10
        assert [one["action"] for one in service.requests()].count("download") == 2
