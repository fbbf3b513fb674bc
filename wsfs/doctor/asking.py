"""What only the service can tell: whether the login is good, what it may read, and what time it is there.

Two requests with an API key, three with a user's token (`cost`); a token that has ended is renewed before, as a mount
would do it, which is one more.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import trio

from wsfs.api.auth import AdminKey, Credentials
from wsfs.api.client import Client, RequestRecord
from wsfs.api.errors import AccessDenied, ApiError, LoginRefused, NoSuchAccount
from wsfs.api.models import Event
from wsfs.api.pacing import Lane, Pacer
from wsfs.doctor.findings import Finding, bad, good, note
from wsfs.renewal import Renewer
from wsfs.secrets import Login, Vault

DEADLINE = 15.0
PERIOD = datetime.timedelta(days=1)
#: Seconds that a clock may be wrong without anybody's noticing, and beyond which signatures may be refused.
OFF, WRONG = 5.0, 60.0
#: Times come to the minute, and a clock may be off.
_SLACK = datetime.timedelta(minutes=3)
_QUARTER = datetime.timedelta(minutes=15)
#: The right (the service's scope) that each action needs, as a log of requests shows it.
RIGHTS = {
    "get_projects": "projects_read",
    "get_all_tasks": "tasks_read",
    "get_tasks": "tasks_read",
    "get_task": "tasks_read",
    "get_comments": "comments_read",
    "get_files": "files_read",
    "download": "files_read",
    "get_users": "users_read",
    "post_comment": "comments_write",
    "post_task": "tasks_write",
    "update_task": "tasks_write",
    "post_project": "projects_write",
    "update_project": "projects_write",
}
CHECKS = ("login", "rights", "clock", "time zone")


@dataclass
class Answers:
    """What came of the requests; an `ApiError` in place of what it kept from coming."""

    who: str = ""
    login: ApiError | None = None
    projects: ApiError | None = None
    events: Sequence[Event] | ApiError | None = None
    offsets: list[float] = field(default_factory=list)
    """By how many seconds this machine's clock was ahead of the server's, at each answer."""


def cost(credentials: Credentials) -> int:
    """How many requests `ask` sends."""
    return 2 if isinstance(credentials, AdminKey) else 3


async def ask(
    base_url: str,
    credentials: Credentials,
    login: Login | None,
    vault: Vault,
    *,
    rate: float,
    scheme: str | None = None,
) -> Answers:
    """Send the requests, one after the other, as many as make sense. Raises nothing of the service's."""
    answers = Answers()

    def observe(record: RequestRecord) -> None:
        if record.ahead is not None:
            answers.offsets.append(record.ahead)

    async with trio.open_nursery() as nursery:
        renewer = Renewer(vault, base_url, login, nursery, deadline=DEADLINE)
        async with Client(
            base_url,
            credentials,
            Pacer(rate),
            deadline=DEADLINE,
            patience=DEADLINE,
            observer=observe,
            scheme=scheme,
            renewal=renewer,
        ) as client:
            await _ask(client, isinstance(credentials, AdminKey), answers)
        nursery.cancel_scope.cancel()
    return answers


async def _ask(client: Client, is_key: bool, answers: Answers) -> None:
    lane = Lane.PERSON
    if not is_key:
        try:
            user = await client.me(lane=lane)
            answers.who = " ".join(filter(None, (user.name, f"<{user.email}>" if user.email else "")))
        except AccessDenied:
            pass  # a login that may not ask that is one all the same
        except ApiError as error:
            answers.login = error
            return
    try:
        await client.get_projects(lane=lane, filter="active")
    except AccessDenied as error:
        answers.projects = error
    except ApiError as error:
        answers.login = error
        return
    try:
        answers.events = await client.get_events("1d", lane=lane)
    except ApiError as error:
        answers.events = error


def judge(
    answers: Answers,
    account: str,
    timezone: datetime.tzinfo | None,
    requests: Sequence[str] = (),
    now: datetime.datetime | None = None,
) -> Iterator[Finding]:
    """The findings of what the service answered; `requests` are the lines of a running mount's log of them."""
    yield check_login(answers, account)
    if answers.login is not None:
        yield from check_clock(answers.offsets)
        return
    yield check_rights(answers, account, requests)
    yield from check_clock(answers.offsets)
    yield check_timezone(answers.events, timezone, now or datetime.datetime.now(datetime.UTC))


def check_login(answers: Answers, account: str) -> Finding:
    """Whether the service knows who asks."""
    error = answers.login
    match error:
        case None:
            return good("login", f"you are {answers.who}" if answers.who else "accepted")
        case LoginRefused():
            return bad("login", str(error), f"log in again with `wsfs login {account}`")
        case NoSuchAccount():
            return bad(
                "login",
                str(error),
                "look at the account's name: it is the first part of its address in a browser",
            )
        case _:
            return bad(
                "login",
                f"it couldn't be tried: {error}",
                "look at the network, and at Worksection's own page; then try again",
            )


def check_rights(answers: Answers, account: str, requests: Sequence[str] = ()) -> Finding:
    """What the login may do: by what was asked now, and by what a mount was given and refused."""
    check = "rights"
    worked, refused = seen(requests)
    for right, outcome in (("projects_read", answers.projects), ("events", answers.events)):
        if isinstance(outcome, AccessDenied):
            refused.add(right)
        elif not isinstance(outcome, ApiError):
            worked.add(right)
    refused -= worked & {"events", "projects_read"}
    missing = sorted(refused - {"events"})
    if missing:
        return bad(
            check,
            f"the login lacks {', '.join(missing)}",
            f"log in again with `wsfs login {account}` and agree to everything; if that doesn't help, ask the "
            "administrator of the account",
        )
    if "events" in refused:
        return note(
            check,
            "events are refused, so that all is read anew every ten minutes",
            "ask the administrator of the account for the right to see projects",
        )
    said = ", ".join(sorted(worked - {"events"})) or "nothing was tried"
    return good(check, f"{said}; others show when they are used" if worked else said)


def seen(requests: Sequence[str]) -> tuple[set[str], set[str]]:
    """The rights that worked, and those that were refused last, by the lines of a mount's log of requests."""
    worked: set[str] = set()
    refused: set[str] = set()
    for line in requests:
        words = line.split()  # date, time, lane, action, milliseconds, "ms", result
        right = RIGHTS.get(words[3]) if len(words) > 6 else None
        if right is None:
            continue
        if words[6] == "ok":
            worked.add(right)
            refused.discard(right)
        elif words[6] == "AccessDenied" and right.endswith("_read"):
            # A refused write may be this one task's; reading is refused where a scope is missing.
            refused.add(right)
    return worked, refused


def check_clock(offsets: Sequence[float]) -> Iterator[Finding]:
    """This machine's clock against the server's."""
    check = "clock"
    if not offsets:
        yield note(check, "the service didn't tell its time")
        return
    ahead = sorted(offsets)[len(offsets) // 2]
    if abs(ahead) <= OFF:
        yield good(check, "right")
        return
    said = f"this machine's clock is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
    cure = "set it by the network: `sudo timedatectl set-ntp true`"
    if abs(ahead) > WRONG:
        yield bad(check, f"{said}, so that requests may be refused", cure)
    else:
        yield note(check, said, cure)


def check_timezone(
    events: Sequence[Event] | ApiError | None, timezone: datetime.tzinfo | None, now: datetime.datetime
) -> Finding:
    """Whether the service's times, which don't say their zone, can be of this one (None: the machine's).

    What happened within the last day happened neither in the future nor more than a day ago.
    """
    check = "time zone"
    name = str(timezone) if timezone is not None else f"this machine's ({now.astimezone().tzname()})"
    if isinstance(events, ApiError) or events is None:
        return note(check, f"{name}; it can't be compared, as there are no events")
    stamps = [event.date_added for event in events if event.date_added is not None]
    if not stamps:
        return note(check, f"{name}; it can't be compared, as nothing happened within a day")
    offset = now.astimezone(timezone).utcoffset() or datetime.timedelta()
    utc = now.astimezone(datetime.UTC).replace(tzinfo=None)
    least = max(stamps) - utc - _SLACK
    most = min(stamps) - (utc - PERIOD) + _SLACK
    if least <= offset <= most:
        return good(check, f"{name} fits what happened within a day")
    low, high = _up(least), most - most % _QUARTER
    fits = _offset(low) if high <= low else f"{_offset(low)} to {_offset(high)}"
    return bad(
        check,
        f"{name} is {_offset(offset)}, and the account's is {fits}: files show wrong times",
        'write the account\'s into the configuration, as in timezone = "Europe/Kyiv" (Worksection: Account, Settings)',
    )


def _up(span: datetime.timedelta) -> datetime.timedelta:
    return span + (-span) % _QUARTER


def _offset(span: datetime.timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60}:{abs(minutes) % 60:02}"
