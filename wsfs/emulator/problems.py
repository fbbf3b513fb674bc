"""The service's refusals, as its documentation numbers them (worksection-api.md, "Answers")."""

from __future__ import annotations


class Problem(Exception):  # noqa: N818 - what the API answers, not a failure of the emulator
    """A refusal: the API answers HTTP 200 with status "error", this status_code (None: none is said) and message."""

    def __init__(self, code: int | None, message: str, details: str = "", *, http: int = 200) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.http = http

    def answer(self) -> dict[str, object]:
        """Return the JSON object."""
        said: dict[str, object] = {"status": "error"}
        if self.code is not None:
            said["status_code"] = self.code
        said["message"] = self.message
        if self.details:
            said["message_details"] = self.details
        return said


def action_invalid() -> Problem:
    return Problem(0, "Action is invalid")


def action_required() -> Problem:
    return Problem(1, "Action is required")


def hash_invalid() -> Problem:
    return Problem(2, "Action hash is missed or invalid")


def project_invalid() -> Problem:
    return Problem(4, "Project is invalid")


def file_not_found() -> Problem:
    return Problem(4, "File not found")


def task_invalid() -> Problem:
    return Problem(5, "Task is invalid")


def subtask_invalid() -> Problem:
    return Problem(6, "Subtask is invalid")


def project_required() -> Problem:
    return Problem(7, "Project is required")


def task_required() -> Problem:
    return Problem(8, "Task is required")


def task_closed() -> Problem:
    return Problem(8, "Task is closed")


def field_required(name: str) -> Problem:
    return Problem(10, "Field is required", name)


def value_invalid(name: str) -> Problem:
    return Problem(11, "Value is invalid", name)


def too_many_tasks() -> Problem:
    return Problem(None, "Too many tasks (10000 max)")


def token_expired() -> Problem:
    return Problem(None, "token is expired", http=401)


def token_invalid() -> Problem:
    return Problem(None, "token is invalid", http=401)


def access_denied(details: str = "") -> Problem:
    return Problem(None, "Access denied", details)
