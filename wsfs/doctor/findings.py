"""What a check found: good, worth knowing, or bad, with the cure in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad a finding is; `NOTE` keeps nothing from working."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `said` and `cure` are for people; what is bad has a cure."""

    check: str
    state: State
    said: str
    cure: str = ""

    def __post_init__(self) -> None:
        assert self.cure or self.state is not State.BAD, f"{self.check} has no cure"


def good(check: str, said: str) -> Finding:
    """Nothing to do."""
    return Finding(check, State.GOOD, said)


def note(check: str, said: str, cure: str = "") -> Finding:
    """Worth knowing, and perhaps doing."""
    return Finding(check, State.NOTE, said, cure)


def bad(check: str, said: str, cure: str) -> Finding:
    """Something doesn't work, or will not."""
    return Finding(check, State.BAD, said, cure)
