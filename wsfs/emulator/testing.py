"""An emulator for the time of a test: in the test's own loop, or as a process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import trio

from wsfs.emulator.account import Account
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.server import serve


@asynccontextmanager
async def running(
    account: Account | None = None, *, rate: float = 0.0, port: int = 0, **options: Any
) -> AsyncIterator[Emulator]:
    """Serve an emulator while the block runs; without an account it has an empty one.

    No limit of requests unless a `rate` is given; other options are Emulator's. An error of the block comes out as
    it is, in no group. An account that was handed in stays open, and may be served again.
    """
    emulator = Emulator(account or Account(), rate=rate, **options)
    failure: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: serve(emulator, port=port, task_status=task_status))
            try:
                yield emulator
            except Exception as error:  # noqa: BLE001 - it is raised below, outside the nursery's group
                failure = error
            nursery.cancel_scope.cancel()
    finally:
        if account is None:
            emulator.account.close()
    if failure is not None:
        raise failure


class Process:
    """An emulator that runs as a process of its own, for synchronous tests and mounts."""

    def __init__(self, process: subprocess.Popen[str], said: dict[str, str]) -> None:
        self.process = process
        self.url = said["url"]
        self.api_key = said["api_key"]
        self.token = said["token"]

    def files(self, *, sha256: bool = True) -> list[dict[str, Any]]:
        """Return id, name, size, sha256 (it takes its time), task and project of every file."""
        listed: list[dict[str, Any]] = self._ask("GET", f"files.json?sha256={int(sha256)}")
        return listed

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests that came in (emulator.Seen)."""
        seen: list[dict[str, Any]] = self._ask("GET", "requests.json")
        return seen

    def arm(self, *faults: str | dict[str, Any]) -> None:
        """Arm faults, written as for `--fault` or as objects (faults.read). Raises ValueError for what is none."""
        self._ask("POST", "faults", list(faults))

    def faults(self) -> list[dict[str, Any]]:
        """Return name, action, count and strikes of the faults that are armed."""
        armed: list[dict[str, Any]] = self._ask("GET", "faults.json")
        return armed

    def clear_faults(self) -> None:
        """Take all faults away, and release what hangs in them."""
        self._ask("DELETE", "faults")

    def act(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Do what a colleague does on the web (colleague.py); return the ids of what was made."""
        done: dict[str, Any] = self._ask("POST", "colleague", {"do": do, **arguments})["data"]
        return done

    def stop(self) -> int:
        """End it as Ctrl-C does and return its exit code. May be called twice."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def _ask(self, method: str, page: str, said: object = None) -> Any:
        body = None if said is None else json.dumps(said).encode()
        request = urllib.request.Request(f"{self.url}/emulator/{page}", data=body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["message"]) from None


@contextmanager
def running_process(*arguments: str, port: int = 0, rate: float = 0.0) -> Iterator[Process]:
    """Run `wsfs emulator` with the arguments while the block runs: the demo account, unless `--scale` is among them.

    Raises RuntimeError, with what it wrote, when it doesn't come up.
    """
    command = [sys.executable, "-m", "wsfs", "emulator", "--json", "--port", str(port), "--rate", str(rate)]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        said = json.loads(line)
    except ValueError:
        process.kill()
        rest = process.communicate()[0]
        raise RuntimeError(f"the emulator did not start: {line}{rest}") from None
    started = Process(process, said)
    try:
        yield started
    finally:
        started.stop()
