"""A world for the catalog: see model.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.catalog.model import World


async def inline(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    await trio.lowlevel.checkpoint()
    return function(*args)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the store's jobs in the trio thread: a jumping clock doesn't know that a thread is at work."""
    monkeypatch.setattr(trio.to_thread, "run_sync", inline)


@pytest.fixture
def world(tmp_path: Path, no_threads: None) -> World:
    return World(tmp_path)
