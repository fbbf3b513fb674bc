"""Who asks: the three ways to prove it (worksection-api.md, "Reaching an account")."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from wsfs.emulator import problems
from wsfs.emulator.entities import User
from wsfs.emulator.oauth import OAuth
from wsfs.emulator.parameters import Parameters

SCHEMES = ("hash", "header", "token")
CLOCK_SKEW = 300


@dataclass(frozen=True)
class Caller:
    """Who asks: `user` is None with the admin key."""

    scheme: str
    user: User | None = None


class Gate:
    """Checks a request's credentials; `schemes` are the ways that are open. `clock` is Unix time."""

    def __init__(
        self,
        api_key: str,
        oauth: OAuth,
        schemes: Collection[str] = SCHEMES,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.api_key = api_key
        self.schemes = set(schemes)
        self._oauth = oauth
        self._clock = clock

    def admin(self, query: bytes, headers: Mapping[str, str], action: str) -> Caller:
        """Check the admin key's header, or else the hash over the query string. Raises Problem (2)."""
        scheme, _, signature = headers.get("authorization", "").partition(" ")
        if scheme == "Admin" and "header" in self.schemes and self._signed(signature, action):
            return Caller("header")
        parts = query.split(b"&")
        said = b"".join(part[5:] for part in parts if part.startswith(b"hash="))
        if said and "hash" in self.schemes:
            asked = b"&".join(part for part in parts if not part.startswith(b"hash="))
            right = hashlib.md5(asked + self.api_key.encode()).hexdigest()
            if hmac.compare_digest(right.encode(), said.lower()):
                return Caller("hash")
        raise problems.hash_invalid()

    def token(self, headers: Mapping[str, str], parameters: Parameters, action: str) -> Caller:
        """Check a user's token, in the header or as `access_token`. Raises Problem."""
        scheme, _, said = headers.get("authorization", "").partition(" ")
        token = said.strip() if scheme == "Bearer" else parameters.get("access_token")
        if not token or "token" not in self.schemes:
            raise problems.token_invalid()
        return Caller("token", self._oauth.user_of(token, action))

    def _signed(self, signature: str, action: str) -> bool:
        moment, _, said = signature.strip().partition("_")
        if not (moment.isascii() and moment.isdigit()) or abs(int(moment) - self._clock()) > CLOCK_SKEW:
            return False
        right = hmac.new(self.api_key.encode(), f"{action}:{moment}".encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(right.encode(), said.lower().encode())
