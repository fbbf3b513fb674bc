"""One batch on its way: prepared, claimed, posted, its files found again, handed to the drive.

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
from wsfs.api.models import File
from wsfs.api.pacing import Lane
from wsfs.uploads.batch import Planned
from wsfs.uploads.errors import UploadError
from wsfs.uploads.hooks import (
    Destination,
    Hooks,
    Poster,
    ProjectDestination,
    RootDestination,
    SentBatch,
    TaskDestination,
)
from wsfs.uploads.inquiry import Ambiguous, Inquiry
from wsfs.uploads.matching import match
from wsfs.uploads.nodes import BatchRecord, Spooled
from wsfs.uploads.options import Options
from wsfs.uploads.outbox import Outbox
from wsfs.uploads.spool import Spool
from wsfs.uploads.states import Event, State
from wsfs.uploads.transfers import Transfers
from wsfs.uploads.verdict import Verdict, post_verdict, read_verdict, refused_sentence, uncertain_sentence

_log = logging.getLogger(__name__)

LOOKS = 2
"""How often it is looked for a batch that may have arrived before it goes again."""


class Wait(Exception):  # noqa: N818 - says what to do
    """The batch has to be tried again later, for the reason that str() gives.

    `everything` says that the others had better wait too, `login` that somebody has to log in first, `offline`
    that the service could not be reached at all.
    """

    def __init__(
        self, reason: str, *, everything: bool = False, login: bool = False, offline: bool = False
    ) -> None:
        super().__init__(reason)
        self.everything = everything or login
        self.login = login
        self.offline = offline


@dataclasses.dataclass
class Handover:
    """A batch that the service has taken, on its way to the drive; what only this run knows of it."""

    listing: list[File] | None = None
    found: list[File] = dataclasses.field(default_factory=list)
    tries: int = 0
    not_before: float = 0.0


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
        self.handovers: dict[int, Handover] = {}
        self.searches: dict[int, Search] = {}
        self.transfers = Transfers()
        self._inquiry = Inquiry(spool, client, options)

    async def deliver(self, planned: Planned) -> bool:
        """Send what was planned, and whether the service has taken it; `hand_over` is the rest.

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
            raise _waiting(error) from error
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
                raise _waiting(error) from error
            if (fresh := self._replan(planned)) is not None:
                nodes = [self._spool.nodes[inode] for inode in fresh.files]
                _log.warning("Worksection doesn't take %s: %s", _named(nodes), error)
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
            raise _waiting(error) from error
        if verdict is Verdict.UNKNOWN:
            _log.info("Looking whether %s arrived: %s", _named(members), error)
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
            _log.warning("Worksection doesn't take %s: %s", _named(refused), error)
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
                raise _waiting(error) from error
            await self._undecided(record, str(error))
        except OSError as error:
            await self._undecided(record, f"its content can't be read ({error.strerror})")
        else:
            search.looks += 1
            search.tries = 0
            if arrived is not None:
                record = await self._outbox.posted(record, arrived.result)
                self.handovers.setdefault(record.id, Handover()).found = list(arrived.files.values())
                await self._outbox.learned(record, {inode: file.id for inode, file in arrived.files.items()})
            elif search.looks < LOOKS:
                search.due = trio.current_time() + self._options.look_again
                return
            else:
                _log.info("%s did not arrive, and goes again", _named(self._spool.members(record.id)))
                await self._outbox.give_back(record)
        self.searches.pop(record.id, None)

    async def _undecided(self, record: BatchRecord, reason: str) -> None:
        members = self._spool.members(record.id)
        _log.warning("Nobody knows whether %s arrived: %s", _named(members), reason)
        await self._outbox.refuse(members, uncertain_sentence(record, reason), uncertain=True)

    # Afterwards

    async def hand_over(self, record: BatchRecord) -> None:
        """Find the ids of what the service has taken, and let the drive have it; also in parts.

        A node that somebody has open for writing stays until it is closed. Errors: as `deliver`.
        """
        handover = self.handovers.setdefault(record.id, Handover())
        try:
            await self._learn(record, handover)
            await self._give(record, handover)
        finally:
            if record.id not in self._spool.batches:
                self.handovers.pop(record.id, None)

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
                raise _waiting(error) from error
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
                raise _waiting(error) from error
            return listing
        ours = next((comment for comment in comments if comment.id == record.result), None)
        if ours is None or ours.files is None:
            return listing
        ids = {file.id for file in ours.files}
        return [file for file in listing if file.id in ids]

    async def _lost(self, nodes: list[Spooled], reason: str) -> None:
        """They were sent, but can't be found there: nothing to send again, and nothing to show."""
        _log.warning("Sent, but not found in Worksection: %s: %s", _named(nodes), reason)
        await self._outbox.refuse(
            [node for node in nodes if node.state is State.SENT],
            f"it was sent, but can't be found in Worksection ({reason}): look there before anything else",
            uncertain=True,
        )

    async def _give(self, record: BatchRecord, handover: Handover) -> None:
        ready = {node.inode: node for node in self._sent(record) if _leaving(node)}
        if not ready:
            return
        batch = self._batch(record, list(ready.values()), handover)
        await self._hooks.sent(dataclasses.replace(batch, leaving=lambda inode: _leaving(ready[inode])))
        leaving = [node for node in ready.values() if _leaving(node)]
        await self._outbox.taken(record, leaving, self._hooks.remembered)

    def _sent(self, record: BatchRecord) -> list[Spooled]:
        return [node for node in self._spool.members(record.id) if node.state is State.SENT]

    def _batch(self, record: BatchRecord, ready: list[Spooled], handover: Handover) -> SentBatch:
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
            drop_task=record.drop,
        )


class _Replan(Exception):  # noqa: N818 - says what happened
    """What was planned can't be done so: look at the plan again."""


def _leaving(node: Spooled) -> bool:
    """Whether a node that the service has taken can be turned into its attachment now."""
    return node.state is State.SENT and not node.writers and (node.is_dir or node.remote_id is not None)


def _waiting(error: api.ApiError) -> Wait:
    login = isinstance(error, api.LoginRefused)
    return Wait(
        f"{error}: log in again" if login else str(error),
        # An error of the server's own may well concern this one request alone.
        everything=not isinstance(error, (api.ServerFailed, api.BadAnswer)),
        login=login,
        offline=isinstance(error, api.Unreachable),
    )


def _named(nodes: list[Spooled]) -> str:
    names = [node.name for node in nodes]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


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
