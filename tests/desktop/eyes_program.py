"""What is on the screen by the accessibility bus; a program of the system's own Python, which has its bindings.

Reads a JSON object a line from standard input, `{"program": NAME, "window": TITLE}`, and answers each with one: the
widgets that show of the programs whose name contains NAME, in windows called TITLE; an empty one stands for all.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import gi  # type: ignore[import-not-found, unused-ignore]

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi  # type: ignore[import-not-found, unused-ignore]  # noqa: E402

DEEP = 40
MOST = 3000
NOWHERE = 10_000


def text_of(widget: Any) -> str:
    """What is written in it."""
    try:
        text = widget.get_text_iface()
        return str(Atspi.Text.get_text(text, 0, Atspi.Text.get_character_count(text))) if text else ""
    except Exception:  # noqa: BLE001 - it went away
        return ""


def place_of(widget: Any) -> list[int]:
    try:
        component = widget.get_component_iface()
        box = component.get_extents(Atspi.CoordType.SCREEN)
    except Exception:  # noqa: BLE001 - it went away, or has none
        return []
    return [box.x, box.y, box.width, box.height]


def look(
    widget: Any, depth: int, window: str, found: list[dict[str, Any]], relative: bool, only: str
) -> None:
    if depth > DEEP or len(found) >= MOST:
        return
    try:
        states = widget.get_state_set()
        place = place_of(widget)
        if depth > 1 and not states.contains(Atspi.StateType.SHOWING):
            # GTK 4 says so of nothing but windows; there, what doesn't show has no extent.
            if not states.contains(Atspi.StateType.VISIBLE):
                return
            if place and (place[0] < -NOWHERE or min(place[2:]) <= 1):
                return
        role, name = widget.get_role_name(), widget.get_name() or ""
        if depth == 1:
            window = name
            if only and window != only:
                return
        if depth >= 1:
            found.append(
                {
                    "window": window,
                    "role": role,
                    "name": name,
                    "text": text_of(widget),
                    "place": place,
                    "relative": relative,
                    "selected": bool(states.contains(Atspi.StateType.SELECTED)),
                    "focused": bool(states.contains(Atspi.StateType.FOCUSED)),
                    "sensitive": bool(states.contains(Atspi.StateType.SENSITIVE)),
                }
            )
        for index in range(widget.get_child_count()):
            child = widget.get_child_at_index(index)
            if child is not None:
                look(child, depth + 1, window, found, relative, only)
    except Exception:  # noqa: BLE001 - it went away while it was looked at
        return


def see(program: str, window: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    desktop = Atspi.get_desktop(0)
    for index in range(desktop.get_child_count()):
        application = desktop.get_child_at_index(index)
        if application is None or program.lower() not in (application.get_name() or "").lower():
            continue
        application.clear_cache()
        # GTK 4 knows places in its window alone.
        relative = (application.get_toolkit_version() or "").startswith("4")
        look(application, 0, "", found, relative, window)
    return found


def main() -> None:
    Atspi.init()
    Atspi.set_timeout(3000, 15000)
    for line in sys.stdin:
        said = json.loads(line)
        answer: dict[str, Any]
        try:
            answer = {"widgets": see(said["program"], said["window"])}
        except Exception as error:  # noqa: BLE001 - the test says what it makes of it
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
