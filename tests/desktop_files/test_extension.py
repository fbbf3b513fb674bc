"""The extension of Nautilus and Nemo: as a file manager runs it, with the real libraries."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import leave_out
from wsfs.desktop import extensions
from wsfs.desktop.home import Home
from wsfs.desktop.menu import ITEMS

SYSTEM_PYTHON = Path("/usr/bin/python3")
SECONDS = 60


def has(library: str) -> bool:
    """Whether the system's Python can have the library of a file manager."""
    check = f"import gi; assert gi.Repository.get_default().enumerate_versions({library!r})"
    done = subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True, timeout=SECONDS, check=False)
    return done.returncode == 0


@pytest.fixture(scope="module", params=[extensions.NAUTILUS, extensions.NEMO], ids=lambda one: str(one.name))
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the installed extension did under its driver."""
    manager = request.param
    leave_out(None if has(manager.name) else f"{manager.package} missing, which scripts/setup dev installs")
    tmp_path = tmp_path_factory.mktemp("extension")
    drive = tmp_path / "My drive"
    (tmp_path / "table").write_text(
        "1 0 0:1 / / rw - ext4 /dev/vda rw\n"
        f"9 1 0:9 / {str(drive).replace(' ', chr(92) + '040')} rw - fuse.wsfs acme rw,user_id=0\n"
    )
    command = tmp_path / "wsfs"
    command.write_text(
        '#!/bin/sh\nprintf "%s|" "$@" >> "$0.called"; echo >> "$0.called"; echo https://x/download/7\n'
    )
    command.chmod(0o755)
    home = Home.of({"HOME": str(tmp_path / "home")})
    extensions.install(home, manager, [str(command)])
    done = subprocess.run(
        [
            *(SYSTEM_PYTHON, Path(__file__).with_name("extension_driver.py")),
            *(manager.file(home), manager.name, tmp_path / "table", drive),
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={name: value for name, value in os.environ.items() if "DISPLAY" not in name},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return {"drive": str(drive), **json.loads(done.stdout)}


def test_as_a_file_manager_runs_it(told: dict[str, Any]) -> None:
    drive = told["drive"]
    entries = [["Wsfs::menu", "Worksection"], *([f"Wsfs::{item.action}", item.label] for item in ITEMS)]
    assert told["selected"] == told["with_a_window"] == entries
    # Nautilus has one table of names for both menus.
    assert told["here"] == [[name.replace("Wsfs", "WsfsHere"), label] for name, label in entries]
    assert told["outside"] == [0] * 6
    paths = f"{drive}/a b.txt|{drive}|"
    runs = [f"desktop|run|{item.action}|--|{paths}" for item in ITEMS]
    assert told["called"] == [runs[0], f"url|--|{paths}", *runs[1:]]


def test_emblems_come_later_and_go(told: dict[str, Any]) -> None:
    assert told["nothing_to_say"] == [[], 0]
    assert told["shown"] == {
        state: [[f"wsfs-{state}"], 1] for state in ("waiting", "sending", "failed", "kept")
    }
    assert told["arrived"] == [[], 2]
    assert told["watched"] == []


def test_a_drive_that_hangs_holds_the_file_manager_up_for_nothing(told: dict[str, Any]) -> None:
    assert told["stalled"] < 0.5
    assert told["asked_at_a_time"] == 1


def test_what_has_no_state_or_is_not_there_has_none(told: dict[str, Any]) -> None:
    assert told["told"] == ["", ""]


def test_its_entries_are_those_of_every_other_menu() -> None:
    # It can't import them: they are said again in it.
    source = extensions.source(extensions.NAUTILUS, ["wsfs"])
    namespace: dict[str, Any] = {}
    start = source.index("ITEMS = (")
    exec(source[start : source.index("\n)\n", start) + 3], namespace)
    assert namespace["ITEMS"] == tuple((item.action, item.label, item.tip) for item in ITEMS)


def test_what_is_filled_in_is_a_text_of_python(tmp_path: Path) -> None:
    command = ['/opt/My "own" \\ programs/wsfs', "-P"]
    source = extensions.source(extensions.NEMO, command)
    namespace: dict[str, Any] = {}
    exec(
        "\n".join(line for line in source.splitlines() if line.startswith(("COMMAND", "MANAGER"))), namespace
    )
    assert (namespace["COMMAND"], namespace["MANAGER"]) == (command, "Nemo")
