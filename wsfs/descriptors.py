"""How many files the process may have open: each pending file that a program has open is one, and cached files that are
read again are kept open.

A session's soft limit is 1024 as a rule, for the sake of programs that use select(2), which wsfs doesn't; the hard one
is far higher (systemd.exec(5), LimitNOFILE=).
"""

from __future__ import annotations

import logging
import resource

log = logging.getLogger(__name__)

WANTED = 16_384
CACHED = 4096
"""The most cached files that are kept open; each takes about a kilobyte of the kernel's memory."""


def raise_limit() -> int:
    """Let the process have WANTED files open, or as many as the administrator allows it; returns how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return WANTED if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        log.info("The limit of open files stays at %d: %s", soft, error)
        return soft
    return wanted


def for_cache(limit: int) -> int:
    """How many of `limit` files the cache may keep open: what programs have open goes first."""
    return max(1, min(CACHED, limit // 4))
