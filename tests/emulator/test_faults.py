from __future__ import annotations

from typing import Any

import httpx
import pytest
import trio

from wsfs.emulator.account import Account
from wsfs.emulator.contents import Noise
from wsfs.emulator.entities import StoredFile, Task
from wsfs.emulator.faults import KINDS, Faults, parse, read

SIZE = 1_000_000


@pytest.fixture
def task(account: Account) -> Task:
    account.add_user("Taras", "taras@example.com")
    return account.add_task(account.add_project("P"), "T", files=[("a.bin", Noise(1, SIZE))])


@pytest.fixture
def file(task: Task) -> StoredFile:
    return task.files[0]


# armed and parsed


def test_a_fault_strikes_its_actions_as_often_as_it_says() -> None:
    faults = Faults()
    fault = faults.arm("reset", "get_*", 2)
    assert faults.strike("download", {}).fate is None
    assert faults.strike("get_files", {}).fate is fault
    assert faults.strike("get_task", {}).fate is fault
    assert faults.strike("get_task", {}).fate is None
    assert fault.strikes == 2
    assert fault.struck.is_set()


def test_a_fault_for_one_file_alone() -> None:
    faults = Faults()
    fault = faults.arm("hang", "download", id_file=7)
    assert faults.strike("download", {"id_file": "8"}).fate is None
    assert faults.strike("download", {"id_file": "7"}).fate is fault


def test_one_fault_decides_and_others_join() -> None:
    faults = Faults()
    slow, reset, hang = faults.arm("slow", value=10), faults.arm("reset"), faults.arm("hang")
    strike = faults.strike("download", {})
    assert strike.fate is reset
    assert strike.shape == {"slow": slow}
    faults.disarm(reset)
    assert faults.strike("download", {}).fate is hang
    faults.clear()
    assert hang.released.is_set()
    assert faults.strike("download", {}).fate is None


def test_a_share_of_the_requests() -> None:
    faults = Faults(seed=1)
    fault = faults.arm("500", share=0.2)
    for _ in range(1000):
        faults.strike("get_task", {})
    assert 150 < fault.strikes < 250


def test_parse() -> None:
    fault = parse("reset:download:2")
    assert (fault.name, fault.action, fault.count) == ("reset", "download", 2)
    fault = parse("late-commit:5:post_task:1")
    assert (fault.value, fault.action, fault.count) == (5.0, "post_task", 1)
    fault = parse("500@0.1")
    assert (fault.share, fault.action, fault.count) == (0.1, None, None)
    assert parse("429-retry-after").value == 1
    assert parse("429-json::3").count == 3


@pytest.mark.parametrize(
    "text", ["nothing", "reset:a:b", "reset:a:1:2", "500@x", "slow", "late-commit:post_task"]
)
def test_what_is_no_fault(text: str) -> None:
    with pytest.raises(ValueError, match=r"fault|NAME|number"):
        parse(text)


def test_faults_as_json() -> None:
    assert read("reset:download").action == "download"
    fault = read({"name": "hang", "count": 2, "parameters": {"id_file": 7}})
    assert (fault.count, fault.parameters) == (2, {"id_file": "7"})
    for wrong in ({"name": "nothing"}, {"name": "slow"}, {"name": "hang", "acton": "x"}):
        with pytest.raises(ValueError, match=r"fault|number"):
            read(wrong)
    with pytest.raises(TypeError):
        read(7)


# played, over HTTP


async def played(api: Any, task: Task, name: str, action: str = "post_comment", **value: Any) -> Any:
    """Arm it once, post a comment with a file or download, and return the response or the error."""
    fault = api.emulator.faults.arm(name, count=1, **value)
    try:
        if action == "download":
            return await api.get("download", id_file=task.files[0].id)
        return await api.post("post_comment", [("b (1).bin", bytes(SIZE))], "text", id_task=task.id)
    except httpx.HTTPError as error:
        return error
    finally:
        assert fault.strikes == 1


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("429", 429, "Too many requests"),
        ("429-retry-after", 429, "Too many requests"),
        ("429-json", 200, "Too many requests"),
        ("500", 500, "<html>"),
        ("garbage", 200, "<html>"),
        ("expired-token", 401, "token is expired"),
        ("denied", 200, "Access denied"),
        ("storage-full", 200, "Not enough disk space"),
        ("too-large", 413, "<html>"),
    ],
)
async def test_answers_in_place_of_the_act(api: Any, task: Task, name: str, status: int, text: str) -> None:
    response = await played(api, task, name)
    assert response.status_code == status
    assert text in response.text
    assert ("retry-after" in response.headers) == (name == "429-retry-after")
    assert task.comments == []
    assert api.emulator.requests[-1].result == f"fault {name}"
    assert (await api.get("get_projects")).status_code == 200  # the connection is still good


@pytest.mark.filterwarnings(
    "ignore:Async generator:ResourceWarning"
)  # httpx leaves the body's, cut in the middle
async def test_reset_takes_nothing(api: Any, task: Task) -> None:
    assert isinstance(await played(api, task, "reset"), httpx.TransportError)
    assert isinstance(await played(api, task, "reset", "download"), httpx.TransportError)
    assert task.comments == []


async def test_a_lost_reply_takes_all(api: Any, task: Task) -> None:
    assert isinstance(await played(api, task, "lost-reply"), httpx.TransportError)
    (comment,) = task.comments
    assert comment.files[0].size == SIZE


async def test_a_late_commit(api: Any, task: Task) -> None:
    assert isinstance(await played(api, task, "late-commit", value=0.3), httpx.TransportError)
    assert task.comments == []
    await trio.sleep(0.4)
    (comment,) = task.comments
    assert comment.files[0].content.read(0, SIZE) == bytes(SIZE)


async def test_a_late_commit_to_a_task_that_was_closed_is_lost(api: Any, task: Task) -> None:
    await played(api, task, "late-commit", value=0.1)
    api.emulator.account.close_task(task)
    await trio.sleep(0.2)
    assert task.comments == []


@pytest.mark.parametrize("name", ["truncate", "reset-body"])
async def test_half_an_answer(api: Any, task: Task, name: str) -> None:
    assert isinstance(await played(api, task, name, "download"), httpx.TransportError)
    assert api.emulator.requests[-1].sent == SIZE // 2
    assert isinstance(await played(api, task, name), httpx.TransportError)
    assert len(task.comments) == 1  # it was done


async def test_wrong_sizes(api: Any, task: Task) -> None:
    assert len((await played(api, task, "short", "download")).content) == SIZE // 2
    assert len((await played(api, task, "long", "download")).content) == SIZE + 100


@pytest.mark.parametrize("name", ["hang", "stall"])
async def test_what_hangs_goes_on_when_released(api: Any, file: StoredFile, name: str) -> None:
    fault = api.emulator.faults.arm(name, "download", id_file=file.id)
    done = trio.Event()

    async def read() -> None:
        response = await api.get("download", id_file=file.id)
        assert response.content == file.content.read(0, SIZE)
        done.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await fault.struck.wait()
        await trio.sleep(0.1)
        assert not done.is_set()
        fault.release()
        with trio.fail_after(5):
            await done.wait()


@pytest.mark.parametrize("name", ["hang", "stall"])
async def test_a_client_that_gives_up_leaves_no_trace(api: Any, file: StoredFile, name: str) -> None:
    api.emulator.faults.arm(name, "download")
    with pytest.raises(httpx.ReadTimeout):
        await api.http.get(api.admin_url("download", id_file=file.id), timeout=httpx.Timeout(20, read=0.2))
    await api.until(lambda: not api.emulator.exchanges)


async def test_others_are_served_while_twenty_hang(api: Any, account: Account, file: StoredFile) -> None:
    other = account.add_task(account.add_project("Q"), "U", files=[("b", b"b")]).files[0]
    fault = api.emulator.faults.arm("hang", "download", id_file=file.id)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(api.http.get, api.admin_url("download", id_file=file.id))
        await api.until(lambda: fault.strikes == 20)
        with trio.fail_after(5):
            assert (await api.get("download", id_file=other.id)).content == b"b"
        nursery.cancel_scope.cancel()


async def test_delay_and_slow(api: Any, task: Task) -> None:
    start = trio.current_time()
    assert (await played(api, task, "delay", value=0.3)).status_code == 200
    assert trio.current_time() - start >= 0.3
    start = trio.current_time()
    assert len((await played(api, task, "slow", "download", value=4 * SIZE)).content) == SIZE
    assert trio.current_time() - start >= 0.15


async def test_no_ranges_joins_truncate(api: Any, file: StoredFile) -> None:
    api.emulator.faults.arm("no-ranges", count=1)
    url = api.admin_url("download", id_file=file.id)
    response = await api.http.get(url, headers={"Range": "bytes=5-"})
    assert (response.status_code, len(response.content)) == (200, SIZE)
    response = await api.http.get(url, headers={"Range": "bytes=5-"})
    assert response.status_code == 206


async def test_the_service_changes_a_name(api: Any, task: Task) -> None:
    await played(api, task, "rename")
    assert task.comments[0].files[0].name == "b__1_.bin"


async def test_files_over_a_number_are_dropped_unsaid(api: Any, task: Task) -> None:
    api.emulator.faults.arm("max-files", value=2)
    files = [(f"{number}", b"x") for number in range(5)]
    response = await api.post("post_comment", files, "text", id_task=task.id)
    assert response.json()["status"] == "ok"
    assert [file.name for file in task.comments[0].files] == ["0", "1"]


async def test_a_slow_upload(api: Any, task: Task) -> None:
    start = trio.current_time()
    assert (await played(api, task, "slow-upload", value=4 * SIZE)).status_code == 200
    assert trio.current_time() - start >= 0.24
    assert task.comments[0].files[0].size == SIZE


async def test_a_rival_with_the_same_name_and_size(api: Any, task: Task) -> None:
    await played(api, task, "rival")
    rival, ours = task.comments
    assert rival.user_from is not ours.user_from
    (theirs,), (own,) = rival.files, ours.files
    assert (theirs.name, theirs.size) == (own.name, own.size)
    assert theirs.content.sha256() != own.content.sha256()


def test_every_kind_of_fault_is_played_here() -> None:
    played_here = """429 429-retry-after 429-json 500 garbage expired-token denied storage-full too-large reset
        lost-reply late-commit truncate reset-body short long hang stall delay slow no-ranges rename rival
        max-files slow-upload"""
    assert set(KINDS) == set(played_here.split())
