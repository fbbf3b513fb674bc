"""In whose name a user of this machine posts, where one mount with an admin key serves several."""

from __future__ import annotations

import logging
import pwd
import time
from collections.abc import Callable, Mapping

import trio

from wsfs.drive import errors

log = logging.getLogger(__name__)


def uid_of(name: str) -> int | None:
    """The number of a user of this machine; None where nobody is called so. May ask the network (LDAP, winbind)."""
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        return None


class Authors:
    """The emails of the local users that may write; `emails` are by name, or by number.

    A name that nobody has yet, as before the machine has joined its domain, is looked up again when somebody who
    isn't known wants to write, at most every `PATIENCE` seconds.
    """

    PATIENCE = 10.0

    def __init__(
        self,
        emails: Mapping[str, str],
        *,
        uid_of: Callable[[str], int | None] = uid_of,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._emails = emails
        self._uid_of = uid_of
        self._now = now
        self._known: dict[int, str] = {}
        self._unknown = set(emails)
        self._looked = float("-inf")

    def email(self, uid: int) -> str | None:
        """The email of a local user, or None for one who isn't among the authors (as far as is known)."""
        return self._known.get(uid)

    async def learn(self) -> None:
        """Look the names up that aren't known, in a worker thread."""
        names, self._looked = sorted(self._unknown), self._now()
        found = await trio.to_thread.run_sync(lambda: {name: self._uid_of(name) for name in names})
        for name, uid in found.items():
            if uid is not None and name in self._unknown:
                self._known[uid] = self._emails[name]
                self._unknown.remove(name)

    async def start(self) -> None:
        """As `learn`, at the beginning; a name that nobody has is news."""
        await self.learn()
        for name in sorted(self._unknown):
            log.warning("authors names %s, whom this machine doesn't know as a user (yet)", name)

    async def admit(self, uid: int) -> None:
        """Raise Denied for a user who isn't among the authors."""
        if uid not in self._known and self._unknown and self._now() - self._looked >= self.PATIENCE:
            await self.learn()
        if uid not in self._known:
            raise errors.Denied(
                f"the user with the number {uid} isn't among the authors, so nothing can be posted in their name: "
                "an administrator adds them to authors in the configuration"
            )
