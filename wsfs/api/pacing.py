"""When a request may start."""

from __future__ import annotations

import enum


class Lane(enum.IntEnum):
    """Who waits for a request, first to last: a person, an upload, keeping fresh, the crawl."""

    PERSON = 0
    UPLOAD = 1
    REFRESH = 2
    BACKGROUND = 3
