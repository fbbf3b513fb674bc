"""What went wrong with requests, in words for a person who doesn't know the API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wsfs.api import errors
from wsfs.api.client import RequestRecord

#: What each action of the API is to a person.
DOINGS = {
    "download": "fetching a file",
    "get_projects": "listing the projects",
    "get_project": "reading a project",
    "get_project_groups": "listing the folders of projects",
    "get_all_tasks": "listing all tasks",
    "get_tasks": "listing a project's tasks",
    "get_task": "reading a task",
    "get_comments": "reading a task's comments",
    "get_files": "listing files",
    "get_events": "looking for changes",
    "get_users": "listing the people",
    "me": "asking whose login this is",
    "post_comment": "uploading files to a task",
    "post_task": "making a task",
    "post_project": "making a project",
    "update_task": "renaming a task",
    "update_project": "renaming a project",
    "login": "renewing the login",
}
#: Ends of a request that are nobody's trouble: whoever wanted it went away.
_NO_TROUBLE = frozenset({"ok", "cancelled"})


@dataclass(frozen=True)
class Trouble:
    """Requests that failed alike: `doing` and `message` are for people, `time` (unix) is the latest's.

    `over` says that the same worked since.
    """

    time: float
    doing: str
    message: str
    count: int
    over: bool


def doing(action: str) -> str:
    """What an action is to a person."""
    return DOINGS.get(action, action.replace("_", " "))


def message(result: str) -> str:
    """The sentence of an error by the name of its class, as `RequestRecord.result` has it."""
    kind = getattr(errors, result, None)
    if isinstance(kind, type) and issubclass(kind, errors.ApiError):
        return kind.sentence
    return f"it ended with {result}"


def troubles(records: Iterable[RequestRecord], most: int = 5) -> list[Trouble]:
    """The kinds of failure among `records` (oldest first), the latest first, at most so many."""
    latest: dict[tuple[str, str], Trouble] = {}
    for record in records:
        if record.result == "ok":
            for key, trouble in latest.items():
                if key[0] == record.action and not trouble.over:
                    latest[key] = Trouble(trouble.time, trouble.doing, trouble.message, trouble.count, True)
        if record.result in _NO_TROUBLE:
            continue
        key = record.action, record.result
        before = latest.pop(key, None)  # put in anew, as the latest
        latest[key] = Trouble(
            record.time,
            doing(record.action),
            message(record.result),
            1 if before is None else before.count + 1,
            False,
        )
    return list(reversed(latest.values()))[:most]
