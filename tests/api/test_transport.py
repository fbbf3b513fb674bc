"""Turns, retries, schemes, deadlines and outcomes, partly over real sockets."""

from __future__ import annotations

import gzip
import json
import logging
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
import trio
from trio.testing import MockClock

from wsfs.api import errors
from wsfs.api.auth import AdminKey, UserToken
from wsfs.api.client import Attachment, Client, RequestRecord
from wsfs.api.pacing import Lane, Pacer, Promotable
from wsfs.api.transport import READ_BLOCK

KEY = "7776461cd931e7b1c8e9632ff8e979ce"
TOKEN = "tok-0123456789.abc_DEF"
OK = {"status": "ok", "data": []}
REFUSED = {"status": "error", "status_code": 2, "message": "Action hash is missed or invalid"}
TOO_MANY = {"status": "error", "message": "Too many requests"}

Make = Callable[..., Client]
Handler = Callable[[trio.SocketStream], Awaitable[None]]
Serve = Callable[[Handler], AbstractAsyncContextManager[str]]
P = Lane.PERSON


def script(*answers: Any) -> tuple[Callable[[httpx.Request], httpx.Response], list[httpx.Request]]:
    """A service that gives these answers one after the other, the last for ever; and the requests it got."""
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        answer = answers[min(len(requests), len(answers) - 1)]
        requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return httpx.Response(200, json=answer)

    return handler, requests


def http(*, status: int = 200, body: bytes = b'{"status":"ok","data":[]}', headers: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


async def request_of(stream: trio.SocketStream) -> bytes:
    """Read one request, its body included."""
    data = bytearray()
    while b"\r\n\r\n" not in data:
        piece = await stream.receive_some(65536)
        if not piece:
            return bytes(data)
        data += piece
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    left = length - len(body)
    while left > 0:
        piece = await stream.receive_some(65536)
        if not piece:
            break
        left -= len(piece)
    return bytes(data)


@pytest.fixture
def big(tmp_path: Path) -> Attachment:
    """A file that doesn't fit into the buffers of a connection."""
    path = tmp_path / "big.bin"
    with path.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    return Attachment("big.bin", path, 64 * 1024 * 1024)


@pytest.fixture
def small(tmp_path: Path) -> Attachment:
    path = tmp_path / "small.txt"
    path.write_bytes(b"hello")
    return Attachment("small.txt", path, 5)


# "Too many requests"


@pytest.mark.parametrize("refusal", [httpx.Response(429), httpx.Response(200, json=TOO_MANY)])
@pytest.mark.parametrize("lane", Lane)
async def test_both_forms_of_too_many_requests_are_retried(
    make_client: Make, autojump_clock: MockClock, refusal: httpx.Response, lane: Lane
) -> None:
    handler, requests = script(refusal, refusal, OK)
    async with make_client(handler, rate=1.0) as client:
        begin = trio.current_time()
        assert await client.get_projects(lane=lane) == []
    assert len(requests) == 3
    assert trio.current_time() - begin >= 2


async def test_retry_after_is_honoured(make_client: Make, autojump_clock: MockClock) -> None:
    handler, requests = script(httpx.Response(429, headers={"Retry-After": "9"}), OK)
    async with make_client(handler, rate=1.0) as client:
        begin = trio.current_time()
        await client.get_projects(lane=P)
    assert trio.current_time() - begin == pytest.approx(9)
    assert len(requests) == 2


async def test_a_person_gets_the_error_at_the_deadline(make_client: Make, autojump_clock: MockClock) -> None:
    handler, requests = script(httpx.Response(429))
    async with make_client(handler, rate=1.0, deadline=30) as client:
        begin = trio.current_time()
        with pytest.raises(errors.TooManyRequests):
            await client.get_projects(lane=P)
    assert 29 <= trio.current_time() - begin <= 30
    assert 25 <= len(requests) <= 31


async def test_others_are_patient(make_client: Make, autojump_clock: MockClock) -> None:
    handler, requests = script(*[httpx.Response(429)] * 8, OK)
    async with make_client(handler, rate=1.0, deadline=30) as client:
        begin = trio.current_time()
        assert await client.get_projects(lane=Lane.UPLOAD) == []
        assert trio.current_time() - begin > 60
    assert len(requests) == 9


async def test_a_pause_longer_than_a_person_waits_fails_him_at_once(
    make_client: Make, autojump_clock: MockClock
) -> None:
    handler, requests = script(httpx.Response(429, headers={"Retry-After": "200"}), OK)
    async with make_client(handler, rate=1.0) as client:
        for _ in range(2):
            begin = trio.current_time()
            with pytest.raises(errors.TooManyRequests):
                await client.get_projects(lane=P)
            assert trio.current_time() == begin
        assert len(requests) == 1
        assert await client.get_projects(lane=Lane.BACKGROUND) == []
        assert trio.current_time() - begin >= 200


async def test_the_time_in_the_queue_does_not_count(make_client: Make, autojump_clock: MockClock) -> None:
    handler, _ = script(OK)
    ended = 0
    async with make_client(handler, rate=1.0, deadline=5) as client:

        async def ask() -> None:
            nonlocal ended
            await client.get_projects(lane=P)
            ended += 1

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask)
    assert ended == 20


async def test_a_post_that_was_certainly_not_done_is_sent_again(
    make_client: Make, autojump_clock: MockClock, small: Attachment
) -> None:
    handler, requests = script(
        httpx.Response(429), httpx.Response(200, json=TOO_MANY), {"status": "ok", "data": {"id": 1}}
    )
    async with make_client(handler, rate=1.0) as client:
        comment = await client.post_comment(5, lane=Lane.UPLOAD, text="", attachments=[small])
    assert comment.id == 1
    assert [request.content.count(b"hello") for request in requests] == [1, 1, 1]


async def test_a_queued_request_can_be_promoted(make_client: Make, autojump_clock: MockClock) -> None:
    handler, requests = script(OK)
    async with make_client(handler, rate=1.0) as client, trio.open_nursery() as nursery:
        wanted = Promotable(Lane.BACKGROUND)
        await client.get_users(lane=P)
        for _ in range(5):
            nursery.start_soon(lambda: client.get_projects(lane=Lane.BACKGROUND))
            await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(lambda: client.get_tasks(1, lane=wanted))
        await trio.testing.wait_all_tasks_blocked()
        wanted.promote()
    assert [request.url.params["action"] for request in requests[:3]] == [
        "get_users",
        "get_tasks",
        "get_projects",
    ]


async def test_promoted_while_it_is_retried_it_has_a_persons_patience(
    make_client: Make, autojump_clock: MockClock
) -> None:
    handler, requests = script(httpx.Response(429, headers={"Retry-After": "200"}))
    async with make_client(handler, rate=1.0, deadline=30) as client, trio.open_nursery() as nursery:
        wanted = Promotable(Lane.BACKGROUND)
        begin = trio.current_time()

        async def promote() -> None:
            await trio.sleep(50)
            wanted.promote()

        nursery.start_soon(promote)
        with pytest.raises(errors.TooManyRequests):
            await client.get_projects(lane=wanted)
        assert trio.current_time() - begin == pytest.approx(80)
    assert len(requests) == 1


# Schemes


async def test_status_code_2_falls_back_to_the_hash_and_it_is_remembered(make_client: Make) -> None:
    heard: list[str] = []
    handler, requests = script(REFUSED, OK)
    async with make_client(handler, on_scheme=heard.append) as client:
        await client.get_projects(lane=P)
        await client.get_projects(lane=P)
    assert ["authorization" in request.headers for request in requests] == [True, False, False]
    assert ["hash" in request.url.params for request in requests] == [False, True, True]
    assert heard == ["hash"]


async def test_the_header_that_works_is_told_once(make_client: Make) -> None:
    heard: list[str] = []
    handler, _ = script(OK)
    async with make_client(handler, on_scheme=heard.append) as client:
        await client.get_projects(lane=P)
        await client.get_projects(lane=P)
    assert heard == ["header"]


async def test_a_wrong_key_is_a_refused_login_after_two_tries(make_client: Make) -> None:
    handler, requests = script(REFUSED)
    async with make_client(handler) as client:
        with pytest.raises(errors.LoginRefused):
            await client.get_projects(lane=P)
        assert len(requests) == 2
        with pytest.raises(errors.LoginRefused):
            await client.get_projects(lane=P)
        assert len(requests) == 3


async def test_a_dead_token_is_not_tried_again(make_client: Make) -> None:
    handler, requests = script(httpx.Response(401, json={"message": "token is expired"}))
    async with make_client(handler, credentials=UserToken(TOKEN)) as client:
        with pytest.raises(errors.TokenExpired):
            await client.get_projects(lane=P)
    assert len(requests) == 1


async def test_a_post_falls_back_too(make_client: Make, small: Attachment) -> None:
    handler, requests = script(REFUSED, {"status": "ok", "data": {"id": 1}})
    async with make_client(handler) as client:
        await client.post_comment(5, lane=Lane.UPLOAD, text="", attachments=[small])
    assert ["hash" in request.url.params for request in requests] == [False, True]
    assert b"hello" in requests[1].content


# Records


async def test_every_sending_is_recorded(make_client: Make, autojump_clock: MockClock) -> None:
    records: list[RequestRecord] = []
    gone = {"status": "error", "status_code": 5, "message": "Task is invalid"}
    handler, _ = script(httpx.Response(429), REFUSED, OK, gone)
    async with make_client(handler, rate=1.0, observer=records.append) as client:
        await client.get_tasks(26, lane=Lane.REFRESH)
        with pytest.raises(errors.TaskInvalid):
            await client.get_task(7, lane=P)
    assert [(record.action, record.lane, record.result) for record in records] == [
        ("get_tasks", Lane.REFRESH, "TooManyRequests"),
        ("get_tasks", Lane.REFRESH, "LoginRefused"),
        ("get_tasks", Lane.REFRESH, "ok"),
        ("get_task", P, "TaskInvalid"),
    ]
    assert records[2].detail == "id_project=26"
    assert "Task is invalid" in records[3].detail
    assert all(record.milliseconds >= 0 and record.time > 1.6e9 for record in records)


async def test_the_record_of_a_post_says_where_to_and_how_much_but_not_what(
    make_client: Make, small: Attachment
) -> None:
    records: list[RequestRecord] = []
    handler, _ = script({"status": "ok"})
    async with make_client(handler, observer=records.append) as client:
        await client.post_comment(5, lane=P, text="a private word", attachments=[small, small])
    assert records[0].detail == "id_task=5 2 files, 10 bytes"


async def test_a_cancelled_request_is_recorded_and_a_queued_one_is_not(
    make_client: Make, serve: Serve
) -> None:
    records: list[RequestRecord] = []

    async def silent(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with serve(silent) as url, make_client(url=url, rate=0.1, observer=records.append) as client:
        for _ in range(2):
            with trio.move_on_after(0.1):
                await client.get_projects(lane=P)
    assert [record.result for record in records] == ["cancelled"]


# What fails on the way


async def test_nobody_there_is_unreachable(make_client: Make) -> None:
    with trio.socket.socket() as bound:
        await bound.bind(("127.0.0.1", 0))
        async with make_client(url=f"http://127.0.0.1:{bound.getsockname()[1]}") as client:
            with pytest.raises(errors.Unreachable):
                await client.get_projects(lane=P)
            with pytest.raises(errors.Unreachable):
                await client.update_task(5, lane=P, title="x")


async def test_a_silent_server_is_timed_out(make_client: Make, serve: Serve) -> None:
    async def silent(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with serve(silent) as url, make_client(url=url, deadline=0.2) as client:
        with pytest.raises(errors.TimedOut):
            await client.get_projects(lane=P)


async def test_an_answer_that_moves_may_take_longer_than_the_deadline(
    make_client: Make, serve: Serve
) -> None:
    async def slow(stream: trio.SocketStream) -> None:
        await request_of(stream)
        answer = http(body=b'{"status":"ok"}' + b" " * 40)
        await stream.send_all(answer[:-50])
        for byte in answer[-50:]:
            await stream.send_all(bytes([byte]))
            await trio.sleep(0.01)

    async with serve(slow) as url, make_client(url=url, deadline=0.3) as client:
        begin = trio.current_time()
        assert await client.get_projects(lane=P) == []
        assert trio.current_time() - begin > 0.3


async def test_an_answer_that_stalls_is_timed_out(make_client: Make, serve: Serve) -> None:
    async def stalling(stream: trio.SocketStream) -> None:
        await request_of(stream)
        await stream.send_all(http()[:-5])
        await trio.sleep_forever()

    async with serve(stalling) as url, make_client(url=url, deadline=0.2) as client:
        with pytest.raises(errors.TimedOut):
            await client.get_projects(lane=P)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", errors.ConnectionBroken),
        (http()[:-5], errors.ConnectionBroken),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", errors.BadAnswer),
        (http(body=b"\x1f\x8b nonsense", headers="Content-Encoding: gzip\r\n"), errors.BadAnswer),
        (
            http(body=gzip.compress(b'{"status":"ok"}')[:-9], headers="Content-Encoding: gzip\r\n"),
            errors.BadAnswer,
        ),
        (http(headers="Content-Encoding: br\r\n"), errors.BadAnswer),
        (http(body=b"<html>"), errors.BadAnswer),
        (http(status=502, body=b"<html>"), errors.ServerFailed),
    ],
)
async def test_what_a_broken_answer_is(
    make_client: Make, serve: Serve, answer: bytes, kind: type[errors.ApiError], small: Attachment
) -> None:
    connections = count()

    async def broken(stream: trio.SocketStream) -> None:
        next(connections)
        await request_of(stream)
        await stream.send_all(answer)

    async with serve(broken) as url, make_client(url=url, deadline=5) as client:
        with pytest.raises(errors.ApiError) as caught:
            await client.get_projects(lane=P)
        assert type(caught.value) is kind
        assert next(connections) == 1
        with pytest.raises(errors.OutcomeUnknown) as unknown:
            await client.post_comment(5, lane=P, text="", attachments=[small])
        assert type(unknown.value.cause) is kind
        assert next(connections) == 3  # no post twice


async def test_a_read_on_a_kept_connection_that_breaks_is_sent_once_more(
    make_client: Make, serve: Serve
) -> None:
    records: list[RequestRecord] = []
    connections = count()

    async def once(stream: trio.SocketStream) -> None:
        number = next(connections)
        await request_of(stream)
        await stream.send_all(http())
        if number == 0:
            await request_of(stream)  # and hangs up

    async with serve(once) as url, make_client(url=url, observer=records.append) as client:
        await client.get_projects(lane=P)
        await client.get_projects(lane=P)
    assert [record.result for record in records] == ["ok", "ConnectionBroken", "ok"]
    assert next(connections) == 2


async def test_connections_are_kept_for_reads_and_fresh_for_posts(make_client: Make, serve: Serve) -> None:
    connections = count()

    async def good(stream: trio.SocketStream) -> None:
        next(connections)
        while await request_of(stream):
            await stream.send_all(http(body=b'{"status":"ok"}'))

    async with serve(good) as url, make_client(url=url) as client:
        for _ in range(3):
            await client.get_projects(lane=P)
        for _ in range(2):
            await client.update_task(5, lane=P, title="x")
    assert next(connections) == 3


async def test_transfers_under_way_never_hold_a_person_up(make_client: Make, serve: Serve) -> None:
    async def server(stream: trio.SocketStream) -> None:
        request = await request_of(stream)
        if b"action=get_users" in request:
            await stream.send_all(http())
        else:
            await trio.sleep_forever()

    async with serve(server) as url, make_client(url=url) as client, trio.open_nursery() as nursery:
        for _ in range(150):
            nursery.start_soon(lambda: client.get_projects(lane=Lane.BACKGROUND))
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(5):
            assert await client.get_users(lane=P) == []
        nursery.cancel_scope.cancel()


async def test_a_compressed_answer(make_client: Make, serve: Serve) -> None:
    seen: list[bytes] = []
    body = json.dumps({"status": "ok", "data": [{"id": n} for n in range(20000)]}).encode()

    async def compressing(stream: trio.SocketStream) -> None:
        seen.append(await request_of(stream))
        await stream.send_all(http(body=gzip.compress(body), headers="Content-Encoding: gzip\r\n"))

    async with serve(compressing) as url, make_client(url=url) as client:
        assert [task.id for task in await client.get_all_tasks(lane=P)] == list(range(20000))
    assert b"Accept-Encoding: gzip" in seen[0]


# Posts whose outcome is unknown, or isn't


async def test_a_lost_reply_is_an_unknown_outcome(make_client: Make, serve: Serve, small: Attachment) -> None:
    received: list[bytes] = []

    async def losing(stream: trio.SocketStream) -> None:
        received.append(await request_of(stream))

    async with serve(losing) as url, make_client(url=url) as client:
        with pytest.raises(errors.OutcomeUnknown) as caught:
            await client.post_comment(5, lane=P, text="", attachments=[small])
    assert isinstance(caught.value.cause, errors.ConnectionBroken)
    assert len(received) == 1


async def test_a_reset_within_the_body_is_an_unknown_outcome(
    make_client: Make, serve: Serve, big: Attachment
) -> None:
    async def resetting(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    async with serve(resetting) as url, make_client(url=url) as client:
        with pytest.raises(errors.OutcomeUnknown):
            await client.post_comment(5, lane=P, text="", attachments=[big])


async def test_an_upload_that_stalls_is_an_unknown_outcome(
    make_client: Make, serve: Serve, big: Attachment
) -> None:
    async def stalling(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        await trio.sleep_forever()

    async with serve(stalling) as url, make_client(url=url, deadline=0.3) as client:
        begin = trio.current_time()
        with pytest.raises(errors.OutcomeUnknown) as caught:
            await client.post_comment(5, lane=P, text="", attachments=[big])
        assert isinstance(caught.value.cause, errors.TimedOut)
        assert trio.current_time() - begin < 5


async def test_an_upload_that_moves_may_take_longer_than_the_deadline(
    make_client: Make, serve: Serve, big: Attachment
) -> None:
    async def slow(stream: trio.SocketStream) -> None:
        left = 64 * 1024 * 1024
        while left > 0:
            for _ in range(16):
                left -= len(await stream.receive_some(256 * 1024))
                if left <= 0:
                    break
            await trio.sleep(0.05)
        await stream.send_all(http(body=b'{"status":"ok","data":{"id":"7"}}'))

    async with serve(slow) as url, make_client(url=url, deadline=0.5) as client:
        begin = trio.current_time()
        assert (await client.post_comment(5, lane=P, text="", attachments=[big])).id == 7
        assert trio.current_time() - begin > 0.5


async def test_once_the_body_is_out_the_answer_has_its_own_deadline(
    make_client: Make, serve: Serve, small: Attachment
) -> None:
    async def thoughtful(stream: trio.SocketStream) -> None:
        await request_of(stream)
        await trio.sleep(0.6)
        await stream.send_all(http(body=b'{"status":"ok","data":{"id":"7"}}'))

    async with serve(thoughtful) as url:
        async with make_client(url=url, deadline=0.2, upload_deadline=5) as client:
            assert (await client.post_comment(5, lane=P, text="", attachments=[small])).id == 7
        async with make_client(url=url, deadline=0.2, upload_deadline=0.3) as client:
            with pytest.raises(errors.OutcomeUnknown) as caught:
                await client.post_comment(5, lane=P, text="", attachments=[small])
            assert isinstance(caught.value.cause, errors.TimedOut)


async def test_a_refusal_before_the_whole_body_was_taken_is_definite(
    make_client: Make, serve: Serve, big: Attachment
) -> None:
    async def refusing(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(http(status=413, body=b"<html>", headers="Connection: close\r\n"))
        await stream.send_eof()
        with trio.move_on_after(2):  # reads on for a while, as servers do, so that the answer isn't lost
            while await stream.receive_some(1 << 20):
                pass

    async with serve(refusing) as url, make_client(url=url) as client:
        with pytest.raises(errors.TooLarge):
            await client.post_comment(5, lane=P, text="", attachments=[big])


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"status":"error","status_code":5,"message":"Task is invalid"}', errors.TaskInvalid),
        (200, b'{"status":"error","message":"The storage is full"}', errors.StorageFull),
        (403, b"<html>", errors.AccessDenied),
        (413, b"<html>", errors.TooLarge),
    ],
)
async def test_a_definite_refusal_of_a_post_is_that(
    make_client: Make, status: int, body: bytes, kind: type[errors.ApiError], small: Attachment
) -> None:
    handler, requests = script(httpx.Response(status, content=body))
    async with make_client(handler) as client:
        with pytest.raises(errors.ApiError) as caught:
            await client.post_comment(5, lane=P, text="", attachments=[small])
    assert type(caught.value) is kind
    assert len(requests) == 1


async def test_a_post_that_never_connected_is_unreachable_and_safe(
    make_client: Make, small: Attachment
) -> None:
    class Deaf(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await trio.sleep_forever()
            raise AssertionError

    client = Client("https://acme.example", AdminKey(KEY), Pacer(0), deadline=0.1, transport=Deaf())
    async with client:
        with pytest.raises(errors.Unreachable):
            await client.post_comment(5, lane=P, text="", attachments=[small])
        with pytest.raises(errors.Unreachable):
            await client.get_projects(lane=P)


async def test_a_file_that_shrinks_while_it_is_sent(make_client: Make, serve: Serve, big: Attachment) -> None:
    async def shrinking(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        with big.path.open("r+b") as file:
            file.truncate(1024)
        while await stream.receive_some(1 << 20):
            pass

    async with serve(shrinking) as url, make_client(url=url) as client:
        with pytest.raises(errors.OutcomeUnknown) as caught:
            await client.post_comment(5, lane=P, text="", attachments=[big])
    assert isinstance(caught.value.cause, errors.AttachmentUnreadable)


async def test_cancelling_an_upload_leaves_the_client_usable(
    make_client: Make, serve: Serve, big: Attachment
) -> None:
    async def server(stream: trio.SocketStream) -> None:
        if b"get_users" in await stream.receive_some(65536):
            await stream.send_all(http())
        else:
            await trio.sleep_forever()

    async with serve(server) as url, make_client(url=url) as client:
        with trio.move_on_after(0.2) as scope:
            await client.post_comment(5, lane=P, text="", attachments=[big])
        assert scope.cancelled_caught
        assert await client.get_users(lane=P) == []


# Secrets


def sayings(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


@pytest.mark.parametrize("scheme", ["header", "hash", "bearer"])
async def test_no_text_ever_holds_a_secret(
    make_client: Make, serve: Serve, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that repeats whatever it was sent: in its message, as its status line, as a redirect."""
    records: list[RequestRecord] = []
    sent: list[bytes] = []
    numbers = count()
    own = TOKEN if scheme == "bearer" else KEY

    async def echo(stream: trio.SocketStream) -> None:
        while request := await request_of(stream):
            sent.append(request)
            quoted = request.decode("latin-1").replace('"', "'").replace("\r\n", " ")
            target = quoted.split()[1]
            message = f'{{"status":"error","status_code":5,"message":"{quoted} {own}"}}'.encode()
            answers = [
                http(body=message),
                http(status=302, headers=f"Location: http://127.0.0.2:9{target}\r\n"),
                f"{quoted}\r\n\r\n".encode("latin-1"),
            ]
            await stream.send_all(answers[next(numbers) % 3])

    for name in ("", "httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, logger=name)
    credentials = UserToken(TOKEN) if scheme == "bearer" else AdminKey(KEY)
    seen = []
    async with (
        serve(echo) as url,
        make_client(
            url=url, credentials=credentials, scheme=scheme, observer=records.append, deadline=5
        ) as client,
    ):
        for _ in range(3):
            with pytest.raises(errors.ApiError) as caught:
                await client.get_projects(lane=P)
            seen.append(sayings(caught.value))
            with pytest.raises(errors.ApiError) as caught:
                async with client.download(5, lane=P):
                    pass
            seen.append(sayings(caught.value))
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "HTTP Request" in logged and "send_request_headers" in logged
    secrets = {KEY, TOKEN}
    for request in sent:
        head = request.decode("latin-1")
        for mark in ("hash=", "uthorization: Admin ", "uthorization: Bearer "):
            if mark in head:
                secrets.add(head.split(mark)[1].split()[0])
    assert len(secrets) >= 3 or scheme == "bearer"
    texts = "\n".join([logged, repr(records), repr(client), *seen])
    for secret in secrets:
        assert secret not in texts


async def test_a_socket_is_read_in_large_blocks() -> None:
    """httpcore's own default is 64 KiB: see READ_BLOCK."""
    asked: list[int] = []

    class Stream(httpcore.AsyncMockStream):
        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            asked.append(max_bytes)
            return await super().read(max_bytes, timeout)

    class Backend(httpcore.AsyncMockBackend):
        async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
            return Stream([http()])

    async with httpcore.AsyncConnectionPool(network_backend=Backend([])) as pool:
        response = await pool.request("GET", "http://127.0.0.1/")
    assert response.status == 200
    assert set(asked) == {READ_BLOCK}
