"""A person's desk: configuration, a browser that agrees, the command line; and the service over HTTPS."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import trio

from wsfs.api.auth import TokenPair
from wsfs.cli import certificate
from wsfs.emulator.account import Account
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.server import serve
from wsfs.secrets import Vault

BROWSER = """\
import pathlib, ssl, sys, urllib.error, urllib.request
context = ssl._create_unverified_context()  # the person said: go on
pages = ""
for old, new in {exchanged!r}:
    try:
        address = sys.argv[1].replace(old, new)
        with urllib.request.urlopen(address, context=context, timeout=20) as answer:
            pages += answer.geturl() + "\\n" + answer.read().decode()
    except urllib.error.HTTPError as error:
        pages += str(error) + error.read().decode()
    pathlib.Path({out!r}).write_text(pages)
"""


class Desk:
    """A person's computer: its configuration, its browser, and the command line."""

    def __init__(self, home: Path, emulator: Emulator) -> None:
        self.home = home
        self.emulator = emulator
        self.seen = home / "seen"
        self.vault = Vault(home / "config/wsfs/logins")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("WSFS_") and "DISPLAY" not in k},
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "share"),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "SSL_CERT_FILE": str(home / "certificate.pem"),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "COLUMNS": "200",
            "DBUS_SESSION_BUS_ADDRESS": "",  # nothing of a test on anybody's desktop
        }
        self.configure()

    def configure(self, **changed: object) -> None:
        """Write the configuration that an administrator hands out."""
        oauth = self.emulator.oauth
        said = {
            "client_id": oauth.client_id,
            "client_secret": oauth.client_secret,
            "login_port": self.port,
        } | changed
        path = self.home / "config/wsfs/config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text("[defaults]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in said.items()))

    def browser(self, *exchanged: tuple[str, str]) -> None:
        """Have a browser whose person agrees; for each text that is exchanged in the address it goes once more."""
        script = self.home / "browser.py"
        script.write_text(BROWSER.format(out=str(self.seen), exchanged=[*exchanged, ("", "")]))
        self.env["BROWSER"] = f"{sys.executable} {script} %s"

    async def wsfs(self, *arguments: str, stdin: bytes = b"", code: int = 0) -> str:
        """What a command prints; its exit code has to be `code`."""
        with trio.fail_after(60):
            done = await trio.run_process(
                [sys.executable, "-m", "wsfs", *arguments],
                env=self.env,
                stdin=stdin,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
        told = done.stdout.decode() + done.stderr.decode()
        assert done.returncode == code, told
        return told

    def pair(self) -> TokenPair:
        """The tokens that are kept."""
        login = self.vault.load(self.emulator.url)
        assert login is not None and isinstance(login.secret, TokenPair)
        return login.secret


@contextlib.asynccontextmanager
async def at_desk(home: Path, account: Account) -> AsyncIterator[Desk]:
    """Serve the account over HTTPS while the block runs; the account is closed then."""
    tls = certificate.make(home)
    emulator = Emulator(account, rate=0)
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: serve(emulator, tls=tls, task_status=task_status))
        yield Desk(home, emulator)
        nursery.cancel_scope.cancel()
    account.close()
