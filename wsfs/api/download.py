"""A download: its head, its size, and its bytes as they arrive.

Whether the service honours Range is not documented, so both are taken; and an error comes as JSON, perhaps
with HTTP 200, in place of the bytes. A redirect on the account's own address is followed as the same login;
one to another host, a store of files say, without it, and never with a secret in its address.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlencode

import httpx

from wsfs.api import answers, errors
from wsfs.api.pacing import Lane, Promotable
from wsfs.api.transport import Transport
from wsfs.api.wire import Attempt, Pieces

MOST_REDIRECTS = 3
LONGEST_ERROR = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_PAGES = frozenset({"application/json", "text/html", "application/xhtml+xml"})


class Chunks:
    """The chunks of a download, in order; iterating on goes on where it stopped. It needs no closing."""

    def __init__(self, download: Download) -> None:
        self._download = download

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._download.next_chunk()
        if chunk is None:
            raise StopAsyncIteration
        return chunk


class Download:
    """A file on its way.

    `size` is that of the whole file in bytes, or None where the server doesn't tell it; `start` is the
    offset of the first byte that comes: 0 where the server ignored the Range. `ranges` is whether it
    honours Range, None where that doesn't show.
    """

    def __init__(self, pieces: Pieces, *, size: int | None, start: int, ranges: bool | None) -> None:
        self.size = size
        self.start = start
        self.ranges = ranges
        self.received = 0
        self._pieces = pieces

    def chunks(self) -> Chunks:
        """The bytes from `start` on, in chunks of any length.

        Raises TimedOut when none comes for the deadline, and ConnectionBroken when the answer ends before
        its announced end. A download that moves has no end of time. Whether the bytes are as many as the
        API's size is the reader's to check.
        """
        return Chunks(self)

    async def next_chunk(self) -> bytes | None:
        """The next chunk, None at the end; what `chunks()` iterates over."""
        piece = await self._pieces.next()
        if piece is not None:
            self.received += len(piece)
        return piece

    async def aclose(self) -> None:
        """Give up what was not read; done even where the caller is cancelled."""
        await self._pieces.aclose()


@asynccontextmanager
async def download(
    transport: Transport, file_id: int, *, lane: Lane | Promotable, start: int = 0
) -> AsyncIterator[Download]:
    """Open the download of a file from byte `start` on, and close it at the end of the block.

    Raises the tree of `errors`; a file that is gone is FileNotFound. Cancellation ends it and closes its
    connection.
    """
    query = urlencode({"action": "download", "id_file": file_id})
    headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"

    async def finish(attempt: Attempt, response: httpx.Response) -> Download:
        response = await _followed(transport, attempt, response, headers, lane)
        await _check(transport, response)
        try:
            return _described(transport, response, start)
        except errors.BadAnswer:
            await transport.pieces(response).aclose()
            raise

    attempt, opened = await transport.exchange(
        "download", query, finish, lane=lane, detail=f"id_file={file_id}", headers=headers
    )
    result, said = "ok", ""
    try:
        yield opened
    except errors.ApiError as error:
        result, said = type(error).__name__, str(error)
        raise
    except BaseException:
        result = "cancelled"
        raise
    finally:
        await opened.aclose()
        transport.record(attempt, result, f"{opened.received} bytes" + (f": {said}" if said else ""))


async def _followed(
    transport: Transport,
    attempt: Attempt,
    response: httpx.Response,
    headers: dict[str, str],
    lane: Lane | Promotable,
) -> httpx.Response:
    """`response`, or the answer at the end of the redirects that it begins."""
    for _ in range(MOST_REDIRECTS):
        if response.status_code not in _REDIRECTS:
            return response
        here, location = response.url, response.headers.get("location", "")
        await transport.pieces(response).aclose()
        try:
            target = here.join(location)
        except httpx.InvalidURL:
            raise errors.BadAnswer("a redirect to nowhere") from None
        if target.scheme not in ("http", "https") or (here.scheme == "https" and target.scheme != "https"):
            raise errors.BadAnswer("a redirect to an address that isn't safe")
        sent = dict(headers)
        if _origin(target) == _origin(transport.base):
            _, signature = transport.signer.sign("download", "", transport.signer.scheme)
            sent.update(signature)
            await transport.pacer.turn(lane)
            transport.record(replace(attempt, detail=f"{attempt.detail} (redirect)"), "ok")
        elif transport.signer.redact(str(target)) != str(target):
            raise errors.BadAnswer("a redirect that would carry the login to another host")
        response = await transport.open(attempt, target, sent)
    await transport.pieces(response).aclose()
    raise errors.BadAnswer("too many redirects")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, port


async def _check(transport: Transport, response: httpx.Response) -> None:
    """Raise the named error of an answer that is no file, having closed it."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_file = "content-disposition" in response.headers or bool(kind and kind not in _PAGES)
    if response.status_code in (200, 206) and is_file:
        return
    content = await transport.content(response, LONGEST_ERROR)
    answer = answers.parse(content)
    error = answers.error_in("download", response.status_code, response.headers, answer)
    raise error or errors.BadAnswer(f"{kind or 'something'} in place of a file")


def _described(transport: Transport, response: httpx.Response, start: int) -> Download:
    """The download that a good answer begins."""
    headers = response.headers
    length = headers.get("content-length", "")
    size = int(length) if length.isdigit() and "content-encoding" not in headers else None
    accepts = headers.get("accept-ranges", "").lower()
    ranges = {"bytes": True, "none": False}.get(accepts)
    if response.status_code == 206:
        found = _RANGE.fullmatch(headers.get("content-range", ""))
        if found is None:
            raise errors.BadAnswer("a part of a file that doesn't say which")
        whole = None if found[3] == "*" else int(found[3])
        return Download(transport.pieces(response), size=whole, start=int(found[1]), ranges=True)
    if start:
        ranges = False
    return Download(transport.pieces(response), size=size, start=0, ranges=ranges)
