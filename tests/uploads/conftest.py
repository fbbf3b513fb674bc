"""The fixtures of the uploads' tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio.testing

from .fakes import World


@pytest.fixture
def world(tmp_path: Path, mock_clock: trio.testing.MockClock) -> World:
    """A spool, its sender, a service and a drive, none of them started."""
    return World(tmp_path / "spool", mock_clock)


@pytest.fixture
def filing(tmp_path: Path, mock_clock: trio.testing.MockClock) -> World:
    """As `world`, with every content in a file."""
    return World(tmp_path / "spool", mock_clock, small=0)
