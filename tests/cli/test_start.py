"""A command is there quickly: what it has no use for isn't imported."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded_by(module: str) -> set[str]:
    """The modules that a fresh interpreter has after importing this one."""
    script = f"import {module}, sys; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return set(told.split())


@pytest.mark.parametrize(
    "command", ["mount", "umount", "status", "flush", "uploads", "refresh", "login", "logout", "accounts"]
)
def test_commands_start_without_what_a_mount_is_built_of(command: str) -> None:
    heavy = {"trio", "httpx", "pyfuse3", "msgspec", "keyring"}
    loaded = loaded_by(f"wsfs.cli.{command}")
    assert f"wsfs.cli.{command}" in loaded
    assert not loaded & heavy


def test_a_mount_starts_without_the_command_line_of_httpx() -> None:
    loaded = loaded_by("wsfs.mount")
    assert "httpx" in loaded
    assert not loaded & {"rich", "pygments", "click"}
