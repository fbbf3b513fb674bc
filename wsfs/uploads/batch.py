"""What is to be sent now, what waits, and why: a pure function of what the spool holds.

Whatever lies below one directory of the server (the batch's root) settles together, so that a copy of files
and directories is judged when it is done. Nothing can be deleted on the service, so in doubt a file waits:
while an editor's lock is beside it, while it is empty, while its directory has the name that a file manager
gave it, while it is open for writing, and while more new tasks than a person makes by hand would come of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Literal

from wsfs.uploads.hooks import Destination, RootDestination
from wsfs.uploads.nodes import Spooled
from wsfs.uploads.noise import is_lock, is_noise, is_placeholder_directory, is_temporary, lock_matcher
from wsfs.uploads.options import Options
from wsfs.uploads.states import State

GONE = (
    "its directory isn't in Worksection any more, or this login can't see it: move it to another task, or copy it "
    "out with `wsfs uploads save DIR`"
)

LOOK_AGAIN = 10.0
"""Seconds until a directory that isn't known, as at a start without a network, is asked for again."""


@dataclasses.dataclass(frozen=True)
class Planned:
    """One request that is to be made: a comment on `destination`, or a new task or project of `directory`.

    All of it is by `author`, an email (None: by the login's own user).
    """

    kind: Literal["comment", "task", "project"]
    root: int
    destination: Destination
    files: tuple[int, ...]
    directory: int | None = None
    author: str | None = None

    def same_place(self, other: Planned) -> bool:
        """Whether both would make the same thing, of whatever files."""
        return (self.root, self.kind, self.directory, self.author) == (
            *(other.root, other.kind, other.directory, other.author),
        )


@dataclasses.dataclass(frozen=True)
class Held:
    """Why a node waits. `firm`: not time but somebody has to do something, and a flush can't override it.

    `flood`: it would be one of more new tasks than a person makes by hand.
    """

    reason: str
    firm: bool = False
    flood: bool = False


SETTLES = Held("it settles")
COPYING = Held("other files are being copied beside it")


@dataclasses.dataclass(frozen=True)
class Settling:
    """Files that go by themselves once nothing has happened beside them until `due`, unless `active`: something
    is still being written there. Without those that are saved over what was uploaded a short while ago.
    """

    files: tuple[int, ...]
    due: float
    active: bool


@dataclasses.dataclass
class Plan:
    """The requests that can be made now, in order, why the rest waits, and when to look again.

    `roots` are the directories of the server that anything lies below, `settling` what settles below which.
    """

    batches: list[Planned] = dataclasses.field(default_factory=list)
    held: dict[int, Held] = dataclasses.field(default_factory=dict)
    wake: float | None = None
    roots: set[int] = dataclasses.field(default_factory=set)
    settling: dict[int, Settling] = dataclasses.field(default_factory=dict)

    def wake_at(self, moment: float, now: float) -> None:
        """Look again at that moment, where it is yet to come and no earlier one is planned."""
        if moment > now and (self.wake is None or moment < self.wake):
            self.wake = moment


@dataclasses.dataclass(frozen=True)
class Circumstances:
    """What the plan depends on besides the nodes; `now` is the monotonic clock.

    `made` counts the tasks that were lately made below a root; `resting` are roots that wait until a moment,
    and why; `alone` are files that go in a request of their own.
    """

    now: float
    destination: Callable[[int], Destination | None]
    sent_lately: Callable[[int, str], bool]
    made: Mapping[int, int] = dataclasses.field(default_factory=dict)
    resting: Mapping[int, tuple[float, str]] = dataclasses.field(default_factory=dict)
    alone: Set[int] = frozenset()


@dataclasses.dataclass
class _Group:
    """All that is spooled below one directory of the server."""

    root: int
    active: bool = False
    last_change: float = float("-inf")
    waiting: list[tuple[Spooled, tuple[Spooled, ...]]] = dataclasses.field(default_factory=list)
    new_tasks: set[int] = dataclasses.field(default_factory=set)


def plan(nodes: Mapping[int, Spooled], options: Options, around: Circumstances) -> Plan:
    """Judge every node of `nodes` (by inode), as Plan tells. Changes nothing."""
    result = Plan()
    beside = _Beside(nodes.values(), options, around.now)
    for group in _groups(nodes).values():
        result.roots.add(group.root)
        _plan_group(group, beside, options, around, result)
    return result


def chain(nodes: Mapping[int, Spooled], node: Spooled) -> tuple[Spooled, ...]:
    """The spooled directories above a node, the topmost first."""
    above: list[Spooled] = []
    parent = nodes.get(node.parent)
    while parent is not None:
        above.append(parent)
        parent = nodes.get(parent.parent)
    return tuple(reversed(above))


def root_of(nodes: Mapping[int, Spooled], node: Spooled) -> int:
    """The directory of the server that a node lies below."""
    above = chain(nodes, node)
    return above[0].parent if above else node.parent


class _Beside:
    """The locks and temporary files of each directory."""

    def __init__(self, nodes: Iterable[Spooled], options: Options, now: float) -> None:
        self._locks: dict[int, list[tuple[float, Callable[[str], bool]]]] = {}
        self._temporary: set[int] = set()
        for node in nodes:
            if node.is_dir:
                continue
            if is_temporary(node.name):
                self._temporary.add(node.parent)
            until = node.born + options.lock_most
            if until > now and (matcher := lock_matcher(node.name)) is not None:
                self._locks.setdefault(node.parent, []).append((until, matcher))

    def locked_until(self, node: Spooled) -> float | None:
        """When the last lock for this file has no longer any weight; None where there is none."""
        locks = self._locks.get(node.parent)
        if locks is None:
            return None
        return max((until for until, holds in locks if holds(node.name)), default=None)

    def temporary(self, node: Spooled) -> bool:
        """Whether a temporary file lives in the same directory."""
        return node.parent in self._temporary


def _groups(nodes: Mapping[int, Spooled]) -> dict[int, _Group]:
    groups: dict[int, _Group] = {}
    places: dict[int, tuple[tuple[Spooled, ...], _Group]] = {}
    for node in nodes.values():
        place = places.get(node.parent)
        if place is None:
            above = chain(nodes, node)
            root = above[0].parent if above else node.parent
            place = places[node.parent] = above, groups.setdefault(root, _Group(root))
        above, group = place
        state = node.state
        if node.is_dir:
            if state is State.SETTLING:
                group.last_change = max(group.last_change, node.quiet_since)
            continue
        if state is State.OPEN:
            group.active = group.active or not is_lock(node.name)
        elif state is State.SETTLING or state is State.LOCAL:
            if node.quiet_since > group.last_change and not is_lock(node.name):
                group.last_change = node.quiet_since
        else:
            continue
        if state is not State.LOCAL and not is_noise(node.name):
            if state is State.SETTLING:
                group.waiting.append((node, above))
            if above:
                group.new_tasks.update(_unreleased(above))
    return groups


def _unreleased(above: tuple[Spooled, ...]) -> Iterator[int]:
    """The directories of a chain that would be new tasks and that nobody has let go."""
    for directory in above:
        if directory.released:
            return
        if directory.state is State.SETTLING:
            yield directory.inode


def _plan_group(
    group: _Group, beside: _Beside, options: Options, around: Circumstances, result: Plan
) -> None:
    now = around.now
    destination = around.destination(group.root)
    if destination is None and group.waiting:
        result.wake_at(now + LOOK_AGAIN, now)
    flood = len(group.new_tasks) + around.made.get(group.root, 0) > options.hold_tasks
    due: list[tuple[Spooled, tuple[Spooled, ...]]] = []
    soon: list[Spooled] = []
    places: dict[int, tuple[Held | None, Held | None]] = {}
    for node, above in group.waiting:
        if node.parent not in places:
            place = _place_holds(above, destination) or _author_holds(above, options)
            places[node.parent] = place, _flood_holds(above, options) if flood else None
        place, flooded = places[node.parent]
        held = (
            place
            or _author_holds((node,), options)
            or flooded
            or _file_holds(node, beside, options, around, result)
        )
        if held is None:
            due.append((node, above))
        else:
            result.held[node.inode] = held
            if held is SETTLES:
                result.wake_at(_goes_at(node, group, options, around), now)
        if held in (None, SETTLES) and not (node.forced or around.sent_lately(node.parent, node.name)):
            soon.append(node)
    if soon:
        still = max(group.last_change, *(node.quiet_since for node in soon)) + options.settle
        longest = min(node.waiting_since for node in soon) + options.settle_most
        files = tuple(node.inode for node in soon)
        result.settling[group.root] = Settling(files, min(still, longest), group.active)
    resting = around.resting.get(group.root)
    if resting is not None and resting[0] > now:
        result.wake_at(resting[0], now)
        rests = Held(resting[1])
        result.held |= {node.inode: rests for node, _ in due}
        return
    going = due if _is_still(group, due, options, now, result) else [item for item in due if item[0].forced]
    chosen = {node.inode for node, _ in going}
    result.held |= {node.inode: COPYING for node, _ in due if node.inode not in chosen}
    if going and destination is not None:
        result.batches += _batches(group.root, going, destination, options, around.alone)


def _goes_at(node: Spooled, group: _Group, options: Options, around: Circumstances) -> float:
    """When a file that settles may go, if nothing more happens: when all beside it is still, or it has waited enough.

    Not when it is still itself: of a thousand files that were copied that is a thousand moments.
    """
    waited = node.waiting_since + options.settle_most
    enough = waited if group.active else min(waited, group.last_change + options.settle)
    return max(_still_at(node, options, around), enough)


def _still_at(node: Spooled, options: Options, around: Circumstances) -> float:
    """When a file has been still for long enough."""
    again = around.sent_lately(node.parent, node.name)
    return node.quiet_since + (max(options.settle, options.settle_again) if again else options.settle)


def _is_still(
    group: _Group,
    due: list[tuple[Spooled, tuple[Spooled, ...]]],
    options: Options,
    now: float,
    result: Plan,
) -> bool:
    """Whether nothing has happened below the root for the settle time, or what is due has waited enough."""
    if not due:
        return False
    longest = min(node.waiting_since for node, _ in due) + options.settle_most
    if longest <= now:
        return True
    if not group.active and group.last_change + options.settle <= now:
        return True
    result.wake_at(longest, now)
    if not group.active:
        result.wake_at(group.last_change + options.settle, now)
    return False


def _place_holds(above: tuple[Spooled, ...], destination: Destination | None) -> Held | None:
    for directory in above:
        if directory.state is State.LOCAL:
            return Held(f"a directory named {directory.name} is never uploaded", firm=True)
        if directory.state is State.QUARANTINED:
            return Held(f"its directory {directory.name} could not be made in Worksection", firm=True)
        if directory.state is not State.SETTLING:
            return Held(f"its directory {directory.name} is being made in Worksection")
        if is_placeholder_directory(directory.name) and not directory.named:
            return Held(f"{directory.name} waits for a name of its own", firm=True)
    if destination is None:
        return Held(GONE, firm=True)
    if isinstance(destination, RootDestination) and not above:
        return Held("a file can't lie beside the projects", firm=True)
    return None


def _author_holds(nodes: Iterable[Spooled], options: Options) -> Held | None:
    for one in nodes:
        if not options.may_post(one.uid):
            return Held(
                f"{one.name} is by a user of this machine (number {one.uid}) who isn't among the authors",
                firm=True,
            )
    return None


def _flood_holds(above: tuple[Spooled, ...], options: Options) -> Held | None:
    if next(_unreleased(above), None) is None:
        return None
    return Held(
        f"it would be one of more than {options.hold_tasks} new tasks: `wsfs uploads send` lets them go",
        firm=True,
        flood=True,
    )


def _file_holds(
    node: Spooled, beside: _Beside, options: Options, around: Circumstances, result: Plan
) -> Held | None:
    now = around.now
    if node.writers:
        return Held("it is open for writing", firm=True)
    if node.forced:
        return None
    until = beside.locked_until(node)
    if until is not None:
        result.wake_at(until, now)
        return Held("an editor has it open, its lock says")
    if node.size == 0:
        full = node.quiet_since + options.empty_after
        if full > now:
            result.wake_at(full, now)
            return Held("it is empty")
        if beside.temporary(node):
            return Held("it is empty, and a download or a save is under way beside it")
    return SETTLES if _still_at(node, options, around) > now else None


def _batches(
    root: int,
    going: list[tuple[Spooled, tuple[Spooled, ...]]],
    destination: Destination,
    options: Options,
    alone: Set[int],
) -> Iterator[Planned]:
    """Comments first, then the topmost new directories, each with the files that lie right in it.

    What lies deeper comes when its parent is there, and then that is its root. Each request has one author: who
    put files beside or below another's sends them in requests of their own.
    """
    direct: dict[str | None, list[Spooled]] = {}
    for node in sorted((node for node, above in going if not above), key=lambda node: node.inode):
        direct.setdefault(options.author_of(node.uid), []).append(node)
    for author, nodes in direct.items():
        for files in _portions(nodes, options, alone):
            yield Planned("comment", root, destination, files, author=author)
    tops = {above[0].inode: above[0] for _, above in going if above}
    for inode in sorted(tops):
        author = options.author_of(tops[inode].uid)
        inside = [
            node
            for node, above in going
            if len(above) == 1 and above[0].inode == inode and options.author_of(node.uid) == author
        ]
        files = next(_portions(inside, options, alone), ())
        kind: Literal["task", "project"] = "project" if isinstance(destination, RootDestination) else "task"
        yield Planned(kind, root, destination, files, directory=inode, author=author)


def _portions(files: list[Spooled], options: Options, alone: Set[int]) -> Iterator[tuple[int, ...]]:
    """Cut files, the oldest first, into what one request may carry; one that is too large goes by itself."""
    portion: list[int] = []
    size = 0
    for node in sorted(files, key=lambda node: node.inode):
        full = len(portion) >= options.most_files or size + node.size > options.most_bytes
        if portion and (full or node.inode in alone or portion[-1] in alone):
            yield tuple(portion)
            portion, size = [], 0
        portion.append(node.inode)
        size += node.size
    if portion:
        yield tuple(portion)
