from __future__ import annotations

import os
import signal
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.conftest import ExpectedWarnings
from wsfs.api.auth import AdminKey
from wsfs.cli import running
from wsfs.cli.errors import UserError
from wsfs.config import Settings


class MountError(Exception):
    """Stands for the mount's own."""

    lasts = False


FakeServe = Callable[[Callable[..., Any]], None]


@pytest.fixture
def serve_is(monkeypatch: pytest.MonkeyPatch) -> FakeServe:
    """Puts an async function in the place of the mount."""

    def put(serve: Callable[..., Any]) -> None:
        module = types.ModuleType("wsfs.mount")
        vars(module).update(MountError=MountError, serve=serve)
        monkeypatch.setitem(sys.modules, "wsfs.mount", module)

    return put


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        account="acme",
        base_url="https://acme.worksection.com",
        mountpoint=tmp_path,
        credentials=AdminKey("k"),
        cache_dir=tmp_path / "cache",
        data_dir=tmp_path / "data",
    )


def test_it_serves_until_unmounted(settings: Settings, serve_is: FakeServe) -> None:
    seen: list[object] = []

    async def serve(settings: Settings, *, ready: Callable[[], None], **rest: object) -> None:
        ready()
        await trio.lowlevel.checkpoint()
        (settings.data_dir / "file").touch()
        seen.append(settings)

    serve_is(serve)
    running.run(settings, lambda: seen.append("ready"))
    assert seen == ["ready", settings]
    assert settings.data_dir.stat().st_mode & 0o777 == 0o700
    assert (settings.data_dir / "file").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("nested", [False, True])
def test_the_mounts_refusal_is_a_sentence(settings: Settings, serve_is: FakeServe, nested: bool) -> None:
    async def serve(settings: Settings, *, ready: Callable[[], None], **rest: object) -> None:
        if not nested:
            raise MountError("the key is wrong")
        async with trio.open_nursery() as outer, trio.open_nursery() as inner:
            inner.start_soon(trio.sleep_forever)
            outer.cancel_scope.shield = False
            raise MountError("the key is wrong")

    serve_is(serve)
    with pytest.raises(UserError, match=r"^the key is wrong$"):
        running.run(settings, lambda: None)


def test_a_fault_is_logged_and_told(
    settings: Settings, serve_is: FakeServe, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("ended by a fault in wsfs")

    async def serve(settings: Settings, *, ready: Callable[[], None], **rest: object) -> None:
        raise KeyError("oops")

    serve_is(serve)
    with pytest.raises(UserError, match=r"a fault in wsfs ended the mount \(KeyError: 'oops'\)"):
        running.run(settings, lambda: None)


def test_a_machine_without_libfuse_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_spec(self, name: str, *rest: object) -> None:
            if name == "wsfs.mount":
                raise ImportError("libfuse3.so.3: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "wsfs.mount", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(UserError, match="sudo apt install fuse3"):
        running.run(settings, lambda: None)


@pytest.mark.parametrize("option", ["data_dir", "cache_dir"])
def test_two_mounts_do_not_share_a_directory(settings: Settings, serve_is: FakeServe, option: str) -> None:
    async def serve(settings: Settings, *, ready: Callable[[], None], **rest: object) -> None:
        raise AssertionError("not to be reached")

    serve_is(serve)
    with (
        running.exclusive(getattr(settings, option), option),
        pytest.raises(UserError, match=f"another mount is using .*--{option.replace('_', '-')}"),
    ):
        running.run(settings, lambda: None)


def test_a_directory_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with running.exclusive(tmp_path / "data", "data_dir"):
            pass


def test_a_directory_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"data_dir .* can't be used: Not a directory"),
        running.exclusive(tmp_path / "file" / "data", "data_dir"),
    ):
        pass


def test_a_closed_terminal_is_as_sigterm(settings: Settings, serve_is: FakeServe) -> None:
    received: list[int] = []

    async def serve(settings: Settings, *, ready: Callable[[], None], **rest: object) -> None:
        with trio.open_signal_receiver(signal.SIGTERM) as signals, trio.fail_after(5):
            os.kill(os.getpid(), signal.SIGHUP)
            async for number in signals:
                received.append(number)
                break

    serve_is(serve)
    before = signal.getsignal(signal.SIGHUP)
    running.run(settings, lambda: None)
    assert received == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGHUP) is before
