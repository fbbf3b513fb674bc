"""A program that file managers open files with, in a home that has no other."""

from __future__ import annotations

from pathlib import Path

TYPES = ("image/jpeg", "text/plain")


def viewer(home: Path) -> Path:
    """Make it the one for photographs and texts; returns the file in which it tells the digest of what it read."""
    told = home / "opened"
    told.unlink(missing_ok=True)
    program = home / "viewer"
    program.write_text(f'#!/bin/sh\nsha256sum "$1" > "{told}.new" && mv "{told}.new" "{told}"\n')
    program.chmod(0o755)
    entry = home / ".local/share/applications/viewer.desktop"
    entry.parent.mkdir(parents=True, exist_ok=True)
    kinds = ";".join(TYPES)
    entry.write_text(
        f"[Desktop Entry]\nType=Application\nName=Viewer\nExec={program} %f\nMimeType={kinds};\n"
    )
    chosen = "".join(f"{kind}=viewer.desktop\n" for kind in TYPES)
    for choice in (home / ".config/mimeapps.list", home / ".local/share/applications/mimeapps.list"):
        choice.parent.mkdir(parents=True, exist_ok=True)
        choice.write_text(f"[Default Applications]\n{chosen}[Added Associations]\n{chosen}")
    return told
