"""What came to an account: exactly what was expected, in so many posts, and nothing anywhere else."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from wsfs.emulator.testing import Process

from .drives import Ledger, Mount, node_id, run


class Arrivals:
    """Looks at the account and the drive since it was made.

    `task` is a directory in which the files are expected, with what it held before.
    """

    def __init__(self, service: Process, drive: Mount, task: Path) -> None:
        drive.settled()
        self._service = service
        self._drive = drive
        self._task = task
        self._listed = set(run("ls", "-A", task).lines)
        self._before = {file["id"] for file in service.files()}
        self._ledger = Ledger(service)
        self.posts: list[dict[str, object]] = []

    def check(
        self, files: Mapping[str, bytes], *, posts: int = 1, left: Iterable[str] = (), settle: bool = True
    ) -> None:
        """Exactly `files` (name and content) have come to the task, as comments, in that many posts.

        In the drive the task holds them, what it held, and `left`: what stays on this machine alone.
        """
        if settle:
            try:
                self._drive.settled()
            except AssertionError as error:
                raise AssertionError(f"these are left: {self._drive.ask('uploads')['files']}") from error
        new = [file for file in self._service.files() if file["id"] not in self._before]
        found = Counter((file["task"] and file["task"]["id"], file["name"], file["sha256"]) for file in new)
        expected = Counter(
            (node_id(self._task), name, hashlib.sha256(content).hexdigest())
            for name, content in files.items()
        )
        assert found == expected, f"{found} came, not {expected}"
        self.posts += self._ledger.posts()
        actions = [post["action"] for post in self.posts]
        assert actions == ["post_comment"] * posts, f"{actions} of {[one['files'] for one in self.posts]}"
        listed = set(run("ls", "-A", self._task).lines)
        assert listed == self._listed | set(files) | set(left), f"{sorted(listed)} is there"

    def check_nothing(self) -> None:
        """Nothing has come, nothing was left, and nothing was asked for that would make something."""
        self.check({}, posts=0)
