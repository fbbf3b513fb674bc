"""Sending one request: its turn, its signature, its deadlines, its retries, and the record of it.

A request is retried only where that is safe: after "Too many requests" (it was certainly not done), in the
other scheme of an admin key after status_code 2, once with the credentials that a renewal gave in place of
refused ones, and, once, a read whose kept connection had been closed by the server. Each sending takes a turn
of its own and has a record of its own. A write that fails after its first body byte went out is
`OutcomeUnknown`, unless the answer is a definite refusal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode

import httpcore
import httpx
import trio

from wsfs import __version__
from wsfs.api import answers, errors
from wsfs.api.account import is_loopback
from wsfs.api.auth import Credentials, Renewal, Signer, guard_logs
from wsfs.api.models import Answer
from wsfs.api.multipart import Body, form
from wsfs.api.pacing import Lane, Pacer, Promotable, lane_of
from wsfs.api.wire import CLOSE_DEADLINE, Attempt, Pieces, translated

guard_logs()

READ_BLOCK = 1024 * 1024
"""Bytes that are taken from a socket at a time."""

# httpcore takes 64 KiB and offers no option for it; every read is a trip through h11, ssl and trio. Larger reads more
# than doubled what one download streams over loopback (`scripts/bench content`; 1 GiB in 1.9 s by 512 KiB, in 1.6 s by
# 1 MiB, no faster by 2), and a reader waits no longer: a read returns what there is. The page faults of so large
# buffers are spared by wsfs.allocator. The attribute is looked up at each read; tests/api/test_transport.py notices if
# it is not.
httpcore.AsyncHTTP11Connection.READ_NUM_BYTES = READ_BLOCK

LONGEST_URL = 8000
"""Bytes of URL past which a read is sent as a POST form: the service takes 8 kB of URL."""

SIGNATURE_ROOM = 100
LONGEST_ANSWER = 512 * 1024 * 1024
BIG_JSON = 1024 * 1024
"""Bytes of JSON past which a worker thread decodes it."""

_DEFINITE = (errors.Refused, errors.TooManyRequests, errors.TooManyTasks)
"""Errors that say for certain that the service did nothing."""

T = TypeVar("T")


@dataclass(frozen=True)
class RequestRecord:
    """One request that was sent: `time` in unix seconds, `result` being `ok` or the name of an error.

    `detail` names what was asked for, and the error's sentence; it never holds a credential. `ahead` are the seconds
    by which this machine's clock is ahead of the server's, where that told its time.
    """

    time: float
    lane: Lane
    action: str
    milliseconds: int
    result: str
    detail: str = ""
    ahead: float | None = None


class Transport:
    """Sends requests to one account. `client.Client` gives it words; this knows HTTP.

    All waits but that for a turn are bounded by `deadline` (seconds without any movement) and, for the
    answer to an upload that is out, `upload_deadline`. A request of a person that is refused with "Too many
    requests" is tried again until `deadline` seconds after its first sending, any other until `patience`
    seconds after.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        pacer: Pacer,
        *,
        deadline: float = 30.0,
        upload_deadline: float = 300.0,
        patience: float = 600.0,
        observer: Callable[[RequestRecord], None] | None = None,
        scheme: str | None = None,
        on_scheme: Callable[[str], None] | None = None,
        renewal: Renewal | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.pacer = pacer
        self.deadline = deadline
        self.upload_deadline = upload_deadline
        self.patience = patience
        self.signer = Signer(credentials, scheme=scheme, on_scheme=on_scheme)
        self.base = httpx.URL(base_url.rstrip("/"))
        self._observer = observer
        self._renewal = renewal
        # Without a limit of connections no running transfer can ever stand in the way of a person's request; the
        # pacer bounds how many there are. A post gets a fresh connection each time: on a kept one that the server is
        # just closing its outcome would be unknown.
        kept, fresh = (
            httpx.Limits(max_connections=None, max_keepalive_connections=n, keepalive_expiry=55)
            for n in (8, 0)
        )
        context = httpx.create_ssl_context()
        trust_env = not is_loopback(base_url)
        try:
            self._reading, self._writing = (
                httpx.AsyncClient(
                    verify=context, limits=limits, timeout=None, trust_env=trust_env, transport=transport
                )
                for limits in (kept, fresh)
            )
        except (ImportError, ValueError):
            raise errors.Unreachable(
                "the proxy that the environment names is of a kind that isn't known"
            ) from None

    async def aclose(self) -> None:
        """Close every connection; bounded, and done even where the caller is cancelled. No request may be under way."""
        with trio.move_on_after(CLOSE_DEADLINE, shield=True):
            await self._reading.aclose()
            await self._writing.aclose()

    async def call(
        self,
        action: str,
        params: Mapping[str, str],
        *,
        lane: Lane | Promotable,
        body: Callable[[], Body] | None = None,
        detail: str = "",
    ) -> Answer:
        """Send `action` and return the envelope of its answer.

        `params` go into the query string. With `body`, which makes the body of each attempt, it is a write, and
        `detail` is what its record says.
        Raises the tree of `errors`. Cancellation ends it at once; a write under way has then an unknown
        outcome.
        """
        query = urlencode({"action": action, **params}, quote_via=quote, safe=",")
        make_body = body
        if body is None and len(query) + len(str(self.base)) + SIGNATURE_ROOM > LONGEST_URL:
            query = urlencode({"action": action}, quote_via=quote)

            def make_body() -> Body:
                return form(params)

        async def finish(attempt: Attempt, response: httpx.Response) -> Answer:
            content = await self.content(response)
            arguments = action, response.status_code, response.headers, content
            if len(content) > BIG_JSON:
                return await trio.to_thread.run_sync(answers.envelope, *arguments)
            return answers.envelope(*arguments)

        detail = detail or " ".join(f"{name}={value}" for name, value in params.items())[:200]
        attempt, answer = await self.exchange(
            action, query, finish, lane=lane, detail=detail, body=make_body, writes=body is not None
        )
        self.record(attempt, "ok")
        return answer

    async def content(self, response: httpx.Response, limit: int = LONGEST_ANSWER) -> bytearray:
        """The whole body of an answer, closed; BadAnswer if it is longer than `limit` bytes."""
        content = bytearray()
        pieces = self.pieces(response)
        try:
            while (piece := await pieces.next()) is not None:
                content += piece
                if len(content) > limit:
                    raise errors.BadAnswer(f"more than {limit} bytes")
        finally:
            await pieces.aclose()
        return content

    def pieces(self, response: httpx.Response) -> Pieces:
        """The pieces of an answer's body; the caller closes them."""
        return Pieces(response, self.deadline, self.signer.redact)

    async def exchange(
        self,
        action: str,
        query: str,
        finish: Callable[[Attempt, httpx.Response], Awaitable[T]],
        *,
        lane: Lane | Promotable,
        detail: str = "",
        headers: Mapping[str, str] | None = None,
        body: Callable[[], Body] | None = None,
        writes: bool = False,
    ) -> tuple[Attempt, T]:
        """Send a request, again where that is safe, until `finish` made something of an answer.

        `finish` closes the response, or takes it over. The attempt that is returned is still to be
        recorded; those that failed are.
        """
        await self._hold_current()
        scheme = self.signer.scheme
        refused: set[str] = set()
        first: float | None = None
        broken = renewed = False
        while True:
            await self._turn(action, lane, first)
            used = self.signer.credentials
            attempt = Attempt(action, lane_of(lane), detail, body() if body else None)
            first = attempt.begun if first is None else first
            signed, signature = self.signer.sign(action, query, scheme)
            url = self.base.copy_with(raw_path=f"{self._root}?{signed}".encode("ascii"))
            error, result = await self._attempt(
                attempt, url, {**(headers or {}), **signature}, finish, writes=writes
            )
            if error is None:
                self.signer.accepted(scheme)
                if self._renewal is not None:
                    self._renewal.worked()
                self.pacer.succeeded()
                assert result is not None
                return attempt, result
            if isinstance(error, errors.TooManyRequests):
                self.pacer.throttled(error.retry_after)
                if trio.current_time() + self.pacer.held_for() < first + self._patience(lane):
                    continue
            elif isinstance(error, errors.Refused):
                self.pacer.succeeded()
                if isinstance(error, errors.LoginRefused):
                    refused.add(scheme)
                    if another := self.signer.another(refused):
                        scheme = another
                        continue
                    if not renewed and await self._renew(used):
                        renewed, scheme = True, self.signer.scheme
                        refused.clear()
                        continue
            elif (
                isinstance(error, errors.ConnectionBroken)
                and attempt.sending
                and not (writes or attempt.connected_anew or attempt.answering or broken)
            ):
                broken = True
                continue
            raise error

    async def _hold_current(self) -> None:
        """Sign with what the renewal says is the credentials now. Raises LoginRefused where that is in vain."""
        if self._renewal is not None:
            self.signer.replace(await self._renewal.current(self.signer.credentials))

    async def _renew(self, refused: Credentials) -> bool:
        """Whether there are other credentials than these to try a request with, which is then signed with them."""
        if self._renewal is not None and self.signer.credentials == refused:
            fresh = await self._renewal.renewed(refused)
            if fresh is not None:
                self.signer.replace(fresh)
        return self.signer.credentials != refused

    async def _attempt(
        self,
        attempt: Attempt,
        url: httpx.URL,
        headers: Mapping[str, str],
        finish: Callable[[Attempt, httpx.Response], Awaitable[T]],
        *,
        writes: bool,
    ) -> tuple[errors.ApiError | None, T | None]:
        """One sending: what came of it, or the error (recorded)."""
        error: errors.ApiError
        try:
            response = await self.open(attempt, url, headers, writes=writes)
            return None, await finish(attempt, response)
        except errors.ApiError as caught:
            error = caught
        except httpx.HTTPError as caught:
            error = translated(caught, str(caught))
        except BaseException as caught:
            cancelled = isinstance(caught, trio.Cancelled)
            self.record(attempt, "cancelled" if cancelled else type(caught).__name__)
            raise
        finally:
            if attempt.body is not None:
                attempt.body.close()
        error.action = attempt.action
        error.redact(self.signer.redact)
        if writes and not isinstance(error, _DEFINITE):
            assert attempt.body is not None
            if attempt.body.started:
                error = errors.OutcomeUnknown(error)
            elif not isinstance(error, (errors.Unreachable, errors.AttachmentUnreadable)):
                error = errors.Unreachable(str(error), action=attempt.action)
        self.record(attempt, type(error).__name__, str(error))
        return error.with_traceback(None), None

    async def open(
        self, attempt: Attempt, url: httpx.URL, headers: Mapping[str, str], *, writes: bool = False
    ) -> httpx.Response:
        """Send one request and return its answer once the head of it is there; the caller closes it.

        The deadline is moved on by every piece of a body that was taken.
        """
        body = attempt.body
        all_headers = {
            "Host": url.netloc.decode("ascii"),
            "User-Agent": f"wsfs/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            **headers,
        }
        if body is not None:
            all_headers["Content-Type"] = body.content_type
            all_headers["Content-Length"] = str(body.length)
        request = httpx.Request(
            "GET" if body is None else "POST",
            url,
            headers=all_headers,
            stream=body if body is not None else httpx.ByteStream(b""),
            extensions={"trace": attempt.trace},
        )
        with trio.move_on_after(self.deadline) as scope:
            if body is not None:

                def progress() -> None:
                    wait = self.upload_deadline if writes and body.finished else self.deadline
                    scope.deadline = trio.current_time() + wait

                body.on_progress = progress
            client = self._writing if writes else self._reading
            response = await client.send(request, stream=True, follow_redirects=False)
            attempt.heard(response)
            return response
        if not attempt.sending:
            raise errors.Unreachable(f"no connection within {self.deadline:g} s")
        waited = self.upload_deadline if writes and body is not None and body.finished else self.deadline
        raise errors.TimedOut(f"nothing came for {waited:g} s")

    def record(self, attempt: Attempt, result: str, detail: str = "") -> None:
        """Tell the observer of an attempt that is over; only the first result of each counts."""
        if attempt.recorded:
            return
        attempt.recorded = True
        if self._observer is not None:
            text = ": ".join(part for part in (attempt.detail, detail) if part)
            milliseconds = round(1000 * (trio.current_time() - attempt.begun))
            self._observer(
                RequestRecord(
                    attempt.wall,
                    attempt.lane,
                    attempt.action,
                    milliseconds,
                    result,
                    self.signer.redact(text),
                    attempt.ahead,
                )
            )

    @property
    def _root(self) -> str:
        return self.base.raw_path.decode("ascii").rstrip("/") + self.signer.path

    def _patience(self, lane: Lane | Promotable) -> float:
        return self.deadline if lane_of(lane) is Lane.PERSON else self.patience

    async def _turn(self, action: str, lane: Lane | Promotable, first: float | None) -> None:
        """Wait for a turn; a repeated request no longer than its patience, a person not through a long pause."""
        if first is None:
            if self.pacer.held_for() <= self._patience(lane):
                return await self.pacer.turn(lane)
        else:
            with trio.move_on_at(first + self._patience(lane)) as scope:
                if not isinstance(lane, Promotable):
                    return await self.pacer.turn(lane)

                def promoted() -> None:
                    scope.deadline = max(first, trio.current_time()) + self._patience(lane)

                with lane.watched(promoted):
                    return await self.pacer.turn(lane)
        raise errors.TooManyRequests(action=action)
