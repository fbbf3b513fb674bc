from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartParser
from trio.testing import MockClock

from wsfs.api.errors import AttachmentUnreadable
from wsfs.api.multipart import (
    LARGEST_PIECE,
    PIECE_SIZE,
    QUICK,
    SLOW,
    Attachment,
    Body,
    form,
    multipart,
    sent_name,
)


def attachment(path: Path, content: bytes, name: str | None = None) -> Attachment:
    path.write_bytes(content)
    return Attachment(name or path.name, path, len(content))


async def read(body: Body) -> bytes:
    return b"".join([piece async for piece in body])


async def parsed(body: Body) -> list[tuple[str, str, bytes]]:
    """What a Python server makes of the body: field, file name (or none), content."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield await read(body)

    form_data = await MultiPartParser(Headers({"content-type": body.content_type}), stream()).parse()
    found = []
    for field, value in form_data.multi_items():
        if isinstance(value, str):
            found.append((field, "", value.encode()))
        else:
            found.append((field, value.filename or "", value.file.read()))
            value.file.close()
    return found


NAMES = [
    "plain.txt",
    "quo'te.txt",
    'quo"te.txt',
    "Договір №1.pdf",
    "100%22.txt",
    "a;b=c, d.txt",
    " x ",
    "😀.png",
    "*",
]


async def test_a_server_reads_fields_names_and_bytes(tmp_path: Path) -> None:
    files = [attachment(tmp_path / str(n), bytes([n]) * n * 1000, name) for n, name in enumerate(NAMES)]
    body = multipart({"text": 'рядок\nдва "x"', "id_task": "7"}, files)
    assert await parsed(body) == [
        ("text", "", 'рядок\nдва "x"'.encode()),
        ("id_task", "", b"7"),
        *[(f"attach[{n}]", name, bytes([n]) * n * 1000) for n, name in enumerate(NAMES)],
    ]


@pytest.mark.parametrize("size", [0, 1, PIECE_SIZE, PIECE_SIZE + 1, 3 * 1024 * 1024 + 5])
async def test_the_length_is_known_before(tmp_path: Path, size: int) -> None:
    body = multipart({"a": "ї"}, [attachment(tmp_path / "f", b"x" * size), attachment(tmp_path / "g", b"y")])
    assert (body.started, body.finished) == (False, False)
    pieces = [piece async for piece in body]
    assert sum(map(len, pieces)) == body.length
    assert max(map(len, pieces)) <= LARGEST_PIECE
    assert (body.started, body.finished) == (True, True)


async def test_progress_is_told_with_every_piece(tmp_path: Path) -> None:
    body = multipart({}, [attachment(tmp_path / "f", b"x" * PIECE_SIZE * 3)])
    told: list[bool] = []
    body.on_progress = lambda: told.append(body.finished)
    pieces = [piece async for piece in body]
    assert told == [*[False] * len(pieces), True]


async def test_it_is_told_how_much_of_each_file_has_left(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    files = []
    for name, size in (("f", 3 * PIECE_SIZE + 1), ("empty", 0), ("g", 3)):
        made = attachment(tmp_path / name, b"x" * size)
        files.append(Attachment(name, made.path, size, lambda done, name=name: told.append((name, done))))  # type: ignore[misc]
    body = multipart({"a": "b"}, files)
    assert told == [("f", 0), ("empty", 0), ("g", 0)]
    told.clear()
    await read(body)
    assert told == [("f", PIECE_SIZE), ("f", 3 * PIECE_SIZE), ("f", 3 * PIECE_SIZE + 1), ("g", 3)]


async def test_pieces_grow_while_they_leave_quickly_and_are_small_on_a_slow_line(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    body = multipart({}, [attachment(tmp_path / "f", b"x" * 4 * 1024 * 1024)])
    await anext(body)  # what stands before the file
    sizes = []
    for seconds in (0.0, QUICK / 2, SLOW * 2, QUICK * 2, 0.0):
        sizes.append(len(await anext(body)) // PIECE_SIZE)
        mock_clock.jump(seconds)
    assert sizes == [1, 2, 4, 1, 1]
    assert len(await anext(body)) == 2 * PIECE_SIZE
    body.close()


async def test_a_file_that_grew_is_sent_as_long_as_it_was(tmp_path: Path) -> None:
    file = attachment(tmp_path / "f", b"12345")
    file.path.write_bytes(b"1234567890")
    body = multipart({}, [file])
    assert len(await read(body)) == body.length


@pytest.mark.parametrize("content", [b"", b"123", None])
async def test_a_file_that_shrank_or_went_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    file = attachment(tmp_path / "f", b"12345")
    file.path.unlink() if content is None else file.path.write_bytes(content)
    body = multipart({}, [file])
    with pytest.raises(AttachmentUnreadable):
        await read(body)
    body.close()


async def test_a_form_is_encoded_and_known_in_length() -> None:
    body = form({"title": "Ї & ж", "id_task": "7"})
    data = await read(body)
    assert data == b"title=%D0%87%20%26%20%D0%B6&id_task=7"
    assert len(data) == body.length


def test_names_that_servers_would_cut_are_sent_with_stand_ins() -> None:
    assert sent_name("a\\b/c\nd\x00\x7f.txt") == "a＼b／c␊d␀␡.txt"
    assert sent_name("Договір №1 «a».pdf") == "Договір №1 «a».pdf"


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_every_name_arrives_as_the_name_that_is_sent(name: str) -> None:
    body = multipart({}, [Attachment(name, Path("unused"), 0)], boundary="B")
    head = body._parts[-1]
    assert isinstance(head, bytes)
    line = head.split(b"\r\n")[1].removeprefix(b"Content-Disposition: ")
    assert head.count(b"\r\n") == 4
    _, options = parse_options_header(line.decode("latin-1"))
    assert options[b"filename"].decode() == sent_name(name)
    assert options[b"name"] == b"attach[0]"
