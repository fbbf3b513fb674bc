"""What travels: one sending of a request, the pieces of its answer, and httpx's errors made this package's own."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import trio

from wsfs.api import errors
from wsfs.api.multipart import Body
from wsfs.api.pacing import Lane

CLOSE_DEADLINE = 5.0
GZIP = 31
"""zlib's number for data with a gzip header."""

TRANSPORT_ERRORS: tuple[tuple[type[Exception], type[errors.ApiError]], ...] = (
    (httpx.ConnectError, errors.Unreachable),
    (httpx.ConnectTimeout, errors.Unreachable),
    (httpx.PoolTimeout, errors.Unreachable),
    (httpx.ProxyError, errors.Unreachable),
    (httpx.UnsupportedProtocol, errors.Unreachable),
    (httpx.TimeoutException, errors.TimedOut),
    (httpx.ProtocolError, errors.BadAnswer),
    (httpx.DecodingError, errors.BadAnswer),
    (httpx.TooManyRedirects, errors.BadAnswer),
    (httpx.NetworkError, errors.ConnectionBroken),
    (httpx.HTTPError, errors.ConnectionBroken),
)
"""What httpx raises to what this package raises, the more particular first."""


def translated(error: httpx.HTTPError, detail: str) -> errors.ApiError:
    """The error of this package for one of httpx's; `detail` is its text, without credentials."""
    if isinstance(error, httpx.RemoteProtocolError) and ("closed" in detail or "disconnected" in detail):
        return errors.ConnectionBroken(detail)
    return next(ours for theirs, ours in TRANSPORT_ERRORS if isinstance(error, theirs))(detail)


@dataclass
class Attempt:
    """One sending of a request, from its turn to the end of its answer."""

    action: str
    lane: Lane
    detail: str
    body: Body | None = None
    wall: float = field(default_factory=time.time)
    begun: float = field(default_factory=trio.current_time)
    connected_anew: bool = False
    sending: bool = False
    answering: bool = False
    recorded: bool = False
    ahead: float | None = None
    """By how many seconds this machine's clock is ahead of the server's (its Date header; RFC 9110, 6.6.1)."""

    def heard(self, response: httpx.Response) -> None:
        """Take down what the head of the answer tells."""
        self.answering = True
        try:
            told = parsedate_to_datetime(response.headers.get("date", ""))
        except ValueError:
            return
        # It was made between the sending and now, and tells whole seconds, rounded down.
        self.ahead = round(time.time() - told.timestamp() - 0.5, 1)

    async def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """httpcore's trace hook: learns whether the connection is new, and when the request goes out."""
        if name.startswith("connection.connect"):
            self.connected_anew = True
        elif name.endswith("send_request_headers.started"):
            self.sending = True


class Pieces:
    """The pieces of an answer's body as they arrive, each within `deadline` seconds of the one before.

    The owner calls `aclose()`, however it ended; an answer that was not read to its end takes its
    connection with it.
    """

    def __init__(self, response: httpx.Response, deadline: float, redact: Callable[[str], str]) -> None:
        self._response = response
        self._deadline = deadline
        self._redact = redact
        # httpx would decode, too, but an error in its decoder leaves the generators below it half-way.
        read_already = response.is_stream_consumed
        self._iterator = response.aiter_bytes() if read_already else response.aiter_raw()
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        self._encoding = "identity" if read_already else encoding
        self._decompressor = zlib.decompressobj(GZIP) if self._encoding in ("gzip", "x-gzip") else None
        self._begun = self._ended = False

    async def next(self) -> bytes | None:
        """The next piece, None at the end. Raises TimedOut, ConnectionBroken, BadAnswer."""
        if self._decompressor is None:
            if self._encoding != "identity":
                raise errors.BadAnswer(f"its encoding, {self._encoding[:30]}, was not asked for")
            return await self._next()
        while (piece := await self._next()) is not None:
            try:
                piece = self._decompressor.decompress(piece)
            except zlib.error:
                raise errors.BadAnswer("it can't be decompressed") from None
            if piece:
                return piece
        if not self._decompressor.eof:
            raise errors.BadAnswer("its compressed data ends early")
        return None

    async def _next(self) -> bytes | None:
        """The next piece as it came."""
        if self._ended:
            return None
        self._begun = True
        try:
            with trio.move_on_after(self._deadline):
                return await anext(self._iterator)
        except StopAsyncIteration:
            self._ended = True
            return None
        except httpx.HTTPError as error:
            self._ended = True
            ours = translated(error, self._redact(str(error)))
        except BaseException:
            self._ended = True
            raise
        else:
            self._ended = True
            ours = errors.TimedOut(f"nothing came for {self._deadline:g} s")
        raise ours from None

    async def aclose(self) -> None:
        """Give up what was not read. Bounded, and done even where the caller is cancelled."""
        if self._begun and not self._ended:
            self._ended = True
            # Generators that are left half-way are a warning later; a cancelled read unwinds all of them now.
            with trio.CancelScope(shield=True) as scope:
                scope.cancel()
                try:
                    async for _ in self._iterator:
                        pass
                except httpx.HTTPError:
                    pass
        with trio.move_on_after(CLOSE_DEADLINE, shield=True):
            await self._response.aclose()
