"""What may be made where, and under which names; what options and a read-only drive refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drive.harness import ME, Desk, Setup, mounted
from wsfs.drive import errors
from wsfs.emulator.account import Account
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.entities import Task
from wsfs.uploads.options import Options

promise = pytest.mark.promise
REPORT = "/Office/Report"


def report(account: Account) -> Task:
    return next(iter(account.projects.values())).tasks[0]


@promise("A copy under way, `NAME.part`, can't be made beside an attachment NAME, which it couldn't replace.")
async def test_a_copy_that_could_not_take_its_place_is_not_begun(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path / "1") as desk:
        await desk.names(REPORT)
        with pytest.raises(errors.Denied, match="save under another name"):
            await desk.create(f"{REPORT}/old.txt.part")
        for name in ("new.txt", "new.txt.part", "other.part"):
            await desk.write(f"{REPORT}/{name}")
    async with mounted(emulator, tmp_path / "2", Setup(versions=True)) as desk:
        await desk.names(REPORT)
        await desk.write(f"{REPORT}/old.txt.part")
        await desk.rename(f"{REPORT}/old.txt.part", f"{REPORT}/old.txt")


@promise(
    "With `drop=no` files can't be put onto a project, and with `mkdir=no` no directory can be made in one."
)
async def test_what_options_refuse(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path, Setup(drop=False, mkdir=False)) as desk:
        with pytest.raises(errors.NotPermitted):
            await desk.create("/Office/a.txt")
        with pytest.raises(errors.NotPermitted):
            await desk.mkdir("/Office/new")
        with pytest.raises(errors.NotPermitted):
            await desk.mkdir(f"{REPORT}/new")
        # What is never uploaded has its place all the same, but can't become what is.
        await desk.write("/Office/.DS_Store")
        with pytest.raises(errors.NotPermitted):
            await desk.rename("/Office/.DS_Store", "/Office/a.txt")
        await desk.rename("/Office/.DS_Store", f"{REPORT}/a.txt")
        await desk.flush()
    assert [file.name for file in report(emulator.account).comments[0].files] == ["a.txt"]


@promise("A task's tree has three levels, and a directory below the third is refused.")
async def test_depth(desk: Desk) -> None:
    await desk.mkdir(f"{REPORT}/Details/deep")
    with pytest.raises(errors.NotPermitted):
        await desk.mkdir(f"{REPORT}/Details/deep/deeper")
    await desk.mkdir("/Office/a")
    await desk.mkdir("/Office/a/b")
    with pytest.raises(errors.NotPermitted):
        await desk.rename("/Office/a", f"{REPORT}/Details/a")
    await desk.rename("/Office/a", f"{REPORT}/a")


@promise("Directories named `.Trash`, `.Trash-UID` or `.git` can't be made.")
@promise(
    "A new directory in the root is refused, unless the drive is mounted with `create=projects`: then it becomes a "
    "project."
)
async def test_directories_that_are_refused(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path / "1") as desk:
        for path in ("/new", "/Office/.Trash", f"{REPORT}/.Trash-1000", f"{REPORT}/.git", "/Office/Done"):
            with pytest.raises(errors.NotPermitted):
                await desk.mkdir(path)
        with pytest.raises(errors.NotPermitted):
            await desk.create("/a.txt")
        with pytest.raises(errors.NotPermitted):
            await desk.create("/Office/Done")
        await desk.mkdir("/Office/b")
        with pytest.raises(errors.NotPermitted):
            await desk.rename("/Office/b", "/Office/.git")
        with pytest.raises(errors.NameExists):
            await desk.mkdir(REPORT)
        with pytest.raises(errors.NameTooLong):
            await desk.mkdir("/Office/" + "ї" * 128)
        with pytest.raises(errors.BadName):
            await desk.mkdir("/Office/\udcff")
    async with mounted(emulator, tmp_path / "2", Setup(create_projects=True)) as desk:
        await desk.names()
        node = await desk.mkdir("/New project")
        await desk.write("/New project/a.txt", b"a")
        await desk.write("/New project/b.txt", b"b")
        before = desk.count()
        assert (await desk.flush()).sent == 2
        assert desk.actions()[before:] == ["post_project", "get_files"]
        assert await desk.names("/New project") == ["a.txt", "b.txt"]
        assert (await desk.node("/New project")).inode == node.inode
    project = list(emulator.account.projects.values())[-1]
    assert (project.name, len(project.files)) == ("New project", 2)


async def test_the_name_of_the_done_directory_is_free_where_there_is_none(
    emulator: Emulator, tmp_path: Path
) -> None:
    async with mounted(emulator, tmp_path, Setup(done="mixed")) as desk:
        await desk.mkdir("/Office/Done")
        await desk.rename("/Office/Done", f"{REPORT}/Done")


async def test_done_directories_and_folders_hold_nothing_new(emulator: Emulator, tmp_path: Path) -> None:
    office = next(iter(emulator.account.projects.values()))
    emulator.account.add_task(office, "Old", done=True)
    emulator.account.add_project("Now", company="House")
    async with mounted(emulator, tmp_path, Setup(folders=True, create_projects=True)) as desk:
        await desk.names("/Office")
        for path in ("/Office/Done", "/House"):
            with pytest.raises(errors.NotPermitted):
                await desk.create(f"{path}/a.txt")
            with pytest.raises(errors.NotPermitted):
                await desk.mkdir(f"{path}/new")
            with pytest.raises(errors.NotPermitted):
                await desk.rename(path, f"{path}2")
            with pytest.raises(errors.NotPermitted):
                await desk.rmdir(path)


@promise("A read-only drive refuses every change.")
async def test_read_only(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path / "1", Setup(uploads=Options(settle=3600))) as desk:
        await desk.write(f"{REPORT}/pending.txt", b"pending")
    async with mounted(emulator, tmp_path / "1", Setup(read_only=True, create_projects=True)) as desk:
        assert await desk.read(f"{REPORT}/pending.txt") == b"pending"
        pending, old = await desk.node(f"{REPORT}/pending.txt"), await desk.node(f"{REPORT}/old.txt")
        with pytest.raises(errors.ReadOnly):
            await desk.create(f"{REPORT}/a.txt")
        with pytest.raises(errors.ReadOnly):
            await desk.mkdir("/new")
        with pytest.raises(errors.ReadOnly):
            await desk.unlink(f"{REPORT}/pending.txt")
        with pytest.raises(errors.ReadOnly):
            await desk.rmdir(REPORT)
        with pytest.raises(errors.ReadOnly):
            await desk.rename(f"{REPORT}/pending.txt", f"{REPORT}/b.txt")
        for node in (pending, old):
            with pytest.raises(errors.ReadOnly):
                desk.drive.open(node.inode, ME, write=True)
            with pytest.raises(errors.ReadOnly):
                await desk.namespace.set_attributes(node.inode, mode=0o600)
    assert not report(emulator.account).comments
