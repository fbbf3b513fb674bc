"""What a directory costs to fill, in waits and in requests."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.drive.harness import Desk, mounted
from wsfs.api.errors import Unreachable
from wsfs.api.pacing import Lane
from wsfs.emulator.emulator import Emulator
from wsfs.tree.nodes import Owner


def actions(desk: Desk) -> list[str]:
    return [seen.action for seen in desk.emulator.requests if seen.action != "get_events"]


async def test_a_project_s_tasks_and_own_files_are_asked_for_at_one_time(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mounted(emulator, tmp_path) as desk:
        await desk.names()
        files_too = trio.Event()
        need_tasks, need_files = desk.catalog.need_tasks, desk.catalog.need_files

        async def tasks(project_id: int, lane: Lane) -> None:
            with trio.fail_after(10):
                await files_too.wait()
            await need_tasks(project_id, lane)

        async def files(owner: Owner, lane: Lane) -> None:
            files_too.set()
            await need_files(owner, lane)

        monkeypatch.setattr(desk.catalog, "need_tasks", tasks)
        monkeypatch.setattr(desk.catalog, "need_files", files)
        assert "Report" in await desk.names("/Office")
        assert sorted(actions(desk)) == ["get_all_tasks", "get_files", "get_projects"]
        await desk.names("/Office")
        assert len(actions(desk)) == 3


async def test_without_the_network_the_first_look_at_a_project_fails_as_one_error(
    emulator: Emulator, tmp_path: Path
) -> None:
    async with mounted(emulator, tmp_path) as desk:
        await desk.names()
        desk.network.unplugged = True
        with pytest.raises(Unreachable):
            await desk.names("/Office")
        desk.network.unplugged = False
