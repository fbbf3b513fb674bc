"""What systemd is told of this process, over the socket that it names (sd_notify(3)).

The protocol is a datagram of NAME=value lines; a library for it would be larger than this and bring less than the
manual page. Without systemd nothing is said.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trio

SOCKET = "NOTIFY_SOCKET"
CONFIGURATION_EXIT = 78
"""The exit code of a service that a restart can't mend (EX_CONFIG of sysexits.h); its unit names it."""
TELL_EVERY = 5.0
EXTENSION = 30.0
"""Seconds that are asked for again and again while the end takes its time: less than what the units give for it."""


class Supervisor:
    """Takes the socket's name out of `environ`, so that no child speaks in this process's name.

    Its methods never block and never raise: who supervises may be gone, or not listening.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        name = environ.pop(SOCKET, "")
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        self._serving = ""
        self._stopping = False

    @property
    def listens(self) -> bool:
        """Whether somebody wants to know."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """The mount serves; `status` is a line for `systemctl status`."""
        self._serving = status
        self._tell(READY="1", STATUS=status)

    def status(self, status: str) -> None:
        """Another line for `systemctl status`; nothing is sent while it stays the same."""
        if status != self._serving:
            self._serving = status
            self._tell(STATUS=status)

    def stopping(self, status: str) -> None:
        """The end has begun."""
        if not self._stopping:
            self._stopping = True
            self._serving = status
            self._tell(STOPPING="1", STATUS=status)

    def extend(self, seconds: float) -> None:
        """Ask for `seconds` from now on, in place of the limit of the unit; to be said again before they are over."""
        self._tell(EXTEND_TIMEOUT_USEC=str(int(seconds * 1_000_000)))

    def _tell(self, **states: str) -> None:
        if not self._address:
            return
        text = "\n".join(f"{name}={' '.join(value.split())}" for name, value in states.items())
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as notify,
        ):
            notify.connect(self._address)
            notify.send(text.encode("utf-8", "backslashreplace"))


async def keep_told(supervisor: Supervisor, describe: Callable[[], str], ending: trio.Event) -> None:
    """Tell the supervisor how the mount is, until cancelled: a long-lived task of the mount.

    From when `ending` is set on it asks for the time that the end takes: the mount's own limit is what ends it.
    """
    import trio

    if not supervisor.listens:
        return
    while not ending.is_set():
        supervisor.status(describe())
        with trio.move_on_after(TELL_EVERY):
            await ending.wait()
    while True:
        supervisor.stopping(describe())
        supervisor.status(describe())
        supervisor.extend(EXTENSION)
        await trio.sleep(TELL_EVERY)
