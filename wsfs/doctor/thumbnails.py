"""Xfce's thumbnailer, which reads every picture of a directory that is opened in Thunar."""

from __future__ import annotations

import configparser
from collections.abc import Sequence
from pathlib import Path

from wsfs.doctor.findings import Finding, good, note


def check_tumbler(mountpoints: Sequence[Path], text: str | None) -> Finding:
    """Whether tumbler leaves the drives alone; `text` is its tumbler.rc, None where it isn't here."""
    check = "thumbnails"
    if text is None:
        return good(check, "Xfce's thumbnailer isn't here")
    read = [place for place in mountpoints if not excluded(text, place)]
    if not read:
        return good(
            check, "Xfce's thumbnailer leaves the drives alone" if mountpoints else "nothing is mounted"
        )
    places = " ".join(map(str, read))
    return note(
        check,
        "Thunar's thumbnails are made from whole pictures, which are fetched for that, one a second, when nobody "
        "else needs the service",
        f"if you would rather have none in the drive: `wsfs desktop thumbnails off {places}`",
    )


def excluded(text: str, place: Path) -> bool:
    """Whether every thumbnailer of a tumbler.rc that is on leaves `place` out."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error:
        return False
    on = [
        section
        for section in parser.sections()
        if parser.get(section, "Disabled", fallback="false").strip().lower() != "true"
    ]
    return all(
        any(
            place.is_relative_to(Path(path.strip()).expanduser())
            for path in parser.get(section, "Excludes", fallback="").split(";")
            if path.strip()
        )
        for section in on
    )
