"""Copying out what could not be sent: `wsfs uploads save`.

Nothing that is there is ever overwritten. A copy gets its name only when it is whole, on the disk and, read back, of
the same SHA-256 as its source; where that name has other bytes already, it gets a number.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from wsfs import leftovers

PIECE = 1 << 20
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_MOST_NUMBERS = 1000


class NotSaved(Exception):  # noqa: N818 - it says what is the matter
    """A file could not be copied out; str() says why."""


def save(item: Mapping[str, Any], spool: str, directory: Path) -> Path:
    """Copy one file of a list of uploads below `directory`, in its place in the drive; returns where it is.

    A copy that is there already, of the same bytes, is not made again. Raises NotSaved.
    """
    try:
        target = directory.joinpath(*_parts(str(item["path"])))
        with leftovers.open_content(spool, str(item.get("content") or "")) as content:
            target.parent.mkdir(parents=True, exist_ok=True)
            digest, scratch = _copy(content, int(item.get("size") or 0), target.parent)
            try:
                _dress(scratch, item)
                return _name(scratch, target, digest)
            finally:
                scratch.unlink(missing_ok=True)
    except FileNotFoundError as error:
        raise NotSaved("its content is gone: it was sent or deleted meanwhile") from error
    except leftovers.Unreadable as error:
        raise NotSaved(str(error)) from error
    except OSError as error:
        raise NotSaved(error.strerror or str(error)) from error


def _parts(path: str) -> list[str]:
    """The names of a path in the drive; what could lead elsewhere is refused."""
    parts = [part for part in path.split("/") if part]
    if not parts or any(part in (".", "..") or "\0" in part for part in parts):
        raise NotSaved("its path makes no sense")
    return parts


def _copy(content: BinaryIO, size: int, beside: Path) -> tuple[bytes, Path]:
    """Copy it to a name that nobody has; its SHA-256. It is on the disk then, and was read back from there."""
    before = os.fstat(content.fileno())
    if before.st_size != size:
        raise NotSaved("it is being written")
    scratch = beside / f".wsfs-{secrets.token_hex(6)}.part"
    source = hashlib.sha256()
    descriptor = os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "r+b", buffering=0) as target:
            while piece := content.read(PIECE):
                source.update(piece)
                view = memoryview(piece)
                while view:
                    view = view[target.write(view) :]
            os.fsync(target.fileno())
            with contextlib.suppress(OSError):  # so that what is read is what the disk has
                os.posix_fadvise(target.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            target.seek(0)
            copied = hashlib.file_digest(target, "sha256")
        after = os.fstat(content.fileno())
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise NotSaved("it was written meanwhile")
        if copied.digest() != source.digest():
            raise NotSaved("the copy isn't what was written: the disk that it was copied to may be broken")
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    return source.digest(), scratch


def _dress(scratch: Path, item: Mapping[str, Any]) -> None:
    """Its time and mode, as far as they can be had there."""
    with contextlib.suppress(OSError):
        scratch.chmod(int(item.get("mode") or 0o644) & 0o777 | 0o600)
    stamp = item.get("mtime_ns")
    if isinstance(stamp, int):
        os.utime(scratch, ns=(stamp, stamp))


def _name(scratch: Path, target: Path, digest: bytes) -> Path:
    """Give a whole copy its name, or a numbered one where that is taken by something else."""
    for number in range(1, _MOST_NUMBERS):
        path = target if number == 1 else target.with_name(f"{target.stem} ({number}){target.suffix}")
        try:
            _link(scratch, path)
        except FileExistsError:
            if path.is_file() and _digest(path) == digest:
                return path
        else:
            _sync(path.parent)
            return path
    raise NotSaved(f"there are {_MOST_NUMBERS} files of its name already")


def _link(scratch: Path, path: Path) -> None:
    """Give it the name if nobody has it; FileExistsError otherwise."""
    try:
        os.link(scratch, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without links, such as a USB stick's: the name is taken first, then filled in one step.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        scratch.replace(path)


def _digest(path: Path) -> bytes:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
