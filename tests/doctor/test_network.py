from __future__ import annotations

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wsfs.cli import certificate
from wsfs.doctor import State, network


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return port_of(server)


def checked(base_url: str, **rest: Any) -> list[tuple[str, State]]:
    return [(one.check, one.state) for one in network.check_network(base_url, seconds=2.0, **rest)]


def test_a_name_that_nobody_knows() -> None:
    def unknown(host: str, port: int) -> list[tuple[Any, ...]]:
        raise socket.gaierror(-2, "Name or service not known")

    assert checked("https://acme.example", resolve=unknown) == [("name", State.BAD)]


def test_a_server_of_names_that_says_nothing() -> None:
    def silent(host: str, port: int) -> list[tuple[Any, ...]]:
        time.sleep(5)
        return []

    began = time.monotonic()
    (found,) = network.check_network("https://acme.example", resolve=silent, seconds=0.2)
    assert found.state is State.BAD
    assert time.monotonic() - began < 2


def test_a_connection_is_made_or_refused(listening: socket.socket) -> None:
    assert checked(f"http://127.0.0.1:{port_of(listening)}") == [
        ("name", State.GOOD),
        ("connection", State.GOOD),
    ]
    assert checked(f"http://127.0.0.1:{closed_port()}") == [("name", State.GOOD), ("connection", State.BAD)]


def test_one_of_two_addresses_answers(listening: socket.socket) -> None:
    deaf = closed_port()

    def both(host: str, port: int) -> list[tuple[Any, ...]]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("127.0.0.1", deaf)), (*kind, ("127.0.0.1", port_of(listening)))]

    found = list(network.check_network("http://acme.example", resolve=both))
    assert [one.state for one in found] == [State.GOOD, State.NOTE]
    assert "but not 127.0.0.1" in found[1].said


# TLS


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A port that speaks TLS with a certificate of its own for 127.0.0.1, and that certificate."""
    chain, key = certificate.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as agreed:
                    agreed.recv(1)
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield port_of(server), Path(chain)
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


def test_a_certificate_is_trusted_or_not(tls_server: tuple[int, Path]) -> None:
    port, chain = tls_server
    trusting = ssl.create_default_context(cafile=str(chain))
    url = f"https://127.0.0.1:{port}"
    names = [("name", State.GOOD), ("connection", State.GOOD)]
    assert checked(url, context=trusting) == [*names, ("certificate", State.GOOD)]
    *_, found = network.check_network(url)
    assert (found.check, found.state) == ("certificate", State.BAD)
    assert "SSL_CERT_FILE" in found.cure


@pytest.mark.parametrize(
    ("reason", "cure"),
    [
        ("certificate has expired", "set-ntp"),
        ("certificate is not yet valid", "set-ntp"),
        ("Hostname mismatch", "somebody else"),
    ],
)
def test_why_a_certificate_is_not_trusted(reason: str, cure: str) -> None:
    class Refusing(ssl.SSLContext):
        def wrap_socket(self, *rest: Any, **more: Any) -> ssl.SSLSocket:
            error = ssl.SSLCertVerificationError(1, "no")
            error.verify_message = reason
            raise error

    with socket.socket() as connection:
        found = network.check_tls(connection, "acme.example", Refusing(ssl.PROTOCOL_TLS_CLIENT))
    assert (found.state, cure in found.cure) == (State.BAD, True)


def test_what_speaks_no_tls(listening: socket.socket) -> None:
    def hang_up() -> None:
        listening.accept()[0].close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    *_, found = network.check_network(f"https://127.0.0.1:{port_of(listening)}")
    thread.join(5)
    assert (found.check, found.state) == ("certificate", State.BAD)
    assert "firewall or proxy" in found.cure


# Proxies


def test_the_proxy_of_the_environment_is_looked_at_in_its_stead(listening: socket.socket) -> None:
    proxies = {"https": f"http://127.0.0.1:{port_of(listening)}"}
    proxy = network.proxy_for("https://acme.worksection.com", proxies)
    assert proxy == proxies["https"]
    assert network.proxy_for("http://127.0.0.1:8080", proxies | {"http": "http://x"}) is None
    assert network.proxy_for("https://acme.worksection.com", {}) is None
    found = checked("https://acme.worksection.com", proxy=proxy)
    assert found == [("proxy", State.NOTE), ("name", State.GOOD), ("connection", State.GOOD)]


def test_a_failure_in_the_other_thread_comes_out() -> None:
    with pytest.raises(ZeroDivisionError):
        network.within(1, lambda: 1 // 0)
    assert network.within(1, lambda: datetime.MINYEAR) == 1
