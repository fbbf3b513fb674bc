"""Posts in the names of several local users: whose is whose, who waits, and what the author tells an inquiry."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.conftest import ExpectedWarnings
from wsfs.api import errors as api
from wsfs.uploads.journal import Journal
from wsfs.uploads.options import Options
from wsfs.uploads.states import State

from .fakes import OTHER_TASK, PROJECT, TASK, TASK_ID, World, state

LOST = api.ConnectionBroken()
ANN, BOB, CYD = 1001, 1002, 1003
EMAILS = {ANN: "ann@example.org", BOB: "bob@example.org"}


@pytest.fixture
def shared(tmp_path: Path, mock_clock: MockClock) -> World:
    """A spool that Ann and Bob write to; Cyd is no author."""
    return World(tmp_path, mock_clock, Options(authors=EMAILS.get))


def emails(world: World) -> list[object]:
    return [arguments["email_user_from"] for arguments in world.service.arguments]


async def test_files_of_two_users_are_two_batches(shared: World, mock_clock: MockClock) -> None:
    async with shared.running():
        for name, uid in (("a", ANN), ("b", BOB), ("c", ANN), ("d", BOB)):
            await shared.write(TASK, name, uid=uid)
        await shared.wait(5)
        assert [post[2] for post in shared.service.posts] == [("a", "c"), ("b", "d")]
        assert emails(shared) == ["ann@example.org", "bob@example.org"]
        assert not shared.spool.nodes


async def test_files_of_one_user_are_one_batch_whatever_order_they_came_in(
    shared: World, mock_clock: MockClock
) -> None:
    async with shared.running():
        for number in range(10):
            await shared.write(TASK, f"{number}", uid=ANN)
            await shared.write(OTHER_TASK, f"{number}", uid=BOB)
        await shared.wait(5)
        assert [len(post[2]) for post in shared.service.posts] == [10, 10]


async def test_a_directory_is_its_maker_s(shared: World, mock_clock: MockClock) -> None:
    async with shared.running():
        folder = await shared.spool.mkdir(PROJECT, "New", 0o755, BOB, 0)
        await shared.write(folder.inode, "a", uid=ANN)
        await shared.write(folder.inode, "b", uid=BOB)
        await shared.wait(10)
        assert shared.service.posts == [("post_task", "New", ("b",)), ("post_comment", "a", ("a",))]
        assert emails(shared) == ["bob@example.org", "ann@example.org"]
        assert not shared.spool.nodes


async def test_the_first_file_on_a_project_makes_the_drop_task_in_its_writer_s_name(
    shared: World, mock_clock: MockClock
) -> None:
    async with shared.running():
        await shared.write(PROJECT, "a", uid=BOB)
        await shared.write(PROJECT, "b", uid=ANN)
        await shared.wait(10)
        assert shared.service.posts == [("post_task", "Project files", ("b",))] or emails(shared) == [
            "bob@example.org",
            "ann@example.org",
        ]
        assert sorted(name for post in shared.service.posts for name in post[2]) == ["a", "b"]


async def test_who_is_no_author_waits_until_somebody_does_something(
    shared: World, mock_clock: MockClock
) -> None:
    async with shared.running(), trio.open_nursery() as nursery:
        node = await shared.write(TASK, "c", uid=CYD)
        folder = await shared.spool.mkdir(TASK, "New", 0o755, CYD, 0)
        inside = await shared.write(folder.inode, "a", uid=ANN)
        nursery.start_soon(shared.sender.flush)
        await shared.wait(3600)
        assert shared.service.posts == []
        assert state(node) is state(inside) is State.SETTLING
        files = [file for place in shared.sender.status()["destinations"] for file in place["files"]]
        assert len(files) == 2
        assert all("isn't among the authors" in file["reason"] for file in files)


async def test_an_email_that_nobody_has_is_told_and_can_be_mended(
    shared: World, mock_clock: MockClock, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("Worksection doesn't take a")
    shared.service.fail("post_comment", api.InvalidValue("Value is invalid: email_user_from", status_code=11))
    async with shared.running():
        node = await shared.write(TASK, "a", uid=ANN)
        await shared.write(TASK, "b", uid=BOB)
        await shared.wait(10)
        assert state(node) is State.QUARANTINED
        assert (node.error or "").startswith("Worksection has no user ann@example.org")
        assert [post[2] for post in shared.service.posts] == [("b",)]
    again = shared.again()
    again.options = Options(authors={ANN: "anna@example.org"}.get)
    again = again.again()
    async with again.running():
        await again.spool.retry(node.inode)
        await again.wait(10)
    assert emails(again)[-1] == "anna@example.org"
    assert not again.spool.nodes


# The inquiry


async def test_of_two_comments_with_the_same_bytes_the_author_s_is_ours(
    shared: World, mock_clock: MockClock
) -> None:
    shared.service.fail("post_comment", api.OutcomeUnknown(LOST))
    async with shared.running():
        node = await shared.write(TASK, "a", uid=BOB)
        await shared.wait(5)
        shared.service.add_comment(TASK_ID, ("a", b"content"), email="ann@example.org")
        [ours] = shared.service.add_comment(TASK_ID, ("a", b"content"), email="Bob@Example.org")
        shared.service.add_comment(TASK_ID, ("a", b"content"))
        await shared.wait(100)
        assert shared.service.posts == []
        assert shared.drive.files[node.inode].id == ours.id
        assert not shared.spool.nodes


async def test_two_of_the_author_s_own_are_for_a_person(
    shared: World, mock_clock: MockClock, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("Nobody knows whether a arrived")
    shared.service.fail("post_comment", api.OutcomeUnknown(LOST))
    async with shared.running():
        node = await shared.write(TASK, "a", uid=BOB)
        await shared.wait(5)
        for email in ("bob@example.org", "bob@example.org", "ann@example.org"):
            shared.service.add_comment(TASK_ID, ("a", b"content"), email=email)
        await shared.wait(100)
        assert (state(node), node.uncertain) == (State.QUARANTINED, True)
        assert shared.service.posts == []


async def test_the_author_is_the_one_it_was_sent_as_whatever_the_options_say_now(
    shared: World, mock_clock: MockClock
) -> None:
    """The name is written down with the batch: a start with other authors must not look for another's comment."""
    shared.service.hold = trio.Event()
    async with shared.running():
        node = await shared.write(TASK, "a", uid=BOB)
        await shared.wait(3.5)
        await shared.crash()
    shared.service.hold = None
    shared.service.add_comment(TASK_ID, ("a", b"content"), email="ann@example.org")
    [ours] = shared.service.add_comment(TASK_ID, ("a", b"content"), email="bob@example.org")
    shared.options = Options(author="ann@example.org")
    again = shared.again()
    async with again.running():
        await again.wait(10)
        assert again.drive.files[node.inode].id == ours.id
    assert again.service.posts == []


async def test_a_lost_answer_is_found_by_its_author_alone_without_a_download(
    shared: World, mock_clock: MockClock
) -> None:
    shared.service.lost.append(LOST)
    async with shared.running():
        await shared.write(TASK, "a", uid=ANN)
        await shared.wait(5)
        assert "download" not in shared.service.requests
        assert len(shared.service.posts) == 1
        assert not shared.spool.nodes


# The journal


async def test_a_journal_of_before_there_were_authors_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    await journal.open()
    await journal.close()
    database = sqlite3.connect(path)
    database.execute("alter table batches drop column author")
    database.execute("insert into batches values (1, 'comment', 10, 20, null, 0, '[5]', 7)")
    database.commit()
    database.close()
    journal = Journal(path)
    stored = await journal.open()
    await journal.close()
    [batch] = stored.batches
    assert (batch.id, batch.known, batch.result, batch.author) == (1, frozenset({5}), 7, None)
