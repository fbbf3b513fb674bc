from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

REDIRECT = "https://example.com/callback"


async def authorize(api: Any, **changed: str) -> Any:
    params = {
        "client_id": api.emulator.oauth.client_id,
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "state": "xyz",
        "scope": "projects_read tasks_read",
        **changed,
    }
    return await api.http.get(f"{api.emulator.url}/oauth2/authorize", params=params)


async def grant(api: Any, page: str, **params: str) -> Any:
    said = {
        "client_id": api.emulator.oauth.client_id,
        "client_secret": api.emulator.oauth.client_secret,
        **params,
    }
    response = await api.http.post(f"{api.emulator.url}/oauth2/{page}", data=said)
    assert response.status_code == 200
    return response.json()


async def test_from_the_browser_to_a_new_pair(api: Any) -> None:
    response = await authorize(api)
    assert response.status_code == 302
    address = urlsplit(response.headers["location"])
    query = parse_qs(address.query)
    assert query["state"] == ["xyz"]
    code = query["code"][0]
    first = await grant(api, "token", grant_type="authorization_code", code=code, redirect_uri=REDIRECT)
    assert set(first) == {"token_type", "expires_in", "access_token", "refresh_token", "account_url"}
    assert first["account_url"] == api.emulator.url
    assert 86_300 < first["expires_in"] <= 86_400
    again = await grant(api, "token", grant_type="authorization_code", code=code, redirect_uri=REDIRECT)
    assert again["error"] == "invalid_grant"  # a code is good once

    second = await grant(api, "refresh", grant_type="refresh_token", refresh_token=first["refresh_token"])
    response = await api.http.get(api.user_url("get_projects", access_token=first["access_token"]))
    assert response.status_code == 401
    assert "token is expired" in response.json()["message"]
    response = await api.http.get(api.user_url("get_projects", access_token=second["access_token"]))
    assert response.json()["status"] == "ok"
    third = await grant(api, "refresh", grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert set(third) == {"error", "errorDescription"}  # both old tokens are dead


async def test_scopes(api: Any) -> None:
    code = parse_qs(urlsplit((await authorize(api)).headers["location"]).query)["code"][0]
    said = await grant(api, "token", grant_type="authorization_code", code=code, redirect_uri=REDIRECT)
    response = await api.http.get(api.user_url("post_project", access_token=said["access_token"], title="P"))
    assert response.json()["message"] == "Access denied"
    assert not api.emulator.account.projects


@pytest.mark.parametrize(
    "changed",
    [{"client_id": "x"}, {"redirect_uri": "http://example.com/"}, {"response_type": "token"}],
)
async def test_refused_authorisation_is_http_200_with_an_error(api: Any, changed: dict[str, str]) -> None:
    response = await authorize(api, **changed)
    assert response.status_code == 200
    assert set(response.json()) == {"error", "errorDescription"}


async def test_refused_grants(api: Any) -> None:
    assert (await grant(api, "token", grant_type="authorization_code", code="x"))["error"] == "invalid_grant"
    assert (await grant(api, "refresh", grant_type="refresh_token"))["error"] == "invalid_grant"
    assert (await grant(api, "token", grant_type="password"))["error"] == "unsupported_grant_type"
    said = await grant(api, "refresh", grant_type="refresh_token", client_secret="x")
    assert said["error"] == "invalid_client"
