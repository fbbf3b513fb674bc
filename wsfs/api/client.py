"""The actions of the Worksection API that wsfs uses, one method each.

Every method takes the lane in which it waits for its turn, and raises the tree of `errors`. Facts are those
of the vendor's pages on each action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self, TypeVar

import httpx
import trio

from wsfs.api import errors
from wsfs.api.auth import Credentials, Renewal
from wsfs.api.download import Download, download
from wsfs.api.models import (
    Answer,
    Comment,
    Event,
    File,
    Project,
    ProjectGroup,
    Task,
    User,
    decode_many,
    decode_one,
)
from wsfs.api.multipart import Attachment, Body, form, multipart
from wsfs.api.pacing import Lane, Pacer, Promotable
from wsfs.api.transport import BIG_JSON, RequestRecord, Transport

__all__ = ["Attachment", "Client", "Download", "RequestRecord"]

T = TypeVar("T")


class Client:
    """One account, asked through one pacer.

    `base_url` is the account's address (`account.account_base_url`). `deadline` is in seconds; what it
    means, and `upload_deadline` and `patience`, is said at `transport.Transport`. `observer` is called,
    synchronously, with the record of every request that was sent. `scheme` is what an earlier `on_scheme`
    was called with. `renewal` gives other credentials when these end. `transport` is for tests. An async
    context manager; `aclose()` otherwise.
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
        self._transport = Transport(
            base_url,
            credentials,
            pacer,
            deadline=deadline,
            upload_deadline=upload_deadline,
            patience=patience,
            observer=observer,
            scheme=scheme,
            on_scheme=on_scheme,
            renewal=renewal,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    # Reading

    async def get_projects(
        self, *, lane: Lane | Promotable, filter: str | None = None, extra: Sequence[str] = ()
    ) -> list[Project]:
        """The projects; `filter` is of active, pending, archived, `extra` of text, html, options, users."""
        return await self._many(Project, "get_projects", lane, filter=filter, extra=_listed(extra))

    async def get_project(self, project_id: int, *, lane: Lane | Promotable) -> Project:
        """One project."""
        return await self._one(Project, "get_project", lane, id_project=project_id)

    async def get_project_groups(self, *, lane: Lane | Promotable) -> list[ProjectGroup]:
        """The folders that projects lie in."""
        return await self._many(ProjectGroup, "get_project_groups", lane)

    async def get_all_tasks(
        self, *, lane: Lane | Promotable, extra: Sequence[str] = (), filter: str | None = None
    ) -> list[Task]:
        """Every top-level task of every project, subtasks in `child`; TooManyTasks above 10,000.

        `extra` is of text, html, files, comments, relations, subtasks, archive; `filter` is active.
        """
        return await self._many(Task, "get_all_tasks", lane, extra=_listed(extra), filter=filter)

    async def get_tasks(
        self,
        project_id: int,
        *,
        lane: Lane | Promotable,
        extra: Sequence[str] = (),
        filter: str | None = None,
    ) -> list[Task]:
        """The same of one project."""
        return await self._many(
            Task, "get_tasks", lane, id_project=project_id, extra=_listed(extra), filter=filter
        )

    async def get_task(self, task_id: int, *, lane: Lane | Promotable, extra: Sequence[str] = ()) -> Task:
        """One task, with its chain of parents."""
        return await self._one(Task, "get_task", lane, id_task=task_id, extra=_listed(extra))

    async def get_comments(
        self, task_id: int, *, lane: Lane | Promotable, extra: Sequence[str] = ()
    ) -> list[Comment]:
        """A task's comments, newest first; `extra` is files."""
        return await self._many(Comment, "get_comments", lane, id_task=task_id, extra=_listed(extra))

    async def get_files(
        self, *, lane: Lane | Promotable, project_id: int | None = None, task_id: int | None = None
    ) -> list[File]:
        """The files of a task (its description and all its comments) or of a project (not of its tasks)."""
        if (project_id is None) == (task_id is None):
            raise ValueError("get_files asks for a project or a task")
        return await self._many(File, "get_files", lane, id_project=project_id, id_task=task_id)

    async def get_events(
        self, period: str, *, lane: Lane | Promotable, project_id: int | None = None
    ) -> list[Event]:
        """What happened in the last `period`: 1m to 360m, 1h to 72h, 1d to 30d."""
        return await self._many(Event, "get_events", lane, period=period, id_project=project_id)

    async def get_users(self, *, lane: Lane | Promotable) -> list[User]:
        """The people of the account."""
        return await self._many(User, "get_users", lane)

    async def me(self, *, lane: Lane | Promotable) -> User:
        """The user whose token this is (user tokens only)."""
        return await self._one(User, "me", lane)

    def download(
        self, file_id: int, *, lane: Lane | Promotable, start: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        """The bytes of a file from `start` on; see `download.download`."""
        return download(self._transport, file_id, lane=lane, start=start)

    # Writing

    async def post_comment(
        self,
        task_id: int,
        *,
        lane: Lane | Promotable,
        text: str,
        attachments: Sequence[Attachment] = (),
        email_user_from: str | None = None,
        hidden: str | None = None,
    ) -> Comment:
        """Comment on a task, with files. The answer tells the comment, not the ids of its files."""
        fields = _params(id_task=task_id, text=text, email_user_from=email_user_from, hidden=hidden)
        return await self._post(Comment, "post_comment", lane, fields, attachments)

    async def post_task(
        self,
        project_id: int,
        *,
        lane: Lane | Promotable,
        title: str,
        attachments: Sequence[Attachment] = (),
        id_parent: int | None = None,
        text: str | None = None,
        email_user_from: str | None = None,
        hidden: str | None = None,
    ) -> Task:
        """Make a task, or below `id_parent` a subtask; the files belong to its description."""
        fields = _params(
            id_project=project_id,
            title=title,
            id_parent=id_parent,
            text=text,
            email_user_from=email_user_from,
            hidden=hidden,
        )
        return await self._post(Task, "post_task", lane, fields, attachments)

    async def post_project(
        self,
        *,
        lane: Lane | Promotable,
        title: str,
        attachments: Sequence[Attachment] = (),
        text: str | None = None,
        company: str | None = None,
        members: str | None = None,
        email_user_from: str | None = None,
        email_manager: str | None = None,
        hidden: str | None = None,
    ) -> Project:
        """Make a project; the files belong to its description."""
        fields = _params(
            title=title,
            text=text,
            company=company,
            members=members,
            email_user_from=email_user_from,
            email_manager=email_manager,
            hidden=hidden,
        )
        return await self._post(Project, "post_project", lane, fields, attachments)

    async def update_task(self, task_id: int, *, lane: Lane | Promotable, title: str) -> Task:
        """Give a task another title."""
        return await self._post(Task, "update_task", lane, _params(id_task=task_id, title=title))

    async def update_project(self, project_id: int, *, lane: Lane | Promotable, title: str) -> Project:
        """Give a project another title."""
        return await self._post(Project, "update_project", lane, _params(id_project=project_id, title=title))

    # How

    async def _many(
        self, kind: type[T], action: str, lane: Lane | Promotable, **params: str | int | None
    ) -> list[T]:
        answer = await self._transport.call(action, _params(**params), lane=lane)
        return await _decoded(decode_many, answer, kind)

    async def _one(
        self, kind: type[T], action: str, lane: Lane | Promotable, **params: str | int | None
    ) -> T:
        answer = await self._transport.call(action, _params(**params), lane=lane)
        found = await _decoded(decode_one, answer, kind)
        if found is None:
            raise errors.BadAnswer("it is empty", action=action)
        return found

    async def _post(
        self,
        kind: type[T],
        action: str,
        lane: Lane | Promotable,
        fields: Mapping[str, str],
        attachments: Sequence[Attachment] = (),
    ) -> T:
        """Post the fields and files; an empty `kind` where it was done and nothing is told of it."""
        if attachments:
            await trio.to_thread.run_sync(_check_sizes, attachments)

        def body() -> Body:
            return multipart(fields, attachments) if attachments else form(fields)

        told = [f"{name}={value}" for name, value in fields.items() if name.startswith("id_")]
        if attachments:
            told.append(f"{len(attachments)} files, {sum(item.size for item in attachments)} bytes")
        answer = await self._transport.call(action, {}, lane=lane, body=body, detail=" ".join(told))
        return await _decoded(decode_one, answer, kind) or kind()


def _listed(names: Sequence[str]) -> str | None:
    return ",".join(names) or None


def _params(**params: str | int | None) -> dict[str, str]:
    """The parameters that are given, as the API wants them."""
    return {name: str(value) for name, value in params.items() if value is not None}


def _check_sizes(attachments: Sequence[Attachment]) -> None:
    """Raise AttachmentUnreadable, before anything is sent, for a file that isn't as it was said to be."""
    for attachment in attachments:
        try:
            size = attachment.path.stat().st_size
        except OSError as error:
            raise errors.AttachmentUnreadable(f"{attachment.name}: {error.strerror}") from None
        if size != attachment.size:
            raise errors.AttachmentUnreadable(f"{attachment.name}: {size} bytes, not {attachment.size}")


R = TypeVar("R")


async def _decoded(decoder: Callable[[Answer, type[T]], R], answer: Answer, kind: type[T]) -> R:
    """The data of an answer, decoded in a worker thread where there is much of it."""
    if memoryview(answer.data).nbytes > BIG_JSON:
        return await trio.to_thread.run_sync(decoder, answer, kind)
    return decoder(answer, kind)
