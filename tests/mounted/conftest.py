"""Real mounts against an emulator that runs as a process. Without /dev/fuse: skipped, in CI a failure."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ExpectedWarnings, leave_out
from wsfs.emulator.testing import Process, running_process

from .drives import Ledger, Mount, node_id, run, watchdog

TEST_SECONDS = 150.0

Mounter = Callable[..., Mount]

#: For mounts in which requests are counted: nothing is asked for that nobody wants.
QUIET = "crawl=no,prefetch=no,poll=3600"

_live: list[Mount] = []


@pytest.fixture(scope="session", autouse=True)
def fuse() -> None:
    """What every test here needs."""
    leave_out(None if Path("/dev/fuse").exists() else "/dev/fuse is missing")
    leave_out(None if shutil.which("fusermount3") else "fusermount3 is missing")


@pytest.fixture(autouse=True)
def quiet_logs(expected_warnings: ExpectedWarnings) -> Iterator[None]:
    """Fail the test on what its mounts logged in alarm, and end what hangs."""
    with watchdog(lambda: list(_live), TEST_SECONDS):
        yield
    told = [line for mount in _live for line in mount.unexpected(expected_warnings.covers)]
    assert not told, f"unexpected in a mount's log: {told}"


@pytest.fixture(scope="session")
def mounter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounter]:
    """Makes mounts that last until the end of the session, unless they are stopped."""
    numbers = itertools.count(1)

    def make(
        service: Process,
        *,
        options: str = "",
        scratch: Path | None = None,
        ready: bool = True,
        **rest: object,
    ) -> Mount:
        if scratch is None:
            scratch = tmp_path_factory.mktemp(f"mount{next(numbers)}")
        mount = Mount(scratch, service.url, service.api_key, options=options, **rest)  # type: ignore[arg-type]
        _live.append(mount)
        if ready:
            mount.wait_ready()
        return mount

    yield make
    for mount in list(reversed(_live)):
        retire(mount)


def retire(mount: Mount, covers: Callable[[str], bool] = lambda line: False) -> None:
    """End a mount as a user does; it has to go in order, leaving nothing mounted and nothing alarming said."""
    if mount not in _live:
        return
    _live.remove(mount)
    try:
        running = mount.process.poll() is None
        code = mount.stop(signal.SIGTERM)
        if running:
            assert code == 0, f"the mount ended with {code}: {mount.log.read_text()[-2000:]}"
            assert not mount.mounted
    finally:
        mount.clear()
    told = mount.unexpected(covers)
    assert not told, f"unexpected in a mount's log: {told}"


@pytest.fixture
def mounting(mounter: Mounter, expected_warnings: ExpectedWarnings) -> Iterator[Mounter]:
    """Makes mounts that last until the end of the test."""
    made: list[Mount] = []

    def make(*arguments: object, **rest: object) -> Mount:
        made.append(mounter(*arguments, **rest))
        return made[-1]

    yield make
    for mount in reversed(made):
        retire(mount, expected_warnings.covers)


# The demo account, for looking


@pytest.fixture(scope="session")
def demo() -> Iterator[Process]:
    """The demo account, which nobody changes."""
    with running_process() as service:
        yield service


@pytest.fixture(scope="session")
def demo_mount(demo: Process, mounter: Mounter) -> Mount:
    """The demo account, mounted; nobody writes into it."""
    return mounter(demo, options=QUIET)


# An account for writing: each test takes tasks of its own


@pytest.fixture(scope="session")
def service() -> Iterator[Process]:
    """Five projects of forty tasks with two files each."""
    with running_process("--scale", "5,40,2") as running:
        yield running


@pytest.fixture(scope="session")
def drive(service: Process, mounter: Mounter) -> Mount:
    """The account for writing, mounted, with a settle time that doesn't keep a test waiting."""
    mount = mounter(service, options=f"{QUIET},settle=0.7")
    run("find", mount.place)  # so that no test pays for what is known once and for all
    return mount


@pytest.fixture(scope="session")
def _unused() -> Iterator[str]:
    return (
        f"Project {project:03}/Task {project:03}-{task:04}"
        for task in range(1, 41)
        for project in range(1, 6)
    )


@pytest.fixture
def task(drive: Mount, _unused: Iterator[str]) -> Path:
    """A task's directory that no other test uses, with two attachments in it."""
    return drive.place / next(_unused)


@pytest.fixture
def other_task(drive: Mount, _unused: Iterator[str]) -> Path:
    """Another one."""
    return drive.place / next(_unused)


@pytest.fixture
def task_id(task: Path) -> int:
    return node_id(task)


@pytest.fixture
def ledger(service: Process, drive: Mount) -> Ledger:
    """What the account for writing is asked for in this test."""
    drive.settled()
    return Ledger(service)


@contextlib.contextmanager
def account(*arguments: str, expected: ExpectedWarnings, rate: float = 0.0) -> Iterator[Process]:
    """An account for one test; the mounts of it end before it does, the last first: it may be a remount."""
    with running_process(*arguments, rate=rate) as service:
        try:
            yield service
        finally:
            for mount in [mount for mount in reversed(_live) if mount.url == service.url]:
                retire(mount, expected.covers)


@pytest.fixture
def small_service(expected_warnings: ExpectedWarnings) -> Iterator[Process]:
    """An account of its own for one test: two projects of three tasks with two files each."""
    with account("--scale", "2,3,2", expected=expected_warnings) as service:
        yield service
