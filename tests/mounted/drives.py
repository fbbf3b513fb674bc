"""Drives for tests: a mount that runs as a process of its own, and programs that use it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wsfs import control, mountinfo
from wsfs.emulator.testing import Process

PATIENCE = 30.0
"""Seconds that anything may take on a busy machine before it counts as never."""

KILL_SECONDS = 5.0
"""After which a process that was killed and doesn't go hangs in the kernel."""

CONNECTIONS = Path("/sys/fs/fuse/connections")

_ALARMING = re.compile(
    r"^\S+ \S+ (WARNING|ERROR|CRITICAL) |^Traceback |^Exception ignored|^\S*Warning:", re.MULTILINE
)


def eventually(condition: Callable[[], Any], what: str = "", seconds: float = PATIENCE) -> Any:
    """Wait until `condition()` is true, and return what it returned. AssertionError when it never is."""
    until = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < until, f"it did not happen within {seconds:g} seconds: {what or condition}"
        time.sleep(0.03)


@dataclasses.dataclass(frozen=True)
class Done:
    """How a program ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def run(
    *command: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    ok: bool = True,
    seconds: float = 120.0,
) -> Done:
    """Run a program in the C locale; with `ok` its exit code has to be 0."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    outcome = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=seconds,
        check=False,
    )
    done = Done(outcome.returncode, outcome.stdout, outcome.stderr)
    assert not ok or done.code == 0, f"{command} ended with {done.code}: {done.err}{done.out}"
    return done


class Mount:
    """`wsfs mount --foreground` as a process. `place` is its mountpoint.

    The directories are below `scratch`, the mountpoint too unless another is given, so that a second Mount with the
    same one is a remount. What a test leaves in the log above INFO is a failure, unless it was expected (`unexpected`).
    `program` is a script that runs in wsfs's stead.
    """

    def __init__(
        self,
        scratch: Path,
        url: str,
        api_key: str,
        *,
        options: str = "",
        rate: float = 0.0,
        arguments: Sequence[str] = (),
        program: Path | None = None,
        place: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.scratch = scratch
        self.url = url
        self.place = place or scratch / "drive"
        self.data = scratch / "data"
        self.cache = scratch / "cache"
        self.log = scratch / "log"
        self.said = scratch / "said"
        self.runtime = scratch / "run"
        for directory in (self.place, self.runtime):
            if mountinfo.find(directory) is None:  # else a dead mount may be there, which answers nothing
                directory.mkdir(parents=True, exist_ok=True)
        self.env = {
            "WSFS_API_KEY": api_key,
            "XDG_RUNTIME_DIR": str(self.runtime),
            "XDG_CONFIG_HOME": str(scratch / "config"),
            "XDG_DATA_HOME": str(scratch / "share"),
            "DBUS_SESSION_BUS_ADDRESS": "",  # nothing of a test on anybody's desktop
            "WSFS_DRAIN": "5",
            **(env or {}),
        }
        self.command = [
            *(wsfs_command() if program is None else [sys.executable, "-P", str(program)]),
            *("mount", "--foreground", "--cache-dir", str(self.cache), "--data-dir", str(self.data)),
            *("--rate", str(rate), *(("-o", options) if options else ()), *arguments),
            *(url, str(self.place)),
        ]
        self.cut = False
        self._read = self.log.stat().st_size if self.log.exists() else 0
        self.said.unlink(missing_ok=True)
        with self.log.open("ab") as log, self.said.open("wb") as said:
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=log,
            )

    @property
    def mounted(self) -> bool:
        return mountinfo.find(self.place) is not None

    @property
    def socket(self) -> Path:
        return self.runtime / "wsfs" / control.socket_name(mountinfo.canonical(self.place))

    def wait_ready(self) -> None:
        """Wait until it serves. AssertionError with its log when it ends instead."""
        eventually(
            lambda: "is mounted at" in self.said.read_text() or self.process.poll() is not None, "the mount"
        )
        assert self.process.poll() is None, f"the mount ended: {self.log.read_text()}"

    def unexpected(self, covers: Callable[[str], bool] = lambda line: False) -> list[str]:
        """The alarming lines that came into the log since the last call, without those that were expected."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            fresh = log.read()
        self._read += len(fresh)
        lines = fresh.decode(errors="replace").splitlines()
        return [
            line
            for line in lines
            if _ALARMING.match(line)
            and not covers(line)
            and not ("max_background can't be raised" in line and not has_fusectl())
        ]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal and return its exit code. May be called again."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """kill -9, as a crash.

        One of its threads may be telling the kernel of a name, and wait for a program that makes another beside
        it, and so for the process that is being killed: then neither ends, until the connection is cut.
        """
        device = _device(self.place)
        self.process.kill()
        try:
            self.process.wait(KILL_SECONDS)
        except subprocess.TimeoutExpired:
            assert device is not None
            self.cut = True
            (CONNECTIONS / device.partition(":")[2] / "abort").write_text("1")
            self.process.wait(PATIENCE)

    def clear(self) -> None:
        """Take away what a killed process left mounted."""
        if self.mounted:
            subprocess.run(["fusermount3", "-uz", str(self.place)], check=True, timeout=PATIENCE)

    # its commands

    def wsfs(self, *arguments: str | Path, ok: bool = True) -> Done:
        """Run a command of wsfs for this mount."""
        return run(*wsfs_command(*map(str, arguments)), env=self.env, ok=ok)

    def ask(self, command: str, within: str | None = None) -> dict[str, Any]:
        """What the command line asks of the mount, without the command line."""
        return control.call(self.socket, command, within=within)

    def pinned(self) -> None:
        """Wait until everything that is pinned is there."""
        eventually(lambda: not self.ask("cache")["to_be_fetched"], "all that is pinned is fetched")

    def settled(self) -> None:
        """Wait until nothing is pending any more."""
        eventually(lambda: not self.ask("uploads")["files"], "all uploads are done")

    def flush(self) -> None:
        """Have everything sent now."""
        assert not self.ask("flush")["left"]


def _device(place: Path) -> str | None:
    """The MAJOR:MINOR of what is mounted there, from the kernel's table alone."""
    lines = [line.split(" ") for line in mountinfo.MOUNTINFO.read_text().splitlines()]
    return next((fields[2] for fields in reversed(lines) if fields[4] == str(place)), None)


def has_fusectl() -> bool:
    """Whether the kernel's limits of a mount can be seen and raised here (scripts/setup sees to it, as root)."""
    return any(CONNECTIONS.glob("*"))


def wsfs_command(*arguments: str) -> list[str]:
    """wsfs by the interpreter that runs the tests."""
    return [sys.executable, "-P", "-m", "wsfs", *arguments]


class Ledger:
    """The requests that an emulator got since the last look: what an action cost."""

    def __init__(self, service: Process) -> None:
        self._service = service
        self._seen = len(service.requests())

    def take(self) -> list[dict[str, Any]]:
        """Those since the last call, without the polls for events."""
        requests = self._service.requests()
        fresh = requests[self._seen :]
        self._seen = len(requests)
        return [one for one in fresh if one["action"] != "get_events"]

    def actions(self) -> list[str]:
        """Their actions, in order."""
        return [one["action"] for one in self.take()]

    def posts(self) -> list[dict[str, Any]]:
        """Those that change something."""
        return [one for one in self.take() if one["action"].startswith(("post_", "update_"))]


def xattr(path: Path, name: str) -> str:
    """One extended attribute as text."""
    return os.getxattr(path, name).decode()


def node_id(path: Path) -> int:
    """The id that the service has for a node."""
    return int(xattr(path, "user.worksection.id"))


def is_attachment(path: Path) -> bool:
    """Whether the file is on the server."""
    try:
        return node_id(path) > 0
    except OSError:
        return False


def files_of(service: Process, task: int) -> dict[str, dict[str, Any]]:
    """The files of a task on the server, by name; AssertionError where one name is there twice."""
    found = [file for file in service.files() if file["task"] and file["task"]["id"] == task]
    names = [file["name"] for file in found]
    assert len(names) == len(set(names)), f"there twice: {sorted(names)}"
    return {file["name"]: file for file in found}


@contextlib.contextmanager
def watchdog(mounts: Callable[[], Sequence[Mount]], seconds: float) -> Iterator[None]:
    """Kill the mounts when the block takes too long: a call that hangs in one ends with them."""
    import threading

    def bite() -> None:
        for mount in mounts():
            mount.process.kill()

    timer = threading.Timer(seconds, bite)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def status_file(mount: Mount) -> dict[str, Any]:
    """`.wsfs/status.json` as a program reads it."""
    status: dict[str, Any] = json.loads((mount.place / ".wsfs" / "status.json").read_text())
    return status
