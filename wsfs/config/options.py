"""The one table of what can be set, and of what is said to others in the same place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wsfs.config import values

SECRETS = ("api_key", "access_token")
APPLICATION = ("client_id", "client_secret", "login_port")
"""The application that an administrator registered, for `wsfs login`; in files and the environment only."""
LOGIN_PORT = 8743

# Options of mount(8), fstab and the desktop that say nothing to wsfs, or what it does anyway: they are taken and not
# handed on, as libfuse would refuse most of them. What begins with "x-" or "X-" is meant for others too.
_FOREIGN = """
    defaults auto noauto user users nouser owner noowner group nogroup nofail _netdev _rnetdev comment
    nosuid suid nodev dev sync async dirsync atime noatime relatime norelatime strictatime nostrictatime
    diratime nodiratime lazytime nolazytime mand nomand iversion noiversion silent loud
    uhelper helper default_permissions subtype auto_unmount
"""
FOREIGN = frozenset(_FOREIGN.split())


@dataclass(frozen=True)
class Option:
    """One setting: its public name, the field of Settings it fills, and how a written value is read.

    `parse` takes a string, number or boolean, and raises ValueError saying what the value has to be.
    """

    name: str
    field: str
    parse: Callable[[object], Any]
    flag: bool = False  # may stand alone in -o


OPTIONS: Mapping[str, Option] = {
    option.name: option
    for option in (
        Option("cache_dir", "cache_dir", values.path),
        Option("data_dir", "data_dir", values.path),
        Option("cache_size", "cache_size", values.cache_size),
        Option("rate", "rate", values.number(0)),
        Option("ro", "read_only", values.boolean, flag=True),
        Option("archived", "archived", values.boolean, flag=True),
        Option("folders", "folders", values.boolean, flag=True),
        Option("done", "done", values.one_of("folder", "mixed", "hide")),
        Option("create", "create_projects", values.create),
        Option("mkdir", "mkdir", values.boolean),
        Option("drop", "drop", values.boolean),
        Option("drop_title", "drop_title", values.line),
        Option("allow_other", "allow_other", values.boolean, flag=True),
        Option("noexec", "noexec", values.boolean, flag=True),
        Option("uid", "uid", values.user),
        Option("gid", "gid", values.group),
        Option("umask", "umask", values.umask),
        Option("windows_names", "windows_names", values.boolean, flag=True),
        Option("timezone", "timezone", values.timezone),
        Option("author", "author", values.line),
        Option("authors", "authors", values.authors),
        Option("hidden", "hidden", values.line),
        Option("comment_template", "comment_template", values.template),
        Option("versions", "versions", values.boolean, flag=True),
        Option("writable_for", "writable_for", values.number(0)),
        Option("settle", "settle", values.number(0)),
        Option("drain", "drain", values.number(0)),
        Option("notifications", "notifications", values.boolean),
        Option("hold_tasks", "hold_tasks", values.integer),
        Option("deadline", "deadline", values.number(1)),
        Option("poll", "poll", values.number(1)),
        Option("crawl", "crawl", values.boolean),
        Option("prefetch", "prefetch", values.boolean),
        Option("thumbnails", "thumbnails", values.thumbnails),
        Option("log_level", "log_level", values.one_of("debug", "info", "warning", "error")),
        Option("fsname", "fsname", values.fsname),
    )
}
