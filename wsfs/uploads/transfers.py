"""The bytes that are leaving at this moment, file by file: what a status and a progress bar show of a post.

Only the running process knows this; nothing depends on it. What a socket has taken counts as gone, though some of it
may still wait in the kernel. A post that is refused or lost takes its bytes back, as they have to go again.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import deque
from collections.abc import Callable, Iterable

import trio

from wsfs.uploads.nodes import Spooled

WINDOW = 5.0
"""Seconds over which the speed is measured."""

SAMPLE = 0.25
"""Seconds between two samples of it, at least."""


@dataclasses.dataclass
class Leaving:
    """A file on its way: its content's name tells it apart, `done` of its `size` bytes have left."""

    content: str
    inode: int
    size: int
    done: int = 0


class Transfers:
    """What is leaving in each batch, by the batch's id."""

    def __init__(self) -> None:
        self._batches: dict[int, list[Leaving]] = {}
        self._by_content: dict[str, Leaving] = {}
        self._total = 0
        self._samples: deque[tuple[float, int]] = deque()

    def begin(self, batch: int, nodes: Iterable[Spooled]) -> list[Callable[[int], None]]:
        """Their bytes begin to leave; what is to be told of each file's bytes, in the order of `nodes`."""
        if not self._batches:
            self._samples.clear()
        files = [Leaving(node.content, node.inode, node.size) for node in nodes]
        self._batches[batch] = files
        self._by_content.update({file.content: file for file in files})
        return [functools.partial(self._taken, file) for file in files]

    def end(self, batch: int) -> None:
        """The post is over, however it went."""
        for file in self._batches.pop(batch, ()):
            self._by_content.pop(file.content, None)

    def done(self, node: Spooled) -> int:
        """How many of the node's bytes have left in the post that is under way; 0 where none is."""
        file = self._by_content.get(node.content)
        return 0 if file is None else file.done

    def current(self) -> list[Leaving]:
        """The file that is leaving in each post, those first that began first; none of a post that waits to begin,
        or for its answer."""
        return [
            next(file for file in files if file.done < file.size)
            for files in self._batches.values()
            if any(file.done for file in files) and any(file.done < file.size for file in files)
        ]

    def speed(self) -> float:
        """Bytes a second over the last moments, all posts together; 0 where nothing leaves."""
        if not self._batches or not self._samples:
            return 0.0
        now = trio.current_time()
        self._forget(now)
        began, before = self._samples[0]
        return (self._total - before) / (now - began) if now > began else 0.0

    def _taken(self, file: Leaving, done: int) -> None:
        now = trio.current_time()
        if not self._samples or now - self._samples[-1][0] >= SAMPLE:
            self._samples.append((now, self._total))
            self._forget(now)
        self._total += max(0, done - file.done)
        file.done = done

    def _forget(self, now: float) -> None:
        while len(self._samples) > 1 and self._samples[1][0] < now - WINDOW:
            self._samples.popleft()
