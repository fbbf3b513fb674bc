"""The composition root: builds every part of a mount, owns the one long-lived nursery, and tears down in order.

First what is on the disk is opened: keepsakes and catalog, spool, cache. Then the tree is filled from it. Then
the account is asked once, where nothing is known of it or the login is new, so that a wrong key is said at once.
Then the kernel gets the mount. At the end: no more calls from the kernel, then the long-lived tasks (a post that
is under way gets its grace), then the stores.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pyfuse3
import trio

from wsfs import allocator, belonging, logplace
from wsfs.admission import MountError as MountError
from wsfs.admission import check_login
from wsfs.announcements import Announcements
from wsfs.api.auth import AdminKey
from wsfs.api.client import Client
from wsfs.api.errors import ApiError
from wsfs.api.pacing import Lane, Pacer
from wsfs.api.transport import RequestRecord
from wsfs.catalog.catalog import Catalog
from wsfs.catalog.store import Store
from wsfs.commands import Commands
from wsfs.config import Settings, vault_of
from wsfs.content.cache import Cache
from wsfs.content.errors import ContentError
from wsfs.content.fetch import Content
from wsfs.content.pins import Pins
from wsfs.content.policy import Policy
from wsfs.control import ControlError, control_path, finishing_path, serve_control
from wsfs.descriptors import for_cache, raise_limit
from wsfs.drive.adoption import Adoption, drop_key, is_twin
from wsfs.drive.attributes import Ownership
from wsfs.drive.authors import Authors
from wsfs.drive.departures import Departures
from wsfs.drive.extended import ExtendedAttributes
from wsfs.drive.filesystem import Drive
from wsfs.drive.namespace import Namespace
from wsfs.drive.pages import Pages
from wsfs.drive.pinning import Pinning
from wsfs.drive.population import Population
from wsfs.drive.publishing import Publisher
from wsfs.drive.request_log import RequestLog
from wsfs.drive.rules import Permissions
from wsfs.drive.titles import Titles
from wsfs.drive.versions import Versions
from wsfs.drive.writable import WritePolicy
from wsfs.finishing import End, drain
from wsfs.fuse import connection, polling
from wsfs.fuse.limits import MAX_TASKS, raise_background_limit, raise_read_ahead
from wsfs.fuse.notify import Notifier
from wsfs.fuse.operations import Operations
from wsfs.notifications import Desktop
from wsfs.renewal import Renewer
from wsfs.service import Supervisor, keep_told
from wsfs.tree.layout import LayoutOptions, Tree
from wsfs.upload_commands import UploadCommands
from wsfs.uploads.draining import to_be_sent
from wsfs.uploads.errors import UploadError
from wsfs.uploads.options import Options
from wsfs.uploads.sender import Sender
from wsfs.uploads.spool import Spool

log = logging.getLogger(__name__)

_SCHEME = "auth_scheme"
_RANGES = "ranges"
#: Share of the requests that the crawl may have.
CRAWL_SHARE = 0.5
#: Share of the requests that fetching ahead may have, while a person goes through a directory.
PREFETCH_SHARE = 0.5


async def serve(
    settings: Settings,
    *,
    ready: Callable[[], None],
    unmounted: Callable[[], None] = lambda: None,
    supervisor: Supervisor | None = None,
) -> None:
    """Mount the account and serve it until it is unmounted, by whomever, or told to end by a signal.

    `ready` is called once the mount answers, `unmounted` once it is gone, whatever is still to be done then;
    `supervisor` is told how it goes. Raises MountError for what a user can mend. Cancelled, it unmounts in order.
    """
    failure: MountError | None = None
    allocator.keep_freed()
    try:
        async with contextlib.AsyncExitStack() as stack:
            store, spool, cache = await _open_stores(settings, stack)
            async with trio.open_nursery() as nursery:
                told = supervisor or Supervisor({})
                await _serve(settings, store, spool, cache, nursery, stack, ready, unmounted, told)
                nursery.cancel_scope.cancel()
    except* MountError as group:
        failure = _first(group)
    if failure is not None:  # raised out here it is in no group
        raise failure from failure.__cause__


def _first(error: BaseException) -> MountError:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, MountError)
    return error


async def _open_stores(settings: Settings, stack: contextlib.AsyncExitStack) -> tuple[Store, Spool, Cache]:
    """What is on the disk, opened; `stack` closes it."""
    try:
        await trio.to_thread.run_sync(_claim, settings.data_dir, "data_dir", settings.base_url)
        await trio.to_thread.run_sync(_claim, settings.cache_dir, "cache_dir", settings.base_url)
        store = Store(settings.data_dir / "catalog.db")
        await store.open()
        stack.push_async_callback(store.close)
        spool = Spool(settings.data_dir / "spool", writable_for=settings.writable_for)
        await spool.start()
        stack.push_async_callback(spool.close)
        descriptors = for_cache(raise_limit())
        cache = Cache(settings.cache_dir / "content", settings.cache_size, descriptors=descriptors)
        await stack.enter_async_context(cache)
    except (UploadError, ContentError) as error:
        raise MountError(str(error)) from error
    except OSError as error:
        raise MountError(f"{error.filename or settings.data_dir} can't be used: {error.strerror}") from error
    return store, spool, cache


async def _serve(
    settings: Settings,
    store: Store,
    spool: Spool,
    cache: Cache,
    nursery: trio.Nursery,
    stack: contextlib.AsyncExitStack,
    ready: Callable[[], None],
    unmounted: Callable[[], None],
    supervisor: Supervisor,
) -> None:
    authors = await _authors(settings)
    end, ending = End(settings.drain), trio.Event()
    requests = RequestLog()
    pacer = Pacer(settings.rate)
    aliases = store.aliases()

    def remember(key: str, value: object) -> None:
        nursery.start_soon(store.set, key, value)

    def healed() -> None:
        announcements.login_healed()
        sender.wake()
        nursery.start_soon(_after_login, catalog)

    def observe(record: RequestRecord) -> None:
        requests.add(record)
        if record.result == "ok":
            sender.reached()
            catalog.reached()

    renewer = Renewer(
        vault_of(settings.system),
        settings.base_url,
        settings.login,
        nursery,
        deadline=settings.deadline,
        on_dead=lambda sentence: announcements.login_died(sentence),
        on_healed=healed,
    )
    client = Client(
        settings.base_url,
        settings.credentials,
        pacer,
        deadline=settings.deadline,
        observer=observe,
        scheme=store.get(_SCHEME),
        on_scheme=functools.partial(remember, _SCHEME),
        renewal=renewer,
    )
    stack.push_async_callback(client.aclose)  # after the long-lived tasks: a post may be in its grace
    tree = Tree(
        LayoutOptions(settings.done, settings.folders, settings.windows_names),
        aliases=lambda kind, id: (found := aliases.get((int(kind), id))) and found.inode,
        timestamps=lambda kind, id: (found := aliases.get((int(kind), id))) and found.mtime_ns,
        twin=functools.partial(is_twin, spool),
    )
    notifier = Notifier()
    publisher = Publisher(tree, notifier.tell, notifier.tell_dates)
    population = Population(
        tree,
        timezone=settings.timezone,
        drop_title=settings.drop_title if settings.drop else None,
        remembered_drop=lambda project_id: store.get(drop_key(project_id)),
        changed=publisher.publish,
        gone=lambda files: departures.gone(files),
    )
    catalog = Catalog(
        client,
        store,
        population,
        archived=settings.archived,
        crawl=CRAWL_SHARE if settings.crawl else 0.0,
        rate=settings.rate,
        poll=settings.poll,
    )
    content = Content(
        cache,
        catalog.watched(client.download),
        nursery,
        deadline=settings.deadline,
        ranges=store.get(_RANGES),
        on_ranges=functools.partial(remember, _RANGES),
        policy=Policy(
            pause=_share_pause(settings.rate, PREFETCH_SHARE) if settings.prefetch else None,
            unasked=settings.thumbnails,
        ),
    )
    pins = Pins(content)
    departures = Departures(tree.attachments, content, pins)
    drive = Drive(
        tree,
        catalog,
        content,
        spool,
        publisher,
        ownership=Ownership(
            settings.uid,
            settings.gid,
            settings.umask,
            read_only=settings.read_only,
            create_projects=settings.create_projects,
        ),
        controls={
            "status.json": lambda: commands.status_text(),
            "uploads.json": lambda: commands.uploads_text(),
            "requests.log": requests.text,
        },
        spool_directory=settings.data_dir,
        writable=WritePolicy(spool, versions=settings.versions, drop=settings.drop),
    )
    versions = Versions(drive, store)
    pinning = Pinning(drive, pins, content.start_soon)
    adoption = Adoption(drive, population, catalog, content, store, drop_title=settings.drop_title)
    sender = Sender(
        spool,
        client,
        adoption,
        Options(
            settle=settings.settle,
            hold_tasks=settings.hold_tasks,
            drop_title=settings.drop_title,
            text=settings.comment_template,
            author=settings.author,
            authors=None if authors is None else authors.email,
            hidden=settings.hidden,
        ),
    )
    desktop = Desktop()
    announcements = Announcements(desktop, sender, spool, adoption.place)
    pages = Pages(drive, _web_address(settings.base_url))
    permissions = Permissions(mkdir=settings.mkdir, drop=settings.drop)
    namespace = Namespace(
        drive, Titles(client, catalog.retitled), permissions, versions=versions, writers=authors
    )
    commands = Commands(
        drive,
        catalog,
        UploadCommands(drive, namespace, sender, pacer),
        content,
        pins,
        pinning,
        pacer,
        requests,
        pages,
        about={
            "account": settings.base_url,
            "mountpoint": str(settings.mountpoint),
            "read_only": settings.read_only,
            "log": logplace.where(),
            "data_dir": str(settings.data_dir),
            "cache_dir": str(settings.cache_dir),
        },
        stop=end.at_once,
        login=renewer.status,
    )
    operations = Operations(
        drive,
        namespace,
        ExtendedAttributes(drive, _web_address(settings.base_url), settings.timezone, pinning),
        notifier,
    )

    with allocator.collecting_later():
        # What is pending first: where the catalog knows already what became of it, it has its inode all the same.
        _show_spool(tree, spool)
        await catalog.start(files_later=True)
        publisher.publish()
    nursery.start_soon(catalog.run)
    nursery.start_soon(renewer.run)
    nursery.start_soon(pins.run)
    nursery.start_soon(departures.run)
    nursery.start_soon(versions.run)
    await check_login(settings, client, catalog, store)
    nursery.start_soon(_fill_in, catalog, None if settings.read_only else sender)
    nursery.start_soon(_when_told, end.stop, ending)
    if settings.notifications and not settings.system:
        nursery.start_soon(desktop.run)
        nursery.start_soon(announcements.run)
    nursery.start_soon(keep_told, supervisor, functools.partial(_in_words, settings, spool, ending), ending)
    await nursery.start(end.listen)
    await _until_unmounted(settings, operations, notifier, commands, end.stop, ready)
    ending.set()
    end.unmounted()
    unmounted()
    if not settings.read_only:
        commands.unmounted()
        await spool.give_up_handles()
        await _finish(functools.partial(drain, sender, spool, end), commands, settings)
    # The kernel asks for nothing any more; what is being posted gets its grace from the sender.
    nursery.cancel_scope.cancel()
    await trio.lowlevel.checkpoint_if_cancelled()


async def _finish(drained: Callable[[], Awaitable[object]], commands: Commands, settings: Settings) -> None:
    """Send what is pending, and answer the commands meanwhile, at a socket that is no mountpoint's."""
    done = trio.Event()
    serve_at = functools.partial(serve_control, commands, finishing_path(system=settings.system), until=done)
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(serve_at)
        except (ControlError, OSError) as error:
            log.info("The commands can't be answered any more: %s", error)
        await drained()
        done.set()


async def _when_told(stop: trio.Event, ending: trio.Event) -> None:
    await stop.wait()
    ending.set()


def _in_words(settings: Settings, spool: Spool, ending: trio.Event) -> str:
    """How the mount is, in a line for whoever supervises it."""
    count = len(to_be_sent(spool.nodes.values()))
    files = f"{count} file{'' if count == 1 else 's'}"
    if ending.is_set():
        return f"Sending {files} before the end" if count else "Ending"
    place = f"{settings.fsname} is mounted at {settings.mountpoint}"
    return f"{place}; {files} to be sent" if count else place


async def _authors(settings: Settings) -> Authors | None:
    """Who posts in whose name, if that is configured. Raises MountError where the login has a name of its own."""
    if settings.authors is None:
        return None
    if not isinstance(settings.credentials, AdminKey):
        raise MountError(
            "authors needs the account's API key: with a user's login everything is posted in that user's name"
        )
    authors = Authors(settings.authors)
    await authors.start()
    return authors


def _share_pause(rate: float, share: float) -> float:
    """Seconds between two requests of something that may have `share` of the `rate` (0: without limit)."""
    return 1 / (rate * share) if rate > 0 else 0.0


async def _fill_in(catalog: Catalog, sender: Sender | None) -> None:
    """What a mount needs not wait for: the tree of a new account, the files of a known one; then the uploads.

    In this order, as the sender asks for the files of a task where they aren't known.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(catalog.load_tree, Lane.REFRESH)
        with allocator.collecting_later():
            await catalog.load_files()
        if sender is not None:
            nursery.start_soon(sender.run)


async def _after_login(catalog: Catalog) -> None:
    """Read the account again after somebody logged in again, so that the crawl and the polls go on."""
    try:
        await catalog.refresh(None, Lane.REFRESH)
    except ApiError as error:
        log.info("The account couldn't be read after the new login: %s", error)


async def _until_unmounted(
    settings: Settings,
    operations: Operations,
    notifier: Notifier,
    commands: Commands,
    stop: trio.Event,
    ready: Callable[[], None],
) -> None:
    """Give the kernel the mount and serve it, until it is unmounted or `stop` is set."""
    mountpoint, device = str(settings.mountpoint), 0
    polling.install()
    try:
        pyfuse3.init(operations, mountpoint, _fuse_options(settings))
    except RuntimeError as error:
        raise MountError(
            f"{mountpoint} can't be mounted ({error}); look whether /dev/fuse and fusermount3 (the package "
            "fuse3) are there, and whether the directory is yours"
        ) from error
    try:
        async with trio.open_nursery() as serving:

            async def until_told() -> None:
                await stop.wait()
                serving.cancel_scope.cancel()

            async def main() -> None:
                await pyfuse3.main(max_tasks=MAX_TASKS)
                serving.cancel_scope.cancel()

            serving.start_soon(main)
            serving.start_soon(notifier.run)
            # Whoever looks at the mount has to do so beside the task that serves it.
            device = await trio.to_thread.run_sync(_device, mountpoint, abandon_on_cancel=True)
            await trio.to_thread.run_sync(raise_background_limit, device)
            await trio.to_thread.run_sync(raise_read_ahead, device)
            try:
                await serving.start(
                    serve_control, commands, control_path(settings.mountpoint, system=settings.system)
                )
            except (ControlError, OSError) as error:
                raise MountError(f"the control socket can't be made: {error}") from error
            serving.start_soon(until_told)
            log.info("%s is mounted at %s", settings.base_url, mountpoint)
            ready()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(connection.close, device, notifier.in_kernel, pyfuse3.close)
        log.info("%s is unmounted", mountpoint)


def _show_spool(tree: Tree, spool: Spool) -> None:
    """Put what the spool kept into the tree; what lies in a directory that isn't known yet waits there unseen."""
    for node in sorted(spool.nodes.values(), key=lambda one: one.inode):
        tree.add_local(node.inode, node.parent, node.name, is_directory=node.is_dir, stamp_ns=node.mtime_ns)


def _fuse_options(settings: Settings) -> set[str]:
    options = set(pyfuse3.default_options)
    options |= {f"fsname={settings.fsname}", "subtype=wsfs", "default_permissions", "nosuid", "nodev"}
    options.discard("nonempty")
    if settings.allow_other:
        options.add("allow_other")
    if settings.read_only:
        options.add("ro")
    if settings.noexec:
        options.add("noexec")
    return options


def _claim(directory: Path, option: str, address: str) -> None:
    """Make a directory where it is missing, and see that it is this account's. Raises MountError, OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        belonging.claim(directory, address)
    except belonging.BelongsToAnother as error:
        raise MountError(
            f"{directory} belongs to {error.account}, and this is {address}: what the one hasn't sent yet must never "
            f"go to the other; give this account a directory of its own with --{option.replace('_', '-')}",
            lasts=True,
        ) from error


def _device(mountpoint: str) -> int:
    return os.stat(mountpoint).st_dev  # noqa: PTH116 - a path of the mount, for a worker thread


def _web_address(base_url: str) -> str:
    """The account's address for links: its base URL without the path of the API."""
    return base_url.split("/api/")[0].rstrip("/")
