"""What the uploads are at, in plain values, for `wsfs status`, `wsfs uploads` and `.wsfs/uploads.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from wsfs.uploads.batch import Held, chain, root_of
from wsfs.uploads.nodes import Spooled
from wsfs.uploads.noise import is_noise
from wsfs.uploads.spool import Spool
from wsfs.uploads.states import IN_FLIGHT, State
from wsfs.uploads.transfers import Transfers

_HELD_BACK = {State.INTERRUPTED, State.QUARANTINED}


LOOKED_FOR = "the connection was lost while it was sent; whether it arrived is being looked up"


def status_of(
    spool: Spool,
    held: Mapping[int, Held],
    pause: str | None = None,
    *,
    login: bool = False,
    again_in: float | None = None,
    transfers: Transfers | None = None,
) -> dict[str, Any]:
    """A JSON-able account of the spool.

    `state` is "idle", "sending", "waiting", "trying again" or "log in again", `message` why it has to wait, and
    `again_in` the seconds until the next try. `bytes_done` of `bytes` are with the service or on their way there,
    `bytes_left` haven't left, and `speed` is bytes a second. `current` are the files whose bytes are leaving just now.
    `destinations` are the directories of the server that something waits below, by their inode, with the files
    in order of their making: `path` is below that directory, `state` a State, `reason` why it waits, or why it
    never will be sent as it is. Temporary and lock files are only counted, as `local`.
    """
    shown = [
        node
        for group in (spool.nodes, spool.shadows)
        for node in group.values()
        if not node.is_dir and node.state is not State.LOCAL and not is_noise(node.name)
    ]
    directories = [
        node
        for node in spool.nodes.values()
        if node.is_dir and node.state in {State.QUARANTINED, State.SETTLING}
    ]
    counts = Counter(str(node.state) for node in shown)
    transfers = transfers or Transfers()
    gone = {node.inode: _gone(node, transfers) for node in shown}
    destinations: dict[int, dict[str, Any]] = {}
    for node in sorted([*shown, *directories], key=lambda node: node.inode):
        root = root_of(spool.nodes, node)
        place = destinations.setdefault(root, {"inode": root, "files": [], "directories": []})
        place["directories" if node.is_dir else "files"].append(_described(spool, node, held, pause))
        if gone.get(node.inode):
            place["files"][-1]["bytes_done"] = gone[node.inode]
    leaving = {file.content for file in transfers.current()}
    return {
        "state": _overall(counts, pause, login),
        "message": pause or "",
        "again_in": again_in,
        "files": sum(counts.values()),
        "bytes": sum(node.size for node in shown),
        "bytes_done": sum(gone.values()),
        "bytes_left": sum(
            node.size - gone[node.inode] for node in shown if node.state in {State.SETTLING, State.SENDING}
        ),
        "speed": round(transfers.speed()),
        "current": [
            {
                "inode": node.inode,
                "path": _path(spool, node),
                "root": root_of(spool.nodes, node),
                "size": node.size,
                "bytes_done": gone[node.inode],
            }
            for node in shown
            if node.content in leaving
        ],
        "counts": dict(counts),
        "attention": sum(node.state in _HELD_BACK for node in [*shown, *directories]),
        "local": sum(not node.is_dir for node in spool.nodes.values()) - sum(not n.shadow for n in shown),
        "destinations": list(destinations.values()),
    }


def _gone(node: Spooled, transfers: Transfers) -> int:
    """How many of its bytes have left, for all that is known."""
    return node.size if node.state is State.SENT else min(node.size, transfers.done(node))


def _path(spool: Spool, node: Spooled) -> str:
    return "/".join([*(directory.name for directory in chain(spool.nodes, node)), node.name])


def _described(spool: Spool, node: Spooled, held: Mapping[int, Held], pause: str | None) -> dict[str, Any]:
    hold = held.get(node.inode)
    reason = node.error or (hold.reason if hold else "")
    if not reason and node.state is State.UNKNOWN:
        reason = LOOKED_FOR
    if not reason and node.state is State.SETTLING and not node.is_dir:
        reason = pause or ""
    return {
        "inode": node.inode,
        "name": node.name,
        "path": _path(spool, node),
        "parent": node.parent,
        "size": node.size,
        "state": str(node.state),
        "reason": reason,
        "held": bool(hold and hold.firm),
        "uncertain": node.uncertain,
        "old_version": node.shadow,
        "content": node.content,
        "mtime_ns": node.mtime_ns,
        "mode": node.mode,
    }


def _overall(counts: Counter[str], pause: str | None, login: bool) -> str:
    if login:
        return "log in again"
    if pause is not None:
        return "trying again"
    if any(counts[state] for state in IN_FLIGHT):
        return "sending"
    return "waiting" if counts[State.SETTLING] or counts[State.OPEN] else "idle"
