"""Numbers and moments as a person says them."""

from __future__ import annotations

import datetime


def size(number: float) -> str:
    """A number of bytes for people: "512 B", "1.5 MiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def span(seconds: float) -> str:
    """A time that passes: "0.4 s", "12 s", "3 min", "2 h 5 min", "4 days"."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 48:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{round(hours / 24)} days"


def moment(text: object) -> datetime.datetime | None:
    """A moment of a status (ISO 8601); None for what is none."""
    try:
        found = datetime.datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found.astimezone() if found is not None else None


def ago(text: object, now: datetime.datetime) -> str:
    """How long a moment of a status is past: "12 s ago"; "never" for what is none."""
    then = moment(text)
    if then is None:
        return "never"
    seconds = (now - then).total_seconds()
    return "now" if seconds < 1 else f"{span(seconds)} ago"


def clock(text: object, now: datetime.datetime) -> str:
    """A moment as a clock shows it, with the day where that isn't today: "14:02", "24 Dec 14:02"."""
    then = moment(text)
    if then is None:
        return "?"
    return f"{then:%H:%M}" if then.date() == now.astimezone().date() else f"{then:%d %b %H:%M}"


def joined(*parts: str) -> str:
    """The parts that say something, with dots between."""
    return " · ".join(part for part in parts if part)
