"""What a login brings back: the address that the browser is sent to, taken by a server here or pasted by a person."""

from __future__ import annotations

import html
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import trio

LONGEST_REQUEST = 16 * 1024
REQUEST_SECONDS = 20.0
_CODE = re.compile(r"[\x21-\x7e]{1,2000}")


class LoginError(Exception):
    """A login was refused, or what came back isn't its end; `str()` is a sentence for a person."""


class NotOursError(LoginError):
    """This isn't the end of the login that was begun: the state is another, or there is no code in it."""


@dataclass(frozen=True)
class Expected:
    """The login that was begun: where its end is sent to, and the state that it has to bring."""

    redirect_uri: str
    state: str


def code_in(address: str, expected: Expected) -> str:
    """The code in the address that the browser was sent to. Raises LoginError; NotOursError for what isn't its end."""
    try:
        parts, wanted = urlsplit(address), urlsplit(expected.redirect_uri)
    except ValueError:
        raise NotOursError("that is neither an address nor a code") from None
    if (parts.scheme, parts.netloc, parts.path or "/") != (wanted.scheme, wanted.netloc, wanted.path):
        raise NotOursError(
            f"that address isn't the one of this login, which begins with {expected.redirect_uri}"
        )
    said = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if said.get("state") != expected.state:
        raise NotOursError(
            "that is the end of another login, perhaps of an earlier try; use the address shown last"
        )
    if "error" in said:
        told = said.get("error_description") or said.get("errorDescription") or said["error"]
        shown = "".join(sign for sign in told if sign.isprintable())[:200]
        raise LoginError(f"Worksection refused the login: {shown}")
    if not _CODE.fullmatch(said.get("code", "")):
        raise NotOursError("there is no code in that address")
    return said["code"]


def code_pasted(text: str, expected: Expected) -> str:
    """The code in what a person pasted: the whole address, or the code alone. Raises LoginError.

    Of a code alone nobody can say which login it ends; the person took it from the browser.
    """
    text = text.strip().strip("'\"<>")
    if "://" in text:
        return code_in(text, expected)
    query = text.lstrip("/?")
    if "code=" in query or "error=" in query:
        return code_in(f"{expected.redirect_uri}?{query}", expected)
    if not _CODE.fullmatch(text):
        raise NotOursError("that is neither an address nor a code")
    return text


async def listen(port: int) -> list[trio.SocketListener]:
    """Listen on 127.0.0.1. Raises OSError where the port is taken."""
    return await trio.open_tcp_listeners(port, host="127.0.0.1")


async def serve(
    listeners: list[trio.SocketListener],
    context: ssl.SSLContext,
    expected: Expected,
    take: Callable[[str | LoginError], None],
) -> None:
    """Answer browsers over HTTPS until cancelled; `take` gets the code, or that the login was refused.

    What isn't the end of this login gets a page that says so, and is waited out.
    """

    async def handle(stream: trio.SocketStream) -> None:
        tls = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        with trio.move_on_after(REQUEST_SECONDS):
            try:
                outcome = await _answer(tls, expected)
                await tls.aclose()
            except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError):
                return  # a browser that doesn't trust the certificate breaks off, and comes again
            if outcome is not None:
                take(outcome)
        await trio.aclose_forcefully(tls)

    await trio.serve_listeners(handle, listeners)


async def _answer(stream: trio.SSLStream[trio.SocketStream], expected: Expected) -> str | LoginError | None:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = await stream.receive_some(4096)
        head += piece
        if not piece or len(head) > LONGEST_REQUEST:
            return None
    method, _, rest = head.partition(b"\r\n")[0].decode("ascii", "replace").partition(" ")
    target = rest.partition(" ")[0]
    wanted = urlsplit(expected.redirect_uri)
    outcome: str | LoginError | None = None
    if method != "GET" or target.partition("?")[0] != wanted.path:
        page = _page(
            "404 Not Found", "Nothing is here", "wsfs waits for the end of a login, which is another page."
        )
    else:
        try:
            outcome = code_in(f"{wanted.scheme}://{wanted.netloc}{target}", expected)
            page = _page("200 OK", "You can close this window", "wsfs goes on in the terminal.")
        except NotOursError as error:
            page = _page("400 Bad Request", "This isn't the login that wsfs waits for", str(error))
        except LoginError as error:
            outcome = error
            page = _page("200 OK", "The login was refused", str(error))
    await stream.send_all(page)
    return outcome


def _page(status: str, title: str, text: str) -> bytes:
    body = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>wsfs</title><style>body{{font:18px sans-serif;margin:15vh auto;max-width:32em}}</style>"
        f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p></html>\n"
    ).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\r\n"
    )
    return head.encode("ascii") + body
