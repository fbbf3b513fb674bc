"""What can go wrong with the content of attachments; errors of the API pass through this package unchanged.

Every text is a sentence for a person. The errno is chosen elsewhere.
"""

# ruff: noqa: N818 - the names say what happened, as those of the API's errors do

from __future__ import annotations


class ContentError(Exception):
    """The content of an attachment, or the cache that keeps it, failed; `str()` is a sentence for a person."""


class WrongSize(ContentError):
    """A download (or a file handed in) is shorter or longer than the size that the API told."""

    def __init__(self, file_id: int, expected: int, got: str) -> None:
        super().__init__(f"attachment {file_id} has {expected:,} bytes, but {got}")
        self.file_id = file_id
        self.expected = expected


class CacheBusy(ContentError):
    """Another process uses the cache directory."""


class CacheUnusable(ContentError):
    """The cache directory can't be made, opened or written."""


class ContentClosed(ContentError):
    """The reader was closed, or the drive is being unmounted."""


class NoRoom(ContentError):
    """What is to be kept doesn't fit into the cache."""
