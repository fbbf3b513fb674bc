from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wsfs.api.auth import AdminKey, UserToken
from wsfs.cli import daemon
from wsfs.cli.errors import UserError
from wsfs.config import Settings
from wsfs.secrets import Login

PREAMBLE = """
import os, sys, time
pipe = int(os.environ["WSFS_READY_FD"])
def tell(line):
    os.write(pipe, line + b"\\n")
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        account="acme",
        base_url="https://acme.worksection.com",
        mountpoint=tmp_path,
        credentials=AdminKey("the-key"),
        cache_dir=tmp_path / "cache",
        data_dir=tmp_path / "data",
    )


def child(script: str) -> list[str]:
    return [sys.executable, "-c", PREAMBLE + script]


def test_a_ready_child_lives_on_in_a_session_of_its_own(settings: Settings) -> None:
    pid = daemon.start(child("tell(b'ready'); time.sleep(30)"), settings)
    try:
        assert os.getsid(pid) == pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_the_childs_sentence_is_the_users(settings: Settings) -> None:
    with pytest.raises(UserError, match=r"^the key is wrong$"):
        daemon.start(child("tell(b'error the key is wrong'); sys.exit(1)"), settings)


def test_a_child_that_dies_is_told_with_its_log(settings: Settings) -> None:
    with pytest.raises(UserError, match=r"code 7 .*wsfs\.log"):
        daemon.start(child("print('cause', file=sys.stderr); sys.exit(7)"), settings)
    log = settings.data_dir / "wsfs.log"
    assert log.read_text() == "cause\n"
    assert log.stat().st_mode & 0o777 == 0o600
    assert settings.data_dir.stat().st_mode & 0o777 == 0o700


def test_a_silent_child_is_ended(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(daemon, "GRACE", -28.0)
    script = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(30)"
    with pytest.raises(UserError, match="wasn't ready"):
        daemon.start(child(script), settings)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_child_deaf_to_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "STOP_SECONDS", 0.2)
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(30)"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as output:
        output.readline()
        daemon.stop(process)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("credentials", "name"), [(AdminKey("the-key"), "WSFS_API_KEY"), (UserToken("t"), "WSFS_ACCESS_TOKEN")]
)
def test_the_secret_travels_by_a_pipe_and_not_by_environment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, credentials: AdminKey | UserToken, name: str
) -> None:
    monkeypatch.setenv("WSFS_API_KEY", "the-key")
    monkeypatch.setenv("WSFS_CLIENT_SECRET", "hush")
    script = (
        "from wsfs.cli.daemon import Herald\n"
        "herald = Herald()\n"
        "seen = open('/proc/self/environ').read()\n"
        'herald.failed(f\'{herald.login} {[w for w in ("the-key", "hush", "LOGIN_FD") if w in seen]}\')'
    )
    with pytest.raises(UserError) as caught:
        daemon.start([sys.executable, "-c", script], dataclasses.replace(settings, credentials=credentials))
    secret = credentials.key if isinstance(credentials, AdminKey) else credentials.token
    assert caught.value.message == f"{ {name: secret} } ['LOGIN_FD']"


def test_a_kept_login_is_the_childs_to_read(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSFS_ACCESS_TOKEN", "another")
    kept = dataclasses.replace(settings, login=Login(settings.base_url, AdminKey("k")))
    names = "[n for n in ('WSFS_API_KEY', 'WSFS_ACCESS_TOKEN', 'WSFS_LOGIN_FD') if n in os.environ]"
    script = f"tell(b'error found: ' + str({names}).encode())"
    with pytest.raises(UserError, match=r"^found: \[\]$"):
        daemon.start(child(script), kept)


def test_a_log_that_can_not_be_written_is_named(settings: Settings) -> None:
    settings.data_dir.touch()
    with pytest.raises(UserError, match="can't be written"):
        daemon.start(child(""), settings)


def test_the_child_says_one_thing_once() -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    environ = {daemon.READY_FD: str(writing)}
    herald = daemon.Herald(environ)
    assert herald.in_background
    assert environ == {}
    assert not os.get_inheritable(writing)
    assert herald.failed("two\nlines")
    herald.ready()
    assert not herald.failed("too late")
    with os.fdopen(reading) as lines:
        assert lines.read() == "error two lines\n"


def test_a_parent_that_went_away_does_not_matter() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    daemon.Herald({daemon.READY_FD: str(writing)}).ready()


def test_in_the_foreground_nobody_is_told() -> None:
    herald = daemon.Herald({})
    assert not herald.in_background
    herald.ready()
    assert not herald.failed("no")
