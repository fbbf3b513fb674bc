"""Proving who asks: the admin key in two schemes, and the user token; and keeping all of them out of texts.

The admin hash covers the query string exactly as sent; the admin header (the vendor's own client uses it)
puts nothing secret into the URL, so it comes first, and the hash is what remains where a server refuses it
with status_code 2.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

ADMIN_PATH = "/api/admin/v2/"
USER_PATH = "/api/oauth2"


def _checked(secret: str) -> str:
    """The secret, stripped; ValueError (which doesn't quote it) if it can't be one."""
    secret = secret.strip()
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ValueError("the key or token is empty or holds characters that none can have")
    return secret


@dataclass(frozen=True)
class AdminKey:
    """The account's API key (32 hex digits), which acts as the account's owner."""

    key: str = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", _checked(self.key))


@dataclass(frozen=True)
class UserToken:
    """An OAuth2 access token, which acts as its user and lives 24 hours."""

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "token", _checked(self.token))


Credentials = AdminKey | UserToken


@dataclass(frozen=True)
class Application:
    """What an administrator of the service registered for wsfs: OAuth2's client."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True)
class TokenPair:
    """What a login by OAuth2 gives. `expires` and `refresh_expires` are unix seconds; `account_url` says whose it is.

    A refresh kills both tokens and gives others, so a new pair has to be kept before it is used.
    """

    access: UserToken
    refresh: str = field(repr=False)
    expires: float
    refresh_expires: float
    account_url: str = ""


class Renewal(Protocol):
    """Who gives a client other credentials when the ones it holds end; shared by all its requests."""

    async def current(self, held: Credentials) -> Credentials:
        """The credentials for the next request. Raises LoginRefused where it is known to be in vain."""
        ...

    async def renewed(self, refused: Credentials) -> Credentials | None:
        """Others in place of those that the service refused; None where there are none. Raises ApiError."""
        ...

    def worked(self) -> None:
        """Note that the service took the credentials."""
        ...


def admin_hash(query: str, key: str) -> str:
    """The `hash` parameter: md5 in hex of the query string (exactly as sent, less `hash`) and the key."""
    return hashlib.md5(f"{query}{key}".encode(), usedforsecurity=False).hexdigest()


def admin_signature(action: str, t: int, key: str) -> str:
    """The `T_SIG` of `Authorization: Admin T_SIG`: unix seconds, and the HMAC-SHA256 of `ACTION:T` in hex."""
    return f"{t}_{hmac.new(key.encode(), f'{action}:{t}'.encode(), hashlib.sha256).hexdigest()}"


class Signer:
    """Signs requests with one account's credentials, and knows which scheme the server takes.

    `scheme` is `header` or `hash` for an admin key (the header, unless another is given) and `bearer` for a
    token. `on_scheme` is called with the scheme that was accepted whenever that is news, so that it can be
    kept.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        scheme: str | None = None,
        on_scheme: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._on_scheme = on_scheme
        self._clock = clock
        self._none_works = False
        self._former: set[str] = set()
        schemes: tuple[str, ...] = ("bearer",) if isinstance(credentials, UserToken) else ("header", "hash")
        self.scheme: str = scheme if scheme is not None and scheme in schemes else schemes[0]
        self._schemes = schemes
        self._known = scheme if scheme in schemes else None

    @property
    def credentials(self) -> Credentials:
        """What is signed with."""
        return self._credentials

    def replace(self, credentials: Credentials) -> None:
        """Sign with other credentials from now on; those of before are still taken out of texts."""
        if credentials == self._credentials:
            return
        self._former.add(_secret(self._credentials))
        self._none_works = False
        if type(credentials) is not type(self._credentials):
            self._schemes = ("bearer",) if isinstance(credentials, UserToken) else ("header", "hash")
            self.scheme = self._schemes[0]
            self._known = None
        self._credentials = credentials

    @property
    def path(self) -> str:
        """Where the API for these credentials lies below the account's address."""
        return USER_PATH if isinstance(self._credentials, UserToken) else ADMIN_PATH

    def sign(self, action: str, query: str, scheme: str) -> tuple[str, dict[str, str]]:
        """The query string to send, and the headers that go with it."""
        if isinstance(self._credentials, UserToken):
            return query, {"Authorization": f"Bearer {self._credentials.token}"}
        if scheme == "hash":
            return f"{query}&hash={admin_hash(query, self._credentials.key)}", {}
        signature = admin_signature(action, int(self._clock()), self._credentials.key)
        return query, {"Authorization": f"Admin {signature}"}

    def another(self, refused: Collection[str]) -> str | None:
        """A scheme to try after the server refused those in `refused` for the same request, or None.

        Once every scheme was refused the key itself is wrong, and a request is tried in one only, until one
        is accepted again.
        """
        left = [scheme for scheme in self._schemes if scheme not in refused]
        if self._none_works:
            return None
        if not left:
            self._none_works = True
            return None
        return left[0]

    def accepted(self, scheme: str) -> None:
        """Note that the service did what a request signed with `scheme` asked for."""
        self._none_works = False
        if scheme not in self._schemes:
            return  # the credentials were replaced by others of another kind meanwhile
        self.scheme = scheme
        if scheme != self._known:
            self._known = scheme
            if self._on_scheme is not None:
                self._on_scheme(scheme)

    def redact(self, text: str) -> str:
        """`text` without these credentials, and without anything that looks like a signature."""
        for secret in (_secret(self._credentials), *self._former):
            text = text.replace(secret, "…")
        return redact(text)


def _secret(credentials: Credentials) -> str:
    return credentials.token if isinstance(credentials, UserToken) else credentials.key


_SECRETS = re.compile(
    r"(?P<keep>\b(?:hash|access_token|refresh_token|client_secret|code)(?:=|%3D)|\b(?:Admin|Bearer) )"
    r"[^&\s\"'<>\\)]+"
    r"|\b\d{9,11}_[0-9a-f]{64}\b"
    r"|\b(?:[0-9a-f]{32}|[0-9A-F]{32})\b",
)


def redact(text: str) -> str:
    """`text` with every hash, signature and token that can be known by its form replaced by `…`."""
    return _SECRETS.sub(lambda found: f"{found['keep'] or ''}…", text)


class RedactingFilter(logging.Filter):
    """Takes credentials out of log records: httpx logs whole URLs, and the hash scheme signs in the URL."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = redact(message)
        if clean != message:
            record.msg, record.args = clean, ()
        return True


_FILTER = RedactingFilter()


def guard_logs() -> None:
    """Put the filter on every logger of the HTTP libraries: a logger's filter isn't inherited."""
    for name in (
        "httpx",
        *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
    ):
        logging.getLogger(name).addFilter(_FILTER)
