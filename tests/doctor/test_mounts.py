from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wsfs import __version__
from wsfs.doctor import State, thumbnails
from wsfs.doctor.mounts import check_mount

FINE = {
    "mountpoint": "/mnt",
    "login": {"state": "good"},
    "account_known": {"mode": "events"},
    "uploads": {"attention": 0},
    "version": __version__,
}


@pytest.mark.parametrize(
    ("changed", "state", "cure"),
    [
        ({}, State.GOOD, ""),
        ({"login": {"state": "log in again"}}, State.BAD, "wsfs login"),
        ({"account_known": {"mode": "offline", "error": "no network"}}, State.BAD, "network"),
        ({"uploads": {"attention": 2}}, State.BAD, "wsfs uploads"),
        ({"version": "0.0.1"}, State.NOTE, "wsfs umount /mnt"),
        (
            {"error": "its process is gone; `wsfs umount /mnt` clears it"},
            State.BAD,
            "`wsfs umount /mnt` clears it",
        ),
        ({"error": "busy"}, State.BAD, "wsfs log"),
        ({"login": None, "account_known": 3}, State.GOOD, ""),
    ],
)
def test_what_a_drive_complains_of(changed: dict[str, Any], state: State, cure: str) -> None:
    (found,) = check_mount(FINE | changed)
    assert (found.state, cure in found.cure, found.check) == (state, True, "drive at /mnt")


RC = "[JPEG]\nDisabled=false\nExcludes={0}\n[Cover]\nDisabled=true\nExcludes=\n[Pixbuf]\nExcludes={0}\n"


def test_the_thumbnailer_leaves_the_drive_alone_or_not() -> None:
    place = Path("/home/ann/Worksection")

    def check(text: str | None, *places: Path) -> State:
        return thumbnails.check_tumbler(places, text).state

    assert check(None, place) is State.GOOD
    assert check(RC.format("")) is State.GOOD  # nothing is mounted
    assert check(RC.format(""), place) is State.NOTE
    assert check(RC.format("/tmp;/home/ann/Worksection"), place) is State.GOOD
    assert check(RC.format("/home/ann"), place) is State.GOOD
    assert check(RC.format("/home/ann/Work"), place) is State.NOTE
    assert check(RC.format(str(place)), place, Path("/mnt")) is State.NOTE
    assert check("no sections at all", place) is State.NOTE


def test_the_offer_names_the_drives() -> None:
    found = thumbnails.check_tumbler([Path("/a"), Path("/b")], RC.format("/a"))
    assert found.cure.endswith("`wsfs desktop thumbnails off /b`")
