"""The body of a post: form fields, and files streamed from disk.

A file name goes as raw UTF-8 in `filename="…"`. What readers make of it was measured (PHP 8.2 and
python-multipart): `\\"` is a quote to both, the `%22` of browsers to neither; PHP takes everything up to
the last `\\` for a directory, so a backslash, like a control character, is sent as the sign that stands for
it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlencode

import httpx
import trio

from wsfs.api.errors import AttachmentUnreadable

READ_SIZE = 1024 * 1024
PIECE_SIZE = 64 * 1024
LARGEST_PIECE = 256 * 1024
"""That a piece has left is known of the whole alone: no larger, or a line at 9 kB/s would be taken for a dead one."""
QUICK = 0.05
"""Seconds: after a piece that left faster the next is larger. A third of the processor's work, measured at 300 MB/s."""
SLOW = 1.0
"""Seconds: after a piece that took longer the next is small again."""

_STAND_INS: dict[int, int | str] = {
    **{code: 0x2400 + code for code in range(0x20)},
    0x7F: 0x2421,
    ord("\\"): "＼",
    ord("/"): "／",
}


def _unheard(_count: int) -> None:
    return


@dataclass(frozen=True)
class Attachment:
    """A file to be sent: the name it shall have, where its bytes are, and how many there are.

    `taken` is told, while the body goes out, how many of its bytes have left so far; 0 when a body begins anew.
    It must not raise.
    """

    name: str
    path: Path
    size: int
    taken: Callable[[int], None] = field(default=_unheard, compare=False, repr=False)


def sent_name(name: str) -> str:
    """The name that the server sees for a file called `name`: slashes and control characters replaced."""
    return name.translate(_STAND_INS)


class Body(httpx.AsyncByteStream):
    """A request's body of known length, given out piece by piece, once.

    `started` is true from the moment the first piece is asked for, `finished` when the last has been taken.
    `on_progress` is called each time a piece was taken. The owner calls `close()`, whatever happened. It is
    its own iterator, no generator, so that one that is given up half-way leaves nothing to be finalised.
    """

    def __init__(self, parts: Sequence[bytes | Attachment], content_type: str) -> None:
        self.content_type = content_type
        self.length = sum(len(part) if isinstance(part, bytes) else part.size for part in parts)
        self.started = False
        self.finished = False
        self.on_progress: Callable[[], None] = lambda: None
        self._parts = list(reversed(parts))
        self._file: BinaryIO | None = None
        self._left = 0
        self._buffer = memoryview(b"")
        self._current: Attachment | None = None
        self._given = 0
        self._piece = PIECE_SIZE
        self._given_at = 0.0
        for part in parts:
            if isinstance(part, Attachment):
                part.taken(0)

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        self.started = True
        if self._current is not None:  # asked for more, it has taken the piece before
            self._current.taken(self._given)
            self._adapt()
        while not self._buffer:
            if self._file is None and not self._parts:
                self.finished = True
                self.on_progress()
                raise StopAsyncIteration
            part = self._parts.pop() if self._file is None else None
            if isinstance(part, bytes):
                self._buffer, self._current = memoryview(part), None
            else:
                if part is not None:
                    self._current, self._given = part, 0
                self._buffer = memoryview(await trio.to_thread.run_sync(self._read, part))
        self.on_progress()
        piece, self._buffer = self._buffer[: self._piece], self._buffer[self._piece :]
        self._given += len(piece)
        self._given_at = trio.current_time()
        return bytes(piece)

    def _adapt(self) -> None:
        """Take larger pieces while they leave quickly."""
        took = trio.current_time() - self._given_at
        if took < QUICK:
            self._piece = min(2 * self._piece, LARGEST_PIECE)
        elif took > SLOW:
            self._piece = PIECE_SIZE

    def _read(self, part: Attachment | None) -> bytes:
        """In a worker thread: open the file if it is a new one, and read on."""
        try:
            if part is not None:
                self._file, self._left = part.path.open("rb"), part.size
            assert self._file is not None
            data = self._file.read(min(self._left, READ_SIZE))
        except OSError as error:
            raise AttachmentUnreadable(error.strerror or "the file can't be read") from None
        self._left -= len(data)
        if self._left and not data:
            raise AttachmentUnreadable("the file is shorter than it was")
        if not self._left:
            self.close()
        return data

    def close(self) -> None:
        """Close the file that is being read, if one is."""
        if self._file is not None:
            self._file.close()
            self._file = None


def form(fields: Mapping[str, str]) -> Body:
    """The fields as application/x-www-form-urlencoded."""
    return Body(
        [urlencode(fields, quote_via=quote).encode("ascii")],
        "application/x-www-form-urlencoded; charset=utf-8",
    )


def multipart(
    fields: Mapping[str, str], attachments: Sequence[Attachment], *, boundary: str | None = None
) -> Body:
    """The fields and, as `attach[0]`, `attach[1]` …, the files as multipart/form-data."""
    boundary = boundary or f"wsfs-{secrets.token_hex(16)}"
    parts: list[bytes | Attachment] = []
    text = bytearray()
    for name, value in fields.items():
        text += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for number, attachment in enumerate(attachments):
        filename = sent_name(attachment.name).replace('"', '\\"')
        text += (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="attach[{number}]"; filename="{filename}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        parts += [bytes(text), attachment]
        text = bytearray(b"\r\n")
    text += f"--{boundary}--\r\n".encode()
    parts.append(bytes(text))
    return Body(parts, f"multipart/form-data; boundary={boundary}")
