"""Where a mount's log goes: to stderr in the foreground, to a rotated file of its user's in the background."""

from __future__ import annotations

import io
import logging
import logging.handlers
import os
from pathlib import Path

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
MAX_BYTES = 5 * 2**20
BACKUPS = 3
# These write whole requests with their queries at their lower levels, and signatures are in there.
TALKATIVE = ("httpx", "httpcore", "hpack", "hypercorn")


class PrivateFile(logging.handlers.RotatingFileHandler):
    """A rotated log file that nobody else can read."""

    def _open(self) -> io.TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)
        return open(descriptor, "a", encoding="utf-8", errors="backslashreplace")  # noqa: PTH123


def set_up(level: str, file: Path | None) -> None:
    """Send this process's log to `file`, or to stderr; OSError when the file can't be written."""
    handler: logging.Handler = logging.StreamHandler()
    if file is not None:
        handler = PrivateFile(file, maxBytes=MAX_BYTES, backupCount=BACKUPS)
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
