"""Whether the account lets a mount in: asked once, before the kernel gets it, so that a wrong login is said at once."""

from __future__ import annotations

import hashlib
import logging

from wsfs.api.auth import AdminKey, Credentials, UserToken
from wsfs.api.client import Client
from wsfs.api.errors import ApiError, LoginRefused, NoSuchAccount
from wsfs.api.pacing import Lane
from wsfs.catalog.catalog import Catalog
from wsfs.catalog.store import Store
from wsfs.config import Settings

log = logging.getLogger(__name__)

_LOGIN = "good_login"


class MountError(Exception):
    """The drive can't be mounted; `str()` is one sentence that says what to do.

    One that `lasts` comes again until a person has done something.
    """

    def __init__(self, sentence: str, *, lasts: bool = False) -> None:
        super().__init__(sentence)
        self.lasts = lasts


async def check_login(settings: Settings, client: Client, catalog: Catalog, store: Store) -> None:
    """Ask the account once, where nothing is known of it or the login is a new one. Raises MountError."""
    login = settings.login.id if settings.login is not None else _fingerprint(settings.credentials)
    known = catalog.knows_projects()
    if not known or store.get(_LOGIN) != login:
        try:
            if known:
                await client.get_projects(lane=Lane.PERSON, filter="active")
            else:
                await catalog.need_projects(Lane.PERSON)
        except NoSuchAccount as error:
            raise MountError(
                f"{settings.base_url} isn't the address of a Worksection account; check the account's name",
                lasts=True,
            ) from error
        except LoginRefused as error:
            raise MountError(_wrong_login(settings), lasts=True) from error
        except ApiError as error:
            if not known:
                raise MountError(
                    f"{error}; check the network and the account's address {settings.base_url}"
                ) from error
            log.info("The login couldn't be tried: %s", error)
        else:
            await store.set(_LOGIN, login)
    unnamed = settings.author is None and settings.authors is None
    if isinstance(settings.credentials, AdminKey) and unnamed and not settings.read_only:
        log.info(
            "With an admin key, posts are the account owner's; the option author=EMAIL makes them somebody else's"
        )


def _fingerprint(credentials: Credentials) -> str:
    """What tells one login from another, without being one."""
    secret = credentials.key if isinstance(credentials, AdminKey) else credentials.token
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def _wrong_login(settings: Settings) -> str:
    if settings.login is not None:
        return (
            f"the login for {settings.base_url} isn't accepted any more; log in again with "
            f"`wsfs login {settings.account}`"
        )
    if isinstance(settings.credentials, UserToken):
        return (
            f"{settings.base_url} doesn't accept the access token; it may have expired: get a new one and set "
            "WSFS_ACCESS_TOKEN"
        )
    return (
        f"{settings.base_url} doesn't accept the API key; copy it anew from Worksection (Account, API) and set "
        "WSFS_API_KEY"
    )
