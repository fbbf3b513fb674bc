"""Where this process's log goes, for those who ask a running mount."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO

_UNIT = re.compile(r"/([^/]+\.(?:service|scope))(?=/|$)")


def where(environ: Mapping[str, str] = os.environ, process: Path = Path("/proc/self")) -> dict[str, str]:
    """`to` is "file" (its `path`), "journal" (with `unit` and `manager`, user or system), or "terminal".

    A terminal may be a pipe too: nobody can read there what has gone by.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            return {"to": "file", "path": handler.baseFilename}
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and (
            place := _stream(handler.stream, environ, process)
        ):
            return place
    return {"to": "nowhere"}


def _stream(stream: IO[str], environ: Mapping[str, str], process: Path) -> dict[str, str] | None:
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no descriptor, or closed
        return None
    # systemd names the device and inode of the journal's socket to what it starts (systemd.exec(5), JOURNAL_STREAM).
    if environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}":
        return {"to": "journal", **_unit(process)}
    if os.path.isfile(f"/proc/self/fd/{stream.fileno()}"):  # noqa: PTH113 - a link into nowhere may be there
        return {"to": "file", "path": str(Path(f"/proc/self/fd/{stream.fileno()}").readlink())}
    return {"to": "terminal"}


def _unit(process: Path) -> dict[str, str]:
    """The unit of systemd that this process runs in, from its control group (cgroups(7))."""
    try:
        group = (process / "cgroup").read_text(encoding="utf-8")
    except OSError:
        return {}
    units = _UNIT.findall(group.strip().splitlines()[-1]) if group.strip() else []
    if not units:
        return {}
    managed = any(re.fullmatch(r"user@\d+\.service", unit) for unit in units[:-1])
    return {"unit": units[-1], "manager": "user" if managed else "system"}
