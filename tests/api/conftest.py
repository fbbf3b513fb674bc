"""Fakes that the tests of the client share: an observer's list, a scripted transport, and a bare loopback server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from wsfs.api.auth import AdminKey
from wsfs.api.client import Client
from wsfs.api.pacing import Pacer

KEY = "7776461cd931e7b1c8e9632ff8e979ce"

Handler = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def bare_server(handler: Handler) -> AsyncIterator[str]:
    """Serve each connection with `handler` on a free port of 127.0.0.1; gives the base URL."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await handler(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, serve, listeners))
        try:
            yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        finally:
            nursery.cancel_scope.cancel()


@pytest.fixture
def serve() -> Callable[[Handler], AbstractAsyncContextManager[str]]:
    """A server on the loopback interface that answers as the test says, byte by byte."""
    return bare_server


@pytest.fixture
def make_client() -> Callable[..., Client]:
    """Make a client with the admin key, no limit of requests, and a function in place of the network."""

    def make(handler: Callable[[httpx.Request], Any] | None = None, **options: Any) -> Client:
        credentials = options.pop("credentials", AdminKey(KEY))
        pacer = options.pop("pacer", None) or Pacer(options.pop("rate", 0))
        url = options.pop("url", "https://acme.example")
        transport = httpx.MockTransport(handler) if handler is not None else None
        return Client(url, credentials, pacer, transport=transport, **options)

    return make
