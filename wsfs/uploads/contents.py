"""The contents of a spool's files: a small one lies in the journal, beside its row, a larger one is a file.

A small content is written with the commit of its row, so that a close waits for the disk once, not two or three
times (`scripts/bench uploads`). While it is open it lives in memory; what is kept is taken from there. Once it
outgrows SMALL it moves into a file for good. An empty content is neither: a name that nothing is known of is an
empty one.

Where there is a file beside a content in the journal (a crash came while it moved), the journal is right: the file
was never promised.

What touches the disk blocks, and is called in worker threads, save what only meets the page cache. A disk that is full
is NoSpace, whatever else it says SpoolBroken.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from wsfs.uploads import journal as rows
from wsfs.uploads.errors import NoSpace, SpoolBroken, UploadError
from wsfs.uploads.writeback import EVERY, Writeback

SMALL = 64 * 1024
"""Bytes of the largest content that lies in the journal."""

_FICLONE = 0x40049409  # linux/fs.h
_CHECK_EVERY = 1 << 20
_STAMP_AGE_NS = 3600 * 10**9
_LENT = ".lent"


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


class OpenContent:
    """The content `name` while it is open: in `memory` (a small one), or a file by its `descriptor`, which it owns.

    `read`, `write` and `resize` are as pread, pwrite and ftruncate, and raise OSError. The owner calls `close` once.
    """

    def __init__(self, name: str, descriptor: int = -1, *, memory: bytearray | None = None) -> None:
        self.name = name
        self.descriptor = descriptor
        self.memory = memory
        self.fresh_bytes = 0

    @property
    def small(self) -> bool:
        """Whether it is in memory alone."""
        return self.memory is not None

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end."""
        if self.memory is not None:
            return bytes(self.memory[offset : offset + length])
        return os.pread(self.descriptor, length, offset)

    def write(self, offset: int, data: bytes | memoryview) -> int:
        """Write from `offset` on, zeros before it where there was nothing; how many bytes went in."""
        memory = self.memory
        if memory is None:
            return os.pwrite(self.descriptor, data, offset)
        if data and offset > len(memory):
            memory.extend(bytes(offset - len(memory)))
        memory[offset : offset + len(data)] = data
        return len(data)

    def resize(self, size: int) -> None:
        """Cut it to `size` bytes, or lengthen it with zeros."""
        memory = self.memory
        if memory is None:
            os.ftruncate(self.descriptor, size)
        elif size < len(memory):
            del memory[size:]
        else:
            memory.extend(bytes(size - len(memory)))

    def whole(self) -> bytes:
        """All its bytes, of a small one."""
        assert self.memory is not None
        return bytes(self.memory)

    def become(self, other: OpenContent) -> None:
        """Be that content from now on, for everybody who holds this; takes `other` over."""
        if self.descriptor >= 0 and other.descriptor >= 0:
            # Threads that sync it go on with the number.
            os.dup2(other.descriptor, self.descriptor, inheritable=False)
            other.close()
        else:
            self.close()
            self.descriptor, self.memory = other.descriptor, other.memory
        self.name = other.name

    def close(self) -> None:
        """Close it: what was written to a small one since it was kept is gone."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Contents:
    """The contents of a spool: files in `directory`, keeping `floor` bytes of its disk free, and small ones.

    `read` gives a small content from the journal, and may be called in any thread. `small` is how many bytes the
    largest of those has; with 0 every content is a file.
    """

    def __init__(
        self, directory: Path, read: Callable[[str], bytes], *, floor: int, small: int = SMALL
    ) -> None:
        self.directory = directory
        self._read = read
        self._floor = floor
        self._most = small
        self._since_check = _CHECK_EVERY
        self._kept: dict[str, int] = {}
        self._lent: set[str] = set()
        self._fresh: set[str] = set()
        self.writeback = Writeback()

    def prepare(self) -> None:
        """Make the directory where it is missing."""
        with translating("the upload spool can't be made"):
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)

    # Small ones: the journal's operations for them

    def found(self, small: Mapping[str, int]) -> None:
        """The journal has these small contents (name, size), and no others."""
        self._kept = dict(small)

    @property
    def kept(self) -> Mapping[str, int]:
        """The sizes of the contents that lie in the journal, or will once what is queued there is written."""
        return self._kept

    def keep(self, content: OpenContent) -> list[rows.Operation]:
        """What has the journal hold a small content as it is now; for the transaction of its row."""
        assert content.small
        data = content.whole()
        self._lent.discard(content.name)
        if not data:
            return self.drop(content.name)
        self._kept[content.name] = len(data)
        return [rows.put_content(content.name, data)]

    def copy_kept(self, name: str, new: str) -> list[rows.Operation]:
        """What has the journal hold a small content under a second name too."""
        if name not in self._kept:
            return []
        self._kept[new] = self._kept[name]
        return [rows.copy_content(name, new)]

    def drop(self, name: str) -> list[rows.Operation]:
        """What takes a content out of the journal, where it is there."""
        return [rows.delete_content(name)] if self._kept.pop(name, None) is not None else []

    def take_back(self, name: str, size: int | None) -> None:
        """The transaction failed: the journal holds as much of this content as before, None being nothing."""
        if size is None:
            self._kept.pop(name, None)
        else:
            self._kept[name] = size

    # Opening, reading and writing

    def open(self, name: str, size: int = 0, *, fresh: bool = False) -> OpenContent:
        """Open a content to read and write, of which `size` bytes are known; the caller closes it. One that is
        `fresh` was never written to, so that nobody need look for it."""
        if name in self._kept:
            return OpenContent(name, memory=bytearray(self._read(name)))
        if fresh:
            return OpenContent(name, memory=bytearray())
        with translating("a file of the upload spool can't be opened"):
            try:
                descriptor = os.open(self._path(name), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                if size:
                    raise
                return OpenContent(name, memory=bytearray())
        return OpenContent(name, descriptor)

    def outgrows(self, content: OpenContent, size: int) -> bool:
        """Whether a content of so many bytes has to move into a file."""
        return content.small and size > self._most

    def make(self, name: str) -> OpenContent:
        """Make the file of a content, which isn't safe yet, or open it where a move that failed has left it."""
        with translating("a file can't be made in the upload spool"):
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fresh.add(name)
            return OpenContent(name, os.open(self._path(name), flags, 0o600))

    def move(self, content: OpenContent, file: OpenContent) -> None:
        """Have a small content be its file from now on, which `make` has opened and this takes over.

        What the journal holds of it stays, until the file is made safe.
        """
        try:
            with translating("a file of the upload spool can't be written"):
                data = content.whole()
                file.resize(0)
                if file.write(0, data) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except BaseException:
            file.close()
            raise
        content.become(file)

    def wrote(self, content: OpenContent, length: int) -> None:
        """So many bytes were written to a content: of a large one the disk may begin to take them."""
        if content.small:
            return
        content.fresh_bytes += length
        if content.fresh_bytes >= EVERY:
            content.fresh_bytes = 0
            self.writeback.begin(content.descriptor)

    def make_safe(self, content: OpenContent) -> tuple[int, int]:
        """Bring a file's content to the disk; returns its stamp and its size."""
        with translating("a file of the upload spool can't be brought to the disk"):
            _mark(content.descriptor)
            os.fsync(content.descriptor)
            if content.name in self._fresh:
                self._sync_directory()
                self._fresh.discard(content.name)
            found = os.fstat(content.descriptor)
            return found.st_mtime_ns, found.st_size

    def append(self, content: OpenContent, data: bytes) -> None:
        """Write all of `data` at the place where the last such call ended."""
        self.need_room(len(data))
        with translating("a file can't be copied into the upload spool"):
            view = memoryview(data)
            while view:
                view = view[os.write(content.descriptor, view) :]

    def copy(self, name: str, new: str, keep: int) -> None:
        """Make the file `new` with the first `keep` bytes of `name`, as a reflink where the disk can, and make it
        safe."""
        with translating("a file can't be copied in the upload spool"):
            try:
                with self._path(name).open("rb") as source, self._path(new).open("xb") as target:
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
                self._sync_directory()
            except (OSError, UploadError):
                with contextlib.suppress(OSError):
                    self._path(new).unlink()
                raise

    # For whoever sends a content, saves it, or moves it into the cache

    def file(self, name: str) -> Path:
        """Where the content can be read as a file; nobody writes to it. Of a small one that is a copy, which goes
        with it. May be called in any thread."""
        size = self._kept.get(name)
        path = self._path(name)
        if size is None:
            if not path.exists():
                return self._lend(name, b"")
            return path
        return self._lend(name, None)

    def remove(self, name: str) -> None:
        """Remove the content's file and what was lent of it, where they are there."""
        with translating("a file can't be removed from the upload spool"):
            self._path(name).unlink(missing_ok=True)
            self._path(name + _LENT).unlink(missing_ok=True)
        self._lent.discard(name)
        self._fresh.discard(name)

    def has_files(self, name: str) -> bool:
        """Whether there is anything that `remove` would have to remove."""
        return name not in self._kept or name in self._lent or name in self._fresh

    # What a start asks

    def stamp(self, name: str) -> tuple[int, int] | None:
        """The content's stamp (0 of a small one) and size, or None where there is neither."""
        if name in self._kept:
            return 0, self._kept[name]
        try:
            found = self._path(name).stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size

    def strangers(self, known: set[str]) -> list[tuple[str, int]]:
        """The names and sizes of files that no row knows, or that the journal knows better."""
        return [
            (entry.name, entry.stat().st_size)
            for entry in sorted(self.directory.iterdir())
            if entry.is_file() and (entry.name not in known or entry.name in self._kept)
        ]

    def put_aside(self, name: str) -> Path:
        """Move a content that no row knows out of the way, to `lost` beside the directory; returns its path."""
        aside = self.directory.parent / "lost"
        aside.mkdir(mode=0o700, exist_ok=True)
        return self._path(name).rename(aside / name)

    # Room

    def need_room(self, length: int) -> None:
        """Raise NoSpace where `length` more bytes would leave less than the floor; asks the disk once a MiB."""
        self._since_check += length
        if self._since_check < _CHECK_EVERY:
            return
        found = os.statvfs(self.directory)
        if found.f_bavail * found.f_frsize - length < self._floor:
            raise NoSpace("there is no room left on the disk of the upload spool")
        self._since_check = 0

    # Underneath

    def _path(self, name: str) -> Path:
        return self.directory / name

    def _lend(self, name: str, data: bytes | None) -> Path:
        path = self._path(name + _LENT)
        if name in self._lent:
            return path
        with translating("a file can't be made in the upload spool"):
            data = self._read(name) if data is None else data
            descriptor = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
            finally:
                os.close(descriptor)
        self._lent.add(name)
        return path

    def _sync_directory(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
