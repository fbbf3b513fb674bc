"""The writing actions, over HTTP (worksection-api.md, "Writing")."""

from __future__ import annotations

from typing import Any

import pytest

from wsfs.emulator.account import Account


async def test_a_comment_with_files(api: Any, account: Account) -> None:
    task = account.add_task(account.add_project("P"), "T")
    files = [("план.pdf", b"one"), ("empty.txt", b""), ("big.bin", bytes(3_000_000))]
    said = (await api.post("post_comment", files, "план.pdf", id_task=task.id)).json()
    assert said["status"] == "ok"
    assert "files" not in said["data"]  # the answer does not name the ids of its files
    (comment,) = task.comments
    assert said["data"]["id"] == str(comment.id)
    assert [(file.name, file.size) for file in comment.files] == [(name, len(data)) for name, data in files]
    for file, (_, data) in zip(comment.files, files, strict=True):
        assert (await api.get("download", id_file=file.id)).content == data


async def test_a_comment_needs_an_open_task_and_a_text(api: Any, account: Account) -> None:
    task = account.add_task(account.add_project("P"), "T")
    said = (await api.post("post_comment", [("a", b"a")], id_task=task.id)).json()
    assert (said["status_code"], said["message_details"]) == (10, "text")
    account.close_task(task)
    said = (await api.post("post_comment", [("a", b"a")], "text", id_task=task.id)).json()
    assert (said["status_code"], said["message"]) == (8, "Task is closed")
    assert task.comments == []
    assert list(account.directory.iterdir()) == []  # a refused upload leaves nothing


async def test_a_to_do_list_is_a_text(api: Any, account: Account) -> None:
    task = account.add_task(account.add_project("P"), "T")
    url = api.admin_url("post_comment", id_task=task.id)
    await api.http.post(url, data={"todo[]": ["one", "two"]})
    assert task.comments[0].text == "one\ntwo"


async def test_a_task_with_files_in_its_description(api: Any, account: Account) -> None:
    project = account.add_project("P")
    post = api.post("post_task", [("a.txt", b"a")], "words", id_project=project.id, title="Нова", priority=7)
    said = (await post).json()
    (task,) = project.tasks
    assert (said["data"]["id"], said["data"]["name"], task.text) == (str(task.id), "Нова", "words")
    assert said["data"]["page"] == task.page
    assert [file.name for file in task.files] == ["a.txt"]
    post = api.post("post_task", [], id_project=project.id, title="Sub", id_parent=task.id)
    said = (await post).json()
    assert task.children[0].id == int(said["data"]["id"])


async def test_where_a_task_can_not_be(api: Any, account: Account) -> None:
    project, other = account.add_project("P"), account.add_project("Q")
    archived = account.add_project("R", status="archived")
    task = account.add_task(project, "1")
    leaf = account.add_task(project, "3", parent=account.add_task(project, "2", parent=task))
    closed = account.add_task(project, "closed", done=True)
    for params, code in (
        ({"id_project": other.id, "id_parent": task.id}, 5),
        ({"id_project": project.id, "id_parent": 1}, 5),
        ({"id_project": project.id, "id_parent": leaf.id}, 6),
        ({"id_project": project.id, "id_parent": closed.id}, 8),
        ({"id_project": archived.id}, 4),
    ):
        said = (await api.post("post_task", [("a", b"a")], title="x", **params)).json()
        assert said["status_code"] == code, params
    said = (await api.post("post_task", [], id_project=project.id, title=" ")).json()
    assert (said["status_code"], said["message_details"]) == (10, "title")
    assert len(account.tasks) == 4


async def test_a_project_with_files_in_its_description(api: Any, account: Account) -> None:
    said = (await api.post("post_project", [("a.txt", b"a")], "words", title="P", company="F")).json()
    project = account.projects[int(said["data"]["id"])]
    assert (project.name, project.company, project.text) == ("P", "F", "words")
    assert [file.name for file in project.files] == ["a.txt"]


async def test_who_posts(api: Any, account: Account) -> None:
    task = account.add_task(account.add_project("P"), "T")
    colleague = account.add_user("Taras", "taras@example.com")
    await api.post("post_comment", [], "1", id_task=task.id)
    await api.post("post_comment", [], "2", id_task=task.id, email_user_from=colleague.email, hidden="a@b.c")
    assert [comment.user_from for comment in task.comments] == [account.owner, colleague]
    assert task.comments[1].hidden == "a@b.c"
    said = (await api.post("post_comment", [], "3", id_task=task.id, email_user_from="x@y.z")).json()
    assert said["status_code"] == 11
    token = api.emulator.oauth.grant(colleague).access
    url = api.user_url("post_comment", id_task=task.id)
    await api.http.post(url, json={"text": "4"}, headers={"Authorization": f"Bearer {token}"})
    assert task.comments[-1].user_from is colleague


async def test_new_titles(api: Any, account: Account) -> None:
    project = account.add_project("P")
    task = account.add_task(project, "T")
    said = await api.data("update_task", id_task=task.id, title="T2", dateend="31.12.2024")
    assert (said["name"], said["date_end"]) == ("T2", "31.12.2024")
    said = await api.data("update_project", id_project=project.id, title="P2")
    assert (said["name"], project.name, task.name) == ("P2", "P2", "T2")
    assert (await api.error("update_task", id_task=task.id, title=""))[0] == 10
    assert (await api.error("update_task", id_task=1, title="x"))[0] == 5
    assert (await api.error("update_project", id_project=1, title="x"))[0] == 4


async def test_close_and_reopen(api: Any, account: Account) -> None:
    project = account.add_project("P")
    task = account.add_task(project, "T")
    states: list[object] = []
    await api.data("complete_task", id_task=task.id)
    states.append(task.done)
    assert (await api.error("complete_task", id_task=task.id))[0] == 8
    await api.data("reopen_task", id_task=task.id)
    states.append(task.done)
    await api.data("close_project", id_project=project.id)
    states.append(project.status)
    await api.data("activate_project", id_project=project.id)
    states.append(project.status)
    assert states == [True, False, "archived", "active"]


@pytest.mark.parametrize("body", ["{", "[1]", '"text"'])
async def test_a_body_that_is_no_json_object(api: Any, body: str) -> None:
    url = api.admin_url("get_projects")
    said = (await api.http.post(url, content=body, headers={"Content-Type": "application/json"})).json()
    assert said["status_code"] == 11


async def test_a_broken_multipart_body_is_http_400(api: Any, account: Account) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    response = await api.http.post(
        api.admin_url("post_project", title="P"), content=b"x" * 9999, headers=headers
    )
    assert response.status_code == 400
    assert not account.projects


async def test_an_upload_over_the_limit_is_http_413(api: Any, account: Account) -> None:
    api.emulator.upload_limit = 1_000_000
    response = await api.post("post_project", [("a", bytes(2_000_000))], title="P")
    assert response.status_code == 413
    assert not account.projects
    await api.post("post_project", [("a", bytes(500_000))], title="P")
    assert len(account.projects) == 1


async def test_everything_that_came_in_is_seen(api: Any, account: Account) -> None:
    task = account.add_task(account.add_project("P"), "T")
    await api.post("post_comment", [("a", b"1"), ("b", b"2")], "text", id_task=task.id)
    await api.get("get_comments", id_task=1)
    first, second = api.emulator.requests
    assert (first.action, first.result, first.scheme, first.files) == (
        "post_comment",
        "ok",
        "hash",
        ["a", "b"],
    )
    assert first.params == {"action": "post_comment", "id_task": str(task.id), "text": "text"}
    assert second.result == "error 5"
    assert api.emulator.count("post_comment") == 1
    assert api.emulator.count(result="error 5") == 1
    assert api.emulator.actions() == ["post_comment", "get_comments"]
