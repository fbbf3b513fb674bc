"""What can go wrong with a request: one tree of exceptions, each a sentence for a person.

No text in here ever holds a credential: the client takes them out of a server's message before an error is
made of it. The status codes are those of the vendor's page on errors; several refusals are known by their
message alone.
"""

# ruff: noqa: N818 - the names say what happened, and the drive's table of errors reads better so

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar


class ApiError(Exception):
    """A request failed; `str()` is a sentence for a person.

    `permanent` says that sending the same again can't mend it. `status_code` is the service's own number
    where it gave one; `action` is the API action that failed, where it is known.
    """

    permanent: ClassVar[bool] = False
    sentence: ClassVar[str] = "the request failed"

    def __init__(self, detail: str = "", *, status_code: int | None = None, action: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.status_code = status_code
        self.action = action

    def __str__(self) -> str:
        return f"{self.sentence} ({self.detail})" if self.detail else self.sentence

    def redact(self, redacted: Callable[[str], str]) -> None:
        """Pass the detail, which may quote the server, through `redacted`."""
        self.detail = redacted(self.detail)
        self.args = (self.detail,)


class Unreachable(ApiError):
    """Nothing was sent: no network, no such host, connection refused, TLS not agreed. Safe to send again."""

    sentence = "Worksection can't be reached"


class TimedOut(ApiError):
    """The server was silent for longer than the deadline."""

    sentence = "Worksection didn't answer in time"


class ConnectionBroken(ApiError):
    """The connection broke before the whole answer was there."""

    sentence = "the connection to Worksection broke off"


class BadAnswer(ApiError):
    """The answer is not what the API promises: no JSON, a page of HTML, a value of the wrong kind."""

    sentence = "Worksection's answer makes no sense"


class NoSuchAccount(BadAnswer):
    """The address answers, but not as the API of an account does: a redirect elsewhere, or HTTP 404."""

    sentence = "there is no Worksection account at this address"


class ServerFailed(ApiError):
    """The server had an error of its own (HTTP 5xx)."""

    sentence = "Worksection had an internal error"


class TooManyRequests(ApiError):
    """The account's budget of requests is used up; the client retries this itself, within its deadline.

    `retry_after` is the server's wish in seconds, where it told one.
    """

    sentence = "Worksection was asked too often"

    def __init__(
        self,
        detail: str = "",
        *,
        status_code: int | None = None,
        action: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail, status_code=status_code, action=action)
        self.retry_after = retry_after


class TooManyTasks(ApiError):
    """More than 10,000 records in one answer; a narrower question may do."""

    permanent = True
    sentence = "the account has more tasks than Worksection gives at once"


class Refused(ApiError):
    """The service said no, definitely; what it did not name more closely is of this class itself."""

    permanent = True
    sentence = "Worksection refused"


class LoginRefused(Refused):
    """The key or token is wrong, or no longer valid (HTTP 401, status_code 2)."""

    sentence = "Worksection doesn't accept the key or token"


class TokenExpired(LoginRefused):
    """The access token's time is over; a refreshed one would do."""

    sentence = "the access token has expired"


class AccessDenied(Refused):
    """The login is good, but has no right to this."""

    sentence = "no right to do this in Worksection"


class NotFound(Refused):
    """What the request names is not there, or not any more."""

    sentence = "there is no such thing in Worksection"


class ProjectInvalid(NotFound):
    """status_code 4: no such project."""

    sentence = "there is no such project in Worksection"


class TaskInvalid(NotFound):
    """status_code 5: no such task."""

    sentence = "there is no such task in Worksection"


class SubtaskInvalid(NotFound):
    """status_code 6: no such subtask."""

    sentence = "there is no such subtask in Worksection"


class FileNotFound(NotFound):
    """ "File not found", which comes with status_code 4."""

    sentence = "there is no such file in Worksection"


class TaskClosed(Refused):
    """ "Task is closed", which comes with status_code 8."""

    sentence = "the task is closed in Worksection"


class InvalidAction(Refused):
    """status_code 0: the service knows no such action."""

    sentence = "Worksection doesn't know this action"


class ActionRequired(Refused):
    """status_code 1: the request named no action."""

    sentence = "Worksection missed the action in the request"


class PageInvalid(Refused):
    """status_code 3."""

    sentence = "Worksection doesn't know this page"


class ProjectRequired(Refused):
    """status_code 7."""

    sentence = "Worksection missed the project in the request"


class TaskRequired(Refused):
    """status_code 8."""

    sentence = "Worksection missed the task in the request"


class SubtaskRequired(Refused):
    """status_code 9."""

    sentence = "Worksection missed the subtask in the request"


class FieldRequired(Refused):
    """status_code 10; the detail names the field."""

    sentence = "Worksection missed a field in the request"


class InvalidValue(Refused):
    """status_code 11."""

    sentence = "Worksection doesn't accept a value in the request"


class StorageFull(Refused):
    """The account's storage is used up."""

    sentence = "the account's storage in Worksection is full"


class TooLarge(Refused):
    """The request's body is larger than the server takes (HTTP 413)."""

    sentence = "this is larger than Worksection takes"


class AttachmentUnreadable(ApiError):
    """A file that was to be sent can't be read, or isn't of the size it was said to be."""

    sentence = "a file that was to be sent can't be read"


class OutcomeUnknown(ApiError):
    """A post failed after its first body byte went out: the service may have done it, or be doing it still.

    `cause` is what went wrong. Look before sending it again.
    """

    sentence = "Worksection may or may not have taken this"

    def __init__(self, cause: ApiError) -> None:
        super().__init__(str(cause), status_code=cause.status_code, action=cause.action)
        self.cause = cause


STATUS_CODES: Mapping[int, type[ApiError]] = MappingProxyType(
    {
        0: InvalidAction,
        1: ActionRequired,
        2: LoginRefused,
        3: PageInvalid,
        4: ProjectInvalid,
        5: TaskInvalid,
        6: SubtaskInvalid,
        7: ProjectRequired,
        8: TaskRequired,
        9: SubtaskRequired,
        10: FieldRequired,
        11: InvalidValue,
    }
)
"""The service's status_code to the error it means, where the message doesn't tell better."""

_MESSAGES: tuple[tuple[re.Pattern[str], type[ApiError]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), error)
    for pattern, error in (
        (r"too many requests", TooManyRequests),
        (r"too many tasks", TooManyTasks),
        (r"token\b.*\bexpired", TokenExpired),
        (r"token\b.*\b(invalid|revoked|unknown)|(invalid|unknown)\b.*\btoken|hash is missed", LoginRefused),
        (r"task is (already )?closed", TaskClosed),
        (r"file not found", FileNotFound),
        (r"\b(storage|quota|disk space|not enough space|no space)\b", StorageFull),
        (r"\btoo (large|big)\b|\bfile size\b", TooLarge),
        (r"\b(access|permissions?|permitted|rights?|forbidden)\b", AccessDenied),
    )
)
"""Messages that say more than their status_code does, the more particular first."""

HTTP_STATUSES: Mapping[int, type[ApiError]] = MappingProxyType(
    {
        401: LoginRefused,
        403: AccessDenied,
        404: NoSuchAccount,
        413: TooLarge,
        429: TooManyRequests,
        507: StorageFull,
    }
)
"""HTTP statuses that are errors by themselves, whatever the body says."""


def named_by_message(message: str) -> type[ApiError] | None:
    """The error that a message of the service names, or None where the status_code has to tell."""
    for pattern, error in _MESSAGES:
        if pattern.search(message):
            return error
    return None


def named_error(*, action: str, status_code: int | None, message: str, details: str = "") -> ApiError:
    """The error for `{"status": "error", …}`, from its message and status_code.

    status_code 2 is always a refused login (a "right" or "access" in its message notwithstanding).
    """
    shown = f"{message}: {details}" if message and details else message or details
    kind = named_by_message(message)
    if status_code == 2 and not (kind and issubclass(kind, (LoginRefused, TooManyRequests))):
        kind = LoginRefused
    if kind is None and action == "download" and status_code == 4:
        kind = FileNotFound
    if kind is None:
        kind = Refused if status_code is None else STATUS_CODES.get(status_code, Refused)
    return kind(shown, status_code=status_code, action=action)
