"""The client against the emulated service: what each believes of the other is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from wsfs.api import errors
from wsfs.api.auth import AdminKey, UserToken
from wsfs.api.client import Attachment, Client
from wsfs.api.pacing import Lane, Pacer
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.testing import running

P = Lane.PERSON
NAMES = [
    "plain.txt",
    "quo'te.txt",
    'quo"te.txt',
    "Договір №1.pdf",
    "a;b=c, d.txt",
    "100%22.txt",
    "😀.png",
    "ж" * 120,
]


def client_of(emulator: Emulator, *, token: bool = False, **options: Any) -> Client:
    credentials = UserToken(emulator.token) if token else AdminKey(emulator.api_key)
    return Client(emulator.url, credentials, options.pop("pacer", None) or Pacer(0), **options)


def attachments(folder: Path, names: list[str]) -> list[Attachment]:
    made = []
    for number, name in enumerate(names):
        content = f"{name} {number}".encode() * 1000 * number
        path = folder / str(number)
        path.write_bytes(content)
        made.append(Attachment(name, path, len(content)))
    return made


@pytest.mark.parametrize("auth", [["header"], ["hash"], ["token"], ["header", "hash", "token"]])
async def test_every_login_is_taken(auth: list[str]) -> None:
    heard: list[str] = []
    async with (
        running(auth=auth) as emulator,
        client_of(emulator, token=auth == ["token"], on_scheme=heard.append) as client,
    ):
        assert await client.get_projects(lane=P) == []
        made = await client.post_project(lane=P, title="Проєкт & Ко")
        assert [project.name for project in await client.get_projects(lane=P)] == ["Проєкт & Ко"]
        assert (await client.get_project(made.id, lane=P)).name == "Проєкт & Ко"
    assert heard == [{"header": "header", "hash": "hash", "token": "bearer"}[auth[0]]]


async def test_a_wrong_key_and_a_wrong_token() -> None:
    async with running() as emulator:
        for credentials in (AdminKey("0" * 32), UserToken("nonsense")):
            async with Client(emulator.url, credentials, Pacer(0)) as client:
                with pytest.raises(errors.LoginRefused):
                    await client.get_projects(lane=P)


async def test_names_and_bytes_arrive_and_come_back(tmp_path: Path) -> None:
    sent = attachments(tmp_path, NAMES)
    async with running() as emulator, client_of(emulator) as client:
        project = await client.post_project(lane=P, title="P")
        task = await client.post_task(project.id, lane=P, title="T", attachments=sent[:1])
        subtask = await client.post_task(project.id, lane=P, title="S", id_parent=task.id)
        comment = await client.post_comment(task.id, lane=Lane.UPLOAD, text="файли", attachments=sent[1:])
        assert comment.id
        listed = await client.get_files(lane=P, task_id=task.id)
        assert sorted(file.name for file in listed) == sorted(NAMES)
        assert all(file.date_added and file.user_from for file in listed)
        for file in listed:
            (origin,) = [item for item in sent if item.name == file.name]
            assert file.size == origin.size
            async with client.download(file.id, lane=P) as download:
                assert download.size == file.size
                content = b"".join([chunk async for chunk in download.chunks()])
            assert hashlib.sha256(content).digest() == hashlib.sha256(origin.path.read_bytes()).digest()
        (told,) = await client.get_all_tasks(lane=P, extra=["files", "subtasks", "comments"])
        assert [file.name for file in told.files or []] == NAMES[:1]
        assert [child.id for child in told.child] == [subtask.id]
        assert told.has_comments is True
        (said,) = await client.get_comments(task.id, lane=P, extra=["files"])
        assert said.text == "файли"
        assert (await client.get_task(subtask.id, lane=P)).name == "S"


async def test_renaming_events_and_people() -> None:
    async with running() as emulator, client_of(emulator) as client:
        project = await client.post_project(lane=P, title="P")
        task = await client.post_task(project.id, lane=P, title="T")
        await client.update_task(task.id, lane=P, title='Нова "назва" & інше')
        await client.update_project(project.id, lane=P, title="P2")
        (found,) = await client.get_tasks(project.id, lane=P)
        assert found.name == 'Нова "назва" & інше'
        assert (await client.get_project(project.id, lane=P)).name == "P2"
        events = await client.get_events("1h", lane=P)
        assert {("post", "task"), ("update", "task"), ("post", "project")} <= {
            (event.action, event.object.type) for event in events if event.object
        }
        assert all(user.id and user.email for user in await client.get_users(lane=P))
        assert isinstance(await client.get_project_groups(lane=P), list)
    async with running() as emulator, client_of(emulator, token=True) as client:
        assert (await client.me(lane=P)).email


async def test_named_errors() -> None:
    async with running() as emulator, client_of(emulator) as client:
        with pytest.raises(errors.TaskInvalid):
            await client.get_task(999, lane=P)
        with pytest.raises(errors.NotFound):
            await client.get_tasks(999, lane=P)
        with pytest.raises(errors.TaskInvalid):
            await client.post_comment(999, lane=P, text="x")
        with pytest.raises(errors.FileNotFound):
            async with client.download(999, lane=P):
                pass


async def test_the_pacer_keeps_within_the_services_limit() -> None:
    async with running(rate=10.0) as emulator, client_of(emulator, pacer=Pacer(10.0)) as client:
        async with trio.open_nursery() as nursery:
            for lane in [*Lane] * 3:
                nursery.start_soon(lambda lane=lane: client.get_projects(lane=lane))  # type: ignore[misc]
        assert [seen.result for seen in emulator.requests] == ["ok"] * 12


async def test_a_client_that_is_too_fast_is_slowed_and_nothing_fails() -> None:
    results: list[str] = []
    async with (
        running(rate=5.0) as emulator,
        client_of(emulator, observer=lambda record: results.append(record.result)) as client,
        trio.open_nursery() as nursery,
    ):
        for _ in range(3):
            nursery.start_soon(lambda: client.get_projects(lane=P))
    assert results.count("ok") == 3
    assert "TooManyRequests" in results


FAULTS: list[tuple[str, type[errors.ApiError]]] = [
    ("500", errors.ServerFailed),
    ("garbage", errors.BadAnswer),
    ("denied", errors.AccessDenied),
    ("expired-token", errors.TokenExpired),
    ("reset", errors.ConnectionBroken),
    ("hang", errors.TimedOut),
    ("truncate", errors.ConnectionBroken),
    ("reset-body", errors.ConnectionBroken),
    ("stall", errors.TimedOut),
]


@pytest.mark.parametrize(("fault", "kind"), FAULTS)
async def test_what_a_fault_is_to_a_reader(fault: str, kind: type[errors.ApiError]) -> None:
    async with running() as emulator, client_of(emulator, deadline=0.5) as client:
        for name in ("P", "Q"):
            await client.post_project(lane=P, title=name)
        emulator.faults.arm(fault)
        with pytest.raises(errors.ApiError) as caught:
            await client.get_projects(lane=P)
        assert type(caught.value) is kind
        emulator.faults.clear()
        assert len(await client.get_projects(lane=P)) == 2


@pytest.mark.parametrize(
    ("fault", "cause", "done"),
    [
        ("500", errors.ServerFailed, False),
        ("garbage", errors.BadAnswer, False),
        ("reset", errors.ConnectionBroken, False),
        ("hang", errors.TimedOut, False),
        ("lost-reply", errors.ConnectionBroken, True),
    ],
)
async def test_an_upload_whose_outcome_is_unknown(
    tmp_path: Path, fault: str, cause: type[errors.ApiError], done: bool
) -> None:
    async with running() as emulator, client_of(emulator, deadline=1, upload_deadline=1) as client:
        project = await client.post_project(lane=P, title="P")
        task = await client.post_task(project.id, lane=P, title="T")
        emulator.faults.arm(fault)
        with pytest.raises(errors.OutcomeUnknown) as caught:
            await client.post_comment(
                task.id, lane=P, text="text", attachments=attachments(tmp_path, NAMES[:3])
            )
        assert type(caught.value.cause) is cause
        emulator.faults.clear()
        posts = [seen for seen in emulator.requests if seen.action == "post_comment"]
        assert len(posts) == 1
        assert len(await client.get_files(lane=P, task_id=task.id)) == (3 if done else 0)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("too-large", errors.TooLarge), ("storage-full", errors.StorageFull), ("denied", errors.AccessDenied)],
)
async def test_an_upload_that_is_refused(tmp_path: Path, fault: str, kind: type[errors.ApiError]) -> None:
    async with running() as emulator, client_of(emulator) as client:
        project = await client.post_project(lane=P, title="P")
        task = await client.post_task(project.id, lane=P, title="T")
        emulator.faults.arm(fault)
        with pytest.raises(kind):
            await client.post_comment(
                task.id, lane=P, text="text", attachments=attachments(tmp_path, NAMES[:2])
            )


@pytest.mark.parametrize("fault", ["429", "429-retry-after", "429-json"])
async def test_an_upload_that_came_too_early_is_sent_again_once(tmp_path: Path, fault: str) -> None:
    async with running() as emulator, client_of(emulator) as client:
        project = await client.post_project(lane=P, title="P")
        task = await client.post_task(project.id, lane=P, title="T")
        emulator.faults.arm(fault, "post_comment", 1)
        await client.post_comment(task.id, lane=P, text="text", attachments=attachments(tmp_path, NAMES[:3]))
        assert len(await client.get_files(lane=P, task_id=task.id)) == 3


@pytest.mark.parametrize("ranges", [True, False])
async def test_ranges_or_none(tmp_path: Path, ranges: bool) -> None:
    (file,) = attachments(tmp_path, ["a", "b"])[1:]
    async with running(ranges=ranges) as emulator, client_of(emulator) as client:
        project = await client.post_project(lane=P, title="P")
        await client.post_task(project.id, lane=P, title="T", attachments=[file])
        (task,) = await client.get_all_tasks(lane=P, extra=["files"])
        assert task.files is not None
        async with client.download(task.files[0].id, lane=P, start=100) as download:
            assert download.start == (100 if ranges else 0)
            assert download.ranges is ranges
            assert download.size == file.size
            content = b"".join([chunk async for chunk in download.chunks()])
        assert content == file.path.read_bytes()[download.start :]


async def test_the_vendors_client_sees_what_this_one_sent(tmp_path: Path) -> None:
    from worksection import Client as VendorClient

    def vendor_files(url: str, key: str, task: int) -> list[str]:
        client = VendorClient(url).set_api_key(key)
        return [file.name for file in client.files.list({"id_task": task})]

    async with running() as emulator, client_of(emulator) as client:
        project = await client.post_project(lane=P, title="P")
        task = await client.post_task(
            project.id, lane=P, title="T", attachments=attachments(tmp_path, NAMES[:5])
        )
        call: Callable[..., Any] = vendor_files
        seen = await trio.to_thread.run_sync(call, emulator.url, emulator.api_key, task.id)
    assert sorted(seen) == sorted(NAMES[:5])
