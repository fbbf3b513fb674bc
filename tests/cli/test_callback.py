"""What a login brings back, from a browser at the HTTPS server or pasted by a person."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
import trio

from wsfs.cli import callback, certificate
from wsfs.cli.callback import Expected, LoginError, NotOursError, code_in, code_pasted

EXPECTED = Expected("https://127.0.0.1:8743/", "the-state")
END = "https://127.0.0.1:8743/?code=abc123&state=the-state"


@pytest.mark.parametrize(
    "pasted", [END, f"  {END}\r\n", f"<{END}>", "?code=abc123&state=the-state", "abc123"]
)
def test_an_address_its_query_or_the_code_is_understood(pasted: str) -> None:
    assert code_pasted(pasted, EXPECTED) == "abc123"


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ("https://127.0.0.1:8743/?code=abc123&state=other", "another login"),
        ("https://127.0.0.1:8743/?code=abc123", "another login"),
        ("https://127.0.0.1:9999/?code=abc123&state=the-state", "isn't the one of this login"),
        ("http://127.0.0.1:8743/?code=abc123&state=the-state", "isn't the one of this login"),
        ("https://evil.example/?code=abc123&state=the-state", "isn't the one of this login"),
        ("https://worksection.com/oauth2/authorize?state=the-state", "isn't the one of this login"),
        ("https://127.0.0.1:8743/?state=the-state", "no code"),
        ("https://127.0.0.1:8743/?code=a%20b&state=the-state", "no code"),
        ("two words", "neither an address nor a code"),
        ("https://[", "neither an address nor a code"),
        ("код", "neither an address nor a code"),
    ],
)
def test_what_is_not_the_end_of_this_login_is_not_taken(pasted: str, words: str) -> None:
    with pytest.raises(NotOursError, match=words):
        code_pasted(pasted, EXPECTED)


def test_a_refusal_is_told_with_the_services_words() -> None:
    address = "https://127.0.0.1:8743/?" + urlencode(
        {"error": "access_denied", "error_description": "No\x1b[31m!", "state": "the-state"}
    )
    with pytest.raises(LoginError, match=r"refused the login: No\[31m!") as caught:
        code_in(address, EXPECTED)
    assert not isinstance(caught.value, NotOursError)
    with pytest.raises(NotOursError):  # anybody could say so without knowing the state
        code_in(address.replace("the-state", "other"), EXPECTED)


class Served:
    """The server, what it took, and a browser that was told to go on."""

    def __init__(self, port: int) -> None:
        self.url = f"https://127.0.0.1:{port}/"
        self.taken: list[str | LoginError] = []

    async def get(self, rest: str, method: str = "GET") -> httpx.Response:
        async with httpx.AsyncClient(verify=False, timeout=20) as browser:
            return await browser.request(method, self.url + rest)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    listeners = await callback.listen(0)
    served = Served(listeners[0].socket.getsockname()[1])
    context = certificate.context()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            callback.serve, listeners, context, Expected(served.url, "the-state"), served.taken.append
        )
        yield served
        nursery.cancel_scope.cancel()


async def test_a_browser_that_comes_back_brings_the_code(served: Served) -> None:
    page = await served.get("?code=abc123&state=the-state")
    assert (page.status_code, served.taken) == (200, ["abc123"])
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "abc123" not in page.text


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        ("favicon.ico", 404),
        ("/[", 404),
        ("other?code=abc123&state=the-state", 404),
        ("?code=abc123&state=wrong", 400),
        ("", 400),
        ("?state=the-state&code=", 400),
    ],
)
async def test_anything_else_is_answered_and_waited_out(served: Served, rest: str, status: int) -> None:
    assert (await served.get(rest)).status_code == status
    assert (await served.get("?code=abc123&state=the-state", "POST")).status_code == 404
    assert served.taken == []


async def test_a_refusal_ends_the_login(served: Served) -> None:
    page = await served.get("?error=access_denied&error_description=<b>&state=the-state")
    assert "<b>" not in page.text
    (taken,) = served.taken
    assert isinstance(taken, LoginError)


async def test_who_breaks_off_or_talks_nonsense_does_no_harm(served: Served) -> None:
    port = int(served.url.rstrip("/").rpartition(":")[2])
    for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(said)
    with pytest.raises(httpx.ConnectError):  # a browser that doesn't trust the certificate
        async with httpx.AsyncClient() as browser:
            await browser.get(served.url)
    with pytest.raises(httpx.HTTPError):
        await served.get("?" + "x" * 20_000)
    assert (await served.get("?code=abc123&state=the-state")).status_code == 200


def test_the_certificate_is_for_this_machine_alone_and_its_key_for_its_user(tmp_path: Path) -> None:
    made, key = certificate.make(tmp_path)
    assert key.stat().st_mode & 0o077 == 0
    context = ssl.create_default_context(cafile=made)
    assert context.get_ca_certs()[0]["subjectAltName"] == (("IP Address", "127.0.0.1"), ("DNS", "localhost"))
