"""A service and a drive that live in memory, and a world that puts the uploads between them."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import trio
import trio.testing

from wsfs.api.client import Attachment
from wsfs.api.errors import ApiError, OutcomeUnknown
from wsfs.api.models import Comment, File, Project, Ref, Task, User
from wsfs.api.pacing import Lane
from wsfs.uploads.contents import SMALL
from wsfs.uploads.hooks import Destination, ProjectDestination, RootDestination, SentBatch, TaskDestination
from wsfs.uploads.nodes import Spooled
from wsfs.uploads.options import Options
from wsfs.uploads.sender import Sender
from wsfs.uploads.spool import Spool
from wsfs.uploads.states import State

EPOCH = 1_700_000_000.0
PROJECT_ID, TASK_ID = 10, 20
ROOT, PROJECT, TASK, OTHER_TASK = 1, PROJECT_ID * 4 + 1, TASK_ID * 4 + 2, 21 * 4 + 2


class FakeDownload:
    """A download in small pieces."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def chunks(self) -> AsyncIterator[bytes]:
        for offset in range(0, len(self.body), 3):
            await trio.lowlevel.checkpoint()
            yield self.body[offset : offset + 3]


class FakeService:
    """What the sender uses of the API's client, over lists in memory.

    `requests` are the actions that were asked for; `posts` what was made: (action, title or text, names).
    `failures` are raised by the next requests of that action, before or (`lost`) after the work is done.
    """

    def __init__(self) -> None:
        self.files: dict[tuple[str, int], list[File]] = {("task", TASK_ID): []}
        self.contents: dict[int, bytes] = {}
        self.tasks: dict[int, tuple[int, int, str]] = {}
        self.projects: dict[int, str] = {}
        self.requests: list[str] = []
        self.posts: list[tuple[str, str, tuple[str, ...]]] = []
        self.arguments: list[dict[str, object]] = []
        self.failures: dict[str, deque[ApiError]] = {}
        self.lost: deque[ApiError] = deque()
        self.rename: Callable[[str], str] = lambda name: name
        self.unlisted = 0
        self.rivals = 0  # colleagues that attach a file of the same name and size first
        self.comments: dict[int, dict[int, list[File]]] = {}
        self.comments_tell_files = True
        self.emails: dict[int, str | None] = {}  # of who wrote a comment
        self.most: int | None = None  # files that are taken of a post
        self.hold: trio.Event | None = None
        self.started = trio.Event()
        self.attachments: list[Attachment] = []  # those of the last post
        self._id = 1000

    def fail(self, action: str, *errors: ApiError) -> None:
        """Let the next requests of that action fail so, with nothing done."""
        self.failures.setdefault(action, deque()).extend(errors)

    def add_comment(self, task_id: int, *files: tuple[str, bytes], email: str | None = None) -> list[File]:
        """A colleague comments, with files."""
        added = []
        for name, body in files:
            added.append(self.add_file(task_id, name, len(body)))
            self.contents[added[-1].id] = body
        number = self._next()
        self.comments.setdefault(task_id, {})[number] = added
        self.emails[number] = email
        return added

    def add_file(self, task_id: int, name: str, size: int) -> File:
        """A colleague attaches a file."""
        file = File(id=self._next(), name=name, size=size)
        self.files.setdefault(("task", task_id), []).append(file)
        return file

    def names(self, task_id: int = TASK_ID) -> list[str]:
        """The names of a task's attachments, in their order."""
        return [file.name for file in self.files[("task", task_id)]]

    def _next(self) -> int:
        self._id += 1
        return self._id

    def _begin(self, action: str) -> None:
        self.requests.append(action)
        waiting = self.failures.get(action)
        if waiting:
            raise waiting.popleft()

    async def _post(
        self, action: str, title: str, attachments: Sequence[Attachment], owner: Callable[[], tuple[str, int]]
    ) -> int:
        self._begin(action)
        bodies = [(attachment.name, attachment.path.read_bytes()) for attachment in attachments]
        assert [len(body) for _, body in bodies] == [attachment.size for attachment in attachments]
        self.attachments = list(attachments)
        self.started.set()
        if self.hold is not None:
            await self.hold.wait()
        key = owner()
        if self.rivals:
            assert self.rivals == 1
            for name, body in bodies:
                file = File(id=self._next(), name=name, size=len(body))
                self.files.setdefault(key, []).append(file)
                self.contents[file.id] = b"?" * len(body)
        for name, body in bodies[: self.most]:
            file = File(id=self._next(), name=self.rename(name), size=len(body))
            self.files.setdefault(key, []).append(file)
            self.contents[file.id] = body
        self.posts.append((action, title, tuple(name for name, _ in bodies)))
        await trio.lowlevel.checkpoint()
        if action != "post_comment":
            self._reply()
        return key[1]

    def _reply(self) -> None:
        if self.lost:
            raise OutcomeUnknown(self.lost.popleft())

    async def get_files(
        self, *, lane: Lane, project_id: int | None = None, task_id: int | None = None
    ) -> list[File]:
        assert lane is Lane.UPLOAD
        self._begin("get_files")
        await trio.lowlevel.checkpoint()
        key = ("task", task_id) if task_id is not None else ("project", project_id or 0)
        found = list(self.files.get(key, []))
        if self.unlisted:
            self.unlisted -= 1
            return found[:-1]
        return found[::-1]

    async def get_comments(self, task_id: int, *, lane: Lane, extra: Sequence[str] = ()) -> list[Comment]:
        self._begin("get_comments")
        await trio.lowlevel.checkpoint()
        return [
            Comment(
                id=number,
                files=files if "files" in extra and self.comments_tell_files else None,
                user_from=User(email=self.emails.get(number) or ""),
            )
            for number, files in self.comments.get(task_id, {}).items()
        ]

    async def get_tasks(self, project_id: int, *, lane: Lane, extra: Sequence[str] = ()) -> list[Task]:
        self._begin("get_tasks")
        await trio.lowlevel.checkpoint()
        return [
            Task(id=number, name=title, parent=Ref(id=parent), files=self.files.get(("task", number), []))
            for number, (project, parent, title) in self.tasks.items()
            if project == project_id
        ]

    async def get_projects(self, *, lane: Lane) -> list[Project]:
        self._begin("get_projects")
        await trio.lowlevel.checkpoint()
        return [Project(id=number, name=title) for number, title in self.projects.items()]

    @contextlib.asynccontextmanager
    async def download(self, file_id: int, *, lane: Lane) -> AsyncIterator[FakeDownload]:
        assert lane is Lane.UPLOAD
        self._begin("download")
        await trio.lowlevel.checkpoint()
        yield FakeDownload(self.contents[file_id])

    async def post_comment(
        self,
        task_id: int,
        *,
        lane: Lane,
        text: str,
        attachments: Sequence[Attachment] = (),
        email_user_from: str | None = None,
        hidden: str | None = None,
    ) -> Comment:
        self.arguments.append({"email_user_from": email_user_from, "hidden": hidden})
        before = len(self.files.setdefault(("task", task_id), []))
        await self._post("post_comment", text, attachments, lambda: ("task", task_id))
        number = self._next()
        comments = self.comments.setdefault(task_id, {})
        if self.rivals:
            comments[self._next()] = self.files["task", task_id][before : before + self.rivals]
        comments[number] = self.files["task", task_id][before + self.rivals :]
        self.emails[number] = email_user_from
        self._reply()
        return Comment(id=number)

    async def post_task(
        self,
        project_id: int,
        *,
        lane: Lane,
        title: str,
        attachments: Sequence[Attachment] = (),
        id_parent: int | None = None,
        email_user_from: str | None = None,
        hidden: str | None = None,
    ) -> Task:
        def made() -> tuple[str, int]:
            task_id = self._next()
            self.tasks[task_id] = (project_id, id_parent or 0, title)
            return "task", task_id

        self.arguments.append({"email_user_from": email_user_from, "hidden": hidden})
        return Task(id=await self._post("post_task", title, attachments, made))

    async def post_project(
        self,
        *,
        lane: Lane,
        title: str,
        attachments: Sequence[Attachment] = (),
        email_user_from: str | None = None,
        hidden: str | None = None,
    ) -> Project:
        self.arguments.append({"email_user_from": email_user_from, "hidden": hidden})
        made = self._next()
        self.projects[made] = title
        return Project(id=await self._post("post_project", title, attachments, lambda: ("project", made)))


class FakeDrive:
    """What the sender asks of the drive: knows a project and tasks, and takes over what was sent."""

    def __init__(self) -> None:
        self.places: dict[int, Destination] = {
            ROOT: RootDestination(),
            PROJECT: ProjectDestination(PROJECT_ID),
            TASK: TaskDestination(TASK_ID, PROJECT_ID),
            OTHER_TASK: TaskDestination(21, PROJECT_ID),
        }
        self.known: dict[int, frozenset[int]] = {}
        self.batches: list[SentBatch] = []
        self.files: dict[int, File] = {}
        self.drop_tasks: list[int] = []
        self.asked_for_drops = 0
        self.told: list[int] = []
        self.failures: deque[Exception] = deque()
        self.pause: trio.Event | None = None
        self.remembered_after = 0

    def destination(self, parent_inode: int) -> Destination | None:
        return self.places.get(parent_inode)

    def place(self, parent_inode: int) -> str | None:
        return f"/{parent_inode}" if parent_inode in self.places else None

    def known_files(self, task_id: int) -> frozenset[int] | None:
        return self.known.get(task_id)

    def known_children(self, project_id: int, task_id: int) -> frozenset[int]:
        return frozenset()

    async def find_drop_task(self, project_id: int, title: str) -> int | None:
        self.asked_for_drops += 1
        await trio.lowlevel.checkpoint()
        return self.drop_tasks.pop(0) if self.drop_tasks else None

    def asking(self) -> AbstractContextManager[int]:
        return contextlib.nullcontext(0)

    async def sent(self, result: SentBatch) -> None:
        if self.failures:
            raise self.failures.popleft()
        await trio.lowlevel.checkpoint()
        if self.pause is not None:
            await self.pause.wait()
        for inode, (kind, number) in result.created.items():
            if kind == "task":
                self.places[inode] = TaskDestination(number, result.project_id or 0)
            else:
                self.places[inode] = ProjectDestination(number)
        self.files.update({inode: file for inode, file in result.files.items() if result.leaving(inode)})
        if result.drop_task:
            assert result.task_id is not None
            assert isinstance(result.destination, ProjectDestination)
            self.places[PROJECT] = ProjectDestination(PROJECT_ID, result.task_id)
        if result.task_id is not None and result.all_files is not None:
            self.known[result.task_id] = frozenset(file.id for file in result.all_files)
        self.batches.append(result)

    async def remembered(self) -> None:
        self.remembered_after = len(self.batches)
        await trio.lowlevel.checkpoint()

    def changed(self, inode: int) -> None:
        self.told.append(inode)


class World:
    """A spool in a directory, with its sender, a service and a drive; time passes only when asked to."""

    def __init__(
        self,
        directory: Path,
        clock: trio.testing.MockClock,
        options: Options | None = None,
        *,
        small: int = SMALL,
    ) -> None:
        self.directory = directory
        self.clock = clock
        self.options = options or Options()
        self.service = FakeService()
        self.drive = FakeDrive()
        self.small = small
        self.spool = Spool(directory, clock=self.wall, floor=0, small=small)
        self.sender = Sender(self.spool, self.service, self.drive, self.options)
        self.crashed = False

    def wall(self) -> float:
        """The time of day, in unix seconds."""
        return EPOCH + self.clock.current_time()

    @contextlib.asynccontextmanager
    async def running(self, *, sending: bool = True) -> AsyncIterator[World]:
        """Start the spool, and unless told otherwise the sender; end both in order."""
        await self.spool.start()
        try:
            async with trio.open_nursery() as nursery:
                if sending:
                    nursery.start_soon(self.sender.run)
                yield self
                nursery.cancel_scope.cancel()
                if self.crashed:
                    # What the dead process was at would otherwise wait for its grace to end.
                    with trio.CancelScope(shield=True):
                        await self.wait(self.options.grace + 1)
        finally:
            await self.spool.close()

    def again(self) -> World:
        """Another run over the same directory, the same service and the same drive."""
        world = World(self.directory, self.clock, self.options, small=self.small)
        world.service, world.drive = self.service, self.drive
        world.sender = Sender(world.spool, world.service, world.drive, world.options)
        return world

    async def crash(self) -> None:
        """End as kill -9 does: what is queued is lost, nothing is tidied up. Then `again` is another run."""
        await quiet(self.spool)
        self.crashed = True
        await self.spool.journal.close()
        self.spool._give_back()  # the kernel does that for a dead process

    async def write(
        self, parent: int, name: str, data: bytes = b"content", *, mode: int = 0o644, uid: int = 1000
    ) -> Spooled:
        """What cp does: make a file, write it, close it."""
        node = await self.spool.create(parent, name, mode, uid, 1000)
        handle = self.spool.open(node.inode, write=True)
        if data:
            await self.spool.write(handle, 0, data)
        await self.spool.flush(handle)
        await self.spool.release(handle)
        return node

    async def save(self, node: Spooled, data: bytes) -> None:
        """What an editor does that saves in place: open, truncate, write, close."""
        handle = self.spool.open(node.inode, write=True)
        await self.spool.truncate(node.inode, 0)
        await self.spool.write(handle, 0, data)
        await self.spool.flush(handle)
        await self.spool.release(handle)

    def read(self, node: Spooled) -> bytes:
        """The content of a file, as a program reads it."""
        return self.spool.content_path(node).read_bytes()

    async def wait(self, seconds: float) -> None:
        """Let that much time pass, doing on the way all that comes due."""
        until = self.clock.current_time() + seconds
        await quiet(self.spool)
        while (left := until - self.clock.current_time()) > 1e-9:
            due = trio.lowlevel.current_statistics().seconds_to_next_deadline
            self.clock.jump(min(left, max(due, 0.0) + 1e-9))
            await quiet(self.spool)


def state(node: Spooled) -> State:
    """Its state now (and not what a type checker believes it still is)."""
    return node.state


def is_closed(node: Spooled) -> bool:
    """Whether it counts as closed, should there be a crash."""
    return node.closed


async def quiet(spool: Spool) -> None:
    """Wait until every task waits for time or for the test, and no thread works."""
    limiter = trio.to_thread.current_default_thread_limiter()
    calm = 0
    while calm < 2:
        await trio.testing.wait_all_tasks_blocked(0.001)
        calm = calm + 1 if spool.journal.idle and not limiter.borrowed_tokens else 0
