"""The names of thumbnailers as they were seen: a thread's own, cut at 15 characters."""

from __future__ import annotations

import pytest

from wsfs.api.pacing import Lane
from wsfs.fuse.callers import _lane_of_name


@pytest.mark.parametrize("name", ["pool-tumblerd", "gdk-pixbuf-thum", "evince-thumbnai", "ffmpegthumbnail"])
def test_thumbnailers(name: str) -> None:
    assert len(name) <= 15
    assert _lane_of_name(f"{name}\n".encode()) is Lane.BACKGROUND


@pytest.mark.parametrize(
    "name", ["loader", "thunar", "Thunar", "nautilus", "pcmanfm", "nemo", "rsync", "cp", "evince"]
)
def test_file_managers_and_viewers_are_people(name: str) -> None:
    assert _lane_of_name(f"{name}\n".encode()) is Lane.PERSON
