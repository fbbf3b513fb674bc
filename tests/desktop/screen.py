"""What a person sees and does on a display: windows, pictures of them, keys and the mouse; and whether they answer."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Xlib import X, display, error
from Xlib.protocol import event as events

from tests.mounted.drives import eventually

from .session import HEIGHT, WIDTH, Session

SYSTEM_PYTHON = "/usr/bin/python3"
EYES = Path(__file__).with_name("eyes_program.py")
BACKGROUND = 0x5B7083


@dataclass(frozen=True)
class Window:
    """A window that the window manager knows."""

    id: int
    title: str
    program: str


@dataclass(frozen=True)
class Widget:
    """Something on the screen, as a screen reader is told of it. `place`: x, y, width, height, or nothing."""

    window: str
    role: str
    name: str
    text: str
    place: tuple[int, ...]
    selected: bool
    focused: bool
    sensitive: bool

    @property
    def words(self) -> str:
        return self.text or self.name

    @property
    def middle(self) -> tuple[int, int]:
        x, y, width, height = self.place
        return x + width // 2, y + height // 2


class Screen:
    """The display of a session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._display = display.Display(session.display)
        self._root = self._display.screen().root
        self._root.change_attributes(background_pixel=BACKGROUND)
        self._root.clear_area(width=WIDTH, height=HEIGHT)
        self._display.sync()
        self._eyes: subprocess.Popen[str] | None = None

    def close(self) -> None:
        """Let go of the display."""
        self._display.close()
        self._blind()

    # windows

    def windows(self) -> list[Window]:
        """All windows of programs, the oldest first."""
        return list(_windows(self._display))

    def window(self, title: str, *, program: str = "", but: Window | None = None) -> Window:
        """Wait for a window that has `title` in its title, and return it."""

        def find() -> Window | None:
            for window in reversed(self.windows()):
                fits = title in window.title and program.lower() in window.program.lower()
                if fits and (but is None or window.id != but.id):
                    return window
            return None

        try:
            found = eventually(find, f"a window called {title!r}")
        except AssertionError:
            raise AssertionError(f"no window called {title!r} among {self.windows()}") from None
        assert isinstance(found, Window)
        return found

    def gone(self, title: str) -> None:
        """Wait until no window has `title` in its title."""
        eventually(lambda: not any(title in window.title for window in self.windows()), f"{title} is gone")

    def bring(self, window: Window) -> None:
        """Give a window the keyboard."""
        self.session.do("xdotool", "windowactivate", "--sync", str(window.id))

    def has_keyboard(self, window: Window) -> bool:
        """Whether what is typed goes to a window."""
        active = self._root.get_full_property(
            self._display.intern_atom("_NET_ACTIVE_WINDOW"), X.AnyPropertyType
        )
        return active is not None and active.value[0] == window.id

    def put(self, window: Window, x: int, y: int, width: int, height: int) -> None:
        """Move and size a window."""
        self.session.do("xdotool", "windowsize", "--sync", str(window.id), str(width), str(height))
        self.session.do("xdotool", "windowmove", str(window.id), str(x), str(y))

    def close_window(self, window: Window) -> None:
        """Close it as a click on its cross does."""
        target = self._display.create_resource_object("window", window.id)
        atom = self._display.intern_atom
        message = events.ClientMessage(
            window=target, client_type=atom("_NET_CLOSE_WINDOW"), data=(32, [X.CurrentTime, 2, 0, 0, 0])
        )
        self._root.send_event(message, event_mask=X.SubstructureRedirectMask | X.SubstructureNotifyMask)
        self._display.flush()

    # the keyboard and the mouse

    def keys(self, *keys: str) -> None:
        """Press keys, as xdotool names them, in what has the keyboard."""
        self.session.do("xdotool", "key", "--clearmodifiers", "--delay", "40", *keys)

    def write(self, text: str) -> None:
        """Write a text."""
        self.session.do("xdotool", "type", "--clearmodifiers", "--delay", "25", text)

    def click(self, x: int, y: int, *, times: int = 1, button: int = 1) -> None:
        """Click at a place of the screen."""
        # Without --sync, which waits many seconds for a move where the mouse is there already.
        self.session.do(
            *("xdotool", "mousemove", str(x), str(y), "sleep", "0.05"),
            *("click", "--repeat", str(times), "--delay", "60", str(button)),
        )

    def drag(self, start: tuple[int, int], end: tuple[int, int], steps: int = 20) -> None:
        """Drag what is at one place to another, at a person's pace: programs judge a drag by its motions."""
        (x, y), (to_x, to_y) = start, end
        words: list[str] = [
            *("mousemove", str(x), str(y), "sleep", "0.1"),
            "mousedown",
            "1",
            "sleep",
            "0.2",
        ]
        for step in range(1, steps + 1):
            at = step / steps
            words += [
                "mousemove",
                str(round(x + (to_x - x) * at)),
                str(round(y + (to_y - y) * at)),
                "sleep",
                "0.03",
            ]
        words += ["sleep", "0.4", "mousemove_relative", "1", "1", "sleep", "0.2", "mouseup", "1"]
        self.session.do("xdotool", *words)

    # looking

    def picture(self, path: Path) -> None:
        """Keep a picture of the whole screen."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.session.do("import", "-display", self.session.display, "-window", "root", path)

    def pixels(self, colour: int) -> int:
        """How many dots of the screen have exactly this colour, 0xRRGGBB."""
        image = self._root.get_image(0, 0, WIDTH, HEIGHT, X.ZPixmap, 0xFFFFFF).data
        wanted = colour.to_bytes(3, "little")
        return sum(image[at : at + 3] == wanted for at in range(0, len(image), 4))

    def see(self, program: str, window: str = "") -> list[Widget]:
        """What a screen reader would tell of a program, or of its windows of that title alone, which is quicker."""
        answer = self._ask({"program": program, "window": window})
        origins: dict[str, tuple[int, int]] = {}
        return [self._widget(one, origins) for one in answer["widgets"]]

    def _widget(self, said: dict[str, Any], origins: dict[str, tuple[int, int]]) -> Widget:
        place, title = tuple(said["place"]), said["window"]
        if said.pop("relative") and place:
            if title not in origins:
                origins[title] = self._origin(title)
            x, y = origins[title]
            place = (place[0] + x, place[1] + y, *place[2:])
        return Widget(**{**said, "place": place})

    def popups(self) -> list[tuple[int, int, int, int]]:
        """Where the menus and the like are that no window manager knows: x, y, width, height."""
        found = []
        for window in self._root.query_tree().children:
            try:
                attributes, place = window.get_attributes(), window.get_geometry()
            except (error.BadWindow, error.BadDrawable):
                continue
            shows = attributes.map_state == X.IsViewable and min(place.x, place.y) >= 0 and place.width > 1
            if attributes.override_redirect and shows:
                found.append((place.x, place.y, place.width, place.height))
        return found

    def _origin(self, title: str) -> tuple[int, int]:
        """Where a window begins that draws its own frame: its shadow is a part of it and isn't counted."""
        for window in reversed(self.windows()):
            if window.title == title:
                target = self._display.create_resource_object("window", window.id)
                where = self._root.translate_coords(target, 0, 0)
                shadow = target.get_full_property(
                    self._display.intern_atom("_GTK_FRAME_EXTENTS"), X.AnyPropertyType
                )
                left, _, top, _ = shadow.value if shadow is not None else (0, 0, 0, 0)
                return where.x + left, where.y + top
        return 0, 0

    def _ask(self, said: dict[str, object]) -> dict[str, Any]:
        """Ask the program that looks; it may fall over what goes away while it looks, and is started anew then."""
        for _ in range(5):
            if self._eyes is None:
                self._eyes = self.session.talk(SYSTEM_PYTHON, "-W", "ignore", EYES)
            assert self._eyes.stdin is not None
            assert self._eyes.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                print(json.dumps(said), file=self._eyes.stdin, flush=True)
                line = self._eyes.stdout.readline()
                if line:
                    answer: dict[str, Any] = json.loads(line)
                    assert "error" not in answer, answer
                    return answer
            self._blind()
        raise AssertionError(f"no eyes: {(self.session.said / 'talk').read_text()}")

    def _blind(self) -> None:
        eyes, self._eyes = self._eyes, None
        if eyes is None:
            return
        for pipe in (eyes.stdin, eyes.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        try:
            eyes.wait(5)
        except subprocess.TimeoutExpired:
            eyes.kill()
            eyes.wait(5)

    def find(
        self,
        program: str,
        fits: Callable[[Widget], bool],
        what: str,
        seconds: float = 30.0,
        window: str = "",
    ) -> Widget:
        """Wait until something shows, in a window of that title if one is given, and return it."""
        last: list[Widget] = []

        def look() -> Widget | None:
            last[:] = self.see(program, window)
            return next((widget for widget in last if fits(widget)), None)

        try:
            found = eventually(look, what, seconds)
        except AssertionError:
            shown = [f"{one.role}: {one.words!r}" for one in last if one.words]
            raise AssertionError(f"never seen: {what}; there was {shown}") from None
        assert isinstance(found, Widget)
        return found


def _windows(connection: display.Display) -> Iterator[Window]:
    root = connection.screen().root
    listed = root.get_full_property(connection.intern_atom("_NET_CLIENT_LIST"), X.AnyPropertyType)
    for number in listed.value if listed is not None else ():
        window = connection.create_resource_object("window", number)
        try:
            title = window.get_full_text_property(connection.intern_atom("_NET_WM_NAME")) or ""
            kind = window.get_wm_class() or ("", "")
        except error.BadWindow:
            continue
        yield Window(number, title, kind[1])


class Pinger:
    """Asks every window all the while whether it lives, by _NET_WM_PING, and keeps the longest time that one took.

    Source: the Extended Window Manager Hints, "_NET_WM_PING": the message that is sent to a window comes back to the
    root window when its program gets to it.
    """

    EVERY = 0.1

    def __init__(self, name: str) -> None:
        self.slowest: dict[str, float] = {}
        self.answers = 0
        self._display = display.Display(name)
        self._root = self._display.screen().root
        self._root.change_attributes(event_mask=X.SubstructureNotifyMask)
        self._ping = self._display.intern_atom("_NET_WM_PING")
        self._protocols = self._display.intern_atom("WM_PROTOCOLS")
        self._asked: dict[int, tuple[float, Window]] = {}
        self._number = 1
        self._end = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Ping while the block runs, and until what was asked last had a moment to answer."""
        self._thread.start()
        try:
            yield
        finally:
            self._end.set()
            self._thread.join(20)
            self._display.close()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while not self._end.is_set():
                self._ask()
                self._hear(self.EVERY)
            self._hear(2.0)
            now = time.monotonic()
            for asked, window in self._asked.values():
                self._note(window, now - asked)
        except Exception as failure:  # noqa: BLE001 - raised where the test is
            self._failure = failure

    def _ask(self) -> None:
        alive = set()
        for window in _windows(self._display):
            target = self._display.create_resource_object("window", window.id)
            try:
                if self._ping not in (target.get_wm_protocols() or ()):
                    continue
            except error.BadWindow:
                continue
            alive.add(window.id)
            if any(asked.id == window.id for _, asked in self._asked.values()):
                continue  # it hasn't answered the last one
            self._number += 1
            message = events.ClientMessage(
                window=target,
                client_type=self._protocols,
                data=(32, [self._ping, self._number, window.id, 0, 0]),
            )
            target.send_event(message, event_mask=0, onerror=error.CatchError(error.BadWindow))
            self._asked[self._number] = (time.monotonic(), window)
        self._display.flush()
        # One that was closed can't answer any more.
        self._asked = {key: value for key, value in self._asked.items() if value[1].id in alive}

    def _hear(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not (self._end.is_set() and not self._asked):
            while self._display.pending_events():
                event = self._display.next_event()
                if event.type == X.ClientMessage and event.client_type == self._protocols:
                    numbers = event.data[1]
                    if numbers[0] == self._ping and numbers[1] in self._asked:
                        asked, window = self._asked.pop(numbers[1])
                        self.answers += 1
                        self._note(window, time.monotonic() - asked)
            time.sleep(0.005)

    def _note(self, window: Window, seconds: float) -> None:
        key = window.program or window.title
        self.slowest[key] = max(self.slowest.get(key, 0.0), seconds)
