"""What a person's programs see: look up, list, stat, open, read."""

from __future__ import annotations

import datetime
import stat
from pathlib import Path

import pytest

from tests.drive.harness import ME, UTC, Desk, Setup, mounted
from wsfs.api.errors import ApiError, Unreachable
from wsfs.api.pacing import Lane
from wsfs.drive import errors
from wsfs.drive.filesystem import Caller
from wsfs.emulator.emulator import Emulator
from wsfs.tree.inodes import Kind
from wsfs.tree.nodes import Owner

promise = pytest.mark.promise
REPORT = "/Office/Report"
NOON = datetime.datetime(2024, 3, 5, 12, 0)


def nanoseconds(moment: datetime.datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp()) * 10**9


@promise(
    "A project is a directory of the root, a task is a directory of its project, and a subtask is a directory of its "
    "task."
)
@promise("An attachment of a task's description or comments is a file in the task's directory.")
@promise("A project's own files are files in the project's directory.")
async def test_the_account_as_directories(emulator: Emulator, tmp_path: Path) -> None:
    office = next(iter(emulator.account.projects.values()))
    emulator.account.add_file_to_project(office, ("plan.pdf", b"plan"))
    emulator.account.add_comment(office.tasks[0], "look", files=[("photo.png", b"png")])
    async with mounted(emulator, tmp_path) as desk:
        assert await desk.names() == ["Office"]
        assert await desk.names("/Office") == ["Report", "plan.pdf"]
        assert await desk.names(REPORT) == ["Details", "old.txt", "photo.png"]
        assert await desk.names(f"{REPORT}/Details") == []
        assert await desk.read("/Office/plan.pdf") == b"plan"
        assert await desk.read(f"{REPORT}/photo.png") == b"png"


@promise("Done tasks are in a directory `Done` of the project or task that has them.")
@promise("With `done=mixed` done tasks stand beside the others; with `done=hide` they aren't shown.")
async def test_done_tasks(emulator: Emulator, tmp_path: Path) -> None:
    office = next(iter(emulator.account.projects.values()))
    emulator.account.add_task(office, "Old", done=True, files=[("a.txt", b"a")])
    emulator.account.add_task(office, "Older", parent=office.tasks[0], done=True)
    async with mounted(emulator, tmp_path / "folder") as desk:
        assert await desk.names("/Office") == ["Done", "Report"]
        assert await desk.names("/Office/Done") == ["Old"]
        assert await desk.names("/Office/Done/Old") == ["a.txt"]
        assert await desk.names(f"{REPORT}/Done") == ["Older"]
    async with mounted(emulator, tmp_path / "mixed", Setup(done="mixed")) as desk:
        assert await desk.names("/Office") == ["Old", "Report"]
        assert await desk.names(REPORT) == ["Details", "Older", "old.txt"]
    async with mounted(emulator, tmp_path / "hide", Setup(done="hide")) as desk:
        assert await desk.names("/Office") == ["Report"]
        assert await desk.names(REPORT) == ["Details", "old.txt"]


@promise("Archived projects are shown only with the option `archived`.")
@promise("With `folders` a project is in a directory named after the folder it lies in.")
async def test_archived_projects_and_folders(emulator: Emulator, tmp_path: Path) -> None:
    emulator.account.add_project("Past", status="archived", company="Attic")
    emulator.account.add_project("Now", company="House")
    async with mounted(emulator, tmp_path / "1") as desk:
        assert await desk.names() == ["Now", "Office"]
    async with mounted(emulator, tmp_path / "2", Setup(archived=True)) as desk:
        assert await desk.names() == ["Now", "Office", "Past"]
    async with mounted(emulator, tmp_path / "3", Setup(archived=True, folders=True)) as desk:
        assert await desk.names() == ["Attic", "House", "Office"]
        assert await desk.names("/Attic") == ["Past"]


@promise("`/.wsfs` can be opened by name, is never listed, and can't be written to.")
async def test_the_control_files(desk: Desk) -> None:
    assert ".wsfs" not in await desk.names()
    assert await desk.names("/.wsfs") == ["requests.log", "status.json"]
    assert b"get_projects" in await desk.read("/.wsfs/requests.log")
    attributes = await desk.stat("/.wsfs/status.json")
    assert (stat.S_IMODE(attributes.mode), attributes.size, attributes.live) == (0o444, 2, True)
    with pytest.raises(errors.Denied):
        desk.drive.open((await desk.node("/.wsfs/status.json")).inode, ME, write=True)
    with pytest.raises(errors.NotPermitted):
        await desk.create("/.wsfs/mine")
    with pytest.raises(errors.NotPermitted):
        await desk.create("/.wsfs")
    with pytest.raises(errors.NotPermitted):
        await desk.unlink("/.wsfs/status.json")
    with pytest.raises(errors.NoSuchName):
        await desk.node("/Office/.wsfs")


@promise("The size of an attachment is the one that Worksection tells; its time is when it was added.")
@promise("A directory's time is that of the newest thing in it.")
async def test_size_and_times(emulator: Emulator, tmp_path: Path) -> None:
    office = emulator.account.add_project("Times", when=NOON)
    task = emulator.account.add_task(office, "Task", when=NOON + datetime.timedelta(hours=1))
    later = NOON + datetime.timedelta(hours=2)
    emulator.account.add_comment(task, "c", when=later, files=[("late.txt", b"12345")])
    async with mounted(emulator, tmp_path) as desk:
        await desk.names("/Times/Task")
        attributes = await desk.stat("/Times/Task/late.txt")
        assert (attributes.size, attributes.mtime_ns) == (5, nanoseconds(later))
        assert stat.filemode(attributes.mode) == "-r--r--r--"
        assert (await desk.stat("/Times/Task")).mtime_ns == nanoseconds(later)
        assert (await desk.stat("/Times")).mtime_ns == nanoseconds(NOON + datetime.timedelta(hours=1))
        assert stat.filemode((await desk.stat("/Times")).mode) == "drwxr-xr-x"


async def test_files_of_a_bulk_answer_have_the_tasks_date_until_theirs_is_read(
    emulator: Emulator, tmp_path: Path
) -> None:
    office = next(iter(emulator.account.projects.values()))
    later = NOON + datetime.timedelta(hours=2)
    task = emulator.account.add_task(office, "Dates", when=NOON)
    emulator.account.take_loose_file(
        emulator.account.add_loose_file(("a.txt", b"a"), emulator.account.owner).id, task
    )
    task.files[0].date_added = later
    async with mounted(emulator, tmp_path) as desk:
        assert (await desk.stat("/Office/Dates/a.txt")).mtime_ns == nanoseconds(NOON)
        before = desk.count()
        assert await desk.xattr("/Office/Dates/a.txt", "user.worksection.date") == "2024-03-05 14:00"
        assert desk.count() == before + 1
        assert (await desk.stat("/Office/Dates/a.txt")).mtime_ns == nanoseconds(later)


async def test_modes_say_where_something_can_be_made(emulator: Emulator, tmp_path: Path) -> None:
    office = next(iter(emulator.account.projects.values()))
    emulator.account.add_task(office, "Old", done=True)
    paths = ["/", "/Office", REPORT, "/Office/Done", "/Office/Done/Old", "/.wsfs"]
    wanted = {
        "usual": (Setup(), [0o555, 0o755, 0o755, 0o555, 0o755, 0o555]),
        "projects": (Setup(create_projects=True), [0o755, 0o755, 0o755, 0o555, 0o755, 0o555]),
        "ro": (Setup(read_only=True, create_projects=True), [0o555] * 6),
    }
    for name, (setup, modes) in wanted.items():
        async with mounted(emulator, tmp_path / name, setup) as desk:
            await desk.names("/Office")
            assert [stat.S_IMODE((await desk.stat(path)).mode) for path in paths] == modes


@promise("Listing, and asking for sizes and times, downloads nothing.")
@promise("What is in the cache, and every directory that was listed once, needs no request any more.")
async def test_what_looking_costs(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path) as desk:
        await desk.names()
        assert desk.actions() == ["get_projects"]
        await desk.names("/Office")
        await desk.names(REPORT)
        await desk.stat(f"{REPORT}/old.txt")
        assert sorted(desk.actions()) == ["get_all_tasks", "get_files", "get_projects"]
        handle = desk.drive.open((await desk.node(f"{REPORT}/old.txt")).inode, ME)
        assert emulator.count("download") == 0, "nor does opening"
        assert await desk.read_handle(handle) == b"old content"
        await desk.drive.release(handle)
        assert emulator.count("download") == 1
        before = desk.count()
        for _ in range(2):
            for path in ("/", "/Office", REPORT, f"{REPORT}/Details"):
                await desk.names(path)
            await desk.stat(f"{REPORT}/old.txt")
            assert await desk.read(f"{REPORT}/old.txt") == b"old content"
            with pytest.raises(errors.NoSuchName) as missing:
                await desk.node(f"{REPORT}/nothing")
            assert missing.value.lasting
        assert desk.count() == before
    async with mounted(emulator, tmp_path) as desk:
        assert await desk.read(f"{REPORT}/old.txt") == b"old content"
        assert await desk.names("/Office") == ["Report"]
    assert emulator.count("download") == 1
    assert emulator.count("get_files") == 1


@promise("A name that only programs ask for, such as `.hidden`, is answered without a request.")
async def test_names_that_cost_nothing(desk: Desk) -> None:
    await desk.names()
    before = desk.count()
    for name in (".hidden", ".Trash", ".Trash-1000", ".directory", "desktop.ini", ".git"):
        with pytest.raises(errors.NoSuchName) as missing:
            await desk.node(f"/Office/{name}")
        assert missing.value.lasting
    assert desk.count() == before


@promise(
    "Of equal names the newest file has the plain one, and the older ones get ` (id N)` before the extension."
)
async def test_a_lookup_of_a_file_waits_for_what_may_be_newer(emulator: Emulator, tmp_path: Path) -> None:
    report = next(iter(emulator.account.projects.values())).tasks[0]
    old = report.files[0]
    emulator.account.add_comment(report, "again", files=[("old.txt", b"newer")])
    async with mounted(emulator, tmp_path) as desk:
        assert await desk.names("/Office") == ["Report"]
        task = await desk.node(REPORT)
        assert desk.drive.lookup_now(task.inode, "old.txt") is None, "the plain name may be another's"
        assert await desk.read(f"{REPORT}/old.txt") == b"newer"
        assert await desk.read(f"{REPORT}/old (id {old.id}).txt") == b"old content"
        before = desk.count()
        assert desk.drive.lookup_now(task.inode, "old.txt") is not None
        assert desk.count() == before


async def test_a_name_is_missing_for_certain_only_where_all_are_known(
    emulator: Emulator, tmp_path: Path
) -> None:
    report = next(iter(emulator.account.projects.values())).tasks[0]
    emulator.account.add_comment(report, "again", files=[("new.txt", b"newer")])
    async with mounted(emulator, tmp_path) as desk:
        task = await desk.node(REPORT)
        assert not desk.drive.is_missing(task.inode, "new.txt"), "its files aren't known yet"
        assert not desk.drive.is_missing(desk.drive.tree.root.inode, ".wsfs")
        await desk.names(REPORT)
        assert not desk.drive.is_missing(task.inode, "new.txt")
        assert desk.drive.is_missing(task.inode, "newer.txt")
        assert not desk.drive.is_missing(task.inode, "ї" * 128), "too long a name has an error of its own"
        with pytest.raises(errors.NotDirectory):
            desk.drive.is_missing((await desk.node(f"{REPORT}/new.txt")).inode, "a")


@promise("Of equal names of directories the lowest id has the plain one, and a directory goes before a file.")
@promise("A name depends on ids alone, so that it is the same on every machine and after every mount.")
@promise(
    "A name is what Worksection calls the thing, with stand-ins for what no file name may hold, such as `／` for `/`."
)
@promise("A name that is too long is cut to 255 bytes, and keeps its extension.")
async def test_names(emulator: Emulator, tmp_path: Path) -> None:
    account = emulator.account
    office = next(iter(account.projects.values()))
    first, second = account.add_task(office, "Same"), account.add_task(office, "Same")
    report = office.tasks[0]
    account.add_comment(
        report, files=[("Details", b"a file"), ("a/b", b"slash"), ("Ї" * 200 + ".pdf", b"long")]
    )
    seen = []
    for machine in ("one", "two"):
        async with mounted(emulator, tmp_path / machine) as desk:
            assert await desk.names("/Office") == ["Report", "Same", f"Same (id {second.id})"]
            assert (await desk.node("/Office/Same")).id == first.id
            seen.append(await desk.names(REPORT))
        office.tasks.reverse()
        report.comments[0].files.reverse()
    assert seen[0] == seen[1]
    file = report.comments[0].files[0].id
    assert set(seen[0]) == {"Details", f"Details (id {file})", "a／b", "Ї" * 125 + ".pdf", "old.txt"}


async def test_a_name_that_is_too_long_is_refused_without_a_request(desk: Desk) -> None:
    await desk.names()
    before = desk.count()
    with pytest.raises(errors.NameTooLong):
        await desk.node("/Office/" + "ї" * 128)
    assert desk.count() == before


@promise("Without the network, everything that was known is listed, and what is cached can be read.")
@promise("A name that isn't known can be given to a new file even where the directory was never listed.")
@promise("Without the network, files can be made, and are uploaded once it is back.")
@promise("What needs the network fails with an error, and does not hang for ever.")
async def test_offline(emulator: Emulator, tmp_path: Path) -> None:
    report = next(iter(emulator.account.projects.values())).tasks[0]
    emulator.account.add_comment(report, files=[("unread.txt", b"unread")])
    async with mounted(emulator, tmp_path) as desk:
        await desk.names("/Office")
        await desk.names(REPORT)
        await desk.read(f"{REPORT}/old.txt")
    emulator.account.add_project("Unknown")
    never = emulator.account.add_project("Never listed")
    async with mounted(emulator, tmp_path, unplugged=True) as desk:
        assert await desk.names() == ["Office"]
        assert await desk.names(REPORT) == ["Details", "old.txt", "unread.txt"]
        assert await desk.read(f"{REPORT}/old.txt") == b"old content"
        with pytest.raises(Unreachable):
            await desk.read(f"{REPORT}/unread.txt")
        await desk.plug_in()
        await desk.catalog.refresh(None)
        desk.network.unplugged = True
        with pytest.raises(errors.NoSuchName) as missing:
            await desk.node("/Never listed/new.txt")
        assert not missing.value.lasting
        await desk.write("/Never listed/new.txt", b"made offline")
        await desk.write(f"{REPORT}/new.txt", b"made offline too")
        assert await desk.read("/Never listed/new.txt") == b"made offline"
        desk.network.unplugged = False
        assert (await desk.flush()).sent == 2
        assert await desk.names("/Never listed") == ["new.txt"]
    assert [file.name for file in never.tasks[0].files] == ["new.txt"]


async def test_offline_from_the_first_moment_the_root_says_so(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path, unplugged=True) as desk:
        with pytest.raises(ApiError):
            await desk.names()
        with pytest.raises(ApiError):
            await desk.node("/Office")
        await desk.plug_in()
        await desk.catalog.refresh(None)
        assert await desk.names() == ["Office"]


@promise("A file that is open stays readable when its task has been deleted.")
async def test_an_open_file_outlives_its_task(desk: Desk) -> None:
    inode = (await desk.node(f"{REPORT}/old.txt")).inode
    task = await desk.node(REPORT)
    handle = desk.drive.open(inode, ME)
    assert await desk.read_handle(handle) == b"old content"
    listing = await desk.drive.open_directory(task.inode, ME)
    desk.account.delete_task(task.id)
    await desk.refresh()
    assert await desk.names("/Office") == []
    assert await desk.read_handle(handle) == b"old content"
    assert desk.drive.get_attributes(inode).size == 11
    assert len(listing.names) == 2
    assert list(desk.drive.entries(listing, 0)) == []
    with pytest.raises(errors.NoSuchName):
        await desk.drive.open_directory(task.inode, ME)
    await desk.drive.release(handle)
    with pytest.raises(errors.NoSuchName):
        desk.drive.get_attributes(inode)


@promise("What a colleague adds, renames, closes or deletes shows here without a remount.")
async def test_colleagues(desk: Desk) -> None:
    account = desk.account
    await desk.names("/Office")
    await desk.names(REPORT)
    office = next(iter(account.projects.values()))
    report = office.tasks[0]
    account.add_task(office, "New")
    account.add_comment(report, files=[("from Anna.txt", b"anna")])
    account.rename_task(report.children[0], "Particulars")
    await desk.refresh()
    assert await desk.names("/Office") == ["New", "Report"]
    assert await desk.names(REPORT) == ["Particulars", "from Anna.txt", "old.txt"]
    assert {(desk.tree.projects[office.id].inode, "New")} <= desk.told.entries
    account.close_task(report)
    account.delete_task(office.tasks[1])
    await desk.refresh()
    assert await desk.names("/Office") == ["Done"]
    assert await desk.read("/Office/Done/Report/from Anna.txt") == b"anna"


async def test_a_listing_while_its_project_goes_is_of_nothing(desk: Desk) -> None:
    office = await desk.node("/Office")
    desk.account.delete_project(office.id)
    with pytest.raises(errors.NoSuchName):
        await desk.drive.open_directory(office.inode, ME)


async def test_a_persons_listing_of_a_project_reads_its_own_files_again_in_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Owner | None] = []
    monkeypatch.setattr(desk.catalog, "looked", looked.append)
    await desk.names("/Office")
    background = Caller(lane=Lane.BACKGROUND)
    await desk.drive.open_directory(desk.tree.root.inode, background)
    await desk.drive.open_directory(desk.tree.root.inode, ME)
    assert looked == [("project", next(iter(desk.account.projects))), None]


async def test_paths_by_what_is_known(desk: Desk) -> None:
    await desk.names(REPORT)
    assert desk.drive.find(f"{REPORT}/old.txt").kind is Kind.ATTACHMENT
    with pytest.raises(errors.NoSuchName):
        desk.drive.find(f"{REPORT}/old.txt/deeper")
    assert desk.drive.path((await desk.node(REPORT)).inode, "x") == f"{REPORT}/x"
    assert desk.drive.path(99999) == "(inode 99999)"
    with pytest.raises(errors.NotDirectory):
        desk.drive.directory((await desk.node(f"{REPORT}/old.txt")).inode)
    with pytest.raises(errors.IsDirectory):
        desk.drive.open((await desk.node(REPORT)).inode, ME)
    assert desk.drive.free_space().f_bsize > 0
