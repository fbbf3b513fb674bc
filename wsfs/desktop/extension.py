"""Worksection in Nautilus and Nemo: a context menu, and emblems for what isn't uploaded yet.

`wsfs desktop install` puts a copy of this file where the file manager looks for extensions in Python, with the three
names below filled in. It runs inside the file manager, by the system's Python: so it imports nothing of wsfs, and
nothing that might wait happens in the file manager's own thread. Menus ask nobody. Emblems ask one extended
attribute of a file, which costs no request, in a thread of GLib's.
"""

from __future__ import annotations

import collections
import importlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import gi
from gi.repository import Gio, GLib, GObject

COMMAND = ["wsfs"]
MANAGER = "Nautilus"
MADE_BY = "wsfs desktop install"

manager: Any = importlib.import_module(f"gi.repository.{MANAGER}")

#: The extended attribute user.wsfs.state, as GIO calls it.
STATE = "xattr::wsfs.state"
EMBLEMS = {
    "waiting": "wsfs-waiting",
    "sending": "wsfs-sending",
    "failed": "wsfs-failed",
    "kept": "wsfs-kept",
}
#: States that change without a sign that the file manager sees.
PASSING = frozenset({"waiting", "sending", "failed"})
ITEMS = (
    ("open", "Open in Worksection", "The page of the task or project, in the browser"),
    ("copy-link", "Copy Link", "The address in Worksection"),
    ("keep", "Keep Offline", "Fetch it now and keep it on this computer"),
    ("release", "Don't Keep Offline", "Let it make room for others"),
    ("state", "Upload State", "What is on the server, and what waits for what"),
)
LOOK_AGAIN = 3
TABLE_SECONDS = 1.0
#: Of more files at once nothing is offered: a command line has its limits.
MOST = 500

_ESCAPE = re.compile(r"\\([0-7]{3})")


class Drives:
    """Where drives of wsfs are mounted: the kernel's table, read anew after a second at the earliest."""

    def __init__(self, table: str = "/proc/self/mountinfo") -> None:
        self._table = table
        self._read = -TABLE_SECONDS
        self._places: tuple[str, ...] = ()

    def holds(self, path: str | None) -> bool:
        """Whether `path`, which is absolute, is a drive or lies in one."""
        if path is None:
            return False
        now = time.monotonic()
        if now - self._read >= TABLE_SECONDS:
            self._read, self._places = now, self._mounted()
        return any(path == place or path.startswith(place + "/") for place in self._places)

    def _mounted(self) -> tuple[str, ...]:
        places = []
        try:
            with open(self._table, encoding="utf-8", errors="surrogateescape") as table:  # noqa: PTH123
                for line in table:
                    before, _, after = line.partition(" - ")
                    if after.startswith("fuse.wsfs "):
                        octal = before.split(" ")[4]
                        places.append(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), octal))
        except OSError:
            pass
        return tuple(places)


def path_of(file: Any) -> str | None:
    """The path of a file of the file manager's; None for what isn't on this machine."""
    location = file.get_location()
    path: str | None = location.get_path() if location is not None else None
    return path


def ask_state(path: str, told: Callable[[str], None]) -> None:
    """Have `told` called later, in the main loop, with how the upload of a file is, in a word; empty: nothing to say.

    A thread of GLib's waits for the drive. One of Python's wouldn't do: Nemo lets none run while it runs no Python
    itself, so that an emblem came with the next file that was asked for (measured).
    """

    def done(file: Any, result: Any) -> None:
        try:
            state = file.query_info_finish(result).get_attribute_as_string(STATE)
        except GLib.Error:
            state = None
        told(state or "")

    flags = Gio.FileQueryInfoFlags.NOFOLLOW_SYMLINKS
    Gio.File.new_for_path(path).query_info_async(STATE, flags, GLib.PRIORITY_DEFAULT, None, done)


class Looker:
    """Asks for states, one after another: a drive that hangs keeps one thread, however many files there are."""

    def __init__(self, ask: Callable[[str, Callable[[str], None]], None] = ask_state) -> None:
        self._ask = ask
        self._wanted: collections.deque[tuple[str, Callable[[str], None]]] = collections.deque()
        self._busy = False

    def ask(self, path: str, told: Callable[[str], None]) -> None:
        """Have `told(state)` called later, in the main loop."""
        self._wanted.append((path, told))
        self._next()

    def _next(self) -> None:
        if self._busy or not self._wanted:
            return
        self._busy = True
        path, told = self._wanted.popleft()

        def answered(state: str) -> None:
            self._busy = False
            self._next()
            told(state)

        self._ask(path, answered)


class Emblems:
    """Which emblem each file has, found out in the background.

    The file manager's own way to be told later, an operation in progress, isn't used: python-nautilus 4.0 hands out
    no handle for it, and Nautilus 43 then drops the answer as an "unexpected plugin response". Here a file is said to
    be done at once, and the file manager asked to look at it anew when there is another emblem to show.
    """

    def __init__(self, looker: Looker) -> None:
        self._looker = looker
        self._shown: dict[str, str] = {}
        self._fresh: dict[str, str] = {}
        self._passing: dict[str, Any] = {}
        self._asked: set[str] = set()
        self._again: set[str] = set()
        self._running = False

    def of(self, path: str, file: Any) -> str | None:
        """The emblem to show now; what isn't known yet is looked up, and the file manager then asks again."""
        if path in self._fresh:
            state = self._fresh.pop(path)
            self._show(path, state)
        else:
            state = self._shown.get(path, "")
            self._look_at(path, file)
        return EMBLEMS.get(state)

    def _look_at(self, path: str, file: Any) -> None:
        if path in self._asked:  # of a drive that hangs
            return
        self._asked.add(path)

        def told(state: str) -> None:
            self._asked.discard(path)
            self._watch(path, file, state)
            another = EMBLEMS.get(state) != EMBLEMS.get(self._shown.get(path, ""))
            # Of a file that has just come the file manager was seen to miss it: so it is told once more.
            if another or path in self._again:
                self._again.discard(path)
                if another and state in PASSING:
                    self._again.add(path)
                self._fresh[path] = state
                file.invalidate_extension_info()

        self._looker.ask(path, told)

    def _show(self, path: str, state: str) -> None:
        if state in EMBLEMS:
            self._shown[path] = state
        else:
            self._shown.pop(path, None)

    def _watch(self, path: str, file: Any, state: str) -> None:
        """Look again every few seconds, as long as there are files whose state will change by itself."""
        if state not in PASSING:
            self._passing.pop(path, None)
            return
        self._passing[path] = file
        if not self._running:
            self._running = True
            GLib.timeout_add_seconds(LOOK_AGAIN, self._look_again)

    def _look_again(self) -> bool:
        for path, file in list(self._passing.items()):
            if file.is_gone():
                del self._passing[path]
                self._again.discard(path)
                self._shown.pop(path, None)
            else:
                self._look_at(path, file)
        self._running = bool(self._passing)
        return self._running


class Worksection(GObject.GObject, manager.MenuProvider, manager.InfoProvider):
    """What the file manager asks: its menus and its emblems."""

    def __init__(self) -> None:
        super().__init__()
        self._drives = Drives()
        self._emblems = Emblems(Looker())

    # The menu. Older file managers hand in their window first.

    def get_file_items(self, *arguments: Any) -> list[Any]:
        """The entry for the selected files, where all of them lie in a drive."""
        return self._items("Wsfs", arguments[-1])

    def get_background_items(self, *arguments: Any) -> list[Any]:
        """The entry for the directory that is shown."""
        return self._items("WsfsHere", [arguments[-1]])

    def _items(self, prefix: str, files: Sequence[Any]) -> list[Any]:
        # Nautilus has one table of names for both menus, in which the later one would take the earlier's place.
        found = [(path, file) for file in files if (path := path_of(file)) and self._drives.holds(path)]
        if not found or len(found) < len(files) or len(found) > MOST:
            return []
        top = manager.MenuItem(name=f"{prefix}::menu", label="Worksection", tip="", icon="wsfs")
        menu = manager.Menu()
        top.set_submenu(menu)
        for action, label, tip in ITEMS:
            item = manager.MenuItem(name=f"{prefix}::{action}", label=label, tip=tip, icon="")
            item.connect("activate", self._chosen, action, dict(found))
            menu.append_item(item)
        return [top]

    def _chosen(self, _item: Any, action: str, files: dict[str, Any]) -> None:
        if action == "copy-link":
            self._copy_links(list(files))
            return

        def done(_process: Any, _result: Any) -> None:
            for file in files.values():
                file.invalidate_extension_info()

        process = run(action, list(files))
        if process is not None:
            process.wait_async(None, done)

    def _copy_links(self, paths: list[str]) -> None:
        """Put the addresses into the clipboard of this process, which needs no other program."""

        def told(process: Any, result: Any) -> None:
            try:
                links = process.communicate_utf8_finish(result)[1]
            except GLib.Error:
                links = ""
            if process.get_successful() and links.strip() and to_clipboard(links.strip()):
                return
            run("copy-link", paths)  # which says what is the matter

        flags = Gio.SubprocessFlags.STDOUT_PIPE | Gio.SubprocessFlags.STDERR_SILENCE
        try:
            process = Gio.Subprocess.new([*COMMAND, "url", "--", *paths], flags)
        except GLib.Error:
            return
        process.communicate_utf8_async(None, None, told)

    # The emblems

    def update_file_info(self, file: Any) -> Any:
        """Give a file of a drive its emblem; of others nothing is said, and nobody is waited for."""
        path = path_of(file)
        if path is not None and self._drives.holds(path):
            emblem = self._emblems.of(path, file)
            if emblem is not None:
                file.add_emblem(emblem)
        return manager.OperationResult.COMPLETE


def run(action: str, paths: Sequence[str]) -> Any:
    """Have wsfs do it, which tells the outcome by a notification; the process, or None where it can't be started."""
    flags = Gio.SubprocessFlags.STDOUT_SILENCE | Gio.SubprocessFlags.STDERR_SILENCE
    try:
        return Gio.Subprocess.new([*COMMAND, "desktop", "run", action, "--", *paths], flags)
    except GLib.Error as error:
        GLib.log_default_handler("wsfs", GLib.LogLevelFlags.LEVEL_WARNING, str(error), None)
        return None


def to_clipboard(text: str) -> bool:
    """Put a text into the clipboard of the file manager; False where its GTK isn't to be had in Python.

    Another GTK than its own must never come into a process.
    """
    gtk = "4.0" if (MANAGER, manager._version) == ("Nautilus", "4.0") else "3.0"
    try:
        gi.require_version("Gdk", gtk)
        if gtk == "3.0":
            gi.require_version("Gtk", gtk)
    except ValueError:
        return False
    gdk: Any = importlib.import_module("gi.repository.Gdk")
    display = gdk.Display.get_default()
    if display is None:
        return False
    if gtk == "4.0":
        return bool(display.get_clipboard().set_content(gdk.ContentProvider.new_for_value(text)))
    clipboard = importlib.import_module("gi.repository.Gtk").Clipboard.get(gdk.SELECTION_CLIPBOARD)
    clipboard.set_text(text, -1)
    clipboard.store()
    return True
