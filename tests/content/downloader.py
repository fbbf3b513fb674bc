"""A process that fetches and reads attachments for as long as it lives; test_crash.py kills it.

Arguments: the cache's directory, its limit, the seed of the order. It says `ready` once it has begun.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import trio

from wsfs.api.pacing import Lane
from wsfs.content.cache import Cache
from wsfs.content.fetch import Content

from .fakes import FakeServer, content

SIZES = {file_id: (file_id * 48_271) % 300_000 + 1 for file_id in range(1, 101)}


async def main(directory: Path, limit: int, seed: int) -> None:
    server = FakeServer(dict(SIZES), chunk=8192, rate=400_000.0)

    async def read(file_id: int) -> None:
        size = SIZES[file_id]
        reader = contents.open(file_id, size, Lane.PERSON)
        for offset in range(0, size, 40_000):
            data = await reader.read(offset, 40_000)
            assert data == content(file_id, offset, offset + len(data)), file_id
        reader.close()

    async with (
        Cache(directory, limit, floor=0, step=16_384, pause=0.0) as cache,
        trio.open_nursery() as nursery,
    ):
        contents = Content(cache, server.download, nursery)
        order = list(SIZES)
        random.Random(seed).shuffle(order)
        print("ready", flush=True)
        for file_id in order:
            nursery.start_soon(read, file_id)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
