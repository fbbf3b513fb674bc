"""The file managers, and how a person works with each: what differs between them is here and nowhere else."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.mounted.drives import eventually

from .screen import Screen, Widget, Window
from .session import Session

WINDOW = (20, 30, 900, 560)
SECOND = (400, 300, 560, 300)
EMPTY = (330, 480)
"""A place in the first window that nothing is shown at, as long as the directory holds a few things."""
LINGERS = 1.0
"""Seconds that a file manager without windows has to end by itself."""
PAUSE = 0.4
"""Seconds that a person takes between two steps: what was just opened misses the first keys else."""
SOON = 4.0
"""Seconds in which a selection shows; else the directory wasn't there yet, and it is made again."""


@dataclass(frozen=True)
class Kind:
    """One file manager. `program` is what it calls itself on the accessibility bus and in the class of its windows.

    `asks_first`: it asks for the name of a new folder before it makes it. `items_have_places`: a screen reader is
    told where its icons are; else they are selected with its dialog for patterns (Ctrl+S), and what is to be dragged
    is taken from its list (Ctrl+2). `answers` are the buttons with which it is told to delete for good.
    """

    name: str
    command: tuple[str, ...]
    program: str
    asks_first: bool = True
    items_have_places: bool = False
    replace: str = "Replace"
    answers: tuple[str, ...] = ("Delete",)
    details: str = ""
    second: tuple[int, int, int, int] = SECOND
    files: dict[str, str] = field(default_factory=dict, hash=False)


THUNAR = Kind(
    "Thunar",
    ("thunar",),
    "thunar",
    files={
        ".config/xfce4/xfconf/xfce-perchannel-xml/thunar.xml": """<?xml version="1.0" encoding="UTF-8"?>
<channel name="thunar" version="1.0">
  <property name="last-location-bar" type="string" value="ThunarLocationButtons"/>
  <property name="misc-thumbnail-draw-frames" type="bool" value="false"/>
</channel>
"""
    },
)
NEMO = Kind("Nemo", ("nemo",), "nemo", asks_first=False, details="Show more details")
NAUTILUS = Kind(
    "Nautilus",
    ("nautilus", "--new-window"),
    "nautilus",
    second=(480, 200, 520, 400),
)
PCMANFM = Kind(
    "PCManFM",
    ("pcmanfm", "--new-win"),
    "pcmanfm",
    items_have_places=True,
    replace="Overwrite",
    answers=("Yes", "Yes"),
    files={
        ".config/pcmanfm/default/pcmanfm.conf": "[ui]\npathbar_mode_buttons=1\n",
    },
)
ALL = (THUNAR, NEMO, NAUTILUS, PCMANFM)


class Manager:
    """A running file manager."""

    def __init__(self, kind: Kind, session: Session, screen: Screen) -> None:
        self.kind = kind
        self.session = session
        self.screen = screen
        self._started: list[subprocess.Popen[bytes]] = []
        for name, text in kind.files.items():
            path = session.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    # windows

    def windows(self) -> list[Window]:
        return [one for one in self.screen.windows() if self.kind.program in one.program.lower()]

    def open(self, directory: Path, place: tuple[int, int, int, int] = WINDOW) -> Window:
        """Open one more window, at a directory."""
        before = {window.id for window in self.windows()}

        def fresh() -> Window | None:
            return next(
                (one for one in self.windows() if one.id not in before and directory.name in one.title), None
            )

        self._started.append(self.session.run(*self.kind.command, directory))
        window = eventually(fresh, f"a window of {self.kind.name} with {directory.name}")
        assert isinstance(window, Window)
        self.screen.put(window, *place)
        self.screen.bring(window)
        if self.kind is THUNAR:
            self.screen.keys("ctrl+1")  # it remembers in which way the last window showed
        return window

    def only(self, directory: Path) -> Window:
        """Open a window at a directory, and close all others."""
        before = self.windows()
        window = self.open(directory)
        for other in before:
            self.screen.close_window(other)
        eventually(lambda: len(self.windows()) == 1, "the others closed")
        self.screen.bring(window)
        return window

    def quit(self) -> None:
        """Close every window, and see to it that the next one is that of a fresh process."""
        for window in self.windows():
            self.screen.close_window(window)
        eventually(lambda: not self.windows(), f"{self.kind.name} ended")
        for process in self._started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LINGERS)
            self.session.end(process)
        self._started = []

    # looking

    def see(self) -> list[Widget]:
        return self.screen.see(self.kind.program)

    def find(
        self, fits: Callable[[Widget], bool], what: str, seconds: float = 30.0, window: str = ""
    ) -> Widget:
        return self.screen.find(self.kind.program, fits, f"{what} in {self.kind.name}", seconds, window)

    def in_side_bar(self, name: str) -> Widget:
        """Wait until the side bar has an entry whose name begins so."""
        left = WINDOW[0] + 260
        return self.find(
            lambda one: (
                one.role in ("table cell", "label") and one.words.startswith(name) and 0 < one.place[0] < left
            ),
            f"{name} in the side bar",
        )

    def says(self, *words: str) -> str:
        """Wait for a message that has all the words, and return all that its window says."""

        def text() -> str | None:
            by_window: dict[str, list[str]] = {}
            for widget in self.see():
                by_window.setdefault(widget.window, []).append(widget.words)
            for said in by_window.values():
                joined = "\n".join(said)
                if all(word.lower() in joined.lower() for word in words):
                    return joined
            return None

        try:
            found = eventually(text, f"a message with {words}")
        except AssertionError:
            raise AssertionError(
                f"no message with {words}: {[one.words for one in self.see() if one.words]}"
            ) from None
        assert isinstance(found, str)
        return found

    # doing

    def select(self, name: str, window: Window) -> None:
        """Select one thing by its name, once it is there."""
        title = self.title(window)

        def selected(seconds: float) -> None:
            self.find(
                lambda one: one.window == title and name in one.words and _tells_selection(one),
                f"{name}, selected",
                seconds,
                title,
            )

        for seconds in (SOON, SOON, 30.0):
            self._select(name, window)
            try:
                selected(seconds)
            except AssertionError:
                if seconds > SOON:
                    raise
            else:
                break

    def _select(self, name: str, window: Window) -> None:
        if self.kind.items_have_places:
            self.screen.click(*self.item(name, window).middle)
            return
        self.screen.bring(window)
        self.screen.keys("ctrl+s")
        question = self.screen.window("Select", program=self.kind.program)
        eventually(lambda: self.screen.has_keyboard(question), "the question for a pattern has the keyboard")
        time.sleep(PAUSE / 2)
        self.screen.write(name)
        self.screen.keys("Return")
        self.screen.gone("Select")

    def title(self, window: Window) -> str:
        """What a window is called by now."""
        return next((one.title for one in self.windows() if one.id == window.id), "")

    def enter(self, name: str, window: Window) -> None:
        """Open a directory that the window shows."""
        self.shows(name, window)
        self.select(name, window)
        self.screen.keys("Return")
        eventually(lambda: name in self.title(window), f"{name} is entered")

    def shows(self, name: str, window: Window) -> None:
        """Wait until a directory that is being read is shown, where that can be told: `select` tries again else."""
        if self.kind.items_have_places:
            self.item(name, window)
        else:
            time.sleep(PAUSE)

    def activate(self, name: str, window: Window) -> None:
        """Open a file."""
        self.shows(name, window)
        self.select(name, window)
        self.screen.keys("Return")

    def item(self, name: str, window: Window) -> Widget:
        """Wait until a thing of that name has a place in the window."""
        x = WINDOW[0] + 130  # right of the side bar
        title = self.title(window)
        return self.find(
            lambda one: (
                one.role in ("icon", "table cell")
                and one.words == name
                and one.window == title
                and one.place[0] > x
                and one.place[2] > 20
            ),
            name,
        )

    def drag_in(self, file: Path, window: Window) -> None:
        """Drag a file from a window of its directory into `window`, to where that shows nothing."""
        source = self.open(file.parent, self.kind.second)
        if not self.kind.items_have_places and self.kind is not NAUTILUS:
            time.sleep(PAUSE)
            self.screen.keys("ctrl+2")
        widget = self.item(file.name, source)
        x, y, width, height = widget.place
        grip = (x + width // 2, y + height // 3) if height > 40 else (x + 30, y + height // 2)
        self.screen.drag(grip, EMPTY)

    def new_folder(self, name: str, window: Window) -> None:
        """Make a directory and give it a name, at once or when asked."""
        self.screen.bring(window)
        before = len(self.screen.windows())
        self.screen.keys("ctrl+shift+n")
        if self.kind in (THUNAR, PCMANFM):
            eventually(lambda: len(self.screen.windows()) > before, "a question for the name")
        time.sleep(2 * PAUSE)
        self.screen.keys("ctrl+a")
        self.screen.write(name)
        self.screen.keys("Return")

    def rename(self, old: str, new: str, window: Window) -> None:
        """Give something that is shown another name."""
        self.shows(old, window)
        self.select(old, window)
        self.screen.keys("F2")
        time.sleep(2 * PAUSE)
        self.screen.keys("ctrl+a")
        self.screen.write(new)
        self.screen.keys("Return")

    def button(self, name: str) -> None:
        """Wait for a button in a question or a message, and click it."""
        known = {window.title for window in self.windows()[:2] if self._browses(window)}
        widget = self.find(
            lambda one: (
                one.role in ("push button", "label", "toggle button")
                and (one.words == name or one.words.endswith(f" {name}"))
                and one.window not in known
            ),
            f"the button {name}",
        )
        time.sleep(PAUSE)
        x, y = widget.middle
        # What unfolds does so at its text, which is at the left.
        self.screen.click(widget.place[0] + 40 if widget.role == "toggle button" else x, y)

    def _browses(self, window: Window) -> bool:
        return "Confirm" not in window.title and window.title not in ("", "Attention", "Finished")

    def message(self, *words: str) -> str:
        """Wait for a message of failure, with its details, and return it."""
        if self.kind.details:
            self.button(self.kind.details)
        return self.says(*words)

    def dismiss(self, left: int) -> None:
        """Close messages until there are `left` windows."""
        while len(self.windows()) > left:
            count = len(self.windows())
            if self.kind is NAUTILUS:  # where each window has a button of that name
                self.screen.keys("Escape")
                self._fewer_than(count, 10.0)
                continue
            for widget in self.see():
                if widget.role == "push button" and widget.words in ("Close", "Cancel", "_Cancel Cancel"):
                    self.screen.click(*widget.middle)
                    break
            else:
                self.screen.keys("Escape")
            try:
                self._fewer_than(count, 3.0)
            except AssertionError:
                self.screen.keys("Escape")
                self._fewer_than(count, 10.0)

    def _fewer_than(self, count: int, seconds: float) -> None:
        eventually(lambda: len(self.windows()) < count, "a message closes", seconds)


def _tells_selection(widget: Widget) -> bool:
    """Whether a widget says that something is selected: the status bar, or the icon itself."""
    return widget.role == "status bar" or widget.selected or "selected" in widget.words
