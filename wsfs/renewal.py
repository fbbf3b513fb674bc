"""The login of a mount, over its life: renewed before it ends, taken anew when a person logs in again.

The pair of tokens is refreshed by one task at a time, whatever the number of requests that wait for it, and under
the lock of the vault, as other processes have the same login. It is kept before it is used. Once begun it isn't
cancelled: the old tokens die when the service reads the request, so an answer that nobody takes loses the login.

When the service refuses the refresh token the login is dead, and requests fail at once. When it refuses a key, or a
token that can't be refreshed, requests go on, as a clock that is set right may mend that. In both cases the kept login
is watched until it is another.
"""

from __future__ import annotations

import datetime
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol

import trio

from wsfs.api import oauth
from wsfs.api.auth import AdminKey, Application, Credentials, TokenPair
from wsfs.api.errors import ApiError, LoginRefused
from wsfs.secrets import LOCK_SECONDS, Busy, Login, SecretsError, Vault, short_name

log = logging.getLogger(__name__)

MARGIN = 300.0
"""Seconds before an access token's end at which it is renewed."""
PAUSE = 30.0
"""Seconds between two tries to renew a token that still holds."""
FRESH = 60.0
"""A token that was renewed so lately and is refused isn't renewed again: the service refuses something else."""
WATCH = 2.0
"""Seconds between two looks for another login while this one is dead."""
LOOK = 0.1
"""Seconds between two looks whether the lock is free."""
SAVE = 10.0
"""Seconds between two tries to keep a pair that could not be kept."""


class Refresh(Protocol):
    """What asks the service for a new pair: `oauth.refreshed`."""

    def __call__(
        self, service: str, application: Application, refresh_token: str, *, deadline: float
    ) -> Awaitable[TokenPair]: ...


class _Flight:
    def __init__(self) -> None:
        self.done = trio.Event()
        self.error: ApiError | None = None


class Renewer:
    """An `auth.Renewal` for one account; `login` is what the vault held at the start, None where it was not used.

    `nursery` outlives every request; `run` is a long-lived task of it. `on_dead` is called with a sentence when the
    login has died, `on_healed` when there is another, both synchronously. `clock` gives unix time.
    """

    def __init__(
        self,
        vault: Vault,
        base_url: str,
        login: Login | None,
        nursery: trio.Nursery,
        *,
        deadline: float = 30.0,
        on_dead: Callable[[str], None] = lambda sentence: None,
        on_healed: Callable[[], None] = lambda: None,
        refresh: Refresh = oauth.refreshed,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._vault = vault
        self._base_url = base_url
        self._login = login
        self._nursery = nursery
        self._deadline = deadline
        self._on_dead = on_dead
        self._on_healed = on_healed
        self._refresh = refresh
        self._clock = clock
        self._flight: _Flight | None = None
        self._tried = self._renewed_at = -math.inf
        self._unsaved: Login | None = None
        self._trouble = ""
        self._final = False
        self._attention = trio.Event()
        self._stamp = vault.stamp(base_url)
        self.dead: LoginRefused | None = None
        """Why somebody has to log in again; None while all is well."""

    async def current(self, held: Credentials) -> Credentials:
        """The credentials for the next request, renewed where they are about to end. Raises LoginRefused if dead."""
        if self.dead is not None:
            if self._changed():
                await self._renew_once(None)
            if self.dead is not None and self._final:
                raise self.dead.with_traceback(None)
        elif self._ends_within(MARGIN) and trio.current_time() >= self._tried + PAUSE:
            await self._renew_once(None)  # what it can't do now, it will when the token has ended
        return held if self._login is None else self._login.credentials

    async def renewed(self, refused: Credentials) -> Credentials | None:
        """The credentials that have taken the place of `refused`. Raises ApiError where they can't be had now."""
        if self._login is None or self._login.credentials == refused:
            if self.dead is not None and not (self._changed() or self._may_refresh()):
                return None
            if self._trouble and trio.current_time() < self._tried + PAUSE:
                return None
            error = await self._renew_once(refused)
            if error is not None:
                raise error
        fresh = None if self._login is None else self._login.credentials
        return None if fresh == refused else fresh

    def worked(self) -> None:
        """A request was answered: so the login is good, whatever was thought of it before."""
        if self.dead is not None and not self._final:
            self.dead = None

    async def run(self) -> None:
        """Look for another login while this one is dead, and keep what could not be kept; until cancelled."""
        while True:
            await self._attention.wait()
            if self._unsaved is not None:
                await self._save()
                await trio.sleep(0 if self._unsaved is None else SAVE)
            elif self.dead is not None:
                await trio.sleep(WATCH)
                if self._changed():
                    await self._renew_once(None)
            else:
                self._attention = trio.Event()

    def status(self) -> dict[str, Any]:
        """For `wsfs status`: JSON-able, without a secret."""
        said: dict[str, Any] = {"state": "good" if self.dead is None else "log in again"}
        if self.dead is not None:
            said["message"] = self.advice()
        elif self._trouble:
            said["message"] = self._trouble
        if self._login is not None:
            said |= {"user": self._login.user, "kept_in": self._login.place}
            if isinstance(self._login.secret, TokenPair):
                ends = datetime.datetime.fromtimestamp(self._login.secret.refresh_expires)
                said["ends_unless_used"] = ends.astimezone().isoformat(timespec="minutes")
        return said

    def advice(self) -> str:
        """What a person can do about a dead login, in a sentence."""
        return f"{self.dead}: log in again with `wsfs login {short_name(self._base_url)}`"

    def _may_refresh(self) -> bool:
        """Whether a refused token may be refreshed now, which helps unless it was a moment ago."""
        refreshable = self._login is not None and isinstance(self._login.secret, TokenPair)
        return refreshable and not self._final and trio.current_time() >= self._renewed_at + FRESH

    def _changed(self) -> bool:
        return self._vault.stamp(self._base_url) != self._stamp

    def _ends_within(self, seconds: float) -> bool:
        secret = self._login.secret if self._login is not None else None
        return isinstance(secret, TokenPair) and self._clock() + seconds >= secret.expires

    async def _renew_once(self, refused: Credentials | None) -> ApiError | None:
        """Renew, or wait for the renewal that is under way; what it failed with. Cancelled, that one goes on."""
        if self._flight is None:
            self._flight = _Flight()
            self._nursery.start_soon(self._fly, self._flight, refused)
        flight = self._flight
        await flight.done.wait()
        return flight.error

    async def _fly(self, flight: _Flight, refused: Credentials | None) -> None:
        self._tried = trio.current_time()
        try:
            await self._renew(refused)
            self._trouble = ""
        except LoginRefused as error:
            flight.error = error
            self._die(error)
        except ApiError as error:
            flight.error = error
            log.info("The login can't be renewed now: %s", error)
        except SecretsError as error:
            if not self._trouble:
                log.warning("The login can't be renewed: %s", error)
            self._trouble = str(error)
        finally:
            self._flight = None
            flight.done.set()

    async def _renew(self, refused: Credentials | None) -> None:
        """Under the lock: take the kept login if it is another, else refresh it. Raises ApiError, SecretsError."""
        if self._login is None and self._vault.stamp(self._base_url) is None:
            raise self.dead or LoginRefused()
        lock = await self._lock()
        try:
            stamp = self._vault.stamp(self._base_url)
            kept = await trio.to_thread.run_sync(self._vault.load, self._base_url, abandon_on_cancel=True)
            if self._unsaved is None and kept is not None and kept.credentials != self._held(refused):
                self._adopt(kept, stamp)
                return
            login = self._unsaved or kept
            if login is None or isinstance(login.secret, AdminKey) or login.application is None:
                if refused is not None or self.dead is not None:
                    raise self.dead or LoginRefused()
                return
            if refused is not None and not self._may_refresh():
                raise LoginRefused("a new access token is refused, too")
            with trio.CancelScope(shield=True):  # bounded by the deadline, and the keyring's
                pair = await self._refresh(
                    oauth.oauth_service(self._base_url),
                    login.application,
                    login.secret.refresh,
                    deadline=self._deadline,
                )
                self._renewed_at = trio.current_time()
                await self._keep(replace(login, secret=pair, stored=self._clock()))
        finally:
            self._vault.release(lock)

    async def _lock(self) -> int:
        """The vault's lock, without a thread that waits for it. Raises SecretsError."""
        until = trio.current_time() + LOCK_SECONDS
        while True:
            try:
                return await trio.to_thread.run_sync(self._vault.acquire, self._base_url, 0.0)
            except Busy:
                if trio.current_time() >= until:
                    raise
            await trio.sleep(LOOK)

    def _held(self, refused: Credentials | None) -> Credentials | None:
        """What the login has to differ from to be worth a try."""
        return refused if self._login is None else self._login.credentials

    async def _keep(self, login: Login) -> None:
        """Keep a new pair, then use it. Used it is even where it can't be kept, as the old one is dead."""
        try:
            login = await trio.to_thread.run_sync(self._vault.store, login)
            self._unsaved = None
        except SecretsError as error:
            log.warning("%s; wsfs tries again, and needs a new login after its end otherwise", error)
            self._unsaved = login
            self._attention.set()
        self._adopt(login, self._vault.stamp(self._base_url))

    async def _save(self) -> None:
        try:
            lock = await self._lock()
        except SecretsError:
            return
        with trio.CancelScope(shield=True):
            try:
                if self._unsaved is not None:
                    self._login = await trio.to_thread.run_sync(self._vault.store, self._unsaved)
                    self._unsaved, self._stamp = None, self._vault.stamp(self._base_url)
            except SecretsError as error:
                log.info("Still: %s", error)
            finally:
                self._vault.release(lock)

    def _adopt(self, login: Login, stamp: tuple[int, int, int] | None) -> None:
        self._login, self._stamp, self._final = login, stamp, False
        if self.dead is not None:
            self.dead = None
            log.info("There is a login again")
            self._on_healed()

    def _die(self, error: LoginRefused) -> None:
        self._stamp = self._vault.stamp(self._base_url)
        self._final = isinstance(error, (oauth.GrantRefused, oauth.ApplicationRefused))
        self._attention.set()
        if self.dead is None:
            self.dead = error
            if self._login is not None:
                log.warning("%s", self.advice())
            else:
                log.info("%s", self.advice())
            self._on_dead(self.advice())
