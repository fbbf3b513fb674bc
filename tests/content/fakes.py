"""A server of attachments in memory, with the faults that a network has."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from wsfs.api.errors import ApiError, ConnectionBroken, FileNotFound
from wsfs.api.pacing import Lane, Promotable, lane_of

BLOCK = 4096


def content(file_id: int, start: int, end: int) -> bytes:
    """The bytes of an attachment, made when asked for; no two places of two attachments are alike."""
    first, last = start // BLOCK, -(-end // BLOCK)
    blocks = (hashlib.sha256(b"%d:%d" % (file_id, block)).digest() * 128 for block in range(first, last))
    return b"".join(blocks)[start - first * BLOCK : end - first * BLOCK]


@dataclass
class Fault:
    """What happens to one request: `after` bytes of its body, `error` is raised, or it hangs, or ends."""

    after: int = 0
    error: Exception | None = None
    hang: bool = False
    end: bool = False
    extra: bytes = b""
    at_open: bool = False
    tell: int | None = None  # the size that the head tells


@dataclass
class FakeDownload:
    """One answer."""

    server: FakeServer
    file_id: int
    size: int | None
    start: int
    ranges: bool | None
    fault: Fault | None
    closed: bool = False

    async def chunks(self) -> AsyncIterator[bytes]:
        server, fault = self.server, self.fault
        whole = server.sizes[self.file_id]
        offset, sent = self.start, 0
        while True:
            if fault is not None and sent >= fault.after:
                if fault.hang:
                    await trio.sleep_forever()
                if fault.error is not None:
                    raise fault.error
                if fault.end:
                    return
            if offset >= whole:
                break
            length = min(server.chunk, whole - offset)
            if fault is not None and sent < fault.after:
                length = min(length, fault.after - sent)
            if server.rate is not None:
                await trio.sleep(length / server.rate)
            else:
                await trio.lowlevel.checkpoint()
            yield content(self.file_id, offset, offset + length)
            server.sent += length
            offset += length
            sent += length
        if fault is not None and fault.extra:
            yield fault.extra


@dataclass
class FakeServer:
    """Serves attachments by id; `requests` are (file_id, start, lane)."""

    sizes: dict[int, int] = field(default_factory=dict)
    honours_ranges: bool = True
    tells_ranges: bool = True
    tells_size: bool = True
    chunk: int = 64 * 1024
    rate: float | None = None
    latency: float = 0.0
    requests: list[tuple[int, int, Lane]] = field(default_factory=list)
    lanes: list[Lane | Promotable] = field(default_factory=list)
    faults: deque[Fault | None] = field(default_factory=deque)
    sent: int = 0
    running: int = 0
    most: int = 0

    @asynccontextmanager
    async def download(
        self, file_id: int, *, lane: Lane | Promotable, start: int = 0
    ) -> AsyncIterator[FakeDownload]:
        self.requests.append((file_id, start, lane_of(lane)))
        self.lanes.append(lane)
        fault = self.faults.popleft() if self.faults else None
        await trio.sleep(self.latency)
        if file_id not in self.sizes:
            raise FileNotFound()
        if fault is not None and fault.at_open:
            if fault.hang:
                await trio.sleep_forever()
            raise fault.error or ConnectionBroken()
        size: int | None = self.sizes[file_id]
        if fault is not None and fault.tell is not None:
            size = fault.tell
        download = FakeDownload(
            self,
            file_id,
            size if self.tells_size else None,
            start if self.honours_ranges else 0,
            self.honours_ranges if self.tells_ranges else None,
            fault,
        )
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            yield download
        finally:
            self.running -= 1
            download.closed = True


def broken(after: int) -> Fault:
    """The connection breaks after so many bytes."""
    return Fault(after=after, error=ConnectionBroken())


def refused(error: ApiError) -> Fault:
    """The request is answered with an error."""
    return Fault(at_open=True, error=error)
