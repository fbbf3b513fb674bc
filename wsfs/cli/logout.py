"""`wsfs logout`: a kept login is taken away."""

from __future__ import annotations

from urllib.parse import urlsplit

import click

from wsfs.cli.errors import UserError
from wsfs.cli.known import check_system
from wsfs.config import config_files, resolve_login, vault_of
from wsfs.secrets import SecretsError


@click.command(short_help="Forget the login to an account.")
@click.argument("account", required=False)
@click.option("--system", is_flag=True, help="That of this machine's drives (root).")
def logout(account: str | None, system: bool) -> None:
    """Forget the login to ACCOUNT that `wsfs login` keeps, in the keyring or in a file.

    A drive that is mounted goes on until its token ends, within a day. A key in the configuration file stays.
    """
    check_system(system, "a login")
    vault = vault_of(system)
    if account is not None:
        base_url = resolve_login(account, files=config_files(system=system) if system else None).base_url
        assert base_url is not None
    else:
        urls = [entry.base_url for entry in vault.entries()]
        if not urls:
            raise UserError("there is no login to forget")
        if len(urls) > 1:
            hosts = ", ".join(urlsplit(url).netloc for url in urls)
            raise UserError(f"which account? there are logins to {hosts}")
        base_url = urls[0]
    host = urlsplit(base_url).netloc
    try:
        with vault.locked(base_url):
            forgotten = vault.forget(base_url)
    except SecretsError as error:
        raise UserError(str(error)) from error
    if not forgotten:
        raise UserError(f"there is no login to {host}; `wsfs accounts` shows those there are")
    click.echo(f"Logged out of {host}")
