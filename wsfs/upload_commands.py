"""What the commands ask of a running mount's uploads: what there is, how far it is, and what a person decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

import trio

from wsfs.api.pacing import Pacer
from wsfs.control import ControlError
from wsfs.drive.errors import DriveError, NoSuchName
from wsfs.drive.filesystem import Drive
from wsfs.drive.namespace import Namespace
from wsfs.tree.nodes import Directory, Node
from wsfs.uploads.batch import GONE, root_of
from wsfs.uploads.draining import Drained
from wsfs.uploads.errors import UploadError
from wsfs.uploads.sender import Sender

#: Seconds between two lines of progress.
PROGRESS_EVERY = 0.2

Tell = Callable[[dict[str, Any]], Awaitable[None]]


class UploadCommands:
    """The part of a mount's commands that its uploads answer; see wsfs.control.Controls."""

    def __init__(self, drive: Drive, namespace: Namespace, sender: Sender, pacer: Pacer) -> None:
        self._drive = drive
        self._namespace = namespace
        self._sender = sender
        self._pacer = pacer

    # What there is

    def summary(self) -> dict[str, Any]:
        """How far the uploads are, for the status; `current` are the files whose bytes are leaving."""
        status = self._sender.status()
        told = (
            "state",
            "message",
            "again_in",
            "files",
            "bytes",
            "bytes_done",
            "bytes_left",
            "speed",
            "counts",
        )
        current = [
            {
                "path": self._path(file["root"], file),
                "size": file["size"],
                "bytes_done": file["bytes_done"],
            }
            for file in status["current"]
        ]
        return {**{key: status[key] for key in told}, "attention": status["attention"], "current": current}

    def listing(self) -> dict[str, Any]:
        """What has not reached the server: `files`, each with its path in the mount, state, size and reason.

        A new directory is among them where it needs a person. `spool` is where the contents are, `content` the
        name of a file's own there; `inode` names it to `retry` and `discard`. With `uncertain` the service may
        have it, an `old_version` is in no directory any more.
        """
        status = self._sender.status()
        files = []
        for place in status["destinations"]:
            for file, is_directory in (
                *((one, True) for one in place["directories"]),
                *((one, False) for one in place["files"]),
            ):
                state = "held" if file["held"] and file["state"] == "settling" else file["state"]
                if is_directory and state == "settling":
                    continue
                item = {
                    "path": self._path(place["inode"], file),
                    "state": state,
                    "size": file["size"],
                    "reason": file["reason"],
                    "inode": file["inode"],
                    "uncertain": file["uncertain"],
                    "directory": is_directory,
                    "old_version": file["old_version"],
                    "content": file["content"],
                    "mtime_ns": file["mtime_ns"],
                    "mode": file["mode"],
                }
                if "bytes_done" in file:
                    item["bytes_done"] = file["bytes_done"]
                files.append(item)
        told = ("state", "message", "again_in")
        return {
            **{key: status[key] for key in told},
            "spool": str(self._drive.spool.directory),
            "files": files,
        }

    def _path(self, root: int, file: dict[str, Any]) -> str:
        """The path of a file below the directory `root` of the server, as programs see it.

        Where that directory isn't known any more, it is the one where it was last seen, with the names as titles.
        """
        tree, places = self._drive.tree, self._drive.spool.places
        place, node = tree.get(root), tree.get(file["inode"])
        if place is not None and node is not None and not file.get("old_version"):
            return node.path()
        base = place.path() if place is not None else places.get(root, f"(inode {root})")
        return f"{base.rstrip('/')}/{file['path']}"

    # What a person waits for

    async def flush(self, path: str | None, progress: Tell) -> dict[str, Any]:
        """Send what is pending at `path` (None: everywhere) now, and wait. Raises ControlError.

        Its progress says `files`, `files_done`, `bytes`, `bytes_done`, `requests_left`, the `speed` in bytes a
        second, the `seconds_left` for all that, `current` (a name), and while nothing can go `message` and
        `again_in` (seconds).
        """
        scope, named = (None, None) if path is None else self._scope(path)
        latest: dict[str, Any] = {}
        result: dict[str, Any] = {}

        def note(drained: Drained) -> None:
            latest.update(self._words(drained))

        async def tell() -> None:
            while True:
                await trio.sleep(PROGRESS_EVERY)
                if latest:
                    await progress(dict(latest))

        if self._drive.ownership.read_only:  # whose sender doesn't run, and would be waited for without end
            return {"sent": 0, "left": self._kept_back(scope, set())}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tell)
            flushed = await self._sender.flush(scope, note, named=named)
            left = [
                {"path": self._drive.path(inode), "state": state, "reason": reason}
                for state, those in (("quarantined", flushed.refused), ("held", flushed.held))
                for inode, reason in those.items()
            ]
            left += self._kept_back(scope, {*flushed.refused, *flushed.held})
            result = {"sent": flushed.sent, "left": left}
            nursery.cancel_scope.cancel()
        return result

    def _words(self, drained: Drained) -> dict[str, Any]:
        names = [node.name for inode in drained.current if (node := self._drive.tree.get(inode)) is not None]
        requests = drained.requests_left / self._pacer.rate if self._pacer.rate else 0.0
        bytes_left = drained.bytes - drained.bytes_done
        seconds = None
        if not drained.message and (drained.speed or not bytes_left):
            seconds = round(max(requests, bytes_left / drained.speed if drained.speed else 0.0), 1)
        return {
            "files": drained.files,
            "files_done": drained.files_done,
            "bytes": drained.bytes,
            "bytes_done": drained.bytes_done,
            "requests_left": drained.requests_left,
            "speed": round(drained.speed),
            "seconds_left": seconds,
            "current": names[0] if names else "",
            "message": drained.message,
            "again_in": None if drained.again_in is None else round(drained.again_in, 1),
        }

    def _kept_back(self, scope: set[int] | None, told: set[int]) -> list[dict[str, Any]]:
        """What a flush has nothing to wait for, and yet isn't on the server: refused or interrupted before."""
        return [
            {"path": self._drive.path(file["inode"]), "state": file["state"], "reason": file["reason"]}
            for place in self._sender.status()["destinations"]
            for file in place["files"]
            if file["state"] in ("quarantined", "interrupted")
            and file["inode"] not in told
            and (scope is None or not scope.isdisjoint((file["inode"], file["parent"])))
        ]

    # What a person decides

    async def send(self, path: str) -> dict[str, Any]:
        """Let go what is held back at `path`. Raises ControlError."""
        self._check_sends()
        scope, named = self._scope(path)
        return {"files": await self._sender.release(scope, named=named)}

    async def retry(self, inodes: Collection[int]) -> dict[str, Any]:
        """Send again what is interrupted or quarantined of these; what can't go is `left`. Raises ControlError."""
        self._check_sends()
        spool, tree = self._drive.spool, self._drive.tree
        nodes = [node for inode in inodes if (node := spool.nodes.get(inode)) is not None]
        lost = {node.inode for node in nodes if tree.get(root_of(spool.nodes, node)) is None}
        listed = {file["inode"]: file for file in self.listing()["files"]} if lost else {}
        left = [
            {"path": listed[inode]["path"], "state": listed[inode]["state"], "reason": GONE}
            for inode in lost
            if inode in listed
        ]
        going = [node.inode for node in nodes if node.inode not in lost]
        return {"files": await self._sender.retry(going), "left": left}

    async def discard(self, inodes: Collection[int]) -> dict[str, Any]:
        """Delete these for good, files before directories; what is on its way or was changed stays, in `left`.

        `inodes` are what a person was shown, so that nothing goes that came later.
        """
        gone, left = 0, []
        listed = {file["inode"]: file for file in self.listing()["files"]}
        asked = [listed[inode] for inode in inodes if inode in listed]
        # Files first, then the directories, the deepest first.
        for file in sorted(asked, key=lambda one: (one["directory"], -one["path"].count("/"))):
            try:
                if file["state"] == "open":
                    raise UploadError("a program has it open")
                await self._namespace.discard(file["inode"])
            except (DriveError, UploadError) as error:
                left.append({"path": file["path"], "state": file["state"], "reason": str(error)})
            else:
                gone += not file["directory"]
        return {"files": gone, "left": left}

    def _check_sends(self) -> None:
        if self._drive.ownership.read_only:
            raise ControlError("the drive is mounted read-only and sends nothing; mount it without `ro`")

    def _scope(self, path: str) -> tuple[set[int], int]:
        """The inodes of the node at `path` and of every directory below it, and that of the node itself."""
        top = self._find(path)
        inodes: set[int] = set()
        ahead = [top]
        while ahead:
            node = ahead.pop()
            inodes.add(node.inode)
            if isinstance(node, Directory):
                ahead += [one for one in node if isinstance(one, Directory)]
        return inodes, top.inode

    def _find(self, path: str) -> Node:
        try:
            return self._drive.find(path)
        except NoSuchName as error:
            raise ControlError(str(error)) from error
