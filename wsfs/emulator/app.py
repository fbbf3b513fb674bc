"""The ASGI application: which address leads where."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from wsfs.emulator import colleague, faults
from wsfs.emulator.account import Account
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.entities import StoredFile
from wsfs.emulator.exchange import stream_below
from wsfs.emulator.oauth import OAuthError
from wsfs.emulator.parameters import Parameters, body_pairs, from_query


class Door:
    """One of the API's two addresses, as an ASGI application."""

    def __init__(self, emulator: Emulator, name: str) -> None:
        self._emulator = emulator
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._emulator.serve_api(self._name, scope, receive, scope["wsfs.send"])


def application(emulator: Emulator) -> ASGIApp:
    """Return the application.

    Besides the service's own addresses there are, without credentials and outside the limit, for scripts:
    GET `/emulator/files.json`, `/emulator/requests.json`, `/emulator/faults.json`; POST `/emulator/faults` (a JSON
    list of faults, see faults.read; DELETE takes all away) and `/emulator/colleague` (see colleague.py).
    """
    oauth = emulator.oauth

    async def said(request: Request) -> Parameters:
        read = from_query(request.scope["query_string"])
        read.update(body_pairs(request.headers.get("content-type", ""), await request.body()))
        return read

    async def authorize(request: Request) -> Response:
        try:
            return RedirectResponse(oauth.authorize(await said(request)), 302)
        except OAuthError as error:
            return refused(error)

    def grants(give: Callable[[Parameters], dict[str, Any]]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            try:
                return JSONResponse(give(await said(request)), headers={"cache-control": "no-store"})
            except OAuthError as error:
                return refused(error)

        return endpoint

    async def files_json(request: Request) -> Response:
        files = list(emulator.account.files.values())
        hashed = request.query_params.get("sha256", "1") != "0"
        return JSONResponse(await trio.to_thread.run_sync(list_files, emulator.account, files, hashed))

    async def requests_json(request: Request) -> Response:
        return JSONResponse([asdict(seen) for seen in emulator.requests])

    async def faults_json(request: Request) -> Response:
        return JSONResponse(
            [
                {"name": fault.name, "action": fault.action, "count": fault.count, "strikes": fault.strikes}
                for fault in emulator.faults
            ]
        )

    async def arm(request: Request) -> Response:
        if request.method == "DELETE":
            emulator.faults.clear()
            return JSONResponse({"status": "ok"})
        try:
            armed = [faults.read(said) for said in json.loads(await request.body())]
        except (ValueError, TypeError) as error:
            return JSONResponse({"status": "error", "message": str(error)}, 400)
        emulator.faults.armed += armed
        return JSONResponse({"status": "ok"})

    async def act(request: Request) -> Response:
        try:
            done = colleague.act(emulator.account, json.loads(await request.body()))
        except (ValueError, TypeError, KeyError) as error:
            return JSONResponse({"status": "error", "message": repr(error)}, 400)
        return JSONResponse({"status": "ok", "data": done})

    async def missing(request: Request, error: Exception) -> Response:
        return JSONResponse({"status": "error", "message": "Page not found"}, 404)

    admin, user = Door(emulator, "admin"), Door(emulator, "user")
    starlette = Starlette(
        routes=[
            Route("/api/admin/v2", admin),
            Route("/api/admin/v2/", admin),
            Route("/api/oauth2", user),
            Route("/api/oauth2/", user),
            Route("/oauth2/authorize", authorize, methods=["GET", "POST"]),
            Route("/oauth2/token", grants(oauth.token), methods=["GET", "POST"]),
            Route("/oauth2/refresh", grants(oauth.refresh), methods=["GET", "POST"]),
            Route("/emulator/files.json", files_json),
            Route("/emulator/requests.json", requests_json),
            Route("/emulator/faults.json", faults_json),
            Route("/emulator/faults", arm, methods=["POST", "DELETE"]),
            Route("/emulator/colleague", act, methods=["POST"]),
        ],
        exception_handlers={404: missing},
    )

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["wsfs.stream"] = stream_below(send)
            scope["wsfs.send"] = send
        await starlette(scope, receive, send)

    return outermost


def refused(error: OAuthError) -> Response:
    """Return OAuth's form of an error: HTTP 200 all the same."""
    return JSONResponse({"error": error.error, "errorDescription": error.description})


def list_files(account: Account, files: list[StoredFile], hashed: bool) -> list[dict[str, Any]]:
    """Return what `/emulator/files.json` says of the files; slow where content must be made to be hashed."""
    listed = []
    for file in files:
        task, project = file.task, file.project
        said: dict[str, Any] = {"id": file.id, "name": file.name, "size": file.size}
        if hashed:
            said["sha256"] = account.sha256(file)
        said["task"] = None if task is None else {"id": task.id, "name": task.name}
        said["project"] = None if project is None else {"id": project.id, "name": project.name}
        listed.append(said)
    return listed
