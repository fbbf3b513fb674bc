"""The emulated service: an account behind the HTTP interface of Worksection."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal

import trio
from starlette.types import Receive, Scope, Send

from wsfs.emulator import multipart, parameters, problems, replies, side_actions
from wsfs.emulator.account import Account, NewFile
from wsfs.emulator.actions import ACTIONS, Call, file_to_download
from wsfs.emulator.answers import Quirks, Teller
from wsfs.emulator.contents import Noise
from wsfs.emulator.exchange import Exchange, GoneError
from wsfs.emulator.faults import Fault, Faults, Strike
from wsfs.emulator.gate import SCHEMES, Caller, Gate
from wsfs.emulator.oauth import OAuth
from wsfs.emulator.pace import Pace
from wsfs.emulator.parameters import Parameters
from wsfs.emulator.problems import Problem
from wsfs.emulator.replies import Reply

assert side_actions.LABEL_ACTIONS  # imported for the actions that it adds

URL_LIMIT = 8192
REQUESTS_KEPT = 200_000
CACHED = frozenset({"get_all_tasks", "get_tasks"})  # large answers, kept as bytes until the account changes
Throttle = Literal["429", "429-retry-after", "429-json"]


@dataclass
class Seen:
    """A request that came in: `time` is Unix time, `scheme` the proof of who asks, `sent` the body's bytes.

    `result` is "ok", "error N" (the status_code), "HTTP N", "too early" (over the limit), "fault NAME", or "gone"
    (the client closed the connection); "" while it is under way. `range` is the Range header.
    """

    time: float
    action: str
    params: dict[str, str] = field(default_factory=dict)
    result: str = ""
    scheme: str = ""
    sent: int = 0
    files: list[str] = field(default_factory=list)
    range: str = ""

    def count(self, length: int) -> None:
        """Count bytes that go out."""
        self.sent += length


class Emulator:
    """A Worksection account that `serve` (server.py) puts on an address.

    rate: requests a second for the whole account, 0 for no limit. ranges: whether `download` honours Range. auth:
    which of "hash", "header" and "token" are accepted. throttle: the form of "Too many requests". bandwidth: bytes
    a second of each answer. upload_limit: bytes of a request's body, above it HTTP 413.

    The account is the caller's: `account.close()` when it is no longer needed. All is used from one trio thread.
    """

    def __init__(
        self,
        account: Account,
        *,
        rate: float = 1.0,
        ranges: bool = True,
        auth: Collection[str] = SCHEMES,
        throttle: Throttle = "429",
        quirks: Quirks | None = None,
        seed: int = 0,
        api_key: str | None = None,
        bandwidth: float | None = None,
        upload_limit: int | None = None,
    ) -> None:
        self.account = account
        self.url = ""
        self.api_key = api_key or hashlib.md5(f"key {seed}".encode()).hexdigest()
        self.oauth = OAuth(str(seed), account.owner)
        self.token = self.oauth.grant(seconds=10 * 365 * 86_400).access
        self.gate = Gate(self.api_key, self.oauth, auth)
        self.pace = Pace(rate)
        self.ranges = ranges
        self.throttle: Throttle = throttle
        self.quirks = quirks or Quirks()
        self.bandwidth = bandwidth
        self.upload_limit = upload_limit
        self.faults = Faults(seed)
        self.requests: list[Seen] = []
        self.nursery: trio.Nursery | None = None  # the server's, while it serves; late commits live in it
        self.exchanges: set[Exchange] = set()
        self._cache: dict[tuple[object, ...], tuple[int, bytes]] = {}

    def count(self, action: str | None = None, result: str | None = None) -> int:
        """Return how many requests came in: all of them, or of one action, with one result."""
        return sum(
            (action is None or seen.action == action) and (result is None or seen.result == result)
            for seen in self.requests
        )

    def actions(self) -> list[str]:
        """Return the actions that were asked for, in order."""
        return [seen.action for seen in self.requests]

    async def serve_api(self, door: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request at the `admin` or the `user` door, as an ASGI application."""
        exchange = Exchange(scope, receive, send, scope["wsfs.stream"])
        query: bytes = scope["query_string"]
        said = parameters.from_query(query)
        seen = Seen(time.time(), said.get("action"), said.public())
        seen.range = exchange.headers.get("range", "")
        self.requests.append(seen)
        if len(self.requests) > REQUESTS_KEPT:
            del self.requests[: REQUESTS_KEPT // 2]
        self.exchanges.add(exchange)
        try:
            await self._answer(_Request(door, query, said, exchange, seen))
        except GoneError:
            seen.result = seen.result or "gone"
        finally:
            self.exchanges.discard(exchange)

    async def _answer(self, request: _Request) -> None:
        """See the request through. Raises GoneError when the client goes away."""
        exchange, seen, said = request.exchange, request.seen, request.said
        early = self.pace.wait_needed()
        if early:
            await exchange.drain()
            seen.result = "too early"
            await self._too_many(self.throttle, max(1.0, early)).send(exchange)
            return
        if len(request.query) + len(exchange.scope["raw_path"]) > URL_LIMIT:
            await exchange.drain()
            seen.result = "HTTP 414"
            await replies.html(414).send(exchange)
            return
        strike = Strike()
        uploads: list[multipart.Upload] = []
        try:
            content_type = exchange.headers.get("content-type", "")
            if content_type.startswith("multipart/"):
                strike = self.faults.strike(said.get("action"), said.values)
                if not await self._early_fate(request, strike):
                    return
                if "slow-upload" in strike.shape:
                    exchange.read_rate = strike.shape["slow-upload"].value
                fields, uploads = await multipart.read(exchange.piece, content_type, self.account.directory)
                said.update(fields)
            else:
                said.update(parameters.body_pairs(content_type, await exchange.whole_body()))
                strike = self.faults.strike(said.get("action"), said.values)
                if not await self._early_fate(request, strike):
                    return
            seen.params = said.public()
            seen.files = [upload.name for upload in uploads]
            reply = await self._act(request, strike, uploads)
        except Problem as problem:
            multipart.discard(uploads)
            seen.result = f"HTTP {problem.http}" if problem.http != 200 else f"error {problem.code}"
            reply = Reply(replies.encode(problem.answer()), status=problem.http)
        except multipart.MultipartError as error:
            await exchange.drain()
            seen.result = "HTTP 400"
            reply = Reply(replies.encode({"status": "error", "message": str(error)}), status=400)
        if reply is None:
            return
        if "delay" in strike.shape:
            await exchange.until_gone(functools.partial(trio.sleep, strike.shape["delay"].value))
        if strike.name in {"truncate", "reset-body", "stall", "short", "long"}:
            seen.result = f"fault {strike.name}"
        seen.result = seen.result or "ok"
        reply.count = seen.count
        await reply.send(exchange, strike, self.bandwidth)

    async def _early_fate(self, request: _Request, strike: Strike) -> bool:
        """Play the faults that come in place of the act; return whether the request goes on."""
        exchange, fault = request.exchange, strike.fate
        too_large = (
            self.upload_limit is not None
            and int(exchange.headers.get("content-length", "0")) > self.upload_limit
        )
        if too_large:
            fault = Fault("too-large")
        if fault is None:
            return True
        name = fault.name
        reply: Reply
        if name == "reset":
            await exchange.piece()
            request.seen.result = "fault reset"
            await exchange.reset()
            return False
        if name == "hang":
            await exchange.drain()
            request.seen.result = "fault hang"
            if not fault.released.is_set():
                await exchange.until_gone(fault.released.wait)
            # What hung goes on; its body is gone, so that a post is answered as one that failed.
            if exchange.headers.get("content-type", "").startswith("multipart/"):
                reply = replies.html(504)
            else:
                request.seen.result = ""
                return True
        elif name.startswith("429"):
            reply = self._too_many(name, fault.value or 1.0)
        elif name == "500":
            reply = replies.html(500)
        elif name == "garbage":
            reply = replies.html(200)
        elif name == "too-large":
            reply = replies.html(413)
        elif name == "expired-token":
            reply = Reply(replies.encode(problems.token_expired().answer()), status=401)
        elif name == "denied":
            reply = Reply(replies.encode(problems.access_denied().answer()))
        elif name == "storage-full":
            full = Problem(None, "Not enough disk space", "The storage of the account is full")
            reply = Reply(replies.encode(full.answer()))
        else:
            return True
        await exchange.drain()
        request.seen.result = f"fault {name}"
        if "delay" in strike.shape:
            await exchange.until_gone(functools.partial(trio.sleep, strike.shape["delay"].value))
        await reply.send(exchange)
        return False

    async def _act(self, request: _Request, strike: Strike, uploads: list[multipart.Upload]) -> Reply | None:
        """Do what is asked and return the answer, or None after a fault that gives none. Raises Problem."""
        said, seen = request.said, request.seen
        name = said.get("action")
        if not name:
            raise problems.action_required()
        caller = self._caller(request, name)
        seen.scheme = caller.scheme
        files = self._taken(uploads, strike)
        call = Call(self.account, Teller(self.account, self.quirks), said, caller.user, files)
        if name == "download":
            file = file_to_download(call)
            if file.content.slow:  # lay it out off the loop
                await trio.to_thread.run_sync(file.content.read, 0, 1)
            ranges = self.ranges and "no-ranges" not in strike.shape
            return replies.download(file, seen.range if ranges else None, strike.fate)
        if name not in ACTIONS:
            raise problems.action_invalid()
        if "rival" in strike.shape and files:
            self._rival(call)
        if strike.name == "late-commit" and strike.fate is not None:
            seen.result = "fault late-commit"
            assert self.nursery is not None
            self.nursery.start_soon(self._late, strike.fate.value, lambda: ACTIONS[name](call))
            await request.exchange.reset()
            return None
        key = (name, request.door, tuple(sorted(said.public().items())))
        if name in CACHED:
            version, answer = self._cache.get(key, (-1, b""))
            if version == self.account.version:
                return Reply(answer)
        answer = self._encoded(ACTIONS[name](call))
        if name in CACHED:
            self._cache.pop(key, None)
            self._cache[key] = (self.account.version, answer)
            while len(self._cache) > 4:
                del self._cache[next(iter(self._cache))]
        if strike.name == "lost-reply":
            seen.result = "fault lost-reply"
            await request.exchange.reset()
            return None
        return Reply(answer)

    def _caller(self, request: _Request, action: str) -> Caller:
        if request.door == "admin":
            return self.gate.admin(request.query, request.exchange.headers, action)
        return self.gate.token(request.exchange.headers, request.said, action)

    def _encoded(self, data: Any) -> bytes:
        said: dict[str, Any] = {"status": "ok"}
        if data or (data is not None and self.quirks.empty_data == "list"):
            said["data"] = data
        return replies.encode(said)

    def _too_many(self, form: str, seconds: float) -> Reply:
        answer = replies.encode({"status": "error", "message": "Too many requests"})
        if form == "429-json":
            return Reply(answer)
        headers = [("retry-after", str(int(seconds + 0.999)))] if form == "429-retry-after" else []
        return Reply(answer, status=429, headers=headers)

    @staticmethod
    def _taken(uploads: list[multipart.Upload], strike: Strike) -> list[NewFile]:
        changed = "rename" in strike.shape
        if "max-files" in strike.shape:
            most = int(strike.shape["max-files"].value)
            multipart.discard(uploads[most:])
            uploads = uploads[:most]
        return [
            NewFile(changed_name(upload.name) if changed else upload.name, upload.content)
            for upload in uploads
        ]

    def _rival(self, call: Call) -> None:
        colleague = next((user for user in self.account.users.values() if user is not call.author()), None)
        files = [NewFile(file.name, Noise(n, _size(file))) for n, file in enumerate(call.files, 1)]
        self.account.add_comment(call.task(), "Mine", user=colleague, files=files)

    @staticmethod
    async def _late(seconds: float, commit: Callable[[], object]) -> None:
        await trio.sleep(seconds)
        try:
            commit()
        except Problem:
            pass  # nobody is there to be told


@dataclass
class _Request:
    door: str
    query: bytes
    said: Parameters
    exchange: Exchange
    seen: Seen


def changed_name(name: str) -> str:
    """Return what a service that dislikes some characters makes of a name (the fault "rename")."""
    stem, dot, extension = name.rpartition(".")
    return "".join("_" if each in " '\"()&" else each for each in stem + dot + extension)


def _size(file: NewFile) -> int:
    return len(file.content) if isinstance(file.content, bytes) else file.content.size
