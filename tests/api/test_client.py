"""Each action's request, by a function in place of the network."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from wsfs.api import errors
from wsfs.api.auth import UserToken, admin_hash
from wsfs.api.client import Attachment, Client
from wsfs.api.models import Comment, Project, Task, User
from wsfs.api.pacing import Lane

KEY = "7776461cd931e7b1c8e9632ff8e979ce"
Make = Callable[..., Client]
P = Lane.PERSON


class Service:
    """Answers every request with `data`, and remembers them."""

    def __init__(self, data: Any = None) -> None:
        self.data = data
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(200, json={"status": "ok", "data": self.data})

    @property
    def query(self) -> str:
        return self.requests[-1].url.query.decode()

    @property
    def fields(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(self.requests[-1].content.decode()))


READS: list[tuple[Callable[[Client], Awaitable[Any]], str]] = [
    (lambda c: c.get_projects(lane=P), "action=get_projects"),
    (
        lambda c: c.get_projects(lane=P, filter="active,pending", extra=["text", "users"]),
        "action=get_projects&filter=active,pending&extra=text,users",
    ),
    (lambda c: c.get_project_groups(lane=P), "action=get_project_groups"),
    (
        lambda c: c.get_all_tasks(lane=P, extra=["files", "subtasks"], filter="active"),
        "action=get_all_tasks&extra=files,subtasks&filter=active",
    ),
    (lambda c: c.get_tasks(26, lane=P), "action=get_tasks&id_project=26"),
    (lambda c: c.get_comments(5, lane=P, extra=["files"]), "action=get_comments&id_task=5&extra=files"),
    (lambda c: c.get_files(lane=P, task_id=5), "action=get_files&id_task=5"),
    (lambda c: c.get_files(lane=P, project_id=6), "action=get_files&id_project=6"),
    (lambda c: c.get_events("2h", lane=P), "action=get_events&period=2h"),
    (lambda c: c.get_events("2h", lane=P, project_id=3), "action=get_events&period=2h&id_project=3"),
    (lambda c: c.get_users(lane=P), "action=get_users"),
]


@pytest.mark.parametrize(("ask", "query"), READS)
async def test_what_a_listing_asks(
    make_client: Make, ask: Callable[[Client], Awaitable[Any]], query: str
) -> None:
    service = Service([{"id": "3"}])
    async with make_client(service) as client:
        (thing,) = await ask(client)
    assert service.query == query
    assert service.requests[0].method == "GET"
    assert getattr(thing, "id", 3) == 3


ONES: list[tuple[Callable[[Client], Awaitable[Any]], str]] = [
    (lambda c: c.get_project(3, lane=P), "action=get_project&id_project=3"),
    (lambda c: c.get_task(3, lane=P, extra=["files"]), "action=get_task&id_task=3&extra=files"),
    (lambda c: c.me(lane=P), "action=me"),
]


@pytest.mark.parametrize(("ask", "query"), ONES)
async def test_what_a_single_thing_asks(
    make_client: Make, ask: Callable[[Client], Awaitable[Any]], query: str
) -> None:
    service = Service({"id": "3"})
    async with make_client(service) as client:
        assert (await ask(client)).id == 3
        assert service.query == query
        service.data = None
        with pytest.raises(errors.BadAnswer, match="empty"):
            await ask(client)


async def test_an_empty_listing_has_no_data(make_client: Make) -> None:
    async with make_client(lambda _: httpx.Response(200, content=b'{"status":"ok"}')) as client:
        assert await client.get_projects(lane=P) == []


async def test_files_of_neither_or_both_are_no_question(make_client: Make) -> None:
    async with make_client(Service()) as client:
        with pytest.raises(ValueError, match="project or a task"):
            await client.get_files(lane=P)
        with pytest.raises(ValueError, match="project or a task"):
            await client.get_files(lane=P, project_id=1, task_id=2)


WRITES: list[tuple[Callable[[Client], Awaitable[Any]], str, dict[str, str], type]] = [
    (
        lambda c: c.post_comment(5, lane=P, text="ї", email_user_from="a@b.c", hidden="x@y.z"),
        "post_comment",
        {"id_task": "5", "text": "ї", "email_user_from": "a@b.c", "hidden": "x@y.z"},
        Comment,
    ),
    (
        lambda c: c.post_task(6, lane=P, title="T & U", id_parent=7, text=""),
        "post_task",
        {"id_project": "6", "title": "T & U", "id_parent": "7", "text": ""},
        Task,
    ),
    (
        lambda c: c.post_project(lane=P, title="P", company="Clients", email_manager="m@b.c"),
        "post_project",
        {"title": "P", "company": "Clients", "email_manager": "m@b.c"},
        Project,
    ),
    (lambda c: c.update_task(5, lane=P, title="N"), "update_task", {"id_task": "5", "title": "N"}, Task),
    (
        lambda c: c.update_project(6, lane=P, title="N"),
        "update_project",
        {"id_project": "6", "title": "N"},
        Project,
    ),
]


@pytest.mark.parametrize(("ask", "action", "fields", "kind"), WRITES)
async def test_what_a_write_sends(
    make_client: Make,
    ask: Callable[[Client], Awaitable[Any]],
    action: str,
    fields: dict[str, str],
    kind: type,
) -> None:
    service = Service({"id": "9"})
    async with make_client(service) as client:
        assert await ask(client) == kind(id=9)
        request = service.requests[0]
        sent = dict(urllib.parse.parse_qsl(request.content.decode(), keep_blank_values=True))
        assert (request.method, service.query, sent) == ("POST", f"action={action}", fields)
        assert int(request.headers["content-length"]) == len(request.content)
        service.data = None
        assert await ask(client) == kind()  # done, and nothing told of it


async def test_attachments_are_parts_of_one_post(make_client: Make, tmp_path: Path) -> None:
    service = Service({"id": "9"})
    files = []
    for number, name in enumerate(("a.txt", 'quo"te.txt')):
        path = tmp_path / str(number)
        path.write_bytes(b"content" * number)
        files.append(Attachment(name, path, 7 * number))
    async with make_client(service) as client:
        await client.post_comment(5, lane=Lane.UPLOAD, text="a.txt", attachments=files)
    (request,) = service.requests
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert request.content.count(b'name="attach[') == 2
    assert b'name="attach[1]"; filename="quo\\"te.txt"' in request.content
    assert "transfer-encoding" not in request.headers


@pytest.mark.parametrize("change", ["gone", "longer", "shorter"])
async def test_a_changed_file_is_found_before_anything_is_sent(
    make_client: Make, tmp_path: Path, change: str
) -> None:
    service = Service()
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    file = Attachment("name.txt", path, 5)
    path.unlink() if change == "gone" else path.write_bytes(b"1" * (9 if change == "longer" else 1))
    async with make_client(service) as client:
        with pytest.raises(errors.AttachmentUnreadable, match=r"name\.txt"):
            await client.post_comment(5, lane=Lane.UPLOAD, text="", attachments=[file])
    assert service.requests == []


async def test_the_base_path_follows_the_credentials(make_client: Make) -> None:
    service = Service([])
    async with make_client(service) as client:
        await client.get_projects(lane=P)
    async with make_client(service, credentials=UserToken("tok"), url="http://127.0.0.1:80/") as client:
        await client.get_projects(lane=P)
    admin, user = service.requests
    assert str(admin.url) == "https://acme.example/api/admin/v2/?action=get_projects"
    assert str(user.url) == "http://127.0.0.1/api/oauth2?action=get_projects"
    assert user.headers["authorization"] == "Bearer tok"
    assert admin.headers["user-agent"].startswith("wsfs/")


async def test_the_hash_covers_the_query_exactly_as_sent(make_client: Make) -> None:
    service = Service([])
    async with make_client(service, scheme="hash") as client:
        await client.get_projects(lane=P, filter="активні & інші")
    query, _, sent = service.query.partition("&hash=")
    assert sent == admin_hash(query, KEY)
    assert "%26" in query
    assert "authorization" not in service.requests[0].headers


async def test_the_hash_of_a_post_covers_its_query_only(make_client: Make) -> None:
    service = Service({})
    async with make_client(service, scheme="hash") as client:
        await client.update_task(5, lane=P, title="N")
    assert service.query == f"action=update_task&hash={admin_hash('action=update_task', KEY)}"


async def test_a_question_too_long_for_a_url_is_posted(make_client: Make) -> None:
    service = Service([])
    async with make_client(service) as client:
        await client.get_projects(lane=P, filter="x" * 9000, extra=["text"])
        await client.get_projects(lane=P, filter="x" * 7000)
    long, short = service.requests
    assert (long.method, long.url.query) == ("POST", b"action=get_projects")
    assert dict(urllib.parse.parse_qsl(long.content.decode())) == {"filter": "x" * 9000, "extra": "text"}
    assert short.method == "GET"


async def test_a_large_answer_is_decoded_whole(make_client: Make) -> None:
    tasks = [{"id": str(n), "name": f"Задача {n}", "text": "x" * 500} for n in range(5000)]
    body = json.dumps({"status": "ok", "data": tasks}, ensure_ascii=False).encode()
    async with make_client(lambda _: httpx.Response(200, content=body)) as client:
        found = await client.get_all_tasks(lane=P)
    assert len(body) > 2_000_000
    assert [task.id for task in found] == list(range(5000))


async def test_me_is_a_user(make_client: Make) -> None:
    async with make_client(Service({"id": "1", "name": "Ann", "email": "a@b.c"})) as client:
        assert await client.me(lane=P) == User(id=1, name="Ann", email="a@b.c")
