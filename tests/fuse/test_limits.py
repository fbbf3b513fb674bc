"""What the kernel is told of a mount, held against directories that look like its own."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from wsfs.fuse import limits

DEVICE = os.makedev(0, 87)


@pytest.fixture
def backing(tmp_path: Path) -> Path:
    setting = tmp_path / "0:87" / "read_ahead_kb"
    setting.parent.mkdir()
    setting.write_text("128\n")
    return tmp_path


def test_more_is_read_ahead(backing: Path) -> None:
    limits.raise_read_ahead(DEVICE, backing=backing)
    assert (backing / "0:87" / "read_ahead_kb").read_text() == "1024\n"


def test_what_an_administrator_set_higher_stays(backing: Path) -> None:
    (backing / "0:87" / "read_ahead_kb").write_text("4096\n")
    limits.raise_read_ahead(DEVICE, backing=backing)
    assert (backing / "0:87" / "read_ahead_kb").read_text() == "4096\n"


def test_a_user_who_may_not_set_it_is_told_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    limits.raise_read_ahead(DEVICE, backing=tmp_path)
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]


@pytest.fixture
def connections(tmp_path: Path) -> Path:
    directory = tmp_path / "87"
    directory.mkdir()
    for name in ("max_background", "congestion_threshold"):
        (directory / name).write_text("12\n")
    return tmp_path


@pytest.mark.parametrize(("allowed", "expected"), [("1000\n", "500\n"), ("300\n", "300\n"), ("", "500\n")])
def test_more_calls_at_once_up_to_what_the_administrator_allows(
    connections: Path, allowed: str, expected: str
) -> None:
    limit = connections / "max_user_bgreq"
    limit.write_text(allowed)
    limits.raise_background_limit(DEVICE, connections=connections, limit=limit)
    for name in ("max_background", "congestion_threshold"):
        assert (connections / "87" / name).read_text() == expected


def test_a_limit_that_can_not_be_raised_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limits.raise_background_limit(DEVICE, connections=tmp_path, limit=tmp_path / "none")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "hold up other reads" in record.getMessage()
    caplog.clear()
