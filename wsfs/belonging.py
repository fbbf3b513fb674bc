"""Which account a directory of wsfs belongs to: a file `account` in it says so, from the first mount on.

Two accounts must never share one: what one hasn't sent yet would be posted in the other, and the ids of attachments,
by which contents are cached, are each account's own.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

NAME = "account"
_LONGEST = 4096


class BelongsToAnother(Exception):  # noqa: N818 - it says what is the matter
    """The directory is another account's, whose address `account` is."""

    def __init__(self, directory: Path, account: str) -> None:
        super().__init__(f"{directory} belongs to {account}")
        self.account = account


def account(directory: Path) -> str | None:
    """The address of the account that a directory belongs to; None where it says nothing."""
    with contextlib.suppress(OSError, UnicodeDecodeError), (directory / NAME).open(encoding="utf-8") as file:
        return file.read(_LONGEST).strip() or None
    return None


def claim(directory: Path, address: str) -> None:
    """Make sure that a directory is this account's, and write that down before anything else is in it.

    One that says nothing becomes it: a directory from before this was written down. Raises BelongsToAnother, OSError.
    """
    owner = account(directory)
    if owner is None:
        scratch = directory / f"{NAME}.{os.getpid()}"
        with scratch.open("w", encoding="utf-8") as file:
            file.write(f"{address}\n")
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(directory / NAME)
    elif owner != address:
        raise BelongsToAnother(directory, owner)
