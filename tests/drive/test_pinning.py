"""Pinning by place: what lies at or below a node, what has to be read for it, what is said of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.drive.harness import ME, Desk, eventually, mounted
from wsfs.api.errors import AccessDenied
from wsfs.api.pacing import Lane
from wsfs.content.errors import NoRoom
from wsfs.drive import errors
from wsfs.drive.extended import PIN, ExtendedAttributes
from wsfs.drive.pinning import Pinning
from wsfs.emulator.account import Account
from wsfs.emulator.testing import running


class FakePins:
    """Pins that are remembered, or refused."""

    def __init__(self) -> None:
        self.ids: set[int] = set()
        self.lanes: list[Lane] = []
        self.room = 100

    def is_pinned(self, file_id: int, size: int) -> bool:
        return file_id in self.ids

    async def pin(self, files: list[tuple[int, int]], lane: Lane) -> None:
        await trio.lowlevel.checkpoint()
        if len(files) > self.room:
            raise NoRoom("they don't fit")
        self.lanes.append(lane)
        self.ids |= {file_id for file_id, _ in files}

    def unpin(self, files: list[tuple[int, int]]) -> int:
        self.ids -= {file_id for file_id, _ in files}
        return len(files)


class Pinned:
    """A drive of two projects, what is pinned in it, and what does it."""

    def __init__(self, desk: Desk, nursery: trio.Nursery) -> None:
        self.desk = desk
        self.pins = FakePins()
        self.pinning = Pinning(desk.drive, self.pins, nursery.start_soon)
        self.extended = ExtendedAttributes(desk.drive, "https://x", None, self.pinning)

    async def write(self, path: str, value: bytes = b"1", name: str = PIN) -> None:
        await self.extended.set((await self.desk.node(path)).inode, name, value)

    async def get(self, path: str) -> bytes:
        return await self.extended.get((await self.desk.node(path)).inode, PIN, ME)

    def names(self) -> set[str]:
        return {self.desk.tree.attachments[file_id].name for file_id in self.pins.ids}


@pytest.fixture
async def pinned(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Pinned]:
    account = Account()
    office = account.add_project("Office", files=[("plan.txt", b"p")])
    report = account.add_task(office, "Report", files=[("a.txt", b"a"), ("b.txt", b"b")])
    account.add_task(office, "Details", parent=report, files=[("c.txt", b"c")])
    account.add_task(office, "Old", files=[("old.txt", b"o")], done=True)
    other = account.add_project("Other")
    account.add_task(other, "Task", files=[("d.txt", b"d")])
    async with running(account) as emulator, mounted(emulator, tmp_path) as desk:
        yield Pinned(desk, nursery)
    account.close()


async def test_a_file_alone(pinned: Pinned) -> None:
    await pinned.write("/Office/Report/a.txt")
    assert pinned.names() == {"a.txt"} and pinned.pins.lanes == [Lane.BACKGROUND]
    assert await pinned.get("/Office/Report/a.txt") == b"1"
    assert await pinned.get("/Office/Report/b.txt") == b"0"
    assert await pinned.get("/Office/Report") == b"0"
    await pinned.extended.remove((await pinned.desk.node("/Office/Report/a.txt")).inode, PIN)
    assert await pinned.get("/Office/Report/a.txt") == b"0"


async def test_a_directory_with_everything_below_it(pinned: Pinned) -> None:
    await pinned.write("/Office")
    await eventually(lambda: len(pinned.pins.ids) == 5)
    assert pinned.names() == {"plan.txt", "a.txt", "b.txt", "c.txt", "old.txt"}
    for path in ("/Office", "/Office/Done", "/Office/Report/Details"):
        assert await pinned.get(path) == b"1"
    assert await pinned.get("/") == b"0"
    await pinned.write("/Office/Report", b"0")
    assert pinned.names() == {"plan.txt", "old.txt"}


async def test_a_directory_is_pinned_only_when_all_below_it_is_known(pinned: Pinned) -> None:
    await pinned.desk.names("/Office")
    await eventually(lambda: len(pinned.desk.tree.attachments) == 6)
    pinned.pins.ids |= set(pinned.desk.tree.attachments)
    assert await pinned.get("/Office") == b"1"
    assert await pinned.get("/") == b"0"  # whether Other has files of its own isn't known
    await pinned.desk.names("/Other")
    assert await pinned.get("/") == b"1"


async def test_everything_is_learnt_first_in_its_lane(pinned: Pinned) -> None:
    counts: list[int] = []
    before = len(pinned.desk.requests)
    assert await pinned.pinning.learn(pinned.desk.tree.root, Lane.REFRESH, counts.append) == {}
    assert {file for file, _ in pinned.pinning.files(pinned.desk.tree.root)} == set(
        pinned.desk.tree.attachments
    )
    assert len(pinned.desk.tree.attachments) == 6
    assert counts == list(range(1, 9))  # root, two projects, Done, four tasks
    assert {one.lane for one in pinned.desk.requests[before:]} <= {Lane.REFRESH}


async def test_what_cannot_be_read_is_named(pinned: Pinned, monkeypatch: pytest.MonkeyPatch) -> None:
    office = await pinned.desk.node("/Office")
    original = pinned.desk.drive.open_directory

    async def refuse(inode: int, caller: object) -> object:
        if inode == office.inode:
            raise AccessDenied()
        return await original(inode, ME)

    monkeypatch.setattr(pinned.desk.drive, "open_directory", refuse)
    unread = await pinned.pinning.learn(pinned.desk.tree.root, Lane.REFRESH)
    assert list(unread) == ["/Office"]


async def test_what_does_not_fit_is_refused(pinned: Pinned) -> None:
    pinned.pins.room = 1
    await pinned.write("/Office/Report/a.txt")
    await pinned.desk.names("/Office/Report")
    with pytest.raises(NoRoom):
        await pinned.write("/Office/Report")
    assert pinned.names() == {"a.txt"}


async def test_other_values_names_and_nodes_are_refused(pinned: Pinned) -> None:
    with pytest.raises(errors.BadName):
        await pinned.write("/Office", b"yes")
    with pytest.raises(errors.NotSupported):
        await pinned.write("/Office", b"1", "user.wsfs.cached")
    await pinned.desk.write("/Office/Report/new.tmp")
    with pytest.raises(errors.NotSupported):
        await pinned.write("/Office/Report/new.tmp")
    with pytest.raises(errors.NotSupported):
        await pinned.desk.extended.set((await pinned.desk.node("/Office")).inode, PIN, b"1")
    with pytest.raises(errors.NoAttribute):
        await pinned.extended.remove((await pinned.desk.node("/Office")).inode, "user.other")
    assert not pinned.pins.ids


async def test_an_open_of_a_person_tells_the_content_what_lies_beside_it(
    pinned: Pinned, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[object, int, list[tuple[int, int]]]] = []
    monkeypatch.setattr(
        pinned.desk.drive.contents,
        "opened",
        lambda directory, file_id, size, siblings: told.append((directory, file_id, list(siblings()))),
    )
    assert await pinned.desk.read("/Office/Report/b.txt") == b"b"
    node = await pinned.desk.node("/Office/Report/b.txt")
    names = [pinned.desk.tree.attachments[file_id].name for file_id, _ in told[0][2]]
    assert told[0][:2] == ((await pinned.desk.node("/Office/Report")).inode, node.id)
    assert names == ["a.txt", "b.txt"]
