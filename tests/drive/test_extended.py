"""Extended attributes: what they say, what they cost, and what isn't one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drive.harness import ME, Desk, Setup, mounted
from wsfs.drive import errors
from wsfs.emulator.emulator import Emulator
from wsfs.uploads.states import State

promise = pytest.mark.promise
REPORT = "/Office/Report"


@promise(
    "The extended attributes `user.worksection.id`, `.url`, `.author` and `.status` say what Worksection says."
)
async def test_what_worksection_says(desk: Desk) -> None:
    office = next(iter(desk.account.projects.values()))
    task, file = office.tasks[0], office.tasks[0].files[0]
    details = task.children[0]
    said = {
        "/Office": (office.id, office.page, "active"),
        REPORT: (task.id, f"/project/{office.id}/{task.id}/", "active"),
        f"{REPORT}/Details": (details.id, f"/project/{office.id}/{task.id}/{details.id}/", "active"),
        f"{REPORT}/old.txt": (file.id, f"/download/{file.id}", None),
    }
    for path, (id, page, status) in said.items():
        assert await desk.xattr(path, "user.worksection.id") == str(id)
        assert await desk.xattr(path, "user.worksection.url") == desk.emulator.url + page
        assert await desk.xattr(path, "user.worksection.author") == "Olena Kovalenko <olena@example.com>"
        if status is not None:
            assert await desk.xattr(path, "user.worksection.status") == status
    desk.account.close_task(task)
    await desk.refresh()
    assert await desk.xattr("/Office/Done/Report", "user.worksection.status") == "done"


async def test_what_asking_costs(desk: Desk) -> None:
    await desk.names("/Office")
    await desk.node(f"{REPORT}/old.txt")
    before = desk.count()
    for name in ("user.worksection.id", "user.worksection.url", "user.wsfs.cached"):
        await desk.xattr(f"{REPORT}/old.txt", name)
    desk.extended.names((await desk.node(f"{REPORT}/old.txt")).inode)
    assert desk.count() == before
    await desk.xattr(f"{REPORT}/old.txt", "user.worksection.author")
    assert desk.actions()[before:] == ["get_files"]
    await desk.xattr(f"{REPORT}/old.txt", "user.worksection.date")
    assert desk.count() == before + 1


async def test_how_much_is_cached(desk: Desk) -> None:
    assert await desk.xattr(f"{REPORT}/old.txt", "user.wsfs.cached") == "0"
    await desk.read(f"{REPORT}/old.txt")
    assert await desk.xattr(f"{REPORT}/old.txt", "user.wsfs.cached") == "100"


async def test_every_name_that_is_listed_has_a_value(desk: Desk) -> None:
    await desk.write(f"{REPORT}/new.txt")
    await desk.mkdir(f"{REPORT}/part")
    for path in (
        "/",
        "/Office",
        REPORT,
        f"{REPORT}/old.txt",
        f"{REPORT}/new.txt",
        f"{REPORT}/part",
        "/.wsfs",
    ):
        for name in desk.extended.names((await desk.node(path)).inode):
            if name != "user.wsfs.pin":  # this drive has no pins
                assert await desk.xattr(path, name)


async def test_an_author_that_is_known_to_be_missing_is_not_listed(
    emulator: Emulator, tmp_path: Path
) -> None:
    emulator.account.owner.name = emulator.account.owner.email = ""
    async with mounted(emulator, tmp_path) as desk:
        inode = (await desk.node(f"{REPORT}/old.txt")).inode
        assert "user.worksection.author" in desk.extended.names(inode), "it may have one"
        with pytest.raises(errors.NoAttribute):
            await desk.xattr(f"{REPORT}/old.txt", "user.worksection.author")
        assert "user.worksection.author" not in desk.extended.names(inode)


async def test_what_is_no_attribute(desk: Desk) -> None:
    for path, name in (
        ("/", "user.worksection.id"),
        (REPORT, "user.anything"),
        (REPORT, "user.wsfs.upload"),
        ("/.wsfs/status.json", "user.worksection.id"),
    ):
        with pytest.raises(errors.NoAttribute):
            await desk.xattr(path, name)
    with pytest.raises(errors.NoSuchName):
        await desk.extended.get(987654, "user.worksection.id", ME)
    with pytest.raises(errors.NotSupported):
        await desk.extended.set((await desk.node(REPORT)).inode, "user.anything", b"")


@promise("The extended attribute `user.wsfs.state` says in a word, and without a request, where a file is.")
async def test_the_word_for_a_file_manager_s_emblem(desk: Desk) -> None:
    assert await desk.xattr(f"{REPORT}/old.txt", "user.wsfs.state") == "online"
    await desk.read(f"{REPORT}/old.txt")
    assert await desk.xattr(f"{REPORT}/old.txt", "user.wsfs.state") == "here"
    await desk.mkdir(f"{REPORT}/part")
    await desk.write(f"{REPORT}/~lock.tmp")
    inode = await desk.write(f"{REPORT}/new.txt")
    before = desk.count()
    assert await desk.xattr(f"{REPORT}/part", "user.wsfs.state") == "waiting"
    assert await desk.xattr(f"{REPORT}/~lock.tmp", "user.wsfs.state") == "private"
    for state, word in {
        State.OPEN: "waiting",
        State.SETTLING: "waiting",
        State.SENDING: "sending",
        State.UNKNOWN: "sending",
        State.SENT: "sending",
        State.INTERRUPTED: "failed",
        State.QUARANTINED: "failed",
        State.LOCAL: "private",
    }.items():
        desk.spool.nodes[inode].state = state
        assert await desk.xattr(f"{REPORT}/new.txt", "user.wsfs.state") == word
    desk.spool.nodes[inode].state = State.SETTLING
    assert desk.count() == before


async def test_what_programs_give_to_a_pending_node(desk: Desk) -> None:
    await desk.write(f"{REPORT}/new.txt")
    inode = (await desk.node(f"{REPORT}/new.txt")).inode
    await desk.extended.set(inode, "user.xdg.tags", b"red")
    assert await desk.xattr(f"{REPORT}/new.txt", "user.xdg.tags") == "red"
    assert desk.extended.names(inode)[-1] == "user.xdg.tags"
    await desk.extended.remove(inode, "user.xdg.tags")
    with pytest.raises(errors.NoAttribute):
        await desk.extended.remove(inode, "user.xdg.tags")
    # What wsfs says is taken and forgotten, as a copy may bring it or take it away.
    upload = await desk.xattr(f"{REPORT}/new.txt", "user.wsfs.upload")
    await desk.extended.set(inode, "user.wsfs.upload", b"x")
    await desk.extended.set(inode, "user.worksection.id", b"x")
    await desk.extended.remove(inode, "user.wsfs.upload")
    assert await desk.xattr(f"{REPORT}/new.txt", "user.wsfs.upload") == upload
    with pytest.raises(errors.NoAttribute):
        await desk.xattr(f"{REPORT}/new.txt", "user.worksection.id")
    await desk.extended.set(inode, "user.xdg.tags", b"blue")
    await desk.flush()
    with pytest.raises(errors.NoAttribute):
        await desk.xattr(f"{REPORT}/new.txt", "user.xdg.tags")
    with pytest.raises(errors.NotSupported):
        await desk.extended.set(inode, "user.xdg.tags", b"red")
    # Saved over, it begins anew.
    await desk.save(f"{REPORT}/new.txt", b"second")
    with pytest.raises(errors.NoAttribute):
        await desk.xattr(f"{REPORT}/new.txt", "user.xdg.tags")


async def test_a_read_only_drive_takes_no_attributes(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path) as desk:
        await desk.names(REPORT)
        desk.network.unplugged = True
        await desk.write(f"{REPORT}/new.txt")
    async with mounted(emulator, tmp_path, Setup(read_only=True)) as desk:
        inode = (await desk.node(f"{REPORT}/new.txt")).inode
        with pytest.raises(errors.ReadOnly):
            await desk.extended.set(inode, "user.xdg.tags", b"red")
