"""`wsfs login`: OAuth2 in the browser, or an API key; tried at once, and kept for the mounts to come."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from urllib.parse import urlsplit

import click

from wsfs.api.account import account_base_url, is_loopback
from wsfs.api.auth import AdminKey, UserToken
from wsfs.cli import service
from wsfs.cli.errors import UserError, say
from wsfs.cli.known import check_system, only_account
from wsfs.config import SECRETS, LoginSettings, Value, config_files, resolve_login, secret, vault_of
from wsfs.secrets import Login, SecretsError


@click.command(short_help="Log in to an account, for the mounts to come.")
@click.argument("account", required=False)
@click.option(
    "--api-key", "with_key", is_flag=True, help="With an API key, which is asked for, in place of OAuth2."
)
@click.option("--no-browser", is_flag=True, help="Open no browser: show the address alone.")
@click.option(
    "--no-keyring", is_flag=True, help="Keep the login in a file of yours, even if there is a keyring."
)
@click.option("--system", is_flag=True, help="For the drives of this machine (root); without a keyring.")
def login(account: str | None, with_key: bool, no_browser: bool, no_keyring: bool, system: bool) -> None:
    """Log in to ACCOUNT, and keep the login: `wsfs mount ACCOUNT MOUNTPOINT` then needs no key.

    A browser opens on Worksection's page, where you agree. It then comes back to this computer, and warns that
    the connection isn't private: that page is wsfs's own, with a certificate that was made a moment ago. Go on.
    Without a browser here, open the address anywhere and paste the address that you end at.

    The administrator of the account registers wsfs once and hands out client_id and client_secret, for the
    configuration file. Without that, --api-key takes the account's API key.

    \b
    wsfs login acme
    wsfs login acme --api-key
    sudo wsfs login acme --api-key --system     for a mount by fstab, or a service of the machine
    """
    check_system(system, "a login")
    settings = resolve_login(
        account or only_account(system), files=config_files(system=system) if system else None, warn=say
    )
    try:
        made = _with_key(settings) if with_key else _with_oauth(settings, browser=not no_browser)
        vault = vault_of(system)
        with vault.locked(made.base_url):
            kept = vault.store(made, keyring=not no_keyring)
        if not with_key:  # the pair was kept before it is used
            kept = replace(kept, user=_check(kept.base_url, kept.credentials))
            with vault.locked(made.base_url):
                now = vault.load(made.base_url)
                if now is not None and now.id == kept.id:  # a drive may have renewed it already
                    vault.store(replace(now, user=kept.user))
    except SecretsError as error:
        raise UserError(str(error)) from error
    host = urlsplit(made.base_url).netloc
    click.echo(f"Logged in to {host} as {kept.user}")
    click.echo(_told_place(kept, no_keyring or system))
    for name in service.revive(made.base_url, system):
        click.echo(f"The service of {name}, which had given up, is started again.")
    if any(os.environ.get(f"WSFS_{name.upper()}") for name in SECRETS):
        say("WSFS_API_KEY or WSFS_ACCESS_TOKEN is set, and goes before this login")


def _told_place(login: Login, no_keyring: bool) -> str:
    if login.place.startswith("the keyring"):
        return f"The login is kept in {login.place}."
    because = "" if no_keyring else ", as no keyring could be used"
    return f"The login is kept in {login.place}, which only you can read{because}."


# With a key


def _with_key(settings: LoginSettings) -> Login:
    if settings.base_url is None:
        raise UserError("which account? `wsfs login ACCOUNT --api-key`")
    host = urlsplit(settings.base_url).netloc
    if sys.stdin.isatty():
        text = str(click.prompt(f"API key for {host}", hide_input=True, err=True)).strip()
    elif not (text := sys.stdin.readline().strip()):  # a script hands it over
        raise UserError("there is no terminal to ask for the API key at; give it as a line of standard input")
    credentials = secret("api_key", Value(text, "typed"))
    assert isinstance(credentials, AdminKey)
    _check(settings.base_url, credentials)
    return Login(settings.base_url, credentials, "the account's owner (API key)")


def _check(base_url: str, credentials: AdminKey | UserToken) -> str:
    """Who the credentials stand for, as the account says. Raises UserError."""
    import trio

    from wsfs.api.client import Client
    from wsfs.api.errors import ApiError, LoginRefused, NoSuchAccount
    from wsfs.api.pacing import Lane, Pacer

    async def ask() -> str:
        async with Client(base_url, credentials, Pacer()) as client:
            if isinstance(credentials, AdminKey):
                await client.get_project_groups(lane=Lane.PERSON)
                return ""
            user = await client.me(lane=Lane.PERSON)
            return f"{user.name} <{user.email}>" if user.email else user.name

    try:
        return trio.run(ask)
    except NoSuchAccount as error:
        raise UserError(f"{base_url} isn't the address of a Worksection account; check its name") from error
    except LoginRefused as error:
        what = (
            "API key; copy it anew from Worksection (Account, API)"
            if isinstance(credentials, AdminKey)
            else "login"
        )
        raise UserError(f"{base_url} doesn't accept the {what}") from error
    except ApiError as error:
        raise UserError(f"the login couldn't be tried: {error}") from error


# With OAuth2


def _with_oauth(settings: LoginSettings, *, browser: bool) -> Login:
    from wsfs.api import oauth
    from wsfs.api.errors import ApiError
    from wsfs.cli import consent

    application = settings.application
    if application is None:
        raise UserError(
            "no application is registered here for logging in with the browser; ask your administrator for "
            "client_id and client_secret, which go into the configuration file (see docs/login.md), or use "
            "`wsfs login ACCOUNT --api-key`"
        )
    service = oauth.SERVICE if settings.base_url is None else oauth.oauth_service(settings.base_url)
    try:
        pair = consent.ask(service, application, settings.port, browser=browser)
    except consent.LoginError as error:
        raise UserError(str(error)) from error
    except ApiError as error:
        raise UserError(f"{error}; try `wsfs login` again") from error
    try:
        told = account_base_url(pair.account_url) if pair.account_url else None
    except ValueError:
        told = None
    base_url = settings.base_url or told
    if base_url is None:
        raise UserError("Worksection didn't say which account this is; name it: `wsfs login ACCOUNT`")
    if told is not None and told != base_url:
        raise UserError(
            f"in the browser you are logged in to {told}, not {base_url}; log out there, or `wsfs login {told}`"
        )
    if not (base_url.startswith("https://") or is_loopback(base_url)):
        raise UserError(f"{base_url} isn't HTTPS; a login is sent over nothing else")
    return Login(base_url, pair, "", application)
