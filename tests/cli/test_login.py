"""`wsfs login`, `logout` and `accounts` as a person uses them: processes, a browser, and HTTPS on both sides."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import ssl
import stat
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trio

from tests.desk import Desk, at_desk
from wsfs.api.auth import AdminKey
from wsfs.emulator.account import Account


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with at_desk(tmp_path, Account()) as desk:
        yield desk


async def test_a_login_in_the_browser(desk: Desk) -> None:
    assert desk.emulator.url.startswith("https://")
    desk.browser()
    told = await desk.wsfs("login", desk.emulator.url)
    owner = desk.emulator.account.owner
    assert (
        f"Logged in to {desk.emulator.url.removeprefix('https://')} as {owner.name} <{owner.email}>" in told
    )
    assert "warns that the connection isn't private" in told
    assert "which only you can read" in told
    url, _, page = desk.seen.read_text().partition("\n")
    assert url.startswith(f"https://127.0.0.1:{desk.port}/?code=")
    assert "You can close this window" in page
    assert desk.emulator.oauth.user_of(desk.pair().access.token, "get_projects") is owner
    assert desk.pair().refresh not in told


async def test_without_a_name_it_is_the_only_account_that_is_configured(desk: Desk) -> None:
    path = desk.home / "config/wsfs/config.toml"
    path.write_text(path.read_text() + f"[accounts.mine]\naddress = {json.dumps(desk.emulator.url)}\n")
    desk.browser()
    assert "Logged in" in await desk.wsfs("login")


@pytest.mark.parametrize("what", ["address", "query", "code"])
async def test_a_pasted_address_or_code_does_as_well(desk: Desk, what: str) -> None:
    code = "0"

    async def paste(process: trio.Process) -> None:
        nonlocal code
        assert process.stdout is not None and process.stdin is not None
        shown = b""
        while b"/oauth2/authorize?" not in shown or b"\n\n" not in shown.partition(b"/oauth2/")[2]:
            shown += await process.stdout.receive_some()
        address = next(line.strip() for line in shown.decode().splitlines() if "/oauth2/authorize?" in line)
        end = await trio.to_thread.run_sync(redirect_of, address, desk.home / "certificate.pem")
        query = end.partition("?")[2]
        code = query.partition("code=")[2].partition("&")[0]
        pasted = {"address": end, "query": query, "code": code}[what]
        await process.stdin.send_all(f"nonsense nonsense\n{pasted}\n".encode())

    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            functools.partial(
                trio.run_process,
                [sys.executable, "-m", "wsfs", "login", desk.emulator.url],
                env=desk.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        )
        with trio.fail_after(60):
            await paste(process)
    assert desk.emulator.oauth.user_of(desk.pair().access.token, "me") is desk.emulator.account.owner


def redirect_of(address: str, certificate_path: Path) -> str:
    """Where a browser that agrees is sent to, without going there."""
    context = ssl.create_default_context(cafile=certificate_path)
    return httpx.get(address, verify=context, timeout=20).headers["location"]


async def test_another_login_is_not_taken_for_this_one(desk: Desk) -> None:
    desk.browser(("state=", "state=another"))
    told = await desk.wsfs("login", desk.emulator.url)
    pages = desk.seen.read_text()
    assert "400" in pages and "of another login" in pages
    assert "Logged in" in told  # by the browser's second try, which was the right one


async def test_a_wrong_client_secret_is_said_without_showing_it(desk: Desk) -> None:
    desk.configure(client_secret="wrong-secret-1234")
    desk.browser()
    told = await desk.wsfs("login", desk.emulator.url, code=1)
    assert "client id and secret" in told
    assert "wrong-secret-1234" not in told
    assert desk.vault.entries() == []


async def test_without_an_application_the_way_to_one_is_told(desk: Desk) -> None:
    (desk.home / "config/wsfs/config.toml").unlink()
    assert "ask your administrator" in await desk.wsfs("login", desk.emulator.url, code=1)


async def test_half_an_application_is_an_error(desk: Desk) -> None:
    path = desk.home / "config/wsfs/config.toml"
    path.write_text('[defaults]\nclient_id = "abc"\n')
    assert "client_secret isn't" in await desk.wsfs("login", desk.emulator.url, code=1)


async def test_accounts_and_logout(desk: Desk) -> None:
    desk.browser()
    await desk.wsfs("login", desk.emulator.url)
    told = await desk.wsfs("accounts")
    owner = desk.emulator.account.owner
    host = desk.emulator.url.removeprefix("https://")
    assert host in told and owner.name in told and "later with each use" in told
    (row,) = json.loads(await desk.wsfs("accounts", "--json"))
    assert row["login"] == "oauth" and row["ends"] and row["kept_in"].endswith(".json")
    assert f"Logged out of {host}" in await desk.wsfs("logout")
    assert "No account is known" in await desk.wsfs("accounts")
    assert "no login" in await desk.wsfs("logout", code=1)
    assert list((desk.home / "config").rglob("*.json")) == []


async def test_an_api_key_is_typed_unseen_and_tried(desk: Desk) -> None:
    key = desk.emulator.api_key
    command = [sys.executable, "-m", "wsfs", "login", desk.emulator.url, "--api-key"]
    code, told = await trio.to_thread.run_sync(typed, command, desk.env, "f" * 32)
    assert code == 1 and "doesn't accept the API key" in told and "ffff" not in told
    assert desk.vault.entries() == []
    code, told = await trio.to_thread.run_sync(typed, command, desk.env, key)
    assert code == 0 and "Logged in" in told and key not in told
    login = desk.vault.load(desk.emulator.url)
    assert login is not None and login.secret == AdminKey(key)
    assert desk.emulator.count(result="ok") == 1


async def test_a_script_hands_over_the_api_key_as_a_line(desk: Desk) -> None:
    command = [sys.executable, "-m", "wsfs", "login", desk.emulator.url, "--api-key"]

    async def handed(text: str) -> tuple[int, str, str]:
        done = await trio.run_process(
            command, stdin=text.encode(), env=desk.env, capture_stdout=True, capture_stderr=True, check=False
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    code, out, err = await handed("")
    assert (code, out) == (1, "")
    assert (
        err == "wsfs: there is no terminal to ask for the API key at; give it as a line of standard input\n"
    )
    code, out, err = await handed(f"{desk.emulator.api_key}\n")
    assert (code, err) == (0, "")
    assert "Logged in" in out and desk.emulator.api_key not in out


def typed(command: list[str], env: dict[str, str], text: str) -> tuple[int, str]:
    """Run a command at a terminal of its own and type a line when it asks; its exit code and what is seen."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command,
        env=env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    seen = b""
    try:
        while b"API key for" not in seen:
            seen += os.read(ours, 4096)
        while termios.tcgetattr(ours)[3] & termios.ECHO:
            time.sleep(0.01)
        os.write(ours, text.encode() + b"\n")
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:  # the terminal's other end is closed
        pass
    finally:
        os.close(ours)
    return process.wait(20), seen.decode()


async def test_nothing_that_is_secret_can_be_read_by_others(desk: Desk) -> None:
    desk.browser()
    told = await desk.wsfs("login", desk.emulator.url)
    pair = desk.pair()
    secrets = [pair.access.token, pair.refresh, desk.emulator.oauth.client_secret]
    assert not any(secret in told for secret in secrets)
    holders = set()
    for path in desk.home.rglob("*"):
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets):
            holders.add(path)
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert len(holders) == 2  # the login, and the configuration with the client's secret
    for path in holders:
        assert path.parent.name != "logins" or stat.S_IMODE(path.parent.stat().st_mode) == 0o700


RING = """\
import json, os, pathlib
from keyring.backend import KeyringBackend

class Ring(KeyringBackend):
    priority = 9
    name = "Test Ring"
    path = pathlib.Path({path!r})

    def _held(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {{}}

    def _hold(self, held):
        self.path.touch(mode=0o600)
        self.path.write_text(json.dumps(held))

    def get_password(self, service, username):
        return self._held().get(service + " " + username)

    def set_password(self, service, username, password):
        self._hold(self._held() | {{service + " " + username: password}})

    def delete_password(self, service, username):
        held = self._held()
        del held[service + " " + username]
        self._hold(held)
"""


async def test_with_a_keyring_the_secret_is_there_and_in_no_file(desk: Desk) -> None:
    held = desk.home / "held-by-the-ring"
    (desk.home / "testring.py").write_text(RING.format(path=str(held)))
    desk.env |= {"PYTHONPATH": str(desk.home), "PYTHON_KEYRING_BACKEND": "testring.Ring"}
    desk.browser()
    assert "The login is kept in the keyring (Test Ring)." in await desk.wsfs("login", desk.emulator.url)
    host = desk.emulator.url.removeprefix("https://")
    secret = json.loads(json.loads(held.read_text())[f"wsfs {host}"])
    assert desk.emulator.oauth.user_of(secret["access_token"], "me") is desk.emulator.account.owner
    (record,) = (desk.home / "config").rglob("*.json")
    for name in ("access_token", "refresh_token", "client_secret"):
        assert secret[name] not in record.read_text()
    (row,) = json.loads(await desk.wsfs("accounts", "--json"))
    assert row["kept_in"] == "the keyring (Test Ring)"
    await desk.wsfs("logout")
    assert json.loads(held.read_text()) == {}
    assert not record.exists()
    told = await desk.wsfs("login", desk.emulator.url, "--no-keyring")
    assert "which only you can read" in told and "no keyring could be used" not in told
    assert json.loads(held.read_text()) == {}
