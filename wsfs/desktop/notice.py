"""A notification on the desktop, for what was asked in a file manager, which shows no output."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

SECONDS = 5.0
APP = "Worksection"


def command(title: str, body: str, *, trouble: bool, which: Callable[[str], str | None]) -> list[str] | None:
    """What shows it: notify-send, or GLib's own tool, which more desktops have; None without either."""
    icon = "dialog-warning" if trouble else "wsfs"
    if which("notify-send") is not None:
        return ["notify-send", f"--app-name={APP}", f"--icon={icon}", "--", title, _plain(body)]
    if which("gdbus") is not None:
        service = "org.freedesktop.Notifications"
        return [
            *("gdbus", "call", "--session", "--timeout=3", f"--dest={service}"),
            *("--object-path=/org/freedesktop/Notifications", f"--method={service}.Notify"),
            *(
                APP,
                "uint32 0",
                icon,
                _variant(title),
                _variant(_plain(body)),
                "@as []",
                "@a{sv} {}",
                "int32 -1",
            ),
        ]
    return None


def show(
    title: str, body: str = "", *, trouble: bool = False, which: Callable[[str], str | None] = shutil.which
) -> bool:
    """Show a notification; False where nothing here can, or nobody takes it."""
    line = command(title, body, trouble=trouble, which=which)
    if line is None:
        return False
    try:
        done = subprocess.run(line, capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _plain(body: str) -> str:
    """The body may be taken for markup (the specification of notifications): a file's name shall stay one."""
    return body.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _variant(text: str) -> str:
    """A string as GVariant's text form writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
