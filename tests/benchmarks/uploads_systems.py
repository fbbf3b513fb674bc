"""What files are copied into, side by side: wsfs, rclone mount, a floor, and the plain disk.

Each system is a context manager, mounted for itself alone; inside the block `into` is the directory for a group of
files, `sent` waits until all of them are where they are to be in the end, and `pid` is the process that serves.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.content_systems import MIB, Mounted, Nginx, System
from tests.mounted.drives import Mount
from wsfs.emulator.testing import Process

GROUPS = ("small", "large", "at once", "large at once")
"""Where files are copied into: a task of the account, a directory of the server."""

PATIENCE = 600.0
LOOK = 0.05
"""Seconds between two looks whether all has been sent."""


class Target(System):
    """One system that files are copied into."""

    at_once = False
    """Whether it has a way to be told to send without waiting (`hurry`)."""

    def into(self, group: str) -> Path:
        """The directory that a group of files is copied into."""
        return self.root / group

    def sent(self, group: str, files: Sequence[Path]) -> None:
        """Wait until the files are in the place where they stay, by the system's own defaults."""

    def hurry(self, group: str, files: Sequence[Path]) -> None:
        """As `sent`, but told not to wait for more."""
        self.sent(group, files)

    def check(self, group: str, files: Sequence[Path]) -> None:
        """AssertionError unless each file has arrived, whole and once."""


class Plain(Target):
    """A directory of the disk; sent is what a sync has written."""

    name = "plain"

    def start(self) -> None:
        for group in GROUPS:
            self.into(group).mkdir()

    def sent(self, group: str, files: Sequence[Path]) -> None:
        os.sync()

    def check(self, group: str, files: Sequence[Path]) -> None:
        assert _sizes(self.into(group)) == {file.name: file.stat().st_size for file in files}


class Floor(Mounted, Target):
    """The least that a pyfuse3 file system must do: uploads_floor.py. It sends nothing."""

    name = "floor"

    def start(self) -> None:
        (self.scratch / "files").mkdir()
        super().start()

    def into(self, group: str) -> Path:
        return self.root

    def command(self) -> Sequence[str | Path]:
        return (sys.executable, "-m", "tests.benchmarks.uploads_floor", self.scratch / "files", self.place)

    def check(self, group: str, files: Sequence[Path]) -> None:
        kept = {path.stat().st_size for path in (self.scratch / "files").iterdir()}
        assert {file.stat().st_size for file in files} <= kept


class Wsfs(Target):
    """wsfs, against the emulator; `rate` requests a second, 0 being no limit."""

    at_once = True

    def __init__(self, scratch: Path, service: Process, *, rate: float = 0.0) -> None:
        super().__init__(scratch)
        self.name = "paced" if rate else "wsfs"
        self.scratch = scratch / self.name
        self.place = self.scratch / "mount"
        self._service = service
        self._rate = rate
        self._mount: Mount | None = None

    @property
    def mount(self) -> Mount:
        """The mount, while there is one."""
        assert self._mount is not None
        return self._mount

    @property
    def root(self) -> Path:
        return self.scratch / "drive" / "Files"

    def start(self) -> None:
        self._mount = Mount(
            self.scratch,
            self._service.url,
            self._service.api_key,
            options="crawl=no,poll=3600,prefetch=no",
            rate=self._rate,
        )
        self._mount.wait_ready()
        self.pid = self._mount.process.pid
        for task in self.root.iterdir():
            list(task.iterdir())

    def sent(self, group: str, files: Sequence[Path]) -> None:
        until = time.monotonic() + PATIENCE
        while self.mount.ask("uploads")["files"]:
            assert time.monotonic() < until, "the uploads don't end"
            time.sleep(LOOK)

    def hurry(self, group: str, files: Sequence[Path]) -> None:
        self.mount.flush()

    def check(self, group: str, files: Sequence[Path]) -> None:
        there = [
            (file["name"], file["size"])
            for file in self._service.files(sha256=False)
            if file["task"]["name"] == self.task(group)
        ]
        wanted = [(file.name, file.stat().st_size) for file in files]
        assert sorted(there) == sorted(wanted), f"{len(there)} of {len(wanted)} files have arrived"

    def task(self, group: str) -> str:
        """The task that a group is copied into; a limited mount has tasks of its own."""
        return f"{group} {self.name}"

    def into(self, group: str) -> Path:
        return self.root / self.task(group)

    def stop(self) -> None:
        if self._mount is not None:
            self._mount.stop()
            self._mount.clear()


class Rclone(Mounted, Target):
    """rclone mount of nginx's WebDAV with a full cache; `write_back` is how long it waits before it sends."""

    def __init__(self, scratch: Path, server: Nginx, served: Path, *, at_once: bool = False) -> None:
        super().__init__(scratch)
        self.name = "rclone"
        self.at_once = at_once
        self.scratch = scratch / ("rclone at once" if at_once else "rclone")
        self.place = self.scratch / "mount"
        self._server = server
        self._served = served

    def start(self) -> None:
        for group in GROUPS:
            (self._served / group).mkdir(exist_ok=True)
        super().start()

    def command(self) -> Sequence[str | Path]:
        return (
            *("rclone", "mount", ":webdav:", self.place, "--config", "/dev/null"),
            *("--webdav-url", self._server.url, "--webdav-vendor", "other"),
            *("--vfs-cache-mode", "full", "--cache-dir", self.scratch / "cache"),
            *("--dir-cache-time", "1h", "--attr-timeout", "1h"),
            *(("--vfs-write-back", "0s") if self.at_once else ()),
        )

    def sent(self, group: str, files: Sequence[Path]) -> None:
        until = time.monotonic() + PATIENCE
        while len(os.listdir(self._served / group)) < len(files):  # noqa: PTH208
            assert time.monotonic() < until, "the uploads don't end"
            time.sleep(LOOK)

    def check(self, group: str, files: Sequence[Path]) -> None:
        assert _sizes(self._served / group) == {file.name: file.stat().st_size for file in files}
        shutil.rmtree(self._served / group)


def copy(files: Sequence[Path], into: Path) -> float:
    """Seconds until `cp` returns."""
    words = ["cp", "-t", str(into), *map(str, files)]
    begun = time.perf_counter()
    subprocess.run(words, check=True)
    return time.perf_counter() - begun


def write_source(place: Path, count: int, size: int) -> list[Path]:
    """Files of noise, of 8 bytes at least, each another; in the page cache afterwards."""
    place.mkdir()
    block = os.urandom(min(size, 8 * MIB))
    made = []
    for number in range(count):
        made.append(place / f"{place.name} {number:05}.dat")
        with made[-1].open("wb") as file:
            left = size
            while left > 0:
                file.write(number.to_bytes(8, "big") + block[8:left])
                left -= len(block)
    return made


def _sizes(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in directory.iterdir()}
