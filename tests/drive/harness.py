"""A drive as mount.py wires it, without FUSE: the real parts, on an emulated account."""

from __future__ import annotations

import contextlib
import datetime
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import trio

from wsfs.api.auth import AdminKey
from wsfs.api.client import Client, RequestRecord
from wsfs.api.pacing import Lane, Pacer
from wsfs.catalog.catalog import Catalog
from wsfs.catalog.store import Store
from wsfs.content.cache import Cache
from wsfs.content.fetch import Content
from wsfs.drive.adoption import Adoption, drop_key, is_twin
from wsfs.drive.attributes import Attributes, Ownership
from wsfs.drive.extended import ExtendedAttributes
from wsfs.drive.filesystem import Caller, Drive
from wsfs.drive.handles import FileHandle
from wsfs.drive.namespace import Namespace, Writers
from wsfs.drive.population import Population
from wsfs.drive.publishing import Publisher
from wsfs.drive.request_log import RequestLog
from wsfs.drive.rules import Permissions
from wsfs.drive.titles import Titles
from wsfs.drive.versions import Versions
from wsfs.drive.writable import WritePolicy
from wsfs.emulator.account import Account
from wsfs.emulator.emulator import Emulator
from wsfs.tree.layout import Changes, LayoutOptions, Tree
from wsfs.tree.nodes import Node
from wsfs.uploads.options import Options
from wsfs.uploads.sender import Flushed, Sender
from wsfs.uploads.spool import Spool

ME = Caller(pid=0, uid=1000, gid=1000)
UTC = datetime.UTC
DROP_TITLE = "Project files"


@dataclass
class Setup:
    """The options of a mount that its behaviour depends on."""

    done: str = "folder"
    folders: bool = False
    read_only: bool = False
    create_projects: bool = False
    mkdir: bool = True
    drop: bool = True
    archived: bool = False
    versions: bool = False
    cache: int = 100_000_000
    writable_for: float = 3600.0
    hidden_for: float = 60.0
    windows_names: bool = False
    writers: Writers | None = None
    uploads: Options = field(default_factory=lambda: Options(settle=0.0, settle_again=0.0))


class Switch(httpx.AsyncHTTPTransport):
    """A network that can be unplugged."""

    unplugged = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.unplugged:
            raise httpx.ConnectError("unplugged")
        return await super().handle_async_request(request)


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until it holds, at most 10 seconds; what a server does tells no event."""
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


class Desk:
    """A mounted drive and what a person does with it, by paths from its root."""

    def __init__(
        self,
        emulator: Emulator,
        drive: Drive,
        namespace: Namespace,
        extended: ExtendedAttributes,
        catalog: Catalog,
        spool: Spool,
        sender: Sender,
        adoption: Adoption,
        network: Switch,
        requests: list[RequestRecord],
    ) -> None:
        self.requests = requests
        self.emulator = emulator
        self.drive = drive
        self.tree = drive.tree
        self.namespace = namespace
        self.extended = extended
        self.catalog = catalog
        self.spool = spool
        self.sender = sender
        self.adoption = adoption
        self.network = network
        self.told = Changes()
        self.gone: list[int] = []
        """The attachments of which the catalog learnt that they are gone from the service."""

    @property
    def account(self) -> Account:
        return self.emulator.account

    def tell(self, changes: Changes) -> None:
        self.told.entries |= changes.entries
        self.told.inodes |= changes.inodes

    # looking

    async def node(self, path: str) -> Node:
        """Look every name of the path up, as the kernel does."""
        node: Node = self.tree.root
        for name in filter(None, path.split("/")):
            node = await self.drive.lookup(node.inode, name, ME)
            self.drive.publisher.shown(node.inode)
        return node

    async def names(self, path: str = "/") -> list[str]:
        handle = await self.drive.open_directory((await self.node(path)).inode, ME)
        return sorted(name for _, name, _ in self.drive.entries(handle, 0))

    async def stat(self, path: str) -> Attributes:
        return self.drive.get_attributes((await self.node(path)).inode)

    async def read(self, path: str) -> bytes:
        handle = self.drive.open((await self.node(path)).inode, ME)
        try:
            return await self.read_handle(handle)
        finally:
            await self.drive.release(handle)

    async def read_handle(self, handle: FileHandle) -> bytes:
        content = b""
        while piece := await self.read_piece(handle, len(content)):
            content += piece
        return content

    async def read_piece(self, handle: FileHandle, offset: int) -> bytes:
        data = self.drive.read_now(handle, offset, 1 << 16)
        return await self.drive.read(handle, offset, 1 << 16) if data is None else data

    async def xattr(self, path: str, name: str) -> str:
        return (await self.extended.get((await self.node(path)).inode, name, ME)).decode()

    # doing

    async def create(self, path: str, mode: int = 0o644) -> FileHandle:
        parent, _, name = path.rpartition("/")
        node, handle = await self.namespace.create((await self.node(parent)).inode, name, mode, ME)
        self.drive.publisher.shown(node.inode)
        return handle

    async def write(self, path: str, content: bytes = b"content", *, mtime_ns: int | None = None) -> int:
        """Make a file, write, close; returns its inode."""
        handle = await self.create(path)
        await self.put(handle, content)
        await self.close(handle)
        if mtime_ns is not None:
            await self.namespace.set_attributes(handle.node.inode, mtime_ns=mtime_ns)
        return handle.node.inode

    async def put(self, handle: FileHandle, content: bytes, offset: int = 0) -> None:
        done = self.namespace.write_now(handle, offset, content)
        if done is None:
            done = await self.namespace.write(handle, offset, content)
        assert done == len(content)

    async def close(self, handle: FileHandle) -> None:
        await self.namespace.flush(handle)
        await self.namespace.release(handle)

    async def save(self, path: str, content: bytes, *, truncate: bool = True, offset: int = 0) -> int:
        """Open what is there, write, close; returns its inode."""
        inode = (await self.node(path)).inode
        handle = await self.namespace.open(inode, ME, truncate=truncate)
        await self.put(handle, content, offset)
        await self.close(handle)
        return inode

    async def mkdir(self, path: str) -> Node:
        parent, _, name = path.rpartition("/")
        node = await self.namespace.make_directory((await self.node(parent)).inode, name, 0o755, ME)
        self.drive.publisher.shown(node.inode)
        return node

    async def rmdir(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        await self.namespace.remove_directory((await self.node(parent)).inode, name)

    async def unlink(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        await self.namespace.unlink((await self.node(parent)).inode, name)

    async def rename(self, old: str, new: str, *, replace: bool = True) -> None:
        (parent, _, name), (new_parent, _, new_name) = old.rpartition("/"), new.rpartition("/")
        here, there = (await self.node(parent)).inode, (await self.node(new_parent)).inode
        await self.namespace.rename(here, name, there, new_name, ME, replace=replace)

    async def flush(self) -> Flushed:
        """Send what is to be sent; also what comes only when its directory is there."""
        sent = 0
        while True:
            with trio.fail_after(20):
                done = await self.sender.flush()
            sent += done.sent
            if not done.sent:
                return Flushed(sent, done.refused, done.held)

    async def refresh(self) -> None:
        """Learn everything that colleagues did."""
        await self.catalog.refresh(None)
        for id in list(self.tree.projects):
            await self.catalog.refresh(("project", id))
        for id in list(self.tree.tasks):
            if id in self.tree.tasks:
                await self.catalog.refresh(("task", id))

    async def plug_in(self) -> None:
        """Give the network back, and wait until the catalog has found out."""
        self.network.unplugged = False
        await eventually(lambda: self.catalog.status()["mode"] != "offline")

    def actions(self) -> list[str]:
        """What was asked of the service for a person or an upload, in order; not what keeps the catalog fresh."""
        return [one.action for one in self.requests if one.lane in (Lane.PERSON, Lane.UPLOAD)]

    def count(self) -> int:
        """How many requests that were."""
        return len(self.actions())


@contextlib.asynccontextmanager
async def mounted(
    emulator: Emulator, directory: Path, setup: Setup | None = None, *, unplugged: bool = False
) -> AsyncIterator[Desk]:
    """A drive on `emulator` whose data are in `directory`, while the block runs. No polls and no crawl."""
    setup = setup or Setup()
    failure: Exception | None = None
    async with contextlib.AsyncExitStack() as stack:
        store = Store(directory / "catalog.db")
        await store.open()
        stack.push_async_callback(store.close)
        spool = Spool(directory / "spool", floor=0, writable_for=setup.writable_for)
        await spool.start()
        stack.push_async_callback(spool.close)
        cache = await stack.enter_async_context(Cache(directory / "cache", setup.cache))
        requests = RequestLog()
        seen: list[RequestRecord] = []

        def observe(record: RequestRecord) -> None:
            requests.add(record)
            seen.append(record)

        network = Switch()
        network.unplugged = unplugged
        client = Client(
            emulator.url, AdminKey(emulator.api_key), Pacer(0), observer=observe, transport=network
        )
        stack.push_async_callback(client.aclose)  # after the long-lived tasks, as in mount.py
        nursery = await stack.enter_async_context(trio.open_nursery())
        aliases = store.aliases()
        tree = Tree(
            LayoutOptions(setup.done, setup.folders, setup.windows_names),
            aliases=lambda kind, id: (found := aliases.get((int(kind), id))) and found.inode,
            timestamps=lambda kind, id: (found := aliases.get((int(kind), id))) and found.mtime_ns,
            twin=functools.partial(is_twin, spool),
        )
        tell: list[Callable[[Changes], None]] = []
        publisher = Publisher(tree, lambda changes: [each(changes) for each in tell].clear())
        population = Population(
            tree,
            timezone=UTC,
            drop_title=DROP_TITLE if setup.drop else None,
            remembered_drop=lambda project_id: store.get(drop_key(project_id)),
            changed=publisher.publish,
            gone=lambda files: desk.gone.extend(file.id for file in files),
        )
        catalog = Catalog(
            client, store, population, archived=setup.archived, crawl=0.0, rate=0.0, poll=3600.0
        )
        content = Content(cache, client.download, nursery)
        drive = Drive(
            tree,
            catalog,
            content,
            spool,
            publisher,
            ownership=Ownership(1000, 1000, read_only=setup.read_only, create_projects=setup.create_projects),
            controls={"status.json": lambda: b"{}", "requests.log": requests.text},
            spool_directory=directory,
            writable=WritePolicy(spool, versions=setup.versions, drop=setup.drop),
        )
        adoption = Adoption(drive, population, catalog, content, store, drop_title=DROP_TITLE)
        sender = Sender(spool, client, adoption, setup.uploads)
        namespace = Namespace(
            drive,
            Titles(client, catalog.retitled),
            Permissions(mkdir=setup.mkdir, drop=setup.drop),
            versions=Versions(drive, store, hidden_for=setup.hidden_for),
            writers=setup.writers,
        )
        extended = ExtendedAttributes(drive, emulator.url, UTC)
        for node in sorted(spool.nodes.values(), key=lambda one: one.inode):
            tree.add_local(
                node.inode, node.parent, node.name, is_directory=node.is_dir, stamp_ns=node.mtime_ns
            )
        await catalog.start(files_later=True)
        publisher.publish()
        nursery.start_soon(catalog.run)
        nursery.start_soon(namespace.versions.run)
        await catalog.load_files()
        if not setup.read_only:
            nursery.start_soon(sender.run)
        desk = Desk(emulator, drive, namespace, extended, catalog, spool, sender, adoption, network, seen)
        tell.append(desk.tell)
        try:
            yield desk
        except Exception as error:  # noqa: BLE001 - it is raised below, outside the nursery's group
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
