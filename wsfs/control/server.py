"""The mount's side: what it lets the commands do, and the socket at which it answers them."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wsfs.api.errors import ApiError
from wsfs.control.wire import ControlError, NotServed, address_of, line_of, peer_of, server_pid

if TYPE_CHECKING:
    # The functions import it where they need it: the commands, which don't, take half as long to start.
    import trio

log = logging.getLogger(__name__)

ALIVE_EVERY = 5.0
REQUEST_DEADLINE = 10.0  # for a client to send its line, and to take one of ours
REQUEST_LIMIT = 64 * 1024
LAST_ANSWER = 1.0  # for what was asked before the end

Progress = Callable[[dict[str, Any]], Awaitable[None]]


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

    async def retry(self, inodes: Collection[int]) -> dict[str, Any]:
        """Send again what is interrupted or quarantined of these, by the inodes that `uploads` tells; what can't go
        is `left`."""
        ...

    async def discard(self, inodes: Collection[int]) -> dict[str, Any]:
        """Delete these for good, by the inodes that `uploads` tells; what can't be is `left`."""
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


async def serve_control(
    controls: Controls,
    path: Path,
    *,
    until: trio.Event | None = None,
    task_status: trio.TaskStatus[Path] | None = None,
) -> None:
    """Answer commands at the socket `path` until cancelled; started once it listens.

    Once `until` is set nobody is let in any more, and who waits has a moment for his answer. Makes the directory
    (0700) and takes the place of a dead process's socket; ControlError when a living one listens there. Removes its
    socket at the end. No failure of a command or a client ends it.
    """
    import trio

    await trio.to_thread.run_sync(_make_room, path)
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        with address_of(path) as address:
            await listening.bind(address)
        inode = _inode(path)
        try:
            listening.listen(16)

            async def handler(stream: trio.SocketStream) -> None:
                await _serve_client(controls, stream)

            if task_status is not None:
                task_status.started(path)
            async with trio.open_nursery() as answering:
                async with trio.open_nursery() as accepting:
                    listener = trio.SocketListener(listening)
                    serve = functools.partial(trio.serve_listeners, handler_nursery=answering)
                    accepting.start_soon(serve, handler, [listener])
                    if until is not None:
                        await until.wait()
                        accepting.cancel_scope.cancel()
                answering.cancel_scope.deadline = trio.current_time() + LAST_ANSWER
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
            _, uid, _ = peer_of(stream.socket)
            request = await _read_request(stream)
            if uid not in (0, os.geteuid()):
                await say(line_of({"error": "this mount belongs to another user"}))
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_gone, stream, nursery.cancel_scope)
                nursery.start_soon(_keep_alive, say)
                answer = await _answer(controls, request, say)
                # A list of ten thousand uploads is a long text: not on the thread that serves the drive.
                await say(await trio.to_thread.run_sync(line_of, answer))
                if request.get("command") == "stop" and "result" in answer:
                    controls.stop()  # only now: it ends this task too
                nursery.cancel_scope.cancel()
    except* _ClientGone:
        log.debug("A control client went away before its answer")


async def _answer(
    controls: Controls, request: dict[str, Any], say: Callable[[bytes], Awaitable[None]]
) -> dict[str, Any]:
    async def progress(state: dict[str, Any]) -> None:
        await say(line_of({"progress": state}))

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
            case "retry":
                return {"result": await controls.retry(_inodes(request))}
            case "discard":
                return {"result": await controls.discard(_inodes(request))}
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


def _inodes(request: dict[str, Any]) -> list[int]:
    inodes = request.get("inodes")
    return [one for one in inodes if isinstance(one, int)] if isinstance(inodes, list) else []


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
        await say(line_of({"alive": True}))
