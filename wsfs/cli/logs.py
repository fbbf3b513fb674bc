"""Where a mount's log goes: to stderr in the foreground, to a rotated file of its user's in the background.

Started by systemd, stderr is the journal.
"""

from __future__ import annotations

import io
import logging
import logging.handlers
import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, TextIO

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


class JournalFormatter(logging.Formatter):
    """Lines for the journal, which has the time itself and takes the level from the front of each (sd-daemon(3))."""

    PRIORITIES: ClassVar = (
        (logging.CRITICAL, 2),
        (logging.ERROR, 3),
        (logging.WARNING, 4),
        (logging.INFO, 6),
    )

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        priority = next((number for level, number in self.PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).split("\n"))


def journal_has(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether what is written to `stream` goes to systemd's journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def set_up(level: str, file: Path | None) -> None:
    """Send this process's log to `file`, or to stderr; OSError when the file can't be written."""
    handler: logging.Handler = logging.StreamHandler()
    if file is not None:
        handler = PrivateFile(file, maxBytes=MAX_BYTES, backupCount=BACKUPS)
    in_journal = isinstance(handler, logging.StreamHandler) and journal_has(handler.stream)
    handler.setFormatter(JournalFormatter() if in_journal else logging.Formatter(FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
