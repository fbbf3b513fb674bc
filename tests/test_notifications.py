"""Notifications: over a real bus, to a server that stands for a desktop's."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from tests.drive.harness import eventually
from tests.session_bus import notification_server, session_bus
from wsfs import notifications
from wsfs.notifications import CRITICAL, Desktop, Notice
from wsfs.notifications import session_bus as own_bus


@pytest.fixture
def bus() -> Iterator[str]:
    with session_bus() as address:
        yield address


async def test_what_is_said_is_shown(bus: str) -> None:
    async with notification_server(bus) as server, trio.open_nursery() as nursery:
        desktop = Desktop(lambda: bus)
        nursery.start_soon(desktop.run)
        desktop.show("a", Notice("Title", "a < b & c", urgency=CRITICAL))
        shown = await server.until("Title")
        assert (shown.body, shown.urgency, shown.actions) == ("a < b & c", CRITICAL, {})
        nursery.cancel_scope.cancel()


async def test_where_the_body_is_markup_a_name_stays_a_name(bus: str) -> None:
    async with (
        notification_server(bus, capabilities=["body", "body-markup"]) as server,
        trio.open_nursery() as nursery,
    ):
        desktop = Desktop(lambda: bus)
        nursery.start_soon(desktop.run)
        desktop.show("a", Notice("Title", "<b>.txt & co"))
        assert (await server.until("Title")).body == "&lt;b&gt;.txt &amp; co"
        nursery.cancel_scope.cancel()


async def test_one_key_is_one_notification_and_not_said_too_often(bus: str) -> None:
    async with notification_server(bus) as server, trio.open_nursery() as nursery:
        desktop = Desktop(lambda: bus)
        nursery.start_soon(desktop.run)
        desktop.show("a", Notice("0 failures"))
        await server.until("0 failures")
        begun = trio.current_time()
        for number in range(1, 100):
            desktop.show("a", Notice(f"{number} failures", gap=0.5))
            await trio.sleep(0.002)
        shown = await server.until("99 failures")
        assert trio.current_time() - begun >= 0.4
        assert (len(server.shown), server.received, shown.times) == (1, 2, 2)
        desktop.withdraw("a")
        await server.until_gone("99")
        nursery.cancel_scope.cancel()


async def test_what_was_closed_is_shown_anew(bus: str) -> None:
    async with notification_server(bus) as server, trio.open_nursery() as nursery:
        desktop = Desktop(lambda: bus)
        nursery.start_soon(desktop.run)
        desktop.show("a", Notice("One"))
        first = (await server.until("One")).id
        await server.close(first)
        await trio.sleep(0.1)
        desktop.show("a", Notice("Two", gap=0))
        assert (await server.until("Two")).id != first
        nursery.cancel_scope.cancel()


async def test_a_button_is_heard_and_another_programs_is_not(bus: str) -> None:
    pressed: list[str] = []
    async with notification_server(bus) as server, trio.open_nursery() as nursery:
        desktop = Desktop(lambda: bus)
        nursery.start_soon(desktop.run)
        desktop.show("a", Notice("Files go", actions={"undo": "Undo"}, on_action=pressed.append))
        shown = await server.until("Files go")
        await server._tell("ActionInvoked", "us", (shown.id + 1, "undo"))
        await server._tell("ActionInvoked", "us", (shown.id, "something else"))
        await server._tell("ActionInvoked", "s", ("nonsense",))
        await server.press("Files go", "undo")
        await eventually(lambda: pressed)
        assert pressed == ["undo"]
        nursery.cancel_scope.cancel()


async def test_a_button_is_heard_that_is_pressed_before_the_number_is_known(bus: str) -> None:
    pressed: list[str] = []
    async with notification_server(bus, eager="undo") as server, trio.open_nursery() as nursery:
        desktop = Desktop(lambda: bus)
        nursery.start_soon(desktop.run)
        desktop.show("a", Notice("Files go", actions={"undo": "Undo"}, on_action=pressed.append))
        await server.until("Files go")
        await eventually(lambda: pressed)
        assert pressed == ["undo"]
        nursery.cancel_scope.cancel()


async def test_without_buttons_what_needs_them_is_left_out(bus: str) -> None:
    async with notification_server(bus, capabilities=["body"]) as server, trio.open_nursery() as nursery:
        desktop = Desktop(lambda: bus)
        nursery.start_soon(desktop.run)
        desktop.show("a", Notice("With Undo", actions={"undo": "Undo"}, needs_actions=True))
        desktop.show("b", Notice("Without", actions={"x": "X"}))
        assert (await server.until("Without")).actions == {}
        assert server.received == 1
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("where", ["nowhere", "deaf", "malformed", None])
async def test_without_a_bus_nothing_is_said_and_nobody_waits(
    tmp_path: Path, where: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notifications, "AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(notifications, "CONNECT_SECONDS", 0.1)
    caplog.set_level(logging.DEBUG)
    asked = 0
    address = None if where is None else f"unix:path={tmp_path / where}"
    if where == "malformed":
        address = "what is this"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        deaf.listen()

        def bus() -> str | None:
            nonlocal asked
            asked += 1
            return address

        desktop = Desktop(bus)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desktop.run)
            desktop.show("a", Notice("Secret title", "secret.txt"))
            await eventually(lambda: asked > 1)
            nursery.cancel_scope.cancel()
    assert "secret" not in caplog.text.casefold()
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


async def test_without_a_bus_its_modules_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = trio.Event()
    read: list[str] = []
    monkeypatch.setattr(notifications, "importlib", SimpleNamespace(import_module=read.append))

    def bus() -> None:
        asked.set()

    async with trio.open_nursery() as nursery:
        desktop = Desktop(bus)
        nursery.start_soon(desktop.run)
        desktop.show("a", Notice("Title"))
        await asked.wait()
        await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    assert read == []


@pytest.mark.parametrize("how", ["silent", "refusing"])
async def test_a_server_that_does_not_answer_is_tried_again(
    bus: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(notifications, "CALL_SECONDS", 0.2)
    async with notification_server(bus, **{how: True}) as server, trio.open_nursery() as nursery:
        desktop = Desktop(lambda: bus)
        nursery.start_soon(desktop.run)
        desktop.show("a", Notice("Title"))
        await trio.sleep(0.5)
        assert not server.shown
        server.silent = server.refusing = False
        await server.until("Title")
        nursery.cancel_scope.cancel()


async def test_a_desktop_that_comes_back_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "AGAIN_SECONDS", 0.05)
    address = ""
    desktop = Desktop(lambda: address)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desktop.run)
        for title in ("First", "Second"):
            with session_bus() as address:
                async with notification_server(address) as server:
                    desktop.show("a", Notice(title, gap=0))
                    await server.until(title)
            await trio.sleep(0.1)
        nursery.cancel_scope.cancel()


def test_where_the_bus_is_looked_for(tmp_path: Path) -> None:
    assert own_bus({"DBUS_SESSION_BUS_ADDRESS": "unix:path=/x"}) == "unix:path=/x"
    assert own_bus({"XDG_RUNTIME_DIR": str(tmp_path)}) is None
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(str(tmp_path / "bus"))
        assert own_bus({"XDG_RUNTIME_DIR": str(tmp_path)}) == f"unix:path={tmp_path}/bus"
