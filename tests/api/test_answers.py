from __future__ import annotations

import pytest

from wsfs.api import errors
from wsfs.api.answers import envelope, retry_after

HTML = b"<html><body>Sorry</body></html>"
OK = b'{"status":"ok","data":[]}'


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"status":"error","status_code":5,"message":"Task is invalid"}', errors.TaskInvalid),
        (200, b'{"status":"error","status_code":"5","message":"Task is invalid"}', errors.TaskInvalid),
        (200, b'{"status":"error","message":"Too many requests"}', errors.TooManyRequests),
        (200, b'{"status":"error","status_code":"","message":"Odd"}', errors.Refused),
        (200, b'{"status":"error","message":null}', errors.Refused),
        (200, b'{"error":"invalid_token","errorDescription":"token is expired"}', errors.TokenExpired),
        (200, HTML, errors.BadAnswer),
        (200, b"", errors.BadAnswer),
        (200, b"null", errors.BadAnswer),
        (200, b"[]", errors.BadAnswer),
        (200, b"{}", errors.BadAnswer),
        (200, OK[:-3], errors.BadAnswer),
        (200, b'{"status":"well"}', errors.BadAnswer),
        (401, b'{"message":"token is expired"}', errors.TokenExpired),
        (401, b'{"status":"error","message":"nobody knows you"}', errors.LoginRefused),
        (401, HTML, errors.LoginRefused),
        (403, HTML, errors.AccessDenied),
        (404, HTML, errors.NoSuchAccount),
        (413, HTML, errors.TooLarge),
        (414, HTML, errors.BadAnswer),
        (429, HTML, errors.TooManyRequests),
        (429, OK, errors.TooManyRequests),
        (429, b'{"status":"error","status_code":5,"message":"Task is invalid"}', errors.TooManyRequests),
        (500, HTML, errors.ServerFailed),
        (500, OK, errors.ServerFailed),
        (500, b'{"status":"error","status_code":5,"message":"Task is invalid"}', errors.ServerFailed),
        (503, b'{"status":"error","message":"Too many requests"}', errors.TooManyRequests),
        (507, HTML, errors.StorageFull),
        (301, HTML, errors.NoSuchAccount),
        (302, OK, errors.NoSuchAccount),
        (418, HTML, errors.BadAnswer),
    ],
)
def test_what_an_answer_means(status: int, body: bytes, kind: type[errors.ApiError]) -> None:
    with pytest.raises(errors.ApiError) as caught:
        envelope("get_task", status, {}, body)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "body", [OK, b'{"status":"ok"}', b' {"status":"ok","data":null,"message":""} ', bytearray(OK)]
)
def test_a_good_answer(body: bytes | bytearray) -> None:
    assert envelope("get_task", 200, {}, body).status == "ok"


def test_a_good_answer_may_speak_of_access() -> None:
    assert envelope("x", 200, {}, b'{"status":"ok","message":"Access granted"}').status == "ok"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("²", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, clock=lambda: 40.0) == seconds
    assert retry_after({}) is None


def test_a_message_of_any_kind_becomes_a_short_text() -> None:
    for message in ('["a","b"]', '{"a":"b"}', "17", f'"{"x" * 5000}"'):
        with pytest.raises(errors.Refused) as caught:
            envelope("x", 200, {}, b'{"status":"error","message":' + message.encode() + b"}")
        assert 0 < len(caught.value.detail) <= 300


def test_a_page_in_place_of_the_answer_is_told_by_its_type() -> None:
    with pytest.raises(errors.BadAnswer, match="31 bytes of text/html"):
        envelope("x", 200, {"content-type": "text/html; charset=utf-8"}, HTML)
