"""What the service has taken, on its way to the drive: its ids are found, and its nodes turned into attachments."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Literal

from wsfs.api import errors as api
from wsfs.api.models import File
from wsfs.api.pacing import Lane
from wsfs.uploads.hooks import (
    Destination,
    Hooks,
    Poster,
    ProjectDestination,
    RootDestination,
    SentBatch,
    TaskDestination,
)
from wsfs.uploads.matching import match
from wsfs.uploads.nodes import BatchRecord, Spooled
from wsfs.uploads.options import Options
from wsfs.uploads.outbox import Outbox
from wsfs.uploads.spool import Spool
from wsfs.uploads.states import Event, State
from wsfs.uploads.verdict import Verdict, Wait, named, read_verdict, waiting

_log = logging.getLogger(__name__)


@dataclasses.dataclass
class Handover:
    """A batch that the service has taken, on its way to the drive; what only this run knows of it.

    `listing` is the whole listing in which its ids were found, for the drive to learn at once and never later: what was
    sent, or came, meanwhile isn't in it. `found` are those of its files alone.
    """

    listing: list[File] | None = None
    found: list[File] = dataclasses.field(default_factory=list)
    tries: int = 0
    not_before: float = 0.0


class Handovers:
    """Hands batches of `spool` that the service has taken to the drive, through `outbox` and `hooks`.

    What is known of each meanwhile can be had by its id (`of`); it goes with the batch.
    """

    def __init__(self, spool: Spool, client: Poster, hooks: Hooks, options: Options, outbox: Outbox) -> None:
        self._spool = spool
        self._client = client
        self._hooks = hooks
        self._options = options
        self._outbox = outbox
        self.known: dict[int, Handover] = {}

    def of(self, record: BatchRecord) -> Handover:
        """What is known of a batch's handover, from now on at least."""
        return self.known.setdefault(record.id, Handover())

    async def hand_over(self, record: BatchRecord) -> None:
        """Find the ids of what the service has taken, and let the drive have it; also in parts.

        A node that somebody has open for writing stays until it is closed. Errors: Wait, and UploadError where the
        journal can't be written.
        """
        handover = self.of(record)
        try:
            with self._hooks.asking() as asked:
                await self._learn(record, handover)
                await self._give(record, handover, asked)
        finally:
            left = {node.remote_id for node in self._sent(record)}
            known = (*handover.found, *(handover.listing or ()))
            handover.found, handover.listing = [file for file in known if file.id in left], None
            if record.id not in self._spool.batches:
                self.known.pop(record.id, None)

    async def _learn(self, record: BatchRecord, handover: Handover) -> None:
        members = [node for node in self._sent(record) if not node.is_dir]
        unknown = [node for node in members if node.remote_id is None]
        if not unknown:
            return
        task, project = _where(record)
        try:
            listing = await self._client.get_files(
                lane=Lane.UPLOAD, task_id=task, project_id=project if task is None else None
            )
        except api.ApiError as error:
            if read_verdict(error) is not Verdict.REFUSED:
                raise waiting(error) from error
            await self._lost(unknown, str(error))
            return
        handover.listing = listing
        before = record.known if record.kind == "comment" else frozenset()
        known = set(before) | {node.remote_id for node in members if node.remote_id is not None}
        # A shadow may have taken a node's part meanwhile.
        unknown = [node for node in self._sent(record) if not node.is_dir and node.remote_id is None]
        found = match(unknown, await self._ours(record, listing, known, len(unknown)), known)
        await self._outbox.learned(record, {inode: file.id for inode, file in found.items()})
        missing = [node for node in self._sent(record) if not node.is_dir and node.remote_id is None]
        if missing:
            if handover.tries < self._options.listing_tries:
                raise Wait("Worksection doesn't list yet what was just sent")
            if not await self._omitted(record, missing):
                await self._lost(missing, "Worksection doesn't list it")

    async def _omitted(self, record: BatchRecord, missing: list[Spooled]) -> bool:
        """Whether the service took the first files of a post alone, as PHP does above its max_file_uploads.

        Then the others settle again, and later batches are no larger.
        """
        files = [node for node in self._sent(record) if not node.is_dir]
        taken = len(files) - len(missing)
        if not taken or files[taken:] != missing:
            return False
        _log.info("Worksection took only %d of %d files; the others go again", taken, len(files))
        await self._outbox.spare(record, missing, Event.OMITTED)
        await self._spool.limit_posts(taken)
        return True

    async def _ours(
        self, record: BatchRecord, listing: list[File], known: set[int], expected: int
    ) -> list[File]:
        """The part of a listing that may be ours.

        Where a colleague attached something meanwhile, it is asked which files came with our comment: also where there
        are no more new ones than we sent, for the service may have left one of ours out.
        """
        new = [file for file in listing if file.id not in known]
        authors = {
            file.user_from and (file.user_from.id, file.user_from.email)
            for file in listing
            if file.id not in record.known
        }
        if record.kind != "comment" or not record.result or (len(new) <= expected and len(authors) <= 1):
            return listing
        try:
            comments = await self._client.get_comments(record.task, lane=Lane.UPLOAD, extra=("files",))
        except api.ApiError as error:
            if read_verdict(error) is not Verdict.REFUSED:
                raise waiting(error) from error
            return listing
        ours = next((comment for comment in comments if comment.id == record.result), None)
        if ours is None or ours.files is None:
            return listing
        ids = {file.id for file in ours.files}
        return [file for file in listing if file.id in ids]

    async def _lost(self, nodes: list[Spooled], reason: str) -> None:
        """They were sent, but can't be found there: nothing to send again, and nothing to show."""
        _log.warning("Sent, but not found in Worksection: %s: %s", named(nodes), reason)
        await self._outbox.refuse(
            [node for node in nodes if node.state is State.SENT],
            f"it was sent, but can't be found in Worksection ({reason}): look there before anything else",
            uncertain=True,
        )

    async def _give(self, record: BatchRecord, handover: Handover, asked: int) -> None:
        ready = {node.inode: node for node in self._sent(record) if _leaving(node)}
        if not ready:
            return
        await self._spool.lend(ready.values())
        # A program may have begun to write meanwhile: then what was sent is a shadow's, and goes the next time.
        ready = {inode: node for inode, node in ready.items() if _leaving(node)}
        if not ready:
            return
        batch = self._batch(record, list(ready.values()), handover, asked)
        await self._hooks.sent(dataclasses.replace(batch, leaving=lambda inode: _leaving(ready[inode])))
        leaving = [node for node in ready.values() if _leaving(node)]
        await self._outbox.taken(record, leaving, self._hooks.remembered)

    def _sent(self, record: BatchRecord) -> list[Spooled]:
        return [node for node in self._spool.members(record.id) if node.state is State.SENT]

    def _batch(self, record: BatchRecord, ready: list[Spooled], handover: Handover, asked: int) -> SentBatch:
        task, project = _where(record)
        listed = {file.id: file for file in (*handover.found, *(handover.listing or ()))}
        files: dict[int, File] = {}
        paths: dict[int, Path] = {}
        created: dict[int, tuple[Literal["task", "project"], int]] = {}
        for node in ready:
            if not node.is_dir:
                assert node.remote_id is not None
                known = File(id=node.remote_id, name=node.name, size=node.size)
                files[node.inode] = listed.get(node.remote_id, known)
                paths[node.inode] = self._spool.content_path(node)
            elif record.result is not None and record.kind != "comment":
                created[node.inode] = (record.kind, record.result)
        return SentBatch(
            destination=_destination(record),
            project_id=project,
            task_id=task,
            created=created,
            files=files,
            nodes={node.inode: node for node in ready},
            paths=paths,
            all_files=handover.listing,
            asked=asked,
            drop_task=record.drop,
        )


def _leaving(node: Spooled) -> bool:
    """Whether a node that the service has taken can be turned into its attachment now."""
    return node.state is State.SENT and not node.writers and (node.is_dir or node.remote_id is not None)


def _where(record: BatchRecord) -> tuple[int | None, int | None]:
    """The task (None: none) and the project that have a batch's files."""
    if record.kind == "comment":
        return record.task, record.project or None
    if record.kind == "task":
        return record.result, record.project or None
    return None, record.result


def _destination(record: BatchRecord) -> Destination:
    if record.kind == "project":
        return RootDestination()
    if record.drop:
        return ProjectDestination(record.project, record.task or None)
    if record.task:
        return TaskDestination(record.task, record.project)
    return ProjectDestination(record.project)
