"""One HTTP exchange and the connection below it: what the faults need and ASGI doesn't tell."""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from starlette.types import Message, Receive, Scope, Send


class GoneError(Exception):
    """The client closed the connection before the exchange was over."""


def stream_below(send: Any) -> trio.SocketStream | None:
    """Return the connection that an ASGI `send` writes to.

    Hypercorn tells an application nothing of its socket, but its `send` is a bound method of the HTTP stream,
    whose own `send` is one of the protocol, and so on down to the server that holds the connection.
    """
    for _ in range(8):
        owner = getattr(send, "__self__", None)
        stream = getattr(owner, "stream", None)
        if isinstance(stream, trio.SocketStream):
            return stream
        send = getattr(owner, "send", None)
        if send is None:
            return None
    return None


class Exchange:
    """A request's ASGI callables, with its connection."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, stream: trio.SocketStream | None) -> None:
        self.scope = scope
        self.send = send
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self._receive = receive
        self._stream = stream
        self._body_read = False
        self.gone = False
        self.read_rate: float | None = None  # bytes a second

    async def piece(self) -> bytes:
        """Return the next piece of the request's body, b"" at its end.

        Raises GoneError when the client goes away in the middle.
        """
        while not self._body_read:
            message: Message = await self._receive()
            if message["type"] == "http.disconnect":
                self._body_read = self.gone = True
                raise GoneError
            self._body_read = not message.get("more_body", False)
            if data := message.get("body", b""):
                if self.read_rate:
                    await trio.sleep(len(data) / self.read_rate)
                return bytes(data)
        return b""

    async def whole_body(self, limit: int = 16 * 1024 * 1024) -> bytes:
        """Return a small body; what is over the limit is read and dropped."""
        data = bytearray()
        while piece := await self.piece():
            if len(data) < limit:
                data += piece
        return bytes(data)

    async def drain(self) -> None:
        """Read what is left of the body, so that the client has sent it all before it is answered."""
        while await self.piece():
            pass

    async def until_gone(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Do the work; raises GoneError when the client goes away meanwhile. The body must have been read."""
        if self.gone:
            raise GoneError

        async def watch(scope: trio.CancelScope) -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass
            self.gone = True
            scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, nursery.cancel_scope)
            await work()
            nursery.cancel_scope.cancel()
        if self.gone:
            raise GoneError

    async def reset(self) -> None:
        """Reset the connection: the client sees an error, not an end."""
        assert self._stream is not None, "the server in use doesn't lead to its connection"
        self.gone = self._body_read = True
        linger = struct.pack("ii", 1, 0)
        self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await self._stream.aclose()

    def cut(self) -> None:
        """Shut the connection down at once, so that nothing waits in it any more. Synchronous."""
        if self._stream is not None:
            try:
                self._stream.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed or reset already
