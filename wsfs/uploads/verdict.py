"""What a failed request means for a batch."""

from __future__ import annotations

from enum import Enum

from wsfs.api import errors as api
from wsfs.uploads.nodes import BatchRecord


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


def uncertain_sentence(record: BatchRecord, reason: str) -> str:
    """What a person is told of a batch of which it can't be found out whether it arrived."""
    made = {"comment": "the comment with it", "task": "the new task", "project": "the new project"}[
        record.kind
    ]
    return (
        f"{reason}: look in Worksection whether {made} is there. If it is, delete this one here; if it isn't, "
        "`wsfs uploads send` sends it again"
    )
