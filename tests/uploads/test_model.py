"""Random operations on the spool, with stops and crashes, held against a file system in a dictionary."""

from __future__ import annotations

import dataclasses
import queue
import tempfile
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsfs.uploads.contents import SMALL
from wsfs.uploads.errors import IsADirectory, NameTaken, NotADirectory, NotAllowed, NotEmpty
from wsfs.uploads.handles import SpoolHandle
from wsfs.uploads.noise import is_noise
from wsfs.uploads.states import State

from .fakes import TASK, World

NAMES = ["a", "b", ".a.swp", "c~", "d"]


@dataclasses.dataclass
class File:
    """What a file is to be: `closed` is that no writer has changed it since the last that closed it, `promised` that
    this is so as far as the disk was told."""

    content: bytearray = dataclasses.field(default_factory=bytearray)
    safe: bytes = b""
    closed: bool = False
    promised: bool = False
    interrupted: bool = False
    directory: bool = False


@dataclasses.dataclass
class Handle:
    """An open file: the real handle, and the file that it is of."""

    real: SpoolHandle
    file: File
    wrote: bool = False
    parent: int = TASK


class Machine:
    """Does each operation to the spool and to the model, and compares."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.model: dict[tuple[int, str], File] = {}
        self.inodes: dict[tuple[int, str], int] = {}
        self.handles: list[Handle] = []
        self.places = [TASK]
        self.used: set[int] = set()
        self.fresh: set[int] = set()
        """Inodes that were made since the last commit: a crash may take them."""

    async def create(self, place: int, name: str) -> None:
        key = (self.places[place % len(self.places)], name)
        try:
            node = await self.world.spool.create(*key, 0o644, 0, 0)
        except NameTaken:
            assert key in self.model
            return
        assert key not in self.model
        assert node.inode not in self.used
        self.used.add(node.inode)
        self.fresh.add(node.inode)
        file = self.model[key] = File()
        self.inodes[key] = node.inode
        self.handles.append(Handle(self.world.spool.open(node.inode, write=True), file))

    async def mkdir(self, place: int, name: str) -> None:
        key = (self.places[place % len(self.places)], name)
        try:
            node = await self.world.spool.mkdir(*key, 0o755, 0, 0)
        except NameTaken:
            assert key in self.model
            return
        self.used.add(node.inode)
        self.model[key] = File(directory=True)
        self.inodes[key] = node.inode
        self.places.append(node.inode)

    async def open(self, which: int) -> None:
        key = self._pick(which)
        if key is None:
            return
        try:
            real = self.world.spool.open(self.inodes[key], write=True)
        except IsADirectory:
            assert self.model[key].directory
            return
        self.handles.append(Handle(real, self.model[key]))

    async def write(self, which: int, offset: int, data: bytes) -> None:
        if not self.handles:
            return
        handle = self.handles[which % len(self.handles)]
        assert await self.world.spool.write(handle.real, offset, data) == len(data)
        content = handle.file.content
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data
        handle.file.closed = handle.file.interrupted = False
        handle.wrote = True

    async def flush(self, which: int) -> None:
        if self.handles:
            handle = self.handles[which % len(self.handles)]
            await self.world.spool.flush(handle.real)
            handle.file.safe = bytes(handle.file.content)
            handle.wrote = False
            self._note_closed(handle.file)

    async def close(self, which: int) -> None:
        if self.handles:
            handle = self.handles.pop(which % len(self.handles))
            await self.world.spool.flush(handle.real)
            await self.world.spool.release(handle.real)
            handle.file.safe = bytes(handle.file.content)
            self._note_closed(handle.file)

    async def truncate(self, which: int, size: int) -> None:
        key = self._pick(which)
        if key is None or self.model[key].directory:
            return
        await self.world.spool.truncate(self.inodes[key], size)
        file = self.model[key]
        del file.content[size:]
        file.content.extend(bytes(size - len(file.content)))
        file.safe = bytes(file.content)
        file.interrupted = False
        file.closed = False
        others = [handle for handle in self.handles if handle.file is file]
        for handle in others:
            handle.wrote = True
        if not others:
            file.closed = True

    async def rename(self, which: int, place: int, name: str) -> None:
        key = self._pick(which)
        if key is None:
            return
        new = (self.places[place % len(self.places)], name)
        try:
            await self.world.spool.rename(self.inodes[key], *new)
        except (IsADirectory, NotADirectory):
            assert self.model[key].directory != self.model[new].directory
            return
        except NotEmpty:
            assert any(parent == self.inodes[new] for parent, _ in self.model)
            return
        except NotAllowed:
            assert self.model[key].directory
            return
        if new == key:
            return
        if self.model.get(new, File()).directory:
            self.places.remove(self.inodes[new])
        self.model[new], self.inodes[new] = self.model.pop(key), self.inodes.pop(key)

    async def remove(self, which: int) -> None:
        key = self._pick(which)
        if key is None:
            return
        try:
            await self.world.spool.remove(self.inodes[key])
        except NotEmpty:
            assert any(parent == self.inodes[key] for parent, _ in self.model)
            return
        if self.model.pop(key).directory:
            self.places.remove(self.inodes[key])
        del self.inodes[key]

    async def stop(self) -> None:
        """An orderly end, in the middle of whatever programs do."""
        await self.world.spool.close()
        await self._again()

    async def crash(self) -> None:
        """kill -9: what is queued and nobody was promised is lost."""
        spool = self.world.spool
        while True:
            try:
                spool.journal._orders.get_nowait()
            except queue.Empty:
                break
        await spool.journal.close()
        spool._give_back()
        await self._again()
        for key in [key for key, inode in self.inodes.items() if inode not in self.world.spool.nodes]:
            assert self.inodes[key] in self.fresh
            del self.model[key], self.inodes[key]
        for key, file in self.model.items():
            if file.interrupted:
                # What nobody was promised may be there, or what it was when somebody was.
                node = self.world.spool.nodes[self.inodes[key]]
                found = self.world.read(node)
                assert found in (file.safe, file.content)
                file.content[:] = found
                if file.promised and found == file.safe and node.state is not State.INTERRUPTED:
                    # Nothing of the write that came after the close is left, not even that there was one.
                    file.closed, file.interrupted = True, False

    async def _again(self) -> None:
        self.handles.clear()
        for file in self.model.values():
            file.interrupted = not file.directory and (file.interrupted or not file.closed)
        self.world = self.world.again()
        await self.world.spool.start()

    def check(self) -> None:
        spool = self.world.spool
        assert {(node.parent, node.name): node.inode for node in spool.nodes.values()} == self.inodes
        for key, file in self.model.items():
            node = spool.child(*key)
            assert node is not None
            assert node.is_dir == file.directory
            if file.directory:
                continue
            assert node.size == len(file.content)
            opened = spool._open.get(node.inode)
            found = opened.content.read(0, 1000) if opened is not None else self.world.read(node)
            assert found == file.content
            if any(handle.file is file for handle in self.handles):
                continue
            if file.interrupted:
                assert node.state is State.INTERRUPTED
            elif file.closed:
                assert node.state is (State.LOCAL if is_noise(node.name) else State.SETTLING)
        for handle in self.handles:
            assert handle.real.read(0, 1000) == handle.file.content
        files = {path.name.removesuffix(".lent") for path in (spool.directory / "content").iterdir()}
        known = {node.content for node in spool.nodes.values()}
        known |= {opened.content.name for opened in spool._all_open}
        assert files | set(spool.contents.kept) <= known

    def committed(self) -> None:
        """All that was queued is on the disk."""
        self.fresh.clear()
        for file in self.model.values():
            file.promised = file.closed

    def _note_closed(self, file: File) -> None:
        if not file.interrupted and not any(handle.wrote for handle in self.handles if handle.file is file):
            file.closed = True

    def _pick(self, which: int) -> tuple[int, str] | None:
        keys = sorted(self.model)
        return keys[which % len(keys)] if keys else None


COMMITTING = {"mkdir", "flush", "close", "truncate", "rename", "remove", "stop", "crash"}
numbers = st.integers(0, 7)
names = st.sampled_from(NAMES)
operations = st.one_of(
    st.tuples(st.just("create"), numbers, names),
    st.tuples(st.just("mkdir"), numbers, names),
    st.tuples(st.just("open"), numbers),
    st.tuples(st.just("write"), numbers, st.integers(0, 20), st.binary(min_size=1, max_size=10)),
    st.tuples(st.just("flush"), numbers),
    st.tuples(st.just("close"), numbers),
    st.tuples(st.just("truncate"), numbers, st.integers(0, 30)),
    st.tuples(st.just("rename"), numbers, numbers, names),
    st.tuples(st.just("remove"), numbers),
    st.tuples(st.just("stop")),
    st.tuples(st.just("crash")),
)


@pytest.mark.parametrize("small", [SMALL, 15, 0])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(operations, max_size=40))
def test_the_spool_does_what_a_file_system_does(small: int, steps: list[tuple[object, ...]]) -> None:
    async def run(directory: Path) -> None:
        machine = Machine(World(directory / "spool", trio.testing.MockClock(), small=small))
        await machine.world.spool.start()
        for name, *arguments in steps:
            await getattr(machine, str(name))(*arguments)
            if name in COMMITTING:
                machine.committed()
            machine.check()
        await machine.stop()
        machine.check()
        await machine.world.spool.close()

    with tempfile.TemporaryDirectory() as directory:
        trio.run(run, Path(directory))
