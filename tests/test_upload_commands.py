"""What the commands ask of a mount's uploads, on the real parts and an emulated account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.drive.conftest import desk as desk
from tests.drive.conftest import emulator as emulator
from tests.drive.conftest import expected as expected
from tests.drive.harness import ME, Desk, Setup, mounted
from wsfs import leftovers
from wsfs.api.pacing import Pacer
from wsfs.control import ControlError
from wsfs.drive import errors
from wsfs.emulator.emulator import Emulator
from wsfs.upload_commands import UploadCommands
from wsfs.uploads.options import Options
from wsfs.uploads.states import State

REPORT = "/Office/Report"


def commands(desk: Desk) -> UploadCommands:
    return UploadCommands(desk.drive, desk.namespace, desk.sender, Pacer(0))


def files(desk: Desk) -> dict[str, dict[str, Any]]:
    return {str(one["path"]): one for one in commands(desk).listing()["files"]}


async def refused(desk: Desk, *paths: str) -> list[int]:
    """Files that the service has refused; their inodes."""
    desk.emulator.faults.arm("denied", action="post_*")
    inodes = [await desk.write(path) for path in paths]
    await desk.flush()
    desk.emulator.faults.clear()
    return inodes


async def test_what_waits_is_listed_with_all_that_a_person_decides_by(desk: Desk, expected: None) -> None:
    await desk.names(REPORT)
    [inode] = await refused(desk, f"{REPORT}/new.txt")
    one = files(desk)[f"{REPORT}/new.txt"]
    assert (one["inode"], one["state"], one["size"], one["uncertain"]) == (inode, "quarantined", 7, False)
    assert "`wsfs uploads retry`" in one["reason"]
    spool = commands(desk).listing()["spool"]
    with leftovers.open_content(spool, one["content"]) as content:
        assert content.read() == b"content"
    summary = commands(desk).summary()
    assert (summary["attention"], summary["files"], summary["current"]) == (1, 1, [])


async def test_retry_sends_a_file_with_the_directory_that_was_refused_above_it(
    desk: Desk, expected: None
) -> None:
    await desk.mkdir("/Office/Plans")
    [inode] = await refused(desk, "/Office/Plans/a.txt")
    assert files(desk)["/Office/Plans"]["directory"]
    assert await commands(desk).retry([inode]) == {"files": 1, "left": []}
    await desk.flush()
    assert files(desk) == {}
    [task] = [one for one in next(iter(desk.account.projects.values())).tasks if one.name == "Plans"]
    assert [file.name for file in task.files] == ["a.txt"]


async def test_retry_passes_over_what_is_not_held_back(desk: Desk) -> None:
    inode = await desk.write(f"{REPORT}/new.txt")
    assert await commands(desk).retry([inode, 12345]) == {"files": 0, "left": []}


async def test_a_flush_of_a_read_only_drive_waits_for_nothing(emulator: Emulator, tmp_path: Path) -> None:
    """Its sender doesn't run."""

    async def nobody(drained: object) -> None:
        raise AssertionError

    async with mounted(emulator, tmp_path, Setup(read_only=True)) as desk:
        desk.sender.flush = nobody  # type: ignore[method-assign, assignment]
        assert await commands(desk).flush(None, nobody) == {"sent": 0, "left": []}


async def test_a_read_only_drive_says_that_it_sends_nothing(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path, Setup(read_only=True)) as desk:
        with pytest.raises(ControlError, match="read-only"):
            await commands(desk).retry([1])
        with pytest.raises(ControlError, match="read-only"):
            await commands(desk).send("/Office")


async def test_discard_takes_it_out_of_the_drive_and_off_the_disk(desk: Desk, expected: None) -> None:
    await desk.names(REPORT)
    await desk.mkdir("/Office/Plans")
    await refused(desk, f"{REPORT}/new.txt", "/Office/Plans/a.txt")
    listed = files(desk)
    told = await commands(desk).discard([one["inode"] for one in listed.values()])
    assert told == {"files": 2, "left": []}
    assert files(desk) == {}
    assert await desk.names(REPORT) == ["Details", "old.txt"]
    assert await desk.names("/Office") == ["Report"]
    report_inode = (await desk.node(REPORT)).inode
    assert (report_inode, "new.txt") in desk.told.entries  # the kernel hears of it
    assert list((desk.spool.directory / "content").iterdir()) == []


async def test_discard_deletes_what_was_shown_and_nothing_else(desk: Desk, expected: None) -> None:
    await desk.names(REPORT)
    changed, gone = await refused(desk, f"{REPORT}/changed.txt", f"{REPORT}/gone.txt")
    handle = await desk.namespace.open(changed, ME, truncate=False)
    await desk.put(handle, b"newer content")
    told = await commands(desk).discard([changed, gone, 99999])
    assert told["files"] == 1
    assert [(one["path"], one["reason"]) for one in told["left"]] == [
        (f"{REPORT}/changed.txt", "a program has it open")
    ]
    await desk.close(handle)
    assert await desk.read(f"{REPORT}/changed.txt") == b"newer content"
    with pytest.raises(errors.NoSuchName):
        await desk.node(f"{REPORT}/gone.txt")


async def test_what_is_on_its_way_can_not_be_discarded(desk: Desk) -> None:
    inode = await desk.write(f"{REPORT}/new.txt")
    node = desk.spool.nodes[inode]
    node.state = State.SENDING
    told = await commands(desk).discard([inode])
    assert told["files"] == 0
    assert "can't be taken back" in told["left"][0]["reason"]
    node.state = State.SETTLING


async def test_what_lay_in_a_task_that_is_gone_is_listed_where_it_was_and_can_be_discarded(
    desk: Desk, expected: None
) -> None:
    await desk.names(REPORT)
    [inode] = await refused(desk, f"{REPORT}/new.txt")
    desk.account.delete_task(next(one.id for one in desk.account.tasks.values() if one.name == "Report"))
    await desk.refresh()
    assert await desk.names("/Office") == []
    assert list(files(desk)) == [f"{REPORT}/new.txt"]
    told = await commands(desk).retry([inode])
    assert (told["files"], told["left"][0]["path"]) == (0, f"{REPORT}/new.txt")
    assert "`wsfs uploads save DIR`" in told["left"][0]["reason"]
    assert desk.spool.nodes[inode].state is State.QUARANTINED
    assert await commands(desk).discard([inode]) == {"files": 1, "left": []}
    assert files(desk) == {}


async def test_a_directory_that_waits_for_a_name_goes_only_if_it_is_meant(
    emulator: Emulator, tmp_path: Path
) -> None:
    async with mounted(emulator, tmp_path, Setup(uploads=Options(settle=0.0, settle_again=0.0))) as desk:
        await desk.mkdir("/Office/Untitled Folder")
        await desk.write("/Office/Untitled Folder/a.txt")

        async def said(_state: dict[str, Any]) -> None: ...

        told = await commands(desk).flush("/Office", said)
        assert [one["path"] for one in told["left"]] == ["/Office/Untitled Folder/a.txt"]
        assert not desk.actions().count("post_task")
        told = await commands(desk).flush("/Office/Untitled Folder", said)
        assert told == {"sent": 1, "left": []}
