"""An emulator for the time of a test: in the test's own loop, or as a process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from wsfs.emulator.account import Account
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.server import serve


@asynccontextmanager
async def running(
    account: Account | None = None, *, rate: float = 0.0, port: int = 0, **options: Any
) -> AsyncIterator[Emulator]:
    """Serve an emulator while the block runs; without an account it has an empty one.

    No limit of requests unless a `rate` is given; other options are Emulator's. An error of the block comes out as
    it is, in no group. An account that was handed in stays open, and may be served again.
    """
    emulator = Emulator(account or Account(), rate=rate, **options)
    failure: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: serve(emulator, port=port, task_status=task_status))
            try:
                yield emulator
            except Exception as error:  # noqa: BLE001 - it is raised below, outside the nursery's group
                failure = error
            nursery.cancel_scope.cancel()
    finally:
        if account is None:
            emulator.account.close()
    if failure is not None:
        raise failure
