"""What a write means: create, write, rename, delete, directories, titles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drive.harness import DROP_TITLE, ME, Desk, mounted
from wsfs.api.errors import AccessDenied
from wsfs.drive import errors
from wsfs.emulator.account import Account
from wsfs.emulator.emulator import Emulator
from wsfs.emulator.entities import Task
from wsfs.tree.inodes import Kind
from wsfs.uploads import errors as upload_errors

promise = pytest.mark.promise
REPORT = "/Office/Report"


def report(account: Account) -> Task:
    return next(iter(account.projects.values())).tasks[0]


def files_of(account: Account) -> dict[str, bytes]:
    """Every attachment of the account by its name; each once."""
    names = [file.name for file in account.files.values()]
    assert len(names) == len(set(names))
    return {file.name: file.content.read(0, file.size) for file in account.files.values()}


# Files


@promise("Files that are copied into a task together become attachments of one comment.")
@promise("A comment's text is the names of the files that it brings, and nothing else.")
@promise("A file that was closed shows under its name, with its content, whether or not it is uploaded yet.")
async def test_a_copy_into_a_task(desk: Desk) -> None:
    await desk.names(REPORT)
    before = desk.count()
    for number in range(20):
        await desk.write(f"{REPORT}/{number:02}.txt", str(number).encode())
    assert await desk.read(f"{REPORT}/07.txt") == b"7"
    assert (await desk.stat(f"{REPORT}/07.txt")).size == 1
    assert (await desk.flush()).sent == 20
    assert desk.actions()[before:] == ["post_comment", "get_files"]
    (comment,) = report(desk.account).comments
    assert comment.text.split("\n") == [f"{number:02}.txt" for number in range(20)]
    assert [file.name for file in comment.files] == [f"{number:02}.txt" for number in range(20)]
    before = desk.count()
    assert await desk.read(f"{REPORT}/07.txt") == b"7"
    assert len(await desk.names(REPORT)) == 22
    assert desk.count() == before


@promise(
    "A file that isn't being uploaded yet can be written, renamed, moved, replaced and deleted like any other."
)
@promise("A file that was renamed before it was uploaded is uploaded under its last name alone.")
async def test_what_is_pending_is_ordinary(desk: Desk) -> None:
    await desk.write(f"{REPORT}/a.txt", b"one")
    handle = desk.drive.open((await desk.node(f"{REPORT}/a.txt")).inode, ME, write=True)
    await desk.put(handle, b"ONE more")
    await desk.close(handle)
    assert await desk.read(f"{REPORT}/a.txt") == b"ONE more"
    await desk.namespace.set_attributes(handle.node.inode, size=3)
    assert await desk.read(f"{REPORT}/a.txt") == b"ONE"
    await desk.rename(f"{REPORT}/a.txt", f"{REPORT}/b.txt", replace=False)
    await desk.rename(f"{REPORT}/b.txt", f"{REPORT}/Details/c.txt")
    await desk.write(f"{REPORT}/Details/d.txt", b"newer")
    with pytest.raises(errors.NameExists):
        await desk.rename(f"{REPORT}/Details/d.txt", f"{REPORT}/Details/c.txt", replace=False)
    await desk.rename(f"{REPORT}/Details/d.txt", f"{REPORT}/Details/c.txt")
    await desk.rename(f"{REPORT}/Details/c.txt", f"{REPORT}/Details/c.txt")
    await desk.write(f"{REPORT}/gone.txt")
    await desk.unlink(f"{REPORT}/gone.txt")
    assert await desk.names(REPORT) == ["Details", "old.txt"]
    assert await desk.names(f"{REPORT}/Details") == ["c.txt"]
    await desk.flush()
    assert files_of(desk.account) == {"old.txt": b"old content", "c.txt": b"newer"}


@promise(
    "An attachment can't be written to, replaced, renamed or deleted; nothing is sent when a program tries."
)
async def test_attachments_are_as_they_are(desk: Desk) -> None:
    old = (await desk.node(f"{REPORT}/old.txt")).inode
    await desk.write(f"{REPORT}/new.txt")
    before = desk.count()
    with pytest.raises(errors.Denied):
        desk.drive.open(old, ME, write=True)
    with pytest.raises(errors.NotPermitted):
        await desk.unlink(f"{REPORT}/old.txt")
    with pytest.raises(errors.NotPermitted):
        await desk.rename(f"{REPORT}/old.txt", f"{REPORT}/other.txt")
    with pytest.raises(errors.NotPermitted):
        await desk.rename(f"{REPORT}/new.txt", f"{REPORT}/old.txt")
    with pytest.raises(errors.NameExists):
        await desk.create(f"{REPORT}/old.txt")
    with pytest.raises(errors.Denied):
        await desk.namespace.set_attributes(old, size=0)
    with pytest.raises(errors.NotPermitted):
        await desk.namespace.set_attributes(old, mode=0o600)
    handle = desk.drive.open(old, ME)
    with pytest.raises(errors.Denied):
        desk.namespace.write_now(handle, 0, b"x")
    await desk.close(handle)
    assert desk.count() == before
    assert await desk.names(REPORT) == ["Details", "new.txt", "old.txt"]


@promise(
    "Temporary files, editors' locks and what operating systems strew about work in every way and are never uploaded."
)
@promise("A temporary file that is renamed to a real name is uploaded under that name.")
async def test_noise(desk: Desk) -> None:
    for name in (".~lock.plan.odt#", "lu12ab.tmp", ".DS_Store", "._plan.odt", "plan.odt~", "4913"):
        await desk.write(f"{REPORT}/{name}", name.encode())
        assert await desk.read(f"{REPORT}/{name}") == name.encode()
    await desk.unlink(f"{REPORT}/.~lock.plan.odt#")
    assert (await desk.flush()).sent == 0
    await desk.rename(f"{REPORT}/lu12ab.tmp", f"{REPORT}/plan.odt")
    assert (await desk.flush()).sent == 1
    assert files_of(desk.account) == {"old.txt": b"old content", "plan.odt": b"lu12ab.tmp"}
    assert ".DS_Store" in await desk.names(REPORT)


# Projects


@promise(
    'Files that are copied onto a project are attached to its task "Project files", and show where they were put.'
)
async def test_the_drop_task(desk: Desk) -> None:
    await desk.names("/Office")
    await desk.write("/Office/a.txt", b"a")
    assert (await desk.flush()).sent == 1
    await desk.write("/Office/b.txt", b"b")
    assert (await desk.flush()).sent == 1
    office = next(iter(desk.account.projects.values()))
    (drop,) = [task for task in office.tasks if task.name == DROP_TITLE]
    assert [file.name for file in drop.files] == ["a.txt"]
    assert [comment.files[0].name for comment in drop.comments] == ["b.txt"]
    assert await desk.names("/Office") == ["Report", "a.txt", "b.txt"]
    before = desk.count()
    assert await desk.read("/Office/a.txt") == b"a"
    assert desk.count() == before
    # It is closed by a colleague: its files go to Done with it, and the next drop makes another.
    desk.account.close_task(drop)
    await desk.refresh()
    assert await desk.names("/Office") == ["Done", "Report"]
    assert await desk.names(f"/Office/Done/{DROP_TITLE}") == ["a.txt", "b.txt"]
    await desk.write("/Office/c.txt", b"c")
    assert (await desk.flush()).sent == 1
    assert await desk.names("/Office") == ["Done", "Report", "c.txt"]
    assert len([task for task in office.tasks if task.name == DROP_TITLE]) == 2


async def test_the_drop_task_of_another_machine_is_found_and_ours_is_remembered(
    emulator: Emulator, tmp_path: Path
) -> None:
    office = next(iter(emulator.account.projects.values()))
    async with mounted(emulator, tmp_path / "1") as one, mounted(emulator, tmp_path / "2") as two:
        await one.names("/Office")
        await two.names("/Office")
        await one.write("/Office/one.txt")
        await one.flush()
        await two.write("/Office/two.txt")
        await two.flush()
        assert await two.names("/Office") == ["Report", "one.txt", "two.txt"]
    (drop,) = [task for task in office.tasks if task.name == DROP_TITLE]
    emulator.account.rename_task(drop, "Another title")
    async with mounted(emulator, tmp_path / "1") as one:
        await one.refresh()
        await one.write("/Office/three.txt")
        await one.flush()
        assert await one.names("/Office") == ["Report", "one.txt", "three.txt", "two.txt"]
    assert len(office.tasks) == 2


# Directories


@promise(
    "A new directory becomes a task, or a subtask, once there is a file in it, and its files are attached to it."
)
@promise("An empty new directory stays on this machine.")
async def test_a_directory_becomes_a_task(desk: Desk) -> None:
    await desk.names("/Office")
    node = await desk.mkdir("/Office/Plan")
    await desk.mkdir("/Office/Empty")
    await desk.flush()
    assert len(next(iter(desk.account.projects.values())).tasks) == 1
    await desk.write("/Office/Plan/a.txt", b"a")
    await desk.write("/Office/Plan/b.txt", b"b")
    await desk.mkdir("/Office/Plan/Part")
    await desk.write("/Office/Plan/Part/c.txt", b"c")
    assert (await desk.flush()).sent == 3
    plan = next(iter(desk.account.projects.values())).tasks[1]
    assert (plan.name, sorted(file.name for file in plan.files)) == ("Plan", ["a.txt", "b.txt"])
    assert [(part.name, part.files[0].name) for part in plan.children] == [("Part", "c.txt")]
    assert await desk.names("/Office") == ["Empty", "Plan", "Report"]
    assert await desk.names("/Office/Plan") == ["Part", "a.txt", "b.txt"]
    assert (await desk.node("/Office/Plan")).inode == node.inode
    assert (await desk.node("/Office/Plan")).kind is Kind.TASK
    assert await desk.xattr("/Office/Plan", "user.worksection.id") == str(plan.id)


@promise('A directory that a file manager named "Untitled Folder" waits for a name of its own.')
async def test_a_placeholder(desk: Desk) -> None:
    await desk.mkdir("/Office/Untitled Folder")
    await desk.write("/Office/Untitled Folder/a.txt")
    assert (await desk.flush()).sent == 0
    await desk.rename("/Office/Untitled Folder", "/Office/Plan")
    assert (await desk.flush()).sent == 1
    assert [task.name for task in next(iter(desk.account.projects.values())).tasks] == ["Report", "Plan"]


async def test_pending_directories_are_renamed_and_removed_freely(desk: Desk) -> None:
    await desk.mkdir("/Office/a")
    await desk.mkdir("/Office/a/b")
    await desk.write("/Office/a/b/c.txt")
    with pytest.raises(errors.DirectoryNotEmpty):
        await desk.rmdir("/Office/a")
    await desk.rename("/Office/a/b", f"{REPORT}/moved")
    await desk.rmdir("/Office/a")
    with pytest.raises(upload_errors.NotAllowed):
        await desk.rename(f"{REPORT}/moved", f"{REPORT}/moved/itself")
    await desk.mkdir(f"{REPORT}/empty")
    await desk.rename(f"{REPORT}/empty", f"{REPORT}/other")
    with pytest.raises(errors.DirectoryNotEmpty):
        await desk.rename(f"{REPORT}/other", f"{REPORT}/moved")
    await desk.rename(f"{REPORT}/moved", f"{REPORT}/other")
    assert await desk.names(REPORT) == ["Details", "old.txt", "other"]
    assert await desk.names(f"{REPORT}/other") == ["c.txt"]
    with pytest.raises(errors.NotDirectory):
        await desk.rename(f"{REPORT}/other", f"{REPORT}/other/c.txt")
    await desk.write(f"{REPORT}/file")
    with pytest.raises(errors.IsDirectory):
        await desk.rename(f"{REPORT}/file", f"{REPORT}/other")
    with pytest.raises(errors.NotDirectory):
        await desk.rename(f"{REPORT}/other", f"{REPORT}/file")
    with pytest.raises(errors.NotPermitted):
        await desk.rename(f"{REPORT}/other", f"{REPORT}/Details")


# Titles


@promise("Renaming the directory of a task or project gives it the new title on the server, at once.")
@promise("A task or project can't be moved or deleted.")
async def test_titles(desk: Desk) -> None:
    await desk.names(REPORT)
    inode = (await desk.node(REPORT)).inode
    desk.told.entries.clear()
    await desk.rename(REPORT, "/Office/Account")
    assert report(desk.account).name == "Account"
    assert (await desk.node("/Office/Account")).inode == inode
    assert not desk.told.entries, "the kernel did it itself"
    await desk.rename("/Office", "/Bureau")
    assert next(iter(desk.account.projects.values())).name == "Bureau"
    assert desk.emulator.count("update_task") == desk.emulator.count("update_project") == 1
    await desk.rename("/Bureau", "/Bureau")
    before = desk.count()
    for old, new in (
        ("/Bureau/Account/Details", "/Bureau/Details"),
        ("/Bureau/Account", "/Account"),
        ("/Bureau/Account", "/Bureau/Done"),
    ):
        with pytest.raises(errors.NotPermitted):
            await desk.rename(old, new)
    for path in ("/Bureau", "/Bureau/Account"):
        with pytest.raises(errors.NotPermitted):
            await desk.rmdir(path)
    await desk.mkdir("/Bureau/taken")
    with pytest.raises(errors.NameExists):
        await desk.rename("/Bureau/Account", "/Bureau/taken")
    assert desk.count() == before


async def test_a_title_that_gets_another_name_is_told(desk: Desk) -> None:
    await desk.names("/Office")
    await desk.rename(REPORT, "/Office/Report (id 1)")
    id = report(desk.account).id
    assert report(desk.account).name == "Report (id 1)"
    assert await desk.names("/Office") == [f"Report (id 1) (id {id})"]
    office = (await desk.node("/Office")).inode
    assert (office, "Report (id 1)") in desk.told.entries


async def test_a_title_that_the_server_refuses_changes_nothing(desk: Desk) -> None:
    await desk.names("/Office")
    desk.emulator.faults.arm("denied", action="update_task")
    with pytest.raises(AccessDenied):
        await desk.rename(REPORT, "/Office/Account")
    assert await desk.names("/Office") == ["Report"]


# Errors


async def test_what_is_not_there(desk: Desk) -> None:
    for attempt in (
        desk.unlink(f"{REPORT}/none"),
        desk.rmdir(f"{REPORT}/none"),
        desk.rename(f"{REPORT}/none", f"{REPORT}/other"),
    ):
        with pytest.raises(errors.NoSuchName):
            await attempt
    with pytest.raises(errors.IsDirectory):
        await desk.unlink(REPORT)
    with pytest.raises(errors.NotDirectory):
        await desk.rmdir(f"{REPORT}/old.txt")
    with pytest.raises(errors.NotDirectory):
        await desk.namespace.unlink((await desk.node(f"{REPORT}/old.txt")).inode, "x")


@promise("What was put into a task that isn't shown any more is kept, and shows again when the task does.")
async def test_what_waits_for_its_task(desk: Desk) -> None:
    await desk.names(REPORT)
    office = next(iter(desk.account.projects.values()))
    desk.account.close_project(office)
    await desk.write(f"{REPORT}/Details/kept.txt", b"kept")
    desk.sender.wake()
    inode = (await desk.node(f"{REPORT}/Details/kept.txt")).inode
    await desk.catalog.refresh(None)
    assert await desk.names() == []
    with pytest.raises(errors.NoSuchName):
        await desk.namespace.unlink(office.tasks[0].children[0].id * 4 + 2, "kept.txt")
    desk.account.activate_project(office)
    await desk.catalog.refresh(None)
    assert await desk.read(f"{REPORT}/Details/kept.txt") == b"kept"
    assert (await desk.node(f"{REPORT}/Details/kept.txt")).inode == inode
