"""What a failed request means for a batch: a verdict, and the sentence and the wait that follow from it."""

from __future__ import annotations

from enum import Enum

from wsfs.api import errors as api
from wsfs.uploads.nodes import BatchRecord, Spooled


class Wait(Exception):  # noqa: N818 - says what to do
    """The batch has to be tried again later, for the reason that str() gives.

    `everything` says that the others had better wait too, `login` that somebody has to log in first, `offline`
    that the service could not be reached at all.
    """

    def __init__(
        self, reason: str, *, everything: bool = False, login: bool = False, offline: bool = False
    ) -> None:
        super().__init__(reason)
        self.everything = everything or login
        self.login = login
        self.offline = offline


class Verdict(Enum):
    """What follows from an error."""

    AGAIN = "nothing was done, and the same may go well later"
    LOGIN = "nothing was done, and somebody has to log in"
    REFUSED = "nothing was done, and never will be"
    UNKNOWN = "it may have been done"


def post_verdict(error: api.ApiError) -> Verdict:
    """What a failed post means; an error that doesn't say that nothing was done counts as unknown."""
    if isinstance(error, api.OutcomeUnknown):
        # The body was cut short by our own disk: the service had nothing whole to take.
        return Verdict.REFUSED if isinstance(error.cause, api.AttachmentUnreadable) else Verdict.UNKNOWN
    if isinstance(error, api.LoginRefused):
        return Verdict.LOGIN
    if error.permanent or isinstance(error, api.AttachmentUnreadable):
        return Verdict.REFUSED
    if isinstance(error, (api.Unreachable, api.TooManyRequests, api.ServerFailed)):
        return Verdict.AGAIN
    return Verdict.UNKNOWN


def read_verdict(error: api.ApiError) -> Verdict:
    """What a failed question means: it did nothing, whatever happened."""
    if isinstance(error, api.LoginRefused):
        return Verdict.LOGIN
    return Verdict.REFUSED if error.permanent else Verdict.AGAIN


_CURES: tuple[tuple[type[api.ApiError], str], ...] = (
    (api.StorageFull, "make room there or have it enlarged; then `wsfs uploads retry`"),
    (api.TaskClosed, "reopen it; then `wsfs uploads retry`; or move this to another task"),
    (api.NotFound, "move this to another task, or copy it out with `wsfs uploads save DIR`"),
    (
        api.AccessDenied,
        "ask the project's manager for the right; then `wsfs uploads retry`; or move this to another task",
    ),
    (api.TooLarge, "make it smaller or split it; `wsfs uploads discard` lets go of this one"),
    (api.AttachmentUnreadable, "copy it in once more; `wsfs uploads discard` lets go of this one"),
)
"""What a person can do about a refusal, the more particular error first."""


def refused_sentence(error: api.ApiError, author: str | None = None) -> str:
    """What a person is told of an upload that was refused for good: what happened, and what to do.

    `author` is the email in whose name it was posted.
    """
    cause = error.cause if isinstance(error, api.OutcomeUnknown) else error
    if author is not None and isinstance(cause, api.Refused) and "email_user_from" in cause.detail:
        return (
            f"Worksection has no user {author}, in whose name it was to be posted: correct author, or authors, in the "
            "configuration and mount again; then `wsfs uploads retry`"
        )
    cures = (cure for kind, cure in _CURES if isinstance(cause, kind))
    return (
        f"{error}: {next(cures, '`wsfs uploads retry` tries again, `wsfs uploads save DIR` copies it out')}"
    )


def uncertain_sentence(record: BatchRecord, reason: str) -> str:
    """What a person is told of a batch of which it can't be found out whether it arrived."""
    made = {"comment": "the comment with it", "task": "the new task", "project": "the new project"}[
        record.kind
    ]
    return _decide(reason, made)


def orphaned_sentence() -> str:
    """What a person is told of what was being sent when the journal lost what it was sent with."""
    return _decide("the upload journal doesn't tell any more what it was sent with", "it")


def _decide(reason: str, made: str) -> str:
    return (
        f"{reason}: look in Worksection whether {made} is there. If it is, `wsfs uploads discard` this one here; if "
        "it isn't, `wsfs uploads retry` with its path sends it again"
    )


def waiting(error: api.ApiError) -> Wait:
    """The wait that a failure which is to be tried again makes."""
    login = isinstance(error, api.LoginRefused)
    return Wait(
        f"{error}: log in again" if login else str(error),
        # An error of the server's own may well concern this one request alone.
        everything=not isinstance(error, (api.ServerFailed, api.BadAnswer)),
        login=login,
        offline=isinstance(error, api.Unreachable),
    )


def named(nodes: list[Spooled]) -> str:
    """Some nodes in the words of a log: the first three names."""
    names = [node.name for node in nodes]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
