"""Directories and files: whose they are, who can read them, how much room there is, and what lies in them."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from wsfs import mountinfo
from wsfs.doctor.findings import Finding, bad, good, note

#: Bytes of free space below which copying into a drive is about to fail.
LITTLE = 200 * 2**20
#: Of larger databases only the head is looked at: a check reads all of it.
CHECKED = 300 * 2**20
BUSY_SECONDS = 2.0
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_OVER_THE_NETWORK = ("nfs", "cifs", "smb", "fuse.", "9p", "ceph", "afs")


def check_configuration(problems: Sequence[str]) -> Iterator[Finding]:
    """What `wsfs.config.problems` found wrong in the configuration files."""
    for problem in problems:
        yield bad("configuration", problem, "mend that line; `wsfs config` shows what is in force")
    if not problems:
        yield good("configuration", "nothing is wrong in the files")


def check_private(check: str, directory: Path) -> Finding:
    """A directory of secrets, and the files in it: nobody else may read them."""
    with contextlib.suppress(OSError):
        for path in [directory, *sorted(directory.iterdir())]:
            status = path.lstat()
            if status.st_uid != os.geteuid():
                return bad(
                    check,
                    f"{path} belongs to another user",
                    f"take it over with `sudo chown -R $USER {directory}`",
                )
            if status.st_mode & 0o077:
                return bad(
                    check, f"others can read {path}", f"take that from them with `chmod -R go= {directory}`"
                )
    return good(check, f"{directory} is for you alone" if directory.exists() else "nothing is kept in a file")


def check_directory(check: str, path: Path) -> Finding:
    """A directory of a mount's: it is there and yours alone, or can be made."""
    option = f"--{check.replace(' ', '-').replace('directory', 'dir')}"
    try:
        status = path.stat()
    except FileNotFoundError:
        above = next((one for one in path.parents if one.exists()), Path("/"))
        if os.access(above, os.W_OK | os.X_OK) and above.is_dir():
            return good(check, f"{path} will be made by the first mount")
        return bad(
            check, f"{path} can't be made in {above}", f"make {above} yours, or choose another with {option}"
        )
    except OSError as error:
        return bad(check, f"{path} can't be looked at: {error.strerror}", f"choose another with {option}")
    if not stat.S_ISDIR(status.st_mode):
        return bad(check, f"{path} is no directory", f"move it away, or choose another with {option}")
    if status.st_uid != os.geteuid():
        return bad(
            check, f"{path} belongs to another user", f"take it over with `sudo chown -R $USER {path}`"
        )
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return bad(check, f"you can't write to {path}", f"allow it with `chmod u+rwx {path}`")
    if status.st_mode & 0o077:
        return bad(check, f"others can look into {path}", f"take that from them with `chmod go= {path}`")
    return good(check, str(path))


def check_kind(path: Path, table: Sequence[mountinfo.Mount] | None = None) -> Finding:
    """What kind of file system the data directory is on: what isn't uploaded yet has to outlive a shutdown."""
    check = "data on a disk"
    mount = mountinfo.containing(path, table)
    kind = mount.fstype if mount is not None else "?"
    if kind in _IN_MEMORY:
        return bad(
            check,
            f"{path} is in memory ({kind}): what isn't uploaded yet would be lost with the next shutdown",
            "choose a directory on a disk with --data-dir",
        )
    if kind.startswith(_OVER_THE_NETWORK):
        return note(
            check,
            f"{path} is on {kind}, over a network or another program: slower, and locks may not hold",
            "a directory on a disk of this machine (--data-dir) is better",
        )
    return good(check, kind)


def check_space(
    data_dir: Path, cache_dir: Path, cache_size: int, free: Callable[[Path], int] | None = None
) -> Iterator[Finding]:
    """Room for what is written into the drive, and for what the cache may still take."""
    free = _free if free is None else free
    room = free(data_dir)
    if room < LITTLE:
        yield bad(
            "room for uploads",
            f"{_size(room)} are left for {data_dir}: copying larger files into the drive will fail",
            "free some space, or choose a directory on another disk with --data-dir",
        )
    else:
        yield good("room for uploads", f"{_size(room)} free")
    used = _used(cache_dir)
    left = free(cache_dir)
    if cache_size - used > left:
        yield note(
            "room for the cache",
            f"the cache may grow by {_size(cache_size - used)}, and the disk has {_size(left)}",
            "give it a lower limit with --cache-size",
        )
    else:
        yield good("room for the cache", f"{_size(used)} used of {_size(cache_size)}, {_size(left)} free")


def check_spool(listing: Mapping[str, Any], *, mounted: bool) -> Finding:
    """What waits to be uploaded (in the form of `leftovers.listing`): whether it will go by itself."""
    check = "uploads"
    files = [item for item in listing.get("files", ()) if isinstance(item, Mapping)]
    stuck = sum(item.get("state") in ("quarantined", "interrupted") for item in files)
    if stuck:
        return bad(
            check,
            f"{stuck} of {len(files)} that wait can't go by themselves",
            "`wsfs uploads` says why, and how each can be sent, saved or deleted",
        )
    if files and not mounted:
        return note(check, f"{len(files)} wait, and the drive isn't mounted", "they go once it is")
    return good(check, f"{len(files)} wait" if files else "everything is on the server")


def check_databases(data_dir: Path, cache_dir: Path, *, mounted: bool) -> Iterator[Finding]:
    """Whether what wsfs keeps in SQLite is whole; what a running mount has open is left to it."""
    cures = {
        data_dir / "catalog.db": "delete it: it is read from Worksection again",
        data_dir
        / "keepsakes.db": "keep a copy and delete it: uploaded files then get the server's times and new numbers",
        data_dir
        / "spool"
        / "journal.sqlite": "keep a copy of the whole directory, and copy what is in content/ by hand",
        cache_dir / "content" / "index.sqlite": "delete the directory it is in: files are fetched again",
    }
    check = "databases"
    if mounted:
        yield good(check, "in use by the drive")
        return
    damaged = False
    for path, cure in cures.items():
        trouble = _damage(path)
        if trouble:
            damaged = True
            yield bad(check, f"{path} is damaged ({trouble})", cure)
    if not damaged:
        yield good(check, "whole")


def _damage(path: Path) -> str:
    """What SQLite says of a database; empty where all is well, or there is none."""
    try:
        size = path.stat().st_size
    except OSError:
        return ""
    question = "pragma quick_check(1)" if size <= CHECKED else "select count(*) from sqlite_master"
    address = f"file:{quote(os.fsencode(path))}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as database:
            (answer,) = database.execute(question).fetchone()
    except sqlite3.OperationalError as error:
        return "" if "locked" in str(error) else str(error)
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if answer == "ok" or size > CHECKED else str(answer)


def _free(path: Path) -> int:
    """The room there is where `path` is, or would be made."""
    place = next((one for one in (path, *path.parents) if one.exists()), Path("/"))
    return shutil.disk_usage(place).free


def _used(directory: Path) -> int:
    def sizes(places: Iterable[str]) -> Iterator[int]:
        for place in places:
            with contextlib.suppress(OSError), os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        yield from sizes([entry.path])
                    else:
                        yield entry.stat(follow_symlinks=False).st_blocks * 512

    return sum(sizes([str(directory)]))


def _size(number: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if abs(number) < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"
