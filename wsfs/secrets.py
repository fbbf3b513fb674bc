"""Logins that are kept from one start to the next: in the desktop's keyring, or where there is none in a file.

Each account has a file `~/.config/wsfs/logins/HOST.json` (0600, in a directory of 0700) that says whose login it is
and where the secret lies; without a keyring the secret is in it. It is replaced in one step, after the keyring has
the secret, so its change tells every process that there is another login. A lock beside it, which is the kernel's
and goes with its process, makes one process at a time renew: who gets it reads the login again first, as another
may have renewed it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import stat
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import platformdirs

from wsfs.api.auth import AdminKey, Application, Credentials, TokenPair, UserToken

log = logging.getLogger(__name__)

SERVICE = "wsfs"
KEYRING_SECONDS = 30.0
"""How long a keyring may take: it may ask a person to unlock it, or not answer at all."""
LOCK_SECONDS = 60.0
LOCK_POLL = 0.05
_IN_KEYRING = "the keyring"

T = TypeVar("T")


class SecretsError(Exception):
    """A login can't be read or kept; `str()` is a sentence for a person, without a secret in it."""


class Busy(SecretsError):  # noqa: N818 - it says what is the matter
    """Another process holds the lock of a login."""


@dataclass(frozen=True)
class Login:
    """One account's login. `user` is for people; `stored` unix time; `id` stays the same over renewals.

    `place` says where the secret is kept, for people; it is empty in a login that isn't kept yet.
    """

    base_url: str
    secret: AdminKey | TokenPair
    user: str = ""
    application: Application | None = None
    stored: float = 0.0
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    place: str = ""

    @property
    def credentials(self) -> Credentials:
        """What requests are signed with."""
        return self.secret.access if isinstance(self.secret, TokenPair) else self.secret


@dataclass(frozen=True)
class Entry:
    """What is known of a login without its secret; `ends` is unix time, None for a key, which doesn't."""

    base_url: str
    kind: str  # "key" or "oauth"
    user: str
    stored: float
    ends: float | None
    place: str


class Ring(Protocol):
    """A keyring. Any exception of a method means that it can't be used now."""

    name: str

    def get(self, account: str) -> str | None:
        """The secret kept for `account`."""
        ...

    def set(self, account: str, secret: str) -> None:
        """Keep a secret, in place of one that is there."""
        ...

    def delete(self, account: str) -> None:
        """Forget a secret."""
        ...


class SystemRing:
    """The keyring of the desktop, through the library keyring."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.name = str(getattr(backend, "name", "")) or type(backend).__name__

    def get(self, account: str) -> str | None:
        found = self._backend.get_password(SERVICE, account)
        return None if found is None else str(found)

    def set(self, account: str, secret: str) -> None:
        self._backend.set_password(SERVICE, account, secret)

    def delete(self, account: str) -> None:
        self._backend.delete_password(SERVICE, account)


def system_ring() -> Ring | None:
    """The desktop's keyring; None where there is none that keeps secrets better than a file does."""
    import keyring  # only here: it is slow to import, and most commands have no use for it

    backend = keyring.get_keyring()
    module = type(backend).__module__
    if backend.priority < 1 or module.startswith(
        ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")
    ):
        return None
    return SystemRing(backend)


Stamp = tuple[int, int, int]


class Vault:
    """The logins of this user. `ring` gives the keyring, or None; it is asked when one is needed.

    Everything here may block (disk, keyring, lock): in trio, call it in a worker thread, but for `stamp`.
    """

    def __init__(
        self, directory: Path | None = None, *, ring: Callable[[], Ring | None] = system_ring
    ) -> None:
        self.directory = directory or platformdirs.user_config_path("wsfs") / "logins"
        self._ring = ring

    def stamp(self, base_url: str) -> Stamp | None:
        """What changes whenever the kept login does; None where there is none. One stat."""
        try:
            found = self._path(base_url).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def load(self, base_url: str) -> Login | None:
        """The login that is kept for an account, or None. Raises SecretsError."""
        record = self._record(self._path(base_url))
        if record is None:
            return None
        if record.get("kept") == "keyring":
            text = self._bounded(lambda ring: ring.get(_account(base_url)))
            if text is None:
                raise SecretsError(
                    f"the keyring doesn't hold the login of {_account(base_url)} any more; log in again with "
                    f"`wsfs login {short_name(base_url)}`"
                )
            secret = _parsed(text)
        else:
            secret = record.get("secret")
        try:
            return _login(record, secret)
        except (KeyError, TypeError, ValueError):
            raise SecretsError(
                f"the login in {self._path(base_url)} can't be read; log in again with "
                f"`wsfs login {short_name(base_url)}`"
            ) from None

    def store(self, login: Login, *, keyring: bool | None = None) -> Login:
        """Keep a login in place of the one that is there; on the disk when this returns. Raises SecretsError.

        Where the keyring fails, the secret goes into the file, as a pair that is not kept is lost.
        Without `keyring` it goes where the login was; a new one into the keyring. The login that is returned says
        where its secret is.
        """
        account, path = _account(login.base_url), self._path(login.base_url)
        secret = _secret(login)
        kept = False
        if keyring is None:
            keyring = not login.place or login.place.startswith(_IN_KEYRING)
        if keyring:
            try:
                kept = bool(self._bounded(lambda ring: _set(ring, account, json.dumps(secret))))
            except SecretsError as error:
                log.warning("%s; the login is kept in a file", error)
        place = f"{_IN_KEYRING} ({self._name()})" if kept else str(path)
        login = replace(login, place=place, stored=login.stored or time.time())
        record: dict[str, Any] = {
            "account": login.base_url,
            "kind": "oauth" if isinstance(login.secret, TokenPair) else "key",
            "user": login.user,
            "stored": login.stored,
            "ends": login.secret.refresh_expires if isinstance(login.secret, TokenPair) else None,
            "id": login.id,
            "place": place,
            "kept": "keyring" if kept else "file",
        }
        if not kept:
            record["secret"] = secret
        try:
            self._make_directory()
            _replace(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        except OSError as error:
            raise SecretsError(f"the login can't be kept in {path}: {error.strerror}") from error
        return login

    def forget(self, base_url: str) -> bool:
        """Take a login away, from the keyring too; whether there was one. Raises SecretsError."""
        path = self._path(base_url)
        record = self._record(path)
        if record is None:
            return False
        if record.get("kept") == "keyring":
            self._bounded(lambda ring: _delete(ring, _account(base_url)))
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise SecretsError(f"{path} can't be removed: {error.strerror}") from error
        return True

    def entries(self) -> list[Entry]:
        """What logins there are; no keyring is asked."""
        found = []
        for path in sorted(self.directory.glob("*.json")):
            with contextlib.suppress(SecretsError, KeyError, TypeError, ValueError):
                record = self._record(path)
                if record is not None:
                    ends = record["ends"]
                    found.append(
                        Entry(
                            str(record["account"]),
                            str(record["kind"]),
                            str(record["user"]),
                            float(record["stored"]),
                            None if ends is None else float(ends),
                            str(record["place"]),
                        )
                    )
        return found

    @contextlib.contextmanager
    def locked(self, base_url: str, seconds: float = LOCK_SECONDS) -> Iterator[None]:
        """Keep other processes from changing the login of an account meanwhile. Raises SecretsError when it can't."""
        descriptor = self.acquire(base_url, seconds)
        try:
            yield
        finally:
            self.release(descriptor)

    def acquire(self, base_url: str, seconds: float = LOCK_SECONDS) -> int:
        """Take the lock; the caller gives what this returns to `release`. Raises Busy after `seconds`, SecretsError."""
        path = self._path(base_url).with_suffix(".lock")
        until = time.monotonic() + seconds
        try:
            self._make_directory()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SecretsError(f"{path} can't be opened: {error.strerror}") from error
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                if time.monotonic() < until:
                    time.sleep(LOCK_POLL)
                    continue
                os.close(descriptor)
                raise Busy(
                    f"another process holds {path} and doesn't let go of it; `wsfs status` shows the drives"
                ) from None
            except OSError as error:
                os.close(descriptor)
                raise SecretsError(f"{path} can't be locked: {error.strerror}") from error

    def release(self, descriptor: int) -> None:
        """Give a lock back."""
        os.close(descriptor)

    def _path(self, base_url: str) -> Path:
        return self.directory / f"{_account(base_url).replace(':', '_')}.json"

    def _make_directory(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(self.directory.stat().st_mode) & 0o077:
            self.directory.chmod(0o700)

    def _record(self, path: Path) -> dict[str, Any] | None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SecretsError(f"the login in {path} can't be read: {error.strerror}") from error
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
            if os.fstat(descriptor).st_mode & 0o077:
                log.warning("%s could be read by other users; now it can't", path)
                with contextlib.suppress(OSError):
                    os.fchmod(descriptor, 0o600)
            record = _parsed(file.read())
        if not isinstance(record, dict):
            raise SecretsError(f"the login in {path} can't be read; remove that file and log in again")
        return record

    def _name(self) -> str:
        ring = self._ring()
        return ring.name if ring is not None else "none"

    def _bounded(self, ask: Callable[[Ring], T]) -> T | None:
        """What the keyring says, in time, from a thread that is left behind otherwise; None where there is none."""
        outcome: list[T | None] = []
        failure: list[str] = []

        def work() -> None:
            try:
                ring = self._ring()
                outcome.append(None if ring is None else ask(ring))
            except Exception as error:  # noqa: BLE001 - keyrings raise what they like
                # Their texts are not shown: nobody knows what is in them.
                failure.append(f"the keyring can't be used ({type(error).__name__})")

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(KEYRING_SECONDS)
        if failure:
            raise SecretsError(failure[0])
        if not outcome:
            raise SecretsError(f"the keyring didn't answer for {KEYRING_SECONDS:g} s; is it locked?")
        return outcome[0]


def _set(ring: Ring, account: str, secret: str) -> bool:
    ring.set(account, secret)
    return ring.get(account) == secret


def _delete(ring: Ring, account: str) -> None:
    if ring.get(account) is not None:
        ring.delete(account)


def _account(base_url: str) -> str:
    return urlsplit(base_url).netloc


def short_name(base_url: str) -> str:
    """The account as it is typed."""
    host = _account(base_url)
    return host.removesuffix(".worksection.com") if host.endswith(".worksection.com") else base_url


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _secret(login: Login) -> dict[str, Any]:
    if isinstance(login.secret, AdminKey):
        return {"api_key": login.secret.key}
    said: dict[str, Any] = {
        "access_token": login.secret.access.token,
        "refresh_token": login.secret.refresh,
        "expires": login.secret.expires,
        "refresh_expires": login.secret.refresh_expires,
        "account_url": login.secret.account_url,
    }
    if login.application is not None:
        said |= {
            "client_id": login.application.client_id,
            "client_secret": login.application.client_secret,
        }
    return said


def _login(record: dict[str, Any], secret: Any) -> Login:
    """Raises KeyError, TypeError, ValueError for what is no login."""
    held: AdminKey | TokenPair
    application = None
    if record["kind"] == "key":
        held = AdminKey(secret["api_key"])
    else:
        held = TokenPair(
            UserToken(secret["access_token"]),
            str(secret["refresh_token"]),
            float(secret["expires"]),
            float(secret["refresh_expires"]),
            str(secret["account_url"]),
        )
        if "client_id" in secret:
            application = Application(str(secret["client_id"]), str(secret["client_secret"]))
    return Login(
        str(record["account"]),
        held,
        str(record["user"]),
        application,
        float(record["stored"]),
        str(record["id"]),
        str(record["place"]),
    )


def _replace(path: Path, text: str) -> None:
    """Put a file in the place of another, for this user alone, and on the disk."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}.", dir=path.parent)  # 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
