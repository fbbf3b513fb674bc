"""The reading actions, over HTTP (worksection-api.md, "Reading" and "Answers")."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from wsfs.emulator import actions
from wsfs.emulator.account import Account
from wsfs.emulator.answers import Quirks
from wsfs.emulator.scale import scaled_account
from wsfs.emulator.testing import running


def leaves(said: Any) -> Any:
    if isinstance(said, dict):
        for key, value in said.items():
            yield from ((key, value),) if not isinstance(value, dict | list) else leaves(value)
    elif isinstance(said, list):
        for value in said:
            yield from leaves(value)


async def test_numbers_are_strings_and_times_are_to_the_minute(api: Any, account: Account) -> None:
    project = account.add_project("P")
    task = account.add_task(project, "T", files=[("a.txt", b"abc")])
    account.add_comment(task, "hello", files=[("b.txt", b"bcde")])
    for action, params in (
        ("get_projects", {"extra": "text,users"}),
        ("get_all_tasks", {"extra": "files,comments,subtasks,text"}),
        ("get_files", {"id_task": task.id}),
        ("get_comments", {"id_task": task.id, "extra": "files"}),
        ("get_events", {"period": "1d"}),
        ("get_users", {}),
    ):
        said = await api.data(action, **params)
        assert said
        for key, value in leaves(said):
            assert isinstance(value, str), (action, key, value)
            if key.startswith("date_"):
                assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", value)


async def test_data_is_missing_when_a_list_is_empty(api: Any, account: Account) -> None:
    project = account.add_project("P")
    response = await api.get("get_tasks", id_project=project.id)
    assert response.json() == {"status": "ok"}


async def test_projects_by_status(api: Any, account: Account) -> None:
    for status in ("active", "pending", "archived"):
        account.add_project(status, status=status, company="Folder", text="About")
    said = await api.data("get_projects")
    assert [each["name"] for each in said] == ["active", "pending", "archived"]
    assert said[0]["company"] == "Folder"
    assert "text" not in said[0]
    assert said[2]["date_closed"]
    said = await api.data("get_projects", filter="active,pending", extra="text")
    assert [(each["status"], each["text"]) for each in said] == [("active", "About"), ("pending", "About")]
    one = await api.data("get_project", id_project=said[1]["id"])
    assert one["name"] == "pending"


async def test_project_groups(api: Any, account: Account) -> None:
    folder, company = account.add_folder("Inside"), account.add_folder("Client", client=True)
    said = await api.data("get_project_groups")
    assert [(each["id"], each["title"], each["type"]) for each in said] == [
        (str(folder), "Inside", "folder"),
        (str(company), "Client", "company"),
    ]


async def test_all_tasks_nested(api: Any, account: Account) -> None:
    project = account.add_project("P")
    task = account.add_task(project, "1", files=[("d.txt", b"d")], text="words")
    child = account.add_task(project, "2", parent=task, done=True)
    account.add_task(project, "3", parent=child)
    account.add_task(project, "later", delayed=True)
    account.add_comment(task, "c", files=[("c.txt", b"c")])
    plain = await api.data("get_all_tasks")
    assert [each["name"] for each in plain] == ["1"]
    assert not {"child", "files", "text", "comments", "has_comments"} & set(plain[0])
    (top,) = await api.data("get_all_tasks", extra="subtasks,files,comments,text")
    assert top["text"] == "words"
    assert top["project"] == {"id": str(project.id), "name": "P", "page": f"/project/{project.id}/"}
    assert [file["name"] for file in top["files"]] == ["d.txt"]
    assert set(top["files"][0]) == {"id", "name", "size", "page"}
    assert (top["has_comments"], len(top["comments"])) == ("1", 1)
    assert "files" not in top["comments"][0]
    (below,) = top["child"]
    assert (below["status"], below["has_comments"]) == ("done", "0")
    assert below["child"][0]["name"] == "3"
    assert below["child"][0]["page"].startswith(f"/project/{project.id}/{task.id}/{child.id}/")
    (top,) = await api.data("get_all_tasks", extra="subtasks", filter="active")
    assert top["child"] == []


async def test_archived_projects_only_with_extra(api: Any, account: Account) -> None:
    account.add_task(account.add_project("P", status="archived"), "old")
    account.add_task(account.add_project("Q", status="pending"), "new")
    assert [each["name"] for each in await api.data("get_all_tasks")] == ["new"]
    assert len(await api.data("get_all_tasks", extra="archive")) == 2


async def test_a_subtask_tells_its_parents(api: Any, account: Account) -> None:
    project = account.add_project("P")
    task = account.add_task(project, "1")
    child = account.add_task(project, "2", parent=task)
    leaf = account.add_task(project, "3", parent=child)
    said = await api.data("get_task", id_task=leaf.id)
    assert said["parent"]["id"] == str(child.id)
    assert said["parent"]["parent"]["id"] == str(task.id)


async def test_the_last_five_comments_are_embedded_and_all_are_listed_newest_first(
    api: Any, account: Account
) -> None:
    task = account.add_task(account.add_project("P"), "T")
    for number in range(7):
        account.add_comment(task, str(number))
    (said,) = await api.data("get_all_tasks", extra="comments")
    assert [each["text"] for each in said["comments"]] == ["6", "5", "4", "3", "2"]
    listed = await api.data("get_comments", id_task=task.id)
    assert [each["text"] for each in listed] == ["6", "5", "4", "3", "2", "1", "0"]


async def test_files_of_projects_and_tasks(api: Any, account: Account) -> None:
    project = account.add_project("P", files=[("description", b"1")])
    account.add_file_to_project(project, ("section", b"2"))
    task = account.add_task(project, "T", files=[("task", b"3")])
    account.add_comment(task, "c", files=[("comment", b"45")])
    of_project = await api.data("get_files", id_project=project.id)
    assert [each["name"] for each in of_project] == ["description", "section"]
    of_task = await api.data("get_files", id_task=task.id)
    assert [(each["name"], each["size"]) for each in of_task] == [("task", "1"), ("comment", "2")]
    assert of_task[0]["date_added"] == "2024-10-01 12:00"
    assert of_task[0]["user_from"]["email"] == account.owner.email
    assert of_task[0]["page"] == f"/download/{of_task[0]['id']}"


async def test_events(api: Any, account: Account, clock: Any) -> None:
    project = account.add_project("P")
    clock.advance(minutes=30)
    task = account.add_task(project, "T")
    account.rename_task(task, "T2")
    other = account.add_project("Q")
    told = await api.data("get_events", period="10m")
    assert [(each["action"], each["object"]["type"]) for each in told] == [
        ("post", "project"),
        ("update", "task"),
        ("post", "task"),
    ]
    assert told[1]["old"] == {"title": "T"}
    assert told[1]["new"] == {"title": "T2"}
    assert told[1]["object"]["page"] == f"/project/{project.id}/{task.id}/"
    assert len(await api.data("get_events", period="1h")) == 4
    assert len(await api.data("get_events", period="30d", id_project=other.id)) == 1


async def test_events_of_the_minute_in_which_the_period_begins_are_told(
    api: Any, account: Account, clock: Any
) -> None:
    account.add_project("P")
    clock.advance(seconds=80)
    assert len(await api.data("get_events", period="1m")) == 1
    clock.advance(seconds=60)
    assert await api.data("get_events", period="1m") == []


@pytest.mark.parametrize("period", ["361m", "73h", "31d", "0m", "5", "d", "5w", "-1d", "1.5h"])
async def test_periods_have_limits(api: Any, period: str) -> None:
    assert (await api.error("get_events", period=period))[0] == 11


async def test_documented_errors(api: Any, account: Account) -> None:
    project = account.add_project("P")
    later = account.add_task(project, "later", delayed=True)
    assert await api.error("nothing") == (0, "Action is invalid")
    assert await api.error("") == (1, "Action is required")
    assert await api.error("get_project", id_project=1) == (4, "Project is invalid")
    assert await api.error("get_tasks", id_project="x") == (4, "Project is invalid")
    assert await api.error("get_tasks") == (7, "Project is required")
    assert await api.error("get_files") == (7, "Project is required")
    assert await api.error("get_task") == (8, "Task is required")
    assert await api.error("get_comments", id_task=1) == (5, "Task is invalid")
    assert await api.error("get_task", id_task=later.id) == (5, "Task is invalid")
    assert await api.error("download", id_file=1) == (4, "File not found")
    assert await api.error("get_events") == (10, "Field is required")
    assert await api.error("me") == (0, "Action is invalid")  # user tokens only
    said = (await api.get("get_events")).json()
    assert said["message_details"] == "period"


async def test_a_long_address_is_http_414(api: Any) -> None:
    assert (await api.get("get_projects", filter="x" * 9000)).status_code == 414


async def test_ten_thousand_records(
    api_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, expected_warnings: object
) -> None:
    monkeypatch.setattr(actions, "RECORDS", 20)
    account = scaled_account(2, 10, 0)
    async with running(account) as emulator, httpx.AsyncClient() as http:
        api = api_of(emulator, http)
        assert len(await api.data("get_all_tasks", extra="subtasks")) == 20
        first = next(iter(account.tasks.values()))
        account.add_task(first.project, "one more", parent=first)
        assert len(await api.data("get_all_tasks")) == 20  # it is in no record of its own
        code, message = await api.error("get_all_tasks", extra="subtasks")
        assert (code, message) == (None, "Too many tasks (10000 max)")
        account.close_task(first)
        assert len(await api.data("get_all_tasks", extra="subtasks", filter="active")) == 19


async def test_an_answer_is_new_after_a_change(api: Any, account: Account) -> None:
    task = account.add_task(account.add_project("P"), "T")
    assert (await api.data("get_all_tasks"))[0]["name"] == "T"
    assert (await api.data("get_all_tasks"))[0]["name"] == "T"
    account.rename_task(task, "U")
    assert (await api.data("get_all_tasks"))[0]["name"] == "U"


async def test_quirks(account: Account, api_of: Callable[..., Any]) -> None:
    quirks = Quirks(
        comment_files=True, empty_data="list", empty_lists="missing", numbers="numbers", file_page="long"
    )
    project = account.add_project("P")
    task = account.add_task(project, "T")
    comment = account.add_comment(task, "c", files=[("a", b"abc")])
    empty = account.add_project("Q")
    async with running(account, quirks=quirks) as emulator, httpx.AsyncClient() as http:
        api = api_of(emulator, http)
        assert (await api.get("get_tasks", id_project=empty.id)).json() == {"status": "ok", "data": []}
        (said,) = await api.data("get_all_tasks", extra="files,comments,subtasks")
        assert "files" not in said
        assert "child" not in said
        (file,) = said["comments"][0]["files"]
        number = comment.files[0].id
        assert (file["id"], file["size"], file["page"]) == (number, 3, f"/download/{number}/1/")


async def test_search(api: Any, account: Account) -> None:
    project = account.add_project("P")
    task = account.add_task(project, "Home page")
    account.add_task(project, "Shop", done=True)
    assert [each["name"] for each in await api.data("search_tasks", filter="(name has 'home')")] == [
        "Home page"
    ]
    assert len(await api.data("search_tasks", id_project=project.id)) == 2
    assert len(await api.data("search_tasks", id_project=project.id, status="done")) == 1
    assert await api.data("search_tasks", id_task=task.id) == []
    assert len(await api.data("search_tasks", email_user_from=account.owner.email)) == 2
    assert (await api.error("search_tasks"))[0] == 10
    assert (await api.error("search_tasks", filter="dateadd>2024"))[0] == 11
