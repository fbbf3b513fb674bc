"""The sender, with a spool on disk, over a service and a drive in memory."""

from __future__ import annotations

from trio.testing import MockClock

from .fakes import TASK, TASK_ID, World


async def test_files_copied_together_are_one_comment(world: World, mock_clock: MockClock) -> None:
    async with world.running():
        for number in range(20):
            await world.write(TASK, f"photo {number:02}.jpg", bytes([number]) * 10)
        await world.wait(2.9)
        assert world.service.requests == []
        await world.wait(1)
        assert world.service.requests == ["get_files", "post_comment", "get_files"]
        names = tuple(f"photo {number:02}.jpg" for number in range(20))
        assert world.service.posts == [("post_comment", "\n".join(names), names)]
        assert not world.spool.nodes
        [batch] = world.drive.batches
        assert batch.task_id == TASK_ID
        assert [file.name for file in batch.files.values()] == list(names)
        assert not list((world.directory / "content").iterdir())
