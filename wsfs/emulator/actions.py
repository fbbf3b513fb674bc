"""The API's actions: each takes a `Call` and returns the answer's `data`, or raises a Problem.

An action that changes something does all its checks first, so that a refused one has changed nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from wsfs.emulator import problems
from wsfs.emulator.account import Account, NewFile
from wsfs.emulator.answers import Teller, visible
from wsfs.emulator.entities import LEVELS, Project, StoredFile, Task, User
from wsfs.emulator.parameters import Parameters

RECORDS = 10_000


@dataclass
class Call:
    """One request for an action, after its caller was known."""

    account: Account
    teller: Teller
    parameters: Parameters
    user: User | None = None  # whose token it is; None for the admin key
    files: Sequence[NewFile] = field(default_factory=list)

    @property
    def extra(self) -> set[str]:
        return self.parameters.words("extra")

    def project(self) -> Project:
        """Return the project that `id_project` names."""
        number = self.parameters.number("id_project")
        if number is None:
            raise problems.project_required()
        if number not in self.account.projects:
            raise problems.project_invalid()
        return self.account.projects[number]

    def task(self) -> Task:
        """Return the task that `id_task` names."""
        number = self.parameters.number("id_task")
        if number is None:
            raise problems.task_required()
        if number not in self.account.tasks or self.account.tasks[number].delayed:
            raise problems.task_invalid()
        return self.account.tasks[number]

    def required(self, name: str) -> str:
        value = self.parameters.get(name)
        if not value.strip():
            raise problems.field_required(name)
        return value

    def member(self, name: str) -> User | None:
        """Return the member whose address a parameter gives."""
        email = self.parameters.get(name)
        if not email or email in {"ANY", "NOONE"}:
            return None
        user = self.account.user_by_email(email)
        if user is None:
            raise problems.value_invalid(name)
        return user

    def author(self) -> User:
        """Return who posts: the token's user; with the admin key `email_user_from`, or the account's owner."""
        if self.user is not None:
            return self.user
        return self.member("email_user_from") or self.account.owner

    def changed(self, names: Sequence[str]) -> dict[str, str]:
        """Return the parameters of these names, under the names that answers have for them."""
        said = {name: self.parameters.get(name) for name in names if self.parameters.get(name)}
        renamed = {"datestart": "date_start", "dateend": "date_end"}
        return {renamed.get(name, name): value for name, value in said.items()}


Action = Callable[[Call], Any]
ACTIONS: dict[str, Action] = {}
FIELDS = ("priority", "datestart", "dateend", "max_time", "max_money")


def action(function: Action) -> Action:
    """Serve the function under its own name."""
    ACTIONS[function.__name__] = function
    return function


# reading


@action
def get_projects(call: Call) -> Any:
    wanted = call.parameters.words("filter")
    return [
        call.teller.project(project, call.extra)
        for project in call.account.projects.values()
        if not wanted or project.status in wanted
    ]


@action
def get_project(call: Call) -> Any:
    return call.teller.project(call.project(), call.extra)


@action
def get_project_groups(call: Call) -> Any:
    return [
        {
            "id": call.teller.number(number),
            "title": title,
            "type": "company" if client else "folder",
            "client": call.teller.number(int(client)),
        }
        for number, (title, client) in call.account.folders.items()
    ]


def _tasks(call: Call, projects: Sequence[Project]) -> Any:
    active = call.parameters.get("filter") == "active"
    extra = call.extra
    tops = [task for project in projects for task in visible(project.tasks, active=active)]
    count = len(tops)
    if "subtasks" in extra:
        count = sum(not (each.delayed or (active and each.done)) for task in tops for each in task.walk())
    if count > RECORDS:
        raise problems.too_many_tasks()
    return [call.teller.task(task, extra, active=active) for task in tops]


@action
def get_all_tasks(call: Call) -> Any:
    archived = "archive" in call.extra
    projects = [each for each in call.account.projects.values() if archived or each.status != "archived"]
    return _tasks(call, projects)


@action
def get_tasks(call: Call) -> Any:
    return _tasks(call, [call.project()])


@action
def get_task(call: Call) -> Any:
    active = call.parameters.get("filter") == "active"
    return call.teller.task(call.task(), call.extra, active=active)


@action
def search_tasks(call: Call) -> Any:
    """By project, task and users; of the filter language only `name has 'WORD'` and `name='WORD'`."""
    parameters = call.parameters
    if not any(
        parameters.get(name)
        for name in ("id_project", "id_task", "email_user_from", "email_user_to", "filter")
    ):
        raise problems.field_required("filter")
    found = [task for task in call.account.walk(archived=True) if not task.delayed]
    if parameters.get("id_project"):
        project = call.project()
        found = [task for task in found if task.project is project]
    if parameters.get("id_task"):
        top = call.task()
        found = [task for task in found if task in top.children]
    for name, attribute in (("email_user_from", "user_from"), ("email_user_to", "user_to")):
        if user := call.member(name):
            found = [task for task in found if getattr(task, attribute) is user]
    if parameters.get("status"):
        found = [task for task in found if task.done == (parameters.get("status") == "done")]
    if words := parameters.get("filter"):
        match = re.fullmatch(r"\(?\s*name\s*(has|=)\s*'([^']*)'\s*\)?", words)
        if match is None:
            raise problems.value_invalid("filter")
        wanted = match[2].casefold()
        whole = match[1] == "="
        found = [
            task
            for task in found
            if (task.name.casefold() == wanted if whole else wanted in task.name.casefold())
        ]
    return [call.teller.task(task, call.extra) for task in found[:RECORDS]]


@action
def get_comments(call: Call) -> Any:
    files = "files" in call.extra
    return [call.teller.comment(comment, files=files) for comment in reversed(call.task().comments)]


@action
def get_files(call: Call) -> Any:
    if call.parameters.get("id_task"):
        files = call.task().all_files()
    else:
        project = call.project()
        files = sorted([*project.files, *project.section], key=lambda file: file.id)
    return [call.teller.file(file, dated=True) for file in files]


def file_to_download(call: Call) -> StoredFile:
    """Return the file that `id_file` names (`download`, whose answer is no JSON)."""
    number = call.parameters.number("id_file")
    if number is None:
        raise problems.field_required("id_file")
    if number not in call.account.files:
        raise problems.file_not_found()
    return call.account.files[number]


_PERIODS = {"m": ("minutes", 360), "h": ("hours", 72), "d": ("days", 30)}


@action
def get_events(call: Call) -> Any:
    """Newest first."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})([mhd])", call.required("period"))
    if match is None or int(match[1]) > _PERIODS[match[2]][1]:
        raise problems.value_invalid("period")
    since = call.account.clock() - timedelta(**{_PERIODS[match[2]][0]: int(match[1])})
    events = call.account.events_since(since)
    if call.parameters.get("id_project"):
        page = call.project().page
        events = [event for event in events if event.page.startswith(page)]
    return [call.teller.event(event) for event in reversed(events)]


@action
def get_users(call: Call) -> Any:
    return [call.teller.user(user) for user in call.account.users.values()]


@action
def me(call: Call) -> Any:
    if call.user is None:
        raise problems.action_invalid()
    return call.teller.user(call.user)


# writing


@action
def post_comment(call: Call) -> Any:
    task = call.task()
    text = call.parameters.get("text") or call.parameters.get("todo")
    if not text.strip():
        raise problems.field_required("text")
    if task.done:
        raise problems.task_closed()
    comment = call.account.add_comment(
        task,
        text,
        user=call.author(),
        files=call.files,
        hidden=call.parameters.get("hidden"),
        mention=call.parameters.get("mention"),
    )
    return call.teller.comment(comment, files=False)


@action
def post_task(call: Call) -> Any:
    project = call.project()
    title = call.required("title")
    parent: Task | None = None
    if call.parameters.get("id_parent"):
        parent = call.account.tasks.get(call.parameters.number("id_parent") or -1)
        if parent is None or parent.project is not project or parent.delayed:
            raise problems.task_invalid()
        if parent.level >= LEVELS:
            raise problems.subtask_invalid()
        if parent.done:
            raise problems.task_closed()
    if project.status == "archived":
        raise problems.project_invalid()
    loose = _loose(call)
    task = call.account.add_task(
        project,
        title,
        parent=parent,
        text=call.parameters.get("text"),
        user=call.author(),
        user_to=call.member("email_user_to"),
        files=call.files,
        hidden=call.parameters.get("hidden"),
    )
    task.extra.update(call.changed(FIELDS))
    for number in loose:
        call.account.take_loose_file(number, task)
    return call.teller.task(task, {"text"})


def _loose(call: Call) -> list[int]:
    """Return the ids of `files`: what `upload_files` gave, as the vendor's client hands it back."""
    said = call.parameters.raw.get("files")
    if not isinstance(said, list):
        return []
    numbers = [str(each.get("id", "")) for each in said if isinstance(each, dict)]
    if not all(number.isdigit() and int(number) in call.account.files for number in numbers):
        raise problems.file_not_found()
    return [int(number) for number in numbers]


@action
def post_project(call: Call) -> Any:
    project = call.account.add_project(
        call.required("title"),
        company=call.parameters.get("company") or None,
        text=call.parameters.get("text"),
        user=call.author(),
        files=call.files,
    )
    manager = call.member("email_manager")
    if manager is not None:
        project.user_to = manager
    return call.teller.project(project, {"text"})


@action
def upload_files(call: Call) -> Any:
    """Keep files until a post takes them by their ids; the vendor's client has it, the documentation hasn't."""
    if not call.files:
        raise problems.field_required("files")
    author = call.author()
    loose = [call.account.add_loose_file(file, author) for file in call.files]
    return [
        {"id": str(file.id), "name": file.name, "ext": file.name.rpartition(".")[2], "icon": None}
        for file in loose
    ]


@action
def update_task(call: Call) -> Any:
    task = call.task()
    if "title" in call.parameters.values:
        title = call.required("title")
        if title != task.name:
            call.account.rename_task(task, title, user=call.author())
    if changed := call.changed(FIELDS):
        call.account.update_task(task, changed, user=call.author())
    return call.teller.task(task, {"text"})


@action
def update_project(call: Call) -> Any:
    project = call.project()
    if "title" in call.parameters.values:
        title = call.required("title")
        if title != project.name:
            call.account.rename_project(project, title, user=call.author())
    if changed := call.changed(FIELDS):
        call.account.update_project(project, changed, user=call.author())
    return call.teller.project(project, {"text"})


@action
def complete_task(call: Call) -> Any:
    task = call.task()
    if task.done:
        raise problems.task_closed()
    call.account.close_task(task, user=call.author())


@action
def reopen_task(call: Call) -> Any:
    task = call.task()
    if task.done:
        call.account.reopen_task(task, user=call.author())


@action
def close_project(call: Call) -> Any:
    call.account.close_project(call.project(), user=call.author())


@action
def activate_project(call: Call) -> Any:
    call.account.activate_project(call.project(), user=call.author())
