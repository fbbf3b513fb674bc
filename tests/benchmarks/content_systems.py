"""What is measured side by side: the same files by way of wsfs, rclone mount, bindfs, a floor and the plain disk.

Each system is a context manager; inside the block `root` is a directory with a directory for each group of
files, and `pid` the process that serves it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mounted.drives import PATIENCE, Mount, eventually
from wsfs import mountinfo
from wsfs.emulator.contents import pieces
from wsfs.emulator.scale import sized_account
from wsfs.emulator.testing import Process

MIB = 1 << 20


@dataclass(frozen=True)
class Files:
    """How many files of which size there are."""

    large: int = 1024 * MIB
    small: int = 2000
    small_size: int = 1000
    listed: int = 10_000
    listed_size: int = 100
    stalled: tuple[int, ...] = (20, 120)
    stalled_size: int = MIB

    @property
    def groups(self) -> list[tuple[str, int, int]]:
        """Name, count and size of each directory."""
        return [
            ("large", 1, self.large),
            ("small", self.small, self.small_size),
            ("listed", self.listed, self.listed_size),
            ("stalled", sum(self.stalled), self.stalled_size),
        ]

    @property
    def arguments(self) -> list[str]:
        """The emulator's options for them."""
        return [word for group in self.groups for word in ("--files", ",".join(map(str, group)))]

    def write(self, place: Path) -> None:
        """Write the emulator's files, byte for byte, below `place`."""
        for file in sized_account(self.groups).files.values():
            task = file.task
            assert task is not None
            path = place / task.name / file.name
            path.parent.mkdir(exist_ok=True)
            with path.open("wb") as out:
                for piece in pieces(file.content, 4 * MIB):
                    out.write(piece)
        os.sync()


class System(ABC):
    """One way to the files."""

    name = ""
    fetches = False
    """Whether it has to fetch the files first."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch / type(self).__name__.lower()
        self.place = self.scratch / "mount"
        self.pid = 0

    @property
    def root(self) -> Path:
        return self.place

    @abstractmethod
    def start(self) -> None:
        """Mount it, its caches being empty; sets `pid`."""

    def stop(self) -> None:  # noqa: B027
        """Unmount it, whatever hangs in it."""

    def __enter__(self) -> System:
        self.place.mkdir(parents=True)
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def stall(self) -> contextlib.AbstractContextManager[None]:
        """While the block runs, downloads of the group `stalled` hang."""
        return contextlib.nullcontext()


class Plain(System):
    """The disk itself."""

    name = "plain"

    def __init__(self, scratch: Path, source: Path) -> None:
        super().__init__(scratch)
        self._source = source

    @property
    def root(self) -> Path:
        return self._source

    def start(self) -> None:
        pass


class Mounted(System):
    """A mount by a program that stays in the foreground."""

    _process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """The program that mounts at `place`."""

    def start(self) -> None:
        with (self.scratch / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(word) for word in self.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.pid = self._process.pid
        process = self._process
        eventually(
            lambda: mountinfo.find(self.place) is not None or process.poll() is not None,
            f"{self.name} mounts",
        )
        if process.poll() is not None:
            raise RuntimeError(f"{self.name} did not start: {(self.scratch / 'log').read_text()}")

    def stop(self) -> None:
        unmount(self.place)
        if self._process is not None:
            end(self._process)


class Bindfs(Mounted):
    """A mirror in C on libfuse, with its defaults."""

    name = "bindfs"

    def __init__(self, scratch: Path, source: Path) -> None:
        super().__init__(scratch)
        self._source = source

    def command(self) -> Sequence[str | Path]:
        return ("bindfs", "-f", "--no-allow-other", self._source, self.place)


class Floor(Bindfs):
    """A mirror in pyfuse3: floor.py."""

    name = "floor"

    def command(self) -> Sequence[str | Path]:
        return (sys.executable, "-m", "tests.benchmarks.floor", self._source, self.place)


class Wsfs(System):
    """wsfs, against the emulator."""

    name = "wsfs"
    fetches = True

    def __init__(self, scratch: Path, service: Process) -> None:
        super().__init__(scratch)
        self._service = service
        self._mount: Mount | None = None

    @property
    def root(self) -> Path:
        return self.scratch / "drive" / "Files"

    def start(self) -> None:
        self._mount = Mount(
            self.scratch, self._service.url, self._service.api_key, options="crawl=no,poll=3600,prefetch=no"
        )
        self._mount.wait_ready()
        self.pid = self._mount.process.pid

    def stop(self) -> None:
        if self._mount is not None:
            self._mount.stop()
            self._mount.clear()

    @contextlib.contextmanager
    def stall(self) -> Iterator[None]:
        stalled = [file for file in self._service.files(sha256=False) if file["task"]["name"] == "stalled"]
        self._service.arm(
            *(
                {"name": "stall", "action": "download", "parameters": {"id_file": str(file["id"])}}
                for file in stalled
            )
        )
        try:
            yield
        finally:
            self._service.clear_faults()


class Nginx:
    """nginx as a WebDAV server of a directory, read-only unless `writable`; the files in `stalled` come at a byte a
    second."""

    def __init__(self, scratch: Path, source: Path, *, writable: bool = False) -> None:
        self.port = free_port()
        self._directory = scratch / "nginx"
        self._directory.mkdir(exist_ok=True)
        module = next(Path("/usr/lib/nginx/modules").glob("ngx_http_dav_ext_module.so"), None)
        user = "user root;" if os.geteuid() == 0 else ""
        temporary = "".join(
            f"{kind}_temp_path {self._directory}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        methods = "dav_methods PUT DELETE MKCOL COPY MOVE; client_max_body_size 0;" if writable else ""
        self._configuration = self._directory / "nginx.conf"
        self._configuration.write_text(
            f"""{f"load_module {module};" if module else ""}
            {user} daemon off; worker_processes 1; pid {self._directory}/pid; error_log {self._directory}/log;
            events {{ worker_connections 1024; }}
            http {{
                access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; {temporary}
                map $request_method $crawling {{ GET 1; default 0; }}
                server {{
                    listen 127.0.0.1:{self.port};
                    root {source};
                    dav_ext_methods PROPFIND OPTIONS; {methods}
                    location /stalled/ {{ limit_rate $crawling; dav_ext_methods PROPFIND OPTIONS; }}
                }}
            }}
            """
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Nginx:
        self._process = subprocess.Popen(["nginx", "-c", str(self._configuration), "-e", "stderr"])
        eventually(lambda: listens(self.port) or self._process.poll() is not None, "nginx listens")
        if self._process.poll() is not None:
            raise RuntimeError("nginx did not start")
        return self

    def __exit__(self, *exc: object) -> None:
        end(self._process)


class Rclone(Mounted):
    """rclone mount of WebDAV, keeping whole files, with an hour's trust in names and attributes."""

    name = "rclone"
    fetches = True

    def __init__(self, scratch: Path, server: Nginx) -> None:
        super().__init__(scratch)
        self._server = server

    def command(self) -> Sequence[str | Path]:
        return (
            *("rclone", "mount", ":webdav:", self.place, "--config", "/dev/null"),
            *("--webdav-url", self._server.url, "--webdav-vendor", "other", "--read-only"),
            *("--vfs-cache-mode", "full", "--cache-dir", self.scratch / "cache"),
            *("--dir-cache-time", "1h", "--attr-timeout", "1h"),
        )


def drop_caches(what: int) -> bool:
    """Have the kernel drop clean pages (1), names and inodes (2) or both (3); False without the right to."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text(f"{what}\n")
    except OSError:
        return False
    return True


def unmount(place: Path) -> None:
    """Take a mount away, busy or not; one that isn't there is no error."""
    if mountinfo.find(place) is not None:
        subprocess.run(["fusermount3", "-uz", str(place)], check=False, capture_output=True, timeout=PATIENCE)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process, by force after five seconds."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def listens(port: int) -> bool:
    """Whether someone answers there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        time.sleep(0.05)
        return False
    return True
