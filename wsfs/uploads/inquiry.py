"""Finding out whether a batch of unknown outcome arrived: two looks at the service, and what they tell.

Nothing can be deleted there, so a batch counts as arrived only if one thing alone can be it: a comment, task or
project that wasn't there before the post, with all its files. What is certainly by the batch's author, alone, and under
the names that we gave, is ours; anything else is only if it has the very bytes. Of several with the very bytes the
author's own is.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import trio

from wsfs.api import errors as api
from wsfs.api.models import File, Task, User
from wsfs.api.multipart import sent_name
from wsfs.api.pacing import Lane
from wsfs.uploads.hooks import Poster
from wsfs.uploads.matching import loose, match
from wsfs.uploads.nodes import BatchRecord, Spooled
from wsfs.uploads.options import Options
from wsfs.uploads.spool import Spool

PIECE = 1 << 20
"""Bytes that are hashed in a worker thread at once."""


@dataclasses.dataclass(frozen=True)
class Arrived:
    """The batch is there: the comment, task or project (0: which comment isn't told), its files by inode."""

    result: int
    files: dict[int, File]


class Ambiguous(Exception):  # noqa: N818 - says what was found
    """It may be there, but more than one thing can be it, and the bytes don't tell them apart."""


@dataclasses.dataclass(frozen=True)
class _Candidate:
    """What may be ours: `whole` with all the files, `ours` by our user, `plain` with the names that we gave."""

    id: int
    files: dict[int, File]
    whole: bool
    ours: bool
    plain: bool


class Inquiry:
    """Looks for batches of `spool` through `client`, in the uploads' lane."""

    def __init__(self, spool: Spool, client: Poster, options: Options) -> None:
        self._spool = spool
        self._client = client
        self._options = options

    async def look(self, record: BatchRecord) -> Arrived | None:
        """One look: what became of the batch, or None where it isn't there (yet).

        Errors: Ambiguous; ApiError of the questions. May be cancelled at any time.
        """
        # As they are now: a program may write to them meanwhile, and then what was sent is another node's.
        nodes = [dataclasses.replace(node) for node in self._spool.members(record.id) if not node.is_dir]
        candidates: list[_Candidate] | None
        if record.kind == "comment":
            candidates = await self._comments(record, nodes)
            if candidates is None:
                return await self._alone(record, nodes)
        elif record.kind == "task":
            candidates = await self._tasks(record, nodes)
        else:
            candidates = await self._projects(record, nodes)
        whole = [candidate for candidate in candidates if candidate.whole]
        if len(whole) == 1 and whole[0].plain:
            return Arrived(whole[0].id, whole[0].files)
        for group in (whole, [candidate for candidate in candidates if not candidate.whole]):
            same = [candidate for candidate in group if await self._same(candidate, nodes)]
            if len(same) > 1:
                same = [candidate for candidate in same if candidate.ours]
                if len(same) != 1:
                    raise Ambiguous
            if same:
                return Arrived(same[0].id, same[0].files)
        return None

    # What may be ours

    async def _comments(self, record: BatchRecord, nodes: list[Spooled]) -> list[_Candidate] | None:
        """The new comments that may be ours; None where comments don't tell their files."""
        comments = await self._client.get_comments(record.task, lane=Lane.UPLOAD, extra=("files",))
        if comments and all(comment.files is None for comment in comments):
            return None
        found = []
        for comment in comments:
            files = comment.files or []
            new = not any(file.id in record.known for file in files)
            # With more than our files it is another's; a task may get others' files at any time.
            if files and new and len(match(nodes, files, ())) == len(files):
                found += _candidate(comment.id, nodes, files, ours=_is_ours(record, comment.user_from))
        return found

    async def _alone(self, record: BatchRecord, nodes: list[Spooled]) -> Arrived | None:
        """What became of each file, by the task's listing alone: the new one that has its bytes."""
        listing = await self._client.get_files(lane=Lane.UPLOAD, task_id=record.task)
        new = [file for file in listing if file.id not in record.known]
        found: dict[int, File] = {}
        for node in nodes:
            path = self._spool.content_path(node)
            alike = [file for file in new if file.size == node.size and file not in found.values()]
            same = [file for file in alike if await self._same_bytes(file, path)]
            named = [file for file in same if file.name == sent_name(node.name)]
            if len(named or same) > 1:
                raise Ambiguous
            if same:
                found[node.inode] = (named or same)[0]
        return Arrived(0, found) if found else None

    async def _tasks(self, record: BatchRecord, nodes: list[Spooled]) -> list[_Candidate]:
        title = loose(self._title(record))
        tasks = await self._client.get_tasks(record.project, lane=Lane.UPLOAD, extra=("files", "subtasks"))
        found = []
        for task, parent in _flat(tasks, 0):
            if task.id in record.known or parent != record.task or loose(task.name) != title:
                continue
            files = task.files
            if files is None:
                files = await self._client.get_files(lane=Lane.UPLOAD, task_id=task.id) if nodes else []
            found += _candidate(task.id, nodes, files, ours=_is_ours(record, task.user_from))
        return found

    async def _projects(self, record: BatchRecord, nodes: list[Spooled]) -> list[_Candidate]:
        title = loose(self._title(record))
        found = []
        for project in await self._client.get_projects(lane=Lane.UPLOAD):
            if project.id in record.known or loose(project.name) != title:
                continue
            files = await self._client.get_files(lane=Lane.UPLOAD, project_id=project.id) if nodes else []
            found += _candidate(project.id, nodes, files, ours=_is_ours(record, project.user_from))
        return found

    def _title(self, record: BatchRecord) -> str:
        named = (node.name for node in self._spool.members(record.id) if node.is_dir)
        return next(named, self._options.drop_title)

    # The bytes

    async def _same(self, candidate: _Candidate, nodes: list[Spooled]) -> bool:
        """Whether each file of the candidate has the bytes of ours; what has none needs more than that."""
        if not nodes:
            return True
        for node in nodes:
            file = candidate.files.get(node.inode)
            if file is not None and not await self._same_bytes(file, self._spool.content_path(node)):
                return False
        return True

    async def _same_bytes(self, file: File, path: Path) -> bool:
        ours = await trio.to_thread.run_sync(_digest, path)
        theirs = hashlib.sha256()
        buffer = bytearray()
        try:
            async with self._client.download(file.id, lane=Lane.UPLOAD) as download:
                async for chunk in download.chunks():
                    buffer += chunk
                    if len(buffer) >= PIECE:
                        piece, buffer = buffer, bytearray()
                        await trio.to_thread.run_sync(theirs.update, piece)
        except api.NotFound:
            return False
        await trio.to_thread.run_sync(theirs.update, buffer)
        return theirs.digest() == ours


def _is_ours(record: BatchRecord, user: User | None) -> bool:
    """Whether it certainly is by the batch's author.

    Whoever else it is by, it may be ours all the same: a token's user has its own name put to a comment.
    """
    author = record.author
    return bool(author and user and user.email and user.email.casefold() == author.casefold())


def _candidate(id: int, nodes: list[Spooled], files: Sequence[File], *, ours: bool) -> list[_Candidate]:
    """It as a candidate, if it has some of our files at least (a service may drop some of a post's)."""
    matched = match(nodes, files, ())
    if nodes and not matched:
        return []
    names = {node.inode: sent_name(node.name) for node in nodes}
    plain = ours and all(file.name == names[inode] for inode, file in matched.items())
    return [_Candidate(id, matched, len(matched) == len(nodes), ours, plain)]


def _flat(tasks: Iterable[Task], parent: int) -> Iterator[tuple[Task, int]]:
    """Each task with its parent's id, subtasks too."""
    for task in tasks:
        yield task, task.parent.id if task.parent else parent
        yield from _flat(task.child, task.id)


def _digest(path: Path) -> bytes:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()
