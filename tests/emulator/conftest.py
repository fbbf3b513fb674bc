"""An account, an emulator, and a caller that knows nothing of wsfs's own client."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import trio

from wsfs.emulator.account import Account
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.testing import running


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = datetime(2024, 10, 1, 12, 0, 30)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **amount: float) -> None:
        self.now += timedelta(**amount)


class Api:
    """Calls actions of an emulator over HTTP."""

    def __init__(self, emulator: Emulator, http: httpx.AsyncClient) -> None:
        self.emulator = emulator
        self.http = http

    def admin_url(self, action: str, **params: object) -> str:
        query = urlencode({"action": action, **params})
        signature = hashlib.md5((query + self.emulator.api_key).encode()).hexdigest()
        return f"{self.emulator.url}/api/admin/v2/?{query}&hash={signature}"

    def user_url(self, action: str, **params: object) -> str:
        return f"{self.emulator.url}/api/oauth2?{urlencode({'action': action, **params})}"

    def signed(self, action: str, moment: int | None = None) -> dict[str, str]:
        moment = int(time.time()) if moment is None else moment
        message = f"{action}:{moment}".encode()
        signature = hmac.new(self.emulator.api_key.encode(), message, hashlib.sha256).hexdigest()
        return {"Authorization": f"Admin {moment}_{signature}"}

    async def get(self, action: str, **params: object) -> httpx.Response:
        return await self.http.get(self.admin_url(action, **params))

    async def post(
        self, action: str, files: list[tuple[str, bytes]], text: str = "", **params: object
    ) -> httpx.Response:
        """Post files as `attach[n]`, the parameters in the query."""
        parts = [(f"attach[{n}]", (name, data)) for n, (name, data) in enumerate(files)]
        fields = {"text": text} if text else {}
        return await self.http.post(self.admin_url(action, **params), data=fields, files=parts or None)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something came true, five seconds at most."""
        with trio.fail_after(5):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event
                await trio.sleep(0.01)

    async def data(self, action: str, **params: object) -> Any:
        """Return the `data` of an answer that must be ok."""
        response = await self.get(action, **params)
        assert response.status_code == 200
        said = response.json()
        assert said["status"] == "ok", said
        return said.get("data", [])

    async def error(self, action: str, **params: object) -> tuple[int | None, str]:
        """Return status_code and message of an answer that must be an error with HTTP 200."""
        response = await self.get(action, **params)
        assert response.status_code == 200
        said = response.json()
        assert said["status"] == "error"
        return said.get("status_code"), said["message"]


Start = Callable[..., AbstractAsyncContextManager[Emulator]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(clock: Clock) -> Account:
    return Account(clock=clock)


@pytest.fixture
async def emulator(account: Account) -> AsyncIterator[Emulator]:
    async with running(account) as started:
        yield started
    account.close()


@pytest.fixture
async def api(emulator: Emulator) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(timeout=20) as http:
        yield Api(emulator, http)


@pytest.fixture
def api_of() -> Callable[[Emulator, httpx.AsyncClient], Api]:
    """For a test that starts an emulator of its own."""
    return Api
