from __future__ import annotations

import inspect

import pytest

from wsfs.api import errors
from wsfs.api.errors import ApiError, named_error

# The vendor's table of status codes, as it is written on the page of errors.
DOCUMENTED = {
    0: ("Action is invalid", errors.InvalidAction),
    1: ("Action is required", errors.ActionRequired),
    2: ("Action hash is missed or invalid", errors.LoginRefused),
    3: ("Page is invalid", errors.PageInvalid),
    4: ("Project is invalid", errors.ProjectInvalid),
    5: ("Task is invalid", errors.TaskInvalid),
    6: ("Subtask is invalid", errors.SubtaskInvalid),
    7: ("Project is required", errors.ProjectRequired),
    8: ("Task is required", errors.TaskRequired),
    9: ("Subtask is required", errors.SubtaskRequired),
    10: ("Field is required", errors.FieldRequired),
    11: ("Field is invalid", errors.InvalidValue),
}


def every_error() -> list[type[ApiError]]:
    return [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ApiError)]


def test_the_table_of_status_codes_is_the_documented_one() -> None:
    assert dict(errors.STATUS_CODES) == {code: kind for code, (_, kind) in DOCUMENTED.items()}


@pytest.mark.parametrize("code", DOCUMENTED)
def test_a_status_code_becomes_its_error_with_its_message(code: int) -> None:
    message, kind = DOCUMENTED[code]
    error = named_error(action="get_tasks", status_code=code, message=message)
    assert type(error) is kind
    assert error.status_code == code
    assert error.action == "get_tasks"
    assert message in str(error)


@pytest.mark.parametrize("code", DOCUMENTED)
def test_a_status_code_is_enough_where_the_message_is_missing(code: int) -> None:
    assert type(named_error(action="x", status_code=code, message="")) is DOCUMENTED[code][1]


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (8, "Task is closed", errors.TaskClosed),
        (12, "Task is already closed", errors.TaskClosed),
        (4, "File not found", errors.FileNotFound),
        (None, "Too many requests", errors.TooManyRequests),
        (11, "Too many requests", errors.TooManyRequests),
        (None, "Too many tasks (10000 max)", errors.TooManyTasks),
        (None, "token is expired", errors.TokenExpired),
        (2, "Access token is expired", errors.TokenExpired),
        (None, "Access token is invalid", errors.LoginRefused),
        (None, "Invalid token", errors.LoginRefused),
        (2, "No access: hash is wrong", errors.LoginRefused),
        (None, "Action hash is missed or invalid", errors.LoginRefused),
        (None, "Access denied", errors.AccessDenied),
        (5, "You have no permission for this task", errors.AccessDenied),
        (None, "Not enough rights", errors.AccessDenied),
        (None, "The storage of the account is full", errors.StorageFull),
        (None, "Not enough disk space", errors.StorageFull),
        (None, "The file is too large", errors.TooLarge),
        (None, "Something quite new", errors.Refused),
        (99, "Something quite new", errors.Refused),
    ],
)
def test_messages_that_say_more_than_their_code(code: int | None, message: str, kind: type[ApiError]) -> None:
    assert type(named_error(action="get_task", status_code=code, message=message)) is kind


def test_words_inside_other_words_name_nothing() -> None:
    for message in ("Accessory is invalid", "The copyright field is wrong", "brightness"):
        assert errors.named_by_message(message) is None


def test_status_code_4_of_a_download_is_the_file() -> None:
    assert type(named_error(action="download", status_code=4, message="")) is errors.FileNotFound


def test_details_are_in_the_sentence() -> None:
    error = named_error(action="x", status_code=10, message="Field is required", details="title")
    assert str(error).endswith("(Field is required: title)")


def test_every_error_is_a_sentence_and_says_whether_retrying_helps() -> None:
    for kind in every_error():
        error = errors.OutcomeUnknown(errors.TimedOut()) if kind is errors.OutcomeUnknown else kind()
        assert str(error).strip(), kind
        assert isinstance(error.permanent, bool)
        if kind is not ApiError:
            assert kind.sentence != ApiError.sentence, kind


def test_what_retrying_can_mend_and_what_not() -> None:
    for kind in (
        errors.Unreachable,
        errors.TimedOut,
        errors.ConnectionBroken,
        errors.BadAnswer,
        errors.ServerFailed,
        errors.TooManyRequests,
    ):
        assert not kind.permanent
    refusals: list[type[ApiError]] = [errors.Refused, *errors.Refused.__subclasses__(), errors.TooManyTasks]
    for refusal in refusals:
        assert refusal.permanent


def test_redaction_reaches_every_text_of_an_error() -> None:
    error = errors.TaskInvalid("the key is abc")
    error.redact(lambda text: text.replace("abc", "…"))
    assert "abc" not in str(error) + repr(error) + str(error.args) + error.detail


def test_an_unknown_outcome_tells_its_cause() -> None:
    cause = errors.TimedOut("nothing came for 30 s", action="post_task")
    error = errors.OutcomeUnknown(cause)
    assert error.cause is cause
    assert error.action == "post_task"
    assert "nothing came for 30 s" in str(error)
