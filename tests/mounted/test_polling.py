"""That pyfuse3 does wait as `wsfs.fuse.polling` has it, on a mount of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.mounted.drives import eventually

SERVE = """
import sys
import pyfuse3, trio
from tests.benchmarks.floor import Floor
from wsfs.fuse import polling

waits = 0

class Counted(polling.Poller):
    async def wait_readable(self, fd):
        global waits
        waits += 1
        await super().wait_readable(fd)

polling.Poller = Counted
polling.install()
pyfuse3.init(Floor(sys.argv[1]), sys.argv[2], {*pyfuse3.default_options, "fsname=polled"})
try:
    trio.run(pyfuse3.main)
finally:
    pyfuse3.close()
    print(waits)
"""


def test_each_request_is_waited_for_so(tmp_path: Path) -> None:
    source, place = tmp_path / "source", tmp_path / "place"
    for directory in (source, place):
        directory.mkdir()
    for number in range(100):
        (source / str(number)).write_bytes(b"%d" % number)
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, source, place], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    try:
        eventually(lambda: os.path.ismount(place), "it is mounted")
        with subprocess.Popen(["cat", *(place / str(number) for number in range(100))], stdout=-1) as beside:
            for number in range(100):
                assert (place / str(number)).read_bytes() == b"%d" % number
            assert beside.communicate()[0] == b"".join(b"%d" % number for number in range(100))
    finally:
        subprocess.run(["fusermount3", "-u", place], check=True)
        try:
            out, _ = server.communicate(timeout=10)
        finally:
            server.send_signal(signal.SIGKILL)
    assert int(out) > 100 * len(("OPEN", "FLUSH", "RELEASE")) * 2
