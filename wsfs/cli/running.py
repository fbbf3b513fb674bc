"""Runs a mount in this process until it is unmounted."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from wsfs.cli import succession
from wsfs.cli.errors import UserError
from wsfs.config import Settings
from wsfs.service import Supervisor

log = logging.getLogger(__name__)

SUCCESSION_SECONDS = 45.0
"""For a process that is asked to leave off: a post that is under way gets its grace."""
PASSING_SECONDS = 1.0
"""For one that says nothing of itself: most often it is just going."""


def run(settings: Settings, ready: Callable[[], None], supervisor: Supervisor | None = None) -> None:
    """Serve the mount; returns when it is unmounted and what is to be sent at the end is sent.

    `ready` is called in the trio thread once it serves, `supervisor` told how it goes.

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
        succession.note(settings.data_dir, settings.mountpoint)

        def unmounted() -> None:
            succession.note(settings.data_dir, settings.mountpoint, ending=True)

        try:
            trio.run(
                functools.partial(serve, settings, ready=ready, unmounted=unmounted, supervisor=supervisor)
            )
        except MountError as error:
            raise UserError(str(error), lasts=error.lasts) from error
        except Exception as error:
            told = error.subgroup(MountError) if isinstance(error, ExceptionGroup) else None
            if told is not None:
                first = _first(told)
                raise UserError(str(first), lasts=isinstance(first, MountError) and first.lasts) from error
            log.exception("The mount at %s ended by a fault in wsfs", settings.mountpoint)
            raise UserError(f"a fault in wsfs ended the mount ({type(error).__name__}: {error})") from error
        finally:
            succession.forget(settings.data_dir)


@contextlib.contextmanager
def exclusive(directory: Path, option: str) -> Iterator[None]:
    """Make `directory` (0700) and hold it against other mounts; UserError when another one has it.

    The lock is the kernel's, on the directory itself, and goes with the process. A mount that is gone and only
    finishing is asked to leave off, and waited for.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(f"{option} {directory} can't be used: {error.strerror}") from error
    try:
        try:
            _lock(descriptor, directory)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                flag = option.replace("_", "-")
                holder = succession.holder(directory)
                whose = "another mount" if holder is None else f"the mount at {holder.mountpoint}"
                raise UserError(
                    f"{whose} is using {directory}; unmount that one, or give this one a directory "
                    f"of its own with --{flag}"
                ) from error
            log.info("%s can't be locked (%s); two mounts must not share it", directory, error.strerror)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, directory: Path) -> None:
    """Take the lock of a directory; OSError when a mount that lives has it, or one doesn't come to its end."""
    begun = time.monotonic()
    asked = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = succession.holder(directory)
            waited = time.monotonic() - begun
            if holder is None:  # one that takes its note away as it goes, or none of ours
                patience = SUCCESSION_SECONDS if asked else PASSING_SECONDS
            else:
                patience = SUCCESSION_SECONDS if holder.ending else 0.0
            if waited >= patience:
                raise
            if holder is not None and not asked:
                log.info("Process %d is still sending what was pending; it is asked to leave off", holder.pid)
                succession.hurry(holder)
                asked = True
            time.sleep(0.05)
        else:
            return


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
