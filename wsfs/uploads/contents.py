"""The content files of a spool: one for each spooled file, in one directory, for its user alone.

Everything here blocks on the disk: the spool calls it in worker threads, save what only touches the page
cache. A disk that is full is NoSpace, whatever else it says SpoolBroken.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from wsfs.uploads.errors import NoSpace, SpoolBroken, UploadError

_FICLONE = 0x40049409  # linux/fs.h
_CHECK_EVERY = 1 << 20
_STAMP_AGE_NS = 3600 * 10**9


def translated(error: OSError, doing: str) -> UploadError:
    """The spool's own error for what the disk said."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NoSpace("there is no room left on the disk of the upload spool")
    return SpoolBroken(f"{doing}: {error.strerror or error}")


@contextlib.contextmanager
def translating(doing: str) -> Iterator[None]:
    """Turn an OSError of the block into the spool's own error."""
    try:
        yield
    except OSError as error:
        raise translated(error, doing) from error


def _mark(descriptor: int) -> None:
    """Give a content an mtime that no write gives it, so that any later one shows, however soon it comes."""
    stamp = time.time_ns() - _STAMP_AGE_NS
    os.utime(descriptor, ns=(stamp, stamp))


class Contents:
    """The directory of content files at `directory`, keeping `floor` bytes of its disk free."""

    def __init__(self, directory: Path, *, floor: int) -> None:
        self.directory = directory
        self._floor = floor
        self._since_check = _CHECK_EVERY

    def prepare(self) -> None:
        """Make the directory where it is missing."""
        with translating("the upload spool can't be made"):
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)

    def path(self, name: str) -> Path:
        """Where the content of that name is."""
        return self.directory / name

    def make(self, name: str) -> int:
        """Make an empty content file that survives a crash; returns its stamp."""
        with translating("a file can't be made in the upload spool"):
            self.need_room(1)
            descriptor = os.open(
                self.path(name), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            try:
                _mark(descriptor)
                stamp = os.fstat(descriptor).st_mtime_ns
            finally:
                os.close(descriptor)
            self.sync_directory()
            return stamp

    def copy(self, name: str, new: str, keep: int) -> None:
        """Make `new` with the first `keep` bytes of `name`, as a reflink where the disk can, and make it safe."""
        with translating("a file can't be copied in the upload spool"):
            try:
                with self.path(name).open("rb") as source, self.path(new).open("xb") as target:
                    os.fchmod(target.fileno(), 0o600)
                    if keep:
                        try:
                            fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
                        except OSError:
                            self.need_room(os.fstat(source.fileno()).st_size)
                            shutil.copyfileobj(source, target, 1 << 20)
                            target.flush()
                    os.ftruncate(target.fileno(), keep)
                    os.fsync(target.fileno())
                self.sync_directory()
            except (OSError, UploadError):
                with contextlib.suppress(OSError):
                    self.path(new).unlink()
                raise

    def open(self, name: str) -> int:
        """A descriptor to read and write the content; the caller closes it."""
        with translating("a file of the upload spool can't be opened"):
            return os.open(self.path(name), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)

    def append(self, descriptor: int, data: bytes) -> None:
        """Write all of `data` at the descriptor's place."""
        self.need_room(len(data))
        with translating("a file can't be copied into the upload spool"):
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]

    def make_safe(self, descriptor: int) -> tuple[int, int]:
        """Bring the content to the disk; returns its stamp and its size."""
        with translating("a file of the upload spool can't be brought to the disk"):
            _mark(descriptor)
            os.fsync(descriptor)
            found = os.fstat(descriptor)
            return found.st_mtime_ns, found.st_size

    def stamp(self, name: str) -> tuple[int, int] | None:
        """The content's stamp and size, or None where it is missing."""
        try:
            found = self.path(name).stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size

    def remove(self, name: str) -> None:
        """Remove the content, where it is still there."""
        with translating("a file can't be removed from the upload spool"):
            self.path(name).unlink(missing_ok=True)

    def sync_directory(self) -> None:
        """Bring the directory's own entries to the disk."""
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def need_room(self, length: int) -> None:
        """Raise NoSpace where `length` more bytes would leave less than the floor; asks the disk once a MiB."""
        self._since_check += length
        if self._since_check < _CHECK_EVERY:
            return
        found = os.statvfs(self.directory)
        if found.f_bavail * found.f_frsize - length < self._floor:
            raise NoSpace("there is no room left on the disk of the upload spool")
        self._since_check = 0

    def strangers(self, known: set[str]) -> list[tuple[str, int]]:
        """The names and sizes of files that no row knows."""
        return [
            (entry.name, entry.stat().st_size)
            for entry in sorted(self.directory.iterdir())
            if entry.is_file() and entry.name not in known
        ]

    def put_aside(self, name: str) -> Path:
        """Move a content that no row knows out of the way, to `lost` beside the directory; returns its path."""
        aside = self.directory.parent / "lost"
        aside.mkdir(mode=0o700, exist_ok=True)
        return self.path(name).rename(aside / name)
