"""Serving an emulator: hypercorn under trio, on the loopback interface."""

from __future__ import annotations

import functools
import logging
import socket
from pathlib import Path

import hypercorn.trio
import hypercorn.trio.tcp_server
import trio
from hypercorn.config import Config

from wsfs.emulator.app import application
from wsfs.emulator.emulator import Emulator

logger = logging.getLogger(__name__)

# hypercorn takes 64 KiB from a socket and offers no option for it; every read is a trip through h11 and trio, so that
# an upload of hundreds of megabytes would measure the emulator more than its client.
hypercorn.trio.tcp_server.MAX_RECV = 512 * 1024


async def serve(
    emulator: Emulator,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: tuple[Path, Path] | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; the address, also in `emulator.url`, comes through `task_status`.

    Port 0 is any free one. `tls` is a certificate and its key, as files of PEM; without them it is plain HTTP. Raises
    OSError when the port is taken or a file can't be read (ssl.SSLError is one). When it is cancelled, open
    connections are cut, so that it ends at once. An emulator may be served again afterwards.
    """
    config = Config()
    config.bind = [f"fd://{_listener(host, port)}"]
    if tls is not None:
        config.certfile, config.keyfile = map(str, tls)
        config.alpn_protocols = ["http/1.1"]
        config.create_ssl_context()  # so that a bad file is an error before anything listens
    config.errorlog = logger  # what hypercorn and the application report; its lines of mere news are below it
    config.accesslog = None
    config.keep_alive_timeout = 75
    config.keep_alive_max_requests = 1_000_000
    config.h11_max_incomplete_size = 64 * 1024
    config.graceful_timeout = 0.5
    config.include_server_header = False
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
    async with trio.open_nursery() as nursery:
        emulator.nursery = nursery
        binds = await nursery.start(
            functools.partial(hypercorn.trio.serve, application(emulator), config)  # type: ignore[arg-type]
        )
        emulator.url = emulator.oauth.account_url = str(binds[0])
        task_status.started(emulator.url)
        try:
            await trio.sleep_forever()
        finally:
            emulator.nursery = None
            for exchange in emulator.exchanges:
                exchange.cut()


def _listener(host: str, port: int) -> int:
    """Return the descriptor of a bound socket, for the server to own: it would not close its own if this failed."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener.detach()
