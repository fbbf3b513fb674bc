"""Notifications on the desktop, over the session's D-Bus (the Desktop Notifications Specification, 1.2).

What is to be said is noted at once and said later, by a task of its own: nobody waits for a desktop. Of what has one
key only the latest is shown, in the place of the one before, and no more often than its `gap` allows. Where there is no
session bus, or nobody there who shows notifications, nothing is said, and it is looked again when there is more to say.

jeepney speaks the protocol; it comes with keyring, and without it, too, nothing is said. No text of a notification goes
to the log: it names people's files.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from jeepney import Message
    from jeepney.io.trio import DBusConnection

log = logging.getLogger(__name__)

APP = "Worksection"
NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"

CONNECT_SECONDS = 5.0
CALL_SECONDS = 5.0
"""For a notification server to answer, which may have to be started first."""
AGAIN_SECONDS = 15.0
LONGEST_PAUSE = 3600.0
"""Between two tries to find one, doubled from the one to the other."""

LOW, NORMAL, CRITICAL = 0, 1, 2


def _ignore(_action: str) -> None:
    return


@dataclass(frozen=True)
class Notice:
    """One notification: `actions` are buttons by their own names, `on_action` is called with that of the one pressed.

    `gap` is the least time in seconds between two of its key. With `needs_actions` it is left out where the server
    shows no buttons. `on_action` must neither block nor raise.
    """

    title: str
    body: str = ""
    icon: str = "folder-remote"
    urgency: int = NORMAL
    actions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    on_action: Callable[[str], None] = _ignore
    needs_actions: bool = False
    gap: float = 10.0


def session_bus(environ: Mapping[str, str] = os.environ) -> str | None:
    """The address of this user's session bus; None where there is none. Nothing is started for it."""
    if address := environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return address
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    path = Path(runtime) / "bus"
    return f"unix:path={path}" if path.is_socket() else None


@dataclass
class _Shown:
    """What is on the screen under a key: the server's number (0: none any more) and when it was shown last."""

    notice: Notice
    id: int = 0
    at: float = -math.inf


async def _authenticate(stream: trio.SocketStream) -> None:
    """Say who we are (the kernel vouches for it). Raises jeepney's AuthenticationError."""
    from jeepney.auth import BEGIN, Authenticator

    dialogue = Authenticator()
    for line in dialogue:
        await stream.send_all(line)
        answer = await stream.receive_some()
        if not answer:
            raise trio.BrokenResourceError("the bus hung up")
        dialogue.feed(answer)
    await stream.send_all(BEGIN)


class _Line:
    """A connection to the bus: calls to the notification server, and what it tells, which `heard` is given.

    jeepney has an opening and a router of its own. Cancelled, the one leaves its socket open, and the other fails with
    an error of its own where it hands signals on (0.9).
    """

    def __init__(self, connection: DBusConnection, heard: Callable[[object, tuple[Any, ...]], None]) -> None:
        self._connection = connection
        self._heard = heard
        self._waiting: dict[int, tuple[trio.Event, list[Message]]] = {}

    async def run(self) -> None:
        """Take what comes, until cancelled; raises when the bus is gone."""
        from jeepney import HeaderFields, MessageType

        while True:
            message = await self._connection.receive()
            fields = message.header.fields
            if (waiting := self._waiting.get(fields.get(HeaderFields.reply_serial, 0))) is not None:
                waiting[1].append(message)
                waiting[0].set()
            elif (
                message.header.message_type is MessageType.signal
                and fields.get(HeaderFields.interface) == NAME
                and fields.get(HeaderFields.path) == PATH
            ):
                self._heard(fields.get(HeaderFields.member), message.body)

    async def listen(self) -> None:
        """Join the bus; it shall hand on what the owner of the server's name tells, and nothing that others do."""
        from jeepney import MatchRule, message_bus

        await self._ask(message_bus.Hello())
        theirs = MatchRule(type="signal", sender=NAME, interface=NAME, path=PATH)
        await self._ask(message_bus.AddMatch(theirs))

    async def call(self, method: str, signature: str | None = None, body: tuple[Any, ...] = ()) -> Any:
        """Call the server; the first value of its answer. Raises when it refuses or is silent."""
        from jeepney import DBusAddress, new_method_call

        answer = await self._ask(new_method_call(DBusAddress(PATH, NAME, NAME), method, signature, body))
        return answer[0] if answer else None

    async def _ask(self, message: Message) -> tuple[Any, ...]:
        from jeepney.wrappers import unwrap_msg

        serial = next(self._connection.outgoing_serial)
        event, answers = self._waiting[serial] = trio.Event(), list["Message"]()
        try:
            with trio.fail_after(CALL_SECONDS):
                await self._connection.send(message, serial=serial)
                await event.wait()
        finally:
            del self._waiting[serial]
        return tuple(unwrap_msg(answers[0]))


class Desktop:
    """The desktop of this user, as far as there is one. `bus` finds the address of its session bus.

    `run` is its one long-lived task; the rest is synchronous, and may be called at any time from the same thread.
    """

    def __init__(self, bus: Callable[[], str | None] = session_bus) -> None:
        self._bus = bus
        self._pending: OrderedDict[str, Notice | None] = OrderedDict()
        self._shown: dict[str, _Shown] = {}
        self._news = trio.Event()
        self._capabilities: frozenset[str] = frozenset()
        self._early: list[tuple[object, tuple[Any, ...]]] | None = None
        self._said = False
        self._failures = 0

    def show(self, key: str, notice: Notice) -> None:
        """Show it in place of what has that key, as soon as may be."""
        self._pending[key] = notice
        self._news.set()

    def withdraw(self, key: str) -> None:
        """Take away what has that key, if it is still there."""
        if key in self._shown:
            self._pending[key] = None
            self._news.set()
        else:
            self._pending.pop(key, None)

    async def run(self) -> None:
        """Say what is to be said, until cancelled. No failure ends it, and none is more than a line at debug level."""
        while True:
            await self._something()
            self._said = False
            try:
                await self._converse()
            except ImportError:
                log.debug("There are no notifications without jeepney")
                return
            except Exception as error:  # noqa: BLE001 - a desktop that misbehaves must not disturb a drive
                log.debug("Notifications can't be shown now: %s", type(error).__name__)
            self._shown.clear()
            self._failures = 0 if self._said else self._failures + 1
            await trio.sleep(min(AGAIN_SECONDS * 2.0**self._failures, LONGEST_PAUSE))

    async def _something(self) -> None:
        """Until there is something to say."""
        while not self._pending:
            self._news = trio.Event()
            await self._news.wait()

    async def _converse(self) -> None:
        """Connect and say things, for as long as the bus is there. Raises whatever goes wrong."""
        address = self._bus()
        if address is None:
            return
        # Its modules are read in a thread: a drive that is just being mounted has better things to do.
        await trio.to_thread.run_sync(importlib.import_module, "jeepney.io.trio")
        from jeepney.bus import get_bus
        from jeepney.io.trio import DBusConnection

        with trio.fail_after(CONNECT_SECONDS):
            stream = await trio.open_unix_socket(get_bus(address))
        async with stream:
            with trio.fail_after(CONNECT_SECONDS):
                await _authenticate(stream)
            await self._talk(_Line(DBusConnection(stream.socket), self._heard))

    async def _talk(self, line: _Line) -> None:
        """Say what there is to say, as it comes, until the bus is gone."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(line.run)
            await line.listen()
            self._capabilities = frozenset(await line.call("GetCapabilities") or ())
            while True:
                await self._say_what_is_due(line)

    async def _say_what_is_due(self, line: _Line) -> None:
        """Say one thing, or wait until there is one whose time has come."""
        self._news = trio.Event()
        now, wake = trio.current_time(), math.inf
        for key, notice in self._pending.items():
            shown = self._shown.get(key)
            due = -math.inf if notice is None or shown is None else shown.at + notice.gap
            if due <= now:
                del self._pending[key]
                if notice is None:
                    await self._close(line, key)
                    return
                try:
                    await self._notify(line, key, notice)
                except Exception:
                    self._pending.setdefault(key, notice)  # for the next one who listens
                    raise
                return
            wake = min(wake, due)
        with trio.move_on_at(wake):
            await self._news.wait()

    async def _notify(self, line: _Line, key: str, notice: Notice) -> None:
        if notice.needs_actions and "actions" not in self._capabilities:
            return
        shown = self._shown.setdefault(key, _Shown(notice))
        shown.notice, shown.at = notice, trio.current_time()
        actions = notice.actions.items() if "actions" in self._capabilities else ()
        hints = {
            "urgency": ("y", notice.urgency),
            "desktop-entry": ("s", "wsfs"),
            "category": ("s", "transfer"),
        }
        body = (
            APP,
            shown.id,
            notice.icon,
            notice.title,
            self._plain(notice.body),
            [word for action in actions for word in action],
            hints,
            -1,
        )
        early: list[tuple[object, tuple[Any, ...]]] = []
        self._early = early
        try:
            shown.id = int(await line.call("Notify", "susssasa{sv}i", body))
        finally:
            self._early = None
        self._said = True
        for member, said in early:
            self._heard(member, said)

    async def _close(self, line: _Line, key: str) -> None:
        shown = self._shown.pop(key, None)
        if shown is not None and shown.id:
            await line.call("CloseNotification", "u", (shown.id,))

    def _plain(self, body: str) -> str:
        """A file's name shall stay one where the body is taken for markup."""
        if "body" not in self._capabilities:
            return ""
        if "body-markup" not in self._capabilities:
            return body
        return body.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def _heard(self, member: object, body: tuple[Any, ...]) -> None:
        key = next(
            (key for key, shown in self._shown.items() if body and shown.id == body[0] and shown.id), None
        )
        if key is None:
            # Another program's, or that of the notification whose number is still on its way to us: where this
            # process is slow, a button may be pressed before we were told what it belongs to.
            if self._early is not None:
                self._early.append((member, body))
            return
        shown = self._shown[key]
        if member == "ActionInvoked" and len(body) > 1 and body[1] in shown.notice.actions:
            shown.notice.on_action(str(body[1]))
        elif member == "NotificationClosed":
            shown.id = 0
