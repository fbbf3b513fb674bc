"""A mount in the background: the parent starts it as a process of its own and hears one line from it.

The child gets the writing end of a pipe, its number in WSFS_READY_FD, and writes "ready" or "error SENTENCE". A login
that it can't find by itself reaches it through another pipe, its number in WSFS_LOGIN_FD: arguments can be read by
everybody, and an environment is passed on and stays to be read for as long as the process runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from wsfs.api.auth import AdminKey, Credentials
from wsfs.cli.errors import UserError
from wsfs.config import SECRETS, Settings

READY_FD = "WSFS_READY_FD"
LOGIN_FD = "WSFS_LOGIN_FD"
LOG_NAME = "wsfs.log"
GRACE = 30.0  # seconds beyond the deadline of a request
STOP_SECONDS = 10.0
SECRET_VARIABLES = tuple(f"WSFS_{name.upper()}" for name in (*SECRETS, "client_id", "client_secret"))


def log_path(data_dir: Path) -> Path:
    """Where a mount in the background writes its log."""
    return data_dir / LOG_NAME


def wsfs_command(*arguments: str) -> list[str]:
    """The command that runs wsfs by this interpreter; -P keeps modules of the current directory out."""
    return [sys.executable, "-P", "-m", "wsfs", *arguments]


def mount_command(settings: Settings, mount_options: Sequence[str]) -> list[str]:
    """The command line of the background process: what the files and the environment say is read again."""
    arguments = ["mount", "--foreground", "--cache-dir", str(settings.cache_dir)]
    arguments += ["--data-dir", str(settings.data_dir), "--cache-size", str(settings.cache_size)]
    arguments += ["--rate", str(settings.rate)]
    if settings.log_level == "debug":
        arguments.append("--debug")
    if settings.system:
        arguments.append("--system")
    for text in mount_options:
        arguments += ["-o", text]
    return wsfs_command(*arguments, "--", settings.account, str(settings.mountpoint))


def _handed(credentials: Credentials) -> dict[str, str]:
    """A login as the environment would have it."""
    if isinstance(credentials, AdminKey):
        return {"WSFS_API_KEY": credentials.key}
    return {"WSFS_ACCESS_TOKEN": credentials.token}


@contextlib.contextmanager
def _login_pipe(settings: Settings) -> Iterator[int | None]:
    """The reading end of a pipe with the login in it. One that is kept the child reads itself, as it is renewed."""
    if settings.login is not None:
        yield None
        return
    reading, writing = os.pipe()
    try:
        os.write(writing, json.dumps(_handed(settings.credentials)).encode())  # far less than a pipe takes
        os.close(writing)
        yield reading
    finally:
        os.close(reading)


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
    environment = {name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES}
    try:
        with _login_pipe(settings) as login:
            fds = {READY_FD: writing} | ({} if login is None else {LOGIN_FD: login})
            process = subprocess.Popen(
                command,
                env=environment | {name: str(number) for name, number in fds.items()},
                pass_fds=list(fds.values()),
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
    """The child's end of the pipes; without them (a mount in the foreground) it says nothing.

    `login` is what the parent handed over, by the names of the environment. Nothing of it is left in `environ`.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        self._pipe = _descriptor(environ.pop(READY_FD, ""))
        self.in_background = self._pipe is not None
        self.login: dict[str, str] = {}
        login = _descriptor(environ.pop(LOGIN_FD, ""))
        if login is not None:
            with os.fdopen(login, encoding="utf-8") as file:
                self.login = json.load(file)

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


def _descriptor(number: str) -> int | None:
    """An inherited descriptor, no longer for those who are started from here (fusermount3 would hold it open)."""
    if not number.isdigit():
        return None
    os.set_inheritable(int(number), False)
    return int(number)
