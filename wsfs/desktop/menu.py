"""The entries of the context menu, the same in every file manager."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """One entry: what `wsfs desktop run` calls it, and what a person reads."""

    action: str
    label: str
    tip: str
    icon: str = "wsfs"


ITEMS = (
    Item("open", "Open in Worksection", "The page of the task or project, in the browser"),
    Item("copy-link", "Copy Link", "The address in Worksection"),
    Item("keep", "Keep Offline", "Fetch it now and keep it on this computer"),
    Item("release", "Don't Keep Offline", "Let it make room for others"),
    Item("state", "Upload State", "What is on the server, and what waits for what"),
)


def command_line(command: Sequence[str], action: str) -> str:
    """What a shell would run for an entry, before the files; `command` starts wsfs."""
    return shlex.join([*command, "desktop", "run", action, "--"])
