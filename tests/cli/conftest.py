"""A drive that exists in a table and at a socket alone, for the commands to talk to."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest
import trio

from wsfs import control, mountinfo
from wsfs.cli import main, pending, preflight
from wsfs.control import ControlError, Progress


class FakeDrive:
    """Serves the control socket of `mountpoint` from a thread, and stands in the table of mounts till it is stopped."""

    def __init__(self, mountpoint: Path, table: Path) -> None:
        self.mountpoint = mountpoint
        self.table = table
        self.calls: list[tuple[str, str | None]] = []
        self.inodes: dict[str, list[int]] = {}
        self.progress: list[dict[str, Any]] = [
            {"files": 2, "files_done": 1, "bytes": 100, "bytes_done": 50, "current": "a\n.txt"}
        ]
        self.answers: dict[str, dict[str, Any]] = {}
        self.refusals: dict[str, str] = {}
        self.unmounts_when_stopped = True
        self.ended = False
        self._started = threading.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope: trio.CancelScope | None = None
        self._thread = threading.Thread(target=trio.run, args=(self._serve,))

    def start(self) -> None:
        with self.table.open("a") as table:
            print(self._row, file=table)
        self._thread.start()
        assert self._started.wait(10)

    def end(self) -> None:
        """Stop serving, as when the process dies: the table keeps its row."""
        assert self._token is not None and self._scope is not None
        self.ended = True
        if self._thread.is_alive():
            self._token.run_sync_soon(self._scope.cancel)
        self._thread.join(10)

    @property
    def _row(self) -> str:
        place = str(self.mountpoint).replace(" ", "\\040")
        return f"9 1 0:9 / {place} rw - fuse.wsfs acme rw,user_id={os.geteuid()},group_id=0"

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with trio.CancelScope() as self._scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(control.serve_control, self, control.control_path(self.mountpoint))
                self._started.set()

    def _answer(self, command: str, path: str | None = None) -> dict[str, Any]:
        self.calls.append((command, path))
        if command in self.refusals:
            raise ControlError(self.refusals[command])
        return self.answers.get(command, {})

    def status(self) -> dict[str, Any]:
        return self._answer("status")

    def uploads(self) -> dict[str, Any]:
        return self._answer("uploads")

    async def flush(self, path: str | None, progress: Progress) -> dict[str, Any]:
        for state in self.progress:
            await progress(state)
        return self._answer("flush", path)

    async def send(self, path: str) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return self._answer("send", path)

    async def retry(self, inodes: Collection[int]) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        self.inodes["retry"] = list(inodes)
        return self._answer("retry")

    async def discard(self, inodes: Collection[int]) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        self.inodes["discard"] = list(inodes)
        return self._answer("discard")

    async def refresh(self, path: str | None) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return self._answer("refresh", path)

    async def pin(self, path: str | None, progress: Progress) -> dict[str, Any]:
        await progress({"files": 2, "files_done": 1, "bytes": 100, "bytes_done": 50, "requests_left": 1})
        return self._answer("pin", path)

    def unpin(self, path: str | None) -> dict[str, Any]:
        return self._answer("unpin", path)

    def cache(self) -> dict[str, Any]:
        return self._answer("cache")

    async def clear_cache(self) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return self._answer("clear_cache")

    async def url(self, path: str | None) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return self._answer("url", path)

    def requests(self, after: int) -> dict[str, Any]:
        return self._answer("requests", str(after))

    def stop(self) -> None:
        self.calls.append(("stop", None))
        if self.unmounts_when_stopped:
            rows = self.table.read_text().replace(self._row + "\n", "")
            self.table.write_text(rows)
        assert self._scope is not None
        self._scope.cancel()


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of mounts with a root alone; sockets lie below tmp_path too."""
    path = tmp_path / "mountinfo"
    path.write_text("1 0 0:1 / / rw - ext4 /dev/vda rw\n")
    monkeypatch.setattr(mountinfo, "MOUNTINFO", path)
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setattr(pending, "SYSTEM_DATA", tmp_path / "system")
    return path


@pytest.fixture
def add_drive(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], FakeDrive]]:
    """Starts drives by name; they end with the test."""
    drives: list[FakeDrive] = []

    def probe(place: Path, seconds: float = preflight.PROBE_SECONDS) -> int:
        return errno.ENOTCONN if any(place == one.mountpoint and one.ended for one in drives) else 0

    monkeypatch.setattr(preflight, "probe", probe)

    def add(name: str) -> FakeDrive:
        place = tmp_path.resolve() / name
        place.mkdir()
        drive = FakeDrive(place, table)
        drive.start()
        drives.append(drive)
        return drive

    yield add
    for drive in drives:
        drive.end()


@pytest.fixture
def drive(add_drive: Callable[[str], FakeDrive]) -> FakeDrive:
    return add_drive("Work section")


@pytest.fixture
def wsfs(table: Path) -> Callable[..., click.testing.Result]:
    """Runs a command line in this process."""

    def run(*arguments: str | Path, **rest: Any) -> click.testing.Result:
        result = click.testing.CliRunner().invoke(main, [str(word) for word in arguments], **rest)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
