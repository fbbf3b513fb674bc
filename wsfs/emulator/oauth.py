"""OAuth2 of the service: authorize, token, refresh (worksection-api.md, "Reaching an account", 3).

Everyone who comes to `authorize` is taken for the account's owner who agrees. Errors are HTTP 200 with JSON.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from wsfs.emulator import problems
from wsfs.emulator.entities import User
from wsfs.emulator.parameters import Parameters

ACCESS_SECONDS = 86_400
REFRESH_SECONDS = 30 * 86_400
CODE_SECONDS = 600

# The scope that an action needs; an action that is not here needs none.
SCOPES = {
    "get_projects": "projects_read",
    "get_project": "projects_read",
    "get_project_groups": "projects_read",
    "post_project": "projects_write",
    "update_project": "projects_write",
    "close_project": "projects_write",
    "activate_project": "projects_write",
    "get_all_tasks": "tasks_read",
    "get_tasks": "tasks_read",
    "get_task": "tasks_read",
    "search_tasks": "tasks_read",
    "post_task": "tasks_write",
    "update_task": "tasks_write",
    "complete_task": "tasks_write",
    "reopen_task": "tasks_write",
    "get_comments": "comments_read",
    "post_comment": "comments_write",
    "get_files": "files_read",
    "download": "files_read",
    "upload_files": "files_write",
    "get_events": "projects_read",
    "get_users": "users_read",
}


@dataclass
class Grant:
    """A pair of tokens; `scopes` None is everything."""

    user: User
    access: str
    refresh: str
    expires: float
    refresh_expires: float
    scopes: frozenset[str] | None = None


class OAuthError(Exception):
    """What `token` and `refresh` refuse; both texts are in the answer."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


class OAuth:
    """The clients and tokens of an account. `clock` is Unix time."""

    def __init__(self, seed: str, owner: User, *, clock: Callable[[], float] = time.time) -> None:
        self.client_id = hashlib.md5(f"client {seed}".encode()).hexdigest()
        self.client_secret = hashlib.md5(f"secret {seed}".encode()).hexdigest()
        self.access_seconds = ACCESS_SECONDS
        self.account_url = ""
        self._seed = seed
        self._owner = owner
        self._clock = clock
        self._count = 0
        self._codes: dict[str, tuple[str, frozenset[str] | None, float]] = {}
        self._grants: dict[str, Grant] = {}  # by access token
        self._dead: set[str] = set()

    def grant(
        self, user: User | None = None, *, scopes: frozenset[str] | None = None, seconds: float | None = None
    ) -> Grant:
        """Make a pair of tokens for a user (the owner)."""
        now = self._clock()
        lives = self.access_seconds if seconds is None else seconds
        made = Grant(
            user or self._owner,
            self._secret("access"),
            self._secret("refresh"),
            now + lives,
            now + REFRESH_SECONDS,
            scopes,
        )
        self._grants[made.access] = made
        return made

    def expire(self, access: str) -> None:
        """Let an access token die now; its refresh token lives on."""
        self._grants[access].expires = self._clock()

    def user_of(self, access: str, action: str) -> User:
        """Return whose token this is. Raises Problem: expired, unknown, or without the action's scope."""
        grant = self._grants.get(access)
        if grant is None:
            raise problems.token_expired() if access in self._dead else problems.token_invalid()
        if grant.expires <= self._clock():
            raise problems.token_expired()
        scope = SCOPES.get(action)
        if scope is not None and grant.scopes is not None and scope not in grant.scopes:
            raise problems.access_denied(f"the scope {scope} is required")
        return grant.user

    def authorize(self, parameters: Parameters) -> str:
        """Return the address to send the user's browser to."""
        if parameters.get("client_id") != self.client_id:
            raise OAuthError("invalid_client", "Client is invalid")
        address = parameters.get("redirect_uri")
        if not address.startswith("https://"):
            raise OAuthError("invalid_request", "redirect_uri must be HTTPS")
        if parameters.get("response_type") != "code":
            raise OAuthError("unsupported_response_type", "response_type must be code")
        code = self._secret("code")
        words = parameters.words("scope")
        self._codes[code] = (address, frozenset(words) if words else None, self._clock() + CODE_SECONDS)
        said = {"code": code}
        if parameters.get("state"):
            said["state"] = parameters.get("state")
        return f"{address}{'&' if '?' in address else '?'}{urlencode(said)}"

    def token(self, parameters: Parameters) -> dict[str, Any]:
        """Give tokens for a code, once."""
        self._check_client(parameters, "authorization_code")
        address, scopes, expires = self._codes.pop(parameters.get("code"), ("", None, 0.0))
        if expires <= self._clock() or parameters.get("redirect_uri") != address:
            raise OAuthError("invalid_grant", "Authorization code is invalid")
        return self._answer(self.grant(scopes=scopes))

    def refresh(self, parameters: Parameters) -> dict[str, Any]:
        """Give new tokens for a refresh token; both old ones are dead from then on."""
        self._check_client(parameters, "refresh_token")
        wanted = parameters.get("refresh_token")
        old = next((each for each in self._grants.values() if each.refresh == wanted), None)
        if not wanted or old is None or old.refresh_expires <= self._clock():
            raise OAuthError("invalid_grant", "Refresh token is invalid")
        del self._grants[old.access]
        self._dead.add(old.access)
        return self._answer(self.grant(old.user, scopes=old.scopes))

    def _check_client(self, parameters: Parameters, grant_type: str) -> None:
        said = (parameters.get("client_id"), parameters.get("client_secret"))
        if said != (self.client_id, self.client_secret):
            raise OAuthError("invalid_client", "Client is invalid")
        if parameters.get("grant_type") != grant_type:
            raise OAuthError("unsupported_grant_type", f"grant_type must be {grant_type}")

    def _answer(self, grant: Grant) -> dict[str, Any]:
        return {
            "token_type": "Bearer",
            "expires_in": int(grant.expires - self._clock()),
            "access_token": grant.access,
            "refresh_token": grant.refresh,
            "account_url": self.account_url,
        }

    def _secret(self, kind: str) -> str:
        self._count += 1
        return hashlib.sha256(f"{kind} {self._count} {self._seed}".encode()).hexdigest()
