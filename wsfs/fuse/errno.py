"""Which errno a program gets for what went wrong: the one table.

design.md's "Errors" in full. An exception has the errno of the nearest class above it that is listed.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from types import MappingProxyType

from wsfs.api import errors as api
from wsfs.content import errors as content
from wsfs.drive import errors as drive
from wsfs.uploads import errors as uploads

ERRNO: Mapping[type[Exception], int] = MappingProxyType(
    {
        # the service
        api.ApiError: errno.EIO,
        api.Unreachable: errno.ETIMEDOUT,
        api.TimedOut: errno.ETIMEDOUT,
        api.TooManyRequests: errno.ETIMEDOUT,
        api.Refused: errno.EACCES,
        api.LoginRefused: errno.EACCES,
        api.AccessDenied: errno.EACCES,
        api.NotFound: errno.ENOENT,
        api.TaskClosed: errno.EACCES,
        api.StorageFull: errno.EDQUOT,
        api.TooLarge: errno.EFBIG,
        # the content of attachments
        content.ContentError: errno.EIO,
        content.NoRoom: errno.ENOSPC,
        # the drive
        drive.DriveError: errno.EIO,
        drive.NoSuchName: errno.ENOENT,
        drive.NotPermitted: errno.EPERM,
        drive.Denied: errno.EACCES,
        drive.NotUnasked: errno.EAGAIN,
        drive.ReadOnly: errno.EROFS,
        drive.NameExists: errno.EEXIST,
        drive.DirectoryNotEmpty: errno.ENOTEMPTY,
        drive.NotDirectory: errno.ENOTDIR,
        drive.IsDirectory: errno.EISDIR,
        drive.NameTooLong: errno.ENAMETOOLONG,
        drive.BadName: errno.EINVAL,
        drive.BadHandle: errno.EBADF,
        drive.NoAttribute: errno.ENODATA,
        drive.NotSupported: errno.EOPNOTSUPP,
        # the spool
        uploads.UploadError: errno.EIO,
        uploads.NoSpace: errno.ENOSPC,
        uploads.NotAllowed: errno.EPERM,
        uploads.NoSuchNode: errno.ENOENT,
        uploads.NameTaken: errno.EEXIST,
        uploads.NotEmpty: errno.ENOTEMPTY,
        uploads.IsADirectory: errno.EISDIR,
        uploads.NotADirectory: errno.ENOTDIR,
    }
)


def errno_of(error: BaseException) -> int | None:
    """The errno for `error`; None for what is in no table: a mistake of the program, which is EIO with its
    traceback in the log."""
    for kind in type(error).__mro__:
        if kind in ERRNO:
            return ERRNO[kind]
    return None
