"""OAuth2 of the service: the address to send a browser to, tokens for its code, and new tokens for old ones.

Errors come as HTTP 200 with `{"error": …, "errorDescription": …}` (worksection-api.md, "Reaching an account", 3);
what a proxy or a broken server says instead is taken as for any request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
import msgspec
import trio

from wsfs import __version__
from wsfs.api import answers, errors
from wsfs.api.account import is_loopback
from wsfs.api.auth import Application, TokenPair, UserToken, guard_logs, redact
from wsfs.api.wire import Pieces, translated

guard_logs()

SERVICE = "https://worksection.com"

SCOPES = (
    *("projects_read", "projects_write", "tasks_read", "tasks_write"),
    *("comments_read", "comments_write", "files_read", "files_write", "users_read"),
)

REFRESH_SECONDS = 30 * 86_400
"""How long a refresh token lives; the answer doesn't tell."""

LONGEST_ANSWER = 64 * 1024


class GrantRefused(errors.LoginRefused):
    """The code or refresh token is used up, too old or taken back: a person has to log in again."""

    sentence = "the login has ended"


class ApplicationRefused(errors.LoginRefused):
    """The service doesn't know the client id, or its secret is another."""

    sentence = "Worksection doesn't accept the application's client id and secret"


class _Answer(msgspec.Struct):
    access_token: str = ""
    refresh_token: str = ""
    expires_in: float = 86_400
    account_url: str = ""
    error: Any = None
    errorDescription: Any = None  # noqa: N815 - the service's name
    error_description: Any = None


def oauth_service(base_url: str) -> str:
    """Where the account at `base_url` is logged in to: the service's own address, or that of an emulator."""
    host = urlsplit(base_url).hostname or ""
    return SERVICE if f".{host}".endswith(".worksection.com") else base_url.rstrip("/")


def authorize_url(
    service: str, application: Application, redirect_uri: str, state: str, scopes: Sequence[str] = SCOPES
) -> str:
    """The address at which a person agrees; the browser is sent on to `redirect_uri` with `code` and `state`."""
    query = {
        "client_id": application.client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "state": state,
        "scope": ",".join(scopes),  # so does the vendor's own client
    }
    return f"{service}/oauth2/authorize?{urlencode(query, quote_via=quote, safe=',')}"


async def tokens_for_code(
    service: str, application: Application, code: str, redirect_uri: str, **options: Any
) -> TokenPair:
    """The first pair, for a code that is good once. Raises GrantRefused, ApplicationRefused, other ApiErrors.

    `options` are those of `refreshed`.
    """
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    return await _ask(f"{service}/oauth2/token", application, fields, **options)


async def refreshed(service: str, application: Application, refresh_token: str, **options: Any) -> TokenPair:
    """A new pair; both old tokens are dead as soon as the service has read this. Raises as `tokens_for_code`.

    After TimedOut, ConnectionBroken or BadAnswer it isn't known whether they are. Whoever cancels it may lose the
    login. `options`: `deadline` in seconds for all of it; `clock` (unix time) and `transport` for tests.
    """
    fields = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return await _ask(f"{service}/oauth2/refresh", application, fields, **options)


async def _ask(
    url: str,
    application: Application,
    fields: Mapping[str, str],
    *,
    deadline: float = 30.0,
    clock: Callable[[], float] = time.time,
    transport: httpx.AsyncBaseTransport | None = None,
) -> TokenPair:
    form = {"client_id": application.client_id, "client_secret": application.client_secret, **fields}
    hidden = [
        application.client_secret,
        *(fields[name] for name in ("code", "refresh_token") if name in fields),
    ]

    def clean(text: str) -> str:
        for secret in filter(None, hidden):
            text = text.replace(secret, "…")
        return redact(text)

    asked = clock()  # a token's time is counted from before it was given
    error: errors.ApiError
    try:
        with trio.move_on_after(deadline):
            status, headers, body = await _post(url, form, deadline, transport)
            return _pair(status, headers, body, asked)
        error = errors.TimedOut(f"nothing came for {deadline:g} s")
    except httpx.HTTPError as caught:
        error = translated(caught, str(caught))
    except errors.ApiError as caught:
        error = caught
    error.action = "login"
    error.redact(clean)
    raise error.with_traceback(None) from None


async def _post(
    url: str, form: Mapping[str, str], deadline: float, transport: httpx.AsyncBaseTransport | None
) -> tuple[int, httpx.Headers, bytes]:
    async with (
        httpx.AsyncClient(
            timeout=None,
            trust_env=not is_loopback(url),
            verify=httpx.create_ssl_context(),
            transport=transport,
        ) as http,
        http.stream(
            "POST",
            url,
            data=dict(form),
            headers={
                "User-Agent": f"wsfs/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
            },
        ) as response,
    ):
        body = b""
        pieces = Pieces(response, deadline, redact)
        try:
            while (piece := await pieces.next()) is not None:
                body += piece
                if len(body) > LONGEST_ANSWER:
                    raise errors.BadAnswer(f"more than {LONGEST_ANSWER} bytes")
        finally:
            await pieces.aclose()
        return response.status_code, response.headers, body


def _pair(status: int, headers: httpx.Headers, body: bytes, asked: float) -> TokenPair:
    try:
        answer = msgspec.json.decode(body, type=_Answer, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = None
    if answer is None or (status >= 500 or status == 429):
        raise answers.error_in("login", status, headers, None) or errors.BadAnswer("no answer of a login")
    if answer.error:
        raise _refusal(str(answer.error), str(answer.errorDescription or answer.error_description or ""))
    try:
        return TokenPair(
            UserToken(answer.access_token),
            UserToken(answer.refresh_token).token,
            asked + answer.expires_in,
            asked + REFRESH_SECONDS,
            answer.account_url,
        )
    except ValueError:
        raise errors.BadAnswer(f"HTTP {status} without a pair of tokens") from None


def _refusal(error: str, description: str) -> errors.ApiError:
    kinds: dict[str, type[errors.ApiError]] = {
        "invalid_grant": GrantRefused,
        "invalid_client": ApplicationRefused,
        "unauthorized_client": ApplicationRefused,
    }
    named = errors.named_by_message(f"{error} {description}")
    if named is errors.TooManyRequests:
        return errors.TooManyRequests()
    shown = " ".join(f"{description or error}".split())[:300]
    return kinds.get(error.strip().lower(), errors.LoginRefused)(shown)
