"""How the account's data is said in the API's answers (worksection-api.md, "Answers" and "Reading")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from wsfs.emulator.account import Account
from wsfs.emulator.entities import Comment, Event, Project, StoredFile, Task, User

TEXT_LIMIT = 65_536
EMBEDDED_COMMENTS = 5

Json = dict[str, Any]


@dataclass(frozen=True)
class Quirks:
    """What the documentation leaves open, to be played both ways.

    comment_files: embedded comments carry their files. empty_data: an empty list is said by a missing `data`, or
    by `[]`. empty_lists: the same for `files`, `comments` and `child` of a task. numbers: ids and sizes as strings
    or as numbers. file_page: `/download/ID` or `/download/ID/N/`.
    """

    comment_files: bool = False
    empty_data: Literal["missing", "list"] = "missing"
    empty_lists: Literal["missing", "list"] = "list"
    numbers: Literal["strings", "numbers"] = "strings"
    file_page: Literal["short", "long"] = "short"


VARIANTS: dict[str, dict[str, Any]] = {
    "comment-files": {"comment_files": True},
    "empty-data": {"empty_data": "list"},
    "missing-lists": {"empty_lists": "missing"},
    "numbers": {"numbers": "numbers"},
    "long-pages": {"file_page": "long"},
}
"""The quirks other than the defaults, by names for the command line."""


def quirks(names: Iterable[str]) -> Quirks:
    """Return the quirks of these names together. Raises KeyError."""
    return Quirks(**{key: value for name in names for key, value in VARIANTS[name].items()})


def moment(when: datetime) -> str:
    """Return a time as the API says it, to the minute."""
    return f"{when.year:04}-{when.month:02}-{when.day:02} {when.hour:02}:{when.minute:02}"


class Teller:
    """Turns entities into the API's JSON objects."""

    def __init__(self, account: Account, quirks: Quirks) -> None:
        self._account = account
        self._quirks = quirks
        self._as_strings = quirks.numbers == "strings"
        self._keep_empty = quirks.empty_lists == "list"

    def number(self, value: int) -> str | int:
        return str(value) if self._as_strings else value

    def reference(self, user: User) -> Json:
        """A user as others mention him."""
        return {"id": self.number(user.id), "email": user.email, "name": user.name}

    def user(self, user: User) -> Json:
        first, _, last = user.name.partition(" ")
        return {
            **self.reference(user),
            "first_name": first,
            "last_name": last,
            "title": user.title,
            "role": user.role,
            "group": "Team",
            "department": "Office",
            "avatar": f"/images/avatar/{user.id}.png",
        }

    def project(self, project: Project, extra: set[str]) -> Json:
        said: Json = {
            "id": self.number(project.id),
            "name": project.name,
            "page": project.page,
            "status": project.status,
            "company": project.company or "",
            "user_from": self.reference(project.user_from),
            "user_to": self.reference(project.user_to),
            "date_added": moment(project.date_added),
        }
        said.update((key, value) for key, value in project.extra.items() if key not in said)
        if project.tags:
            said["tags"] = dict(project.tags)
        if project.date_closed is not None:
            said["date_closed"] = moment(project.date_closed)
        if extra & {"text", "html"}:
            said["text"] = project.text[:TEXT_LIMIT]
        if "users" in extra:
            said["users"] = [self.reference(user) for user in project.members]
        if "options" in extra:
            said["options"] = {"allow_close": 1, "allow_give": 1, "allow_term": 1, "allow_limit": 0}
        return said

    def file(self, file: StoredFile, *, dated: bool) -> Json:
        """A file as `get_files` says it (`dated`), or shorter as tasks and comments do."""
        page = f"/download/{file.id}"
        if self._quirks.file_page == "long":
            page += "/1/"
        said: Json = {
            "id": self.number(file.id),
            "page": page,
            "name": file.name,
            "size": self.number(file.size),
        }
        if dated:
            said["date_added"] = moment(file.date_added)
            said["user_from"] = self.reference(file.user)
        return said

    def comment(self, comment: Comment, *, files: bool) -> Json:
        said: Json = {
            "id": self.number(comment.id),
            "page": comment.page,
            "text": comment.text,
            "date_added": moment(comment.date_added),
            "user_from": self.reference(comment.user_from),
        }
        if files:
            self._list(said, "files", [self.file(file, dated=False) for file in comment.files])
        return said

    def brief(self, task: Task) -> Json:
        """A task as its children mention it, with its own parents."""
        said: Json = {
            "id": self.number(task.id),
            "name": task.name,
            "page": task.page,
            "status": "done" if task.done else "active",
        }
        if task.parent is not None:
            said["parent"] = self.brief(task.parent)
        return said

    def task(self, task: Task, extra: set[str], *, active: bool = False, nested: bool = False) -> Json:
        """A task with what `extra` asks for; `nested` when it is said within its parent."""
        said: Json = {
            "id": self.number(task.id),
            "name": task.name,
            "page": task.page,
            "status": "done" if task.done else "active",
            "priority": self.number(int(task.extra.get("priority", "1"))),
            "user_from": self.reference(task.user_from),
            "user_to": self.reference(task.user_to),
            "date_added": moment(task.date_added),
        }
        if not nested:
            said["project"] = {
                "id": self.number(task.project.id),
                "name": task.project.name,
                "page": task.project.page,
            }
            if task.parent is not None:
                said["parent"] = self.brief(task.parent)
        said.update((key, value) for key, value in task.extra.items() if key not in said)
        if task.date_closed is not None:
            said["date_closed"] = moment(task.date_closed)
        if task.tags:
            said["tags"] = dict(task.tags)
        if extra & {"text", "html"}:
            said["text"] = task.text[:TEXT_LIMIT]
        if "files" in extra:
            self._list(said, "files", [self.file(file, dated=False) for file in task.files])
        if "comments" in extra:
            said["has_comments"] = self.number(int(bool(task.comments)))
            last = task.comments[: -EMBEDDED_COMMENTS - 1 : -1]
            with_files = self._quirks.comment_files
            self._list(said, "comments", [self.comment(each, files=with_files) for each in last])
        if "relations" in extra:
            said["relations"] = {}
        if "subscribers" in extra:
            said["subscribers"] = [self.reference(task.user_from)]
        if "subtasks" in extra:
            shown = visible(task.children, active=active)
            self._list(said, "child", [self.task(each, extra, active=active, nested=True) for each in shown])
        return said

    def event(self, event: Event) -> Json:
        said: Json = {
            "action": event.action,
            "object": {
                "type": event.type,
                "id": self.number(event.id),
                "name": event.name,
                "page": event.page,
            },
            "date_added": moment(event.time),
            "user_from": self.reference(event.user),
        }
        if event.new:
            said["new"] = event.new
        if event.old:
            said["old"] = event.old
        return said

    def _list(self, said: Json, key: str, values: list[Json]) -> None:
        if values or self._keep_empty:
            said[key] = values


def visible(tasks: Iterable[Task], *, active: bool) -> list[Task]:
    """Return the tasks that are in answers: none that awaits its publication, and with `active` none done."""
    return [task for task in tasks if not task.delayed and not (active and task.done)]
