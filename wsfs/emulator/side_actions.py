"""The actions that wsfs never calls and the vendor's own client has for projects and tasks: tags, members, groups."""

from __future__ import annotations

from typing import Any

from wsfs.emulator import problems
from wsfs.emulator.actions import Action, Call, action
from wsfs.emulator.entities import Project, Task, User

Labels = dict[int, dict[str, str]]


@action
def add_project_group(call: Call) -> Any:
    title = call.required("title")
    number = call.account.add_folder(title)
    return {"id": call.teller.number(number), "title": title, "type": "folder", "client": "0"}


def _members(call: Call) -> list[User]:
    users = [call.account.user_by_email(email) for email in call.parameters.words("members")]
    if not users:
        raise problems.field_required("members")
    if None in users:
        raise problems.value_invalid("members")
    return [user for user in users if user is not None]


@action
def add_project_members(call: Call) -> Any:
    project = call.project()
    project.members += [user for user in _members(call) if user not in project.members]


@action
def delete_project_members(call: Call) -> Any:
    project, leaving = call.project(), _members(call)
    project.members = [user for user in project.members if user not in leaving]


@action
def subscribe(call: Call) -> Any:
    call.task()
    call.required("email_user")
    call.member("email_user")


@action
def unsubscribe(call: Call) -> Any:
    subscribe(call)


def _labels_of(kind: str) -> list[Action]:
    """Return the seven actions on the labels of tasks or of projects."""

    def groups(call: Call) -> Labels:
        return call.account.tag_groups[kind]

    def subject(call: Call) -> Project | Task:
        return call.task() if kind == "task" else call.project()

    def get_tag_groups(call: Call) -> Any:
        return [
            {"id": call.teller.number(number), "title": group["title"], "type": "label", "access": "public"}
            for number, group in groups(call).items()
        ]

    def add_tag_groups(call: Call) -> Any:
        made = []
        for title in filter(None, map(str.strip, call.required("title").split(","))):
            number = call.account.new_id()
            groups(call)[number] = {"title": title}
            made.append({"id": call.teller.number(number), "title": title, "type": "label"})
        return made

    def tags(call: Call) -> list[dict[str, Any]]:
        return [
            {"id": call.teller.number(int(number)), "title": title, "group": group["title"]}
            for group in groups(call).values()
            for number, title in group.items()
            if number != "title"
        ]

    def get_tags(call: Call) -> Any:
        group = call.parameters.get("group")
        return [tag for tag in tags(call) if not group or tag["group"] == group]

    def add_tags(call: Call) -> Any:
        wanted = call.required("group")
        named = [group for number, group in groups(call).items() if wanted in {str(number), group["title"]}]
        if not named:
            raise problems.value_invalid("group")
        made = []
        for title in filter(None, map(str.strip, call.required("title").split(","))):
            number = call.account.new_id()
            named[0][str(number)] = title
            made.append({"id": call.teller.number(number), "title": title, "group": named[0]["title"]})
        return made

    def update_tags(call: Call) -> Any:
        target = subject(call)
        known = {str(tag["id"]): str(tag["title"]) for tag in tags(call)}
        for number in call.parameters.words("plus"):
            if number not in known:
                raise problems.value_invalid("plus")
            target.tags[number] = known[number]
        for number in call.parameters.words("minus"):
            target.tags.pop(number, None)
        call.account.version += 1

    def get_custom_fields(call: Call) -> Any:
        return []

    made: list[Action] = [get_tag_groups, add_tag_groups, get_tags, add_tags, update_tags, get_custom_fields]
    for function in made:
        verb, _, what = function.__name__.partition("_")
        function.__name__ = f"{verb}_{kind}_{what}"
        action(function)
    return made


LABEL_ACTIONS = [*_labels_of("task"), *_labels_of("project")]
