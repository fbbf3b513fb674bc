from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsfs import logplace

USER = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-wsfs.slice/wsfs@acme.service\n"
SYSTEM = "0::/system.slice/wsfs.service\n"


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    root = logging.getLogger()
    kept = root.handlers[:]
    root.handlers.clear()
    yield
    root.handlers[:] = kept


def test_a_file(tmp_path: Path) -> None:
    handler = logging.FileHandler(tmp_path / "wsfs.log")
    logging.getLogger().addHandler(handler)
    assert logplace.where() == {"to": "file", "path": str(tmp_path / "wsfs.log")}
    handler.close()


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        (USER, {"unit": "wsfs@acme.service", "manager": "user"}),
        (SYSTEM, {"unit": "wsfs.service", "manager": "system"}),
        ("0::/\n", {}),
        ("", {}),
        (None, {}),
    ],
)
def test_the_journal(tmp_path: Path, cgroup: str | None, unit: dict[str, str]) -> None:
    if cgroup is not None:
        (tmp_path / "cgroup").write_text(cgroup)
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        logging.getLogger().addHandler(logging.StreamHandler(stream))
        status = os.fstat(writing)
        place = logplace.where({"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}, tmp_path)
        assert place == {"to": "journal", **unit}
        # The variable is inherited by what a unit starts with its stderr elsewhere.
        assert logplace.where({"JOURNAL_STREAM": "1:1"}, tmp_path) == {"to": "terminal"}
    os.close(reading)


def test_a_redirected_stream_is_a_file(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as stream:
        logging.getLogger().addHandler(logging.StreamHandler(stream))
        assert logplace.where({}) == {"to": "file", "path": str(tmp_path / "out")}


def test_nothing_to_be_seen() -> None:
    assert logplace.where({}) == {"to": "nowhere"}
    with open(os.devnull, "w") as stream:  # noqa: PTH123
        logging.getLogger().addHandler(logging.StreamHandler(stream))
    assert logplace.where({}) == {"to": "nowhere"}  # it was closed
