"""What a user may set about uploads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Options:
    """Settings of the sender; times in seconds, sizes in bytes.

    `settle` is the stillness that a batch waits for, at most `settle_most` in all while copies go on;
    `settle_again` that of a file saved over one that was uploaded a short while ago. `empty_after` is how long
    a file stays empty before it is sent so. `text` is the comment's text, with `{names}` and `{count}`.
    `author` is the email in whose name everything is posted (None: the login's own). `authors`, if there is such,
    gives that of a local user by uid instead, or None for who may not post: their files wait.
    `grace` is what a post that is under way may take once the sender is told to end. `look_again` is the time
    between the two looks for a batch of which nobody knows whether it arrived.
    """

    settle: float = 3.0
    settle_again: float = 60.0
    settle_most: float = 60.0
    empty_after: float = 600.0
    lock_most: float = 12 * 3600.0
    hold_tasks: int = 10
    hold_window: float = 120.0
    most_files: int = 100
    most_bytes: int = 500 * 1000 * 1000
    drop_title: str = "Project files"
    text: str = "{names}"
    author: str | None = None
    authors: Callable[[int], str | None] | None = None
    hidden: str | None = None
    parallel: int = 2
    retry_first: float = 2.0
    retry_most: float = 300.0
    listing_tries: int = 6
    grace: float = 10.0
    look_again: float = 60.0

    def may_post(self, uid: int) -> bool:
        """Whether what this local user makes is posted."""
        return self.authors is None or self.authors(uid) is not None

    def author_of(self, uid: int) -> str | None:
        """The email in whose name what this local user makes is posted; None for the login's own."""
        return self.author if self.authors is None else self.authors(uid)

    def comment_text(self, names: list[str]) -> str:
        """The text of a comment that brings files of these names."""
        text = self.text.replace("{count}", str(len(names)))
        return text.replace("{names}", "\n".join(names)) or "\n".join(names)
