"""kill -9 in the middle of a hundred downloads: what was on the disk is right, and isn't fetched again."""

from __future__ import annotations

import contextlib
import hashlib
import random
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from wsfs.emulator.testing import running_process

from .conftest import QUIET, Mounter
from .drives import Mount, node_id, run

FAST, SLOW = 50, 50
"""Files that take two seconds, and files that take eight."""


def recorded(mount: Mount) -> dict[int, list[tuple[int, int]]]:
    """What the index of a killed mount says of each file, read from a copy."""
    copy = mount.scratch / "copy"
    copy.mkdir(exist_ok=True)
    for path in (mount.cache / "content").glob("index.sqlite*"):
        (copy / path.name).write_bytes(path.read_bytes())
    with contextlib.closing(sqlite3.connect(copy / "index.sqlite")) as connection:
        rows = connection.execute("SELECT file_id, size, extents FROM files").fetchall()
    found = {}
    for file_id, size, extents in rows:
        pairs = [(0, size)]
        if extents is not None:
            pairs = [
                (int(start), int(end)) for start, end in (one.split("-") for one in extents.split(",") if one)
            ]
        found[file_id] = pairs
    return found


def read_all(files: list[Path], contents: dict[int, str]) -> None:
    """Read every file at the same time, as far as it goes; those that are read whole note their sum."""

    def read(file: Path) -> None:
        with contextlib.suppress(OSError):
            identity = node_id(file)
            contents[identity] = hashlib.sha256(file.read_bytes()).hexdigest()

    readers = [threading.Thread(target=read, args=(file,), daemon=True) for file in files]
    for reader in readers:
        reader.start()


@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_recorded_is_right_and_is_not_fetched_again(mounting: Mounter, seed: int) -> None:
    groups = ("--files", f"fast,{FAST},100000", "--files", f"slow,{SLOW},400000")
    with running_process(*groups, "--fault", "slow:50000:download") as service:
        sums = {file["id"]: file["sha256"] for file in service.files()}
        sizes = {file["id"]: file["size"] for file in service.files()}
        mount = mounting(service, options=QUIET)
        run("find", mount.place)
        files = [path for path in mount.place.rglob("*") if path.is_file()]
        assert len(files) == FAST + SLOW
        early: dict[int, str] = {}
        read_all(files, early)
        time.sleep(random.Random(seed).uniform(3.0, 6.0))
        mount.kill()
        mount.clear()
        assert early.items() <= sums.items()
        kept = recorded(mount)
        whole = {file_id for file_id, extents in kept.items() if extents == [(0, sizes[file_id])]}
        parts = {file_id for file_id, extents in kept.items() if extents} - whole
        assert whole and parts

        service.clear_faults()
        before = len(service.requests())
        again = mounting(service, options=QUIET, scratch=mount.scratch)
        late: dict[int, str] = {}
        read_all([path for path in again.place.rglob("*") if path.is_file()], late)
        until = time.monotonic() + 60
        while len(late) < len(files) and time.monotonic() < until:
            time.sleep(0.1)
        assert late == sums
        fetched = [one for one in service.requests()[before:] if one["action"] == "download"]
        assert len({one["params"]["id_file"] for one in fetched}) == len(fetched) == len(files) - len(whole)
        for one in fetched:
            file_id = int(one["params"]["id_file"])
            begin = int(one["range"].removeprefix("bytes=").removesuffix("-") or 0) if one["range"] else 0
            for start, end in kept.get(file_id, ()):
                assert not (begin < end and start < begin + one["sent"]), f"{file_id} was fetched twice"
        assert sum(one["sent"] for one in fetched) <= sum(sizes.values()) - sum(
            end - start for extents in kept.values() for start, end in extents
        )
        print(f"killed with {len(whole)} files whole and {len(parts)} in part, {len(fetched)} fetched after")
