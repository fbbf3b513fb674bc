"""`wsfs umount`: wait for uploads, then take the drive away."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import click

from wsfs import control, mountinfo
from wsfs.cli import flushing, healing
from wsfs.cli.errors import UserError, say
from wsfs.cli.paths import PATH
from wsfs.cli.places import Target, mountpoint, trouble

STOP_SECONDS = 60.0
LOOK_EVERY = 0.05


@click.command(short_help="Wait for uploads, then unmount.")
@click.argument("place", metavar="MOUNTPOINT", type=PATH)
@click.option("--now", is_flag=True, help="Don't wait: what is pending is kept, and sent by the next mount.")
def umount(place: str, now: bool) -> None:
    """Unmount the drive at MOUNTPOINT, after its pending uploads have arrived.

    Ctrl-C while it waits leaves the drive mounted. A drive whose process has died is cleared away.

    \b
    wsfs umount ~/Worksection
    wsfs umount ~/Worksection --now
    """
    mount = mountpoint(place)
    if healing.heal(mount.mountpoint, warn=say):
        return
    try:
        if mount.socket is None:
            raise control.NotServed
        target = Target(mount.mountpoint, mount.socket)
        with _process(control.server_pid(target.socket)) as ended:
            if not now:
                flushing.report(flushing.flush(target))
            control.call(target.socket, "stop")
            _wait(mount.mountpoint, ended)
    except control.NotServed:
        if not now:
            raise UserError(trouble(mount.mountpoint)) from None
        healing.clear(mount.mountpoint)


@contextlib.contextmanager
def _process(pid: int) -> Iterator[int | None]:
    """A descriptor that is readable once the process has ended; None where it can't be waited for."""
    try:
        descriptor = os.pidfd_open(pid) if pid != os.getpid() else None
    except OSError:
        descriptor = None
    if descriptor is None:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _wait(place: Path, ended: int | None) -> None:
    until = time.monotonic() + STOP_SECONDS
    mounted = True
    while time.monotonic() < until:
        mounted = mountinfo.find(place) is not None
        gone = ended is not None and bool(select.select([ended], [], [], LOOK_EVERY)[0])
        if not mounted and (gone or ended is None):
            return
        if gone and mountinfo.find(place) is not None:
            raise UserError(
                f"the process of {place} ended without unmounting it; `wsfs umount {place}` clears it"
            )
        if ended is None:
            time.sleep(LOOK_EVERY)
    if mounted:
        raise UserError(
            f"{place} is still mounted after {STOP_SECONDS:.0f} seconds; a program may be using it "
            f"(`fuser -m {place}` names it)"
        )
    raise UserError(f"{place} is unmounted, but its process has not ended after {STOP_SECONDS:.0f} seconds")
