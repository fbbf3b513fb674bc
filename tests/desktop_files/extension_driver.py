"""Runs an installed extension as a file manager would, by the system's Python and the real library; prints JSON.

Arguments: the extension's file, its library (Nautilus or Nemo), a table of mounts, the drive in it.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gi

file, library, table, drive = sys.argv[1:]
for version in ("4.0", "3.0"):
    try:
        gi.require_version(library, version)
        break
    except ValueError:
        continue
from gi.repository import Gio, GLib  # noqa: E402

spec = importlib.util.spec_from_file_location("extension", file)
assert spec is not None and spec.loader is not None
extension: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(extension)
extension.LOOK_AGAIN = 1

DEADLINE = 10.0


class File:
    """A file of the file manager's, as far as an extension needs it."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self.emblems: list[str] = []
        self.asked_again = 0
        self.gone = False

    def get_location(self) -> Any:
        return (
            Gio.File.new_for_uri("sftp://host/x") if self._path is None else Gio.File.new_for_path(self._path)
        )

    def add_emblem(self, name: str) -> None:
        self.emblems.append(name)

    def invalidate_extension_info(self) -> None:
        self.asked_again += 1
        GLib.idle_add(self.look)

    def is_gone(self) -> bool:
        return self.gone

    def look(self) -> bool:
        """The file manager forgets the emblems that it had, and asks."""
        self.emblems = []
        outcome = provider.update_file_info(self)
        assert outcome == extension.manager.OperationResult.COMPLETE
        return False


def until(condition: Callable[[], object]) -> None:
    """Let the main loop run until it holds."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        GLib.MainContext.default().iteration(False)
        time.sleep(0.005)


def menu(items: list[Any]) -> list[list[str]]:
    """Name and label of an entry, and of those in its submenu."""
    told = []
    for item in items:
        told.append([item.props.name, item.props.label])
        told += [[one.props.name, one.props.label] for one in item.props.menu.get_items()]
    return told


provider: Any = extension.Worksection()
provider._drives = extension.Drives(table)
states: dict[str, str] = {}
hangs = False


def ask(path: str, told: Callable[[str], None]) -> None:
    def answer() -> bool:
        told(states.get(path, ""))
        return False

    if not hangs:
        GLib.idle_add(answer)


looker = extension.Looker(ask)
provider._emblems = extension.Emblems(looker)
results: dict[str, Any] = {}

# menus
inside, outside, elsewhere = File(f"{drive}/a b.txt"), File("/etc/passwd"), File(None)
results["selected"] = menu(provider.get_file_items([inside]))
results["with_a_window"] = menu(provider.get_file_items(None, [inside, File(drive)]))
results["here"] = menu(provider.get_background_items(File(drive)))
results["outside"] = [
    len(provider.get_file_items(files))
    for files in ([outside], [elsewhere], [inside, outside], [File(drive + "x/a")], [], [inside] * 501)
]
called = Path(extension.COMMAND[0] + ".called")


def calls() -> int:
    return len(called.read_text().splitlines()) if called.exists() else 0


expected = 0
for item in provider.get_file_items([inside, File(drive)])[0].props.menu.get_items():
    item.emit("activate")
    # Without a display the link can't go into the file manager's clipboard: wsfs is asked to do it.
    expected += 2 if item.props.name.endswith("copy-link") else 1
    until(lambda expected=expected: calls() == expected)  # type: ignore[misc]
until(
    lambda: inside.asked_again == len(extension.ITEMS) - 1
)  # what was done may have given it another emblem
inside.asked_again = 0
results["called"] = called.read_text().splitlines()

# emblems
inside.look()
until(lambda: not looker._wanted and not looker._busy)
results["nothing_to_say"] = [inside.emblems, inside.asked_again]
shown = {}
for state in ("waiting", "sending", "failed", "kept"):
    one = File(f"{drive}/{state}")
    states[f"{drive}/{state}"] = state
    one.look()
    until(lambda one=one: one.emblems)  # type: ignore[misc]
    shown[state] = [one.emblems, one.asked_again]
    one.gone = True
results["shown"] = shown
new = File(f"{drive}/new")
states[f"{drive}/new"] = "waiting"
new.look()
until(lambda: new.emblems)
states[f"{drive}/new"] = "here"  # it has arrived: nothing tells the file manager so
until(lambda: new.asked_again == 2 and not new.emblems)
arriving = File(f"{drive}/arriving")
states[f"{drive}/arriving"] = "sending"
arriving.look()
until(lambda: arriving.asked_again == 2 and arriving.emblems)  # told twice, if the first was missed
arriving.gone = True
results["arrived"] = [new.emblems, new.asked_again]
until(lambda: not provider._emblems._running)
results["watched"] = list(provider._emblems._passing)

# a drive that doesn't answer
hangs = True
began = time.monotonic()
for number in range(100):
    File(f"{drive}/{number}").look()
provider.get_file_items([inside])
results["stalled"] = round(time.monotonic() - began, 2)
results["asked_at_a_time"] = 100 - len(looker._wanted)
outside.look()
elsewhere.look()

# the real question, of a real file
told: list[str] = []
for count, path in enumerate((file, f"{drive}/not there"), start=1):
    extension.ask_state(path, told.append)
    until(lambda count=count: len(told) == count)  # type: ignore[misc]
results["told"] = told
print(json.dumps(results))
