"""The states of an upload in words for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsfs.cli.flushing import shown

WORDS = {
    "open": "a program still has it open",
    "settling": "goes in a few seconds",
    "sending": "is being sent",
    "sent": "has arrived, and is shown in a moment",
    "unknown": "the connection was lost; whether it arrived is being looked up",
    "held": "waits for you",
    "interrupted": "may be half: the program that wrote it was killed",
    "quarantined": "could not be sent",
}


def words_for(upload: Mapping[str, Any]) -> str:
    """How one entry of `wsfs uploads` is: its state in words, or the reason that it gives."""
    state = str(upload.get("state", ""))
    reason = shown(str(upload.get("reason") or ""))
    words = WORDS.get(state, state)
    if not reason:
        return words
    return reason if state in ("settling", "unknown") else f"{words}: {reason}"
