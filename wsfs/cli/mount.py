"""`wsfs mount`: put a drive in its place, in the background unless told otherwise."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import click

from wsfs.api.auth import AdminKey
from wsfs.cli import daemon, healing, logs, preflight, running, succession
from wsfs.cli.errors import UserError, say
from wsfs.cli.known import check_system
from wsfs.cli.paths import PATH
from wsfs.config import ConfigError, LoginUnreadable, Settings, resolve
from wsfs.control import ControlError
from wsfs.service import CONFIGURATION_EXIT, Supervisor


@click.command(short_help="Mount an account as a drive.")
@click.argument("account")
@click.argument("mountpoint", required=False, type=PATH)
@click.option("--foreground", is_flag=True, help="Stay here and log to the terminal, until Ctrl-C.")
@click.option("--cache-dir", metavar="DIR", help="For downloaded content; may be emptied at any time.")
@click.option(
    "--data-dir", metavar="DIR", help="For what is not uploaded yet, and what is known of the account."
)
@click.option("--cache-size", metavar="SIZE", help="Limit of the cache, such as 500M or 20GiB. [5GiB]")
@click.option("--rate", metavar="R", help="Requests a second, 0 for no limit. [1]")
@click.option(
    "-o", "mount_options", metavar="OPTIONS", multiple=True, help="Mount options, with commas between."
)
@click.option("--system", is_flag=True, help="As the machine's drive, by /etc/wsfs/config.toml alone (root).")
@click.option("--debug", is_flag=True, help="Log everything that is done.")
def mount(
    account: str,
    mountpoint: str | None,
    foreground: bool,
    cache_dir: str | None,
    data_dir: str | None,
    cache_size: str | None,
    rate: str | None,
    mount_options: tuple[str, ...],
    system: bool,
    debug: bool,
) -> None:
    """Mount ACCOUNT at MOUNTPOINT, an empty directory; without one at that of the configuration, or ~/Worksection.

    ACCOUNT is the account's name, its address, or a table [accounts.NAME] of the configuration file. The login
    is that of WSFS_API_KEY (or a user's token, WSFS_ACCESS_TOKEN), of `wsfs login`, or of that file; without one the
    API key is asked for.
    The command returns when the drive is ready. What a drive left behind whose process died is cleared away first.

    \b
    wsfs mount acme ~/Worksection -o ro           look around, nothing can be changed
    wsfs mount acme.worksection.com ~/Worksection
    wsfs mount acme ~/Worksection -o done=hide,author=ann@example.com
    wsfs mount http://127.0.0.1:8080 /mnt/test    an emulator

    \b
    Mount options (-o), also as WSFS_NAME in the environment and in the configuration file:
      ro                    read only
      archived              archived projects too
      folders               projects inside the folder they lie in
      done=folder           done tasks in a directory Done; or mixed with the others, or hide
      create=projects       a directory made in the drive's root becomes a project
      mkdir=no, drop=no     refuse new tasks; refuse files dropped on a project
      drop_title=TITLE      the task for files dropped on a project [Project files]
      author=EMAIL          in whose name to post (with an API key)
      hidden=…              as the service's own parameter, for every post
      comment_template=…    text of a comment with files [{names}]
      settle=3              seconds a file has to be still before it is sent
      drain=60              seconds for which the end of a drive (a shutdown) still sends what waits
      notifications=no      show nothing on the desktop
      hold_tasks=10         more new tasks at once than this wait for `wsfs uploads send`
      timezone=Europe/Kyiv  the account's time zone [this machine's]
      deadline=30, poll=30  seconds: the longest wait for an answer; between looks for changes
      crawl=no              don't fill in unvisited directories in the background
      windows_names         names that Windows can have, for a drive that Samba shares
      authors=ann=EMAIL:bob=EMAIL  who of this machine's users posts in whose name; others can't write
      allow_other, noexec, uid=, gid=, umask=, fsname=    as for other FUSE file systems
    """
    herald, supervisor = daemon.Herald(), Supervisor()
    try:
        check_system(system, "a drive")
        settings = resolve(
            account,
            mountpoint,
            options={
                "cache_dir": cache_dir,
                "data_dir": data_dir,
                "cache_size": cache_size,
                "rate": rate,
                "log_level": "debug" if debug else None,
            },
            mount_options=",".join(mount_options),
            environ=os.environ | herald.login,
            ask=None if herald.in_background else _asker(),
            warn=lambda sentence: None if herald.in_background else say(sentence),
            system=system,
        )
        preflight.check_fuse()
        healing.heal(settings.mountpoint, warn=say)
        if mountpoint is None:
            preflight.make_mountpoint(settings.mountpoint)
        preflight.check(settings)
        before = None if herald.in_background else succession.holder(settings.data_dir)
        if before is not None and before.ending:
            say(f"what was mounted at {before.mountpoint} still sends; this drive takes over from it")
        if foreground or herald.in_background:
            _serve(settings, herald, supervisor)
        else:
            daemon.start(daemon.mount_command(settings, mount_options), settings)
            announce(settings)
    except (UserError, ConfigError, ControlError) as error:
        sentence = error.message if isinstance(error, UserError) else str(error)
        # Once the drive has been ready nobody listens at the pipe, and the sentence goes to the log.
        herald.failed(sentence)
        supervisor.status(sentence)
        if supervisor.listens and lasts(error):
            say(sentence)
            sys.exit(CONFIGURATION_EXIT)
        raise


def lasts(error: Exception) -> bool:
    """Whether a start fails again until a person has done something."""
    if isinstance(error, UserError):
        return error.lasts
    return isinstance(error, ConfigError) and not isinstance(error, LoginUnreadable)


def _serve(settings: Settings, herald: daemon.Herald, supervisor: Supervisor) -> None:
    for name in daemon.SECRET_VARIABLES:
        os.environ.pop(name, None)  # what is started from here has no use for it
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        log_file = daemon.log_path(settings.data_dir) if herald.in_background else None
        logs.set_up(settings.log_level, log_file)
    except OSError as error:
        raise UserError(f"the log in {settings.data_dir} can't be written: {error.strerror}") from error
    os.chdir("/")  # or the directory it was started in could not be unmounted or removed

    def ready() -> None:
        herald.ready()
        supervisor.ready(f"{settings.fsname} is mounted at {settings.mountpoint}")
        if not herald.in_background and not supervisor.listens:
            announce(settings)

    running.run(settings, ready, supervisor)


def announce(settings: Settings) -> None:
    """Say that the drive is there, and in whose name it posts."""
    click.echo(f"{settings.fsname} is mounted at {settings.mountpoint}")
    if (
        isinstance(settings.credentials, AdminKey)
        and settings.author is None
        and settings.authors is None
        and not settings.read_only
    ):
        click.echo(
            "Uploads are posted in the name of the account's owner; -o author=EMAIL names another person."
        )


def _at_terminal() -> bool:
    return sys.stdin.isatty()


def _asker() -> Callable[[str], str] | None:
    if not _at_terminal():
        return None

    def ask(question: str) -> str:
        return str(click.prompt(question, hide_input=True, err=True))

    return ask
