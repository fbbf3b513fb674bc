"""Ctrl-C for a program that waits in an open(2) or write(2): the kernel keeps it there until it is answered."""

from __future__ import annotations

import contextlib
import errno
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pyfuse3
import trio

_ENDING = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
LOOK_EVERY = 0.25
"""Seconds between two looks whether a program that waits was told to end."""


def is_told_to_end(pid: int) -> bool:
    """Whether a signal that ends programs waits for the process (or thread), which itself waits for an answer.

    From the masks in /proc/PID/status (proc(5)); what it blocks or ignores doesn't count. The kernel keeps a program in
    an open(2) or write(2) until it is answered, whatever signal comes.
    """
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        masks = {
            name: int(value, 16)
            for name, _, value in (line.partition(":") for line in text.splitlines())
            if name in ("SigPnd", "ShdPnd", "SigBlk", "SigIgn")
        }
        pending = (masks["SigPnd"] | masks["ShdPnd"]) & ~(masks["SigBlk"] | masks["SigIgn"])
    except (OSError, ValueError, KeyError):
        return False
    return any(pending & 1 << (number - 1) for number in _ENDING)


@contextlib.asynccontextmanager
async def interruptible(pid: int) -> AsyncIterator[None]:
    """Cancel the block, and answer EINTR, once the process is told to end; what it raises comes as it is. With 0, for
    what doesn't wait for long, it does nothing.

    pyfuse3 doesn't tell of the kernel's interrupts, so it is looked, while the block waits.
    """
    if pid <= 0:
        yield
        return
    failures: list[Exception] = []
    ended = False

    async def watch() -> None:
        nonlocal ended
        while True:
            await trio.sleep(LOOK_EVERY)
            if is_told_to_end(pid):
                ended = True
                nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised below, outside of the nursery's group
            failures.append(error)
            ended = False
        else:
            ended = False
        nursery.cancel_scope.cancel()
    if ended:
        raise pyfuse3.FUSEError(errno.EINTR)
    for failure in failures:
        raise failure
