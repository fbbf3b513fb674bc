"""`wsfs` that waits less with its uploads, for tests that can't wait a minute: hurried.py mount …

What is shortened can't be set by a user. It runs as a program of its own, in wsfs's stead.
"""

from __future__ import annotations

import functools

import wsfs.mount
from wsfs.api.client import Client
from wsfs.cli import main
from wsfs.uploads.options import Options

LOOK_AGAIN = 2.0
"""Seconds between the two looks for an upload that may have arrived, in the stead of 60."""
SETTLE_AGAIN = 0.5
"""Seconds of stillness after a file that was uploaded is saved over, in the stead of 60."""


def hurry() -> None:
    """Have every mount of this process wait less."""
    options = functools.partial(
        Options,
        look_again=LOOK_AGAIN,
        retry_first=0.2,
        retry_most=1.0,
        grace=1.0,
        settle_most=0.6,
        settle_again=SETTLE_AGAIN,
    )
    vars(wsfs.mount).update(Options=options, Client=functools.partial(Client, upload_deadline=2.0))


if __name__ == "__main__":
    hurry()
    main()
