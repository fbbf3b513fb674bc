"""The plan: what goes, what waits, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from wsfs.uploads.batch import LOOK_AGAIN, Circumstances, Plan, Planned, plan, root_of
from wsfs.uploads.hooks import Destination, ProjectDestination, RootDestination, TaskDestination
from wsfs.uploads.nodes import Spooled
from wsfs.uploads.options import Options
from wsfs.uploads.states import State

TASK, PROJECT, ROOT, NOWHERE = 82, 41, 1, 99
PLACES: Mapping[int, Destination] = {
    TASK: TaskDestination(20, 10),
    PROJECT: ProjectDestination(10),
    ROOT: RootDestination(),
}
NOW = 10_000.0


class Picture:
    """A spool drawn by hand: files and directories with the time since they last changed."""

    def __init__(self, **options: object) -> None:
        self.nodes: dict[int, Spooled] = {}
        self.options = Options(**options)  # type: ignore[arg-type]
        self.around = Circumstances(
            now=NOW, destination=PLACES.get, sent_lately=lambda parent, name: (parent, name) in self.lately
        )
        self.lately: set[tuple[int, str]] = set()

    def add(
        self,
        name: str,
        parent: int = TASK,
        *,
        quiet: float = 3.5,
        waiting: float | None = None,
        size: int = 10,
        state: State = State.SETTLING,
        is_dir: bool = False,
        writers: int = 0,
        forced: bool = False,
        released: bool = False,
        named: bool = False,
        born: float = 1000.0,
    ) -> int:
        inode = 2**48 + len(self.nodes)
        self.nodes[inode] = Spooled(
            inode=inode,
            parent=parent,
            name=name,
            is_dir=is_dir,
            state=state,
            mode=0o644,
            uid=0,
            gid=0,
            atime_ns=0,
            mtime_ns=0,
            ctime_ns=0,
            size=size,
            writers=writers,
            forced=forced,
            released=released,
            named=named,
            born=NOW - min(born, NOW),
            quiet_since=NOW - quiet,
            waiting_since=NOW - (quiet if waiting is None else waiting),
        )
        return inode

    def folder(self, name: str, parent: int = PROJECT, **more: object) -> int:
        return self.add(name, parent, is_dir=True, **more)  # type: ignore[arg-type]

    def plan(self, **around: object) -> Plan:
        return plan(self.nodes, self.options, dataclasses.replace(self.around, **around))  # type: ignore[arg-type]

    def sent(self, **around: object) -> list[tuple[str, ...]]:
        """The batches as (kind, directory's name or "", files' names …)."""
        return [self.named(batch) for batch in self.plan(**around).batches]

    def named(self, batch: Planned) -> tuple[str, ...]:
        directory = "" if batch.directory is None else self.nodes[batch.directory].name
        return (batch.kind, directory, *(self.nodes[inode].name for inode in batch.files))

    def reason(self, inode: int, **around: object) -> str:
        return self.plan(**around).held[inode].reason


@pytest.fixture
def picture() -> Picture:
    return Picture()


def test_still_files_of_one_task_are_one_comment(picture: Picture) -> None:
    picture.add("a")
    picture.add("b", quiet=100)
    assert picture.sent() == [("comment", "", "a", "b")]


def test_many_files_are_looked_at_again_once_when_all_may_be_still(picture: Picture) -> None:
    """A look a file, as the settle time of each ended, kept the whole drive waiting while many were copied."""
    for number in range(100):
        picture.add(f"{number}", quiet=number / 50)
    assert picture.plan().wake == NOW + 3


def test_beside_a_file_that_is_being_written_it_is_looked_again_when_that_may_no_longer_hold_others(
    picture: Picture,
) -> None:
    picture.add("large", state=State.OPEN, writers=1)
    picture.add("a", quiet=1, waiting=50)
    picture.add("b", quiet=2.5, waiting=59)
    picture.add("c", quiet=0.5, waiting=59.5)
    assert picture.plan().wake == NOW + 1  # b has waited for the longest time by then, and is still


def test_a_file_settles_for_the_settle_time(picture: Picture) -> None:
    inode = picture.add("a", quiet=2)
    result = picture.plan()
    assert result.batches == []
    assert result.held[inode].reason == "it settles"
    assert result.wake == NOW + 1


def test_a_file_waits_for_those_that_are_copied_beside_it(picture: Picture) -> None:
    early = picture.add("a", quiet=20)
    picture.add("b", quiet=1)
    assert picture.reason(early) == "other files are being copied beside it"
    assert picture.plan().wake == NOW + 2


def test_a_copy_that_goes_on_is_waited_for(picture: Picture) -> None:
    picture.add("a", quiet=20)
    picture.add("b", state=State.OPEN, writers=1, quiet=30)
    result = picture.plan()
    assert result.batches == []
    assert result.wake == NOW + 40


def test_what_is_copied_elsewhere_is_not_waited_for(picture: Picture) -> None:
    picture.add("a")
    picture.add("b", parent=PROJECT, state=State.OPEN, writers=1)
    assert picture.sent() == [("comment", "", "a")]


def test_nothing_waits_longer_than_a_minute_for_others(picture: Picture) -> None:
    picture.add("a", quiet=60)
    picture.add("b", quiet=1)
    picture.add("c", state=State.OPEN, writers=1)
    assert picture.sent() == [("comment", "", "a")]


def test_an_editors_lock_that_is_held_open_is_no_copy(picture: Picture) -> None:
    picture.add("a")
    picture.add(".b.swp", state=State.OPEN, writers=1, quiet=0)
    assert picture.sent() == [("comment", "", "a")]


def test_a_temporary_file_that_grows_is_waited_for(picture: Picture) -> None:
    picture.add("a")
    picture.add(".b.Ab12Cd", state=State.OPEN, writers=1)
    assert picture.sent() == []


def test_noise_is_never_planned(picture: Picture) -> None:
    picture.add(".DS_Store", state=State.LOCAL)
    picture.add("a.part", state=State.LOCAL)
    assert picture.sent() == []
    assert picture.plan().wake is None


@pytest.mark.parametrize("state", [State.INTERRUPTED, State.QUARANTINED, State.SENDING, State.SENT])
def test_what_is_not_settling_is_not_planned(picture: Picture, state: State) -> None:
    picture.add("a", state=state)
    picture.add("b")
    assert picture.sent() == [("comment", "", "b")]


def test_an_empty_file_waits_ten_minutes(picture: Picture) -> None:
    inode = picture.add("a", size=0, quiet=599)
    result = picture.plan()
    assert result.held[inode].reason == "it is empty"
    assert result.wake == NOW + 1
    picture.nodes[inode].quiet_since -= 1
    assert picture.sent() == [("comment", "", "a")]


def test_an_empty_file_waits_for_the_download_beside_it(picture: Picture) -> None:
    inode = picture.add("movie.mp4", size=0, quiet=5000)
    picture.add("movie.xKq3.mp4.part", state=State.LOCAL, quiet=5000)
    assert "a download" in picture.reason(inode)
    picture.nodes[inode].forced = True
    assert picture.sent() == [("comment", "", "movie.mp4")]


@pytest.mark.parametrize("lock", [".~lock.a.odt#", ".a.odt.swp", "~$a.odt"])
def test_a_lock_holds_its_document_for_twelve_hours(picture: Picture, lock: str) -> None:
    inode = picture.add("a.odt")
    picture.add("b.odt")
    picture.add(lock, state=State.LOCAL, born=100)
    assert picture.sent() == [("comment", "", "b.odt")]
    assert picture.plan().wake == NOW - 100 + 12 * 3600
    later = {"now": NOW - 100 + 12 * 3600}
    assert picture.sent(**later) == [("comment", "", "a.odt", "b.odt")]
    picture.nodes[inode].forced = True
    assert picture.sent() == [("comment", "", "a.odt", "b.odt")]


def test_a_lock_in_another_directory_holds_nothing(picture: Picture) -> None:
    picture.add("a.odt")
    picture.add(".~lock.a.odt#", parent=PROJECT, state=State.LOCAL)
    assert picture.sent() == [("comment", "", "a.odt")]


def test_a_file_open_for_writing_waits_and_nothing_else_does(picture: Picture) -> None:
    inode = picture.add("a", writers=1, forced=True)
    picture.add("b")
    assert picture.sent() == [("comment", "", "b")]
    assert picture.plan().held[inode].firm


def test_a_later_save_settles_for_a_minute_and_holds_nobody_up(picture: Picture) -> None:
    inode = picture.add("a", quiet=20)
    picture.add("b", quiet=4)
    picture.lately.add((TASK, "a"))
    assert picture.sent() == [("comment", "", "b")]
    assert picture.reason(inode) == "it settles"
    picture.nodes[inode].quiet_since = picture.nodes[inode].waiting_since = NOW - 60
    assert picture.sent() == [("comment", "", "a", "b")]


def test_a_flush_overrides_the_settling_of_what_it_names(picture: Picture) -> None:
    picture.add("a", quiet=0, forced=True)
    picture.add("b", quiet=0)
    picture.add("c", state=State.OPEN, writers=1)
    assert picture.sent() == [("comment", "", "a")]


def test_a_new_directory_with_files_is_one_task(picture: Picture) -> None:
    folder = picture.folder("Plans")
    picture.add("a", parent=folder)
    picture.add("b", parent=folder)
    picture.add("c", parent=PROJECT)
    assert picture.sent() == [("comment", "", "c"), ("task", "Plans", "a", "b")]


def test_a_directory_without_a_settled_file_is_not_made(picture: Picture) -> None:
    picture.folder("Empty")
    folder = picture.folder("Noise")
    picture.add(".DS_Store", parent=folder, state=State.LOCAL)
    folder = picture.folder("Interrupted")
    picture.add("a", parent=folder, state=State.INTERRUPTED)
    assert picture.sent() == []


def test_a_parent_is_made_before_what_lies_in_it(picture: Picture) -> None:
    top = picture.folder("Top")
    middle = picture.folder("Middle", top)
    picture.add("a", parent=middle)
    picture.folder("Beside", top)
    assert picture.sent() == [("task", "Top")]
    # Once it is made it is no longer in the spool, and its inode leads to the task.
    del picture.nodes[top]
    assert picture.sent(destination={top: TaskDestination(30, 10)}.get) == [("task", "Middle", "a")]


def test_a_directory_in_the_root_is_a_project_and_a_file_stays(picture: Picture) -> None:
    folder = picture.folder("New", ROOT)
    picture.add("a", parent=folder)
    stray = picture.add("b", parent=ROOT)
    assert picture.sent() == [("project", "New", "a")]
    assert picture.plan().held[stray].firm


def test_a_directory_with_a_file_managers_name_waits_for_another(picture: Picture) -> None:
    folder = picture.folder("Untitled Folder")
    inode = picture.add("a", parent=picture.folder("Inside", folder), forced=True)
    assert picture.sent() == []
    assert picture.plan().held[inode].firm
    picture.nodes[folder].named = True
    assert picture.sent() == [("task", "Untitled Folder")]


@pytest.mark.parametrize("state", [State.LOCAL, State.QUARANTINED, State.SENDING])
def test_a_file_waits_for_its_directory(picture: Picture, state: State) -> None:
    folder = picture.folder("Plans", state=state)
    inode = picture.add("a", parent=folder)
    assert picture.sent() == []
    assert inode in picture.plan().held


def test_a_file_in_a_directory_that_is_gone_waits(picture: Picture) -> None:
    inode = picture.add("a", parent=NOWHERE)
    assert picture.plan().held[inode].firm
    assert picture.plan().wake == NOW + LOOK_AGAIN


def test_a_copy_deep_in_a_new_directory_is_waited_for(picture: Picture) -> None:
    folder = picture.folder("Plans")
    picture.add("a", parent=folder)
    picture.add("b", parent=picture.folder("Deeper", folder), state=State.OPEN, writers=1)
    assert picture.sent() == []


def test_ten_new_tasks_go_and_more_are_held_whole() -> None:
    picture = Picture()
    for number in range(10):
        picture.add("a", parent=picture.folder(f"Folder {number}"))
    assert len(picture.sent()) == 10
    last = picture.add("a", parent=picture.folder("Folder 10"))
    picture.add("loose", parent=PROJECT)
    assert picture.sent() == [("comment", "", "loose")]
    assert picture.plan().held[last].firm
    assert "wsfs uploads send" in picture.reason(last)


def test_tasks_made_lately_count_too() -> None:
    picture = Picture()
    picture.add("a", parent=picture.folder("One"))
    assert len(picture.sent(made={PROJECT: 9})) == 1
    assert picture.sent(made={PROJECT: 10}) == []
    assert len(picture.sent(made={TASK: 10})) == 1


def test_directories_that_are_still_being_filled_count_too() -> None:
    picture = Picture()
    for number in range(11):
        picture.add("a", parent=picture.folder(f"Folder {number}"), quiet=61 if number < 5 else 1)
    assert picture.sent() == []


def test_what_a_person_let_go_is_not_held() -> None:
    picture = Picture(hold_tasks=1)
    top = picture.folder("Top", released=True)
    picture.add("a", parent=picture.folder("Inside", top))
    picture.add("a", parent=picture.folder("Also inside", top))
    assert picture.sent() == [("task", "Top")]


def test_a_request_carries_so_many_files_and_bytes() -> None:
    picture = Picture(most_files=3, most_bytes=100)
    for number in range(4):
        picture.add(f"f{number}", size=10)
    picture.add("large", size=90)
    picture.add("huge", size=1000)
    picture.add("small", size=1)
    assert picture.sent() == [
        ("comment", "", "f0", "f1", "f2"),
        ("comment", "", "f3", "large"),
        ("comment", "", "huge"),
        ("comment", "", "small"),
    ]


def test_a_directory_takes_what_one_request_carries_and_the_rest_follows() -> None:
    picture = Picture(most_files=2)
    folder = picture.folder("Plans")
    for number in range(5):
        picture.add(f"f{number}", parent=folder)
    assert picture.sent() == [("task", "Plans", "f0", "f1")]


def test_a_file_that_has_to_go_alone_does(picture: Picture) -> None:
    picture.add("a")
    middle = picture.add("b")
    picture.add("c")
    assert [batch[2:] for batch in picture.sent(alone={middle})] == [("a",), ("b",), ("c",)]


def test_a_resting_destination_waits_and_says_why(picture: Picture) -> None:
    inode = picture.add("a", forced=True)
    result = picture.plan(resting={TASK: (NOW + 5, "the network is gone")})
    assert result.batches == []
    assert result.held[inode].reason == "the network is gone"
    assert not result.held[inode].firm
    assert result.wake == NOW + 5


def test_planning_changes_nothing(picture: Picture) -> None:
    picture.add("a", parent=picture.folder("Plans"))
    before = {inode: dataclasses.asdict(node) for inode, node in picture.nodes.items()}
    picture.plan()
    assert {inode: dataclasses.asdict(node) for inode, node in picture.nodes.items()} == before


def test_the_root_of_a_node_is_the_servers_directory_above_it(picture: Picture) -> None:
    top = picture.folder("Top")
    inode = picture.add("a", parent=picture.folder("Inside", top))
    assert root_of(picture.nodes, picture.nodes[inode]) == PROJECT
    assert root_of(picture.nodes, picture.nodes[top]) == PROJECT
