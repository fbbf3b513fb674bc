"""kill -9 at random moments: what was recorded is right and is not fetched again, the rest is fetched."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

from wsfs.api.pacing import Lane
from wsfs.content.cache import Cache
from wsfs.content.fetch import Content

from .downloader import SIZES
from .fakes import FakeServer, content
from .test_cache import disk_usage

ROOT = Path(__file__).resolve().parents[2]


def run_and_kill(directory: Path, limit: int, seed: int, after: float) -> bool:
    """Let a downloader run for a while; whether it was still running when it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.content.downloader", str(directory), str(limit), str(seed)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(after)
        os.kill(process.pid, signal.SIGKILL)
        return process.wait() == -signal.SIGKILL


async def check(directory: Path, limit: int) -> tuple[int, int]:
    """Open what a dead process left and read everything; (bytes found recorded, bytes fetched)."""
    assert disk_usage(directory) <= limit
    server = FakeServer(dict(SIZES))
    async with Cache(directory, limit, floor=0) as cache, trio.open_nursery() as nursery:
        contents = Content(cache, server.download, nursery)
        recorded = 0
        found = {}
        for file_id, size in SIZES.items():
            entry = cache.find(file_id, size)
            if entry is not None:
                recorded += entry.present.total
                found[file_id] = entry.complete
                for start, end in entry.present:
                    assert cache.read(entry, start, end - start) == content(file_id, start, end), file_id
        for file_id in sorted(SIZES, key=lambda file_id: file_id not in found):
            reader = contents.open(file_id, SIZES[file_id], Lane.PERSON)
            assert await reader.read(0, SIZES[file_id]) == content(file_id, 0, SIZES[file_id])
            reader.close()
        if limit > 2 * sum(SIZES.values()):
            assert not {file_id for file_id, complete in found.items() if complete} & {
                file_id for file_id, _, _ in server.requests
            }
    return recorded, server.sent


@pytest.mark.parametrize("limit", [100 << 20, 4 << 20])
def test_what_was_recorded_is_right_after_kill(tmp_path: Path, limit: int) -> None:
    chance = random.Random(limit)
    total = sum(SIZES.values())
    killed = seen = 0
    for seed in range(5):
        directory = tmp_path / str(seed)
        killed += run_and_kill(directory, limit, seed, chance.uniform(0.1, 0.7))
        killed += run_and_kill(directory, limit, seed + 100, chance.uniform(0.1, 0.5))
        recorded, fetched = trio.run(check, directory, limit)
        seen += recorded
        if limit > 2 * total:
            assert recorded + fetched == total
    assert killed > 0 and seen > 0
