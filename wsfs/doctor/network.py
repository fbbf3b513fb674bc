"""The way to the service: its name, a connection, and its certificate. No request is sent."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from wsfs.api.account import is_loopback
from wsfs.doctor.findings import Finding, bad, good, note

SECONDS = 6.0

Resolve = Callable[[str, int], list[tuple[Any, ...]]]
T = TypeVar("T")


def resolve(host: str, port: int) -> list[tuple[Any, ...]]:
    """What getaddrinfo says; it has no deadline of its own."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def proxy_for(base_url: str, proxies: dict[str, str] | None = None) -> str | None:
    """The proxy that stands before an account by the environment, as the HTTP library sees it too."""
    if is_loopback(base_url):
        return None
    parts = urlsplit(base_url)
    if proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies() if proxies is None else proxies
    return proxies.get(parts.scheme) or proxies.get("all")


def check_network(
    base_url: str,
    *,
    proxy: str | None = None,
    resolve: Resolve = resolve,
    context: ssl.SSLContext | None = None,
    seconds: float = SECONDS,
) -> Iterator[Finding]:
    """Name, connection and certificate, one after the other, as far as it gets; of the proxy, where there is one."""
    target = urlsplit(proxy or base_url)
    host = target.hostname or ""
    port = target.port or (443 if target.scheme == "https" else 80)
    if proxy is not None:
        yield note("proxy", f"requests go through {host}:{port}, as the environment says")
    addresses = yield from _named(host, port, resolve, seconds)
    if not addresses:
        return
    connection, finding = _connected(host, port, addresses, seconds)
    yield finding
    if connection is None:
        return
    with connection:
        if target.scheme == "https":
            yield check_tls(connection, host, context)


def _named(
    host: str, port: int, resolve: Resolve, seconds: float
) -> Generator[Finding, None, list[tuple[Any, ...]]]:
    addresses: list[tuple[Any, ...]] = []
    try:
        found = within(seconds, lambda: resolve(host, port))
    except TimeoutError:
        yield bad(
            "name",
            f"nobody says within {seconds:g} s what {host} is",
            "look at the network, and its DNS server (`resolvectl status`)",
        )
    except socket.gaierror as error:
        yield bad(
            "name",
            f"{host} isn't known ({error.strerror})",
            "look whether the network is there, and whether the account's name is right",
        )
    else:
        addresses = found
        yield good("name", f"{host} is {addresses[0][4][0]}")
    return addresses


def _connected(
    host: str, port: int, addresses: list[tuple[Any, ...]], seconds: float
) -> tuple[socket.socket | None, Finding]:
    """A connection to the first address that takes one."""
    failures = []
    for family, kind, protocol, _, address in addresses[:4]:
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(seconds)
        began = time.monotonic()
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            failures.append(f"{address[0]}: {error.strerror or 'no answer'}")
            continue
        took = 1000 * (time.monotonic() - began)
        if failures:
            said = f"{address[0]} answers, but not {'; '.join(failures)}"
            return connection, note(
                "connection", said, "each new connection loses time over that; mend IPv6, or switch it off"
            )
        return connection, good("connection", f"in {took:.0f} ms")
    return None, bad(
        "connection",
        f"{host} can't be reached on port {port} ({'; '.join(failures)})",
        "look at the network, and whether a firewall lets port 443 out",
    )


def check_tls(connection: socket.socket, host: str, context: ssl.SSLContext | None = None) -> Finding:
    """Agree on TLS over a connection, and judge the certificate."""
    check = "certificate"
    context = ssl.create_default_context() if context is None else context
    try:
        with context.wrap_socket(connection, server_hostname=host) as agreed:
            return good(check, f"trusted, {agreed.version()}")
    except ssl.SSLCertVerificationError as error:
        reason = error.verify_message
        if "expired" in reason or "not yet valid" in reason:
            cure = "set this machine's clock right first: `sudo timedatectl set-ntp true`"
        elif "self-signed" in reason or "self signed" in reason or "local issuer" in reason:
            cure = (
                "a program or a company's proxy looks into the connection: have its authority's certificate put into "
                "the system's, or named in SSL_CERT_FILE"
            )
        else:
            cure = "don't go on: somebody else may be answering for Worksection"
        return bad(check, f"it isn't trusted: {reason}", cure)
    except (OSError, ssl.SSLError) as error:
        reason = (
            getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or "no answer"
        )
        return bad(
            check, f"no agreement on TLS: {reason}", "look whether a firewall or proxy breaks connections off"
        )


def within(seconds: float, do: Callable[[], T]) -> T:
    """What `do` returns or raises, TimeoutError when that takes longer; its thread is left behind then."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(do())
        except BaseException as error:  # noqa: BLE001 - it is raised in the other thread
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not outcome:
        raise TimeoutError
    return outcome[0]
