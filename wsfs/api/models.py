"""What the service answers, as typed structures: lax about what it leaves out, gives as strings, or adds.

Every field has a default; a field that isn't known is ignored; a number may come as a string; null or an
empty list where an object belongs means that it is missing (PHP writes an empty object so). Times are naive:
the account's own zone, which the service doesn't say. The fields are those of the vendor's pages on
get_projects, get_all_tasks, get_comments, get_files, get_events and get_users.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

if TYPE_CHECKING:
    Moment = datetime
else:

    class _MomentType(type):
        """Lets a plain datetime, or None for a time that isn't one, pass as a decoded Moment."""

        def __instancecheck__(cls, instance: object) -> bool:
            return instance is None or isinstance(instance, datetime)

    class Moment(metaclass=_MomentType):
        """`YYYY-MM-DD HH:MM` in an answer; decoded to a naive datetime, and to None where it is empty."""


class User(msgspec.Struct, kw_only=True):
    """A person of the account."""

    id: int = 0
    name: str = ""
    email: str = ""


class Ref(msgspec.Struct, kw_only=True):
    """A project or task that another thing names; `parent` is set in a subtask's chain (get_task)."""

    id: int = 0
    name: str = ""
    page: str = ""
    status: str = ""
    parent: Ref | None = None


class File(msgspec.Struct, kw_only=True):
    """An attachment; one that came with a task or comment has neither date nor author."""

    id: int = 0
    name: str = ""
    size: int = 0
    page: str = ""
    date_added: Moment | None = None
    user_from: User | None = None


class Comment(msgspec.Struct, kw_only=True):
    """A comment of a task; `files` is None where the answer doesn't tell them."""

    id: int = 0
    page: str = ""
    text: str = ""
    date_added: Moment | None = None
    user_from: User | None = None
    files: list[File] | None = None


class Task(msgspec.Struct, kw_only=True):
    """A task or subtask.

    `files` are those of the description only; they, `comments` (the last five at most) and `has_comments` are
    None where the answer doesn't tell them. `child` holds the subtasks, two levels down.
    """

    id: int = 0
    name: str = ""
    page: str = ""
    status: str = ""
    text: str = ""
    project: Ref | None = None
    parent: Ref | None = None
    date_added: Moment | None = None
    date_closed: Moment | None = None
    user_from: User | None = None
    user_to: User | None = None
    files: list[File] | None = None
    has_comments: bool | None = None
    comments: list[Comment] | None = None
    child: list[Task] = []


class Project(msgspec.Struct, kw_only=True):
    """A project; `company` is the folder it lies in, `status` active, pending or archived."""

    id: int = 0
    name: str = ""
    page: str = ""
    status: str = ""
    company: str | None = None
    text: str = ""
    date_added: Moment | None = None
    date_closed: Moment | None = None
    user_from: User | None = None
    user_to: User | None = None
    files: list[File] | None = None


class ProjectGroup(msgspec.Struct, kw_only=True):
    """A folder of projects; `type` is folder or company."""

    id: int = 0
    title: str = ""
    type: str = ""
    client: bool | None = None


class EventObject(msgspec.Struct, kw_only=True):
    """What an event happened to; `type` is project, task or comment."""

    type: str = ""
    id: int = 0
    name: str = ""
    page: str = ""


class Event(msgspec.Struct, kw_only=True):
    """Something that happened: `action` is post, update, close, reopen or delete.

    `new` and `old` hold the changed fields.
    """

    action: str = ""
    object: EventObject | None = None
    date_added: Moment | None = None
    user_from: User | None = None
    new: dict[str, Any] = {}
    old: dict[str, Any] = {}


class Answer(msgspec.Struct, kw_only=True):
    """The envelope of every answer; `data` is still encoded, and empty where it is missing."""

    status: str = ""
    status_code: Any = None
    message: Any = ""
    message_details: Any = ""
    error: Any = ""
    errorDescription: Any = ""  # noqa: N815 - the service's own spelling
    data: msgspec.Raw = msgspec.Raw()


T = TypeVar("T")

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises: no JSON, or not of this kind; a text that is no UTF-8; nested without end."""


def moment(text: str) -> datetime | None:
    """The naive datetime of `YYYY-MM-DD HH:MM[:SS]`; None for an empty, zero or unreadable time."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


def _decode_hook(kind: type, value: Any) -> Any:
    if kind is Moment:
        return moment(value) if isinstance(value, str) else None
    raise NotImplementedError(kind)


def decode(data: bytes | bytearray | msgspec.Raw, kind: type[T]) -> T:
    """The JSON in `data` as a `kind` (one of these structures, or a list of one), laxly.

    Raises one of UNDECODABLE.
    """
    return msgspec.json.decode(data, type=kind, strict=False, dec_hook=_decode_hook)


def mend(data: bytes) -> bytes | None:
    """JSON made well-formed: bytes that are no UTF-8 (a text cut in the middle of a letter), lone surrogates and bare
    control characters replaced; None where it is no JSON at all.
    """
    try:
        value = json.loads(data.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def decode_many(answer: Answer, kind: type[T]) -> list[T]:
    """The list that the answer's data is, each thing as a `kind`; empty where there is none.

    Thing by thing, so that one odd value costs only itself the slow way, and so that other threads get
    their turn in between. What can't be a `kind` at all is left out.
    """
    found = []
    for raw in _listed(answer.data):
        thing = _decode_thing(raw, kind)
        if thing is not None:
            found.append(thing)
    return found


def decode_one(answer: Answer, kind: type[T]) -> T | None:
    """The one thing that the answer's data is (or the first of a list), or None where there is none."""
    if bytes(memoryview(answer.data)[:1]) == b"{":
        return _decode_thing(answer.data, kind)
    return next(iter(decode_many(answer, kind)), None)


def _listed(data: msgspec.Raw) -> list[msgspec.Raw]:
    """The things of a list; PHP also writes a list as an object with numbers for names."""
    if not memoryview(data).nbytes:
        return []
    try:
        return decode(data, list[msgspec.Raw])
    except UNDECODABLE:
        pass
    try:
        return list(decode(data, dict[str, msgspec.Raw]).values())
    except UNDECODABLE:
        return []


def _decode_thing(raw: msgspec.Raw, kind: type[T]) -> T | None:
    try:
        return decode(raw, kind)
    except UNDECODABLE:
        mended = mend(bytes(raw))
    thing: T | None = None if mended is None else _fitted(decode(mended, Any), kind)
    return thing


def _fitted(value: Any, kind: Any) -> Any:
    """`value` as a `kind` as far as it fits; None where it doesn't, so that the default stands."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return next(
            (f for a in arguments if a is not NoneType and (f := _fitted(value, a)) is not None), None
        )
    if origin is list:
        if not isinstance(value, list | dict):
            return None
        things = value if isinstance(value, list) else value.values()
        return [fit for thing in things if (fit := _fitted(thing, arguments[0])) is not None]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if not isinstance(value, dict):
            return None
        fields = {name: _fitted(value[name], hint) for name, hint in _hints(kind).items() if name in value}
        return kind(**{name: fit for name, fit in fields.items() if fit is not None})
    if kind is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    try:
        return msgspec.convert(value, kind, strict=False, dec_hook=_decode_hook)
    except msgspec.ValidationError:
        return None


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
