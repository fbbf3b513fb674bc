"""That memory which is freed and taken again costs no page faults, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from wsfs import allocator

WORK = """
import resource, sys
from wsfs import allocator

if sys.argv[1] == "kept":
    assert allocator.keep_freed()

def faults(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        held = [b"x" * (1 << 20) for _ in range(8)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults(5)
print(faults(20))
"""
PAGES = 20 * 8 * 256


def faults(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", WORK, how], capture_output=True, check=True).stdout)


def test_what_is_freed_is_kept() -> None:
    assert faults("kept") < PAGES / 50
    assert faults("as it is") > PAGES / 2, (
        "the C library keeps it by itself: the module isn't needed any more"
    )


def test_without_glibc_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert allocator.keep_freed() is False
