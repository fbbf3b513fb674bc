"""A drive whose names Windows can have: what is made and renamed there is told to Worksection as it is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drive.harness import ME, Setup, mounted
from wsfs.drive import errors
from wsfs.emulator.account import Account
from wsfs.emulator.emulator import Emulator

promise = pytest.mark.promise
WINDOWS = Setup(windows_names=True)


def project(account: Account) -> str:
    return next(iter(account.projects.values())).name


@promise("With `windows_names` every name is one that Windows can have, and means one title in Worksection.")
async def test_what_is_made_is_called_as_it_is_meant(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path, WINDOWS) as desk:
        await desk.mkdir("/Office/Що？")
        inode = await desk.write("/Office/Що？/a：b.txt")
        await desk.flush()
        assert {task.name for task in emulator.account.tasks.values()} >= {"Що?"}
        assert {file.name for file in emulator.account.files.values()} == {"old.txt", "a:b.txt"}
        # It is called the same afterwards, and stays the same file.
        assert (await desk.stat("/Office/Що？/a：b.txt")).inode == inode
        await desk.refresh()
        assert await desk.names("/Office/Що？") == ["a：b.txt"]
    async with mounted(emulator, tmp_path) as desk:
        assert await desk.names("/Office/Що?") == ["a:b.txt"]


async def test_what_is_pending_keeps_its_title_when_the_option_goes(
    emulator: Emulator, tmp_path: Path
) -> None:
    async with mounted(emulator, tmp_path, WINDOWS) as desk:
        await desk.mkdir("/Office/Report/q？")
        assert await desk.names("/Office/Report") == ["Details", "old.txt", "q？"]
    async with mounted(emulator, tmp_path) as desk:
        assert await desk.names("/Office/Report") == ["Details", "old.txt", "q?"]


async def test_a_new_title_is_what_the_look_alikes_stand_for(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path, WINDOWS) as desk:
        await desk.names("/Office")
        await desk.rename("/Office", "/Office： new．")
        assert project(emulator.account) == "Office: new."
        assert await desk.names() == ["Office： new．"]
        await desk.rename("/Office： new．/Report", "/Office： new．/ｎul")
        assert {task.name for task in emulator.account.tasks.values()} == {"nul", "Details"}


@pytest.mark.parametrize("name", ["a:b", "what?", "end.", "end ", "CON", "aux.txt", "．", "‛:"])
async def test_a_name_that_windows_cannot_have_cannot_be_made(
    emulator: Emulator, tmp_path: Path, name: str
) -> None:
    async with mounted(emulator, tmp_path, WINDOWS) as desk:
        with pytest.raises(errors.BadName, match="Windows"):
            await desk.create(f"/Office/Report/{name}")
        with pytest.raises(errors.BadName, match="Windows"):
            await desk.mkdir(f"/Office/Report/{name}")
        with pytest.raises(errors.BadName, match="Windows"):
            await desk.rename("/Office/Report", f"/Office/{name}")
        await desk.write("/Office/Report/new")
        with pytest.raises(errors.BadName, match="Windows"):
            await desk.rename("/Office/Report/new", f"/Office/Report/{name}")
        assert await desk.names("/Office/Report") == ["Details", "new", "old.txt"]


async def test_pending_files_are_renamed_and_replaced_by_the_names_that_are_shown(
    emulator: Emulator, tmp_path: Path
) -> None:
    async with mounted(emulator, tmp_path, WINDOWS) as desk:
        directory = (await desk.node("/Office/Report")).inode
        await desk.write("/Office/Report/one？", b"one")
        await desk.write("/Office/Report/two？", b"two")
        await desk.rename("/Office/Report/one？", "/Office/Report/two？")
        assert await desk.read("/Office/Report/two？") == b"one"
        with pytest.raises(errors.NameExists):
            await desk.namespace.create(directory, "two？", 0o644, ME)
        await desk.unlink("/Office/Report/two？")
        assert await desk.names("/Office/Report") == ["Details", "old.txt"]


async def test_what_was_uploaded_lately_is_saved_over_under_the_name_that_is_shown(
    emulator: Emulator, tmp_path: Path
) -> None:
    async with mounted(emulator, tmp_path, WINDOWS) as desk:
        inode = await desk.write("/Office/Report/a：b.txt", b"one")
        await desk.flush()
        handle = await desk.namespace.open(inode, ME)
        await desk.put(handle, b"two")
        await desk.close(handle)
        assert await desk.read("/Office/Report/a：b.txt") == b"two"
        await desk.flush()
        found = [file for file in emulator.account.files.values() if file.name == "a:b.txt"]
        assert [file.content.read(0, file.size) for file in found] == [b"one", b"two"]
        old = min(file.id for file in found)
        assert await desk.names("/Office/Report") == [
            "Details",
            f"a：b (id {old}).txt",
            "a：b.txt",
            "old.txt",
        ]
        await desk.rename("/Office/Report/a：b.txt", "/Office/Report/~WRL0001.tmp")
        await desk.write("/Office/Report/a：b.txt", b"three")
        await desk.unlink("/Office/Report/~WRL0001.tmp")
        await desk.flush()
        assert sum(file.name == "a:b.txt" for file in emulator.account.files.values()) == 3
