"""What an HTTP answer means: its data, or the named error. Pure and synchronous.

The service answers HTTP 200 even for errors; a proxy, a wrong address or a broken server answers as it likes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from wsfs.api import errors
from wsfs.api.models import UNDECODABLE, Answer, decode, mend


def retry_after(headers: Mapping[str, str], clock: Callable[[], float] = time.time) -> float | None:
    """The seconds of a Retry-After header, a number or a date in it; None where there is no such thing."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - clock())
    except (ValueError, OverflowError):
        return None


def parse(body: bytes | bytearray) -> Answer | None:
    """The envelope in `body`, or None if it isn't one."""
    try:
        answer = decode(body, Answer)
    except UNDECODABLE:
        mended = mend(bytes(body))
        if mended is None:
            return None
        try:
            answer = decode(mended, Answer)
        except UNDECODABLE:
            return None
    return answer if answer.status or answer.error or answer.message else None


def error_in(
    action: str, status: int, headers: Mapping[str, str], answer: Answer | None
) -> errors.ApiError | None:
    """The error that an answer to `action` is, by its HTTP status and its envelope; None if it is none."""
    message, details = _words(answer)
    kind = errors.named_by_message(message) if answer is not None and answer.status != "ok" else None
    if status == 429 or kind is errors.TooManyRequests:
        return errors.TooManyRequests(action=action, retry_after=retry_after(headers))
    if status == 507:
        return errors.StorageFull(message, action=action)
    if status >= 500:
        return errors.ServerFailed(f"HTTP {status}" + (f": {message}" if message else ""), action=action)
    if answer is not None and (answer.status == "error" or (not answer.status and message)):
        code = _number(answer.status_code)
        error = errors.named_error(action=action, status_code=code, message=message, details=details)
        if type(error) is errors.Refused and status in errors.HTTP_STATUSES:
            return errors.HTTP_STATUSES[status](error.detail, status_code=code, action=action)
        return error
    if status in errors.HTTP_STATUSES:
        return errors.HTTP_STATUSES[status](f"HTTP {status}", action=action)
    if 300 <= status < 400:
        return errors.NoSuchAccount("it sends elsewhere", action=action)
    if status >= 300 or status < 200:
        return errors.BadAnswer(f"HTTP {status}", action=action)
    return None


def envelope(action: str, status: int, headers: Mapping[str, str], body: bytes | bytearray) -> Answer:
    """The envelope of a good answer; raises the named error for any other."""
    answer = parse(body)
    error = error_in(action, status, headers, answer)
    if error is not None:
        raise error
    if answer is None or answer.status != "ok":
        kind = headers.get("content-type", "").partition(";")[0] or "no type"
        raise errors.BadAnswer(f"{len(body)} bytes of {kind}, no answer of the API", action=action)
    return answer


def _words(answer: Answer | None) -> tuple[str, str]:
    """The message and the details of an envelope, as text of a bounded length."""
    if answer is None:
        return "", ""
    message = _text(answer.message) or _text(answer.errorDescription) or _text(answer.error)
    return message, _text(answer.message_details)


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        value = ", ".join(_text(item) for item in value)
    elif isinstance(value, dict):
        value = ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    elif value is None or value is False:
        value = ""
    return " ".join(str(value).split())[:300]
