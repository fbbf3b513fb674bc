"""A Samba server of the tests' own: unprivileged port, own directories, the share as docs/sharing.md has it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import leave_out
from tests.mounted.drives import PATIENCE, Done, eventually, run

DOCUMENT = Path(__file__).parents[2] / "docs" / "sharing.md"

#: Users that every Debian has. The first two share the drive, by the group of the first.
ANN, BOB, GROUP = "games", "daemon", "games"
PASSWORD = "secret"

_GLOBAL = """\
[global]
  workgroup = TEST
  server role = standalone server
  interfaces = 127.0.0.1
  bind interfaces only = yes
  smb ports = {port}
  disable netbios = yes
  private dir = {directory}/private
  passdb backend = tdbsam:{directory}/private/passdb.tdb
  lock directory = {directory}/lock
  state directory = {directory}/state
  cache directory = {directory}/cache
  pid directory = {directory}/pid
  ncalrpc dir = {directory}/ncalrpc
  log file = {directory}/log
  load printers = no
  disable spoolss = yes
  printcap name = /dev/null
"""


def need_samba() -> None:
    """Leave the test out where there is no Samba, or where it can't change users."""
    missing = [name for name in ("smbd", "smbclient", "smbpasswd") if shutil.which(name) is None]
    leave_out(f"{', '.join(missing)} missing" if missing else None)
    leave_out(None if os.geteuid() == 0 else "smbd needs root")


def documented_share() -> str:
    """The share of docs/sharing.md, as an administrator copies it."""
    found = re.search(r"```ini\n(\[worksection\].*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    return found[1]


def documented_options() -> str:
    """The mount options of the line for fstab in docs/sharing.md, with the tests' group."""
    found = re.search(r"^acme\s+\S+\s+fuse\.wsfs\s+(\S+)", DOCUMENT.read_text(), re.MULTILINE)
    assert found
    assert "gid=office" in found[1]
    return found[1].replace("gid=office", f"gid={GROUP}")


class Samba:
    """smbd in the foreground, sharing `path`; ended by its own process's number."""

    def __init__(self, directory: Path, path: Path, share: str) -> None:
        self.config = directory / "smb.conf"
        for name in ("private", "lock", "state", "cache", "pid", "ncalrpc"):
            (directory / name).mkdir(parents=True)
        (directory / "private").chmod(0o700)
        self.port = _free_port()
        share = share.replace("/srv/worksection", str(path))
        share = share.replace("@office", f"{ANN} {BOB}").replace("office", GROUP)
        self.config.write_text(_GLOBAL.format(port=self.port, directory=directory) + share)
        for user in (ANN, BOB):
            words = f"{PASSWORD}\n{PASSWORD}\n"
            run("smbpasswd", "-c", self.config, "-s", "-a", user, stdin=words)
        self._said = (directory / "said").open("wb")
        # It ends its whole process group with itself, which must not be the tests'.
        self.process = subprocess.Popen(
            ["smbd", "--foreground", "--no-process-group", "-s", str(self.config)],
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        eventually(self._answers, "smbd answers")

    def _answers(self) -> bool:
        assert self.process.poll() is None, f"smbd ended: {Path(self._said.name).read_text()}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def stop(self) -> None:
        """End it, and what it started for its clients."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)
        self._said.close()

    def client(self, *commands: str, user: str = ANN, ok: bool = True) -> Done:
        """What smbclient says to the commands, one after another; with `ok` none may be refused."""
        done = run(*self._command(user), "-c", "; ".join(commands), ok=False)
        refused = [line for line in done.lines if "NT_STATUS_" in line]
        assert not ok or (done.code == 0 and not refused), f"{commands}: {refused} {done.err[-2000:]}"
        return done

    @contextlib.contextmanager
    def watching(self, directory: str, said: Path, user: str = ANN) -> Iterator[None]:
        """A client that is told of changes in a directory, and writes them into a file, while the block runs."""
        with said.open("wb") as output:
            process = subprocess.Popen(
                ["stdbuf", "-oL", *self._command(user), "-c", f'notify "{directory}"'],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                yield
            finally:
                process.kill()
                process.wait(PATIENCE)

    def _command(self, user: str) -> list[str]:
        login = ["-s", str(self.config), "-p", str(self.port), "-U", f"{user}%{PASSWORD}"]
        return ["smbclient", *login, "//127.0.0.1/worksection"]

    def refusal(self, *commands: str, user: str = ANN) -> str:
        """The status that the last command is refused with."""
        found = re.findall(r"NT_STATUS_\w+", self.client(*commands, user=user, ok=False).out)
        assert found, f"{commands} was not refused"
        return str(found[-1])

    def listing(self, directory: str, user: str = ANN) -> dict[str, tuple[str, int]]:
        """Attributes and size of what is in a directory, by name."""
        entries = {}
        for line in self.client(f'cd "{directory}"', "ls", user=user).lines:
            found = re.match(r"  (.*?)\s+([NDRHSA]+)\s+(\d+)  \w{3} \w{3} [ \d]\d \d\d:", line)
            if found and found[1] not in (".", ".."):
                entries[found[1]] = (found[2], int(found[3]))
        return entries


@contextlib.contextmanager
def samba(directory: Path, path: Path, share: str | None = None) -> Iterator[Samba]:
    """A server that shares `path` while the block runs, as the documentation says unless `share` is given."""
    need_samba()
    server = Samba(directory, path, documented_share() if share is None else share)
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
