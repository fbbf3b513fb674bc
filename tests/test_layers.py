"""The parts know each other in one direction only: every import of every module is read and judged."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "wsfs"

# What each part may import of wsfs besides itself. What is not named here may import nothing.
MAY_IMPORT = {
    "cli": {
        *("mount", "config", "control", "desktop", "doctor", "leftovers"),
        *("mountinfo", "api", "secrets", "service"),
    },
    "cli.emulator": {"cli", "emulator"},
    "mount": {
        *("fuse", "drive", "tree", "catalog", "content", "uploads", "api"),
        *("admission", "announcements", "belonging", "finishing", "notifications"),
        *("commands", "upload_commands", "config", "control", "logplace", "mountinfo", "renewal", "secrets"),
        *("allocator", "descriptors", "service"),
    },
    "commands": {"drive", "tree", "catalog", "content", "uploads", "api", "control", "upload_commands"},
    "allocator": set(),
    "admission": {"api", "catalog", "config"},
    "announcements": {"uploads", "notifications"},
    "belonging": set(),
    "descriptors": set(),
    "finishing": {"uploads"},
    "notifications": set(),
    "leftovers": {"belonging", "uploads"},
    "upload_commands": {"drive", "tree", "uploads", "api", "control"},
    "fuse": {"drive", "tree", "content", "uploads", "api"},
    "drive": {"tree", "catalog", "content", "uploads", "api"},
    "catalog": {"api"},
    "content": {"api"},
    "uploads": {"api"},
    "control": {"api", "mountinfo"},
    "config": {"api", "mountinfo", "secrets"},
    "renewal": {"api", "secrets"},
    "secrets": {"api"},
    "service": set(),
    "desktop": set(),  # a part of it runs in file managers, by another Python
    "doctor": {"mountinfo", "api", "renewal", "secrets"},
    "__main__": {"cli"},
}
# Libraries that one part alone, or two, may know.
OWNERS = {
    "pyfuse3": {"fuse", "mount"},
    "httpx": {"api"},
    "httpcore": {"api"},
    "starlette": {"emulator", "cli.emulator"},
    "hypercorn": {"emulator", "cli.emulator"},
    "click": {"cli", "cli.emulator"},
    "rich": {"cli"},
    "jeepney": {"notifications"},
}
MODULES = sorted(ROOT.rglob("*.py"))


def part(dotted: str) -> str:
    """The part that a module of wsfs belongs to: "wsfs.api.client" is in "api"."""
    names = dotted.split(".")[1:]
    if names[:2] == ["cli", "emulator"]:
        return "cli.emulator"
    return names[0] if names else ""


def dotted(path: Path) -> str:
    names = ["wsfs", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def imports(path: Path, source: str | None = None) -> Iterator[str]:
    """Every module that is imported anywhere in `path`, also inside functions; relative ones made absolute."""
    package = dotted(path) if path.name == "__init__.py" else dotted(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text() if source is None else source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            # "from wsfs import control" imports a module of the package.
            yield from (f"{base}.{alias.name}" for alias in node.names) if base == "wsfs" else (base,)


def offences(path: Path, source: str | None = None) -> list[str]:
    here = part(dotted(path))
    allowed = MAY_IMPORT.get(here, set()) | {here, "", "__version__"}
    found = []
    for name in imports(path, source):
        top = name.partition(".")[0]
        if (top == "wsfs" and part(name) not in allowed) or here not in OWNERS.get(top, {here}):
            found.append(f"{dotted(path)} imports {name}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_point_down_the_layers(path: Path) -> None:
    assert offences(path) == []


def test_there_are_modules_to_judge() -> None:
    parts = {part(dotted(path)) for path in MODULES}
    assert parts >= {"cli", "fuse", "drive", "tree", "catalog", "content", "uploads", "api", "emulator"}
    assert set(MAY_IMPORT) - {"mount"} <= parts


def test_no_part_reaches_itself_through_others() -> None:
    def below(name: str, path: tuple[str, ...] = ()) -> None:
        assert name not in path, f"{' → '.join([*path, name])}"
        for other in MAY_IMPORT.get(name, set()):
            below(other, (*path, name))

    for name in MAY_IMPORT:
        below(name)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("tree/names.py", "from wsfs.api import models"),
        ("tree/names.py", "def f():\n    import wsfs.api.models"),
        ("content/fetch.py", "from ..uploads.spool import Spool"),
        ("content/fetch.py", "from wsfs import uploads"),
        ("uploads/sender.py", "import httpx"),
        ("drive/filesystem.py", "import pyfuse3"),
        ("drive/filesystem.py", "from wsfs.config import Settings"),
        ("drive/filesystem.py", "from wsfs.fuse import operations"),
        ("api/client.py", "from wsfs.config import Settings"),
        ("emulator/app.py", "from wsfs.api.models import Task"),
        ("cli/status.py", "from wsfs.emulator import server"),
        ("cli/status.py", "from wsfs.drive.filesystem import Drive"),
        ("config/files.py", "import click"),
    ],
)
def test_what_is_forbidden_is_seen(module: str, source: str) -> None:
    assert len(offences(ROOT / module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("drive/filesystem.py", "from wsfs.tree import names\nimport trio"),
        (
            "content/fetch.py",
            "from wsfs.api.errors import ApiError\nfrom . import cache\nfrom .cache import Cache",
        ),
        ("cli/status.py", "from wsfs import __version__, control\nfrom wsfs.cli import places"),
        ("cli/emulator.py", "from wsfs.emulator.server import serve"),
        ("fuse/operations.py", "import pyfuse3"),
    ],
)
def test_what_is_allowed_passes(module: str, source: str) -> None:
    assert offences(ROOT / module, source) == []
