"""Worksection in Nautilus and Nemo: a context menu, and emblems for what isn't uploaded yet.

`wsfs desktop install` puts a copy of this file where the file manager looks for extensions in Python, with the three
names below filled in. It runs inside the file manager, by the system's Python: so it imports nothing of wsfs, and
nothing that might wait happens in the file manager's own thread. Menus ask nobody. Emblems ask one extended
attribute of a file, which costs no request, in a worker thread.
"""

from __future__ import annotations

import importlib
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from gi.repository import Gio, GLib, GObject

COMMAND = ["wsfs"]
MANAGER = "Nautilus"
MADE_BY = "wsfs desktop install"

manager: Any = importlib.import_module(f"gi.repository.{MANAGER}")

STATE = "user.wsfs.state"
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


def state_of(path: str) -> str:
    """How the upload of a file is, in a word; empty where there is nothing to say. May wait for the drive."""
    try:
        return os.getxattr(path, STATE, follow_symlinks=False).decode("utf-8", "replace")
    except OSError:
        return ""


class Looker:
    """Reads states in a thread of its own, and tells them in the file manager's."""

    def __init__(self, read: Callable[[str], str] = state_of) -> None:
        self._read = read
        self._wanted: queue.SimpleQueue[tuple[str, Callable[[str], None]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, path: str, told: Callable[[str], None]) -> None:
        """Have `told(state)` called later, in the main loop."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True, name="wsfs-emblems")
            self._thread.start()
        self._wanted.put((path, told))

    def _run(self) -> None:
        while True:
            path, told = self._wanted.get()
            GLib.idle_add(_once, told, self._read(path))


def _once(told: Callable[[str], None], state: str) -> bool:
    told(state)
    return False  # GLib would call it again


class Watch:
    """The files whose state will change by itself; asks again every few seconds, as long as there are any."""

    def __init__(self, looker: Looker) -> None:
        self._looker = looker
        self._files: dict[str, tuple[Any, str]] = {}
        self._running = False

    def keep(self, path: str, file: Any, state: str) -> None:
        """Have the file manager look at `file` again once its state is another; a final state ends that."""
        if state not in PASSING:
            self._files.pop(path, None)
            return
        self._files[path] = file, state
        if not self._running:
            self._running = True
            GLib.timeout_add_seconds(LOOK_AGAIN, self._look)

    def _look(self) -> bool:
        for path, (file, state) in list(self._files.items()):
            if file.is_gone():
                del self._files[path]
            else:
                self._looker.ask(path, self._compared(path, file, state))
        self._running = bool(self._files)
        return self._running

    def _compared(self, path: str, file: Any, before: str) -> Callable[[str], None]:
        def told(state: str) -> None:
            if state != before and self._files.get(path, (None, ""))[0] is file:
                del self._files[path]
                file.invalidate_extension_info()

        return told


class Worksection(GObject.GObject, manager.MenuProvider, manager.InfoProvider):
    """What the file manager asks: its menus and its emblems."""

    def __init__(self) -> None:
        super().__init__()
        self._drives = Drives()
        self._looker = Looker()
        self._watch = Watch(self._looker)

    # The menu. Older file managers hand in their window first.

    def get_file_items(self, *arguments: Any) -> list[Any]:
        """The entry for the selected files, where all of them lie in a drive."""
        return self._items([path_of(file) for file in arguments[-1]])

    def get_background_items(self, *arguments: Any) -> list[Any]:
        """The entry for the directory that is shown."""
        return self._items([path_of(arguments[-1])])

    def _items(self, found: Sequence[str | None]) -> list[Any]:
        paths = [path for path in found if path is not None and self._drives.holds(path)]
        if not paths or len(paths) < len(found) or len(paths) > MOST:
            return []
        top = manager.MenuItem(name="Wsfs::menu", label="Worksection", tip="", icon="wsfs")
        menu = manager.Menu()
        top.set_submenu(menu)
        for action, label, tip in ITEMS:
            item = manager.MenuItem(name=f"Wsfs::{action}", label=label, tip=tip, icon="")
            item.connect("activate", self._chosen, action, paths)
            menu.append_item(item)
        return [top]

    def _chosen(self, _item: Any, action: str, paths: list[str]) -> None:
        if action == "copy-link":
            self._copy_links(paths)
        else:
            run(action, paths)

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

    def update_file_info_full(self, provider: Any, handle: Any, closure: Any, file: Any) -> Any:
        """Look at a file of a drive, in the background; of others nothing is said."""
        path = path_of(file)
        if path is None or not self._drives.holds(path):
            return manager.OperationResult.COMPLETE

        def told(state: str) -> None:
            if state in EMBLEMS:
                file.add_emblem(EMBLEMS[state])
            self._watch.keep(path, file, state)
            manager.info_provider_update_complete_invoke(
                closure, provider, handle, manager.OperationResult.COMPLETE
            )

        self._looker.ask(path, told)
        return manager.OperationResult.IN_PROGRESS

    def cancel_update(self, provider: Any, handle: Any) -> None:
        """Nothing to be stopped: a look is over within moments."""


def run(action: str, paths: Sequence[str]) -> None:
    """Have wsfs do it; it tells the outcome by a notification."""
    flags = Gio.SubprocessFlags.STDOUT_SILENCE | Gio.SubprocessFlags.STDERR_SILENCE
    try:
        Gio.Subprocess.new([*COMMAND, "desktop", "run", action, "--", *paths], flags)
    except GLib.Error as error:
        GLib.log_default_handler("wsfs", GLib.LogLevelFlags.LEVEL_WARNING, str(error), None)


def to_clipboard(text: str) -> bool:
    """Put a text into the clipboard, by whichever GTK the file manager is made with."""
    from gi.repository import Gdk

    if hasattr(Gdk, "Clipboard"):  # GTK 4
        display = Gdk.Display.get_default()
        if display is None:
            return False
        display.get_clipboard().set_content(Gdk.ContentProvider.new_for_value(text))
        return True
    from gi.repository import Gtk

    clipboard = Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD)
    clipboard.set_text(text, -1)
    clipboard.store()
    return True
