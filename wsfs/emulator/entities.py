"""What an account holds: users, projects, tasks, comments, files, and the events that tell of their changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from wsfs.emulator.contents import Content

LEVELS = 3  # task, subtask, subsubtask


@dataclass(slots=True, eq=False)
class User:
    """A member of the account."""

    id: int
    name: str
    email: str
    role: str = "user"
    title: str = ""


@dataclass(slots=True, eq=False)
class StoredFile:
    """An attachment; `owner` is None between `upload_files` and the post that takes it, and once it is gone."""

    id: int
    name: str
    content: Content
    date_added: datetime
    user: User
    owner: Project | Task | Comment | None = None

    @property
    def size(self) -> int:
        return self.content.size

    @property
    def task(self) -> Task | None:
        """The task in whose `get_files` it is."""
        if isinstance(self.owner, Comment):
            return self.owner.task
        return self.owner if isinstance(self.owner, Task) else None

    @property
    def project(self) -> Project | None:
        """The project it lies in, by way of its task or its own."""
        task = self.task
        if task is not None:
            return task.project
        return self.owner if isinstance(self.owner, Project) else None


@dataclass(slots=True, eq=False)
class Project:
    """A project: `files` are those of its description, `section` those of its Files section."""

    id: int
    name: str
    date_added: datetime
    user_from: User
    user_to: User
    status: str = "active"  # or "pending", "archived"
    company: str | None = None
    text: str = ""
    date_closed: datetime | None = None
    files: list[StoredFile] = field(default_factory=list)
    section: list[StoredFile] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    members: list[User] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def page(self) -> str:
        return f"/project/{self.id}/"


@dataclass(slots=True, eq=False)
class Comment:
    """A comment of a task, with its files; `hidden` is who may see it, as the post said."""

    id: int
    task: Task
    text: str
    date_added: datetime
    user_from: User
    files: list[StoredFile] = field(default_factory=list)
    hidden: str = ""
    mention: str = ""

    @property
    def page(self) -> str:
        return f"{self.task.page}#com{self.id}"


@dataclass(slots=True, eq=False)
class Task:
    """A task or, with a `parent`, a subtask; `files` are those of its description alone.

    A `delayed` one awaits its publication and is in no answer.
    """

    id: int
    name: str
    project: Project
    date_added: datetime
    user_from: User
    user_to: User
    parent: Task | None = None
    text: str = ""
    done: bool = False
    delayed: bool = False
    date_closed: datetime | None = None
    hidden: str = ""
    files: list[StoredFile] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    children: list[Task] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def page(self) -> str:
        if self.parent is not None:
            return f"{self.parent.page}{self.id}/"
        return f"/project/{self.project.id}/{self.id}/"

    @property
    def level(self) -> int:
        """1 for a task, 2 for a subtask, 3 for a subsubtask."""
        return 1 if self.parent is None else self.parent.level + 1

    def walk(self) -> Iterator[Task]:
        """Yield the task and everything below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def all_files(self) -> list[StoredFile]:
        """Return the files of the description and of all comments, oldest first."""
        files = [*self.files, *(file for comment in self.comments for file in comment.files)]
        return sorted(files, key=lambda file: file.id)


@dataclass(slots=True, frozen=True)
class Event:
    """One line of the account's log."""

    time: datetime
    action: str  # post, update, close, reopen, delete
    type: str  # project, task, comment
    id: int
    name: str
    page: str
    user: User
    old: dict[str, str] = field(default_factory=dict)
    new: dict[str, str] = field(default_factory=dict)
