"""What systemd is told, heard at a real socket."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from wsfs.service import EXTENSION, TELL_EVERY, Supervisor, keep_told


class Listener:
    """A socket as systemd's; `heard` takes what came."""

    def __init__(self, name: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(f"\0{name[1:]}" if name.startswith("@") else name)
        self.supervisor = Supervisor({"NOTIFY_SOCKET": name})

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest) -> Iterator[Listener]:
    with tempfile.TemporaryDirectory() as directory:
        listener = Listener(f"{directory}/notify" if request.param == "path" else f"@{directory}/notify")
        with listener.socket:
            yield listener


def test_it_is_told_once_each(systemd: Listener) -> None:
    supervisor = systemd.supervisor
    assert supervisor.listens
    supervisor.ready("serving")
    supervisor.status("serving")
    supervisor.status("two\nlines")
    supervisor.stopping("ending")
    supervisor.stopping("ending")
    supervisor.extend(1.5)
    assert systemd.heard() == [
        "READY=1\nSTATUS=serving",
        "STATUS=two lines",
        "STOPPING=1\nSTATUS=ending",
        "EXTEND_TIMEOUT_USEC=1500000",
    ]


def test_no_child_speaks_in_this_process_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    assert Supervisor().listens
    assert "NOTIFY_SOCKET" not in os.environ


def test_nobody_listening_is_no_trouble(tmp_path: Path) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    supervisor.ready("serving")
    assert not Supervisor({}).listens
    Supervisor({}).ready("serving")


def test_a_full_socket_holds_nothing_up(systemd: Listener) -> None:
    for number in range(2000):
        systemd.supervisor.status(f"{number}")
    assert systemd.heard()


async def test_the_end_asks_for_its_time_for_as_long_as_it_takes(
    systemd: Listener, autojump_clock: trio.testing.MockClock
) -> None:
    ending = trio.Event()
    words = ["3 files"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_told, systemd.supervisor, lambda: words[0], ending)
        await trio.sleep(1)
        assert systemd.heard() == ["STATUS=3 files"]
        await trio.sleep(3 * TELL_EVERY)
        assert systemd.heard() == []
        words[0] = "2 files"
        ending.set()
        await trio.sleep(1)
        extension = f"EXTEND_TIMEOUT_USEC={EXTENSION * 1e6:.0f}"
        assert systemd.heard() == ["STOPPING=1\nSTATUS=2 files", extension]
        words[0] = "1 file"
        await trio.sleep(2 * TELL_EVERY)
        assert systemd.heard() == ["STATUS=1 file", extension, extension]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("manager", ["user", "system"])
def test_the_units_give_more_time_than_is_asked_for_at_once(manager: str) -> None:
    lines = (
        (Path(__file__).parent.parent / f"wsfs/data/systemd/{manager}/wsfs@.service").read_text().splitlines()
    )
    limits = [line.partition("=")[2] for line in lines if line.startswith("TimeoutStopSec=")]
    assert [float(limit.removesuffix("s")) > TELL_EVERY for limit in limits] == [True]
    assert EXTENSION > 2 * TELL_EVERY
