"""Sending an answer: JSON or an attachment's bytes, whole or a range, with what the faults do to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

import msgspec
import trio

from wsfs.emulator.contents import PIECE, Content, Fixed, Noise
from wsfs.emulator.entities import StoredFile
from wsfs.emulator.exchange import Exchange
from wsfs.emulator.faults import Fault, Strike

JSON = "application/json; charset=utf-8"
Headers = list[tuple[str, str]]


class Reply:
    """What is to be sent: bytes `start` to `stop` of a content, under a status and headers."""

    def __init__(
        self,
        content: Content | bytes,
        *,
        status: int = 200,
        kind: str = JSON,
        headers: Iterable[tuple[str, str]] = (),
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        self.content: Content = Fixed(content) if isinstance(content, bytes) else content
        self.status = status
        self.start = start
        self.stop = self.content.size if stop is None else stop
        self.headers: Headers = [("content-type", kind), *headers]
        self.count: Callable[[int], None] = lambda length: None  # told of each piece that goes out

    async def send(
        self, exchange: Exchange, strike: Strike | None = None, bandwidth: float | None = None
    ) -> None:
        """Send it.

        Raises GoneError when the client goes away; that is so too after a fault that resets the connection.
        `bandwidth` is in bytes a second.
        """
        fate = strike.fate if strike is not None else None
        if strike is not None and "slow" in strike.shape:
            bandwidth = strike.shape["slow"].value
        length = self.stop - self.start
        await exchange.send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [
                    (name.encode("latin-1"), value.encode("latin-1"))
                    for name, value in [*self.headers, ("content-length", str(length))]
                ],
            }
        )
        breaks = fate is not None and fate.name in {"truncate", "reset-body", "stall"}

        async def pour(start: int, stop: int) -> None:
            piece = PIECE if not bandwidth else max(1, min(PIECE, int(bandwidth / 10)))
            due = trio.current_time()
            while start < stop:
                data = await self._read(start, min(piece, stop - start))
                self.count(len(data))
                await exchange.send({"type": "http.response.body", "body": data, "more_body": True})
                start += len(data)
                if bandwidth:
                    due += len(data) / bandwidth
                    await trio.sleep_until(due)

        half = self.start + length // 2 if breaks else self.stop
        await exchange.until_gone(lambda: pour(self.start, half))
        if breaks and fate is not None:
            if fate.name == "truncate":
                return  # the server closes the connection of an answer that isn't complete
            if fate.name == "reset-body":
                await exchange.reset()
                return
            released = fate.released
            await exchange.until_gone(released.wait)
            await exchange.until_gone(lambda: pour(half, self.stop))
        await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _read(self, offset: int, length: int) -> bytes:
        if self.content.slow:
            return await trio.to_thread.run_sync(self.content.read, offset, length)
        return self.content.read(offset, length)


def encode(said: Any) -> bytes:
    """Return JSON."""
    return msgspec.json.encode(said)


def html(status: int) -> Reply:
    """Return the page that a proxy in front of the service might send."""
    text = (
        f"<html><head><title>{status}</title></head><body><h1>Service is being updated</h1></body></html>\n"
    )
    return Reply(text.encode(), status=status, kind="text/html; charset=utf-8")


def content_disposition(name: str) -> str:
    """Return the header's value, with a fallback in ASCII and the name in UTF-8 (RFC 6266)."""
    plain = "".join(each if " " <= each < "\x7f" and each not in '"\\%;' else "_" for each in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


_RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)-(\d*)\s*")


def download(file: StoredFile, wanted: str | None, fate: Fault | None) -> Reply:
    """Return the answer of `download`; `wanted` is the Range header, None where ranges are off or none is asked.

    Of several ranges, or what is no range, the whole is sent, as RFC 9110 allows.
    """
    content = file.content
    headers = [("content-disposition", content_disposition(file.name))]
    kind = "application/octet-stream"
    if fate is not None and fate.name == "short":
        return Reply(content, kind=kind, headers=headers, stop=content.size // 2)
    if fate is not None and fate.name == "long":
        return Reply(_Longer(content), kind=kind, headers=headers)
    match = _RANGE.fullmatch(wanted or "")
    if match is None or match[1] == match[2] == "":
        return Reply(content, kind=kind, headers=headers)
    size = content.size
    if match[1]:
        start = int(match[1])
        stop = min(size, int(match[2]) + 1) if match[2] else size
    else:
        start, stop = max(0, size - int(match[2])), size
    if start >= size or stop <= start:
        return Reply(b"", status=416, kind=kind, headers=[("content-range", f"bytes */{size}")])
    headers.append(("content-range", f"bytes {start}-{stop - 1}/{size}"))
    return Reply(content, status=206, kind=kind, headers=headers, start=start, stop=stop)


class _Longer:
    """A content with a hundred bytes too many."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._more = Noise(0, 100)
        self.slow = content.slow

    @property
    def size(self) -> int:
        return self._content.size + self._more.size

    def read(self, offset: int, length: int) -> bytes:
        data = self._content.read(offset, length)
        if len(data) < length:
            data += self._more.read(max(0, offset - self._content.size), length - len(data))
        return data

    def sha256(self) -> str:
        raise NotImplementedError
