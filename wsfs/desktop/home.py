"""A person's home as the XDG base directories see it, and careful writing in it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: In each file that is ours as a whole; one without it is left alone.
MARK = "wsfs desktop install"


@dataclass(frozen=True)
class Home:
    """Where a desktop's programs look for a person's things."""

    home: Path
    data: Path
    config: Path

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> Home:
        """The home of this process's user; a variable that isn't absolute counts for nothing, as XDG wants it."""
        home = Path(environ.get("HOME") or Path.home())

        def place(variable: str, otherwise: str) -> Path:
            named = Path(environ.get(variable, ""))
            return named if named.is_absolute() else home / otherwise

        return cls(home, place("XDG_DATA_HOME", ".local/share"), place("XDG_CONFIG_HOME", ".config"))

    def shown(self, path: Path) -> str:
        """A path as a person writes it."""
        return f"~/{path.relative_to(self.home)}" if path.is_relative_to(self.home) else str(path)


def read(path: Path) -> str | None:
    """The text of a file, None where there is none; OSError, UnicodeDecodeError."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None


def replace(path: Path, text: str) -> bool:
    """Give a file this content, in one step and with the mode it had; False where it has it already.

    A symbolic link stays one: what it leads to is replaced.
    """
    if read(path) == text:
        return False
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return True


def is_ours(path: Path) -> bool:
    """Whether a file is one that `install` made."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return MARK in (read(path) or "")
    return False


def remove(path: Path) -> bool:
    """Take away a file of ours, and the directories above that are empty then; False where it isn't ours."""
    if not is_ours(path):
        return False
    path.unlink()
    for above in list(path.parents)[:2]:
        try:
            above.rmdir()
        except OSError:
            break
    return True
