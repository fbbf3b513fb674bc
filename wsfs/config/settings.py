"""What a mount has to know, once it is known where each setting comes from."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wsfs.api.auth import Credentials
from wsfs.secrets import Login

Done = Literal["folder", "mixed", "hide"]


@dataclass(frozen=True)
class Settings:
    """Everything a mount needs to know; sizes in bytes, times in seconds, paths absolute."""

    account: str  # as the user gave it
    base_url: str
    mountpoint: Path
    credentials: Credentials
    cache_dir: Path  # may be thrown away at any time
    data_dir: Path  # spool, journal, catalog: holds what exists nowhere else
    cache_size: int = 5 * 2**30
    rate: float = 1.0  # starts of requests a second, 0 = no limit
    read_only: bool = False
    archived: bool = False
    folders: bool = False
    done: Done = "folder"
    create_projects: bool = False
    mkdir: bool = True
    drop: bool = True
    drop_title: str = "Project files"
    allow_other: bool = False
    uid: int = 0
    gid: int = 0
    umask: int = 0o022  # what the modes of all that is in the account lack
    windows_names: bool = False
    timezone: datetime.tzinfo | None = None  # the account's; None = the machine's
    author: str | None = None  # email_user_from of every post
    authors: Mapping[str, str] | None = None  # the same by local user (name or number); others can't write
    hidden: str | None = None  # hidden of every post
    comment_template: str = "{names}"
    versions: bool = False  # attachments can be written to; what is saved is a new one
    writable_for: float = 3600.0  # seconds for which a file that was uploaded from here can be saved over
    settle: float = 3.0
    hold_tasks: int = 10
    drain: float = 60.0  # seconds for which what is pending is sent once the mount is told to end by a signal
    notifications: bool = True  # on the desktop
    deadline: float = 29.0
    poll: float = 30.0
    crawl: bool = True
    prefetch: bool = True
    thumbnails: int = 50 * 2**20  # what is larger isn't fetched for a program that reads unasked
    log_level: str = "info"
    fsname: str = "wsfs"
    noexec: bool = False  # no program is run from the drive
    system: bool = False  # the machine's mount: configuration, cache, data and logins aren't a user's
    login: Login | None = None  # where the credentials are those that `wsfs login` keeps
