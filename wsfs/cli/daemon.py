"""A mount in the background: the parent starts it as a process of its own and hears one line from it.

The child gets the writing end of a pipe, its number in WSFS_READY_FD, and writes "ready" or "error SENTENCE". A secret
reaches it by its environment, which only its own user can read, never by its arguments, which everybody can.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsfs.api.auth import AdminKey, Credentials
from wsfs.cli.errors import UserError
from wsfs.config import Settings

READY_FD = "WSFS_READY_FD"
LOG_NAME = "wsfs.log"
GRACE = 30.0  # seconds beyond the deadline of a request
STOP_SECONDS = 10.0
_SECRET_VARIABLES = ("WSFS_API_KEY", "WSFS_ACCESS_TOKEN")


def log_path(data_dir: Path) -> Path:
    """Where a mount in the background writes its log."""
    return data_dir / LOG_NAME


def wsfs_command(*arguments: str) -> list[str]:
    """The command that runs wsfs by this interpreter; -P keeps modules of the current directory out."""
    return [sys.executable, "-P", "-m", "wsfs", *arguments]


def secret_environment(credentials: Credentials, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with these credentials as the only ones."""
    environment = {k: v for k, v in environ.items() if k not in _SECRET_VARIABLES}
    if isinstance(credentials, AdminKey):
        environment["WSFS_API_KEY"] = credentials.key
    else:
        environment["WSFS_ACCESS_TOKEN"] = credentials.token
    return environment


def _environment(settings: Settings) -> dict[str, str]:
    """For the child: it reads a login that is kept by itself, as that one is renewed; any other it is handed."""
    if settings.login is not None:
        return {name: value for name, value in os.environ.items() if name not in _SECRET_VARIABLES}
    return secret_environment(settings.credentials, os.environ)


def start(command: Sequence[str], settings: Settings) -> int:
    """Start `command` in a session of its own and wait until it says that it is ready; its pid.

    Raises UserError with the child's own sentence, or when it ends or stays silent; then nothing is left running.
    """
    log = log_path(settings.data_dir)
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UserError(f"{log} can't be written: {error.strerror}") from error
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            command,
            env=_environment(settings) | {READY_FD: str(writing)},
            pass_fds=[writing],
            stdin=subprocess.DEVNULL,
            stdout=log_fd,
            stderr=log_fd,
            start_new_session=True,
        )
    finally:
        os.close(writing)
        os.close(log_fd)
    try:
        line = _read_line(reading, settings.deadline + GRACE)
    except BaseException:
        stop(process)
        raise
    finally:
        os.close(reading)
    word, _, sentence = line.partition(" ")
    if word == "ready":
        process.returncode = 0  # it lives on, and isn't ours to wait for
        return process.pid
    stop(process)
    raise UserError(
        sentence or f"the mount ended with code {process.returncode} before it was ready; see {log}"
    )


def stop(process: subprocess.Popen[Any]) -> None:
    """End a process that this one started, first kindly."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read_line(reading: int, seconds: float) -> str:
    until = time.monotonic() + seconds
    received = b""
    while not received.endswith(b"\n"):
        ready, _, _ = select.select([reading], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise UserError(f"the mount wasn't ready within {seconds:.0f} seconds and was stopped")
        piece = os.read(reading, 4096)
        if not piece:
            break
        received += piece
    return received.decode(errors="replace").strip()


class Herald:
    """The child's end of the pipe; without a pipe (a mount in the foreground) it says nothing."""

    def __init__(self, environ: dict[str, str] | os._Environ[str] = os.environ) -> None:
        number = environ.pop(READY_FD, "")
        self._pipe: int | None = int(number) if number.isdigit() else None
        self.in_background = self._pipe is not None
        if self._pipe is not None:
            os.set_inheritable(self._pipe, False)  # or fusermount3 would hold it open

    def ready(self) -> None:
        """Say that the mount serves."""
        self._tell("ready")

    def failed(self, sentence: str) -> bool:
        """Say why it doesn't; False when nobody is waiting for that any more."""
        return self._tell(f"error {' '.join(sentence.split())}")

    def _tell(self, line: str) -> bool:
        if self._pipe is None:
            return False
        pipe, self._pipe = self._pipe, None
        try:
            with contextlib.suppress(BrokenPipeError):
                os.write(pipe, line.encode() + b"\n")
        finally:
            os.close(pipe)
        return True
