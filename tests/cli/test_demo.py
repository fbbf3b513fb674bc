from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from wsfs.api.auth import AdminKey
from wsfs.cli import demo, logs, preflight, running
from wsfs.cli.errors import UserError
from wsfs.config import Settings

Run = Callable[..., Result]

SPEAKS = (
    'import time; print(\'starting\'); print(\'{"url": "http://127.0.0.1:9", "api_key": "k"}\', flush=True)'
)


def child(script: str) -> list[str]:
    return [sys.executable, "-c", script]


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def emulator_pids(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A stand-in for the emulator; the pids of those that were started."""
    pids: list[int] = []
    popen = subprocess.Popen

    def start(command: list[str], **rest: object) -> subprocess.Popen[str]:
        process: subprocess.Popen[str] = popen(child(SPEAKS + "; time.sleep(60)"), **rest)  # type: ignore[call-overload]
        pids.append(process.pid)
        return process

    monkeypatch.setattr(subprocess, "Popen", start)
    return pids


@pytest.fixture
def run_is(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Settings, Callable[[], None]], None]], None]:
    """Puts a function in the place of the mount, on a machine where FUSE is as it should be."""
    monkeypatch.setattr(preflight, "check_fuse", lambda: None)
    monkeypatch.setattr(logs, "set_up", lambda level, file: None)
    monkeypatch.chdir(tmp_path)
    return lambda run: monkeypatch.setattr(running, "run", run)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_says_what_to_try_and_leaves_nothing(
    wsfs: Run, run_is: Callable[..., None], emulator_pids: list[int], tmp_path: Path
) -> None:
    seen: list[Settings] = []

    def run(settings: Settings, ready: Callable[[], None]) -> None:
        seen.append(settings)
        assert settings.mountpoint.is_dir()
        assert not gone(emulator_pids[0])
        ready()

    run_is(run)
    result = wsfs("demo", "-o", "done=mixed")
    assert result.exit_code == 0
    [settings] = seen
    assert settings.mountpoint == tmp_path.resolve() / "Worksection"
    assert settings.base_url == "http://127.0.0.1:9"
    assert settings.credentials == AdminKey("k")
    assert settings.done == "mixed"
    for word in ("http://127.0.0.1:9", "API key k", "ls Worksection", str(settings.mountpoint), "Ctrl-C"):
        assert word in result.stdout
    assert gone(emulator_pids[0])
    assert not settings.mountpoint.exists()
    assert not settings.cache_dir.parent.exists()


def test_a_directory_that_was_there_stays(
    wsfs: Run, run_is: Callable[..., None], emulator_pids: list[int], tmp_path: Path
) -> None:
    run_is(lambda settings, ready: None)
    (tmp_path / "mine").mkdir()
    assert wsfs("demo", "mine").exit_code == 0
    assert (tmp_path / "mine").is_dir()


def test_a_failed_mount_leaves_nothing(
    wsfs: Run, run_is: Callable[..., None], emulator_pids: list[int], tmp_path: Path
) -> None:
    def run(settings: Settings, ready: Callable[[], None]) -> None:
        raise UserError("no luck today")

    run_is(run)
    result = wsfs("demo")
    assert (result.exit_code, result.stderr) == (1, "wsfs: no luck today\n")
    assert gone(emulator_pids[0])
    assert not (tmp_path / "Worksection").exists()


def test_what_is_still_mounted_is_taken_away(
    wsfs: Run,
    run_is: Callable[..., None],
    emulator_pids: list[int],
    table: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cleared: list[tuple[Path, bool]] = []
    monkeypatch.setattr(demo, "clear", lambda place, lazy: cleared.append((place, lazy)))

    def run(settings: Settings, ready: Callable[[], None]) -> None:
        with table.open("a") as rows:
            print(f"9 1 0:9 / {settings.mountpoint} rw - fuse.wsfs acme rw,user_id=0", file=rows)

    run_is(run)
    assert wsfs("demo").exit_code == 0
    assert [lazy for _, lazy in cleared] == [True]


def test_a_place_that_will_not_do_is_refused_before_anything_starts(
    wsfs: Run, run_is: Callable[..., None], emulator_pids: list[int], tmp_path: Path
) -> None:
    run_is(lambda settings, ready: None)
    (tmp_path / "Worksection").mkdir()
    (tmp_path / "Worksection" / "file").touch()
    result = wsfs("demo")
    assert result.exit_code == 1
    assert "is not empty" in result.stderr
    assert emulator_pids == []
    assert "can't be made" in wsfs("demo", "missing/deeper").stderr


def test_an_emulator_that_does_not_start_is_told() -> None:
    with pytest.raises(UserError, match="did not start"), demo.emulator(child("print('{}')")):
        pass


def test_an_emulator_that_says_nothing_is_given_up() -> None:
    with (
        pytest.raises(UserError, match="did not start"),
        demo.emulator(child("import time; time.sleep(60)"), seconds=0.2),
    ):
        pass


def test_a_talkative_emulator_does_not_block() -> None:
    script = SPEAKS + "; print('x' * 1_000_000, flush=True); print(open('/dev/null'))"
    with demo.emulator(child(script)) as account:
        assert account == demo.Emulated("http://127.0.0.1:9", "k")


def test_ctrl_c_does_not_reach_the_emulator() -> None:
    script = SPEAKS + "; time.sleep(60)"
    with demo.emulator(child(script)):
        children = Path(f"/proc/self/task/{os.getpid()}/children")
        pids = [int(word) for word in children.read_text().split()]
        groups = {os.getpgid(pid) for pid in pids}
    assert os.getpgid(0) not in groups
    assert groups & set(pids)


def test_the_emulator_ends_with_a_killed_demo(tmp_path: Path) -> None:
    script = f"""
import os, sys, time
from wsfs.cli import demo
inner = "import os; open({str(tmp_path / "pid")!r}, 'w').write(str(os.getpid()));" + {SPEAKS!r} + "; time.sleep(60)"
with demo.emulator([sys.executable, "-c", inner]):
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run(child(script), check=False).returncode == -signal.SIGKILL
    pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 5
    while not gone(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert gone(pid)


def test_the_real_emulator_is_understood() -> None:
    from wsfs.cli.daemon import wsfs_command

    with demo.emulator(wsfs_command("emulator", "--port", "0", "--json")) as account:
        assert account.url.startswith("http://127.0.0.1:")
        assert len(account.api_key) == 32
