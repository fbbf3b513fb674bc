"""What the drive refuses, and why: one tree; `str()` is a sentence for the log. fuse/errno.py chooses the errno."""

# ruff: noqa: N818 - the names say what happened, and the table of errors reads better so

from __future__ import annotations


class DriveError(Exception):
    """The drive can't or won't do what was asked."""


class NoSuchName(DriveError):
    """There is no such name, or the node is gone.

    `lasting` says that the directory is known whole, so that the answer holds until the kernel is told otherwise.
    """

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class NotPermitted(DriveError):
    """Worksection has no way to do this, or an option forbids it."""


class Denied(DriveError):
    """An attachment can't be written to."""


class NotUnasked(DriveError):
    """A program that reads on its own account would have to wait, or have too much fetched."""


class ReadOnly(DriveError):
    """The drive is mounted read-only."""


class NameExists(DriveError):
    """The name is taken."""


class DirectoryNotEmpty(DriveError):
    """The directory holds something."""


class NotDirectory(DriveError):
    """A directory is needed."""


class IsDirectory(DriveError):
    """A file is needed."""


class NameTooLong(DriveError):
    """The name is over 255 bytes of UTF-8."""


class BadName(DriveError):
    """The name isn't UTF-8, or the operation makes no sense for it."""


class BadHandle(DriveError):
    """The handle isn't open, or not for this."""


class NoAttribute(DriveError):
    """The node has no such extended attribute."""


class NotSupported(DriveError):
    """The drive doesn't do this at all."""
