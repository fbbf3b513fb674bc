"""The end of a mount: who asked for it, and what is still sent when the drive is gone.

Taken away from outside (`fusermount3 -u`), a mount sends on until nothing is left that can go, or until it is told to
stop. Told to end by a signal, it goes on for a limited time, and not where it can't: what is left is safe in the
spool, and the next mount's. `wsfs umount` has waited before it asks, so that nothing is sent after it. A second signal
ends all of it at once, in order: a post that is under way gets its grace from the sender.
"""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

import trio

from wsfs.uploads.draining import to_be_sent
from wsfs.uploads.noise import is_noise
from wsfs.uploads.sender import Sender
from wsfs.uploads.spool import Spool
from wsfs.uploads.states import State

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class End:
    """How a mount is asked to end. `stop` is set once it shall be unmounted, `now` once nothing more is to be sent.

    `limit` is how long what is pending is sent after that, in seconds: without one it is unmounted from outside.
    """

    def __init__(self, drain: float) -> None:
        self.stop = trio.Event()
        self.now = trio.Event()
        self.limit = math.inf
        self._drain = drain
        self._unmounted = False

    def at_once(self) -> None:
        """A person has waited for the uploads already, or doesn't want to."""
        self.limit = 0.0
        self.stop.set()
        if self._unmounted:
            self.now.set()

    def unmounted(self) -> None:
        """The drive is gone; a signal now means that the sending shall end."""
        self._unmounted = True

    def signalled(self, number: int) -> None:
        """A signal came: the first unmounts, another one, or one after that, ends the sending too."""
        name = signal.Signals(number).name
        if self.stop.is_set() or self._unmounted:
            log.info("Leaving off on %s", name)
            self.now.set()
        else:
            log.info("Ending on %s", name)
            self.limit = self._drain
        self.stop.set()

    async def listen(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Take the process's signals until cancelled: a long-lived task, so that none of them kills it on the way."""
        with trio.open_signal_receiver(*SIGNALS) as signals:
            task_status.started()
            await self._hear(signals)

    async def _hear(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            self.signalled(number)


@dataclass(frozen=True)
class Left:
    """What a mount leaves to the next one: files, bytes, and how many of the files need a person first."""

    files: int
    bytes: int
    attention: int

    def __str__(self) -> str:
        return f"{self.files} file{'' if self.files == 1 else 's'}"


def left_in(spool: Spool) -> Left:
    """What is in the spool and would be sent, or waits for a person."""
    files = [node for node in spool.nodes.values() if not node.is_dir]
    going = to_be_sent(files)
    going += [node for node in files if node.state is State.OPEN and not is_noise(node.name)]
    stuck = sum(node.state in {State.INTERRUPTED, State.QUARANTINED} for node in files)
    return Left(len(going), sum(node.size for node in going), stuck)


async def drain(sender: Sender, spool: Spool, end: End) -> Left:
    """Send what is pending, as far and as long as `end` has it; what is left. Needs the sender to be running.

    Nothing settles any longer. With a limit it doesn't wait for a network or a login that isn't there.
    """
    before = left_in(spool)
    if before.files and end.limit > 0 and not end.now.is_set():
        log.info("Sending %s before the end; a signal leaves the rest to the next mount", before)
        with trio.move_on_after(end.limit):
            async with trio.open_nursery() as nursery:

                async def until_told() -> None:
                    await end.now.wait()
                    nursery.cancel_scope.cancel()

                async def until_stuck() -> None:
                    while True:
                        await sender.looked()
                        if (why := sender.stuck) is not None:
                            log.info("Not waiting any longer: %s", why)
                            nursery.cancel_scope.cancel()

                nursery.start_soon(until_told)
                if end.limit < math.inf:
                    nursery.start_soon(until_stuck)
                while (await sender.flush()).sent:
                    pass  # and what came meanwhile: a handle that is closed after the drive was taken away
                nursery.cancel_scope.cancel()
    left = left_in(spool)
    if left.files:
        one = left.files == 1
        log.info("%s %s left: safe, and sent when the drive is mounted again", left, "is" if one else "are")
    if left.attention:
        log.info("%d more can't go by themselves: `wsfs uploads` says why", left.attention)
    return left
