"""Who asks: a person's program, or one that reads everything on its own account; and whether it is being killed."""

from __future__ import annotations

import functools
import os
import re
import signal
import time
from pathlib import Path

from wsfs.api.pacing import Lane
from wsfs.drive.glances import ASIDE, STANDING
from wsfs.uploads.handles import SpoolHandle
from wsfs.uploads.noise import may_be_rsyncs

# Command names as the kernel cuts them, at 15 characters; threads have names of their own ("pool-tumblerd").
_BACKGROUND = re.compile(
    r"""
      .*tumbl.* | .*thum(b|$).* | .*thumbnai.* | totem-video-th.* | tracker.* | localsearch.* | baloo.*
    | updatedb.* | plocate.* | mlocate.* | gst-.* | zeitgeist.* | recollindex.* | kio.*thumb.* | nepomuk.* | strigi.*
    | clamd | clamscan | freshclam
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Where a thread's name tells too little, with that of its process: PCManFM makes small pictures' thumbnails itself.
_BY_PROCESS = {b"loader": frozenset({b"pcmanfm", b"pcmanfm-qt"})}
# KDE's workers have one name for whatever they do; what that is says the module that they were started with.
_WORKERS = frozenset({b"kioslave", b"kioslave5", b"kioworker"})
_FILE_MANAGERS = re.compile(rb"(thunar|nemo|nautilus|caja|pcmanfm|xfdesktop).*", re.IGNORECASE)
_DOLPHIN = b"dolphin"
# include/linux/sched.h: PF_EXITING, and PF_SIGNALED, "killed by a signal".
_RSYNC = b"rsync"
_PF_EXITING = 0x4
_PF_SIGNALED = 0x400
_STOPPING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_STOPPED = frozenset((128 + number) << 8 for number in _STOPPING)
"""How a program ends that caught a signal and tidied up, by the custom of shells; as wait(2) has it."""
_TIDYING = sum(1 << (number - 1) for number in (*_STOPPING, signal.SIGUSR1))
"""Of the blocked signals, those that rsync has while it handles its end; by SIGUSR1 its processes tell each other."""


class Callers:
    """What is known of who calls. A process that opens file after file is looked at again after `MEMORY` only."""

    MEMORY = 0.05
    """Seconds: what a process that runs another program meanwhile opens is judged by its old name for so long."""

    def __init__(self) -> None:
        self._pid = 0
        self._lane = Lane.PERSON
        self._patience: float | None = None
        self._until = 0.0

    def lane(self, pid: int) -> Lane:
        """As `lane_of_process`."""
        if pid != self._pid or time.monotonic() >= self._until:
            self._look(pid)
        return self._lane

    def patience(self, flags: int, pid: int) -> float | None:
        """As `patience_of_glance`."""
        if flags & os.O_NOATIME:
            return patience_of_glance(flags, pid)
        if pid != self._pid or time.monotonic() >= self._until:
            self._look(pid)
        return self._patience

    def _look(self, pid: int) -> None:
        self._lane, self._patience = lane_of_process(pid), patience_of_glance(os.O_RDONLY, pid)
        self._pid, self._until = pid, time.monotonic() + self.MEMORY


def lane_of_process(pid: int) -> Lane:
    """BACKGROUND for a known indexer or thumbnailer, by the name of the calling thread; else PERSON."""
    if pid <= 0:
        return Lane.PERSON
    name = _name_of(pid)
    processes = _BY_PROCESS.get(name)
    if processes is not None and _name_of(_process_of(pid)) in processes:
        return Lane.BACKGROUND
    if name in _WORKERS and b"/thumbnail.so" in _arguments_of(pid):
        return Lane.BACKGROUND
    return _lane_of_name(name)


def patience_of_glance(flags: int, pid: int) -> float | None:
    """How long a program may be held up that opens a file only to see what kind it is; None: it wants to read it.

    GIO does so with every file whose name doesn't tell, and with O_NOATIME, which else backup programs use alone
    (glocalfileinfo.c, get_content_type): in a worker thread, whose name begins with "pool" (gthreadpool.c), and for
    Thunar and Nemo in the main thread, so that their windows stand still meanwhile (measured). Dolphin does it in its
    main thread, too, as any other open; what it reads to copy it, others of its threads read.
    """
    if pid <= 0:
        return None
    if not flags & os.O_NOATIME:
        return STANDING if _name_of(pid) == _DOLPHIN and _process_of(pid) == pid else None
    if _name_of(pid).startswith(b"pool"):
        return ASIDE
    return STANDING if _FILE_MANAGERS.fullmatch(_name_of(_process_of(pid))) else None


def _name_of(pid: int) -> bytes:
    """The name of a thread, or of a process's first one, at most 15 bytes; none where that can't be told."""
    try:
        return _read(f"/proc/{pid}/comm").rstrip(b"\n")
    except OSError:
        return b""


def _arguments_of(pid: int) -> bytes:
    """What a process was started with, each word with a zero byte behind it; none where that can't be told."""
    try:
        return _read(f"/proc/{pid}/cmdline")
    except OSError:
        return b""


def _read(path: str) -> bytes:
    """The little that is in a file of /proc, with plain system calls: every file that is opened or closed pays for it.
    Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)


def _process_of(thread: int) -> int:
    """The process that a thread belongs to; 0 where that can't be told."""
    try:
        status = Path(f"/proc/{thread}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("Tgid:")), "Tgid: 0")
    return int(line.split()[1])


@functools.lru_cache(maxsize=256)
def _lane_of_name(name: bytes) -> Lane:
    text = name.decode("utf-8", "replace").strip()
    return Lane.BACKGROUND if _BACKGROUND.fullmatch(text) else Lane.PERSON


def closes_half(pid: int, handle: SpoolHandle) -> bool:
    """Whether what the process closes now is perhaps not whole: it `is_being_killed`, or it is rsync, stopped while it
    writes in place (--inplace).

    That closes without a signal's trace what it hasn't got whole. But what it has whole it cuts to its size first.
    """
    state = _state_of(pid)
    if state is None:
        return False
    if _is_ending_by_signal(*state):
        return True
    if not handle.wrote or handle.sized or may_be_rsyncs(handle.opened.node.name):
        return False
    return state[0] == _RSYNC


def is_being_killed(pid: int) -> bool:
    """Whether the process is ending by a signal: what it closes now it didn't close itself.

    So is one that caught it, and ends with the code that says so. rsync closes what it has half (--partial) while
    it handles the signal, which is blocked meanwhile, and leaves it open (--inplace) when it ends with any error.
    A process that is gone ended in some other way.
    """
    state = _state_of(pid)
    return state is not None and _is_ending_by_signal(*state)


def _state_of(pid: int) -> tuple[bytes, int, int, int] | None:
    """Name, flags, blocked signals and exit code of a thread, the fields 2, 9, 32 and 52 of /proc/PID/stat (proc(5));
    None where that can't be told."""
    if pid <= 0:
        return None
    try:
        before, _, after = _read(f"/proc/{pid}/stat").rpartition(b")")
        fields = after.split()
        return before.partition(b"(")[2], int(fields[6]), int(fields[29]), int(fields[49])
    except (OSError, ValueError, IndexError):
        return None


def _is_ending_by_signal(name: bytes, flags: int, blocked: int, code: int) -> bool:
    if flags & _PF_EXITING:
        return bool(flags & _PF_SIGNALED) or code in _STOPPED or (name == _RSYNC and code != 0)
    return name == _RSYNC and bool(blocked & _TIDYING)
