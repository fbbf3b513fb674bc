"""From a login in the browser to a drive, which renews it, outlives its end, and heals; and no secret that shows."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.conftest import ExpectedWarnings
from tests.desk import Desk, at_desk
from tests.session_bus import notification_server, session_bus
from wsfs import mountinfo
from wsfs.emulator.scale import scaled_account

TASK = Path("Project 001/Task 001-0001")


class Drive:
    """The account of the desk, mounted in the background."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.place = desk.home / "drive"
        self.data = desk.home / "data"
        self.log = self.data / "wsfs.log"

    async def mount(self, *arguments: str) -> None:
        directories = ("--data-dir", str(self.data), "--cache-dir", str(self.desk.home / "cache"))
        await self.desk.wsfs(
            "mount", *directories, "--rate", "0", *arguments, self.desk.emulator.url, str(self.place)
        )

    async def umount(self) -> None:
        if mountinfo.find(self.place) is not None:
            await self.desk.wsfs("umount", str(self.place))

    async def read(self, name: str) -> bytes:
        with trio.fail_after(40):
            return await trio.to_thread.run_sync(
                (self.place / TASK / name).read_bytes, abandon_on_cancel=True
            )

    async def names(self) -> list[str]:
        with trio.fail_after(40):
            return sorted(
                await trio.to_thread.run_sync(os.listdir, self.place / TASK, abandon_on_cancel=True)
            )

    async def status(self) -> dict[str, object]:
        told: dict[str, object] = json.loads(await self.desk.wsfs("status", str(self.place), "--json"))[
            "login"
        ]
        return told

    async def until_status(self, state: str) -> None:
        with trio.fail_after(60):
            while (await self.status())["state"] != state:  # noqa: ASYNC110 - another process is asked
                await trio.sleep(0.2)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with at_desk(tmp_path, scaled_account(1, 1, 4)) as desk:
        for name in ("drive", "run"):
            (tmp_path / name).mkdir()
        desk.browser()
        yield desk


@pytest.fixture
async def drive(desk: Desk) -> AsyncIterator[Drive]:
    drive = Drive(desk)
    yield drive
    await drive.umount()


def die(desk: Desk) -> None:
    """The service takes back every token."""
    oauth = desk.emulator.oauth
    oauth._dead |= set(oauth._grants)
    oauth._grants.clear()


async def test_log_in_mount_and_the_login_is_renewed(desk: Desk, drive: Drive) -> None:
    await desk.wsfs("login", desk.emulator.url)
    first = desk.pair()
    await drive.mount()
    names = await drive.names()
    assert len(await drive.read(names[0])) > 0
    desk.emulator.oauth.expire(first.access.token)
    assert len(await drive.read(names[1])) > 0
    assert desk.pair().access != first.access
    assert desk.pair().refresh != first.refresh
    said = await drive.status()
    assert said["state"] == "good" and said["kept_in"] == str(desk.vault._path(desk.emulator.url))


async def test_a_dead_login_leaves_what_is_cached_and_heals_without_a_remount(
    desk: Desk, drive: Drive, expected_warnings: ExpectedWarnings
) -> None:
    await desk.wsfs("login", desk.emulator.url)
    await drive.mount()
    names = await drive.names()
    content = await drive.read(names[0])
    die(desk)
    with pytest.raises(PermissionError):
        await drive.read(names[1])
    await drive.until_status("log in again")
    assert "log in again" in await desk.wsfs("status", str(drive.place))
    assert await drive.read(names[0]) == content
    assert await drive.names() == names
    asked = len(desk.emulator.requests)
    with pytest.raises(PermissionError):
        await drive.read(names[2])
    assert len(desk.emulator.requests) == asked  # nothing is asked for in vain

    await desk.wsfs("login", desk.emulator.url)
    await drive.until_status("good")
    assert len(await drive.read(names[1])) > 0


async def test_a_dead_login_is_told_on_the_desktop_until_it_is_healed(
    desk: Desk, drive: Drive, expected_warnings: ExpectedWarnings
) -> None:
    with session_bus() as address:
        async with notification_server(address) as server:
            desk.env["DBUS_SESSION_BUS_ADDRESS"] = address
            await desk.wsfs("login", desk.emulator.url)
            await drive.mount()
            names = await drive.names()
            die(desk)
            with pytest.raises(PermissionError):
                await drive.read(names[1])
            shown = await server.until("Log in to Worksection again", seconds=30)
            assert "wsfs login" in shown.body
            assert shown.urgency == 2
            await desk.wsfs("login", desk.emulator.url)
            await server.until_gone("Log in to Worksection again", seconds=30)
            await drive.umount()


async def test_with_a_dead_login_a_known_account_is_mounted_all_the_same(desk: Desk, drive: Drive) -> None:
    await desk.wsfs("login", desk.emulator.url)
    await drive.mount()
    names = await drive.names()
    content = await drive.read(names[0])
    await drive.umount()
    die(desk)
    await drive.mount()
    assert await drive.names() == names
    assert await drive.read(names[0]) == content
    with pytest.raises(PermissionError):
        await drive.read(names[1])
    await drive.until_status("log in again")


@pytest.mark.parametrize("way", ["oauth", "key", "environment"])
async def test_no_secret_shows(desk: Desk, drive: Drive, way: str) -> None:
    oauth = desk.emulator.oauth
    secrets = [desk.emulator.api_key, oauth.client_secret]
    if way == "oauth":
        await desk.wsfs("login", desk.emulator.url)
        pair = desk.pair()
        secrets += [pair.access.token, pair.refresh]
    elif way == "key":
        path = desk.home / "config/wsfs/config.toml"
        account = json.dumps(desk.emulator.url)
        path.write_text(
            path.read_text() + f"[accounts.mine]\naddress = {account}\napi_key = '{desk.emulator.api_key}'\n"
        )
    else:
        desk.env["WSFS_API_KEY"] = desk.emulator.api_key
    found: list[str] = []
    told = ""

    async def watch() -> None:
        while True:
            found.extend(await trio.to_thread.run_sync(shown, secrets))
            await trio.sleep(0.02)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await drive.mount("--debug")
        names = await drive.names()
        await drive.read(names[0])
        if way == "oauth":
            oauth.expire(pair.access.token)
            await drive.read(names[1])
            renewed = desk.pair()
            assert renewed.access != pair.access
            secrets += [renewed.access.token, renewed.refresh]
            die(desk)
            told += await desk.wsfs("refresh", str(drive.place), code=1)
            assert "token has expired" in told
        told += await desk.wsfs("status", "--json") + await desk.wsfs("accounts")
        for name in ("status.json", "uploads.json", "requests.log"):
            told += await trio.to_thread.run_sync((drive.place / ".wsfs" / name).read_text)
        await drive.umount()
        nursery.cancel_scope.cancel()

    assert found == []
    log = drive.log.read_text()
    assert re.search(r" (DEBUG|INFO) ", log)
    for secret in secrets:
        assert secret not in told
        assert secret not in log
    readable = [path for path in desk.home.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert readable  # such as the certificate: else nothing is looked at
    for path in desk.home.rglob("*"):
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
            assert path.parent.name in ("logins", "wsfs")


def shown(secrets: list[str]) -> list[str]:
    """Where one of the secrets stands that everybody may look into: command lines of processes, mounts."""
    places = [*Path("/proc").glob("[0-9]*/cmdline"), Path("/proc/self/mountinfo")]
    found = []
    for place in places:
        try:
            text = place.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        found += [str(place) for secret in secrets if secret in text]
    return found


def test_the_look_for_secrets_sees_one() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()", "a-secret-word"], stdin=subprocess.PIPE
    ) as process:
        assert f"/proc/{process.pid}/cmdline" in shown(["a-secret-word"])
        process.kill()
