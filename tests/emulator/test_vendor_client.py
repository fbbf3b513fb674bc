"""The vendor's own client, worksection-api-client from PyPI, runs unmodified against the emulator.

It is synchronous, so it runs in a worker thread. Where an answer has no `data`, as an empty list has none, it takes
the answer itself for the one element: what is listed here is never empty.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio
from worksection import Client, ResponseException, UnauthorizedException

from wsfs.emulator.account import Account
from wsfs.emulator.demo import demo_account
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.testing import running

T = TypeVar("T")


async def call(function: Callable[..., T], *arguments: Any, **options: Any) -> T:
    return await trio.to_thread.run_sync(lambda: function(*arguments, **options))


@pytest.fixture
def account() -> Account:
    return demo_account()


@pytest.fixture
async def emulator(account: Account) -> AsyncIterator[Emulator]:
    async with running(account) as started:
        yield started
    account.close()


@pytest.fixture(params=["API key", "token"])
def client(emulator: Emulator, request: pytest.FixtureRequest) -> Any:
    made = Client(emulator.url)
    if request.param == "token":
        return made.set_access_token(emulator.token)
    return made.set_api_key(emulator.api_key)


def named(account: Account, name: str) -> Any:
    things: list[Any] = [*account.projects.values(), *account.tasks.values()]
    return next(thing for thing in things if thing.name == name)


async def test_projects(client: Any, account: Account) -> None:
    projects = await call(client.projects.list, {"extra": "text,users,options"})
    assert [project.name for project in projects] == [project.name for project in account.projects.values()]
    active = await call(client.projects.list, {"filter": "active"})
    assert len(active) == 4
    one = await call(client.projects.get, int(active[0].id))
    assert one.user_from.email == "olena@example.com"
    made = await call(
        client.projects.create, "Made here", {"text": "words", "members": ["marta@example.com"]}
    )
    await call(client.projects.update, int(made.id), {"title": "Renamed"})
    await call(client.projects.close, int(made.id))
    assert account.projects[int(made.id)].status == "archived"
    await call(client.projects.activate, int(made.id))
    await call(client.projects.add_members, int(made.id), ["taras@example.com"])
    await call(client.projects.remove_members, int(made.id), ["olena@example.com"])
    project = account.projects[int(made.id)]
    assert (project.name, project.status) == ("Renamed", "active")
    assert [user.email for user in project.members] == ["taras@example.com"]


async def test_groups_and_labels(client: Any) -> None:
    await call(client.projects.create_group, "Folder")
    assert "Folder" in [group.title for group in await call(client.projects.groups)]
    for resource in (client.projects, client.tasks):
        await call(resource.create_tag_group, "State", "public")
        (group,) = await call(resource.tag_groups)
        made = await call(resource.create_tags, group.title, "red", "green")
        assert [tag.title for tag in await call(resource.tags)] == ["red", "green"]
        await call(resource.custom_fields)
    projects = await call(client.projects.list)
    tasks = await call(client.tasks.list, int(projects[1].id))
    await call(client.tasks.update_tags, int(tasks[0].id), [int(tag.id) for tag in made], [int(made[0].id)])
    assert (await call(client.tasks.get, int(tasks[0].id))).tags == {made[1].id: "green"}


async def test_tasks(client: Any, account: Account) -> None:
    site = named(account, "Website relaunch")
    everything = await call(client.tasks.list, 0, {"extra": "files,comments,subtasks,text"})
    assert len(everything) > 20
    of_site = await call(client.tasks.list, site.id)
    assert "Design" in [task.name for task in of_site]
    assert of_site[0].project.name == "Website relaunch"
    made = await call(client.tasks.create, site.id, "Made here", {"text": "words"})
    below = await call(client.tasks.create, site.id, "Below", {"id_parent": int(made.id)})
    assert (await call(client.tasks.get, int(below.id))).page == f"{made.page}{below.id}/"
    await call(client.tasks.update, int(made.id), {"title": "Renamed"})
    await call(client.tasks.subscribe, int(made.id), "marta@example.com")
    await call(client.tasks.unsubscribe, int(made.id), "marta@example.com")
    await call(client.tasks.complete, int(made.id))
    assert (await call(client.tasks.get, int(made.id))).status == "done"
    await call(client.tasks.reopen, int(made.id))
    found = await call(client.tasks.search, {"filter": "(name has 'renamed')"})
    assert [task.name for task in found] == ["Renamed"]


async def test_comments(client: Any, account: Account) -> None:
    design = named(account, "Design")
    comments = await call(client.comments.list, design.id, {"extra": "files"})
    assert [comment.text for comment in comments][-1] == "First round of the home page."
    made = await call(client.comments.create, design.id, "Дякую!")
    assert made.text == "Дякую!"
    assert design.comments[-1].id == int(made.id)


async def test_files(client: Any, account: Account, tmp_path: Path) -> None:
    design, site = named(account, "Design"), named(account, "Website relaunch")
    listed = await call(client.files.list, {"id_task": design.id})
    assert [file.name for file in listed].count("Home page.png") == 3
    assert "Contract.pdf" in [file.name for file in await call(client.files.list, {"id_project": site.id})]
    for file in listed:
        sink = io.BytesIO()
        downloaded = await call(client.files.download, int(file.id), sink)
        assert downloaded.filename == file.name
        assert sink.getvalue() == account.files[int(file.id)].content.read(0, int(file.size))
    target = tmp_path / "saved"
    await call(client.files.download, int(listed[0].id), str(target))
    assert target.stat().st_size == int(listed[0].size)
    with pytest.raises(ResponseException, match="File not found"):
        await call(client.files.download, 1)


async def test_upload_and_attach(client: Any, account: Account, tmp_path: Path) -> None:
    path = tmp_path / "план.txt"
    path.write_bytes("текст".encode())
    uploaded = await call(client.files.upload, [str(path)])
    site = named(account, "Website relaunch")
    made = await call(client.tasks.create, site.id, "With a file", {"files": uploaded})
    (file,) = account.tasks[int(made.id)].files
    assert (file.name, file.content.read(0, 99)) == ("план.txt", "текст".encode())


async def test_events(client: Any, account: Account) -> None:
    design = named(account, "Design")
    await call(client.comments.create, design.id, "hello")
    account.close_task(design)
    told = await call(client.events.list, "1h")
    assert [(event["action"], event["object"]["type"]) for event in told] == [
        ("close", "task"),
        ("post", "comment"),
    ]
    assert len(await call(client.events.list, "1d", design.project.id)) == 2


async def test_members(client: Any) -> None:
    members = await call(client.members.list)
    assert members[0].is_owner()
    assert members[0].first_name == "Olena"


async def test_me(emulator: Emulator) -> None:
    client = Client(emulator.url).set_access_token(emulator.token)
    assert (await call(client.user.profile)).email == "olena@example.com"


async def test_errors(emulator: Emulator) -> None:
    client = Client(emulator.url).set_api_key("0" * 32)
    with pytest.raises(ResponseException, match="hash is missed or invalid"):
        await call(client.projects.list)
    emulator.oauth.expire(emulator.token)
    client = Client(emulator.url).set_access_token(emulator.token)
    with pytest.raises(UnauthorizedException, match="token is expired"):
        await call(client.projects.list)


async def test_it_refreshes_its_token(emulator: Emulator) -> None:
    oauth = emulator.oauth
    grant = oauth.grant()
    client = Client(emulator.url).set_client(
        {
            "client_id": oauth.client_id,
            "client_secret": oauth.client_secret,
            "redirect_uri": "https://example.com/",
            "refresh_url": f"{emulator.url}/oauth2/refresh",
        }
    )
    client.set_access_token({"access_token": grant.access, "refresh_token": grant.refresh})
    oauth.expire(grant.access)
    assert len(await call(client.projects.list)) == 6
    assert client.get_access_token() != grant.access
