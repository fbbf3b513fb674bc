"""A person's consent by OAuth2: the browser is sent out, and the code comes back by itself or is pasted."""

from __future__ import annotations

import contextlib
import functools
import os
import webbrowser
from collections.abc import Callable
from secrets import token_urlsafe

import click
import trio

from wsfs.api import oauth
from wsfs.api.auth import Application, TokenPair
from wsfs.cli import callback, certificate
from wsfs.cli.callback import Expected, LoginError
from wsfs.cli.errors import say

__all__ = ["LoginError", "ask"]

CONSENT_SECONDS = 900.0
LONGEST_LINE = 8192
STDIN = 0
_PROMPT = "Or paste here the address that the browser ends at: "

Outcome = str | LoginError


def ask(service: str, application: Application, port: int, *, browser: bool) -> TokenPair:
    """Have a person agree, and return the first pair of tokens. Raises LoginError, ApiError, click.Abort."""
    try:
        return trio.run(functools.partial(_ask, service, application, port, browser))
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is not None:
            raise click.Abort from None
        raise


async def _ask(service: str, application: Application, port: int, browser: bool) -> TokenPair:
    expected = Expected(f"https://127.0.0.1:{port}/", token_urlsafe(32))
    address = oauth.authorize_url(service, application, expected.redirect_uri, expected.state)
    outcome = await _outcome(address, expected, port, browser)
    if isinstance(outcome, LoginError):
        raise outcome
    return await oauth.tokens_for_code(service, application, outcome, expected.redirect_uri)


async def _outcome(address: str, expected: Expected, port: int, browser: bool) -> Outcome:
    """The code, or why there is none; whichever comes first of the browser and the person."""
    sending, receiving = trio.open_memory_channel[Outcome](1)

    def take(outcome: Outcome) -> None:
        with contextlib.suppress(trio.WouldBlock):
            sending.send_nowait(outcome)

    with trio.move_on_after(CONSENT_SECONDS):
        async with trio.open_nursery() as nursery:
            listening = await _listen(nursery, port, expected, take)
            opened = browser and _has_browser()
            _announce(address, opened=opened, listening=listening)
            if opened:
                nursery.start_soon(_open, address)
            nursery.start_soon(_read, expected, take, listening)
            outcome = await receiving.receive()
            nursery.cancel_scope.cancel()
        return outcome
    return LoginError(f"nobody agreed within {CONSENT_SECONDS / 60:.0f} minutes; try again")


async def _listen(
    nursery: trio.Nursery, port: int, expected: Expected, take: Callable[[Outcome], None]
) -> bool:
    try:
        listeners = await callback.listen(port)
    except OSError as error:
        say(
            f"port {port}, at which the browser would come back, can't be used ({(error.strerror or '').lower()})"
        )
        return False
    context = await trio.to_thread.run_sync(certificate.context)
    nursery.start_soon(callback.serve, listeners, context, expected, take)
    return True


def _announce(address: str, *, opened: bool, listening: bool) -> None:
    click.echo(
        "Agree in your browser, which opens this address:" if opened else "Open this address and agree:"
    )
    click.echo(f"\n  {address}\n")
    if listening:
        click.echo(
            "The browser then comes back to this computer, and warns that the connection isn't private: the page\n"
            "is wsfs's own, with a certificate made a moment ago. Choose Advanced, and go on to 127.0.0.1."
        )
    else:
        click.echo("The browser then fails to open an address at 127.0.0.1: that one is what is needed.")


def _has_browser() -> bool:
    """Whether a browser can be opened beside this terminal; one inside it would take it away."""
    return any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))


async def _open(address: str) -> None:
    # The address is to be seen by others in the list of processes; what is in it is good for nothing else.
    with contextlib.suppress(webbrowser.Error, OSError):
        await trio.to_thread.run_sync(webbrowser.open, address, abandon_on_cancel=True)


async def _read(expected: Expected, take: Callable[[Outcome], None], listening: bool) -> None:
    """Take what a person pastes, until it is a code. Without a person the browser alone is waited for."""
    pending = b""
    while True:
        click.echo(_PROMPT, err=True, nl=False)
        while b"\n" not in pending and len(pending) < LONGEST_LINE:
            try:
                await trio.lowlevel.wait_readable(STDIN)
            except PermissionError:  # a file or /dev/null, which are always ready
                pass
            except trio.Cancelled:  # the browser was first
                click.echo(err=True)
                raise
            piece = os.read(STDIN, LONGEST_LINE)
            if not piece:
                break
            pending += piece
        line, newline, pending = pending.partition(b"\n")
        text = line.decode("utf-8", "replace").strip()
        if text:
            try:
                take(callback.code_pasted(text, expected))
                return
            except callback.NotOursError as error:
                say(str(error))
            except LoginError as error:
                take(error)
                return
        if not newline:
            click.echo(err=True)
            if not listening:
                take(LoginError("the login can't come back: its port can't be used, and nothing was pasted"))
            return
