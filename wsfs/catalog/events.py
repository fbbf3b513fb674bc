"""From the service's events to what has to be read again. Pure: no request, no clock of its own.

Events are stamped to the minute, in the account's zone, which nobody tells; so stamps are only compared with
each other. Polls overlap, and an event that was counted before isn't news; two equal events in one answer are
two events. As more can happen in the minute of an event after it was seen, what it names is read once more
when that minute must be over.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

import msgspec

from wsfs.api.models import Event

from .records import ids_of_page

Target: TypeAlias = tuple[str, int]
"""What to read: ("projects", 0), ("active", 0), ("tasks", project), ("task", task), ("files", task),
("own", project): its own files."""

KEEP = timedelta(minutes=75)
"""How long counted events are remembered, by their stamps: longer than the overlap and a change of the clocks."""

MINUTE_OVER = 62.0
"""Seconds after which the minute of an event that was just told must be over."""

OWN_POST = 600.0
"""Seconds within which the event of our own post is expected."""

MAX_PERIOD = 30 * 86400.0
"""Seconds that get_events looks back at most."""


class Todo:
    """What is to be read again, and when; times are of trio's clock."""

    def __init__(self) -> None:
        self._due: dict[Target, tuple[float, float | None]] = {}
        self._projects: dict[Target, set[int]] = {}
        self.changed = False
        """Set whenever the targets changed; the one who keeps them on disk resets it."""

    def add(self, target: Target, at: float = 0.0, again: float | None = None, project: int = 0) -> None:
        """Read `target` at `at`, and once more at `again`; an earlier reading and a later repetition win.

        `project` is where an event says it is; as events of one minute have no order, all are kept.
        """
        old = self._due.get(target)
        if old is not None:
            at = min(at, old[0])
            again = max((time for time in (again, old[1]) if time is not None), default=None)
        self._due[target] = (at, again)
        if project:
            self._projects.setdefault(target, set()).add(project)
        self.changed = True

    def projects(self, target: Target) -> set[int]:
        """The projects that events name for a target: more than one for a task that was moved."""
        return self._projects.get(target, set())

    def add_all(self, targets: Iterable[Target]) -> None:
        """Read each as soon as may be."""
        for target in targets:
            self.add(target)

    def due(self, now: float) -> list[Target]:
        """What is to be read now, first come first."""
        return [target for target, (at, _) in self._due.items() if at <= now]

    def next_time(self) -> float | None:
        """When something is due next."""
        return min((at for at, _ in self._due.values()), default=None)

    def done(self, target: Target, asked: float) -> None:
        """`target` was read, by a request that was asked for at `asked`."""
        entry = self._due.pop(target, None)
        if entry is None:
            return
        self.changed = True
        if entry[1] is not None and entry[1] > asked:
            self._due[target] = (entry[1], None)
        else:
            self._projects.pop(target, None)

    def put_off(self, target: Target, until: float) -> None:
        """`target` couldn't be read: not before `until`."""
        if target in self._due:
            self._due[target] = (until, self._due[target][1])

    def drop(self, target: Target) -> tuple[float, float | None] | None:
        """Forget a target; when it was due, and again."""
        self.changed = True
        self._projects.pop(target, None)
        return self._due.pop(target, None)

    def to_keep(self) -> list[tuple[str, int, list[int]]]:
        """Everything that is to be read, now or later, with its projects: JSON-able."""
        return [(kind, number, sorted(self.projects((kind, number)))) for kind, number in self._due]

    def load(self, kept: Iterable[tuple[str, int, list[int]]]) -> None:
        """Take what `to_keep` gave; all of it is due, once."""
        for kind, number, projects in kept:
            self.add((kind, number))
            for project in projects:
                self.add((kind, number), project=project)

    def __contains__(self, target: Target) -> bool:
        return target in self._due

    def __len__(self) -> int:
        return len(self._due)


class News(NamedTuple):
    """An event not counted before; `settled` says that its minute is over."""

    event: Event
    settled: bool


class EventLog:
    """Which events were counted."""

    def __init__(self, counted: dict[str, int] | None = None) -> None:
        self._counted: dict[str, int] = dict(counted or {})

    def take(self, events: Sequence[Event], period: float) -> list[News]:
        """Those of an answer that looks `period` seconds back that are news, in the order of the answer.

        A long look back, whose unit is a day, also brings what is older than the poll before: it is known by
        its stamp, being far older than one that was counted.
        """
        before = self._newest()
        stamps = [event.date_added for event in events if event.date_added is not None]
        newest = max((*stamps, before) if before is not None else stamps, default=None)
        oldest = before - KEEP if before is not None and period > KEEP.total_seconds() else None
        told: Counter[str] = Counter()
        news: list[News] = []
        for event in events:
            stamp = event.date_added
            key = _key(event)
            told[key] += 1
            if told[key] <= self._counted.get(key, 0) or (
                oldest is not None and stamp is not None and stamp < oldest
            ):
                continue
            news.append(News(event, stamp is not None and newest is not None and stamp < newest))
        if newest is not None:
            forgotten = _stamp(newest - KEEP)
            self._counted = {
                key: count for key, count in self._counted.items() if key in told or key[:16] >= forgotten
            }
        for key, count in told.items():
            self._counted[key] = max(count, self._counted.get(key, 0))
        return news

    def counted(self) -> dict[str, int]:
        """What to keep on disk."""
        return dict(self._counted)

    def _newest(self) -> datetime | None:
        stamp = max((key[:16] for key in self._counted), default="")
        return datetime.fromisoformat(stamp) if stamp.strip("-") else None


class OwnPosts:
    """Events to expect because we posted ourselves: what they name is known already."""

    def __init__(self) -> None:
        self._expected: dict[Target, list[float]] = {}

    def expect(self, target: Target, now: float) -> None:
        """We posted something to `target` at `now`, and know what came of it."""
        self._expected.setdefault(target, []).append(now)

    def take(self, target: Target, now: float) -> bool:
        """Whether an event that names `target` is one of those; each serves once."""
        times = [time for time in self._expected.pop(target, ()) if now - time < OWN_POST]
        if len(times) > 1:
            self._expected[target] = times[1:]
        return bool(times)


def target_of(event: Event) -> Target | None:
    """What an event says has changed; None for what isn't shown here.

    A comment's page names its task; where it ends in the comment's own id, the task is the one before.
    """
    thing = event.object
    if thing is None:
        return None
    _, chain = ids_of_page(thing.page)
    if thing.type == "project":
        return ("projects", 0)
    if thing.type == "task":
        return ("task", thing.id) if thing.id else None
    if thing.type == "comment":
        if len(chain) > 1 and chain[-1] == thing.id:
            chain.pop()
        return ("files", chain[-1]) if chain else None
    return None


def project_of_event(event: Event) -> int:
    """The project that an event happened in; 0 where it doesn't say."""
    thing = event.object
    if thing is None:
        return 0
    project_id = ids_of_page(thing.page)[0]
    return thing.id if not project_id and thing.type == "project" else project_id


def period(seconds: float) -> str:
    """The `period` of get_events that covers the last `seconds` (30 days at most)."""
    minutes = max(1, -(-int(seconds + 1) // 60))
    if minutes <= 360:
        return f"{minutes}m"
    hours = -(-minutes // 60)
    if hours <= 72:
        return f"{hours}h"
    return f"{min(30, -(-hours // 24))}d"


def seconds(period: str) -> float:
    """How far back a `period` looks."""
    return int(period[:-1]) * {"m": 60.0, "h": 3600.0, "d": 86400.0}[period[-1]]


def _stamp(moment: datetime | None) -> str:
    return moment.isoformat(timespec="minutes") if moment is not None else "-" * 16


def _key(event: Event) -> str:
    thing = event.object
    what = (thing.type, thing.id, thing.page) if thing is not None else ("", 0, "")
    user = event.user_from.id if event.user_from is not None else 0
    changed = zlib.crc32(msgspec.json.encode(_plain(event.new, event.old), order="sorted"))
    return f"{_stamp(event.date_added)}|{event.action}|{what[0]}|{what[1]}|{what[2]}|{user}|{changed:x}"


def _plain(new: dict[str, Any], old: dict[str, Any]) -> list[dict[str, Any]]:
    return [new, old]


def may_change_files(event: Event) -> bool:
    """Whether a project's event may mean other files: an update, if it doesn't say that only other things changed."""
    return event.action == "update" and (not event.new or "text" in event.new)
