"""Saving over attachments with real programs: each makes exactly one new attachment, and the old one stays."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wsfs.emulator.testing import Process, running_process

from .conftest import QUIET, Mounter
from .drives import Ledger, Mount, eventually, is_attachment, node_id, run, xattr
from .office import Office
from .terminal import ENTER, ESCAPE, at_terminal

promise = pytest.mark.promise
NAME = "letter.txt"
OLD = b"Dear Sir,\nthe second line\nand the third\n"
NEW = b"Dear Madam,\nthe second line\nand the third\n"

_tasks = itertools.count(1)


@pytest.fixture(scope="module")
def firm() -> Iterator[Process]:
    """A project whose tasks have one attachment each."""
    with running_process("--scale", "1,0,0") as service:
        yield service


@pytest.fixture(scope="module")
def versioned(firm: Process, mounter: Mounter) -> Mount:
    """The account, mounted with versions."""
    mount = mounter(firm, options=f"{QUIET},settle=0.7,versions")
    run("ls", mount.place / "Project 001")
    return mount


class Shelf:
    """A task with one attachment, and what became of it."""

    def __init__(self, service: Process, mount: Mount, folder: Path, id: int) -> None:
        self.service = service
        self.mount = mount
        self.folder = folder
        self.file = folder / NAME
        self.id = id
        self._ledger = Ledger(service)

    def stored(self, name: str = NAME) -> list[tuple[int, str]]:
        """The id and SHA-256 of the attachments of that name, the oldest first."""
        files = [file for file in self.service.files() if file["task"] and file["task"]["id"] == self.id]
        return sorted((file["id"], file["sha256"]) for file in files if file["name"] == name)

    def flush(self) -> None:
        """Have everything sent; the kernel tells of a file's release only after its close has returned."""

        def nothing_left() -> bool:
            self.mount.flush()
            return not self.mount.ask("uploads")["files"]

        eventually(nothing_left, "everything is sent")

    def check(self, *contents: bytes, name: str = NAME, old: bytes | None = OLD, posts: int = 1) -> None:
        """The attachment has these contents, one after the other; there is nothing else, here nor on the server."""
        self.flush()
        whole = [*([] if old is None else [old]), *contents]
        stored = self.stored(name)
        assert [sha256 for _, sha256 in stored] == [hashlib.sha256(content).hexdigest() for content in whole]
        assert len(self._ledger.posts()) == posts
        stem, dot, extension = name.rpartition(".")
        shown = {
            f"{stem} (id {id}){dot}{extension}": content
            for (id, _), content in zip(stored, whole, strict=True)
        }
        newest = shown.popitem()[1]
        shown[name] = newest
        if name != NAME:
            shown[NAME] = OLD
        assert run("ls", "-A", self.folder).lines == sorted(shown)
        for one, content in shown.items():
            assert (self.folder / one).read_bytes() == content, one
        assert not self.mount.ask("uploads")["files"]


@pytest.fixture
def shelf(firm: Process, versioned: Mount) -> Shelf:
    """A task that no other test uses."""
    name = f"Task {next(_tasks)}"
    id = firm.act("add_task", project=node_id(versioned.place / "Project 001"), name=name)["id"]
    firm.act("add_comment", task=id, text="", files=[{"name": NAME, "text": OLD.decode()}])
    versioned.wsfs("refresh", versioned.place)
    folder = versioned.place / "Project 001" / name
    eventually(lambda: run("ls", folder, ok=False).lines == [NAME], "the task")
    return Shelf(firm, versioned, folder, id)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What is to be saved, outside the drive."""
    path = tmp_path / "source" / NAME
    path.parent.mkdir()
    path.write_bytes(NEW)
    os.utime(path, ns=(1_500_000_000_000_000_000, 1_600_000_000_123_456_789))
    return path


def shell(shelf: Shelf, script: str, *arguments: str | Path, ok: bool = True) -> str:
    return run("sh", "-ec", script, *arguments, cwd=shelf.folder, ok=ok).out


# The table of programs: what is run in the task's directory ("$0" is the new version elsewhere), and what comes of it.

_PATCH = "--- letter.txt\n+++ letter.txt\n@@ -1,2 +1,2 @@\n-Dear Sir,\n+Dear Madam,\n the second line\n"
PROGRAMS: dict[str, tuple[str, bytes]] = {
    "shell, anew": ("printf 'Dear Madam,\\n' > letter.txt", b"Dear Madam,\n"),
    "shell, appending": ("echo Yours >> letter.txt", OLD + b"Yours\n"),
    "tee -a": ("echo Yours | tee -a letter.txt", OLD + b"Yours\n"),
    "cp": ('cp "$0" .', NEW),
    "cp -f": ('cp -f "$0" .', NEW),
    "cp -a": ('cp -a "$0" .', NEW),
    "cp --remove-destination": ('cp --remove-destination "$0" .', NEW),
    "mv from elsewhere": ('mv -f "$0" .', NEW),
    "mv inside": ('cp "$0" draft.txt; mv -f draft.txt letter.txt', NEW),
    "install": ('install -m 644 "$0" .', NEW),
    "rsync": ('rsync -a "$0" .', NEW),
    "rsync --inplace": ('rsync -a --inplace "$0" .', NEW),
    "rsync --append-verify": (
        '(cat letter.txt; echo more) > "$0"; rsync -a --append-verify "$0" .',
        OLD + b"more\n",
    ),
    "sed -i": ("sed -i 's/Sir/Madam/' letter.txt", NEW),
    "perl -pi": ("perl -pi -e 's/Sir/Madam/' letter.txt", NEW),
    "ed": ("printf '1s/Sir/Madam/\\nw\\nq\\n' | ed -s letter.txt", NEW),
    "patch": (
        f"printf '%b' '{_PATCH}' | patch -s --no-backup-if-mismatch letter.txt".replace("\n", "\\n"),
        NEW,
    ),
    "sort -o": ("sort -o letter.txt letter.txt", b"Dear Sir,\nand the third\nthe second line\n"),
    "truncate shorter": ("truncate -s 4 letter.txt", b"Dear"),
    "truncate longer": ("truncate -s 41 letter.txt", OLD + b"\0"),
    "dd conv=notrunc": (
        "printf SIR | dd of=letter.txt bs=1 seek=5 conv=notrunc",
        OLD.replace(b"Sir", b"SIR"),
    ),
    "dd": ("printf SIR | dd of=letter.txt bs=1 seek=5", b"Dear SIR"),
    "tar x": ('tar -cf "$0.tar" -C "${0%/*}" letter.txt; tar -xf "$0.tar"', NEW),
    "tar x --overwrite": ('tar -cf "$0.tar" -C "${0%/*}" letter.txt; tar -xf "$0.tar" --overwrite', NEW),
    "unzip -o": ('zip -jq "$0.zip" "$0"; unzip -oq "$0.zip"', NEW),
    "gio copy": ('gio copy "$0" letter.txt', NEW),
    "gio save": ('gio save letter.txt < "$0"', NEW),
    "vim -es": ("vim -N -u NONE -i NONE -es -c '%s/Sir/Madam/' -c wq letter.txt", NEW),
    "vim, by renaming": (
        "vim -N -u NONE -i NONE -es -c 'set backupskip= backupcopy=no writebackup' -c '%s/Sir/Madam/' -c wq letter.txt",
        NEW,
    ),
    "python, r+": (
        "python3 -c \"f = open('letter.txt', 'r+b'); f.seek(5); f.write(b'SIR'); f.close()\"",
        OLD.replace(b"Sir", b"SIR"),
    ),
    "python, a+": (
        "python3 -c \"f = open('letter.txt', 'a+b'); f.write(b'Yours'); f.seek(0); assert len(f.read()) == 45\"",
        OLD + b"Yours",
    ),
    "python, os.replace": (
        "python3 -c \"import os, shutil, sys; shutil.copy(sys.argv[1], 'x.tmp'); "
        "os.replace('x.tmp', 'letter.txt')\" \"$0\"",
        NEW,
    ),
    "a mapping": (
        "python3 -c \"import mmap, os; d = os.open('letter.txt', os.O_RDWR); m = mmap.mmap(d, 0); os.close(d); "
        "m[5:8] = b'SIR'; m.close()\"",
        OLD.replace(b"Sir", b"SIR"),
    ),
    "a mapping that is synced": (
        "python3 -c \"import mmap, os; d = os.open('letter.txt', os.O_RDWR); m = mmap.mmap(d, 0); "
        "m[5:8] = b'SIR'; m.flush(); os.fsync(d); m.close(); os.close(d)\"",
        OLD.replace(b"Sir", b"SIR"),
    ),
    "ftruncate": (
        "python3 -c \"import os; d = os.open('letter.txt', os.O_RDWR); os.ftruncate(d, 4); os.close(d)\"",
        b"Dear",
    ),
    "deleted and made anew": ('rm letter.txt; test ! -e letter.txt; cat "$0" > letter.txt', NEW),
    "two programs at once": (
        "python3 -c \"import os; a, b = (os.open('letter.txt', os.O_RDWR) for _ in 'ab'); os.pwrite(a, b'SIR', 5); "
        "assert os.pread(b, 8, 0) == b'Dear SIR'; os.pwrite(b, b'd', 0); os.close(a); os.close(b)\"",
        b"d" + OLD.replace(b"Sir", b"SIR")[1:],
    ),
}


@promise("With `versions` what is saved over an attachment becomes a new attachment of the same name.")
@promise(
    "Renaming a file over an attachment makes a version, as most programs save; `mv`, `cp` and `tar` do too."
)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_saves_over_an_attachment(program: str, shelf: Shelf, source: Path) -> None:
    script, content = PROGRAMS[program]
    shell(shelf, script, source)
    assert shelf.file.read_bytes() == content
    shelf.check(content)
    # And over what was just uploaded.
    if not source.exists():
        source.write_bytes(NEW)
    shell(shelf, "printf 'last words' > letter.txt")
    shelf.check(content, b"last words")


def test_zip_that_adds_to_an_archive(shelf: Shelf, source: Path) -> None:
    shell(shelf, 'zip -jq "$0.zip" "$0"; cp "$0.zip" all.zip', source)
    first = (shelf.folder / "all.zip").read_bytes()
    shelf.flush()
    shell(shelf, 'echo more > "$0.more"; zip -jq all.zip "$0.more"', source)
    second = (shelf.folder / "all.zip").read_bytes()
    with zipfile.ZipFile(shelf.folder / "all.zip") as archive:
        assert sorted(archive.namelist()) == [NAME, f"{NAME}.more"]
    shelf.check(first, second, name="all.zip", old=None, posts=2)


def test_rsync_again_sends_nothing(shelf: Shelf, source: Path) -> None:
    shell(shelf, 'rsync -a "$0" .', source)
    shelf.check(NEW)
    assert run("rsync", "-ai", "--no-o", "--no-g", "--no-p", source, shelf.folder).out == ""
    assert (
        "Number of regular files transferred: 0" in run("rsync", "-a", "--stats", source, shelf.folder).lines
    )
    shelf.check(NEW, posts=0)


def test_programs_that_open_for_writing_and_write_nothing(shelf: Shelf) -> None:
    before = shelf.file.stat()
    scripts = (
        "d = os.open(p, os.O_RDWR); os.read(d, 3); os.fsync(d); os.close(d)",
        "d = os.open(p, os.O_WRONLY | os.O_APPEND); os.close(d)",
        "import fcntl; d = os.open(p, os.O_RDWR); fcntl.lockf(d, fcntl.LOCK_EX); os.close(d)",
        "import mmap; d = os.open(p, os.O_RDWR); m = mmap.mmap(d, 0); m[:]; m.close(); os.close(d)",
    )
    for script in scripts:
        run("python3", "-c", f"import os; p = {str(shelf.file)!r}; {script}")
    assert shelf.file.stat() == before
    shelf.check(posts=0)


def test_who_opens_it_writes_and_reads_it_needs_one_download(shelf: Shelf) -> None:
    ledger = Ledger(shelf.service)
    shell(shelf, "echo Yours >> letter.txt; cat letter.txt")
    assert ledger.actions().count("download") == 1
    shell(shelf, "cat letter*; echo more >> letter.txt")
    shelf.check(OLD + b"Yours\nmore\n")


def test_what_is_overwritten_whole_is_not_downloaded(shelf: Shelf, source: Path) -> None:
    ledger = Ledger(shelf.service)
    shell(shelf, 'cp "$0" .; cat letter.txt', source)
    assert ledger.actions() == []
    shelf.check(NEW)


def test_file_managers_look_at_what_they_replace_without_a_download(shelf: Shelf, source: Path) -> None:
    ledger = Ledger(shelf.service)
    shell(shelf, 'gio copy "$0" letter.txt', source)
    assert ledger.actions() == []
    shelf.check(NEW)


@promise("The old version stays, and gets ` (id N)`; the file that was saved keeps its inode.")
def test_the_inode_stays_with_the_name(shelf: Shelf, mounting: Mounter) -> None:
    before = shelf.file.stat().st_ino
    with shelf.file.open("rb") as reader:
        shell(shelf, "echo Yours >> letter.txt")
        assert os.fstat(reader.fileno()).st_ino == before
        assert reader.read() == OLD + b"Yours\n", "as on every disk, who has it open sees what is written"
        shelf.flush()
        assert os.fstat(reader.fileno()).st_ino == shelf.file.stat().st_ino == before
        shell(shelf, "echo more >> letter.txt")
        reader.seek(0)
        assert reader.read() == OLD + b"Yours\nmore\n"
    shelf.check(OLD + b"Yours\n", OLD + b"Yours\nmore\n", posts=2)
    assert len({path.stat().st_ino for path in shelf.folder.iterdir()}) == 3
    assert shelf.file.stat().st_ino == before


def test_who_reads_the_file_that_is_replaced_goes_on_reading_it(shelf: Shelf, source: Path) -> None:
    with shelf.file.open("rb") as reader:
        shell(shelf, 'cp "$0" x.tmp; mv -f x.tmp letter.txt', source)
        assert reader.read() == OLD
        shelf.check(NEW)
        reader.seek(0)
        assert reader.read() == OLD


@promise(
    "With `versions` a deleted attachment is hidden, and shows again after a minute unless a new file follows."
)
def test_deleting(shelf: Shelf) -> None:
    shell(shelf, "rm letter.txt; ls -A | wc -l")
    begin = time.monotonic()
    assert not shelf.file.exists()
    assert run("cat", shelf.file, ok=False).err.endswith("No such file or directory\n")
    assert run("ls", "-A", shelf.folder).out == ""
    eventually(shelf.file.exists, "it shows again", 75)
    assert time.monotonic() - begin > 50
    shelf.check(posts=0)


def test_gzip_leaves_both(shelf: Shelf) -> None:
    shell(shelf, "gzip -n letter.txt")
    assert run("ls", "-A", shelf.folder).lines == [f"{NAME}.gz"]
    assert run("gzip", "-dc", shelf.folder / f"{NAME}.gz").out.encode() == OLD
    shelf.flush()
    assert [len(shelf.stored(name)) for name in (NAME, f"{NAME}.gz")] == [1, 1]


@promise("An older version, shown with its id, can't be written to, replaced or deleted.")
def test_older_versions_stay_as_they_are(shelf: Shelf, source: Path) -> None:
    shell(shelf, 'cp "$0" .', source)
    [older] = [path for path in shelf.folder.iterdir() if "(id" in path.name]
    assert older.stat().st_mode & 0o777 == 0o444
    for command, words in (
        (("cp", source, older), "Permission denied"),
        (("truncate", "-s", "0", older), "Permission denied"),
        (("rm", "-f", older), "Operation not permitted"),
        (("mv", "-f", shelf.file, older), "Operation not permitted"),
        (("mv", older, shelf.folder / "other.txt"), "Operation not permitted"),
    ):
        assert words in run(*command, ok=False).err
    shelf.check(NEW)


def test_attachments_are_not_renamed(shelf: Shelf) -> None:
    done = run("mv", shelf.file, shelf.folder / "other.txt", ok=False)
    assert "Operation not permitted" in done.err
    shelf.check(posts=0)


def test_modes_and_times_are_taken_and_forgotten(shelf: Shelf) -> None:
    before = shelf.file.stat()
    shell(shelf, "chmod 600 letter.txt; touch -d 2001-01-01 letter.txt; chown 0:0 letter.txt")
    after = shelf.file.stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    shelf.check(posts=0)


def test_a_large_file_that_the_cache_has_no_room_for(
    mounting: Mounter, small_service: Process, tmp_path: Path
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=0.7,versions", arguments=("--cache-size", "20M"))
    folder = mount.place / "Project 001" / "Task 001-0001"
    task = node_id(folder)
    small_service.act(
        "add_comment", task=task, text="", files=[{"name": "film.bin", "size": 30_000_000, "seed": 5}]
    )
    mount.wsfs("refresh", mount.place)
    film = folder / "film.bin"
    eventually(film.exists)
    ledger = Ledger(small_service)
    script = (
        "import os, sys; d = os.open(sys.argv[1], os.O_RDWR); os.pwrite(d, b'mark', 20_000_000); os.close(d)"
    )
    run("python3", "-c", script, film)
    assert ledger.actions().count("download") == 1
    with film.open("rb") as opened:
        opened.seek(19_999_999)
        assert opened.read(6)[1:5] == b"mark"
    assert film.stat().st_size == 30_000_000
    mount.flush()
    mine = [file for file in small_service.files() if file["name"] == "film.bin"]
    assert len(mine) == 2
    digest = hashlib.sha256()
    with film.open("rb") as opened:
        while piece := opened.read(1 << 20):
            digest.update(piece)
    assert digest.hexdigest() == max(mine, key=lambda file: int(file["id"]))["sha256"]


def test_ctrl_c_ends_a_program_that_waits_for_the_download(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=0.7,versions")
    folder = mount.place / "Project 001" / "Task 001-0001"
    run("ls", folder)
    small_service.arm("hang:download")
    name = folder / "file 01.jpg"
    for words, number, ended in (
        ("open(sys.argv[1], 'r+b')", signal.SIGINT, 130),
        ("os.pwrite(os.open(sys.argv[1], os.O_WRONLY), b'x', 5)", signal.SIGINT, 130),
        ("os.truncate(sys.argv[1], 5)", signal.SIGINT, 130),
        ("open(sys.argv[1], 'r+b')", signal.SIGTERM, -signal.SIGTERM),
        ("open(sys.argv[1], 'r+b')", signal.SIGKILL, -signal.SIGKILL),
    ):
        script = f"import os, sys; print(flush=True); {words}"
        with subprocess.Popen(
            [sys.executable, "-c", script, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.5)
            assert process.poll() is None, words
            begin = time.monotonic()
            process.send_signal(number)
            assert process.wait(10) in (ended, -number), words
            assert time.monotonic() - begin < 3, words
    assert run("ls", "-A", folder).lines == ["file 01.jpg", "file 02.docx"]
    small_service.clear_faults()
    assert not mount.ask("uploads")["files"]
    assert node_id(name)


def test_without_the_network_it_says_so_and_nothing_is_left(
    mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=0.7,versions,deadline=1")
    folder = mount.place / "Project 001" / "Task 001-0001"
    run("ls", folder)
    small_service.arm("hang:download")
    done = run("python3", "-c", "import sys; open(sys.argv[1], 'r+b')", folder / "file 01.jpg", ok=False)
    assert "Connection timed out" in done.err
    done = run("bash", "-c", 'echo x >> "$0"', folder / "file 01.jpg", ok=False)
    assert done.code != 0
    assert "Connection timed out" in done.err
    assert "Connection timed out" in run("truncate", "-s", "5", folder / "file 01.jpg", ok=False).err
    assert run("ls", "-A", folder).lines == ["file 01.jpg", "file 02.docx"]
    small_service.clear_faults()


def test_a_crash_while_a_version_is_written_leaves_the_old_one(
    mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=0.7,versions")
    folder = mount.place / "Project 001" / "Task 001-0001"
    name = folder / "file 02.docx"
    old, inode = name.read_bytes(), name.stat().st_ino
    descriptor = os.open(name, os.O_RDWR)
    os.pwrite(descriptor, b"half", 0)
    mount.kill()
    with pytest.raises(OSError):
        os.pwrite(descriptor, b"more", 4)
    try:
        os.close(descriptor)
    except OSError:
        pass
    mount.clear()
    again = mounting(small_service, options=f"{QUIET},settle=0.7,versions", scratch=mount.scratch)
    assert xattr(name, "user.wsfs.upload").startswith("interrupted: ")
    assert name.stat().st_ino == inode
    [older] = [path for path in folder.iterdir() if "file 02 (id" in path.name]
    assert older.read_bytes() == old
    run("rm", name)
    assert name.exists() is False
    assert not again.ask("uploads")["files"]


# Editors


def _document(tmp_path: Path, words: str, name: str) -> Path:
    """An OpenDocument text, as LibreOffice makes one."""
    (tmp_path / f"{name}.txt").write_text(words)
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    run(
        "soffice", profile, "--headless", "--convert-to", "odt", "--outdir", tmp_path, tmp_path / f"{name}.txt",
        seconds=140,
    )  # fmt: skip
    return tmp_path / f"{name}.odt"


def test_libreoffice_converts_over_an_attachment(shelf: Shelf, tmp_path: Path) -> None:
    first = _document(tmp_path, "first", "report")
    shutil.copy(first, shelf.folder)
    shelf.flush()
    content = first.read_bytes()
    (tmp_path / "report.txt").write_text("second")
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    run(
        "soffice", profile, "--headless", "--convert-to", "odt", "--outdir", shelf.folder, tmp_path / "report.txt",
        seconds=140,
    )  # fmt: skip
    report = shelf.folder / "report.odt"
    assert report.read_bytes() != content
    with zipfile.ZipFile(report) as archive:
        assert b"second" in archive.read("content.xml")
    shelf.check(content, report.read_bytes(), name="report.odt", old=None, posts=2)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    program = Office(tmp_path)
    yield program
    program.quit()


def _words(document: Path) -> str:
    with zipfile.ZipFile(document) as archive:
        return archive.read("word/document.xml").decode()


def test_libreoffice_saves_twice_over_an_attachment(shelf: Shelf, office: Office, tmp_path: Path) -> None:
    office.do("new")
    office.do("write", text="From a colleague. ")
    office.do("save_as", path=str(tmp_path / "contract.docx"))
    office.do("close")
    contract = shelf.folder / "contract.docx"
    shutil.copy(tmp_path / "contract.docx", contract)
    shelf.flush()
    first = contract.read_bytes()
    ledger = Ledger(shelf.service)
    assert not office.do("open", path=str(contract))["read_only"]
    assert (shelf.folder / ".~lock.contract.docx#").exists()
    time.sleep(2)
    assert is_attachment(contract), "to open it is no change"
    office.do("write", text="Mine. ")
    office.do("save")
    office.do("write", text="And more.")
    time.sleep(2)
    assert not is_attachment(contract)
    assert ledger.posts() == [], "nothing goes while the editor has it open"
    office.do("save")
    office.do("close")
    saved = contract.read_bytes()
    assert "From a colleague. Mine. And more." in _words(contract)
    shelf.check(first, saved, name="contract.docx", old=None, posts=2)


def test_libreoffice_that_only_looks_changes_nothing(shelf: Shelf, office: Office, tmp_path: Path) -> None:
    office.do("new")
    office.do("save_as", path=str(tmp_path / "contract.docx"))
    office.do("close")
    contract = shelf.folder / "contract.docx"
    shutil.copy(tmp_path / "contract.docx", contract)
    shelf.flush()
    before, content = contract.stat(), contract.read_bytes()
    office.do("open", path=str(contract))
    office.do("close")
    assert contract.stat() == before
    shelf.check(content, name="contract.docx", old=None)


VIM = ("vim", "-N", "-u", "NONE", "-i", "NONE")


@pytest.mark.parametrize(
    "settings",
    ["", "set backup backupskip=", "set backupskip= backupcopy=no writebackup", "set nowritebackup"],
)
def test_vim_saves_twice_over_an_attachment(settings: str, shelf: Shelf) -> None:
    ledger = Ledger(shelf.service)
    with at_terminal(*VIM, "-c", settings or "set ruler", NAME, cwd=shelf.folder) as vim:
        vim.see("the second line")
        vim.type(f"ggcwDearest{ESCAPE}:w{ENTER}")
        vim.see("written")
        time.sleep(1.5)  # more than the settle time
        assert ledger.posts() == [], "nothing goes while the editor has it open"
        vim.type(f"GoYours{ESCAPE}:wq{ENTER}")
        assert vim.end() == 0
    if settings.startswith("set backup "):
        assert (shelf.folder / f"{NAME}~").read_bytes().startswith(b"Dearest")
        run("rm", shelf.folder / f"{NAME}~")
    shelf.check(OLD.replace(b"Dear", b"Dearest") + b"Yours\n")


def test_vim_that_only_looks_changes_nothing(shelf: Shelf) -> None:
    with at_terminal(*VIM, NAME, cwd=shelf.folder) as vim:
        vim.see("the second line")
        vim.type(f":q{ENTER}")
        assert vim.end() == 0
    shelf.check(posts=0)


# What was made here, without the option


@promise("A file that was uploaded from this machine can be saved over for an hour, also after a new mount.")
def test_what_was_made_here_can_be_saved_again(
    mounting: Mounter, small_service: Process, tmp_path: Path
) -> None:
    options = f"{QUIET},settle=0.3"
    mount = mounting(small_service, options=options)
    folder = mount.place / "Project 001" / "Task 001-0001"
    note = folder / "note.txt"
    shown = Shelf(small_service, mount, folder, node_id(folder))
    run("tee", note, stdin="first\n")
    eventually(lambda: is_attachment(note))
    assert note.stat().st_mode & 0o777 == 0o644
    run("sed", "-i", "s/first/second/", note)
    assert not is_attachment(note)
    mount.flush()
    assert mount.stop() == 0
    again = mounting(small_service, options=options, scratch=mount.scratch)
    assert note.stat().st_mode & 0o777 == 0o644
    run("sh", "-c", 'echo third >> "$0"', note)
    assert note.read_text() == "second\nthird\n"
    again.flush()
    contents = (b"first\n", b"second\n", b"second\nthird\n")
    assert [sum for _, sum in shown.stored("note.txt")] == [
        hashlib.sha256(one).hexdigest() for one in contents
    ]
    # It isn't deleted as if that could be, and what others made is as it was.
    assert "Operation not permitted" in run("rm", "-f", note, ok=False).err
    assert (folder / "file 01.jpg").stat().st_mode & 0o777 == 0o444
    assert "Permission denied" in run("truncate", "-s", "0", folder / "file 01.jpg", ok=False).err


def test_writable_for_ends(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=f"{QUIET},settle=0.3,writable_for=3")
    note = mount.place / "Project 001" / "Task 001-0001" / "note.txt"
    run("tee", note, stdin="first\n")
    eventually(lambda: is_attachment(note))
    assert note.stat().st_mode & 0o777 == 0o644
    eventually(lambda: note.stat().st_mode & 0o777 == 0o444, "the kernel is not told, but asks in time", 10)
    assert "Permission denied" in run("cp", "/etc/hostname", note, ok=False).err
    assert "Operation not permitted" in run("sed", "-i", "s/first/second/", note, ok=False).err


# The switch, looked at all the time


class Lister(threading.Thread):
    """Lists a directory again and again, and opens and looks at a file in it."""

    def __init__(self, folder: Path, name: str, listed: Callable[[list[str]], str | None]) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._name = name
        self._listed = listed
        self._ended = threading.Event()
        self.looks = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        while not self._ended.is_set():
            names = [path.name for path in self._folder.iterdir()]
            wrong = self._listed(names)
            if wrong:
                self.wrong.append(f"{wrong}: {sorted(names)}")
            try:
                (self._folder / self._name).stat()
                with (self._folder / self._name).open("rb") as opened:
                    opened.read(10)
            except OSError as error:
                self.wrong.append(str(error))
            self.looks += 1

    def __enter__(self) -> Lister:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()
        assert not self.wrong, self.wrong[:5]
        assert self.looks > 50


@promise(
    "While a file is uploaded and afterwards, every listing shows it once: never twice, never not at all."
)
def test_every_listing_shows_an_upload_once(drive: Mount, task: Path) -> None:
    def wrong(names: list[str]) -> str | None:
        if len(names) != len(set(names)):
            return "there twice"
        found = [name for name in names if name.startswith("new")]
        return None if found == ["new.bin"] else "not once"

    run("tee", task / "new.bin", stdin="words")
    with Lister(task, "new.bin", wrong):
        for number in range(3):
            eventually(lambda: is_attachment(task / "new.bin"), "it is adopted")
            drive.wsfs("refresh", task)
            if not number:
                break


def test_every_listing_shows_each_version_once(shelf: Shelf, source: Path) -> None:
    known = 1

    def wrong(names: list[str]) -> str | None:
        if len(names) != len(set(names)):
            return "there twice"
        if NAME not in names:
            return "not there"
        # One that is replaced while it is on its way shows again once it has arrived.
        return None if len([one for one in names if one.startswith("letter")]) <= known + 1 else "too many"

    with Lister(shelf.folder, NAME, wrong):
        for number in range(6):
            if number % 2:
                shell(shelf, f"echo {number} >> letter.txt")
            else:
                shell(shelf, f'cp "$0" x.tmp; echo {number} >> x.tmp; mv -f x.tmp letter.txt', source)
            known = number + 2
            shelf.flush()
            shelf.mount.wsfs("refresh", shelf.folder)
    assert len(shelf.stored()) == 7
    assert len(run("ls", "-A", shelf.folder).lines) == 7
