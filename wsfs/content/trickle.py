"""The turns of programs that read on their own account, thumbnailers above all.

A file manager that opens a directory of pictures has every one of them read whole. Each is a request, and a person
waits for none of them. So one download at a time is begun for such readers, in the background lane; of the files that
wait, those of the directory that a person opened last come first, as he is looking at that one.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Hashable

import trio

REMEMBERED = 256
"""Directories of which the order is kept in which persons opened them."""


class Trickle:
    """Gives out turns, one at a time. It owns no task: who gives a turn back passes it on."""

    def __init__(self) -> None:
        self._looked: OrderedDict[Hashable, int] = OrderedDict()
        self._count = itertools.count(1)
        self._waiting: list[tuple[Hashable, trio.Event]] = []
        self._taken = False

    def looked(self, place: Hashable) -> None:
        """A person opened the directory `place`."""
        self._looked.pop(place, None)
        self._looked[place] = next(self._count)
        if len(self._looked) > REMEMBERED:
            self._looked.popitem(last=False)

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return len(self._waiting)

    async def acquire(self, place: Hashable) -> None:
        """Return when it is the turn of a file in `place`; then `release` has to be called, by whomever.

        Cancelled, it takes no turn.
        """
        await trio.lowlevel.checkpoint()
        if not self._taken:
            self._taken = True
            return
        ticket = (place, trio.Event())
        self._waiting.append(ticket)
        try:
            await ticket[1].wait()
        except BaseException:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
            else:  # it was given the turn in the moment in which it was cancelled
                self.release()
            raise

    def release(self) -> None:
        """Give the turn back: the first of the newest directory has it now."""
        if not self._waiting:
            self._taken = False
            return
        ticket = max(self._waiting, key=lambda waiting: self._looked.get(waiting[0], 0))
        self._waiting.remove(ticket)
        ticket[1].set()
