"""What both ends of a control socket have in common: its lines, who is at the other end, and what can go wrong."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import trio

SILENCE = 30.0  # seconds without a line after which a client gives a mount up
_PEER = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


class ControlError(Exception):
    """A command can't be done; str() is a sentence for a person, for after "wsfs: "."""


class NotServed(ControlError):  # noqa: N818 - it says what is the matter
    """Nobody answers for that mountpoint."""


def line_of(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace") + b"\n"


def peer_of(connection: socket.socket | trio.socket.SocketType) -> tuple[int, int, int]:
    pid, uid, gid = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return pid, uid, gid


@contextlib.contextmanager
def address_of(path: Path) -> Iterator[str]:
    """What to bind or connect to: a path may be of any length, a socket address holds 107 bytes (unix(7))."""
    if len(os.fsencode(path)) <= 100:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def server_pid(path: Path) -> int:
    """The process that serves the socket `path`; raises NotServed."""
    with connected(path, SILENCE) as connection:
        return peer_of(connection)[0]


@contextlib.contextmanager
def connected(path: Path, silence: float) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(silence)
        try:
            with address_of(path) as address:
                connection.connect(address)
        except OSError as error:
            raise NotServed("no wsfs process answers for that mount") from error
        yield connection
