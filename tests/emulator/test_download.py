from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import httpx
import pytest
import trio

from wsfs.emulator.account import Account
from wsfs.emulator.contents import Noise
from wsfs.emulator.entities import StoredFile
from wsfs.emulator.replies import content_disposition
from wsfs.emulator.testing import running

SIZE = 3_000_000


@pytest.fixture
def file(account: Account) -> StoredFile:
    return account.add_task(account.add_project("P"), "T", files=[("звіт.bin", Noise(1, SIZE))]).files[0]


async def test_the_bytes_and_the_name(api: Any, file: StoredFile) -> None:
    response = await api.get("download", id_file=file.id)
    assert response.content == file.content.read(0, SIZE)
    assert response.headers["content-length"] == str(SIZE)
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"].startswith(
        "attachment; filename=\"____.bin\"; filename*=UTF-8''%D0"
    )
    assert api.emulator.requests[-1].sent == SIZE


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-", 0, SIZE),
        ("bytes=1000000-", 1_000_000, SIZE),
        ("bytes=5-9", 5, 10),
        ("bytes=2999990-99999999", 2_999_990, SIZE),
        ("bytes=-7", SIZE - 7, SIZE),
    ],
)
async def test_ranges(api: Any, file: StoredFile, wanted: str, start: int, stop: int) -> None:
    response = await api.http.get(api.admin_url("download", id_file=file.id), headers={"Range": wanted})
    assert response.status_code == 206
    assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert response.content == file.content.read(start, stop - start)
    assert api.emulator.requests[-1].range == wanted


@pytest.mark.parametrize("wanted", ["bytes=0-1,5-9", "bytes=-", "pages=1-2", "bytes=x-"])
async def test_what_is_no_single_range_gets_the_whole(api: Any, file: StoredFile, wanted: str) -> None:
    response = await api.http.get(api.admin_url("download", id_file=file.id), headers={"Range": wanted})
    assert (response.status_code, len(response.content)) == (200, SIZE)


@pytest.mark.parametrize("wanted", ["bytes=3000000-", "bytes=-0", "bytes=9-5"])
async def test_a_range_outside_is_http_416(api: Any, file: StoredFile, wanted: str) -> None:
    response = await api.http.get(api.admin_url("download", id_file=file.id), headers={"Range": wanted})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{SIZE}"


async def test_ranges_can_be_off(account: Account, file: StoredFile, api_of: Callable[..., Any]) -> None:
    async with running(account, ranges=False) as emulator, httpx.AsyncClient() as http:
        url = api_of(emulator, http).admin_url("download", id_file=file.id)
        response = await http.get(url, headers={"Range": "bytes=5-"})
        assert (response.status_code, len(response.content)) == (200, SIZE)


async def test_bandwidth(account: Account, file: StoredFile, api_of: Callable[..., Any]) -> None:
    async with running(account, bandwidth=6_000_000) as emulator, httpx.AsyncClient() as http:
        start = trio.current_time()
        await http.get(api_of(emulator, http).admin_url("download", id_file=file.id))
        assert trio.current_time() - start >= 0.4


async def test_an_error_is_json(api: Any) -> None:
    response = await api.get("download", id_file=7)
    assert response.headers["content-type"].startswith("application/json")
    assert json.loads(response.content)["message"] == "File not found"


@pytest.mark.parametrize("name", ['a "b".txt', "a\\b;c%.txt", "план.pdf", "\x00\n.txt", ""])
def test_content_disposition_is_one_safe_line(name: str) -> None:
    value = content_disposition(name)
    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2


@pytest.mark.filterwarnings(
    "ignore:Async generator:ResourceWarning"
)  # httpx leaves its own, cut in the middle
async def test_a_client_that_leaves_ends_its_download(api: Any, account: Account) -> None:
    big = account.add_file_to_project(account.add_project("P"), ("big", Noise(1, 10**9)))
    async with (
        api.http.stream("GET", api.admin_url("download", id_file=big.id)) as response,
        aclosing(response.aiter_raw()) as pieces,
    ):
        await anext(pieces)
    await api.until(lambda: not api.emulator.exchanges)
    seen = api.emulator.requests[-1]
    assert seen.result == "ok"
    assert 0 < seen.sent < 10**9
