"""`wsfs demo`: an emulated account and its drive in one, until Ctrl-C."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from wsfs import mountinfo
from wsfs.cli import daemon, healing, logs, preflight, running
from wsfs.cli.errors import UserError, say
from wsfs.cli.healing import clear
from wsfs.config import Settings, resolve

START_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(frozen=True)
class Emulated:
    """A running emulator: its address and its account's API key."""

    url: str
    api_key: str


@click.command(short_help="Try wsfs with an account that exists on this machine alone.")
@click.argument("mountpoint", default="Worksection", type=click.Path())
@click.option("-o", "mount_options", metavar="OPTIONS", multiple=True, help="As for `wsfs mount`.")
@click.option("--debug", is_flag=True, help="Log everything that is done.")
def demo(mountpoint: str, mount_options: tuple[str, ...], debug: bool) -> None:
    """Mount a made-up account at MOUNTPOINT, ./Worksection if not given, until Ctrl-C.

    The account is an emulator on this machine: nothing leaves it, and nothing is left of it afterwards. As the
    real service does, it answers one request a second.

    \b
    wsfs demo
    wsfs demo /tmp/drive -o done=mixed
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # so that everything is cleared away
    preflight.check_fuse()
    place = mountinfo.canonical(mountpoint)
    healing.heal(place, warn=say)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_directory(place))
        preflight.check_mountpoint(place)
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wsfs-demo-")))
        click.echo("Starting the emulator …")
        account = stack.enter_context(emulator(daemon.wsfs_command("emulator", "--port", "0", "--json")))
        settings = resolve(
            account.url,
            place,
            options={
                "cache_dir": str(scratch / "cache"),
                "data_dir": str(scratch / "data"),
                "log_level": "debug" if debug else "warning",
            },
            mount_options=",".join(mount_options),
            environ={"WSFS_API_KEY": account.api_key},
            files=(),
        )
        logs.set_up(settings.log_level, None)
        stack.callback(_unmounted, place)
        running.run(settings, lambda: click.echo(greeting(settings, account)))
        click.echo("Unmounted; the demo is over.")


def greeting(settings: Settings, account: Emulated) -> str:
    """What a person needs to know once the demo's drive is there."""
    place = settings.mountpoint
    shown = _short(place)
    wsfs = "wsfs" if shutil.which("wsfs") else _short(Path(sys.argv[0]))
    return f"""
The drive is mounted at {place}

Try, in another terminal or a file manager:
  ls {shown}
  ls -lR {shown}
  cp /etc/hostname {shown}/PROJECT/TASK/      a file copied into a task becomes its attachment
  {wsfs} status

The account is emulated on this machine: {account.url}, API key {account.api_key}
Ctrl-C here unmounts it, and nothing is kept.
"""


def _short(path: Path) -> Path:
    return Path(os.path.relpath(path)) if path.is_relative_to(Path.cwd()) else path


@contextlib.contextmanager
def _directory(place: Path) -> Iterator[None]:
    """Make the mountpoint if it is missing, and take it away again if it was."""
    if mountinfo.find(place) is not None:  # not to be touched: preflight has the words
        yield
        return
    try:
        place.mkdir()
    except FileExistsError:
        yield
        return
    except OSError as error:
        raise UserError(f"{place} can't be made: {error.strerror}") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            place.rmdir()


def _unmounted(place: Path) -> None:
    """Leave nothing mounted, whatever became of the mount."""
    mount = mountinfo.find(place)
    if mount is not None and mount.fstype.startswith("fuse"):
        clear(place, lazy=True)


@contextlib.contextmanager
def emulator(command: Sequence[str], seconds: float = START_SECONDS) -> Iterator[Emulated]:
    """Run an emulator as a process of its own, and end it afterwards; UserError when it doesn't start.

    It is in a process group of its own, as Ctrl-C has to reach the drive first, which may have files to send; and
    the kernel ends it should this process be killed.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0,
            preexec_fn=_dies_with_us(),
        )
    except OSError as error:
        raise UserError(f"the emulator can't be started: {error.strerror}") from error
    introduction = _Introduction(process)
    try:
        yield introduction.wait(seconds)
    finally:
        daemon.stop(process)
        introduction.close()


class _Introduction:
    """Reads the line of JSON that an emulator prints when it serves; what follows it is read and dropped."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._stream = process.stdout
        self._known = threading.Event()
        self._account: Emulated | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> Emulated:
        """Who the emulator says it is; UserError when it doesn't in time, or ends."""
        self._known.wait(seconds)
        if self._account is None:
            raise UserError("the emulator did not start; `wsfs emulator` shows why")
        return self._account

    def close(self) -> None:
        """Close the stream of a process that has ended."""
        self._thread.join(daemon.STOP_SECONDS)
        self._stream.close()

    def _read(self) -> None:
        for line in self._stream:
            if self._account is None:
                with contextlib.suppress(ValueError, LookupError, TypeError):
                    said = json.loads(line)
                    self._account = Emulated(said["url"], said["api_key"])
                    self._known.set()
        self._known.set()


def _dies_with_us() -> Callable[[], None] | None:
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return None

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    return ask
