"""Where answers are printed: as wide as the terminal; what a program reads, or a file gets, isn't broken into lines."""

from __future__ import annotations

import os
import sys

from rich.console import Console

ENDLESS = 10_000
"""Columns: no path is longer in all (PATH_MAX is 4,096 bytes)."""


def answers() -> Console:
    """A console on the standard output; $COLUMNS says how wide it is, where that is set."""
    wide = sys.stdout.isatty() or os.environ.get("COLUMNS")
    return Console(highlight=False, width=None if wide else ENDLESS)
