from __future__ import annotations

import inspect

import httpx
import pytest

from wsfs.api import errors
from wsfs.api.pacing import Lane
from wsfs.api.wire import TRANSPORT_ERRORS, Attempt, translated

EXPECTED: dict[type[httpx.HTTPError], type[errors.ApiError]] = {
    httpx.ConnectError: errors.Unreachable,
    httpx.ConnectTimeout: errors.Unreachable,
    httpx.PoolTimeout: errors.Unreachable,
    httpx.ProxyError: errors.Unreachable,
    httpx.UnsupportedProtocol: errors.Unreachable,
    httpx.ReadTimeout: errors.TimedOut,
    httpx.WriteTimeout: errors.TimedOut,
    httpx.TimeoutException: errors.TimedOut,
    httpx.ReadError: errors.ConnectionBroken,
    httpx.WriteError: errors.ConnectionBroken,
    httpx.CloseError: errors.ConnectionBroken,
    httpx.NetworkError: errors.ConnectionBroken,
    httpx.ProtocolError: errors.BadAnswer,
    httpx.LocalProtocolError: errors.BadAnswer,
    httpx.RemoteProtocolError: errors.BadAnswer,
    httpx.DecodingError: errors.BadAnswer,
    httpx.TooManyRedirects: errors.BadAnswer,
    httpx.HTTPStatusError: errors.ConnectionBroken,
    httpx.RequestError: errors.ConnectionBroken,
    httpx.TransportError: errors.ConnectionBroken,
    httpx.HTTPError: errors.ConnectionBroken,
}


def test_the_table_is_complete() -> None:
    theirs = {
        kind for _, kind in inspect.getmembers(httpx, inspect.isclass) if issubclass(kind, httpx.HTTPError)
    }
    assert theirs == set(EXPECTED)
    assert TRANSPORT_ERRORS[-1][0] is httpx.HTTPError


@pytest.mark.parametrize("kind", EXPECTED)
def test_each_error_of_httpx_has_its_meaning(kind: type[httpx.HTTPError]) -> None:
    error = kind.__new__(kind)
    assert type(translated(error, "said so")) is EXPECTED[kind]
    assert "said so" in str(translated(error, "said so"))


@pytest.mark.parametrize(
    "words",
    [
        "Server disconnected without sending a response.",
        "peer closed connection without sending complete message body (received 5 bytes, expected 10)",
    ],
)
def test_an_answer_that_ends_early_is_a_broken_connection(words: str) -> None:
    assert type(translated(httpx.RemoteProtocolError(words), words)) is errors.ConnectionBroken


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        ("Tue, 24 Nov 2026 12:00:00 GMT", 59.5),
        ("Tue, 24 Nov 2026 12:02:00 GMT", -60.5),
        ("yesterday", None),
        (None, None),
    ],
)
async def test_how_far_ahead_the_clock_is(
    date: str | None, ahead: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1795521660.0)  # 12:01:00
    attempt = Attempt("get_projects", Lane.PERSON, "")
    attempt.heard(httpx.Response(200, headers={} if date is None else {"Date": date}))
    assert (attempt.answering, attempt.ahead) == (True, ahead)
