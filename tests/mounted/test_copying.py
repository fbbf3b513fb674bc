"""Copying with every program that copies: what goes together is one post, and arrives whole, once."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsfs.emulator.testing import Process

from .arrivals import Arrivals
from .conftest import QUIET, Mounter
from .drives import Ledger, Mount, eventually, files_of, is_attachment, node_id, run

MANY = 50
LARGE = 1_000_000


@pytest.fixture
def arrivals(service: Process, drive: Mount, task: Path) -> Arrivals:
    return Arrivals(service, drive, task)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty files of a megabyte in a directory."""
    directory = tmp_path_factory.mktemp("many")
    for number in range(MANY):
        (directory / f"scan {number:02}.bin").write_bytes(os.urandom(LARGE))
    return directory


@pytest.fixture(scope="module")
def zipped(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as an archive."""
    path = tmp_path_factory.mktemp("zipped") / "many.zip"
    run("zip", "-q", "-0", "-r", path, ".", cwd=many)
    return path


@pytest.fixture(scope="module")
def tarred(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tarred") / "many.tar"
    run("tar", "-cf", path, *sorted(many.iterdir()), "--transform=s|.*/||")
    return path


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


# Fifty files of a megabyte

COPIERS = {
    "cp": 'cp "$many"/* .',
    "cp -a": 'cp -a "$many"/. .',
    "rsync -a": 'rsync -a "$many"/ .',
    "rsync -a --inplace": 'rsync -a --inplace "$many"/ .',
    "unzip": 'unzip -q "$zipped"',
    "tar x": 'tar -xf "$tarred"',
    "tar | tar": 'tar -C "$many" -c . | tar -xp --no-overwrite-dir',
    "gio copy": 'gio copy "$many"/* .',
    "install": 'install -p -m 640 "$many"/* .',
}


@pytest.mark.parametrize("program", COPIERS)
def test_fifty_files_are_one_post(
    program: str, task: Path, many: Path, zipped: Path, tarred: Path, arrivals: Arrivals
) -> None:
    places = {"many": str(many), "zipped": str(zipped), "tarred": str(tarred)}
    run("sh", "-ec", COPIERS[program], cwd=task, env=places)
    arrivals.check(contents(many), posts=1)


def test_a_second_rsync_sends_nothing_and_asks_for_nothing(
    task: Path, many: Path, arrivals: Arrivals, ledger: Ledger
) -> None:
    run("rsync", "-a", f"{many}/", task)
    arrivals.check(contents(many), posts=1)
    ledger.take()
    for options in (["-a"], ["-a", "--inplace"]):
        again = run("rsync", *options, "--stats", f"{many}/", task)
        assert "Number of regular files transferred: 0" in again.lines
        assert "Total transferred file size: 0 bytes" in again.lines
    arrivals.check(contents(many), posts=1)
    assert ledger.actions() == []


# Single files


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "скан (1).bin"
    path.write_bytes(os.urandom(300_000))
    return path


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("cp", "-a", "{source}", "."), None),
        (("cp", "--reflink=auto", "--sparse=always", "{source}", "copy.bin"), "copy.bin"),
        (("install", "-D", "-m", "600", "{source}", "copy.bin"), "copy.bin"),
        (("dd", "if={source}", "of=copy.bin", "bs=4k"), "copy.bin"),
        (("dd", "if={source}", "of=copy.bin", "bs=4k", "conv=fsync,sparse"), "copy.bin"),
        (("gio", "copy", "{source}", "."), None),
        (("gio", "copy", "-p", "{source}", "copy.bin"), "copy.bin"),
        (("rsync", "{source}", "."), None),
        (("rsync", "--whole-file", "--preallocate", "{source}", "."), None),
        (
            ("python3", "-c", "import shutil, sys; shutil.copy2(*sys.argv[1:])", "{source}", "copy.bin"),
            "copy.bin",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_one_file(
    command: tuple[str, ...], name: str | None, task: Path, source: Path, arrivals: Arrivals
) -> None:
    content = source.read_bytes()
    done = run(*(word.format(source=source) for word in command), cwd=task)
    assert "wsfs" not in done.err
    arrivals.check({name or source.name: content})


@pytest.mark.parametrize("program", [("mv",), ("gio", "move")])
def test_a_file_that_is_moved_in_is_there_and_its_original_gone(
    program: tuple[str, ...], task: Path, source: Path, arrivals: Arrivals
) -> None:
    content = source.read_bytes()
    run(*program, source, task)
    assert not source.exists()
    arrivals.check({source.name: content})


@pytest.mark.parametrize("program", [("mv",), ("cp", "-r"), ("cp", "-a"), ("rsync", "-a")])
def test_a_directory_that_comes_from_outside_is_one_task(
    program: tuple[str, ...], task: Path, tmp_path: Path, drive: Mount, service: Process, ledger: Ledger
) -> None:
    folder = tmp_path / f"Scans by {' '.join(program)}"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(str(number))
    expected = sorted(path.name for path in folder.iterdir())
    run(*program, folder, task.parent)
    drive.settled()
    assert folder.exists() == (program != ("mv",))
    [post] = ledger.posts()
    assert (post["action"], post["params"]["title"]) == ("post_task", folder.name)
    assert sorted(post["files"]) == expected
    assert sorted(files_of(service, node_id(task.parent / folder.name))) == expected


def test_split_gives_its_pieces_in_one_post(task: Path, source: Path, arrivals: Arrivals) -> None:
    content = source.read_bytes()
    run("split", "-b", "100000", "-d", source, "piece-", cwd=task)
    pieces = {f"piece-0{n}": content[n * 100_000 : (n + 1) * 100_000] for n in range(3)}
    arrivals.check(pieces)


def test_zip_makes_an_archive_in_the_drive(task: Path, many: Path, arrivals: Arrivals) -> None:
    run("zip", "-q", "-0", task / "new.zip", "scan 00.bin", "scan 01.bin", cwd=many)
    with zipfile.ZipFile(task / "new.zip") as archive:
        assert archive.testzip() is None
    arrivals.check({"new.zip": (task / "new.zip").read_bytes()})


def test_tar_makes_an_archive_in_the_drive(task: Path, many: Path, arrivals: Arrivals) -> None:
    run("tar", "-czf", task / "new.tar.gz", "-C", many, "scan 00.bin")
    run("tar", "-tzf", task / "new.tar.gz")
    arrivals.check({"new.tar.gz": (task / "new.tar.gz").read_bytes()})


# Downloads


class _Slow(http.server.SimpleHTTPRequestHandler):
    """Serves a directory; what is called slow comes in two halves, a second apart."""

    def log_message(self, *arguments: object) -> None:
        pass

    def copyfile(self, source: object, outputfile: object) -> None:
        data = source.read()  # type: ignore[attr-defined]
        half = len(data) // 2
        outputfile.write(data[:half])  # type: ignore[attr-defined]
        if "slow" in self.path:
            time.sleep(2)
        outputfile.write(data[half:])  # type: ignore[attr-defined]


@pytest.fixture
def web(source: Path) -> Iterator[str]:
    """The address of a web server that has `source` as report.bin and as slow.bin."""
    for name in ("report.bin", "slow.bin"):
        (source.parent / name).write_bytes(source.read_bytes())
    handler = functools.partial(_Slow, directory=str(source.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("name", ["report.bin", "slow.bin"])
@pytest.mark.parametrize("program", [("curl", "-sSO"), ("wget", "-q"), ("wget", "-q", "-c")])
def test_a_download(
    program: tuple[str, ...], name: str, task: Path, web: str, source: Path, arrivals: Arrivals
) -> None:
    run(*program, f"{web}/{name}", cwd=task, env={"no_proxy": "*"})
    arrivals.check({name: source.read_bytes()})


# Copies that are stopped


@contextlib.contextmanager
def stopped(*command: str | Path, cwd: Path, when: Path, size: int, number: int) -> Iterator[None]:
    """Run a program until what `when` (a pattern) names in `cwd` has `size` bytes, then stop it by a signal, as
    a terminal does: all of its processes get it."""
    with subprocess.Popen([str(word) for word in command], cwd=cwd, start_new_session=True) as process:
        try:
            eventually(lambda: any(path.stat().st_size >= size for path in cwd.glob(str(when))), str(when))
        finally:
            os.killpg(process.pid, number)
            process.wait()
    yield


def interrupted(drive: Mount) -> dict[str, str]:
    """The names that wsfs lists as interrupted."""
    files = drive.ask("uploads")["files"]
    return {Path(one["path"]).name: one["state"] for one in files if one["state"] == "interrupted"}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "film.mp4"
    path.write_bytes(os.urandom(8_000_000))
    return path


SLOWLY = ("--bwlimit=3000", "--whole-file")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_rsync_that_is_stopped_leaves_nothing_and_does_it_all_the_next_time(
    number: int, task: Path, large: Path, drive: Mount, arrivals: Arrivals
) -> None:
    with stopped(
        "rsync", "-a", *SLOWLY, large, ".", cwd=task, when=Path(".film.mp4.*"), size=500_000, number=number
    ):
        assert drive.ask("uploads")["files"] == []
    run("rsync", "-a", large, task)
    arrivals.check({large.name: large.read_bytes()})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("options", [("--inplace",), ("--partial",)])
def test_what_rsync_leaves_half_is_never_sent_and_the_next_one_goes_on_with_it(
    options: tuple[str, ...], number: int, task: Path, large: Path, drive: Mount, arrivals: Arrivals
) -> None:
    pattern = Path(".film.mp4.*" if options == ("--partial",) else "film.mp4")
    with stopped(
        "rsync", "-a", *options, *SLOWLY, large, ".", cwd=task, when=pattern, size=500_000, number=number
    ):
        eventually(lambda: interrupted(drive))
        assert interrupted(drive) == {"film.mp4": "interrupted"}
        assert 0 < (task / "film.mp4").stat().st_size < large.stat().st_size
    run("tee", task / "other.txt", stdin="x")
    eventually(lambda: is_attachment(task / "other.txt"))
    run("rsync", "-a", *options, "--no-whole-file", large, task)
    arrivals.check({large.name: large.read_bytes(), "other.txt": b"x"}, posts=2)


def test_rsync_s_directory_of_partial_files_stays_here(
    task: Path, large: Path, drive: Mount, arrivals: Arrivals
) -> None:
    options = ("--partial-dir=.rsync-partial",)
    pattern = Path(".film.mp4.*")
    with stopped(
        "rsync",
        "-a",
        *options,
        *SLOWLY,
        large,
        ".",
        cwd=task,
        when=pattern,
        size=500_000,
        number=signal.SIGINT,
    ):
        eventually((task / ".rsync-partial" / "film.mp4").exists)
    run("rsync", "-a", *options, large, task)
    arrivals.check({large.name: large.read_bytes()})


_STOPPABLE: dict[str, tuple[str, ...]] = {
    "cp": ("cp", "{pipe}", "film.mp4"),
    "a program that tidies up": (
        "sh",
        "-c",
        "trap 'exit 130' INT; exec > film.mp4; while :; do echo line; done",
    ),
}


@pytest.mark.parametrize("program", _STOPPABLE)
def test_a_copy_that_is_stopped_by_ctrl_c_is_never_sent(
    program: str, task: Path, tmp_path: Path, drive: Mount, arrivals: Arrivals
) -> None:
    """From a pipe that never ends, so that it is in the middle for sure."""
    pipe = tmp_path / "endless"
    os.mkfifo(pipe)
    done = threading.Event()

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(os.open(pipe, os.O_RDWR), "wb", 0) as end:
            os.set_blocking(end.fileno(), False)
            while not done.wait(0.01):
                end.write(b"line\n" * 4000)

    thread = threading.Thread(target=feed)
    thread.start()
    command = [word.format(pipe=pipe) for word in _STOPPABLE[program]]
    try:
        with stopped(*command, cwd=task, when=Path("film.mp4"), size=20_000, number=signal.SIGINT):
            eventually(lambda: interrupted(drive))
            assert interrupted(drive) == {"film.mp4": "interrupted"}
    finally:
        done.set()
        thread.join()
    run("rm", task / "film.mp4")
    arrivals.check_nothing()


# Many directories


def test_forty_directories_make_no_task_until_somebody_says_so(
    mounting: Mounter, small_service: Process, tmp_path: Path
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=0.5")
    project = mount.place / "Project 001"
    run("find", mount.place)
    archive = tmp_path / "many.zip"
    with zipfile.ZipFile(archive, "w") as writing:
        for number in range(40):
            writing.writestr(f"Client {number:02}/notes.txt", f"notes {number}")
    ledger = Ledger(small_service)
    run("unzip", "-q", archive, cwd=project)
    eventually(lambda: [one["state"] for one in mount.ask("uploads")["files"]].count("held") == 40)
    time.sleep(2)  # four times the settle time: what was to go would have gone
    assert ledger.actions() == []
    assert "held" in mount.wsfs("uploads", mount.place).out
    mount.wsfs("uploads", "send", project / "Client 07")
    eventually(lambda: len(mount.ask("uploads")["files"]) == 39)
    assert [post["params"]["title"] for post in ledger.posts()] == ["Client 07"]
    mount.wsfs("uploads", "send", project)
    mount.settled()
    posts = ledger.posts()
    assert {post["action"] for post in posts} == {"post_task"}
    assert sorted(post["params"]["title"] for post in posts) == [
        f"Client {number:02}" for number in range(40) if number != 7
    ]
    assert all(post["files"] == ["notes.txt"] for post in posts)
