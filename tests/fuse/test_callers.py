"""Who is a person, and who reads everything on its own account."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from wsfs.api.pacing import Lane
from wsfs.drive.glances import ASIDE, STANDING
from wsfs.fuse import callers
from wsfs.fuse.callers import lane_of_process


@contextmanager
def process_called(name: bytes) -> Iterator[int]:
    script = f"import ctypes; ctypes.CDLL(None).prctl(15, {name!r}, 0, 0, 0); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


@pytest.mark.parametrize(
    "name",
    [
        b"tumblerd",
        b"pool-tumblerd",
        b"localsearch-3",
        b"tracker-miner-f",
        b"updatedb",
        b"baloo_file",
        b"gnome-thumbnail",
        b"totem-video-thu",
    ],
)
def test_indexers_and_thumbnailers_are_background(name: bytes) -> None:
    with process_called(name) as pid:
        assert lane_of_process(pid) is Lane.BACKGROUND


@pytest.mark.parametrize("name", [b"bash", b"Thunar", b"soffice.bin", b"caf\xe9", b"cat"])
def test_others_are_people(name: bytes) -> None:
    with process_called(name) as pid:
        assert lane_of_process(pid) is Lane.PERSON


def test_who_is_unknown_or_gone_is_a_person() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert lane_of_process(process.pid) is Lane.PERSON
    assert lane_of_process(0) is Lane.PERSON


def test_a_process_that_opens_file_after_file_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def look(pid: int) -> Lane:
        looked.append(pid)
        return Lane.BACKGROUND if pid == 2 else Lane.PERSON

    def patience(flags: int, pid: int) -> float | None:
        return STANDING if flags & os.O_NOATIME or pid == 2 else None

    now = 100.0
    monkeypatch.setattr(callers, "lane_of_process", look)
    monkeypatch.setattr(callers, "patience_of_glance", patience)
    monkeypatch.setattr("time.monotonic", lambda: now)
    known = callers.Callers()
    assert [known.lane(1), known.lane(1)] == [Lane.PERSON, Lane.PERSON]
    assert known.patience(os.O_RDONLY, 1) is None
    assert known.lane(2) is Lane.BACKGROUND
    assert known.patience(os.O_RDONLY, 2) == STANDING
    assert known.lane(1) is Lane.PERSON
    assert looked == [1, 2, 1]
    assert known.patience(os.O_NOATIME, 1) == STANDING  # by its flags, whatever is remembered
    now += callers.Callers.MEMORY
    assert known.patience(os.O_RDONLY, 1) is None
    assert looked == [1, 2, 1, 1]


def test_the_thread_that_makes_thumbnails_is_known_in_its_own_program_alone() -> None:
    script = """
import ctypes, sys, threading
ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)
def make() -> None:
    ctypes.CDLL(None).prctl(15, b"loader", 0, 0, 0)
    print(threading.get_native_id(), flush=True)
    input()
threading.Thread(target=make).start()
"""
    for program, lane in (("pcmanfm", Lane.BACKGROUND), ("game", Lane.PERSON)):
        with subprocess.Popen(
            [sys.executable, "-c", script, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert lane_of_process(int(process.stdout.readline())) is lane
            process.kill()


@pytest.mark.parametrize("name", [b"kioslave5", b"kioworker"])
def test_a_worker_of_kde_is_known_by_its_module(name: bytes) -> None:
    script = """
import ctypes, sys
ctypes.CDLL(None).prctl(15, sys.argv[3].encode(), 0, 0, 0)
print(flush=True)
input()
"""
    for module, lane in (("thumbnail", Lane.BACKGROUND), ("kio_trash", Lane.PERSON)):
        words = [f"/usr/lib/qt5/plugins/kf5/kio/{module}.so", module, name.decode()]
        with subprocess.Popen(
            [sys.executable, "-c", script, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            assert lane_of_process(process.pid) is lane
            process.kill()


def test_dolphin_s_window_glances_and_what_copies_for_it_reads() -> None:
    script = """
import ctypes, threading
ctypes.CDLL(None).prctl(15, b"dolphin", 0, 0, 0)
def copy() -> None:  # has the name of the process, as the threads of libraries do
    print(threading.get_native_id(), flush=True)
    input()
threading.Thread(target=copy).start()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        thread = int(process.stdout.readline())
        assert callers.patience_of_glance(os.O_RDONLY, process.pid) == STANDING
        assert callers.patience_of_glance(os.O_RDONLY, thread) is None
        process.kill()


@pytest.mark.parametrize(
    ("name", "patience"),
    [(b"pool-thunar", ASIDE), (b"thunar", STANDING), (b"nemo", STANDING), (b"borg", None)],
)
def test_a_glance_is_made_by_gio_and_leaves_no_trace(name: bytes, patience: float | None) -> None:
    with process_called(name) as pid:
        assert callers.patience_of_glance(os.O_RDONLY | os.O_NOATIME, pid) == patience
        assert callers.patience_of_glance(os.O_RDONLY, pid) is None


def test_nobody_known_makes_no_glance() -> None:
    assert callers.patience_of_glance(os.O_NOATIME, 0) is None
