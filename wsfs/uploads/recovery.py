"""What a start makes of the journal that a stop or a crash left."""

from __future__ import annotations

import logging

from wsfs.uploads import journal as rows
from wsfs.uploads.contents import Contents
from wsfs.uploads.journal import Operation, Stored
from wsfs.uploads.nodes import Spooled
from wsfs.uploads.noise import is_noise
from wsfs.uploads.states import IN_FLIGHT, Event, State, after
from wsfs.uploads.verdict import orphaned_sentence

_log = logging.getLogger(__name__)

INTERRUPTED = "it was still being written when wsfs or the computer stopped"
MISSING = "its content is missing from the upload spool"


def recover(found: Stored, contents: Contents, known_before: bool) -> list[Operation]:
    """Resolve each node in place; returns what the journal must be told. Blocks on the disk.

    Content files that belong to no row are removed where they are empty or a copy that was never used; any
    other is put aside with a warning. One that the journal has a content of is the beginning of a move into a file.
    """
    operations: list[Operation] = []
    batches = {batch.id for batch in found.batches}
    for node in found.nodes:
        if node.state is State.DROPPED:
            if node.content:
                contents.remove(node.content)
            operations += [rows.delete_node(node.inode), *contents.drop(node.content)]
            continue
        changed = _resolve(node, contents)
        if node.state in IN_FLIGHT and node.batch not in batches:
            _orphan(node)
            changed = True
        if changed:
            operations.append(rows.put_node(node))
    used = {node.batch for node in found.nodes if node.batch is not None}
    operations += [rows.delete_batch(batch.id) for batch in found.batches if batch.id not in used]
    known = {node.content for node in found.nodes if node.state is not State.DROPPED}
    for name in [name for name in contents.kept if name not in known]:
        operations += contents.drop(name)
    for name, size in contents.strangers(known):
        # An empty one holds nothing, also where the very first run was killed before its first row.
        if size == 0 or name in contents.kept or (known_before and "." in name):
            contents.remove(name)
        else:
            aside = contents.put_aside(name)
            _log.warning(
                "The upload journal knows nothing of a file of %d bytes; it was put aside: %s", size, aside
            )
    return operations


def _resolve(node: Spooled, contents: Contents) -> bool:
    """Bring one node to a state that a running spool can go on from; whether it changed."""
    if node.state is State.SENDING:
        node.state = after(node.state, Event.UNCERTAIN)
        node.version, node.safe_version = 1, 1
        return True
    if node.is_dir or node.state in {State.SENT, State.UNKNOWN}:
        # Its content can't have changed: who writes to it gets a copy.
        node.version, node.safe_version = 1, 1
        return False
    stamp = contents.stamp(node.content)
    if stamp is None:
        if node.size and (node.closed or node.state is not State.OPEN):
            return _interrupt(node, MISSING)
        # Nothing of it was ever made safe.
        stamp = 0, 0
    same = stamp == (node.content_stamp, node.size)
    node.content_stamp, node.size = stamp
    node.version, node.safe_version = 1, 1
    if node.state is State.INTERRUPTED:
        return not same
    if node.state is State.OPEN and node.closed and same:
        event = Event.CLOSED_LOCAL if is_noise(node.name) else Event.CLOSED
        node.state = after(node.state, event)
        return True
    if node.state is State.OPEN or not same:
        return _interrupt(node, INTERRUPTED)
    return False


def _orphan(node: Spooled) -> None:
    """Nobody would look for it, nor send it again: a person has to."""
    node.state = after(node.state, Event.UNDECIDED)
    node.error, node.uncertain, node.batch = orphaned_sentence(), True, None
    _log.warning("The upload journal doesn't tell any more what %s was sent with", node.name)


def _interrupt(node: Spooled, sentence: str) -> bool:
    if node.state is State.INTERRUPTED and node.error == sentence:
        return False
    if node.state is not State.INTERRUPTED:
        node.state = after(node.state, Event.FELL)
    node.error = sentence
    node.closed = node.uncertain = False
    return True
