"""Text into the clipboard, from a process that has no window: by whichever program is here.

A clipboard's text is handed out by the process that put it there, so that one has to stay; these programs do so by
themselves, in the background.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping

SECONDS = 5.0


def commands(environ: Mapping[str, str] = os.environ) -> list[list[str]]:
    """The programs that could do it on this desktop, the best one first."""
    found = []
    if environ.get("WAYLAND_DISPLAY"):
        found.append(["wl-copy"])
    if environ.get("DISPLAY"):
        found += [["xclip", "-selection", "clipboard"], ["xsel", "--clipboard", "--input"]]
    return found


def copy(
    text: str,
    environ: Mapping[str, str] = os.environ,
    *,
    which: Callable[[str], str | None] = shutil.which,
) -> bool:
    """Put `text` into the clipboard; False where no program here can."""
    for command in commands(environ):
        if which(command[0]) is None:
            continue
        try:
            # Its output goes nowhere: what stays in the background would hold a pipe open.
            done = subprocess.run(
                command,
                input=text.encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                check=False,
                env=dict(environ),
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return True
    return False
