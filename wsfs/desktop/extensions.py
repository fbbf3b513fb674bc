"""Installing the extension in Python that Nautilus and Nemo load (extension.py)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from wsfs.desktop.home import Home, remove, replace

LIBRARIES = (Path("/usr/lib"), Path("/usr/lib64"), Path("/usr/local/lib"))


@dataclass(frozen=True)
class Manager:
    """A file manager with extensions in Python: its name in GObject's world, and where they and their loader are."""

    name: str
    program: str
    package: str
    loader: str

    def file(self, home: Home) -> Path:
        """Where the extension goes."""
        name = self.name.lower()
        return home.data / f"{name}-python" / "extensions" / f"wsfs_{name}.py"

    def has_loader(self, libraries: Sequence[Path] = LIBRARIES) -> bool:
        """Whether the library that loads extensions in Python is here."""
        return any(next(place.glob(f"**/{self.loader}"), None) is not None for place in libraries)


NAUTILUS = Manager("Nautilus", "nautilus", "python3-nautilus", "libnautilus-python.so")
NEMO = Manager("Nemo", "nemo", "nemo-python", "libnemo-python.so")


def source(manager: Manager, command: Sequence[str]) -> str:
    """The extension for a file manager, with the command that starts wsfs filled in."""
    text = resources.files("wsfs.desktop").joinpath("extension.py").read_text(encoding="utf-8")
    filled = {"COMMAND": json.dumps(list(command)), "MANAGER": json.dumps(manager.name)}
    for name, value in filled.items():
        text, count = re.subn(rf"^{name} = .*$", lambda match, v=f"{name} = {value}": v, text, flags=re.M)  # type: ignore[misc]
        assert count == 1, f"extension.py has no {name}"
    return text


def install(home: Home, manager: Manager, command: Sequence[str]) -> bool:
    """Put the extension where the file manager finds it; whether that changed something. Raises OSError."""
    return replace(manager.file(home), source(manager, command))


def uninstall(home: Home, manager: Manager) -> bool:
    """Take it away, with what Python compiled of it; whether there was one."""
    for compiled in _compiled(manager.file(home)):
        compiled.unlink(missing_ok=True)
        if not any(compiled.parent.iterdir()):
            compiled.parent.rmdir()
    return remove(manager.file(home))


def _compiled(file: Path) -> Iterator[Path]:
    yield from (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc")
