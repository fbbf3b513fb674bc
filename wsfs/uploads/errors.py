"""What can go wrong in the spool: one tree of exceptions, each a sentence for a person."""

# ruff: noqa: N818 - the names say what happened, and the drive's table of errors reads better so

from __future__ import annotations


class UploadError(Exception):
    """The spool can't do what was asked; `str()` is a sentence for a person."""


class NoSpace(UploadError):
    """The spool's disk is full, or would fall below the room that is to stay free."""


class NotAllowed(UploadError):
    """This can't be done to a file that is on its way to Worksection, or to such a name."""


class NoSuchNode(UploadError):
    """The spool has no node of that inode (any more)."""


class NameTaken(UploadError):
    """The directory has a spooled node of that name already."""


class NotEmpty(UploadError):
    """The directory holds something."""


class IsADirectory(UploadError):
    """A file is needed, and this is a directory."""


class NotADirectory(UploadError):
    """A directory is needed, and this is a file."""


class SpoolInUse(UploadError):
    """Another process holds the spool."""


class SpoolBroken(UploadError):
    """The journal or a content file can't be read or written, for another reason than room."""
