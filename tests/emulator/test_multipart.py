from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from wsfs.emulator import multipart


def cut(body: bytes, size: int) -> Callable[[], Awaitable[bytes]]:
    """Give a body in pieces of `size` bytes."""
    parts = iter([body[start : start + size] for start in range(0, len(body), size)])

    async def piece() -> bytes:
        await trio.lowlevel.checkpoint()
        return next(parts, b"")

    return piece


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def part(disposition: str, data: bytes) -> bytes:
    return f"--B\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + data + b"\r\n"


@pytest.mark.parametrize("size", [1, 7, 1000, 10**9])
async def test_fields_and_files(size: int, tmp_path: Path) -> None:
    data = (
        bytes(range(256)) * 20 + b"\r\n--B\r\n--"
    )  # what looks like a boundary and isn't one: --B needs CRLF first
    data = data.replace(b"\r\n--B\r\n", b"\r\n-B\r\n")
    body = part('name="text"', "привіт".encode()) + part('name="attach[0]"; filename="план.pdf"', data)
    body += part('name="attach[7]"; filename="empty"', b"") + b"--B--\r\n"
    fields, uploads = await multipart.read(cut(body, size), "multipart/form-data; boundary=B", tmp_path)
    assert fields == [("text", "привіт")]
    assert [(upload.field, upload.name) for upload in uploads] == [
        ("attach[0]", "план.pdf"),
        ("attach[7]", "empty"),
    ]
    assert uploads[0].content.read(0, 10**6) == data
    assert uploads[0].content.sha256() == hashlib.sha256(data).hexdigest()
    assert uploads[1].content.size == 0
    multipart.discard(uploads)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    "body",
    [
        part('name="a"; filename="f"', b"data"),  # no end
        part('filename="f"', b"data") + b"--B--\r\n",  # no name
        b"what is this",
    ],
)
async def test_a_broken_body_leaves_nothing_behind(body: bytes, tmp_path: Path) -> None:
    with pytest.raises(multipart.MultipartError):
        await multipart.read(cut(body, 10), "multipart/form-data; boundary=B", tmp_path)
    assert names_in(tmp_path) == []


async def test_a_body_without_boundary(tmp_path: Path) -> None:
    with pytest.raises(multipart.MultipartError):
        await multipart.read(cut(b"", 10), "multipart/form-data", tmp_path)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('filename="a.txt"', "a.txt"),
        ('filename="a \\"b\\" c.txt"', 'a "b" c.txt'),
        ('filename="a; b=c.txt"', "a; b=c.txt"),
        ("filename=plain.txt", "plain.txt"),
        ('filename="Звіт «1».docx"', "Звіт «1».docx"),
        ('filename="a%22b.txt"', "a%22b.txt"),  # PHP takes it as it stands
        ("filename=\"right\"; filename*=UTF-8''wrong", "right"),  # RFC 7578 forbids filename*
    ],
)
def test_names_are_read_as_php_reads_them(header: str, name: str) -> None:
    assert multipart.disposition(f'form-data; name="attach[0]"; {header}'.encode())["filename"] == name


@given(st.text(st.characters(exclude_characters="\r\n\0\\", exclude_categories=["Cs"])))
def test_any_name_with_its_quotes_escaped_is_read_back(name: str) -> None:
    escaped = name.replace('"', '\\"')
    header = f'form-data; name="attach[0]"; filename="{escaped}"'
    assert multipart.disposition(header.encode())["filename"] == name


@pytest.mark.parametrize("path", ["C:\\Documents\\a.txt", "/home/u/a.txt", "../../a.txt", "a.txt"])
def test_directories_are_no_part_of_a_name(path: str) -> None:
    assert multipart.base_name(path) == "a.txt"
