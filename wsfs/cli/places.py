"""Which mount a command's argument speaks of."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path

from wsfs import control, mountinfo
from wsfs.cli import preflight
from wsfs.cli.errors import UserError


@dataclass(frozen=True)
class Target:
    """A running mount and the path within it, None being all of it."""

    mountpoint: Path
    socket: Path
    within: str | None = None


def running(mount: control.LiveMount, within: str | None = None) -> Target:
    """The target of a mount; UserError when no process serves it."""
    if mount.socket is None or not answers(mount):
        raise UserError(trouble(mount.mountpoint))
    return Target(mount.mountpoint, mount.socket, within)


def answers(mount: control.LiveMount) -> bool:
    """Whether a process listens at the mount's socket, which may outlive it."""
    try:
        return mount.socket is not None and control.server_pid(mount.socket) > 0
    except control.NotServed:
        return False


def is_dead(mountpoint: Path) -> bool:
    """Whether the kernel says that the process of a mount has died."""
    return preflight.probe(mountpoint) == errno.ENOTCONN


def trouble(mountpoint: Path) -> str:
    """The sentence for a mount that nobody answers for."""
    return gone(mountpoint) if is_dead(mountpoint) else deaf(mountpoint)


def gone(mountpoint: Path) -> str:
    """The sentence for a mount whose process has died."""
    return f"the process of the mount at {mountpoint} is gone; `wsfs umount {mountpoint}` clears it"


def deaf(mountpoint: Path) -> str:
    """The sentence for a mount that lives, but can't be asked."""
    return (
        f"the process of the mount at {mountpoint} can't be asked, as its control socket is missing or deaf; "
        f"`wsfs umount --now {mountpoint}` unmounts it without waiting for uploads"
    )


def lying_in(path: str) -> tuple[control.LiveMount, str | None]:
    """The mount that `path` lies in, served or not, and where (None: its root); UserError when it is none of wsfs."""
    place = mountinfo.canonical(path)
    mount = mountinfo.containing(place)
    found = control.find_mount(mount.mountpoint) if mount else None
    if found is None:
        raise UserError(f"{path} lies in no drive of wsfs; `wsfs status` lists those there are")
    relative = place.relative_to(found.mountpoint)
    return found, f"/{relative}" if relative.parts else None


def target(path: str) -> Target:
    """The mount that `path` lies in, without touching it; UserError when it is no mount of wsfs."""
    return running(*lying_in(path))


def targets(path: str | None) -> list[Target]:
    """The mount of `path`, or without one every running mount, also one that is only finishing; UserError when there
    is none."""
    if path is not None:
        return [target(path)]
    mounts, still = control.live_mounts(), finishing()
    if not mounts and not still:
        raise UserError("nothing is mounted; `wsfs mount ACCOUNT MOUNTPOINT` mounts a drive")
    answering = [running(mount) for mount in mounts if answers(mount)]
    return (answering + [running(one) for one in still]) or [running(mounts[0])]


def finishing() -> list[control.LiveMount]:
    """The drives that are unmounted already, and whose processes still send what was pending."""
    found = []
    for path in control.finishing_sockets():
        try:
            told = control.call(path, "status", silence=2.0)
        except control.NotServed:
            path.unlink(missing_ok=True)  # its process died; nobody takes that name again
        except control.ControlError:
            continue
        else:
            found.append(control.LiveMount(Path(str(told.get("mountpoint") or "?")), path))
    return found


def mountpoint(path: str) -> control.LiveMount:
    """The mount at exactly `path`, served or not; UserError when there is none."""
    place = mountinfo.canonical(path)
    found = control.find_mount(place)
    if found is not None:
        return found
    mount = mountinfo.containing(place)
    around = control.find_mount(mount.mountpoint) if mount else None
    if around is not None:
        raise UserError(f"{path} is not the mountpoint itself; its drive is mounted at {around.mountpoint}")
    if any(one.mountpoint == place for one in finishing()):
        raise UserError(
            f"{place} is unmounted already, and its process still sends; `wsfs flush` waits for it"
        )
    raise UserError(f"nothing of wsfs is mounted at {place}")
