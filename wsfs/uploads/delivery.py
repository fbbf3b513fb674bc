"""One batch on its way: prepared, claimed, posted, and looked for where nobody knows whether it arrived.

Which attachments the task has already is known before the post, so that its new ones can be told afterwards.
Only an answer that says so makes a batch sent, and only a failure that certainly did nothing lets it go again;
of whatever lies between it is found out first, by two looks at the service, whether it arrived.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Literal

import trio

from wsfs.api import errors as api
from wsfs.api.client import Attachment
from wsfs.api.pacing import Lane
from wsfs.uploads.batch import Planned
from wsfs.uploads.errors import UploadError
from wsfs.uploads.handover import Handovers
from wsfs.uploads.hooks import (
    Hooks,
    Poster,
    ProjectDestination,
    TaskDestination,
)
from wsfs.uploads.inquiry import Ambiguous, Inquiry
from wsfs.uploads.nodes import BatchRecord, Spooled
from wsfs.uploads.options import Options
from wsfs.uploads.outbox import Outbox
from wsfs.uploads.spool import Spool
from wsfs.uploads.transfers import Transfers
from wsfs.uploads.verdict import (
    Verdict,
    Wait,
    named,
    post_verdict,
    read_verdict,
    refused_sentence,
    uncertain_sentence,
    waiting,
)

_log = logging.getLogger(__name__)

LOOKS = 2
"""How often it is looked for a batch that may have arrived before it goes again."""


@dataclasses.dataclass
class Search:
    """A batch that may have arrived; after a start its looks begin anew.

    `due` is when the second look is, `not_before` when one that failed is tried again.
    """

    looks: int = 0
    due: float = 0.0
    tries: int = 0
    not_before: float = 0.0


class Delivery:
    """Delivers batches of `spool`; `replan` gives a batch as it is by now, or None where it is no longer due."""

    def __init__(
        self,
        spool: Spool,
        client: Poster,
        hooks: Hooks,
        options: Options,
        replan: Callable[[Planned], Planned | None],
    ) -> None:
        self._spool = spool
        self._client = client
        self._hooks = hooks
        self._options = options
        self._replan = replan
        self._outbox = Outbox(spool, hooks.changed)
        self._dead_drops: set[int] = set()
        self.alone: set[int] = set()
        self.handovers = Handovers(spool, client, hooks, options, self._outbox)
        self.searches: dict[int, Search] = {}
        self.transfers = Transfers()
        self._inquiry = Inquiry(spool, client, options)

    async def deliver(self, planned: Planned) -> bool:
        """Send what was planned, and whether the service has taken it; `handovers` do the rest.

        Errors: Wait, and UploadError where the journal can't be written. Cancelled, a post that is under way
        gets `Options.grace` to end well; what is still under way then, a start will look for.
        """
        if isinstance(planned.destination, ProjectDestination) and planned.kind == "comment":
            drop = await self._drop_task(planned.destination)
        else:
            drop = None
        try:
            known = await self._known(planned, drop)
        except _Replan:
            return False
        fresh = self._replan(planned)
        if fresh is None:
            return False
        record = await self._claim(fresh, drop, known)
        await self._shielded(lambda: self._post(record))
        taken = self._spool.batches.get(record.id)
        return taken is not None and taken.result is not None

    # Before

    async def _drop_task(self, destination: ProjectDestination) -> int | None:
        drop = destination.drop_task_id
        if drop is not None and drop not in self._dead_drops:
            return drop
        try:
            drop = await self._hooks.find_drop_task(destination.project_id, self._options.drop_title)
        except api.ApiError as error:
            raise waiting(error) from error
        return None if drop in self._dead_drops else drop

    async def _known(self, planned: Planned, drop: int | None) -> frozenset[int]:
        """The attachments that the task has before the comment."""
        task = planned.destination.task_id if isinstance(planned.destination, TaskDestination) else drop
        if planned.kind != "comment" or task is None:
            return frozenset()
        known = self._hooks.known_files(task)
        if known is not None:
            return known
        try:
            files = await self._client.get_files(lane=Lane.UPLOAD, task_id=task)
        except api.ApiError as error:
            if drop is not None and isinstance(error, (api.NotFound, api.TaskClosed)):
                self._dead_drops.add(drop)
                raise _Replan from error
            if read_verdict(error) is not Verdict.REFUSED:
                raise waiting(error) from error
            if (fresh := self._replan(planned)) is not None:
                nodes = [self._spool.nodes[inode] for inode in fresh.files]
                _log.warning("Worksection doesn't take %s: %s", named(nodes), error)
                await self._outbox.refuse(nodes, refused_sentence(error))
            raise _Replan from error
        return frozenset(file.id for file in files)

    async def _claim(self, planned: Planned, drop: int | None, known: frozenset[int]) -> BatchRecord:
        destination = planned.destination
        kind: Literal["comment", "task", "project"] = planned.kind
        project = task = 0
        into_drop = False
        if isinstance(destination, TaskDestination):
            project, task = destination.project_id, destination.task_id
        elif isinstance(destination, ProjectDestination):
            project = destination.project_id
            into_drop = planned.kind == "comment"
            if into_drop and drop is None:
                kind = "task"
            elif into_drop:
                assert drop is not None
                task = drop
        if kind != "comment":
            known = self._hooks.known_children(project, task)
        inodes = (*planned.files, *(() if planned.directory is None else (planned.directory,)))
        return await self._outbox.claim(
            [self._spool.nodes[inode] for inode in inodes],
            kind=kind,
            project=project,
            task=task,
            directory=planned.directory,
            drop=into_drop,
            known=known,
            author=planned.author,
        )

    # The post

    async def _post(self, record: BatchRecord) -> None:
        """Post it and write down what came of it."""
        try:
            paths = await self._spool.lend(self._spool.members(record.id))
        except UploadError as error:
            await self._outbox.give_back(record)
            raise Wait(str(error)) from error
        try:
            try:
                result = await self._request(record, self._spool.members(record.id), paths)
            finally:
                self.transfers.end(record.id)
        except api.ApiError as error:
            await self._failed(record, error)
            return
        except Exception as error:  # noqa: BLE001 - goes to the log, and is looked into
            # A mistake of the program, at a moment that nobody knows: it may have arrived.
            _log.exception("An upload failed in a way that was not foreseen")
            await self._failed(record, api.OutcomeUnknown(api.BadAnswer(type(error).__name__)))
            return
        try:
            await self._outbox.posted(record, result)
        except UploadError as error:
            # It is done, whatever the journal says; should wsfs stop now, a start will look for it.
            _log.warning("What was sent could not be written down: %s", error)

    async def _request(self, record: BatchRecord, members: list[Spooled], paths: Mapping[str, Path]) -> int:
        files = [node for node in members if not node.is_dir]
        attachments = [
            Attachment(node.name, paths[node.content], node.size, taken)
            for node, taken in zip(files, self.transfers.begin(record.id, files), strict=True)
        ]
        author, hidden = record.author, self._options.hidden
        if record.kind == "comment":
            comment = await self._client.post_comment(
                record.task,
                lane=Lane.UPLOAD,
                text=self._options.comment_text([node.name for node in files]),
                attachments=attachments,
                email_user_from=author,
                hidden=hidden,
            )
            return comment.id
        title = next((node.name for node in members if node.is_dir), self._options.drop_title)
        made: int
        if record.kind == "task":
            task = await self._client.post_task(
                record.project,
                lane=Lane.UPLOAD,
                title=title,
                attachments=attachments,
                id_parent=record.task or None,
                email_user_from=author,
                hidden=hidden,
            )
            made = task.id
        else:
            project = await self._client.post_project(
                lane=Lane.UPLOAD,
                title=title,
                attachments=attachments,
                email_user_from=author,
                hidden=hidden,
            )
            made = project.id
        if not made:
            raise api.OutcomeUnknown(api.BadAnswer("it doesn't name what it made"))
        return made

    async def _failed(self, record: BatchRecord, error: api.ApiError) -> None:
        members = self._spool.members(record.id)
        files = [node for node in members if not node.is_dir]
        verdict = post_verdict(error)
        if verdict in {Verdict.AGAIN, Verdict.LOGIN}:
            await self._outbox.give_back(record)
            raise waiting(error) from error
        if verdict is Verdict.UNKNOWN:
            _log.info("Looking whether %s arrived: %s", named(members), error)
            await self._outbox.doubt(record)
        elif record.drop and record.kind == "comment" and isinstance(error, (api.NotFound, api.TaskClosed)):
            # Somebody closed or deleted the project's drop task: another takes its place.
            self._dead_drops.add(record.task)
            await self._outbox.give_back(record)
        elif isinstance(error, api.TooLarge) and len(files) > 1:
            # One of them is too large for the others too: find out which.
            self.alone |= {node.inode for node in files}
            await self._outbox.give_back(record)
        else:
            spared = [node for node in members if node.is_dir and files and isinstance(error, api.TooLarge)]
            refused = [node for node in members if node not in spared]
            _log.warning("Worksection doesn't take %s: %s", named(refused), error)
            await self._outbox.refuse(refused, refused_sentence(error, record.author))
            if spared:
                await self._outbox.spare(record, spared)

    async def _shielded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it to its end even if cancelled, for `Options.grace` more seconds."""
        failures: list[Exception] = []
        shield = trio.CancelScope(shield=True)

        async def watch() -> None:
            try:
                await trio.sleep_forever()
            finally:
                shield.deadline = trio.current_time() + self._options.grace

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            with shield:
                try:
                    await work()
                except Exception as error:  # noqa: BLE001 - raised below, outside of the nursery's group
                    failures.append(error)
            nursery.cancel_scope.cancel()
        for failure in failures:
            raise failure

    # Where nobody knows

    async def search(self, record: BatchRecord) -> None:
        """Look once whether the batch arrived: it is sent then, or settles again after the second look.

        Errors: Wait, where it couldn't be looked; UploadError. `Search.due` says when to come again.
        """
        search = self.searches.setdefault(record.id, Search())
        try:
            arrived = await self._inquiry.look(record)
        except Ambiguous:
            await self._undecided(record, "more than one thing in Worksection may be what was sent")
        except api.ApiError as error:
            if read_verdict(error) is not Verdict.REFUSED:
                raise waiting(error) from error
            await self._undecided(record, str(error))
        except OSError as error:
            await self._undecided(record, f"its content can't be read ({error.strerror})")
        else:
            search.looks += 1
            search.tries = 0
            if arrived is not None:
                record = await self._outbox.posted(record, arrived.result)
                self.handovers.of(record).found = list(arrived.files.values())
                await self._outbox.learned(record, {inode: file.id for inode, file in arrived.files.items()})
            elif search.looks < LOOKS:
                search.due = trio.current_time() + self._options.look_again
                return
            else:
                _log.info("%s did not arrive, and goes again", named(self._spool.members(record.id)))
                await self._outbox.give_back(record)
        self.searches.pop(record.id, None)

    async def _undecided(self, record: BatchRecord, reason: str) -> None:
        members = self._spool.members(record.id)
        _log.warning("Nobody knows whether %s arrived: %s", named(members), reason)
        await self._outbox.refuse(members, uncertain_sentence(record, reason), uncertain=True)


class _Replan(Exception):  # noqa: N818 - says what happened
    """What was planned can't be done so: look at the plan again."""
