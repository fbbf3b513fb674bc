"""The one table of errors: complete, and row by row what the documents say."""

from __future__ import annotations

import errno
import inspect
from types import ModuleType

import pytest

from wsfs.api import errors as api
from wsfs.content import errors as content
from wsfs.drive import errors as drive
from wsfs.fuse.errno import ERRNO, errno_of
from wsfs.uploads import errors as uploads

ROOTS = (api.ApiError, content.ContentError, drive.DriveError, uploads.UploadError)


def exceptions_of(module: ModuleType) -> list[type[Exception]]:
    return [
        each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Exception) and each.__module__ == module.__name__
    ]


@pytest.mark.promise("Each thing that goes wrong has one error code, and no mistake in wsfs ends the mount.")
@pytest.mark.parametrize(
    "kind", [kind for module in (api, content, drive, uploads) for kind in exceptions_of(module)]
)
def test_every_error_of_the_parts_has_an_errno(kind: type[Exception]) -> None:
    assert issubclass(kind, ROOTS), "an error of its own outside of the tree"
    assert errno_of(kind.__new__(kind)) in errno.errorcode


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        # no such name; a node that vanished on the server
        (drive.NoSuchName, errno.ENOENT),
        (api.NotFound, errno.ENOENT),
        (api.TaskInvalid, errno.ENOENT),
        (api.FileNotFound, errno.ENOENT),
        (uploads.NoSuchNode, errno.ENOENT),
        # delete or rename of an attachment, mkdir in /
        (drive.NotPermitted, errno.EPERM),
        (uploads.NotAllowed, errno.EPERM),
        # write to an attachment, no right on the server, dead login
        (drive.Denied, errno.EACCES),
        (api.AccessDenied, errno.EACCES),
        (api.LoginRefused, errno.EACCES),
        (api.TokenExpired, errno.EACCES),
        # nothing that a person waits for
        (drive.NotUnasked, errno.EAGAIN),
        # read-only mount
        (drive.ReadOnly, errno.EROFS),
        # spool full / the account's storage full / larger than the server takes
        (uploads.NoSpace, errno.ENOSPC),
        (api.StorageFull, errno.EDQUOT),
        (api.TooLarge, errno.EFBIG),
        # name over 255 bytes
        (drive.NameTooLong, errno.ENAMETOOLONG),
        # the deadline passed (no network, server silent)
        (api.TimedOut, errno.ETIMEDOUT),
        (api.Unreachable, errno.ETIMEDOUT),
        # the server's answer makes no sense, a download shorter than its size
        (api.BadAnswer, errno.EIO),
        (api.ServerFailed, errno.EIO),
        (api.ConnectionBroken, errno.EIO),
        (content.WrongSize, errno.EIO),
    ],
)
def test_what_programs_are_told(kind: type[Exception], number: int) -> None:
    assert errno_of(kind.__new__(kind)) == number


def test_what_is_in_no_table_is_a_mistake() -> None:
    assert errno_of(KeyError("x")) is None
    assert errno_of(OSError(errno.ENOSPC, "x")) is None
    assert set(ERRNO.values()) <= errno.errorcode.keys()
