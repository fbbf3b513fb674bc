"""The units of systemd: where they lie, what stands in them, and systemctl."""

from __future__ import annotations

import importlib.resources
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from wsfs.cli.errors import UserError
from wsfs.cli.known import check_system

TEMPLATE = "wsfs@.service"
PACKAGED = Path("/usr/lib/systemd")
SYSTEM_UNITS = Path("/etc/systemd/system")
DROP_IN = "wsfs.conf"
_SECONDS = 30.0
"""For what systemctl does at once; a start or stop takes what the unit's limits and the drive's own allow."""
_LASTING = ("start", "restart", "stop", "disable")
_PLAIN = re.compile(r"[A-Za-z0-9:_.]")


def escape(name: str) -> str:
    """The name of an instance, as systemd-escape(1) writes it."""
    out = []
    for position, byte in enumerate(os.fsencode(name)):
        letter = chr(byte)
        if letter == "/":
            out.append("-")
        elif _PLAIN.fullmatch(letter) and not (position == 0 and letter == "."):
            out.append(letter)
        else:
            out.append(f"\\x{byte:02x}")
    return "".join(out)


def unescape(instance: str) -> str:
    """The account by the name of an instance."""
    text = re.sub(rb"\\x([0-9a-f]{2})|(-)", _byte, os.fsencode(instance))
    return os.fsdecode(text)


def _byte(match: re.Match[bytes]) -> bytes:
    return b"/" if match[2] else bytes([int(match[1], 16)])


def quoted(text: str) -> str:
    """A word in a unit file: nothing in it is a separator, an escape or a specifier (systemd.syntax(7))."""
    for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(plain, written)
    return f'"{text}"'


def unquoted(word: str) -> str:
    """What `quoted` was given."""
    written = {"\\\\": "\\", '\\"': '"', "%%": "%", "\\n": "\n", "\\t": "\t"}
    return re.sub(r'\\[\\"nt]|%%', lambda match: written[match[0]], word[1:-1])


@dataclass(frozen=True)
class Manager:
    """A manager of services: the user's own, or the system's."""

    system: bool = False

    @property
    def directory(self) -> Path:
        """Where whoever administers it puts units."""
        return SYSTEM_UNITS if self.system else platformdirs.user_config_path("systemd") / "user"

    @property
    def template(self) -> Path:
        """The unit of our own making; one of a distribution's package lies elsewhere."""
        return self.directory / TEMPLATE

    @property
    def packaged(self) -> Path:
        """Where a package puts the unit."""
        return PACKAGED / ("system" if self.system else "user") / TEMPLATE

    def unit(self, account: str) -> str:
        """The name of an account's unit."""
        return TEMPLATE.replace("@", f"@{escape(account)}")

    def drop_in(self, account: str) -> Path:
        """What belongs to one account alone."""
        return self.directory / f"{self.unit(account)}.d" / DROP_IN

    def accounts(self) -> list[str]:
        """The accounts that a service was installed for."""
        links = (path.name for path in self.directory.glob("*.target.wants/wsfs@*.service"))
        drops = (
            path.parent.name.removesuffix(".d") for path in self.directory.glob(f"wsfs@*.service.d/{DROP_IN}")
        )
        names = {re.sub(r"^wsfs@(.*)\.service$", r"\1", name) for name in (*links, *drops)}
        return sorted(map(unescape, names - {""}))

    # systemctl

    @property
    def command(self) -> list[str]:
        """The beginning of a command line."""
        return ["systemctl", *([] if self.system else ["--user"])]

    def check(self) -> None:
        """UserError where there is no such manager to talk to, or this user may not."""
        check_system(self.system, "a service")
        if not self.system and os.geteuid() == 0 and "SUDO_USER" in os.environ:
            raise UserError(
                "a service of yours is installed without sudo; for one of the machine add --system"
            )
        if shutil.which("systemctl") is None:
            raise UserError("there is no systemd on this machine; `wsfs mount` mounts without it")
        done = self._run("show", "--property=Version")
        if done.returncode != 0:
            words = " ".join(done.stderr.split())
            raise UserError(
                f"systemd doesn't answer ({words}); where it didn't boot the machine, use fstab or `wsfs mount`"
                if self.system
                else f"your systemd doesn't answer ({words}); log in anew"
            )

    def run(self, *arguments: str) -> None:
        """Have systemctl do something; UserError with its own words."""
        done = self._run(*arguments)
        if done.returncode != 0:
            words = " ".join(done.stderr.split()) or f"code {done.returncode}"
            raise UserError(f"`{shlex.join([*self.command, *arguments])}` failed: {words}")

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Properties of a unit as text; all are empty for one that was never heard of. UserError."""
        done = self._run("show", f"--property={','.join(properties)}", unit)
        if done.returncode != 0:
            raise UserError(f"systemd can't be asked about {unit}: {' '.join(done.stderr.split())}")
        found = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
        return {name: found.get(name, "") for name in properties}

    def is_enabled(self, unit: str) -> bool:
        """Whether it is started at every login, or boot."""
        return self._run("is-enabled", "--quiet", unit).returncode == 0

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SYSTEMD_COLORS": "0", "LC_ALL": "C.UTF-8"}
        if not self.system:  # as after su, or in a shell of cron: the user's manager is there all the same
            environment.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}")
        try:
            return subprocess.run(
                [*self.command, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=None if arguments[0] in _LASTING else _SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UserError(f"`{shlex.join([*self.command, *arguments])}` doesn't come back") from None
        except OSError as error:
            raise UserError(f"systemctl can't be started: {error.strerror}") from error


def template_text(system: bool, command: Sequence[str]) -> str:
    """The unit, with the command that starts this very wsfs."""
    source = (
        importlib.resources.files("wsfs") / "data" / "systemd" / ("system" if system else "user") / TEMPLATE
    )
    words = " ".join(quoted(word) for word in command)
    return source.read_text(encoding="utf-8").replace("/usr/bin/wsfs ", f"{words} ")


def drop_in_text(settings: Mapping[str, str]) -> str:
    """Settings by their names in the environment, for one account's unit."""
    lines = [f"Environment={quoted(f'{name}={value}')}" for name, value in settings.items()]
    return "\n".join(["# Written by `wsfs service install`.", "[Service]", *lines, ""])


def own_command() -> list[str]:
    """What starts this wsfs later, from anywhere: its script, or its interpreter with its module."""
    script = Path(sys.argv[0])
    if script.name == "wsfs" and script.is_absolute() and os.access(script, os.X_OK):
        return [str(script)]
    beside = Path(sys.executable).parent / "wsfs"
    if os.access(beside, os.X_OK):
        return [str(beside)]
    found = shutil.which("wsfs")
    return [str(Path(found).absolute())] if found else [sys.executable, "-P", "-m", "wsfs"]
