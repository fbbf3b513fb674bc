from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trio

from wsfs.emulator.account import Account
from wsfs.emulator.contents import Noise
from wsfs.emulator.testing import running


async def test_too_many_requests(account: Account, api_of: Callable[..., Any]) -> None:
    for throttle, status in (("429", 429), ("429-retry-after", 429), ("429-json", 200)):
        async with running(account, rate=0.1, throttle=throttle) as emulator, httpx.AsyncClient() as http:
            api = api_of(emulator, http)
            assert (await api.get("get_projects")).json()["status"] == "ok"
            early = await api.get("get_projects")
            assert early.status_code == status
            assert early.json() == {"status": "error", "message": "Too many requests"}
            assert ("retry-after" in early.headers) == (throttle == "429-retry-after")
            assert 1 <= int(early.headers.get("retry-after", "1")) <= 10
            assert [seen.result for seen in emulator.requests] == ["ok", "too early"]
            assert emulator.pace.refused == 1
            upload = await api.post("post_project", [("a", bytes(2_000_000))], title="P")
            assert upload.status_code == status  # refused after its body was sent
    assert not account.projects


async def test_the_limit_is_the_accounts_whoever_asks(account: Account, api_of: Callable[..., Any]) -> None:
    async with running(account, rate=0.1) as emulator, httpx.AsyncClient() as one, httpx.AsyncClient() as two:
        await api_of(emulator, one).get("get_projects")
        token = emulator.token
        response = await two.get(api_of(emulator, two).user_url("me", access_token=token))
        assert response.status_code == 429
        assert (await two.get(f"{emulator.url}/emulator/files.json")).status_code == 200  # outside the limit


async def test_what_scripts_may_ask(api: Any, account: Account) -> None:
    project = account.add_project("P")
    task = account.add_task(project, "T", files=[("a", b"abc")])
    await api.get("get_task", id_task=task.id)
    base = f"{api.emulator.url}/emulator"
    (file,) = (await api.http.get(f"{base}/files.json")).json()
    assert file == {
        "id": task.files[0].id,
        "name": "a",
        "size": 3,
        "sha256": account.sha256(task.files[0]),
        "task": {"id": task.id, "name": "T"},
        "project": {"id": project.id, "name": "P"},
    }
    (seen,) = (await api.http.get(f"{base}/requests.json")).json()
    assert (seen["action"], seen["result"]) == ("get_task", "ok")
    assert "hash" not in seen["params"]
    response = await api.http.post(f"{base}/colleague", json={"do": "close_task", "task": task.id})
    assert response.json() == {"status": "ok", "data": {}}
    assert account.tasks[task.id].done
    added = {"do": "add_file_to_task", "task": task.id, "file": {"name": "n", "size": 10}}
    response = await api.http.post(f"{base}/colleague", json=added)
    assert account.files[response.json()["data"]["id"]].size == 10
    response = await api.http.post(f"{base}/colleague", json={"do": "drop_tables"})
    assert response.status_code == 400
    assert (await api.http.get(f"{api.emulator.url}/nothing")).status_code == 404


async def test_a_download_that_nobody_reads_does_not_hold_up_the_end(
    account: Account, api_of: Callable[..., Any]
) -> None:
    file = account.add_file_to_project(account.add_project("P"), ("big", Noise(1, 500_000_000)))
    with trio.fail_after(10):
        async with httpx.AsyncClient() as http, running(account) as emulator:
            url = api_of(emulator, http).admin_url("download", id_file=file.id)
            request = http.build_request("GET", url)
            response = await http.send(request, stream=True)
            await trio.sleep(0.3)  # the socket's buffers are full by now
            assert emulator.exchanges
        await response.aclose()


async def test_a_hanging_request_does_not_hold_up_the_end(
    account: Account, api_of: Callable[..., Any]
) -> None:
    caught: list[httpx.HTTPError] = []
    async with trio.open_nursery() as nursery, httpx.AsyncClient() as http:
        with trio.fail_after(10):
            async with running(account) as emulator:
                fault = emulator.faults.arm("hang")

                async def ask() -> None:
                    try:
                        await api_of(emulator, http).get("get_projects")
                    except httpx.HTTPError as error:
                        caught.append(error)

                nursery.start_soon(ask)
                await fault.struck.wait()
            await api_of(emulator, http).until(lambda: caught)
    assert len(caught) == 1


async def test_the_same_account_at_the_same_port_again(account: Account, api_of: Callable[..., Any]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    urls = []
    for _ in range(2):
        async with running(account, port=port) as emulator, httpx.AsyncClient() as http:
            await api_of(emulator, http).post("post_project", [("a", b"a")], title="P")
            urls.append(emulator.url)
    assert urls == [f"http://127.0.0.1:{port}"] * 2
    assert [project.files[0].content.read(0, 9) for project in account.projects.values()] == [b"a", b"a"]
    account.close()


async def test_an_error_of_the_block_comes_out_as_it_is(account: Account) -> None:
    with pytest.raises(ZeroDivisionError):
        async with running(account):
            raise ZeroDivisionError


async def test_an_unforeseen_error_is_http_500_and_logged(
    api: Any, monkeypatch: pytest.MonkeyPatch, expected_warnings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    expected_warnings.expect("Error in ASGI Framework")
    monkeypatch.setattr(api.emulator, "gate", None)
    assert (await api.get("get_projects")).status_code == 500
    await api.until(lambda: "Error in ASGI Framework" in caplog.text)
