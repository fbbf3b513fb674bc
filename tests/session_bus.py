"""A session bus of its own, by the real dbus-daemon, and a notification server on it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import trio
from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_return, new_signal
from jeepney.bus_messages import DBusNameFlags, message_bus
from jeepney.io.trio import DBusConnection, open_dbus_connection
from jeepney.wrappers import unwrap_msg

NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"


@contextlib.contextmanager
def session_bus() -> Iterator[str]:
    """Run a session bus while the block runs; its address."""
    command = ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1"]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert daemon.stdout is not None
        address = daemon.stdout.readline().strip()
        assert address, "dbus-daemon did not start"
        yield address
    finally:
        daemon.terminate()
        daemon.wait(10)
        if daemon.stdout is not None:
            daemon.stdout.close()


@dataclass
class Shown:
    """A notification as the server has it."""

    id: int
    title: str
    body: str
    actions: dict[str, str]
    urgency: int
    times: int = 1


@dataclass
class Server:
    """What stands for a desktop's notification server: `shown` are those on its screen, by number.

    `received` counts all calls of Notify. With `silent` it answers nothing, with `refusing` errors alone. With
    `eager` that button of a notification is pressed before its number is told.
    """

    connection: DBusConnection
    capabilities: Sequence[str] = ("actions", "body")
    shown: dict[int, Shown] = field(default_factory=dict)
    received: int = 0
    closed: list[int] = field(default_factory=list)
    silent: bool = False
    refusing: bool = False
    eager: str | None = None
    news: trio.Event = field(default_factory=trio.Event)

    async def run(self) -> None:
        while True:
            message = await self.connection.receive()
            if message.header.message_type is not MessageType.method_call or self.silent:
                continue
            member = message.header.fields.get(HeaderFields.member)
            if self.refusing:
                await self.connection.send(new_error(message, "org.example.No"))
            elif member == "GetCapabilities":
                await self.connection.send(new_method_return(message, "as", (list(self.capabilities),)))
            elif member == "Notify":
                number = self._notify(message.body)
                if self.eager is not None:
                    await self._tell("ActionInvoked", "us", (number, self.eager))
                await self.connection.send(new_method_return(message, "u", (number,)))
            elif member == "CloseNotification":
                await self.connection.send(new_method_return(message))
                await self.close(message.body[0], reason=3)
            self.news.set()
            self.news = trio.Event()

    def _notify(self, body: tuple[Any, ...]) -> int:
        _, replaces, _, title, text, words, hints, _ = body
        self.received += 1
        number = int(replaces) or self.received
        before = self.shown.get(number)
        self.shown[number] = Shown(
            number,
            title,
            text,
            dict(zip(words[::2], words[1::2], strict=True)),
            hints["urgency"][1],
            1 if before is None else before.times + 1,
        )
        return number

    async def press(self, title: str, action: str) -> None:
        """A person presses a button of the notification whose title begins so."""
        found = self.find(title)
        assert found is not None
        assert action in found.actions
        await self._tell("ActionInvoked", "us", (found.id, action))
        await self.close(found.id, reason=2)

    async def close(self, number: int, *, reason: int = 2) -> None:
        self.shown.pop(number, None)
        self.closed.append(number)
        await self._tell("NotificationClosed", "uu", (number, reason))

    async def _tell(self, member: str, signature: str, body: tuple[Any, ...]) -> None:
        await self.connection.send(new_signal(DBusAddress(PATH, interface=NAME), member, signature, body))

    def find(self, title: str) -> Shown | None:
        """The notification on the screen whose title begins so."""
        return next((one for one in self.shown.values() if one.title.startswith(title)), None)

    async def until(self, title: str, seconds: float = 10) -> Shown:
        """Wait until one is shown whose title begins so. TooSlowError."""
        with trio.fail_after(seconds):
            while (found := self.find(title)) is None:
                await self.news.wait()
        return found

    async def until_gone(self, title: str, seconds: float = 10) -> None:
        """Wait until none is shown whose title begins so. TooSlowError."""
        with trio.fail_after(seconds):
            while self.find(title) is not None:
                await self.news.wait()


@contextlib.asynccontextmanager
async def notification_server(address: str, **how: Any) -> AsyncIterator[Server]:
    """Serve notifications on that bus while the block runs."""
    connection = await open_dbus_connection(address)
    async with connection:
        async with connection.router() as router:
            unwrap_msg(
                await router.send_and_get_reply(message_bus.RequestName(NAME, DBusNameFlags.do_not_queue))
            )
        server = Server(connection, **how)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.run)
            yield server
            nursery.cancel_scope.cancel()
