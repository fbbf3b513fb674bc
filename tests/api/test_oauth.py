from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import trio

from wsfs.api import errors, oauth
from wsfs.api.auth import Application, TokenPair, UserToken
from wsfs.emulator.testing import running

REDIRECT = "https://127.0.0.1:8743/"
APPLICATION = Application("the-client", "the-clients-secret")
REFRESH = "the-refresh-token"

GOOD = {
    "token_type": "Bearer",
    "expires_in": "86400",
    "access_token": "new-access",
    "refresh_token": "new-refresh",
    "account_url": "https://acme.worksection.com",
}


def answering(answer: Any, status: int = 200) -> httpx.MockTransport:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, (str, bytes)):
            return httpx.Response(status, content=answer)
        return httpx.Response(status, json=answer)

    return httpx.MockTransport(handle)


async def refresh(answer: Any, status: int = 200, **options: Any) -> TokenPair:
    options.setdefault("transport", answering(answer, status))
    return await oauth.refreshed("https://worksection.com", APPLICATION, REFRESH, **options)


async def test_from_the_address_to_a_pair_and_the_next() -> None:
    async with running() as emulator:
        application = Application(emulator.oauth.client_id, emulator.oauth.client_secret)
        address = oauth.authorize_url(emulator.url, application, REDIRECT, "the state")
        assert application.client_secret not in address
        async with httpx.AsyncClient() as browser:
            end = (await browser.get(address)).headers["location"]
        said = parse_qs(urlsplit(end).query)
        assert end.startswith(REDIRECT) and said["state"] == ["the state"]
        first = await oauth.tokens_for_code(emulator.url, application, said["code"][0], REDIRECT)
        assert first.account_url == emulator.url
        assert emulator.oauth.user_of(first.access.token, "post_comment") is emulator.account.owner
        second = await oauth.refreshed(emulator.url, application, first.refresh)
        assert second.access != first.access and second.refresh != first.refresh
        with pytest.raises(oauth.GrantRefused, match="the login has ended"):
            await oauth.refreshed(emulator.url, application, first.refresh)
        with pytest.raises(oauth.GrantRefused):
            await oauth.tokens_for_code(emulator.url, application, said["code"][0], REDIRECT)
        with pytest.raises(oauth.ApplicationRefused):
            await oauth.refreshed(emulator.url, Application("x", "y"), second.refresh)


async def test_all_scopes_are_asked_for_with_commas_between_as_the_vendors_client_does() -> None:
    query = urlsplit(oauth.authorize_url("https://w.example", APPLICATION, REDIRECT, "s")).query
    assert parse_qs(query)["scope"] == [",".join(oauth.SCOPES)]
    assert {"files_write", "comments_write", "tasks_write", "projects_write", "users_read"} <= set(
        oauth.SCOPES
    )


async def test_what_is_sent_is_a_form_in_the_body_and_nothing_in_the_address() -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=GOOD)

    pair = await refresh(None, transport=httpx.MockTransport(handle), clock=lambda: 1000.0)
    assert str(seen[0].url) == "https://worksection.com/oauth2/refresh"
    assert parse_qs(seen[0].content.decode()) == {
        "client_id": ["the-client"],
        "client_secret": ["the-clients-secret"],
        "grant_type": ["refresh_token"],
        "refresh_token": [REFRESH],
    }
    assert pair == TokenPair(
        UserToken("new-access"), "new-refresh", 87_400.0, 1000.0 + 30 * 86_400, "https://acme.worksection.com"
    )
    assert "new-" not in repr(pair)


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [
        ({"error": "invalid_grant", "errorDescription": "Refresh token is invalid"}, 200, oauth.GrantRefused),
        ({"error": "invalid_grant", "error_description": "as RFC 6749 has it"}, 400, oauth.GrantRefused),
        ({"error": "invalid_client"}, 200, oauth.ApplicationRefused),
        ({"error": "something_new", "errorDescription": "No"}, 200, errors.LoginRefused),
        ({"error": "x", "errorDescription": "Too many requests"}, 200, errors.TooManyRequests),
        ("<html>", 429, errors.TooManyRequests),
        (GOOD, 503, errors.ServerFailed),
        ("<html>Bad gateway</html>", 502, errors.ServerFailed),
        ("<html>Welcome</html>", 200, errors.BadAnswer),
        ("", 200, errors.BadAnswer),
        (b"\xff\xfe{", 200, errors.BadAnswer),
        ("[]", 200, errors.BadAnswer),
        ("x" * 100_000, 200, errors.BadAnswer),
        ({"access_token": "a"}, 200, errors.BadAnswer),
        ({**GOOD, "access_token": "two words"}, 200, errors.BadAnswer),
        (httpx.ConnectError("no"), 200, errors.Unreachable),
        (httpx.ReadError("gone"), 200, errors.ConnectionBroken),
    ],
)
async def test_what_the_service_says_is_a_named_error(
    answer: Any, status: int, kind: type[errors.ApiError]
) -> None:
    with pytest.raises(errors.ApiError) as caught:
        await refresh(answer, status)
    assert type(caught.value) is kind


async def test_no_error_repeats_a_secret_that_the_server_quotes() -> None:
    quoted = f"bad: {REFRESH} of {APPLICATION.client_secret}, access_token=abcdef"
    with pytest.raises(oauth.GrantRefused) as caught:
        await refresh({"error": "invalid_grant", "errorDescription": quoted})
    assert REFRESH not in str(caught.value)
    assert APPLICATION.client_secret not in str(caught.value)
    assert "abcdef" not in str(caught.value)


async def test_a_silent_server_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    with pytest.raises(errors.TimedOut):
        await refresh(None, transport=httpx.MockTransport(handle), deadline=5)
    assert trio.current_time() == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize(
    ("account", "service"),
    [
        ("https://acme.worksection.com", "https://worksection.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://evilworksection.com", "https://evilworksection.com"),
    ],
)
def test_where_an_account_is_logged_in_to(account: str, service: str) -> None:
    assert oauth.oauth_service(account) == service


# A client whose credentials are renewed


class Fresh:
    """A renewal that has a list of tokens."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.refused: list[str] = []
        self.successes = 0

    async def current(self, held: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return held

    async def renewed(self, refused: Any) -> Any:
        await trio.sleep(0.1)
        self.refused.append(refused.token)
        return UserToken(self.tokens.pop(0)) if self.tokens else None

    def worked(self) -> None:
        self.successes += 1


def server(good: str, seen: list[str]) -> Callable[[httpx.Request], httpx.Response]:
    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        if seen[-1] == f"Bearer {good}":
            return httpx.Response(200, json={"status": "ok", "data": []})
        return httpx.Response(401, json={"status": "error", "message": "token is expired"})

    return handle


async def test_a_refused_request_goes_once_more_with_the_new_token(
    make_client: Any, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[str] = []
    renewal = Fresh("b")
    async with make_client(server("b", seen), credentials=UserToken("a"), renewal=renewal) as client:
        assert await client.get_projects(lane=0) == []
        assert await client.get_projects(lane=0) == []
    assert seen == ["Bearer a", "Bearer b", "Bearer b"]
    assert renewal.refused == ["a"] and renewal.successes == 2


async def test_a_new_token_that_is_refused_too_is_the_end(
    make_client: Any, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[str] = []
    async with make_client(server("c", seen), credentials=UserToken("a"), renewal=Fresh("b", "c")) as client:
        with pytest.raises(errors.TokenExpired):
            await client.get_projects(lane=0)
    assert seen == ["Bearer a", "Bearer b"]


async def test_without_another_token_the_refusal_stands(
    make_client: Any, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[str] = []
    async with make_client(server("b", seen), credentials=UserToken("a"), renewal=Fresh()) as client:
        with pytest.raises(errors.TokenExpired):
            await client.get_projects(lane=0)
    assert seen == ["Bearer a"]


async def test_a_post_is_sent_whole_again_with_the_new_token(
    make_client: Any, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[tuple[str, bytes]] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers["authorization"], await request.aread()))
        if seen[-1][0] == "Bearer b":
            return httpx.Response(200, json={"status": "ok", "data": {"id": 1}})
        return httpx.Response(401, json={"status": "error", "message": "token is expired"})

    async with make_client(handle, credentials=UserToken("a"), renewal=Fresh("b")) as client:
        await client.post_comment(5, lane=1, text="hello")
    assert [token for token, _ in seen] == ["Bearer a", "Bearer b"]
    assert seen[0][1] == seen[1][1] != b""
