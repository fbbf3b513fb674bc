from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.conftest import ExpectedWarnings
from wsfs import renewal
from wsfs.api import oauth
from wsfs.api.auth import AdminKey, Application, TokenPair, UserToken
from wsfs.api.client import Client
from wsfs.api.errors import ApiError, LoginRefused, Unreachable
from wsfs.api.pacing import Lane, Pacer
from wsfs.emulator.testing import running
from wsfs.renewal import Renewer
from wsfs.secrets import Login, SecretsError, Vault

URL = "https://acme.worksection.com"
NOW = 1_000_000.0
DAY = 86_400.0


def pair(number: int, expires: float = NOW + DAY) -> TokenPair:
    return TokenPair(UserToken(f"access-{number}"), f"refresh-{number}", expires, NOW + 30 * DAY, URL)


class Service:
    """What refreshes: pair n + 1 for the refresh token n, once; `error` in its place."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: ApiError | None = None
        self.seconds = 0.1

    async def __call__(
        self, service: str, application: Application, refresh_token: str, *, deadline: float
    ) -> TokenPair:
        assert service == "https://worksection.com" and application.client_secret == "s"
        self.asked.append(refresh_token)
        await trio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return pair(int(refresh_token.rpartition("-")[2]) + 1, NOW + 2 * DAY)


class World:
    def __init__(self, directory: Path, nursery: trio.Nursery) -> None:
        self.vault = Vault(directory, ring=lambda: None)
        self.nursery = nursery
        self.service = Service()
        self.now = NOW
        self.dead: list[str] = []
        self.healed = 0

    def keep(self, number: int = 1, **changed: Any) -> Login:
        login = Login(URL, pair(number), "Ann", Application("c", "s"), NOW - DAY, f"login {number}")
        return self.vault.store(dataclasses.replace(login, **changed))

    def renewer(self, login: Login | None) -> Renewer:
        def healed() -> None:
            self.healed += 1

        made = Renewer(
            self.vault,
            URL,
            login,
            self.nursery,
            refresh=self.service,
            clock=lambda: self.now,
            on_dead=self.dead.append,
            on_healed=healed,
        )
        self.nursery.start_soon(made.run)
        return made


@pytest.fixture
async def world(tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(renewal, "WATCH", 0.05)
    monkeypatch.setattr(renewal, "SAVE", 0.05)
    return World(tmp_path / "logins", nursery)


async def until(condition: Callable[[], object]) -> None:
    """Wait until something came true."""
    with trio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await trio.sleep(0.02)


async def test_a_token_that_holds_is_used_as_it_is(world: World) -> None:
    renewer = world.renewer(world.keep())
    assert await renewer.current(UserToken("access-1")) == UserToken("access-1")
    assert world.service.asked == []
    assert renewer.status() == {
        "state": "good",
        "user": "Ann",
        "kept_in": str(world.vault._path(URL)),
        "ends_unless_used": renewer.status()["ends_unless_used"],
    }


async def test_shortly_before_its_end_it_is_renewed_once_for_all_requests(world: World) -> None:
    login = world.keep()
    renewer = world.renewer(login)
    world.now = NOW + DAY - 60
    got = []

    async def request() -> None:
        got.append(await renewer.current(login.credentials))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(request)
    assert got == [UserToken("access-2")] * 20
    assert world.service.asked == ["refresh-1"]


async def test_the_new_pair_is_kept_before_it_is_used(world: World) -> None:
    renewer = world.renewer(world.keep())
    fresh = await renewer.renewed(UserToken("access-1"))
    kept = world.vault.load(URL)
    assert kept is not None and kept.credentials == fresh == UserToken("access-2")
    assert isinstance(kept.secret, TokenPair) and kept.secret.refresh == "refresh-2"
    assert kept.id == "login 1" and kept.application == Application("c", "s")


async def test_a_renewal_that_was_begun_is_finished_when_its_request_is_given_up(world: World) -> None:
    renewer = world.renewer(world.keep())
    with trio.move_on_after(0.05) as scope:
        await renewer.renewed(UserToken("access-1"))
    assert scope.cancelled_caught
    assert await renewer.renewed(UserToken("access-1")) == UserToken("access-2")
    assert world.service.asked == ["refresh-1"]


async def test_a_renewal_that_was_begun_is_finished_when_the_mount_ends(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        world = World(tmp_path, nursery)
        world.service.seconds = 0.2
        renewer = world.renewer(world.keep())
        nursery.start_soon(renewer.renewed, UserToken("access-1"))
        while not world.service.asked:  # noqa: ASYNC110 - it is a list that is waited for
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    kept = world.vault.load(URL)
    assert kept is not None and kept.credentials == UserToken("access-2")


async def test_what_another_process_renewed_is_taken_without_a_request(world: World) -> None:
    renewer = world.renewer(world.keep())
    world.keep(7, id="login 1")
    assert await renewer.renewed(UserToken("access-1")) == UserToken("access-7")
    assert world.service.asked == []


async def test_without_a_network_the_token_is_used_as_long_as_it_holds(world: World) -> None:
    renewer = world.renewer(world.keep())
    world.now = NOW + DAY - 60
    world.service.error = Unreachable()
    for _ in range(3):
        assert await renewer.current(UserToken("access-1")) == UserToken("access-1")
    assert len(world.service.asked) == 1  # and it isn't tried for every request
    with pytest.raises(Unreachable):
        await renewer.renewed(UserToken("access-1"))
    assert renewer.dead is None


async def test_a_dead_refresh_token_costs_no_more_requests_until_somebody_logs_in(
    world: World, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("log in again with `wsfs login acme`")
    renewer = world.renewer(world.keep())
    world.service.error = oauth.GrantRefused()
    with pytest.raises(oauth.GrantRefused):
        await renewer.renewed(UserToken("access-1"))
    for _ in range(3):
        with pytest.raises(LoginRefused):
            await renewer.current(UserToken("access-1"))
    assert len(world.service.asked) == 1
    assert renewer.status()["state"] == "log in again"
    assert "wsfs login acme" in renewer.status()["message"]
    assert len(world.dead) == 1 and world.healed == 0

    world.keep(5)
    await until(lambda: world.healed)  # though nobody asks for anything
    assert await renewer.current(UserToken("access-1")) == UserToken("access-5")
    assert renewer.status()["state"] == "good"
    assert world.healed == 1


async def test_a_request_finds_the_new_login_at_once(
    world: World, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("log in again")
    renewer = world.renewer(world.keep())
    world.service.error = oauth.GrantRefused()
    with pytest.raises(oauth.GrantRefused):
        await renewer.renewed(UserToken("access-1"))
    world.keep(5, secret=AdminKey("0" * 32), application=None)  # a login of another kind
    assert await renewer.current(UserToken("access-1")) == AdminKey("0" * 32)


async def test_a_mount_that_was_given_a_key_takes_a_login_when_the_key_is_refused(world: World) -> None:
    key = AdminKey("1" * 32)
    renewer = world.renewer(None)
    assert await renewer.current(key) == key
    with pytest.raises(LoginRefused):
        await renewer.renewed(key)
    assert await renewer.current(key) == key  # it may be the clock: requests go on
    assert renewer.status()["state"] == "log in again"
    assert not world.vault.directory.exists()  # nothing is made for one who never logged in
    world.keep()
    await until(lambda: world.healed)
    assert await renewer.current(key) == UserToken("access-1")


async def test_a_key_that_works_again_is_good(world: World) -> None:
    renewer = world.renewer(None)
    with pytest.raises(LoginRefused):
        await renewer.renewed(AdminKey("1" * 32))
    assert await renewer.renewed(AdminKey("1" * 32)) is None  # nothing has changed: no look, no request
    renewer.worked()
    assert renewer.status() == {"state": "good"}


async def test_a_new_token_that_is_refused_is_not_renewed_again_and_again(
    world: World, expected_warnings: ExpectedWarnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected_warnings.expect("log in again")
    renewer = world.renewer(world.keep())
    assert await renewer.renewed(UserToken("access-1")) == UserToken("access-2")
    with pytest.raises(LoginRefused):
        await renewer.renewed(UserToken("access-2"))
    assert await renewer.renewed(UserToken("access-2")) is None
    assert world.service.asked == ["refresh-1"]
    assert await renewer.current(UserToken("access-2")) == UserToken("access-2")
    monkeypatch.setattr(renewal, "FRESH", 0.0)  # a minute later
    assert await renewer.renewed(UserToken("access-2")) == UserToken("access-3")
    assert renewer.dead is None


async def test_a_logout_is_no_death_before_the_token_ends(
    world: World, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("log in again")
    renewer = world.renewer(world.keep())
    world.vault.forget(URL)
    world.now = NOW + DAY - 60
    assert await renewer.current(UserToken("access-1")) == UserToken("access-1")
    with pytest.raises(LoginRefused):
        await renewer.renewed(UserToken("access-1"))


async def test_a_pair_that_can_not_be_kept_is_used_and_kept_later(
    world: World, expected_warnings: ExpectedWarnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected_warnings.expect("the disk is full")
    renewer = world.renewer(world.keep())
    store = world.vault.store

    def full(login: Login, **options: Any) -> Login:
        raise SecretsError("the disk is full")

    monkeypatch.setattr(world.vault, "store", full)
    assert await renewer.renewed(UserToken("access-1")) == UserToken("access-2")
    monkeypatch.setattr(world.vault, "store", store)

    def is_kept() -> bool:
        kept = world.vault.load(URL)
        return kept is not None and kept.credentials == UserToken("access-2")

    await until(is_kept)


async def test_a_login_that_can_not_be_read_leaves_the_refusal_as_it_was(
    world: World, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("can't be renewed")
    renewer = world.renewer(world.keep())
    world.vault._path(URL).write_text("{")
    assert await renewer.renewed(UserToken("access-1")) is None
    assert await renewer.renewed(UserToken("access-1")) is None
    assert "can't be read" in renewer.status()["message"]


# Against the emulator


@pytest.fixture
async def emulator() -> AsyncIterator[Any]:
    async with running() as started:
        yield started


def kept_login(emulator: Any, vault: Vault) -> Login:
    """A login whose access token has ended, as the service sees it and as the login says."""
    grant = emulator.oauth.grant()
    emulator.oauth.expire(grant.access)
    now = time.time()
    tokens = TokenPair(UserToken(grant.access), grant.refresh, now - 1, now + DAY, emulator.url)
    application = Application(emulator.oauth.client_id, emulator.oauth.client_secret)
    return vault.store(Login(emulator.url, tokens, "Ann", application, now - DAY))


async def test_many_requests_with_an_ended_token_are_all_answered(
    emulator: Any, tmp_path: Path, nursery: trio.Nursery
) -> None:
    vault = Vault(tmp_path, ring=lambda: None)
    login = kept_login(emulator, vault)
    assert isinstance(login.secret, TokenPair)
    login = dataclasses.replace(login, secret=dataclasses.replace(login.secret, expires=time.time() + DAY))
    renewer = Renewer(vault, emulator.url, login, nursery)  # it doesn't know that the token has ended
    done = []
    async with Client(emulator.url, login.credentials, Pacer(0), renewal=renewer) as client:

        async def ask() -> None:
            done.append(await client.get_projects(lane=Lane.PERSON))

        async with trio.open_nursery() as asking:
            for _ in range(10):
                asking.start_soon(ask)
    assert done == [[]] * 10
    kept = vault.load(emulator.url)
    assert kept is not None and kept.credentials != login.credentials


RENEWING = """
import pathlib, sys, trio
from wsfs.renewal import Renewer
from wsfs.secrets import Vault

async def main():
    vault = Vault(pathlib.Path(sys.argv[1]), ring=lambda: None)
    login = vault.load(sys.argv[2])
    async with trio.open_nursery() as nursery:
        renewer = Renewer(vault, sys.argv[2], login, nursery)
        print("ready", flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)
        print((await renewer.current(login.credentials)).token)

trio.run(main)
"""


async def test_processes_that_renew_at_one_moment_end_with_one_pair(emulator: Any, tmp_path: Path) -> None:
    vault = Vault(tmp_path, ring=lambda: None)
    login = kept_login(emulator, vault)
    command = [sys.executable, "-c", RENEWING, str(tmp_path), emulator.url]
    tokens: list[str] = []
    ready = 0
    go = trio.Event()

    async def run() -> None:
        nonlocal ready
        process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None and process.stdout is not None
        told = await process.stdout.receive_some()
        ready += 1
        if ready == 3:
            go.set()
        await go.wait()
        await process.stdin.send_all(b"\n")
        async for piece in process.stdout:
            told += piece
        assert await process.wait() == 0
        tokens.append(told.decode().split()[-1])

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(run)
    kept = vault.load(emulator.url)
    assert kept is not None and isinstance(kept.secret, TokenPair)
    assert tokens == [kept.secret.access.token] * 3
    assert kept.credentials != login.credentials
    assert emulator.oauth.user_of(tokens[0], "me") is emulator.account.owner
