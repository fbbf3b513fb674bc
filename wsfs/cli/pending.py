"""Which lists of uploads there are, and which of their files a person means by a path.

A list is that of a running mount, of one that is gone and still sends, or of a spool that nobody has at this moment.
A path is one of the file system, within a mountpoint, or one within the drive as `wsfs uploads` shows it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsfs import control, leftovers
from wsfs.cli import places
from wsfs.cli.errors import UserError, say
from wsfs.cli.places import Target
from wsfs.config.resolve import SYSTEM_DATA

HELD_BACK = ("interrupted", "quarantined")
FLYING = ("sending", "unknown", "sent")


@dataclass(frozen=True)
class Pending:
    """A list of uploads: `told` is what the mount or the spool said; `socket` asks the mount, None where none runs."""

    name: str
    mountpoint: Path | None
    socket: Path | None
    told: Mapping[str, Any]

    @property
    def files(self) -> list[dict[str, Any]]:
        return [one for one in self.told.get("files", ()) if isinstance(one, dict)]

    @property
    def spool(self) -> str:
        return str(self.told.get("spool") or "")


@dataclass(frozen=True)
class Choice:
    """What a person means of one list: its `files`; those of `named` by a path of their own."""

    pending: Pending
    files: list[dict[str, Any]]
    named: frozenset[int]


def of(target: Target) -> Pending:
    """The list of a running mount."""
    return Pending(
        str(target.mountpoint), target.mountpoint, target.socket, control.call(target.socket, "uploads")
    )


def everything(data_dir: str | None = None) -> list[Pending]:
    """The lists there are: those of the mounts that answer, then those of the spools that nobody has.

    With `data_dir` that one's alone. Raises UserError where it has none.
    """
    if data_dir is not None:
        if (found := leftovers.spool_in(Path(data_dir))) is None:
            raise UserError(f"{data_dir} is no data directory of wsfs: it holds no uploads")
        return [_spooled(found)]
    lists = []
    mounts = [mount for mount in control.live_mounts() if places.answers(mount)]
    for mount in (*mounts, *places.finishing()):
        try:
            lists.append(of(places.running(mount)))
        except (UserError, control.ControlError) as error:  # the others are listed all the same
            say(str(error))
    asked = {one.spool for one in lists}
    bases = [leftovers.user_data(), *([SYSTEM_DATA] if os.geteuid() == 0 else [])]
    spools = [spool for base in bases for spool in leftovers.spools_below(base)]
    left = [_spooled(spool) for spool in spools if str(spool) not in asked]
    return lists + [one for one in left if one.files]


def _spooled(spool: Path) -> Pending:
    try:
        told = leftovers.listing(spool)
    except leftovers.Unreadable as error:
        raise UserError(str(error)) from error
    return Pending(str(told["account"] or spool.parent), None, None, told)


def chosen(paths: Iterable[str], data_dir: str | None = None) -> list[Choice]:
    """What is meant by each path, all of one list together. UserError for one that nothing pending lies at."""
    lists = everything(data_dir)
    found: dict[int, tuple[dict[int, dict[str, Any]], set[int]]] = {}
    for path in paths:
        where = _within(path, lists)
        if not where:
            raise UserError(f"nothing that waits lies at {path}; `wsfs uploads` lists what does")
        if len(where) > 1:
            raise UserError(
                f"several drives have something at {path}; say which by its path in the file system"
            )
        [(number, within)] = where
        files, named = found.setdefault(number, ({}, set()))
        for one in lists[number].files:
            if lies_at(str(one["path"]), within):
                files[int(one.get("inode") or 0)] = one
                if str(one["path"]) == within:
                    named.add(int(one.get("inode") or 0))
    return [
        Choice(lists[number], list(files.values()), frozenset(named))
        for number, (files, named) in found.items()
    ]


def lies_at(path: str, within: str) -> bool:
    """Whether a path in the drive is `within`, or lies below it."""
    return path == within or path.startswith(within.rstrip("/") + "/")


def _within(path: str, lists: list[Pending]) -> list[tuple[int, str]]:
    """The lists that have something at a path, with that path as they have it."""
    try:
        mount, within = places.lying_in(path)
    except UserError:
        return [
            (number, path)
            for number, one in enumerate(lists)
            if any(lies_at(str(file["path"]), path) for file in one.files)
        ]
    return [
        (number, within or "/")
        for number, one in enumerate(lists)
        if one.mountpoint == mount.mountpoint
        and any(lies_at(str(file["path"]), within or "/") for file in one.files)
    ]


def directory_to_fill(path: str) -> Path:
    """Where copies shall go; UserError where that is in a drive, which would upload them."""
    place = Path(os.path.abspath(path))  # noqa: PTH100 - links are kept as they are named
    try:
        mount, _ = places.lying_in(str(place))
    except UserError:
        return place
    raise UserError(f"{path} lies in the drive at {mount.mountpoint}: what is copied there would be uploaded")
