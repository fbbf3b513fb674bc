"""What the commands ask of a running mount, and the text of `/.wsfs/status.json` and `uploads.json`."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import os
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import trio

from wsfs import __version__
from wsfs.api.pacing import Lane, Pacer
from wsfs.catalog.catalog import Catalog
from wsfs.content.errors import NoRoom
from wsfs.content.fetch import Content
from wsfs.content.pins import Pins
from wsfs.control import ControlError
from wsfs.drive.errors import DriveError, NoSuchName
from wsfs.drive.filesystem import Caller, Drive
from wsfs.drive.pages import Pages
from wsfs.drive.pinning import Pinning
from wsfs.drive.request_log import RequestLog
from wsfs.tree.inodes import Kind
from wsfs.tree.nodes import Node, Owner
from wsfs.upload_commands import PROGRESS_EVERY, UploadCommands


class Commands:
    """The commands of one mount (see wsfs.control.Controls).

    `about` says which mount; `stop` begins its end; `login` tells how its login is.
    """

    def __init__(
        self,
        drive: Drive,
        catalog: Catalog,
        uploads: UploadCommands,
        content: Content,
        pins: Pins,
        pinning: Pinning,
        pacer: Pacer,
        requests: RequestLog,
        pages: Pages,
        *,
        about: Mapping[str, Any],
        stop: Callable[[], None],
        login: Callable[[], dict[str, Any]] = dict,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._drive = drive
        self._catalog = catalog
        self._uploads = uploads
        self._content = content
        self._pins = pins
        self._pinning = pinning
        self._pacer = pacer
        self._requests = requests
        self._pages = pages
        self._about = dict(about)
        self._stop = stop
        self._login = login
        self._since = clock()

    def status(self) -> dict[str, Any]:
        """How the mount is: JSON-able, times as ISO 8601, sizes in bytes."""
        lower = self._pacer.lower_rate
        lane, seconds = self._pacer.next_turn()
        return {
            **self._about,
            "version": __version__,
            "pid": os.getpid(),
            "mounted_since": _moment(self._since),
            "login": self._login(),
            "account_known": _without_times(self._catalog.status()),
            "requests": {
                "sent": self._requests.total,
                "waiting": self._pacer.queue_lengths(),
                "rate": self._pacer.rate or "no limit",
                "background_rate": "no limit" if math.isinf(lower) else round(lower, 3),
                "next": {"lane": None if lane is None else lane.name.lower(), "seconds": round(seconds, 2)},
                "held_for": round(self._pacer.held_for(), 1),
            },
            "cache": {**self._content.status(), "to_be_fetched": self._pins.missing()},
            "uploads": self._uploads.summary(),
            "troubles": [
                {**dataclasses.asdict(one), "time": _moment(one.time)} for one in self._requests.troubles()
            ],
        }

    def uploads(self) -> dict[str, Any]:
        """What has not reached the server; see UploadCommands.listing."""
        return self._uploads.listing()

    def status_text(self) -> bytes:
        """`/.wsfs/status.json`."""
        return _text(self.status())

    def uploads_text(self) -> bytes:
        """`/.wsfs/uploads.json`."""
        return _text(self.uploads())

    async def flush(
        self, path: str | None, progress: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> dict[str, Any]:
        """Send what is pending at `path` (None: everywhere) now, and wait; see UploadCommands.flush."""
        return await self._uploads.flush(path, progress)

    async def send(self, path: str) -> dict[str, Any]:
        """Let go what is held back at `path`. Raises ControlError."""
        return await self._uploads.send(path)

    async def retry(self, inodes: Collection[int]) -> dict[str, Any]:
        """Send again what is interrupted or quarantined of these. Raises ControlError."""
        return await self._uploads.retry(inodes)

    async def discard(self, inodes: Collection[int]) -> dict[str, Any]:
        """Delete these for good; see UploadCommands.discard."""
        return await self._uploads.discard(inodes)

    async def refresh(self, path: str | None) -> dict[str, Any]:
        """Ask the service anew for `path` (None: everything). Raises ControlError, ApiError."""
        owner = None if path in (None, "/") else self._owner(self._find(path or "/"))
        await self._catalog.refresh(owner)
        return {}

    async def pin(
        self, path: str | None, progress: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> dict[str, Any]:
        """Pin what lies at `path` and wait until it is there; what is in its way comes back as `left`.

        Its progress says `directories` read so far, then `files`, `files_done`, `bytes`, `bytes_done`,
        `requests_left`, and `seconds_left` that those take at the account's rate. Raises ControlError.
        """
        node = self._find(path or "/")
        if not self._pinning.applies(node):
            raise ControlError(f"{node.path()} isn't on the server: there is nothing to fetch")
        latest: dict[str, Any] = {}
        result: dict[str, Any] = {}

        async def tell() -> None:
            while True:
                await trio.sleep(PROGRESS_EVERY)
                if latest:
                    await progress(dict(latest))

        def learnt(count: int) -> None:
            latest["directories"] = count

        async with trio.open_nursery() as nursery:
            nursery.start_soon(tell)
            unread = await self._pinning.learn(node, Lane.REFRESH, learnt)
            files = self._pinning.files(node)
            try:
                job = await self._pins.pin(files, Lane.REFRESH)
            except NoRoom as error:
                nursery.cancel_scope.cancel()
                result = {"refused": str(error)}
            else:

                async def look() -> None:
                    while True:
                        now = job.progress()
                        seconds = now.requests_left / self._pacer.rate if self._pacer.rate else 0.0
                        latest.update(now._asdict(), seconds_left=seconds)
                        await trio.sleep(PROGRESS_EVERY)

                nursery.start_soon(look)
                await job.wait()
                done = job.progress()
                left = [{"path": place, "reason": reason} for place, reason in unread.items()]
                left += [{"path": self._file_path(id), "reason": reason} for id, reason in job.left.items()]
                result = {"files": done.files_done, "bytes": done.bytes_done, "left": left}
                nursery.cancel_scope.cancel()
        if "refused" in result:  # raised out here it is in no group
            raise ControlError(result["refused"])
        return result

    def unpin(self, path: str | None) -> dict[str, Any]:
        """Let what lies at `path` be evicted again; at the root, also what is gone. Raises ControlError."""
        if path in (None, "/"):
            files = [(id, size) for id, size, _ in self._pins.pinned()]
        else:
            files = self._pinning.files(self._find(path or "/"))
        return {"files": self._pins.unpin(files)}

    def cache(self) -> dict[str, Any]:
        """The cache's status, with each pinned file's path, size and bytes present."""
        pinned = [
            {"path": self._file_path(id), "size": size, "present": present}
            for id, size, present in self._pins.pinned()
        ]
        status = {key: value for key, value in self._content.status().items() if key != "pinned"}
        pinned.sort(key=lambda file: str(file["path"]))
        return {**status, "to_be_fetched": self._pins.missing(), "pinned": pinned}

    async def clear_cache(self) -> dict[str, Any]:
        """Drop what is neither open nor pinned; the bytes that became free."""
        return {"freed": await self._content.clear()}

    def _file_path(self, file_id: int) -> str:
        file = self._drive.tree.attachments.get(file_id)
        return file.path() if file is not None else f"(attachment {file_id})"

    async def url(self, path: str | None) -> dict[str, Any]:
        """The `link` to what lies at `path`, and the `page` of the task or project that it is or lies in.

        Raises ControlError, and ApiError where a directory that isn't known has to be asked for.
        """
        try:
            node = await self._pages.find(path or "/", Caller(lane=Lane.PERSON))
            return {"link": self._pages.link(node), "page": self._pages.page(node)}
        except DriveError as error:
            raise ControlError(str(error)) from error

    def requests(self, after: int) -> dict[str, Any]:
        """The `lines` of the last requests but for the first `after` of this mount, and how many there were."""
        return {"lines": self._requests.lines(after), "total": self._requests.total}

    def stop(self) -> None:
        """Begin an orderly unmount."""
        self._stop()

    def unmounted(self) -> None:
        """The drive is gone, and what is pending is being sent: the status says so."""
        self._about["unmounted"] = True

    def _find(self, path: str) -> Node:
        try:
            return self._drive.find(path)
        except NoSuchName as error:
            raise ControlError(str(error)) from error

    def _owner(self, node: Node) -> Owner:
        """The project or task that `node` is, or lies in."""
        place: Node | None = node
        while place is not None:
            if place.kind is Kind.PROJECT:
                return ("project", place.id)
            if place.kind is Kind.TASK:
                return ("task", place.id)
            place = place.parent
        raise ControlError(f"{node.path()} is no project or task")


def _text(status: Mapping[str, Any]) -> bytes:
    return (json.dumps(status, indent=2, ensure_ascii=False) + "\n").encode()


def _moment(time: float) -> str:
    return datetime.datetime.fromtimestamp(time).astimezone().isoformat(timespec="seconds")


def _without_times(status: Mapping[str, Any]) -> dict[str, Any]:
    """The catalog's status with its unix times as ISO 8601."""
    times = ("offline_since", "last_load", "last_projects", "last_poll", "last_event")
    return {
        key: _moment(value) if key in times and isinstance(value, int | float) else value
        for key, value in status.items()
    }
