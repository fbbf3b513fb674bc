"""Programs that change files: each ends with exactly the attachments that a person expects, and nothing more.

What plain copying does is in test_copying.py, what test_writing.py has of shell tools isn't repeated.
"""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsfs.emulator.testing import Process

from .arrivals import Arrivals
from .drives import Mount, eventually, is_attachment, run
from .terminal import ENTER, ESCAPE, at_terminal, control


@pytest.fixture
def arrivals(service: Process, drive: Mount, task: Path) -> Arrivals:
    return Arrivals(service, drive, task)


@contextlib.contextmanager
def unsent(task: Path, name: str) -> Iterator[None]:
    """Keep a file from being sent meanwhile, however long that takes on a busy machine: another program has it open."""
    lock = task / f".~lock.{name}#"
    lock.write_text("somebody")
    yield
    lock.unlink()


# Editors

VIM = (
    "vim",
    "-N",
    "-u",
    "NONE",
    "-i",
    "NONE",
    "-c",
    "set backupskip=",
)  # it makes no backups below /tmp else
_VIM_SETTINGS = {
    "as it comes": ((), ()),
    "with a backup": (("-c", "set backup"), ("notes.txt~",)),
    "writing by rename": (("-c", "set writebackup backupcopy=no"), ()),
    "writing in place": (("-c", "set writebackup backupcopy=yes"), ()),
    "without any backup": (("-c", "set nobackup nowritebackup"), ()),
    "without a swap file": (("-n",), ()),
}


def test_vim_that_writes_a_new_file_twice_is_one_attachment(task: Path, arrivals: Arrivals) -> None:
    with at_terminal(*VIM, "notes.txt", cwd=task) as vim:
        vim.see('"notes.txt" [New]')
        vim.type(f"ifirst{ESCAPE}:w{ENTER}")
        vim.see("written")
        vim.type(f"osecond{ESCAPE}:w{ENTER}")
        vim.see("written")
        vim.type(f":q{ENTER}")
        assert vim.end() == 0
    assert (task / "notes.txt").read_text() == "first\nsecond\n"
    arrivals.check({"notes.txt": b"first\nsecond\n"})


@pytest.mark.parametrize("variant", _VIM_SETTINGS)
def test_vim_that_writes_over_what_is_not_sent_yet_is_one_attachment(
    variant: str, task: Path, arrivals: Arrivals
) -> None:
    settings, left = _VIM_SETTINGS[variant]
    with unsent(task, "notes.txt"):
        (task / "notes.txt").write_text("zeroth\n")
        write_twice(task, *settings)
    assert (task / "notes.txt").read_text() == "zeroth\nfirst\nsecond\n"
    arrivals.check({"notes.txt": b"zeroth\nfirst\nsecond\n"}, left=left)


def write_twice(task: Path, *settings: str) -> None:
    with at_terminal(*VIM, *settings, "notes.txt", cwd=task) as vim:
        vim.see('"notes.txt" 1L')
        vim.type(f"ofirst{ESCAPE}:w{ENTER}")
        vim.see("written")
        vim.type(f"osecond{ESCAPE}:w{ENTER}")
        vim.see("written")
        vim.type(f":q{ENTER}")
        assert vim.end() == 0


def test_nothing_is_sent_while_vim_has_a_file_open(task: Path, drive: Mount, arrivals: Arrivals) -> None:
    with at_terminal(*VIM, "notes.txt", cwd=task) as vim:
        vim.see('"notes.txt" [New]')
        vim.type(f"ifirst{ESCAPE}:w{ENTER}")
        vim.see("written")
        assert (task / ".notes.txt.swp").exists()
        run("tee", task / "other.txt", stdin="x")
        eventually(lambda: is_attachment(task / "other.txt"))
        assert not is_attachment(task / "notes.txt")
        [waiting] = drive.ask("uploads")["files"]
        assert (waiting["path"], waiting["reason"]) == (
            f"/{task.relative_to(drive.place)}/notes.txt",
            "an editor has it open, its lock says",
        )
        vim.type(f"osecond{ESCAPE}:wq{ENTER}")
        assert vim.end() == 0
    arrivals.check({"other.txt": b"x", "notes.txt": b"first\nsecond\n"}, posts=2)


def test_vim_that_is_left_without_writing_leaves_nothing(task: Path, arrivals: Arrivals) -> None:
    with at_terminal(*VIM, "notes.txt", cwd=task) as vim:
        vim.see('"notes.txt" [New]')
        vim.type(f"inever mind{ESCAPE}:q!{ENTER}")
        assert vim.end() == 0
    arrivals.check_nothing()


def test_vim_says_that_an_attachment_is_read_only_and_writes_a_copy(task: Path, arrivals: Arrivals) -> None:
    with at_terminal(*VIM, "file 02.docx", cwd=task) as vim:
        vim.see("file 02.docx")
        vim.type(f":w{ENTER}")
        vim.see("E45: 'readonly' option is set")
        vim.type(f"{ENTER}:%d|call setline(1, 'mine')|w mine.txt{ENTER}")
        vim.see("written")
        vim.type(f":q!{ENTER}")
        assert vim.end() == 0
    arrivals.check({"mine.txt": b"mine\n"})


@pytest.mark.parametrize(
    ("options", "left"), [((), ()), (("--locking",), ()), (("--backup",), ("notes.txt~",))]
)
def test_nano_that_writes_twice_is_one_attachment(
    options: tuple[str, ...], left: tuple[str, ...], task: Path, arrivals: Arrivals
) -> None:
    with at_terminal("nano", "--ignorercfiles", *options, "notes.txt", cwd=task) as nano:
        nano.see("New File")
        nano.type("first" + control("O"))
        nano.see("File Name to Write")
        nano.type(ENTER)
        nano.see("Wrote 1 line")
        nano.type(ENTER + "second" + control("O"))
        nano.see("File Name to Write")
        nano.type(ENTER)
        nano.see("Wrote 2 lines")
        nano.type(control("X"))
        assert nano.end() == 0
    arrivals.check({"notes.txt": b"first\nsecond\n"}, left=left)


def test_sed_and_perl_in_place_with_a_backup_keep_it_here(task: Path, arrivals: Arrivals) -> None:
    script = """
        echo Dear Sir > letter.txt
        sed -i.bak s/Sir/Madam/ letter.txt
        perl -pi -e s/Dear/Good/ letter.txt
        """
    with unsent(task, "letter.txt"):
        run("sh", "-ec", script, cwd=task)
    assert (task / "letter.txt.bak").read_text() == "Dear Sir\n"
    arrivals.check({"letter.txt": b"Good Madam\n"}, left=["letter.txt.bak"])


# Programs that write beside a file and rename

_PYTHON_SAVES = """
import os, sys, tempfile, time
with tempfile.NamedTemporaryFile("w", dir=".", delete=False) as file:
    file.write(sys.argv[2])
    file.flush()
    os.fsync(file.fileno())
time.sleep(float(sys.argv[3]))
os.replace(file.name, sys.argv[1])
"""


def test_a_python_program_that_replaces_by_a_temporary_file(task: Path, arrivals: Arrivals) -> None:
    with unsent(task, "report.txt"):
        for words in ("first", "second"):
            run("python3", "-c", _PYTHON_SAVES, "report.txt", words, "0", cwd=task)
    arrivals.check({"report.txt": b"second"})


def test_a_python_program_that_takes_its_time_before_it_replaces(task: Path, arrivals: Arrivals) -> None:
    run("python3", "-c", _PYTHON_SAVES, "report.txt", "words", "2.5", cwd=task)  # three times the settle time
    arrivals.check({"report.txt": b"words"})


def test_a_shell_script_that_renames_what_mktemp_made(task: Path, arrivals: Arrivals) -> None:
    run("sh", "-ec", 'f=$(mktemp -p .); echo words > "$f"; sleep 2; mv "$f" report.txt', cwd=task)
    arrivals.check({"report.txt": b"words\n"})


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    """A PDF of one empty page."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>",
    ]
    text, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(text))
        text += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(text)
    path = tmp_path / "offer.pdf"
    path.write_bytes(text + b"xref\n0 4\n0000000000 65535 f \n" + table + end)
    return path


def test_qpdf_that_replaces_its_input(task: Path, pdf: Path, arrivals: Arrivals) -> None:
    with unsent(task, pdf.name):
        run("sh", "-ec", 'cp "$0" .; qpdf --linearize --replace-input offer.pdf', pdf, cwd=task)
    rewritten = (task / "offer.pdf").read_bytes()
    assert rewritten != pdf.read_bytes()
    arrivals.check({"offer.pdf": rewritten})


def test_the_original_that_qpdf_keeps_when_it_warns_stays_here(
    task: Path, pdf: Path, arrivals: Arrivals
) -> None:
    pdf.write_bytes(pdf.read_bytes().replace(b"startxref\n", b"startxref\n9"))
    with unsent(task, pdf.name):
        done = run("sh", "-c", 'cp "$0" . && qpdf --replace-input offer.pdf', pdf, cwd=task, ok=False)
    assert done.code == 3, done
    kept = "offer.pdf.~qpdf-orig"
    assert (task / kept).read_bytes() == pdf.read_bytes()
    arrivals.check({"offer.pdf": (task / "offer.pdf").read_bytes()}, left=[kept])


def test_zip_that_adds_to_an_archive_in_the_drive(task: Path, tmp_path: Path, arrivals: Arrivals) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(name)
    script = 'cd "$0"; zip -q "$1/all.zip" one.txt; zip -q "$1/all.zip" two.txt'
    with unsent(task, "all.zip"):
        run("sh", "-ec", script, tmp_path, task)
    with zipfile.ZipFile(task / "all.zip") as archive:
        assert archive.namelist() == ["one.txt", "two.txt"]
    arrivals.check({"all.zip": (task / "all.zip").read_bytes()})


def test_gio_save_over_what_is_not_sent_yet(task: Path, arrivals: Arrivals) -> None:
    with unsent(task, "notes.txt"):
        run("gio", "save", task / "notes.txt", stdin="first")
        run("gio", "save", task / "notes.txt", stdin="second")
    assert (task / "notes.txt").read_text() == "second"
    arrivals.check({"notes.txt": b"second"})


# Programs that make a repository

_GIT = ("git", "-c", "init.defaultBranch=main", "-c", "user.name=A", "-c", "user.email=a@example.com")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit, outside the drive."""
    path = tmp_path / "repository"
    run(*_GIT, "init", "-q", path)
    (path / "README").write_text("words")
    run(*_GIT, "-C", path, "add", "README")
    run(*_GIT, "-C", path, "commit", "-qm", "One")
    return path


@pytest.mark.promise(
    "No repository can be made: `git init`, `git clone` and their like fail, and send nothing."
)
@pytest.mark.parametrize("command", [("init",), ("init", "new"), ("init", "--bare", "new.git")])
def test_git_init_is_refused_and_leaves_nothing(
    command: tuple[str, ...], task: Path, arrivals: Arrivals
) -> None:
    done = run(*_GIT, *command, cwd=task, ok=False)
    assert done.code != 0
    assert "Operation not permitted" in done.err
    if command == ("init", "new"):  # made by git before it was refused; empty, it would never be sent
        run("rmdir", task / "new")
    arrivals.check_nothing()


@pytest.mark.promise(
    "No repository can be made: `git init`, `git clone` and their like fail, and send nothing."
)
@pytest.mark.parametrize("command", [("clone", "-q"), ("clone", "-q", "--bare"), ("clone", "-q", "--mirror")])
def test_git_clone_is_refused_and_leaves_nothing(
    command: tuple[str, ...], task: Path, repository: Path, arrivals: Arrivals
) -> None:
    done = run(*_GIT, *command, repository, cwd=task, ok=False)
    assert done.code != 0
    assert "Operation not permitted" in done.err
    arrivals.check_nothing()


def test_a_copied_repository_gives_its_files_without_what_git_keeps(
    task: Path, repository: Path, drive: Mount, service: Process
) -> None:
    done = run("cp", "-r", repository, task, ok=False)
    assert f"cannot create directory '{task}/repository/.git'" in done.err
    drive.settled()
    [file] = [file for file in service.files() if file["task"] and file["task"]["name"] == "repository"]
    assert file["sha256"] == hashlib.sha256(b"words").hexdigest()
