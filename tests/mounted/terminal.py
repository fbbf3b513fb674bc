"""A program at a terminal: what is typed is typed, what is on the screen can be waited for."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from .drives import PATIENCE

_ESCAPES = re.compile(rb"\x1b\[[0-9;?>]*[A-Za-z]|\x1b[()][0-9A-B]|\x1b[=>78M]")

ESCAPE = "\x1b"
ENTER = "\r"


def control(letter: str) -> str:
    """The character that Ctrl and a letter give."""
    return chr(ord(letter.upper()) & 0x1F)


class Terminal:
    """The typing end of a pseudo-terminal that a program runs in; made by `at_terminal`."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self._process = process
        self._descriptor = descriptor
        self._seen = b""
        self._from = 0

    def type(self, keys: str) -> None:
        """Press keys, one after another as they come from a keyboard; a terminal's line may be cut off else."""
        self._from = len(self._seen)
        os.write(self._descriptor, keys.encode())

    def see(self, text: str) -> None:
        """Wait until `text` has come to the screen since the last keys. AssertionError when it never does."""
        self._read_until(lambda: text.encode() in _ESCAPES.sub(b"", self._seen[self._from :]), text)

    def end(self) -> int:
        """Wait until the program has ended; its exit code."""
        self._read_until(lambda: self._process.poll() is not None, "its end")
        return self._process.wait()

    def _read_until(self, condition: object, what: str) -> None:
        assert callable(condition)
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until, f"{what} didn't come to the screen: {self._seen[-2000:]!r}"
            if select.select([self._descriptor], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):  # EIO: nobody has the other end open any more
                    self._seen += os.read(self._descriptor, 65536)


@contextlib.contextmanager
def at_terminal(
    *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """Run a program in a terminal of 24 lines of 80 columns, and end it afterwards if it hasn't."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # for its job control, and Ctrl-C
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(ours)
