"""What a mutation of the tree changed, for those who look through a cache."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Changes:
    """Names (by directory inode) that came, went or now mean another node, and inodes whose attributes differ or
    that are gone. Names of a directory that nobody has looked at yet are no news."""

    entries: set[tuple[int, str]] = field(default_factory=set)
    inodes: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.entries or self.inodes)
