"""Random reads, faults, evictions and restarts: every byte right, and the directory never over its limit."""

from __future__ import annotations

import logging
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio
import trio.testing
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from wsfs.api.errors import ApiError, Unreachable
from wsfs.api.pacing import Lane
from wsfs.content.cache import Cache
from wsfs.content.fetch import Content, Reader
from wsfs.content.policy import Policy

from .fakes import FakeServer, Fault, broken, content, refused
from .test_cache import disk_usage

KIB = 1024
LIMIT = 600 * KIB
SIZES = [0, 1, 4095, 4096, 50_000, 100_000, 150_000, 200_000, 300_000, 700_000]


@dataclass(frozen=True)
class Read:
    """One read by a new reader or one that stays open."""

    file: int
    place: float
    length: int
    stays: bool
    cancelled_after: float | None


@dataclass(frozen=True)
class Batch:
    """Reads that run at once, and the faults of the requests that they make."""

    reads: list[Read]
    faults: list[Fault | None]
    then: str


reads = st.builds(
    Read,
    file=st.integers(0, len(SIZES) - 1),
    place=st.floats(0, 1),
    length=st.sampled_from([1, 100, 4096, 70_000, 1_000_000]),
    stays=st.booleans(),
    cancelled_after=st.none() | st.sampled_from([0.0, 0.05, 0.3]),
)
faults = st.none() | st.sampled_from(
    [broken(0), broken(10_000), broken(60_000), broken(140_000), refused(Unreachable())]
)
batches = st.lists(
    st.builds(
        Batch,
        reads=st.lists(reads, min_size=1, max_size=6),
        faults=st.lists(faults, max_size=3),
        then=st.sampled_from(["", "", "close", "close", "forget", "record", "restart"]),
    ),
    min_size=1,
    max_size=12,
)


class Machine:
    """A Content over a small cache, which can be mounted again and again."""

    def __init__(self, directory: Path, server: FakeServer) -> None:
        self.directory = directory
        self.server = server
        self.open: list[Reader] = []
        self.right = 0

    async def mounted(self, batches: list[Batch]) -> None:
        """One mount, in which all this happens."""
        async with (
            Cache(self.directory, LIMIT, floor=0, step=30_000, descriptors=3) as self.cache,
            trio.open_nursery() as nursery,
        ):
            policy = Policy(near_least=40_000, margin=10_000, large=250_000, streams=2)
            self.contents = Content(self.cache, self.server.download, nursery, policy=policy)
            for batch in batches:
                await self.batch(batch)
            self.close_all()
        assert self.server.running == 0
        self.check_usage()

    def close_all(self) -> None:
        for reader in self.open:
            reader.close()
        self.open.clear()

    def check_usage(self) -> None:
        assert disk_usage(self.directory) <= LIMIT

    async def read(self, read: Read) -> None:
        size = SIZES[read.file]
        reader = self.contents.open(read.file, size, Lane.PERSON)
        offset = int(read.place * size)
        try:
            with trio.move_on_after(float("inf") if read.cancelled_after is None else read.cancelled_after):
                try:
                    data = await reader.read(offset, read.length)
                except ApiError:
                    pass
                else:
                    assert data == content(read.file, offset, min(size, offset + read.length))
                    assert reader.read_now(offset, read.length) in (None, data)
                    self.right += 1
        finally:
            if read.stays:
                self.open.append(reader)
            else:
                reader.close()
        self.check_usage()

    async def batch(self, batch: Batch) -> None:
        self.server.faults.extend(batch.faults)
        async with trio.open_nursery() as nursery:
            for read in batch.reads:
                nursery.start_soon(self.read, read)
        self.server.faults.clear()
        match batch.then:
            case "close":
                self.close_all()
            case "forget":
                await self.contents.forget(batch.reads[0].file)
            case "record":
                await self.cache.record(uses=True)
        self.check_usage()


def mounts(batches: list[Batch]) -> Iterator[list[Batch]]:
    """The batches of each mount."""
    mount = []
    for batch in batches:
        mount.append(batch)
        if batch.then == "restart":
            yield mount
            mount = []
    yield mount


@contextmanager
def quiet() -> Iterator[None]:
    """A download that breaks off again and again is a warning, and is meant here."""
    logger = logging.getLogger("wsfs.content.stream")
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(logging.NOTSET)


@contextmanager
def no_longer_than(seconds: int) -> Iterator[None]:
    """In real time: the virtual clock doesn't know of worker threads, and jumps over what they take."""

    def too_long(number: int, frame: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches, st.booleans(), st.booleans(), st.sampled_from([None, 100_000.0, 1_000_000.0]))
@example([Batch([Read(index, 0, 10**6, False, None) for index in range(10)], [], "")], True, True, None)
def test_every_byte_is_right_and_the_limit_is_kept(
    batches: list[Batch], honours_ranges: bool, tells_ranges: bool, rate: float | None
) -> None:
    async def main(directory: Path) -> None:
        server = FakeServer(
            dict(enumerate(SIZES)),
            honours_ranges=honours_ranges,
            tells_ranges=tells_ranges,
            rate=rate,
            chunk=16 * KIB,
        )
        machine = Machine(directory, server)
        for mount in mounts(batches):
            await machine.mounted(mount)
        machine.right = 0
        everything = [Read(file, 0, size, False, None) for file, size in enumerate(SIZES)]
        await machine.mounted([Batch(everything, [], "")])
        assert machine.right == len(SIZES)

    with tempfile.TemporaryDirectory() as directory, quiet(), no_longer_than(60):
        trio.run(main, Path(directory) / "cache", clock=trio.testing.MockClock(autojump_threshold=0.0005))
