"""Who asks: hash, header, token."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from wsfs.emulator.account import Account
from wsfs.emulator.gate import Gate
from wsfs.emulator.oauth import OAuth
from wsfs.emulator.problems import Problem
from wsfs.emulator.testing import running

KEY = "7776461cd931e7b1c8e9632ff8e979ce"


def gate(account: Account, *schemes: str) -> Gate:
    return Gate(KEY, OAuth("0", account.owner), schemes or ("hash", "header", "token"))


def test_the_documented_vector(account: Account) -> None:
    query = b"action=get_tasks&id_project=26"
    signature = hashlib.md5(query + KEY.encode()).hexdigest().encode()
    assert gate(account).admin(query + b"&hash=" + signature, {}, "get_tasks").scheme == "hash"
    assert gate(account).admin(b"hash=" + signature + b"&" + query, {}, "get_tasks").scheme == "hash"


@pytest.mark.parametrize(
    "query", [b"action=get_tasks", b"action=get_tasks&hash=", b"action=get_tasks&hash=" + b"0" * 32]
)
def test_a_wrong_or_missing_hash(account: Account, query: bytes) -> None:
    with pytest.raises(Problem) as caught:
        gate(account).admin(query, {}, "get_tasks")
    assert (caught.value.code, caught.value.http) == (2, 200)


async def test_the_header(api: Any) -> None:
    url = f"{api.emulator.url}/api/admin/v2/?action=get_projects"
    for headers, works in (
        (api.signed("get_projects"), True),
        (api.signed("get_projects", int(time.time()) - 240), True),
        (api.signed("get_projects", int(time.time()) - 400), False),
        (api.signed("get_tasks"), False),
        ({"Authorization": "Admin nonsense"}, False),
        ({}, False),
    ):
        said = (await api.http.get(url, headers=headers)).json()
        assert said == (
            {"status": "ok"}
            if works
            else {"status": "error", "status_code": 2, "message": "Action hash is missed or invalid"}
        )
    assert [seen.scheme for seen in api.emulator.requests[:2]] == ["header", "header"]


async def test_schemes_can_be_refused(account: Account, api_of: Callable[..., Any]) -> None:
    async with running(account, auth=("hash",)) as emulator, httpx.AsyncClient() as http:
        api = api_of(emulator, http)
        url = f"{emulator.url}/api/admin/v2/?action=get_projects"
        assert (await http.get(url, headers=api.signed("get_projects"))).json()["status_code"] == 2
        assert (await api.get("get_projects")).json()["status"] == "ok"
        response = await http.get(api.user_url("get_projects", access_token=emulator.token))
        assert response.status_code == 401


async def test_a_token_in_the_header_or_as_a_parameter(api: Any) -> None:
    emulator = api.emulator
    url = api.user_url("me")
    said = (await api.http.get(url, headers={"Authorization": f"Bearer {emulator.token}"})).json()
    assert said["data"]["email"] == emulator.account.owner.email
    said = (await api.http.get(api.user_url("me", access_token=emulator.token))).json()
    assert said["data"]["role"] == "owner"
    said = (await api.http.post(url, data={"access_token": emulator.token})).json()
    assert said["status"] == "ok"
    assert all("access_token" not in seen.params for seen in emulator.requests)


async def test_a_dead_token_is_http_401(api: Any) -> None:
    grant = api.emulator.oauth.grant()
    headers = {"Authorization": f"Bearer {grant.access}"}
    assert (await api.http.get(api.user_url("me"), headers=headers)).status_code == 200
    api.emulator.oauth.expire(grant.access)
    response = await api.http.get(api.user_url("me"), headers=headers)
    assert response.status_code == 401
    assert "token is expired" in response.json()["message"]
    response = await api.http.get(api.user_url("me"), headers={"Authorization": "Bearer nobody's"})
    assert response.status_code == 401


async def test_a_token_does_not_open_the_admin_door(api: Any) -> None:
    url = f"{api.emulator.url}/api/admin/v2/?action=get_projects"
    said = (await api.http.get(url, headers={"Authorization": f"Bearer {api.emulator.token}"})).json()
    assert said["status_code"] == 2
