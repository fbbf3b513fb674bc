"""In whose name local users post, and who can't write at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ExpectedWarnings
from tests.drive.harness import Desk, Setup, mounted
from wsfs.drive import errors
from wsfs.drive.authors import Authors, uid_of
from wsfs.drive.filesystem import Caller
from wsfs.emulator.emulator import Emulator
from wsfs.uploads.options import Options

promise = pytest.mark.promise
ANN, BOB, NOBODY = Caller(uid=1001, gid=100), Caller(uid=1002, gid=100), Caller(uid=1003, gid=100)
EMAILS = {"1001": "ann@example.com", "1002": "bob@example.com"}
REPORT = "/Office/Report"


class Users:
    """The users of a machine, and how often one was asked for."""

    def __init__(self, **known: int) -> None:
        self.known = known
        self.asked = 0
        self.time = 0.0

    def uid_of(self, name: str) -> int | None:
        self.asked += 1
        return self.known.get(name)

    def authors(self, *names: str) -> Authors:
        emails = {name: f"{name}@example.com" for name in names}
        return Authors(emails, uid_of=self.uid_of, now=lambda: self.time)


def test_users_are_known_by_name_and_number() -> None:
    assert uid_of("root") == 0
    assert uid_of("4711") == 4711
    assert uid_of("nobody-is-called-so") is None


async def test_who_is_an_author_and_who_is_not() -> None:
    users = Users(ann=1, bob=2)
    authors = users.authors("ann")
    await authors.start()
    assert (authors.email(1), authors.email(2)) == ("ann@example.com", None)
    await authors.admit(1)
    with pytest.raises(errors.Denied, match="the number 2 isn't among the authors"):
        await authors.admit(2)
    assert users.asked == 1


async def test_a_user_who_comes_later_is_looked_for_again_but_not_at_every_write(
    expected_warnings: ExpectedWarnings,
) -> None:
    expected_warnings.expect("authors names cyd")
    users = Users(ann=1)
    authors = users.authors("ann", "cyd")
    await authors.start()
    users.known["cyd"] = 3
    with pytest.raises(errors.Denied):
        await authors.admit(3)
    assert users.asked == 2
    users.time += Authors.PATIENCE
    await authors.admit(3)
    assert authors.email(3) == "cyd@example.com"
    with pytest.raises(errors.Denied):
        await authors.admit(4)
    assert users.asked == 3


async def setup() -> Setup:
    authors = Authors(EMAILS)
    await authors.start()
    return Setup(writers=authors, uploads=Options(settle=0.0, settle_again=0.0, authors=authors.email))


async def write(desk: Desk, path: str, caller: Caller) -> None:
    parent, _, name = path.rpartition("/")
    await desk.namespace.admit(caller)
    node, handle = await desk.namespace.create((await desk.node(parent)).inode, name, 0o644, caller)
    desk.drive.publisher.shown(node.inode)
    await desk.put(handle, b"by " + str(caller.uid).encode())
    await desk.close(handle)


async def mkdir(desk: Desk, path: str, caller: Caller) -> None:
    parent, _, name = path.rpartition("/")
    await desk.namespace.make_directory((await desk.node(parent)).inode, name, 0o755, caller)


def posts(emulator: Emulator) -> list[tuple[str, list[str]]]:
    """Who posted which files, comment by comment."""
    return sorted(
        (comment.user_from.email, sorted(file.name for file in comment.files))
        for task in emulator.account.tasks.values()
        for comment in task.comments
    )


@promise("With `authors` files are posted in the name of the user who wrote them, in a comment of their own.")
async def test_what_two_users_put_into_one_task_is_two_comments(emulator: Emulator, tmp_path: Path) -> None:
    for email in EMAILS.values():
        emulator.account.add_user(email.partition("@")[0].title(), email)
    async with mounted(emulator, tmp_path, await setup()) as desk:
        for number in range(3):
            await write(desk, f"{REPORT}/a{number}", ANN)
            await write(desk, f"{REPORT}/b{number}", BOB)
        await desk.flush()
    assert posts(emulator) == [
        ("ann@example.com", ["a0", "a1", "a2"]),
        ("bob@example.com", ["b0", "b1", "b2"]),
    ]


async def test_a_new_task_is_its_maker_s_and_what_others_put_there_theirs(
    emulator: Emulator, tmp_path: Path
) -> None:
    for email in EMAILS.values():
        emulator.account.add_user(email.partition("@")[0].title(), email)
    async with mounted(emulator, tmp_path, await setup()) as desk:
        await mkdir(desk, "/Office/New", ANN)
        await write(desk, "/Office/New/a", ANN)
        await write(desk, "/Office/New/b", BOB)
        await desk.flush()
    task = next(task for task in emulator.account.tasks.values() if task.name == "New")
    assert task.user_from.email == "ann@example.com"
    assert [file.name for file in task.files] == ["a"]
    assert posts(emulator) == [("bob@example.com", ["b"])]


@promise("With `authors` who isn't among them can't change anything.")
async def test_who_is_no_author_is_not_admitted(emulator: Emulator, tmp_path: Path) -> None:
    async with mounted(emulator, tmp_path, await setup()) as desk:
        with pytest.raises(errors.Denied, match="authors"):
            await desk.namespace.admit(NOBODY)
        await desk.namespace.admit(ANN)


async def test_what_was_made_before_its_author_was_taken_off_waits(
    emulator: Emulator, tmp_path: Path
) -> None:
    for email in EMAILS.values():
        emulator.account.add_user(email.partition("@")[0].title(), email)
    async with mounted(emulator, tmp_path, await setup()) as desk:
        parent = (await desk.node(REPORT)).inode
        _, handle = await desk.namespace.create(parent, "c", 0o644, NOBODY)
        await desk.put(handle, b"c")
        await desk.close(handle)
        await write(desk, f"{REPORT}/a", ANN)
        await desk.flush()
        assert posts(emulator) == [("ann@example.com", ["a"])]
        (place,) = desk.sender.status()["destinations"]
        assert "isn't among the authors" in place["files"][0]["reason"]
