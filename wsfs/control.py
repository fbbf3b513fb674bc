"""How the commands talk to a running mount: one Unix socket a mount, lines of JSON.

A client sends one request a connection, `{"command": "flush", "path": "/Website"}`. The answer is any number
of `{"progress": {…}}`, an `{"alive": true}` every few seconds while the command works, and at last one
`{"result": {…}}` or `{"error": "sentence"}`. Paths are those within the mount: absolute, `/` being its root.

The socket is named by a hash of the mountpoint and lies in a directory that only its user may enter; root and
that user are served, nobody else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import platformdirs

from wsfs import mountinfo
from wsfs.api.errors import ApiError

if TYPE_CHECKING:
    # The mount's side imports it where it needs it: the commands, which don't, take half as long to start.
    import trio

log = logging.getLogger(__name__)

ALIVE_EVERY = 5.0
SILENCE = 30.0  # seconds without a line after which a client gives a mount up
REQUEST_DEADLINE = 10.0  # for a client to send its line, and to take one of ours
REQUEST_LIMIT = 64 * 1024
_PEER = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED

Progress = Callable[[dict[str, Any]], Awaitable[None]]


class ControlError(Exception):
    """A command can't be done; str() is a sentence for a person, for after "wsfs: "."""


class NotServed(ControlError):  # noqa: N818 - it says what is the matter
    """Nobody answers for that mountpoint."""


class _ClientGone(Exception):  # noqa: N818
    """A client closed its end, or takes or says nothing in time: nobody is left to answer."""


class Controls(Protocol):
    """What a mount lets the commands do; ControlError and ApiError are shown to the user, others logged."""

    def status(self) -> dict[str, Any]:
        """What is going on, as in .wsfs/status.json."""
        ...

    def uploads(self) -> dict[str, Any]:
        """What has not reached the server, as in .wsfs/uploads.json."""
        ...

    async def flush(self, path: str | None, progress: Progress) -> dict[str, Any]:
        """Send what is pending in `path` (None: everywhere) now, and wait for it.

        Cancelled when the client goes away; what was begun goes on.
        """
        ...

    async def send(self, path: str) -> dict[str, Any]:
        """Let go what is held back or quarantined at `path`."""
        ...

    async def refresh(self, path: str | None) -> dict[str, Any]:
        """Read `path` (None: the account) from the server again."""
        ...

    async def pin(self, path: str | None, progress: Progress) -> dict[str, Any]:
        """Keep what lies at `path` (None: everything) on this machine, and wait until it is there.

        Cancelled when the client goes away; the fetching goes on.
        """
        ...

    def unpin(self, path: str | None) -> dict[str, Any]:
        """Let what lies at `path` (None: everything) be evicted again."""
        ...

    def cache(self) -> dict[str, Any]:
        """What is kept of the attachments, and what is pinned."""
        ...

    async def clear_cache(self) -> dict[str, Any]:
        """Drop what is neither open nor pinned."""
        ...

    async def url(self, path: str | None) -> dict[str, Any]:
        """The `link` to what lies at `path` (None: the account), and the `page` that shows it."""
        ...

    def requests(self, after: int) -> dict[str, Any]:
        """The `lines` of the last requests but for the first `after` of this mount, and their `total`."""
        ...

    def stop(self) -> None:
        """Begin an orderly unmount."""
        ...


# Where the sockets are


def runtime_directories(user: int | None = None) -> Iterator[Path]:
    """Where the sockets of `user` (a uid; None: this process's) may be, the best place first."""
    own = user is None or user == os.geteuid()
    candidates = [Path("/run/user") / str(os.geteuid() if user is None else user)]
    if own and (named := os.environ.get("XDG_RUNTIME_DIR")):
        candidates.insert(0, Path(named))
    for directory in candidates:
        with contextlib.suppress(OSError):
            if directory.stat().st_uid == (os.geteuid() if user is None else user):
                yield directory / "wsfs"
    if own:
        yield platformdirs.user_data_path("wsfs") / "run"


def socket_name(mountpoint: Path) -> str:
    """The file name of the socket for `mountpoint`, which has to be canonical (see mountinfo.canonical)."""
    return hashlib.sha256(os.fsencode(mountpoint)).hexdigest()[:20] + ".sock"


def control_path(mountpoint: Path) -> Path:
    """Where the mount at `mountpoint` has its socket: what a mount hands to `serve_control`."""
    return next(runtime_directories()) / socket_name(mountpoint)


@dataclass(frozen=True)
class LiveMount:
    """A mount of wsfs in the kernel's table; `socket` is None where no process seems to serve it."""

    mountpoint: Path
    socket: Path | None


def find_mount(mountpoint: Path) -> LiveMount | None:
    """The wsfs mount at exactly `mountpoint` (canonical), or None when nothing of ours is there."""
    mount = mountinfo.find(mountpoint)
    if mount is None or not mount.fstype.startswith("fuse"):
        return None
    path = _socket_of(mount)
    return LiveMount(mountpoint, path) if mount.is_wsfs or path is not None else None


def live_mounts() -> list[LiveMount]:
    """Every mount of wsfs that this user may ask about, in the order of mounting."""
    found: dict[Path, LiveMount] = {}
    for mount in mountinfo.mounts():
        if os.geteuid() not in (0, mount.user) or not mount.fstype.startswith("fuse"):
            continue
        live = find_mount(mount.mountpoint)
        if live is not None:
            found[live.mountpoint] = live
    return list(found.values())


def _socket_of(mount: mountinfo.Mount) -> Path | None:
    name = socket_name(mount.mountpoint)
    return next((path for place in runtime_directories(mount.user) if (path := place / name).exists()), None)


# The mount's side


async def serve_control(
    controls: Controls, path: Path, *, task_status: trio.TaskStatus[Path] | None = None
) -> None:
    """Answer commands at the socket `path` until cancelled; started once it listens.

    Makes the directory (0700) and takes the place of a dead process's socket; ControlError when a living one
    listens there. Removes its socket at the end. No failure of a command or a client ends it.
    """
    import trio

    await trio.to_thread.run_sync(_make_room, path)
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        with _address(path) as address:
            await listening.bind(address)
        inode = _inode(path)
        try:
            listening.listen(16)

            async def handler(stream: trio.SocketStream) -> None:
                await _serve_client(controls, stream)

            if task_status is not None:
                task_status.started(path)
            await trio.serve_listeners(handler, [trio.SocketListener(listening)])
        finally:
            _remove(path, inode)


def _make_room(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    with contextlib.suppress(NotServed):
        raise ControlError(f"process {server_pid(path)} serves {path} already")
    path.unlink(missing_ok=True)


def _inode(path: Path) -> int | None:
    with contextlib.suppress(OSError):
        return path.stat().st_ino
    return None


def _remove(path: Path, inode: int | None) -> None:
    if _inode(path) == inode:  # else a later process has taken the place
        path.unlink(missing_ok=True)


async def _serve_client(controls: Controls, stream: trio.SocketStream) -> None:
    import trio

    lock = trio.Lock()

    async def say(line: bytes) -> None:
        try:
            with trio.fail_after(REQUEST_DEADLINE):
                async with lock:
                    await stream.send_all(line)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
            raise _ClientGone from error

    try:
        async with stream:
            _, uid, _ = _peer(stream.socket)
            request = await _read_request(stream)
            if uid not in (0, os.geteuid()):
                await say(_line({"error": "this mount belongs to another user"}))
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_gone, stream, nursery.cancel_scope)
                nursery.start_soon(_keep_alive, say)
                answer = await _answer(controls, request, say)
                # A list of ten thousand uploads is a long text: not on the thread that serves the drive.
                await say(await trio.to_thread.run_sync(_line, answer))
                if request.get("command") == "stop" and "result" in answer:
                    controls.stop()  # only now: it ends this task too
                nursery.cancel_scope.cancel()
    except* _ClientGone:
        log.debug("A control client went away before its answer")


async def _answer(
    controls: Controls, request: dict[str, Any], say: Callable[[bytes], Awaitable[None]]
) -> dict[str, Any]:
    async def progress(state: dict[str, Any]) -> None:
        await say(_line({"progress": state}))

    command, path = request.get("command"), request.get("path")
    if not (path is None or isinstance(path, str)) or (command == "send" and path is None):
        return {"error": "the path of this request makes no sense"}
    try:
        match command:
            case "status":
                return {"result": controls.status()}
            case "uploads":
                return {"result": controls.uploads()}
            case "flush":
                return {"result": await controls.flush(path, progress)}
            case "send":
                return {"result": await controls.send(str(path))}
            case "refresh":
                return {"result": await controls.refresh(path)}
            case "pin":
                return {"result": await controls.pin(path, progress)}
            case "unpin":
                return {"result": controls.unpin(path)}
            case "cache":
                return {"result": controls.cache()}
            case "clear_cache":
                return {"result": await controls.clear_cache()}
            case "url":
                return {"result": await controls.url(path)}
            case "requests":
                after = request.get("after")
                return {"result": controls.requests(after if isinstance(after, int) else 0)}
            case "stop":
                return {"result": {}}
            case _:
                return {
                    "error": f"this mount knows no command {command!r}; is it of another version of wsfs?"
                }
    except (ControlError, ApiError) as error:
        return {"error": str(error)}
    except _ClientGone:
        raise  # which the command learnt by its progress
    except Exception:
        log.exception("The command %s (path %r) failed inside wsfs", command, path)
        return {"error": "something went wrong inside wsfs; its log has the details"}


async def _read_request(stream: trio.SocketStream) -> dict[str, Any]:
    import trio

    received = bytearray()
    try:
        with trio.fail_after(REQUEST_DEADLINE):
            while not received.endswith(b"\n"):
                piece = await stream.receive_some(4096)
                if not piece or len(received) + len(piece) > REQUEST_LIMIT:
                    raise _ClientGone
                received += piece
        request = json.loads(received)
    except (trio.BrokenResourceError, trio.TooSlowError, ValueError) as error:
        raise _ClientGone from error
    return request if isinstance(request, dict) else {}


async def _until_gone(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    import trio

    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while await stream.receive_some(4096):
            pass  # a client has nothing more to say; only its going counts
    scope.cancel()


async def _keep_alive(say: Callable[[bytes], Awaitable[None]]) -> None:
    import trio

    while True:
        await trio.sleep(ALIVE_EVERY)
        await say(_line({"alive": True}))


# The commands' side


def call(
    path: Path,
    command: str,
    *,
    within: str | None = None,
    after: int | None = None,
    progress: Callable[[dict[str, Any]], None] = lambda state: None,
    silence: float = SILENCE,
) -> dict[str, Any]:
    """Send `command` to the socket `path`, blocking; its result.

    `within` is the path in the mount that the command is about, `after` a count that it begins after. Raises
    NotServed when nobody listens, ControlError with the mount's own sentence, and when it says nothing for
    `silence` seconds or ends before its answer.
    """
    told = {"path": within, "after": after}
    request = {"command": command} | {name: value for name, value in told.items() if value is not None}
    with _connected(path, silence) as connection:
        try:
            connection.sendall(_line(request))
            with connection.makefile("rb") as lines:
                for line in lines:
                    answer = json.loads(line)
                    if "error" in answer:
                        raise ControlError(answer["error"])
                    if "result" in answer:
                        return dict(answer["result"])
                    if "progress" in answer:
                        progress(answer["progress"])
        except TimeoutError as error:
            raise ControlError(f"the mount has not answered for {silence:.0f} seconds") from error
        except OSError as error:
            raise ControlError(f"the connection to the mount broke off ({error.strerror})") from error
        except ValueError as error:
            raise ControlError(
                "the mount's answer makes no sense; is it of another version of wsfs?"
            ) from error
    raise ControlError("the mount ended before it answered")


def server_pid(path: Path) -> int:
    """The process that serves the socket `path`; raises NotServed."""
    with _connected(path, SILENCE) as connection:
        return _peer(connection)[0]


@contextlib.contextmanager
def _connected(path: Path, silence: float) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(silence)
        try:
            with _address(path) as address:
                connection.connect(address)
        except OSError as error:
            raise NotServed("no wsfs process answers for that mount") from error
        yield connection


# Both sides


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace") + b"\n"


def _peer(connection: socket.socket | trio.socket.SocketType) -> tuple[int, int, int]:
    pid, uid, gid = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return pid, uid, gid


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """What to bind or connect to: a path may be of any length, a socket address holds 107 bytes (unix(7))."""
    if len(os.fsencode(path)) <= 100:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
