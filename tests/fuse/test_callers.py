"""Who is a person, and who reads everything on its own account."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from wsfs.api.pacing import Lane
from wsfs.fuse.callers import lane_of_process


@contextmanager
def process_called(name: bytes) -> Iterator[int]:
    script = f"import ctypes; ctypes.CDLL(None).prctl(15, {name!r}, 0, 0, 0); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


@pytest.mark.parametrize(
    "name",
    [
        b"tumblerd",
        b"pool-tumblerd",
        b"localsearch-3",
        b"tracker-miner-f",
        b"updatedb",
        b"baloo_file",
        b"gnome-thumbnail",
    ],
)
def test_indexers_and_thumbnailers_are_background(name: bytes) -> None:
    with process_called(name) as pid:
        assert lane_of_process(pid) is Lane.BACKGROUND


@pytest.mark.parametrize("name", [b"bash", b"Thunar", b"soffice.bin", b"caf\xe9", b"cat"])
def test_others_are_people(name: bytes) -> None:
    with process_called(name) as pid:
        assert lane_of_process(pid) is Lane.PERSON


def test_who_is_unknown_or_gone_is_a_person() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert lane_of_process(process.pid) is Lane.PERSON
    assert lane_of_process(0) is Lane.PERSON
