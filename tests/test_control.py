from __future__ import annotations

import contextlib
import functools
import json
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.conftest import ExpectedWarnings
from wsfs import control, mountinfo
from wsfs.api.errors import NotFound
from wsfs.control import ControlError, NotServed, Progress, call, serve_control, server, wire


class FakeControls:
    """A mount's controls whose flush reports three files and whose other answers say what was asked."""

    def __init__(self) -> None:
        self.stopped = trio.Event()
        self.flush_ended = trio.Event()
        self.hold_flush = False
        self.failure: Exception | None = None

    def status(self) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        return {"account": "acme", "at": Path("/mnt")}

    def uploads(self) -> dict[str, Any]:
        return {"files": [f"Звіт {number}.pdf" for number in range(20_000)]}

    async def flush(self, path: str | None, progress: Progress) -> dict[str, Any]:
        try:
            for done in range(1, 4):
                await progress({"files": 3, "files_done": done})
            if self.hold_flush:
                await trio.sleep_forever()
        finally:
            self.flush_ended.set()
        return {"path": path}

    async def send(self, path: str) -> dict[str, Any]:
        return {"sent": path}

    async def retry(self, inodes: Collection[int]) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return {"retried": list(inodes)}

    async def discard(self, inodes: Collection[int]) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return {"discarded": list(inodes)}

    async def refresh(self, path: str | None) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return {"refreshed": path}

    async def pin(self, path: str | None, progress: Progress) -> dict[str, Any]:
        await progress({"directories": 1})
        return {"pinned": path}

    def unpin(self, path: str | None) -> dict[str, Any]:
        return {"unpinned": path}

    def cache(self) -> dict[str, Any]:
        return {"pinned": []}

    async def clear_cache(self) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return {"freed": 5}

    async def url(self, path: str | None) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return {"link": path}

    def requests(self, after: int) -> dict[str, Any]:
        return {"after": after}

    def stop(self) -> None:
        self.stopped.set()


@contextlib.asynccontextmanager
async def serving(controls: FakeControls, path: Path) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, controls, path)
        yield
        nursery.cancel_scope.cancel()


async def ask(path: Path, command: str, **rest: Any) -> dict[str, Any]:
    return await trio.to_thread.run_sync(lambda: call(path, command, **rest), abandon_on_cancel=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wsfs" / "name.sock"


async def test_each_command_gets_its_answer(path: Path) -> None:
    async with serving(FakeControls(), path):
        assert await ask(path, "status") == {"account": "acme", "at": "/mnt"}
        assert await ask(path, "send", within="/Website/a.txt") == {"sent": "/Website/a.txt"}
        assert await ask(path, "refresh") == {"refreshed": None}
        assert await ask(path, "pin", within="/Website") == {"pinned": "/Website"}
        assert await ask(path, "unpin") == {"unpinned": None}
        assert await ask(path, "url", within="/Website") == {"link": "/Website"}
        assert await ask(path, "requests") == {"after": 0}
        assert await ask(path, "requests", after=7) == {"after": 7}
        assert await ask(path, "cache") == {"pinned": []}
        assert await ask(path, "clear_cache") == {"freed": 5}
        assert await ask(path, "refresh", within="/Сайт") == {"refreshed": "/Сайт"}


async def test_a_long_answer_arrives_whole(path: Path) -> None:
    async with serving(FakeControls(), path):
        assert (await ask(path, "uploads"))["files"][-1] == "Звіт 19999.pdf"


async def test_progress_comes_before_the_result(path: Path) -> None:
    seen: list[dict[str, Any]] = []
    async with serving(FakeControls(), path):
        assert await ask(path, "flush", within="/P", progress=seen.append) == {"path": "/P"}
    assert [state["files_done"] for state in seen] == [1, 2, 3]


@pytest.mark.parametrize("failure", [ControlError("the drive is busy"), NotFound("task 7")])
async def test_what_a_user_can_understand_is_told(path: Path, failure: Exception) -> None:
    controls = FakeControls()
    controls.failure = failure
    async with serving(controls, path):
        with pytest.raises(ControlError, match=str(failure).replace("(", r"\(").replace(")", r"\)")):
            await ask(path, "status")


async def test_a_fault_inside_is_logged_and_the_next_command_served(
    path: Path, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("The command status")
    controls = FakeControls()
    controls.failure = trio.TooSlowError()
    async with serving(controls, path):
        with pytest.raises(ControlError, match="something went wrong inside wsfs"):
            await ask(path, "status")
        controls.failure = None
        assert (await ask(path, "status"))["account"] == "acme"


async def test_stop_is_answered_before_it_begins(path: Path) -> None:
    controls = FakeControls()
    async with serving(controls, path):
        assert await ask(path, "stop") == {}
        with trio.fail_after(5):
            await controls.stopped.wait()


async def test_an_unknown_command_and_a_senseless_path_are_refused(path: Path) -> None:
    async with serving(FakeControls(), path):
        with pytest.raises(ControlError, match="knows no command 'dance'"):
            await ask(path, "dance")
        with pytest.raises(ControlError, match="path of this request"):
            await ask(path, "send")


@pytest.mark.parametrize("line", [b"", b"{", b"nonsense\n", b"x" * 100_000, b"[1]\n", b"\xff\n"])
async def test_garbage_disturbs_nobody(path: Path, line: bytes) -> None:
    async with serving(FakeControls(), path):
        stream = await trio.open_unix_socket(path)
        async with stream:
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.send_all(line)
                await stream.send_eof()
                await stream.receive_some()
        assert (await ask(path, "status"))["account"] == "acme"


async def test_a_client_that_goes_away_ends_its_flush(path: Path) -> None:
    controls = FakeControls()
    controls.hold_flush = True
    async with serving(controls, path):
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(b'{"command": "flush"}\n')
            await stream.receive_some()
        with trio.fail_after(5):
            await controls.flush_ended.wait()


async def test_a_working_mount_keeps_its_client_waiting(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ALIVE_EVERY", 0.02)
    controls = FakeControls()
    controls.hold_flush = True
    async with serving(controls, path):
        with trio.move_on_after(2) as scope:
            await ask(path, "flush", silence=1)
        assert scope.cancelled_caught


def silent_server(path: Path, then: Callable[[socket.socket], None]) -> threading.Thread:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def run() -> None:
        with listening, listening.accept()[0] as connection:
            then(connection)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (None, "has not answered for"),
        (b"", "ended before it answered"),
        (b"hello\n", "makes no sense"),
        (b'{"error": "no"}\n', "^no$"),
    ],
)
def test_a_mount_that_fails_its_client_gets_a_sentence(
    tmp_path: Path, answer: bytes | None, sentence: str
) -> None:
    done = threading.Event()

    def then(connection: socket.socket) -> None:
        connection.recv(1000)
        if answer is None:
            done.wait(5)
        else:
            connection.sendall(answer)

    thread = silent_server(tmp_path / "s", then)
    try:
        with pytest.raises(ControlError, match=sentence):
            call(tmp_path / "s", "status", silence=0.2)
    finally:
        done.set()
        thread.join()


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(NotServed):
        call(tmp_path / "none.sock", "status")


async def test_the_socket_is_for_its_user_alone_and_gone_afterwards(path: Path) -> None:
    async with serving(FakeControls(), path):
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert server._inode(path) is None


async def test_at_the_end_who_waits_gets_his_answer_and_nobody_else_comes_in(path: Path) -> None:
    until, asked = trio.Event(), trio.Event()
    answers: list[dict[str, Any]] = []

    class Slow(FakeControls):
        async def send(self, path: str) -> dict[str, Any]:
            asked.set()
            await until.wait()
            await trio.sleep(0.1)
            return {"sent": path}

    async def wait_for_it() -> None:
        answers.append(await ask(path, "send", within="/a"))

    async with trio.open_nursery() as nursery:
        await nursery.start(functools.partial(serve_control, Slow(), path, until=until))
        nursery.start_soon(wait_for_it)
        await asked.wait()
        until.set()
    assert answers == [{"sent": "/a"}]
    with pytest.raises(NotServed):
        await ask(path, "status")


async def test_at_the_end_nobody_waits_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LAST_ANSWER", 0.1)
    controls, until = FakeControls(), trio.Event()
    controls.hold_flush = True

    async def wait_for_it() -> None:
        with pytest.raises(ControlError, match="ended before it answered"):
            await ask(path, "flush")

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(functools.partial(serve_control, controls, path, until=until))
            nursery.start_soon(wait_for_it)
            await trio.sleep(0.1)
            until.set()
    assert controls.flush_ended.is_set()


async def test_a_stranger_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "peer_of", lambda connection: (1, os.geteuid() + 1, 1))
    async with serving(FakeControls(), path):
        with pytest.raises(ControlError, match="another user"):
            await ask(path, "status")


async def test_a_dead_socket_is_replaced_and_a_live_one_respected(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(FakeControls(), path):
        assert await trio.to_thread.run_sync(control.server_pid, path) == os.getpid()
        with pytest.raises(ControlError, match="already"):
            await serve_control(FakeControls(), path)
        assert (await ask(path, "status"))["account"] == "acme"


async def test_a_path_too_long_for_a_socket_address_serves(tmp_path: Path) -> None:
    path = tmp_path / ("d" * 120) / "name.sock"
    async with serving(FakeControls(), path):
        assert (await ask(path, "status"))["account"] == "acme"


def test_sockets_lie_in_the_runtime_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    first, second = control.control_path(Path("/mnt/a")), control.control_path(Path("/mnt/b"))
    assert first.parent == tmp_path / "wsfs"
    assert first != second
    assert first == control.control_path(Path("/mnt/a"))


def test_without_a_runtime_directory_the_data_directory_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    *_, last = control.runtime_directories()
    assert last == tmp_path / "wsfs" / "run"


def test_live_mounts_come_from_the_kernels_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me = os.geteuid()
    lines = [
        f"1 1 0:1 / /mnt/served rw - fuse.wsfs acme rw,user_id={me},group_id=0",
        f"2 1 0:2 / /mnt/dead\\040one rw - fuse.wsfs acme rw,user_id={me},group_id=0",
        f"3 1 0:3 / /mnt/other rw - fuse.sshfs host: rw,user_id={me},group_id=0",
        "4 1 0:4 / / rw - ext4 /dev/vda rw",
    ]
    table = tmp_path / "mountinfo"
    table.write_text("\n".join(lines))
    monkeypatch.setattr(mountinfo, "MOUNTINFO", table)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    served = control.control_path(Path("/mnt/served"))
    served.parent.mkdir()
    served.touch()
    assert [(str(live.mountpoint), live.socket) for live in control.live_mounts()] == [
        ("/mnt/served", served),
        ("/mnt/dead one", None),
    ]
    assert control.find_mount(Path("/mnt/other")) is None
    assert control.find_mount(Path("/nowhere")) is None


def test_a_message_is_one_line_whatever_it_holds() -> None:
    line = wire.line_of({"error": "a\nb\udcff", "names": ["Проєкт"]})
    assert line.count(b"\n") == 1
    assert json.loads(line)["names"] == ["Проєкт"]
