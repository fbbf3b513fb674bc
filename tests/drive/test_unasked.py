"""Programs that read on their own account: what they get, and that no listing waits long for it."""

from __future__ import annotations

import dataclasses
import time

import pytest

from tests.drive.harness import ME, Desk
from wsfs.api.pacing import Lane
from wsfs.drive import errors
from wsfs.drive.filesystem import Caller
from wsfs.drive.glances import ASIDE, STANDING
from wsfs.emulator.account import NewFile
from wsfs.emulator.contents import Noise

THUMBNAILER = dataclasses.replace(ME, lane=Lane.BACKGROUND)
GLANCE = dataclasses.replace(THUMBNAILER, glance=ASIDE)
REPORT = "/Office/Report"


async def read(desk: Desk, path: str, caller: Caller) -> bytes:
    handle = desk.drive.open((await desk.node(path)).inode, caller)
    try:
        return await desk.read_piece(handle, 0)
    finally:
        await desk.drive.release(handle)


async def attach(desk: Desk, *files: NewFile | tuple[str, bytes]) -> None:
    task = next(iter(desk.account.projects.values())).tasks[0]
    desk.account.add_comment(task, "more", files=files)
    await desk.refresh()


async def test_a_thumbnailer_reads_in_the_background_lane(desk: Desk) -> None:
    assert await read(desk, f"{REPORT}/old.txt", THUMBNAILER) == b"old content"
    assert [one.lane for one in desk.requests if one.action == "download"] == [Lane.BACKGROUND]


async def test_a_large_file_is_refused_to_it_at_once_and_costs_nothing(desk: Desk) -> None:
    await attach(desk, NewFile("film.mp4", Noise(1, 51 * 2**20)))
    with pytest.raises(errors.NotUnasked, match="is large"):
        await read(desk, f"{REPORT}/film.mp4", THUMBNAILER)
    assert not [one for one in desk.requests if one.action == "download"]
    assert len(await read(desk, f"{REPORT}/film.mp4", ME)) == 1 << 16


async def test_a_glance_gets_what_comes_at_once(desk: Desk) -> None:
    assert await read(desk, f"{REPORT}/old.txt", GLANCE) == b"old content"


@pytest.mark.parametrize("patience", [ASIDE, STANDING])
async def test_glances_at_the_files_of_a_directory_hold_it_up_for_a_moment_in_all(
    desk: Desk, patience: float
) -> None:
    await attach(desk, *((f"file {number}", b"of unknown kind") for number in range(30)))
    desk.emulator.faults.arm("hang", "download")
    began = time.monotonic()
    for number in range(30):
        with pytest.raises(errors.NotUnasked, match=f"file {number} isn't here"):
            await read(desk, f"{REPORT}/file {number}", dataclasses.replace(GLANCE, glance=patience))
    assert patience <= time.monotonic() - began < patience + 1
    assert desk.emulator.actions().count("download") <= 1


async def test_a_glance_at_what_is_here_is_served_though_others_were_not(desk: Desk) -> None:
    await attach(desk, ("unknown", b"x"))
    assert await read(desk, f"{REPORT}/old.txt", ME) == b"old content"
    desk.emulator.faults.arm("hang", "download")
    with pytest.raises(errors.NotUnasked):
        await read(desk, f"{REPORT}/unknown", GLANCE)
    assert await read(desk, f"{REPORT}/old.txt", GLANCE) == b"old content"
