"""Multipart uploads, streamed to disk as they come."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import trio
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from wsfs.emulator.contents import OnDisk

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # what it warns of, it raises too

BUFFER = 1024 * 1024
FIELD_LIMIT = 4 * 1024 * 1024
_PARAMETER = re.compile(r';\s*([A-Za-z*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))', re.DOTALL)


class MultipartError(Exception):
    """The body is not what its Content-Type says."""


@dataclass
class Upload:
    """An uploaded file: its field, its name as the service reads it, and its bytes."""

    field: str
    name: str
    content: OnDisk


def disposition(header: bytes) -> dict[str, str]:
    """Read a Content-Disposition's parameters as PHP does: UTF-8, `\\"` and `\\\\` undone, `name*` unknown."""
    text = header.decode("utf-8", "surrogateescape")
    found = {}
    for match in _PARAMETER.finditer(text):
        quoted, plain = match[2], match[3]
        value = re.sub(r'\\(["\\])', r"\1", quoted) if quoted is not None else plain
        found[match[1].lower()] = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return found


def base_name(name: str) -> str:
    """Return a file name without its directories, as PHP takes it, on any system's terms."""
    return re.split(r"[/\\]", name)[-1]


class _Part:
    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.name = ""
        self.file_name: str | None = None
        self.value = bytearray()
        self.size = 0
        self.digest = hashlib.sha256()
        self.descriptor = -1
        self.path = Path()

    def begin(self, directory: Path) -> None:
        parameters = disposition(
            next((value for name, value in self.headers if name.lower() == b"content-disposition"), b"")
        )
        if "name" not in parameters:
            raise MultipartError("a part has no name")
        self.name = parameters["name"]
        if "filename" in parameters:
            self.file_name = base_name(parameters["filename"])
            self.descriptor, path = tempfile.mkstemp(dir=directory, prefix="upload-")
            self.path = Path(path)

    def write_out(self) -> None:
        """Write what is buffered; blocks on the disk."""
        data, self.value = self.value, bytearray()
        self.digest.update(data)
        self.size += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class _Reader:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.parts: list[_Part] = []
        self.full: list[_Part] = []  # parts that have something to be written
        self.ended = False
        self._header = bytearray()
        self._value = bytearray()

    def on_part_begin(self) -> None:
        self.parts.append(_Part())

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self.parts[-1].headers.append((bytes(self._header), bytes(self._value)))
        self._header.clear()
        self._value.clear()

    def on_headers_finished(self) -> None:
        self.parts[-1].begin(self.directory)

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        part.value += data[start:end]
        if part.file_name is None:
            if len(part.value) > FIELD_LIMIT:
                raise MultipartError("a field is too large")
        elif len(part.value) >= BUFFER and part not in self.full:
            self.full.append(part)

    def on_part_end(self) -> None:
        part = self.parts[-1]
        if part.file_name is not None and part.value and part not in self.full:
            self.full.append(part)

    def on_end(self) -> None:
        self.ended = True


async def read(
    piece: Callable[[], Awaitable[bytes]], content_type: str, directory: Path
) -> tuple[list[tuple[str, str]], list[Upload]]:
    """Return the fields and the uploaded files of a multipart body, the files lying in `directory`.

    `piece` gives the next piece of the body, b"" at its end. Memory stays flat whatever the size. The caller owns
    the files. Raises MultipartError, and whatever `piece` raises; then, and when cancelled, nothing is left in the
    directory.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise MultipartError("the boundary is missing")
    reader = _Reader(directory)
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": reader.on_part_begin,
            "on_header_field": reader.on_header_field,
            "on_header_value": reader.on_header_value,
            "on_header_end": reader.on_header_end,
            "on_headers_finished": reader.on_headers_finished,
            "on_part_data": reader.on_part_data,
            "on_part_end": reader.on_part_end,
            "on_end": reader.on_end,
        },
    )
    try:
        while data := await piece():
            parser.write(data)
            while reader.full:
                await trio.to_thread.run_sync(reader.full.pop().write_out)
        parser.finalize()
        if not reader.ended:
            raise MultipartError("the body ends in the middle")
    except BaseException as error:
        discard([Upload("", "", OnDisk(part.path, 0, "")) for part in reader.parts if part.descriptor >= 0])
        if isinstance(error, FormParserError):
            raise MultipartError(str(error)) from error
        raise
    finally:
        for part in reader.parts:
            part.close()
    fields = [
        (part.name, part.value.decode("utf-8", "replace")) for part in reader.parts if part.file_name is None
    ]
    uploads = [
        Upload(part.name, part.file_name, OnDisk(part.path, part.size, part.digest.hexdigest()))
        for part in reader.parts
        if part.file_name is not None
    ]
    return fields, uploads


def discard(uploads: list[Upload]) -> None:
    """Remove uploaded files that nothing took."""
    for upload in uploads:
        upload.content.path.unlink(missing_ok=True)
