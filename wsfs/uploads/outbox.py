"""The steps of a batch through the journal: claimed, posted, its ids learned, its nodes gone.

Each step changes the nodes in memory first, without waiting, and returns when that is on disk.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Literal

import trio

from wsfs.uploads import journal as rows
from wsfs.uploads.nodes import BatchRecord, Spooled
from wsfs.uploads.spool import Spool
from wsfs.uploads.states import Event, State, after


class Outbox:
    """What the sender does to the nodes of `spool`; `changed` is told of each node that changed."""

    def __init__(self, spool: Spool, changed: Callable[[int], None]) -> None:
        self._spool = spool
        self._changed = changed

    async def claim(
        self,
        nodes: Iterable[Spooled],
        *,
        kind: Literal["comment", "task", "project"],
        project: int,
        task: int,
        directory: int | None = None,
        drop: bool = False,
        known: frozenset[int] = frozenset(),
        author: str | None = None,
    ) -> BatchRecord:
        """Take settled nodes for a batch; when this returns, a start will know that it may have been sent.

        Errors: NoSpace, SpoolBroken; then the nodes are settling as before.
        """
        self._spool.last_batch += 1
        record = BatchRecord(
            id=self._spool.last_batch,
            kind=kind,
            project=project,
            task=task,
            directory=directory,
            drop=drop,
            known=known,
            author=author,
        )
        self._spool.batches[record.id] = record
        for node in nodes:
            node.state = after(node.state, Event.CLAIMED)
            node.batch, node.error = record.id, None
        members = self._spool.members(record.id)
        try:
            await self._spool.journal.commit(rows.put_batch(record), *map(rows.put_node, members))
        except BaseException:
            with trio.CancelScope(shield=True):
                await self.give_back(record)
            raise
        self._tell(members)
        return record

    async def give_back(self, record: BatchRecord) -> None:
        """The batch was certainly not sent, and can be sent again: its nodes settle on."""
        await self.spare(record, self._spool.members(record.id))

    async def spare(
        self, record: BatchRecord, nodes: Iterable[Spooled], event: Event = Event.NOT_SENT
    ) -> None:
        """As `give_back`, for some of the batch's nodes."""
        spared = list(nodes)
        operations = []
        for node in spared:
            if node.shadow:
                # A newer version has its name, and will be sent in its stead.
                node.state = after(node.state, Event.SUPERSEDED)
                del self._spool.shadows[node.inode]
            else:
                node.state = after(node.state, event)
                node.batch = None
            operations.append(rows.put_node(node))
        if not self._spool.members(record.id):
            self._spool.batches.pop(record.id, None)
            operations.append(rows.delete_batch(record.id))
        await self._spool.journal.commit(*operations)
        await self._clean(spared)
        self._tell(spared)

    async def refuse(self, nodes: Iterable[Spooled], sentence: str, *, uncertain: bool = False) -> None:
        """These are not to be sent again: they are quarantined, with a sentence for a person.

        `uncertain` says that the service may have them.
        """
        refused = list(nodes)
        for node in refused:
            node.state = after(node.state, Event.UNDECIDED if uncertain else Event.REFUSED)
            node.error, node.uncertain, node.forced = sentence, uncertain, False
        await self._spool.journal.commit(*map(rows.put_node, refused))
        self._tell(refused)

    async def doubt(self, record: BatchRecord) -> None:
        """Nobody knows whether the service has the batch: it has to be found out before anything else."""
        members = self._spool.members(record.id)
        for node in members:
            node.state = after(node.state, Event.UNCERTAIN)
        await self._spool.journal.commit(*map(rows.put_node, members))
        self._tell(members)

    async def posted(self, record: BatchRecord, result: int) -> BatchRecord:
        """The service has taken the batch and made the comment, task or project `result` of it."""
        record = dataclasses.replace(record, result=result)
        self._spool.batches[record.id] = record
        members = self._spool.members(record.id)
        for node in members:
            node.state = after(node.state, Event.POSTED)
        await self._spool.journal.commit(rows.put_batch(record), *map(rows.put_node, members))
        self._tell(members)
        return record

    async def learned(self, record: BatchRecord, ids: Mapping[int, int]) -> None:
        """The attachments that became of the batch's files, by inode."""
        members = [node for node in self._spool.members(record.id) if node.inode in ids]
        for node in members:
            node.remote_id = ids[node.inode]
        await self._spool.journal.commit(*map(rows.put_node, members))

    async def taken(
        self, record: BatchRecord, nodes: Iterable[Spooled], remembered: Callable[[], Awaitable[None]]
    ) -> None:
        """The drive shows what became of these: they leave the spool at once, their rows and contents once the
        drive has that on the disk (`remembered`). A crash before that hands them over once more.
        """
        gone = list(nodes)
        operations = []
        now = self._spool.clock()
        for node in gone:
            self._spool.leave(node)
            self._spool.going(node.inode)
            operations.append(rows.put_node(node))
            if not node.is_dir:
                self._spool.recent[node.parent, node.name] = now
                operations.append(rows.put_recent(node.parent, node.name, now))
        if not self._spool.members(record.id):
            self._spool.batches.pop(record.id, None)
            operations.append(rows.delete_batch(record.id))
        try:
            await remembered()
            await self._spool.journal.commit(*operations)
            await self._clean(gone)
        finally:
            for node in gone:
                self._spool.gone(node.inode)

    async def _clean(self, nodes: Iterable[Spooled]) -> None:
        """Remove the contents and rows of what is dropped."""
        for node in nodes:
            if node.state is State.DROPPED:
                await self._spool.discard_content(node)

    def _tell(self, nodes: Iterable[Spooled]) -> None:
        for node in nodes:
            if not node.shadow:
                self._changed(node.inode)
