"""The data of an emulated account, and everything that can be done to it.

The methods are what a colleague does on the web: they take effect at once, cost no request and leave their events.
The API's actions are built on the same methods. Everything is synchronous and belongs to one thread.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from wsfs.emulator.contents import Content, Fixed
from wsfs.emulator.entities import LEVELS, Comment, Event, Project, StoredFile, Task, User

EVENTS_KEPT = timedelta(days=30)


class NewFile(NamedTuple):
    """A file to attach; bytes are taken as they are."""

    name: str
    content: Content | bytes


FileLike = NewFile | tuple[str, Content | bytes]


class Account:
    """One account: `projects`, `tasks`, `comments`, `files` and `users` by id, `events` oldest first.

    `clock` gives the account's local time, without a zone. `version` grows with every change. Uploaded bytes lie
    in a temporary directory that `close` removes (as does the end of the process).
    """

    def __init__(
        self, *, clock: Callable[[], datetime] = datetime.now, first_id: int = 1001, owner: str = ""
    ) -> None:
        self.clock = clock
        self.version = 0
        self.name = "wsfs-demo"
        self.folders: dict[int, tuple[str, bool]] = {}  # id → title, whether it is a client's company
        self.users: dict[int, User] = {}
        self.projects: dict[int, Project] = {}
        self.tasks: dict[int, Task] = {}
        self.comments: dict[int, Comment] = {}
        self.files: dict[int, StoredFile] = {}
        self.events: list[Event] = []
        self.tag_groups: dict[str, dict[int, dict[str, str]]] = {"task": {}, "project": {}}
        self._next_id = first_id
        self._directory: Path | None = None
        self.owner = self.add_user(owner or "Olena Kovalenko", "olena@example.com", role="owner")

    # ids, users, files on disk

    def new_id(self) -> int:
        """Return the next id: one growing counter for everything."""
        self._next_id += 1
        return self._next_id - 1

    def add_user(self, name: str, email: str, *, role: str = "user", title: str = "") -> User:
        """Add a member."""
        user = User(self.new_id(), name, email, role, title)
        self.users[user.id] = user
        self.version += 1
        return user

    def user_by_email(self, email: str) -> User | None:
        """Return the member with this address."""
        return next((user for user in self.users.values() if user.email == email), None)

    def add_folder(self, title: str, *, client: bool = False) -> int:
        """Add a folder (a project group; a company with `client`) and return its id."""
        folder = self.new_id()
        self.folders[folder] = (title, client)
        self.version += 1
        return folder

    @property
    def directory(self) -> Path:
        """The directory of uploaded bytes, made when first asked for."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="wsfs-emulator-"))
            self._finalizer = weakref.finalize(self, shutil.rmtree, self._directory, True)
        return self._directory

    def close(self) -> None:
        """Remove the uploaded bytes. May be called twice."""
        if self._directory is not None:
            self._finalizer()
            self._directory = None

    def sha256(self, file: StoredFile | int) -> str:
        """Return the SHA-256 of a file's content, in hex."""
        return self._file(file).content.sha256()

    # adding

    def add_project(
        self,
        name: str,
        *,
        status: str = "active",
        company: str | None = None,
        text: str = "",
        user: User | None = None,
        when: datetime | None = None,
        files: Iterable[FileLike] = (),
    ) -> Project:
        """Add a project; the files go to its description."""
        user, when = user or self.owner, when or self.clock()
        project = Project(self.new_id(), name, when, user, user, status, company, text)
        project.members = [user]
        if status == "archived":
            project.date_closed = when
        self.projects[project.id] = project
        project.files = self._attach(files, project, user, when)
        self._tell("post", project, user, when, new={"title": name})
        return project

    def add_task(
        self,
        project: Project | int,
        name: str,
        *,
        parent: Task | int | None = None,
        text: str = "",
        user: User | None = None,
        user_to: User | None = None,
        when: datetime | None = None,
        done: bool = False,
        delayed: bool = False,
        files: Iterable[FileLike] = (),
        hidden: str = "",
    ) -> Task:
        """Add a task, or with a `parent` a subtask; the files go to its description."""
        project = self._project(project)
        parent = None if parent is None else self._task(parent)
        if parent is not None and (parent.project is not project or parent.level >= LEVELS):
            raise ValueError("the parent is of another project, or of the lowest level")
        user, when = user or self.owner, when or self.clock()
        task = Task(self.new_id(), name, project, when, user, user_to or user, parent, text, done, delayed)
        task.hidden = hidden
        if done:
            task.date_closed = when
        (project.tasks if parent is None else parent.children).append(task)
        self.tasks[task.id] = task
        task.files = self._attach(files, task, user, when)
        self._tell("post", task, user, when, new={"title": name})
        return task

    def add_comment(
        self,
        task: Task | int,
        text: str = "",
        *,
        user: User | None = None,
        when: datetime | None = None,
        files: Iterable[FileLike] = (),
        hidden: str = "",
        mention: str = "",
    ) -> Comment:
        """Add a comment to a task, with its files."""
        task = self._task(task)
        user, when = user or self.owner, when or self.clock()
        comment = Comment(self.new_id(), task, text, when, user, hidden=hidden, mention=mention)
        task.comments.append(comment)
        self.comments[comment.id] = comment
        comment.files = self._attach(files, comment, user, when)
        self._tell("post", comment, user, when, new={"text": text})
        return comment

    def add_file_to_project(
        self,
        project: Project | int,
        file: FileLike,
        *,
        user: User | None = None,
        when: datetime | None = None,
    ) -> StoredFile:
        """Add a file to a project's Files section; that leaves no event."""
        project = self._project(project)
        added = self._attach([file], project, user or self.owner, when or self.clock())
        project.section += added
        self.version += 1
        return added[0]

    def add_file_to_task(
        self, task: Task | int, file: FileLike, *, user: User | None = None, when: datetime | None = None
    ) -> StoredFile:
        """Edit a task's description so that it has one more file: an update of the task, which tells no file."""
        task = self._task(task)
        added = self._attach([file], task, user or self.owner, when or self.clock())
        task.files += added
        self._tell("update", task, user, when)
        return added[0]

    def add_loose_file(self, file: FileLike, user: User) -> StoredFile:
        """Keep a file that a later post will take by its id (`upload_files`)."""
        return self._attach([file], None, user, self.clock())[0]

    def take_loose_file(self, file_id: int, task: Task) -> None:
        """Give a loose file to a task's description; an unknown id does nothing."""
        file = self.files.get(file_id)
        if file is not None and file.owner is None:
            file.owner = task
            task.files.append(file)
            self.version += 1

    # changing

    def rename_task(self, task: Task | int, name: str, *, user: User | None = None) -> None:
        """Give a task another title."""
        task = self._task(task)
        old, task.name = task.name, name
        self._tell("update", task, user, old={"title": old}, new={"title": name})

    def rename_project(self, project: Project | int, name: str, *, user: User | None = None) -> None:
        """Give a project another title."""
        project = self._project(project)
        old, project.name = project.name, name
        self._tell("update", project, user, old={"title": old}, new={"title": name})

    def update_task(self, task: Task | int, changed: dict[str, str], *, user: User | None = None) -> None:
        """Change other fields (dates, priority …), which are kept in `extra`."""
        self._update(self._task(task), changed, user)

    def update_project(
        self, project: Project | int, changed: dict[str, str], *, user: User | None = None
    ) -> None:
        """Change other fields, which are kept in `extra`."""
        self._update(self._project(project), changed, user)

    def _update(self, subject: Project | Task, changed: dict[str, str], user: User | None) -> None:
        old = {key: subject.extra.get(key, "") for key in changed}
        subject.extra.update(changed)
        self._tell("update", subject, user, old=old, new=dict(changed))

    def move_task(
        self,
        task: Task | int,
        *,
        project: Project | int | None = None,
        parent: Task | int | None = None,
        user: User | None = None,
    ) -> None:
        """Move a task under another task, or to the top level of `project` (its own if None)."""
        task = self._task(task)
        target = None if parent is None else self._task(parent)
        home = task.project if project is None else self._project(project)
        if target is not None:
            if task in (step := [target, *_parents(target)]) or len(step) + _height(task) > LEVELS:
                raise ValueError("a task can't lie in itself, nor below the third level")
            home = target.project
        old_page = task.page
        self._siblings(task).remove(task)
        task.parent = target
        for each in task.walk():
            each.project = home
        self._siblings(task).append(task)
        self._tell("update", task, user, old={"page": old_page}, new={"page": task.page})

    def close_task(self, task: Task | int, *, user: User | None = None) -> None:
        """Mark a task as done."""
        task = self._task(task)
        task.done, task.date_closed = True, self.clock()
        self._tell("close", task, user)

    def reopen_task(self, task: Task | int, *, user: User | None = None) -> None:
        """Make a done task active."""
        task = self._task(task)
        task.done, task.date_closed = False, None
        self._tell("reopen", task, user)

    def close_project(self, project: Project | int, *, user: User | None = None) -> None:
        """Move a project to the archive."""
        project = self._project(project)
        project.status, project.date_closed = "archived", self.clock()
        self._tell("close", project, user)

    def activate_project(self, project: Project | int, *, user: User | None = None) -> None:
        """Bring a project back from the archive, or a pending one to life."""
        project = self._project(project)
        project.status, project.date_closed = "active", None
        self._tell("reopen", project, user)

    # deleting, which people can do on the web and the API can't

    def delete_file(self, file: StoredFile | int) -> None:
        """Delete one attachment; that leaves no event."""
        file = self._file(file)
        owner = file.owner
        if owner is not None:
            owner.files = [each for each in owner.files if each is not file]
        if isinstance(owner, Project):
            owner.section = [each for each in owner.section if each is not file]
        file.owner = None
        self.files.pop(file.id, None)
        self.version += 1

    def delete_comment(self, comment: Comment | int, *, user: User | None = None) -> None:
        """Delete a comment with its files."""
        comment = self.comments[comment] if isinstance(comment, int) else comment
        comment.task.comments.remove(comment)
        self._forget_comment(comment)
        self._tell("delete", comment, user)

    def delete_task(self, task: Task | int, *, user: User | None = None) -> None:
        """Delete a task with everything in it."""
        task = self._task(task)
        self._siblings(task).remove(task)
        self._forget_task(task)
        self._tell("delete", task, user)

    def delete_project(self, project: Project | int, *, user: User | None = None) -> None:
        """Delete a project with everything in it."""
        project = self._project(project)
        del self.projects[project.id]
        for task in project.tasks:
            self._forget_task(task)
        for file in [*project.files, *project.section]:
            self.delete_file(file)
        self._tell("delete", project, user)

    # reading

    def walk(self, *, archived: bool = True) -> Iterator[Task]:
        """Yield every task and subtask."""
        for project in self.projects.values():
            if archived or project.status != "archived":
                for task in project.tasks:
                    yield from task.walk()

    def events_since(self, when: datetime) -> list[Event]:
        """Return the events of the last 30 days since the minute of `when`, oldest first."""
        self.events = [event for event in self.events if event.time >= self.clock() - EVENTS_KEPT]
        first = when.replace(second=0, microsecond=0)
        return [event for event in self.events if event.time >= first]

    # within

    def _project(self, project: Project | int) -> Project:
        return self.projects[project] if isinstance(project, int) else project

    def _task(self, task: Task | int) -> Task:
        return self.tasks[task] if isinstance(task, int) else task

    def _file(self, file: StoredFile | int) -> StoredFile:
        return self.files[file] if isinstance(file, int) else file

    def _siblings(self, task: Task) -> list[Task]:
        return task.project.tasks if task.parent is None else task.parent.children

    def _attach(
        self,
        files: Iterable[FileLike],
        owner: Project | Task | Comment | None,
        user: User,
        when: datetime,
    ) -> list[StoredFile]:
        added = []
        for name, content in files:
            if isinstance(content, bytes):
                content = Fixed(content)
            file = StoredFile(self.new_id(), name, content, when, user, owner)
            self.files[file.id] = file
            added.append(file)
        return added

    def _forget_comment(self, comment: Comment) -> None:
        for file in comment.files:
            self.files.pop(file.id, None)
        self.comments.pop(comment.id, None)

    def _forget_task(self, task: Task) -> None:
        for each in list(task.walk()):
            for file in each.files:
                self.files.pop(file.id, None)
            for comment in each.comments:
                self._forget_comment(comment)
            self.tasks.pop(each.id, None)

    def _tell(
        self,
        action: str,
        subject: Project | Task | Comment,
        user: User | None,
        when: datetime | None = None,
        *,
        old: dict[str, str] | None = None,
        new: dict[str, str] | None = None,
    ) -> None:
        self.version += 1
        kind = type(subject).__name__.lower()
        name = subject.task.name if isinstance(subject, Comment) else subject.name
        when, user = when or self.clock(), user or self.owner
        if when >= self.clock() - EVENTS_KEPT:
            self.events.append(
                Event(when, action, kind, subject.id, name, subject.page, user, old or {}, new or {})
            )


def _parents(task: Task) -> Iterator[Task]:
    while task.parent is not None:
        task = task.parent
        yield task


def _height(task: Task) -> int:
    return 1 + max((_height(child) for child in task.children), default=0)
