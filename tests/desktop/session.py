"""A desktop session for a test: an X display, a window manager and a session bus, in a home of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.mounted.drives import eventually

WIDTH, HEIGHT = 1000, 640
QUIT_SECONDS = 5.0

#: What a person's desktop has set, and a test's terminal too; it is not to leak into the session.
_STRANGE = (
    *("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "DESKTOP_SESSION"),
    *("GTK_MODULES", "GTK_THEME", "GTK2_RC_FILES", "NO_AT_BRIDGE", "GIO_USE_VFS", "SESSION_MANAGER"),
    *("XDG_SESSION_ID", "XDG_SESSION_TYPE", "XDG_CURRENT_DESKTOP", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS"),
)


def as_a_user() -> list[str]:
    """What makes a command run as an ordinary user: root may write where nobody else may, and sees other messages.

    A namespace in which root's files are those of the user 1000, who has none of root's rights.
    """
    if os.getuid() != 0:
        return []
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]


class Session:
    """Runs from `start` to `stop`. Everything that is started in it ends with it.

    `home` is HOME; what programs say goes to `home`'s neighbour `said`.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.said = home.parent / "said"
        runtime = home.parent / "runtime"
        for directory in (home, self.said, runtime):
            directory.mkdir(parents=True, exist_ok=True)
        runtime.chmod(0o700)
        self.env = {name: value for name, value in os.environ.items() if name not in _STRANGE}
        self.env |= {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(runtime),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".local" / "share"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_SESSION_TYPE": "x11",
            "LC_ALL": "C.UTF-8",
            "USER": "ann",
            "LOGNAME": "ann",
            "GSETTINGS_BACKEND": "keyfile",
            "GTK_MODULES": "gail:atk-bridge",  # GTK 2 tells of its widgets only when asked to
            "GDK_BACKEND": "x11",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "GSK_RENDERER": "cairo",
        }
        self.env |= self._as_ann(runtime)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._bus: subprocess.Popen[bytes] | None = None

    def _as_ann(self, directory: Path) -> dict[str, str]:
        """The user has this home by the system's own tables too: Nemo makes no thumbnails where that differs."""
        uid, gid = (os.getuid(), os.getgid()) if os.getuid() else (1000, 1000)
        users, groups = directory / "passwd", directory / "group"
        users.write_text(f"ann:x:{uid}:{gid}:Ann:{self.home}:/bin/sh\n")
        groups.write_text(f"ann:x:{gid}:\n")
        return {
            "LD_PRELOAD": "libnss_wrapper.so",
            "NSS_WRAPPER_PASSWD": str(users),
            "NSS_WRAPPER_GROUP": str(groups),
        }

    @property
    def display(self) -> str:
        return self.env["DISPLAY"]

    def start(self) -> None:
        """Bring it up. RuntimeError where a program of it doesn't."""
        self.env["DISPLAY"] = f":{self._start_display()}"
        self.env["DBUS_SESSION_BUS_ADDRESS"] = self._start_bus()
        manager = self.run("openbox", "--sm-disable")
        eventually(
            lambda: "_NET_SUPPORTING_WM_CHECK(WINDOW)" in self._ask("xprop", "-root"), "a window manager"
        )
        assert manager.poll() is None

    def _start_display(self) -> int:
        read, write = os.pipe()
        command = [
            "Xvfb",
            "-displayfd",
            str(write),
            "-screen",
            "0",
            f"{WIDTH}x{HEIGHT}x24",
            "-noreset",  # when xprop, the only client, goes while the window manager comes
            "-nolisten",
            "tcp",
        ]
        with (self.said / "Xvfb").open("wb") as said:
            self._processes.append(
                subprocess.Popen(
                    [*as_a_user(), *command],
                    env=self.env, pass_fds=(write,), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                )
            )  # fmt: skip
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise RuntimeError(f"no display: {(self.said / 'Xvfb').read_text()}")
        return int(number)

    def _start_bus(self) -> str:
        """The bus lives until its own standard input ends, and what it started with it."""
        script = 'echo "$DBUS_SESSION_BUS_ADDRESS"; exec cat'
        with (self.said / "bus").open("wb") as said:
            self._bus = subprocess.Popen(
                [*as_a_user(), "dbus-run-session", "--", "sh", "-c", script],
                env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
            )  # fmt: skip
        assert self._bus.stdout is not None
        address = self._bus.stdout.readline().decode().strip()
        if not address:
            raise RuntimeError(f"no session bus: {(self.said / 'bus').read_text()}")
        return address

    def run(self, *command: str | Path, **extra: str) -> subprocess.Popen[bytes]:
        """Start a program in the session; `extra` goes into its environment."""
        words = [str(word) for word in command]
        with (self.said / Path(words[0]).name).open("ab") as said:
            process = subprocess.Popen(
                [*as_a_user(), *words],
                env={**self.env, **extra}, cwd=self.home,
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip
        self._processes.append(process)
        return process

    def talk(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a program with which one talks in lines of text."""
        with (self.said / "talk").open("ab") as said:
            return subprocess.Popen(
                [*as_a_user(), *(str(word) for word in command)],
                env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True,
            )  # fmt: skip

    def do(self, *command: str | Path, seconds: float = 60.0) -> str:
        """Run a program of the session to its end and return what it said; it has to succeed."""
        done = subprocess.run(
            [*as_a_user(), *(str(word) for word in command)],
            env=self.env, cwd=self.home, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stderr}{done.stdout}"
        return done.stdout

    def _ask(self, *command: str) -> str:
        return subprocess.run(
            command, env=self.env, capture_output=True, text=True, timeout=30, check=False
        ).stdout

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End a program that `run` started, and what it started."""
        if process.poll() is None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(QUIT_SECONDS)
                    break
        if process in self._processes:
            self._processes.remove(process)

    def stop(self) -> None:
        """End everything. May be called again."""
        display, others = next(iter(self._processes), None), self._processes[1:]
        for process in reversed(others):
            self.end(process)
        if self._bus is not None:
            assert self._bus.stdin is not None
            assert self._bus.stdout is not None
            self._bus.stdin.close()
            self._bus.stdout.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._bus.wait(QUIT_SECONDS)
            _kill(self._bus)
            self._bus = None
        if display is not None:
            display.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                display.wait(QUIT_SECONDS)
            _kill(display)
        self._processes = []


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait(QUIT_SECONDS)


def missing(programs: Sequence[str]) -> list[str]:
    """Those of `programs` that aren't installed."""
    return [program for program in programs if shutil.which(program) is None]
