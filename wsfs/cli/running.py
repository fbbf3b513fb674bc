"""Runs a mount in this process until it is unmounted."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from wsfs.cli.errors import UserError
from wsfs.config import Settings

log = logging.getLogger(__name__)


def run(settings: Settings, ready: Callable[[], None]) -> None:
    """Serve the mount; returns when it is unmounted. `ready` is called in the trio thread once it serves.

    Raises UserError for what a user can mend, and for a fault of our own, whose traceback goes to the log.
    """
    try:
        # Only here: the process that starts this one in the background does without, in half the time.
        import trio

        from wsfs.mount import MountError, serve
    except ImportError as error:
        if "fuse3" not in str(error) and error.name != "pyfuse3":
            raise
        raise UserError("libfuse3 is missing or too old; install it with `sudo apt install fuse3`") from error
    with (
        _private(),
        exclusive(settings.data_dir, "data_dir"),
        exclusive(settings.cache_dir, "cache_dir"),
        _hangups(),
    ):
        try:
            trio.run(functools.partial(serve, settings, ready=ready))
        except MountError as error:
            raise UserError(str(error)) from error
        except Exception as error:
            told = error.subgroup(MountError) if isinstance(error, ExceptionGroup) else None
            if told is not None:
                raise UserError(str(_first(told))) from error
            log.exception("The mount at %s ended by a fault in wsfs", settings.mountpoint)
            raise UserError(f"a fault in wsfs ended the mount ({type(error).__name__}: {error})") from error


@contextlib.contextmanager
def exclusive(directory: Path, option: str) -> Iterator[None]:
    """Make `directory` (0700) and hold it against other mounts; UserError when another one has it.

    The lock is the kernel's, on the directory itself, and goes with the process.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(f"{option} {directory} can't be used: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                flag = option.replace("_", "-")
                raise UserError(
                    f"another mount is using {directory}; unmount that one, or give this one a directory "
                    f"of its own with --{flag}"
                ) from error
            log.info("%s can't be locked (%s); two mounts must not share it", directory, error.strerror)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _private() -> Iterator[None]:
    """Whatever is written to the disk meanwhile is for this user alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def _hangups() -> Iterator[None]:
    """A closed terminal ends a mount as SIGTERM does: in order."""
    before = signal.signal(signal.SIGHUP, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
