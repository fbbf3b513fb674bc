"""Glances: reads of programs that only want to see what kind of file it is, by its first bytes.

A file manager does so with every file whose extension says nothing, while it lists a directory: at one request a second
a directory of a hundred such files would stay empty for as many seconds. So a listing is held up for a moment at most;
what isn't here by then shows as a file of unknown kind, until it is opened, or looked at again later.
"""

from __future__ import annotations

from collections.abc import Hashable

import trio
from cachetools import TTLCache

ASIDE = 1.0
"""Seconds for which the glances at the files of one directory may wait, all together, beside a window that lives."""
STANDING = 0.3
"""The same for those during which a window stands still."""
AGAIN = 30.0
"""Seconds after which they may wait again."""


class Glances:
    """How long a glance may wait, directory by directory. Synchronous; belongs to one trio run."""

    def __init__(self) -> None:
        self._until: TTLCache[Hashable, float] = TTLCache(1024, AGAIN, timer=trio.current_time)

    def patience(self, place: Hashable, most: float) -> float:
        """Seconds that a glance at a file in the directory `place` may wait from now on; 0: none.

        `most` is ASIDE or STANDING, as the first glance at a file of that directory says.
        """
        now = trio.current_time()
        until = self._until.get(place)
        if until is None:
            until = self._until[place] = now + most
        return max(0.0, until - now)
