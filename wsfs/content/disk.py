"""The cache's directory: its lock, its files, its index. Everything blocks; the cache calls it in worker threads.

DIRECTORY/lock, DIRECTORY/index.sqlite, DIRECTORY/files/ID.TOKEN, all 0600 in 0700. A file is as long as its
attachment and sparse; its name is used once, so that a row of the index never speaks of another file's bytes.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from wsfs.content.errors import CacheBusy, CacheUnusable
from wsfs.content.index import Index, Row

logger = logging.getLogger(__name__)


def free_space(directory: Path) -> int:
    """Bytes that this user may still write to the file system of `directory`."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


class Disk:
    """The directory of one cache, locked for this process while open."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files = directory / "files"
        self.index = Index(directory / "index.sqlite")
        self._lock = -1
        self._files_descriptor = -1
        self._counted = (directory, self.files, directory / "lock", *self.index.files)

    def open(self) -> list[Row]:
        """Lock the directory, read the index, and bring files and index together; rows, least recently used first.

        Files that no row names are removed; rows whose file is missing or has another length are dropped.
        Raises CacheBusy where another process (or another cache of this one) has the lock, CacheUnusable
        where it can't be used.
        """
        try:
            for path in (self.directory, self.files):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.chmod(0o700)
            self._take_lock()
            self._files_descriptor = os.open(self.files, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            self.close()
            raise CacheUnusable(f"the cache directory {self.directory} can't be used: {error}") from error
        except BaseException:
            self.close()
            raise
        try:
            # SQLite gives its log the mode of the database; so that is made here, not by the umask.
            os.close(os.open(self.index.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            rows = self.index.open()
            return self._reconcile(rows)
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise CacheUnusable(f"the cache in {self.directory} can't be opened: {error}") from error

    def _take_lock(self) -> None:
        path = self.directory / "lock"
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip()
            raise CacheBusy(
                f"the cache directory {self.directory} is in use by another wsfs"
                f"{f' (process {owner})' if owner.isdigit() else ''};"
                " unmount that one, or give this one a cache directory of its own"
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def _reconcile(self, rows: Sequence[Row]) -> list[Row]:
        with os.scandir(self.files) as found:
            lengths = {item.name: item.stat(follow_symlinks=False).st_size for item in found}
        good = [row for row in rows if lengths.get(row.name) == row.size]
        names = {row.name for row in good}
        self.unlink(name for name in lengths if name not in names)
        gone = [(row.file_id, row.name) for row in rows if row.name not in names]
        if gone:
            self.index.apply(gone=gone)
        return good

    def close(self) -> None:
        """Close the index and give the lock back; may be called twice."""
        self.index.close()
        descriptors = (self._files_descriptor, self._lock)
        self._files_descriptor = self._lock = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)

    def path(self, name: str) -> Path:
        return self.files / name

    def create(self, file_id: int, size: int) -> tuple[str, int]:
        """Make an empty sparse file for an attachment; its name and an open descriptor, which the caller owns."""
        name = f"{file_id}.{secrets.token_hex(6)}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=self._files_descriptor)
        try:
            os.ftruncate(descriptor, size)
        except BaseException:
            os.close(descriptor)
            self.unlink([name])
            raise
        return name, descriptor

    def open_file(self, name: str) -> int:
        """A descriptor for reading and writing, which the caller owns. A third of the price of a whole path."""
        return os.open(name, os.O_RDWR | os.O_CLOEXEC, dir_fd=self._files_descriptor)

    def unlink(self, names: Iterable[str]) -> list[str]:
        """Remove files; those that are gone, by now or before."""
        removed = []
        for name in names:
            try:
                self.path(name).unlink(missing_ok=True)
            except OSError as error:
                logger.warning("The cached file %s can't be removed: %s", self.path(name), error)
            else:
                removed.append(name)
        return removed

    def sync(self, name: str) -> None:
        """Return once what was written to the file is on disk. Raises OSError; FileNotFoundError: it is gone."""
        descriptor = os.open(self.path(name), os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def move_in(self, source: Path, name: str) -> None:
        """Make `source` the content of the file `name`; it is gone afterwards. On OSError it stays."""
        target = self.path(name)
        try:
            source.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copyfile(source, target)
            self.sync(name)
            source.unlink()
        target.chmod(0o600)

    def overhead(self) -> int:
        """Bytes on disk beside the files: the index, its log, the directories. Quick: a stat each."""
        total = 0
        for path in self._counted:
            try:
                total += os.stat(path).st_blocks * 512  # noqa: PTH116 - a third of pathlib's price
            except FileNotFoundError:
                pass
        return total
