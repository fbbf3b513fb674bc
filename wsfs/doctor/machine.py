"""The machine: FUSE, its helper and its permissions, and how old the parts of the system are."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from wsfs.doctor.findings import Finding, bad, good, note

DEVICE = Path("/dev/fuse")
FUSE_CONF = Path("/etc/fuse.conf")
CONNECTIONS = Path("/sys/fs/fuse/connections")
SECONDS = 10.0
#: From this one on the kernel asks for 1 MiB at a time (max_pages of FUSE_INIT), before it for 128 KiB.
KERNEL = (4, 20)
#: What pyfuse3 needs.
LIBFUSE = (3, 2)

Which = Callable[[str], str | None]
Run = Callable[[list[str]], str | None]


def output(command: list[str]) -> str | None:
    """What a program prints, both streams; None where it can't be run, fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout + done.stderr if done.returncode == 0 else None


def check_device(device: Path = DEVICE) -> Finding:
    """The kernel's device, opened as a mount would."""
    check = "fuse device"
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return bad(
            check,
            f"there is no {device}: the kernel's module isn't loaded, or this is a container without it",
            "load it with `sudo modprobe fuse`, or start the container with `--device /dev/fuse --cap-add SYS_ADMIN`",
        )
    except PermissionError:
        return bad(
            check,
            f"you may not open {device}",
            f"allow it, as systems usually do, with `sudo chmod 666 {device}`",
        )
    except OSError as error:
        return bad(
            check,
            f"{device} can't be opened: {error.strerror}",
            "load the kernel's module with `sudo modprobe fuse`",
        )
    return good(check, f"{device} can be opened")


def check_helper(which: Which = shutil.which, *, root: bool | None = None) -> Finding:
    """fusermount3, which mounts for ordinary users, and may do so only as root's."""
    check = "fusermount3"
    found = which("fusermount3")
    if found is None:
        return bad(check, "fusermount3 is missing", "install it with `sudo apt install fuse3`")
    if os.geteuid() == 0 if root is None else root:
        return good(check, f"{found}, and you are root")
    status = Path(found).stat()
    if status.st_uid != 0 or not status.st_mode & stat.S_ISUID:
        return bad(
            check,
            f"{found} isn't root's with the setuid bit, so that only root can mount",
            f"mend it with `sudo chown root {found} && sudo chmod 4755 {found}`",
        )
    return good(check, f"{found} mounts for ordinary users")


def check_allow_other(wanted: bool, conf: Path = FUSE_CONF, *, root: bool | None = None) -> Finding:
    """Whether other users may be let in, which matters only where the configuration asks for it."""
    check = "allow_other"
    if os.geteuid() == 0 if root is None else root:
        return good(check, "root may let other users into a drive")
    try:
        lines = conf.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    if "user_allow_other" in (line.strip() for line in lines):
        return good(check, "a drive may be shared with other users of this machine")
    if wanted:
        return bad(
            check,
            f"the configuration wants allow_other, and {conf} doesn't permit it to ordinary users",
            f"have an administrator write the line user_allow_other into {conf}",
        )
    return good(check, "not permitted, and not asked for")


def check_libfuse(run: Run = output) -> Finding:
    """How old libfuse is."""
    check = "libfuse"
    version = _version(run(["fusermount3", "--version"]))
    if version is None:
        return note(check, "its version can't be found out")
    words = ".".join(map(str, version))
    if version < LIBFUSE:
        return bad(check, f"{words} is too old", "update the system, or install fuse3 from its backports")
    return good(check, words)


def check_kernel(release: str | None = None) -> Finding:
    """How old the kernel is."""
    check = "kernel"
    release = platform.release() if release is None else release
    version = _version(release)
    if version is not None and version[:2] < KERNEL:
        return note(check, f"{release} reads in pieces of 128 KiB, which is slow", "update to 4.20 or newer")
    return good(check, release)


def check_fusectl(mounted: bool, connections: Path = CONNECTIONS) -> Finding:
    """Whether the kernel's limits of a mount can be raised, once there is one."""
    check = "kernel limits"
    if not mounted or any(connections.glob("*")):
        return good(check, "they can be raised" if mounted else "nothing is mounted")
    return note(
        check,
        f"{connections} isn't there, so that a few stalled downloads hold up others",
        f"mount it, as systemd does, with `sudo mount -t fusectl fusectl {connections}`",
    )


def check_python(
    version: Callable[[str], str] = importlib.metadata.version,
    requires: Callable[[str], list[str] | None] = importlib.metadata.requires,
) -> Iterator[Finding]:
    """The libraries that wsfs needs, against the versions that it names."""
    check = "libraries"
    try:
        wanted = requires("wsfs") or []
    except importlib.metadata.PackageNotFoundError:
        yield note(check, "wsfs isn't installed as a package, so that it doesn't say which it needs")
        return
    wrong = []
    for line in wanted:
        match = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?\s*>=\s*([\d.]+)", line.split(";")[0].strip())
        if match is None or "extra ==" in line:
            continue
        name, least = match[1], match[2]
        try:
            found = version(name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if (_version(found) or ()) < (_version(least) or ()):
            wrong.append(f"{name} {found} is older than {least}")
    if wrong:
        yield bad(
            check, ", ".join(wrong), "install wsfs anew, which brings them: docs/installing.md says how"
        )
    else:
        yield good(check, f"Python {platform.python_version()} and what wsfs needs of it")


def check_binding(run: Run = output, python: str = sys.executable) -> Finding:
    """Whether Python's part of libfuse can be loaded: a mount would end without it."""
    check = "pyfuse3"
    if run([python, "-P", "-c", "import pyfuse3"]) is None:
        return bad(
            check,
            "it can't be loaded: libfuse3 is missing, or is another than it was built for",
            "install libfuse with `sudo apt install fuse3 libfuse3-3`; or, with pipx, pyfuse3 anew with "
            "`pipx runpip wsfs install --force-reinstall --no-cache-dir pyfuse3`",
        )
    return good(check, "it can be loaded")


def _version(text: str | None) -> tuple[int, ...] | None:
    """The first number with dots in a text, else the first number."""
    match = re.search(r"\d+(?:\.\d+)+", text or "") or re.search(r"\d+", text or "")
    return tuple(int(part) for part in match[0].split(".")) if match else None
