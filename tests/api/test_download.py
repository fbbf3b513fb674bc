from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
import trio

from wsfs.api import errors
from wsfs.api.client import Client, RequestRecord
from wsfs.api.pacing import Lane

KEY = "7776461cd931e7b1c8e9632ff8e979ce"
CONTENT = bytes(range(256)) * 40
NAMED = {"Content-Disposition": 'attachment; filename="a.bin"'}

Make = Callable[..., Client]
Serve = Callable[[Callable[[trio.SocketStream], Awaitable[None]]], AbstractAsyncContextManager[str]]
P = Lane.PERSON


class Files:
    """Serves one file, with or without ranges."""

    def __init__(self, *, ranges: bool = True, headers: dict[str, str] | None = None) -> None:
        self.ranges = ranges
        self.headers = NAMED if headers is None else headers
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        wanted = request.headers.get("range")
        if wanted and self.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            told = {"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"}
            return httpx.Response(206, headers={**self.headers, **told}, content=CONTENT[start:])
        return httpx.Response(200, headers=self.headers, content=CONTENT)


async def whole(client: Client, **options: Any) -> bytes:
    async with client.download(5, lane=P, **options) as download:
        return b"".join([chunk async for chunk in download.chunks()])


async def test_a_whole_file(make_client: Make) -> None:
    records: list[RequestRecord] = []
    files = Files()
    async with (
        make_client(files, observer=records.append) as client,
        client.download(5, lane=Lane.BACKGROUND) as download,
    ):
        assert (download.size, download.start, download.ranges) == (len(CONTENT), 0, None)
        assert b"".join([chunk async for chunk in download.chunks()]) == CONTENT
        assert download.received == len(CONTENT)
        assert records == []
    assert files.requests[0].url.query == b"action=download&id_file=5"
    assert files.requests[0].headers["accept-encoding"] == "identity"
    assert "range" not in files.requests[0].headers
    (record,) = records
    assert (record.action, record.lane, record.result) == ("download", Lane.BACKGROUND, "ok")
    assert record.detail == f"id_file=5: {len(CONTENT)} bytes"


async def test_from_the_middle_where_ranges_are_honoured(make_client: Make) -> None:
    files = Files()
    async with make_client(files) as client, client.download(5, lane=P, start=1000) as download:
        assert (download.size, download.start, download.ranges) == (len(CONTENT), 1000, True)
        assert b"".join([chunk async for chunk in download.chunks()]) == CONTENT[1000:]
    assert files.requests[0].headers["range"] == "bytes=1000-"


async def test_from_the_middle_where_they_are_ignored(make_client: Make) -> None:
    async with make_client(Files(ranges=False)) as client, client.download(5, lane=P, start=1000) as download:
        assert (download.size, download.start, download.ranges) == (len(CONTENT), 0, False)
        assert b"".join([chunk async for chunk in download.chunks()]) == CONTENT


@pytest.mark.parametrize(("told", "ranges"), [("bytes", True), ("none", False), ("", None)])
async def test_what_accept_ranges_tells(make_client: Make, told: str, ranges: bool | None) -> None:
    files = Files(headers={**NAMED, **({"Accept-Ranges": told} if told else {})})
    async with make_client(files) as client, client.download(5, lane=P) as download:
        assert download.ranges is ranges


@pytest.mark.parametrize("told", ["", "bytes */10240", "items 1-2/3", "bytes 5-6"])
async def test_a_part_that_does_not_say_which_is_no_answer(make_client: Make, told: str) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(206, headers={**NAMED, "Content-Range": told}, content=b"x")

    async with make_client(handler) as client:
        with pytest.raises(errors.BadAnswer, match="which"):
            await whole(client, start=5)


async def test_a_part_of_a_file_of_unknown_size(make_client: Make) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(206, headers={**NAMED, "Content-Range": "bytes 5-6/*"}, content=b"xy")

    async with make_client(handler) as client, client.download(5, lane=P, start=5) as download:
        assert (download.size, download.start) == (None, 5)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ({"status": "error", "status_code": 4, "message": "File not found"}, errors.FileNotFound),
        ({"status": "error", "status_code": 4, "message": "Project is invalid"}, errors.FileNotFound),
        ({"status": "error", "message": "Access denied"}, errors.AccessDenied),
        (httpx.Response(200, html="<html>"), errors.BadAnswer),
        (httpx.Response(200, json=[1]), errors.BadAnswer),
        (httpx.Response(200, content=b"bytes without a type or a name"), errors.BadAnswer),
        (httpx.Response(404, html="<html>"), errors.NoSuchAccount),
        (httpx.Response(416, headers=NAMED), errors.BadAnswer),
        (httpx.Response(500, headers=NAMED, content=b"x"), errors.ServerFailed),
        (httpx.Response(403, headers=NAMED), errors.AccessDenied),
    ],
)
async def test_an_error_in_place_of_the_file(
    make_client: Make, response: Any, kind: type[errors.ApiError]
) -> None:
    records: list[RequestRecord] = []

    def handler(_: httpx.Request) -> httpx.Response:
        if isinstance(response, httpx.Response):
            return httpx.Response(response.status_code, headers=response.headers, content=response.content)
        return httpx.Response(200, json=response)

    async with make_client(handler, observer=records.append) as client:
        with pytest.raises(errors.ApiError) as caught:
            await whole(client)
    assert type(caught.value) is kind
    assert caught.value.action == "download"
    assert [record.result for record in records] == [kind.__name__]


async def test_an_error_written_as_a_page_is_read_all_the_same(make_client: Make) -> None:
    """PHP says text/html unless it is told otherwise."""

    def handler(_: httpx.Request) -> httpx.Response:
        body = b'{"status":"error","status_code":4,"message":"File not found"}'
        return httpx.Response(200, headers={"Content-Type": "text/html; charset=UTF-8"}, content=body)

    async with make_client(handler) as client:
        with pytest.raises(errors.FileNotFound):
            await whole(client)


@pytest.mark.parametrize(
    "headers",
    [
        {**NAMED, "Content-Type": "application/json"},
        {**NAMED, "Content-Type": "text/html"},
        {"Content-Type": "application/pdf"},
    ],
)
async def test_what_is_a_file(make_client: Make, headers: dict[str, str]) -> None:
    async with make_client(Files(headers=headers)) as client:
        assert await whole(client) == CONTENT


# Redirects


def redirecting(location: str, *, then: Files) -> Callable[[httpx.Request], httpx.Response]:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/admin/v2/":
            then.requests.append(request)
            return httpx.Response(302, headers={"Location": location})
        return then(request)

    return handler


async def test_a_redirect_on_the_same_address_keeps_the_login_and_takes_a_turn(make_client: Make) -> None:
    files = Files()
    records: list[RequestRecord] = []
    async with make_client(redirecting("/store/5", then=files), observer=records.append) as client:
        assert await whole(client) == CONTENT
    assert [request.url.path for request in files.requests] == ["/api/admin/v2/", "/store/5"]
    assert all("authorization" in request.headers for request in files.requests)
    assert [record.result for record in records] == ["ok", "ok"]


async def test_a_redirect_to_another_host_leaves_the_login_behind(make_client: Make) -> None:
    files = Files()
    handler = redirecting("https://files.example/5?sig=abc", then=files)
    async with make_client(handler) as client, client.download(5, lane=P, start=7) as download:
        assert download.start == 7
    assert str(files.requests[1].url) == "https://files.example/5?sig=abc"
    assert "authorization" not in files.requests[1].headers
    assert files.requests[1].headers["host"] == "files.example"
    assert files.requests[1].headers["range"] == "bytes=7-"


@pytest.mark.parametrize("scheme", ["hash", "header"])
async def test_another_host_on_the_same_name_is_another_host(make_client: Make, scheme: str) -> None:
    files = Files()
    handler = redirecting("https://acme.example:8443/5", then=files)
    async with make_client(handler, scheme=scheme) as client:
        await whole(client)
    assert "authorization" not in files.requests[1].headers


async def test_a_redirect_that_would_carry_the_hash_away_is_not_followed(make_client: Make) -> None:
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(
            302, headers={"Location": f"https://files.example/?{request.url.query.decode()}"}
        )

    async with make_client(handler, scheme="hash") as client:
        with pytest.raises(errors.BadAnswer, match="carry the login"):
            await whole(client)
    assert [request.url.host for request in requests] == ["acme.example"]


@pytest.mark.parametrize(
    "location", ["http://acme.example/5", "ftp://files.example/5", "file:///etc/passwd", "http://["]
)
async def test_an_unsafe_redirect_is_not_followed(make_client: Make, location: str) -> None:
    files = Files()
    async with make_client(redirecting(location, then=files)) as client:
        with pytest.raises(errors.BadAnswer):
            await whole(client)
    assert len(files.requests) == 1


async def test_redirects_end(make_client: Make) -> None:
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(302, headers={"Location": f"/next{len(requests)}"})

    async with make_client(handler) as client:
        with pytest.raises(errors.BadAnswer, match="too many redirects"):
            await whole(client)
    assert len(requests) == 4


async def test_any_other_action_follows_no_redirect(make_client: Make) -> None:
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(301, headers={"Location": "https://worksection.com/"})

    async with make_client(handler) as client:
        with pytest.raises(errors.NoSuchAccount):
            await client.get_projects(lane=P)
    assert len(requests) == 1


# Over real sockets


def serving(body: AsyncIterator[bytes] | bytes, *, length: int = len(CONTENT), after: float = 0) -> Any:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nContent-Disposition: attachment\r\n\r\n"
        await stream.send_all(head.encode())
        if isinstance(body, bytes):
            await stream.send_all(body)
        else:
            async for piece in body:
                await stream.send_all(piece)
        await trio.sleep(after)

    return serve


async def test_a_download_that_stalls_is_timed_out(make_client: Make, serve: Serve) -> None:
    records: list[RequestRecord] = []
    async with (
        serve(serving(CONTENT[:500], after=60)) as url,
        make_client(url=url, deadline=0.2, observer=records.append) as client,
    ):
        async with client.download(5, lane=P) as download:
            chunks = download.chunks()
            assert await anext(chunks) == CONTENT[:500]
            with pytest.raises(errors.TimedOut):
                await anext(chunks)
            with pytest.raises(StopAsyncIteration):
                await anext(chunks)
        with pytest.raises(errors.TimedOut):
            await whole(client)
    assert [record.result for record in records] == ["ok", "TimedOut"]


async def test_a_download_that_moves_has_no_deadline(make_client: Make, serve: Serve) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for offset in range(0, len(CONTENT), 512):
            yield CONTENT[offset : offset + 512]
            await trio.sleep(0.02)

    async with serve(serving(slowly())) as url, make_client(url=url, deadline=0.2) as client:
        begin = trio.current_time()
        assert await whole(client) == CONTENT
        assert trio.current_time() - begin > 0.2


async def test_a_download_that_ends_early_is_a_broken_connection(make_client: Make, serve: Serve) -> None:
    async with serve(serving(CONTENT[:-1])) as url, make_client(url=url) as client:
        with pytest.raises(errors.ConnectionBroken):
            await whole(client)


async def test_leaving_early_closes_the_connection_and_nothing_is_left_over(
    make_client: Make, serve: Serve
) -> None:
    hung_up = trio.Event()

    async def endless(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\nContent-Disposition: attachment\r\n\r\n"
        )
        try:
            while True:
                await stream.send_all(bytes(65536))
        except trio.BrokenResourceError:
            hung_up.set()

    async with serve(endless) as url, make_client(url=url) as client:
        async with client.download(5, lane=P) as download:
            async for _ in download.chunks():
                break
        with trio.fail_after(5):
            await hung_up.wait()


async def test_cancelling_a_download_closes_the_connection(make_client: Make, serve: Serve) -> None:
    records: list[RequestRecord] = []
    async with serve(serving(b"x", after=60)) as url, make_client(url=url, observer=records.append) as client:
        with trio.move_on_after(0.2) as scope:
            await whole(client)
    assert scope.cancelled_caught
    assert [record.result for record in records] == ["cancelled"]


async def test_an_error_of_the_reader_passes_and_is_recorded(make_client: Make) -> None:
    records: list[RequestRecord] = []
    async with make_client(Files(), observer=records.append) as client:
        with pytest.raises(KeyError):
            async with client.download(5, lane=P):
                raise KeyError("mine")
    assert [record.result for record in records] == ["cancelled"]
