"""From nothing to a drive that is always there, as a person does it: a login in the browser, and one command more."""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.conftest import leave_out
from tests.desk import Desk, at_desk
from wsfs.emulator.scale import scaled_account

from .drives import Done, eventually
from .machine import HOME, Machine, needs, wsfs_script

PLACE = HOME / "Worksection"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """The service over HTTPS, and a browser whose person agrees."""
    async with at_desk(tmp_path, scaled_account(1, 1, 2)) as desk:
        desk.browser()
        yield desk


async def test_two_commands_and_it_is_there_after_every_login(desk: Desk) -> None:
    leave_out(needs())
    await trio.to_thread.run_sync(functools.partial(by_a_person, desk))


def by_a_person(desk: Desk) -> None:
    machine = Machine(desk.home)
    try:
        oauth = desk.emulator.oauth
        application = {
            "client_id": oauth.client_id,
            "client_secret": oauth.client_secret,
            "login_port": desk.port,
            "rate": 0,
        }
        handed_out = "".join(f"{name} = {json.dumps(value)}\n" for name, value in application.items())
        machine.write("/etc/wsfs/config.toml", f"[defaults]\n{handed_out}")
        desk.home.chmod(0o777)
        certificate = Path("/etc/emulator.pem")
        machine.write(certificate, Path(desk.env["SSL_CERT_FILE"]).read_text())
        machine.write(
            HOME / ".config/environment.d/trust.conf", f"SSL_CERT_FILE={certificate}\n", user="olha"
        )

        def wsfs(*words: str) -> Done:
            trusted = ("env", f"SSL_CERT_FILE={certificate}", f"BROWSER={desk.env['BROWSER']}")
            return machine.run(*trusted, wsfs_script(), *words, user="olha")

        with machine.logged_in():
            said = wsfs("login", desk.emulator.url).out
            assert "Logged in to" in said and "which only you can read" in said
            assert f"is mounted at {PLACE}, and will be at every login" in wsfs("service", "install").out
            assert machine.run("ls", PLACE, user="olha").lines == ["Project 001"]
        assert machine.mounts(PLACE) == []
        with machine.logged_in():
            eventually(lambda: machine.mounts(PLACE), "the drive after the login")
            task = PLACE / "Project 001/Task 001-0001"
            assert len(machine.run("ls", task, user="olha").lines) == 2
            machine.run("sh", "-c", f"cat '{task}'/* > /dev/null", user="olha")
    finally:
        machine.close()
