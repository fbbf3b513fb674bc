"""Writing with real programs: what each makes arrives once, whole, and stays where it was put."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wsfs.emulator.testing import Process

from .drives import Done, Ledger, Mount, eventually, files_of, is_attachment, node_id, run, xattr

Arrived = Callable[..., None]


@pytest.fixture
def arrived(drive: Mount, service: Process, task_id: int, ledger: Ledger) -> Arrived:
    """Asserts that exactly these files (name → content) have come to the task, in one comment."""

    def check(files: dict[str, bytes], *, posts: int = 1) -> None:
        drive.settled()
        there = files_of(service, task_id)
        new = {name: there[name]["sha256"] for name in there if not name.startswith("file 0")}
        assert new == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        sent = ledger.posts()
        assert [post["action"] for post in sent] == ["post_comment"] * posts
        assert sorted(name for post in sent for name in post["files"]) == sorted(files)

    return check


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file with a date and a mode of its own, outside the drive."""
    path = tmp_path / "Звіт за вересень.bin"
    path.write_bytes(os.urandom(300_000))
    path.chmod(0o640)
    os.utime(path, ns=(1_500_000_000_000_000_000, 1_600_000_000_123_456_789))
    return path


def shell(script: str, cwd: Path, *arguments: str | Path) -> Done:
    """Several steps in one go, so that no settle time ends between them on a busy machine."""
    return run("sh", "-ec", script, *arguments, cwd=cwd)


def test_cp(task: Path, source: Path, arrived: Arrived) -> None:
    run("cp", source, task)
    assert (task / source.name).read_bytes() == source.read_bytes()
    arrived({source.name: source.read_bytes()})


def test_what_was_copied_reads_back_without_a_request_and_keeps_its_inode_and_mtime(
    task: Path, source: Path, drive: Mount, ledger: Ledger
) -> None:
    run("cp", "-p", source, task)
    copy = task / source.name
    pending = copy.stat()
    assert pending.st_mode & 0o777 == 0o640
    assert pending.st_mtime_ns == source.stat().st_mtime_ns
    assert pending.st_ino >= 2**48
    with copy.open("rb") as opened:
        drive.settled()
        assert is_attachment(copy)
        assert os.fstat(opened.fileno()).st_ino == pending.st_ino
        ledger.take()
        assert opened.read() == source.read_bytes()
    run("cmp", source, copy)
    sent = copy.stat()
    assert (sent.st_ino, sent.st_mtime_ns, sent.st_size) == (
        pending.st_ino,
        pending.st_mtime_ns,
        pending.st_size,
    )
    assert ledger.actions() == []


@pytest.mark.parametrize("options", [("-p",), ("-a",)])
def test_cp_that_keeps_mode_and_times(
    options: tuple[str, ...], task: Path, source: Path, arrived: Arrived
) -> None:
    copied = run("cp", *options, source, task)
    assert copied.err == ""
    status = (task / source.name).stat()
    assert status.st_mode & 0o777 == 0o640
    assert status.st_mtime_ns == source.stat().st_mtime_ns
    arrived({source.name: source.read_bytes()})


def test_times_and_modes_that_come_after_the_upload_are_no_error(
    task: Path, source: Path, drive: Mount
) -> None:
    run("cp", source, task)
    drive.settled()
    copy = task / source.name
    assert run("chmod", "600", copy).err == ""
    assert run("touch", "-r", source, copy).err == ""


def test_mv_into_a_task_takes_the_original_away(task: Path, source: Path, arrived: Arrived) -> None:
    content = source.read_bytes()
    run("mv", source, task)
    assert not source.exists()
    arrived({source.name: content})


def test_mv_of_a_pending_file_renames_it(task: Path, arrived: Arrived) -> None:
    shell("printf words > draft.txt; mv draft.txt final.txt", task)
    assert not (task / "draft.txt").exists()
    arrived({"final.txt": b"words"})


def test_a_listing_that_begins_anew_shows_what_has_come_and_gone_since(task: Path) -> None:
    """rewinddir(3); smbd keeps directories open and does so for each listing."""
    directory = os.open(task, os.O_RDONLY | os.O_DIRECTORY)

    def listed() -> set[str]:
        return set(os.listdir(directory))  # noqa: PTH208 - of one that is open

    try:
        before = listed()
        (task / "come.txt").write_text("x")
        (task / "went.txt").write_text("x")
        assert listed() == before | {"come.txt", "went.txt"}
        (task / "went.txt").unlink()
        (task / "come.txt").rename(task / "renamed.txt")
        assert listed() == before | {"renamed.txt"}
    finally:
        os.close(directory)


def test_mv_of_a_pending_file_to_another_task(
    task: Path, other_task: Path, service: Process, drive: Mount, ledger: Ledger
) -> None:
    shell('printf words > moved.txt; mv moved.txt "$0"', task, other_task)
    drive.settled()
    assert [post["params"]["id_task"] for post in ledger.posts()] == [str(node_id(other_task))]
    assert "moved.txt" not in files_of(service, node_id(task))
    assert "moved.txt" in files_of(service, node_id(other_task))


def test_mv_of_a_pending_file_out_of_the_drive_sends_nothing(
    task: Path, tmp_path: Path, arrived: Arrived
) -> None:
    shell('printf words > mine.txt; mv mine.txt "$0"', task, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "words"
    run("tee", task / "other.txt", stdin="x")
    arrived({"other.txt": b"x"})


def test_rm_of_a_pending_file_sends_nothing(task: Path, arrived: Arrived) -> None:
    shell("printf words > mistake.txt; rm mistake.txt", task)
    assert not (task / "mistake.txt").exists()
    run("tee", task / "other.txt", stdin="x")
    arrived({"other.txt": b"x"})


def test_cat_tee_and_dd(task: Path, source: Path, arrived: Arrived) -> None:
    shell(
        """
        cat "$0" > cat.bin
        cat "$0" | tee tee.bin > /dev/null
        dd if="$0" of=dd.bin bs=7000 conv=fsync
        """,
        task,
        source,
    )
    arrived(dict.fromkeys(("cat.bin", "tee.bin", "dd.bin"), source.read_bytes()))


def test_appending_truncating_and_writing_in_the_middle(task: Path, arrived: Arrived) -> None:
    shell(
        """
        for word in one two three; do echo $word >> log.txt; done
        truncate -s 9 log.txt
        printf 0123456789 > middle.bin
        printf abc | dd of=middle.bin bs=1 seek=3 conv=notrunc
        truncate -s 5 sparse.bin
        """,
        task,
    )
    arrived({"log.txt": b"one\ntwo\nt", "middle.bin": b"012abc6789", "sparse.bin": b"\0" * 5})


def test_a_file_mapped_into_memory_is_sent_as_it_was_left(task: Path, arrived: Arrived) -> None:
    script = (
        "import mmap, os, sys; d = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); os.ftruncate(d, 10000); "
        "m = mmap.mmap(d, 10000); os.close(d); m[5000:5005] = b'hello'; m.close()"
    )
    run("python3", "-c", script, task / "mapped.bin")
    arrived({"mapped.bin": b"\0" * 5000 + b"hello" + b"\0" * 4995})


def test_touch_makes_a_file_that_stays_here_while_it_is_empty(
    task: Path, drive: Mount, ledger: Ledger
) -> None:
    run("touch", "-d", "2020-02-02 02:02:02 UTC", task / "later.txt")
    assert (task / "later.txt").stat().st_mtime == 1580608922
    run("tee", task / "full.txt", stdin="x")
    eventually(lambda: is_attachment(task / "full.txt"))
    assert not is_attachment(task / "later.txt")
    assert [post["files"] for post in ledger.posts()] == [["full.txt"]]
    assert xattr(task / "later.txt", "user.wsfs.upload")
    run("rm", task / "later.txt")
    drive.settled()


def test_sed_in_place_on_a_pending_file_makes_one_upload(task: Path, arrived: Arrived) -> None:
    listed = shell("echo Dear Sir > letter.txt; sed -i s/Sir/Madam/ letter.txt; ls -A", task)
    assert listed.lines == ["file 01.jpg", "file 02.docx", "letter.txt"]
    arrived({"letter.txt": b"Dear Madam\n"})


def test_tar_unpacked_into_a_task(task: Path, source: Path, tmp_path: Path, arrived: Arrived) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    run("tar", "-cf", tmp_path / "all.tar", "-C", tmp_path, source.name, "notes.txt")
    assert run("tar", "-xpf", tmp_path / "all.tar", "-C", task).err == ""
    status = (task / source.name).stat()
    assert (status.st_mode & 0o777, int(status.st_mtime)) == (0o640, 1_600_000_000)
    arrived({source.name: source.read_bytes(), "notes.txt": b"notes"})


def test_zip_and_unzip(task: Path, source: Path, tmp_path: Path, drive: Mount, service: Process) -> None:
    run("zip", "-q", task / "new.zip", source.name, cwd=tmp_path)
    run("unzip", "-q", task / "new.zip", "-d", task)
    assert (task / source.name).read_bytes() == source.read_bytes()
    drive.settled()
    assert files_of(service, node_id(task)).keys() == {"file 01.jpg", "file 02.docx", "new.zip", source.name}
    run("unzip", "-tq", task / "new.zip")


def test_rsync_sends_once_and_has_nothing_to_do_the_second_time(
    task: Path, source: Path, tmp_path: Path, arrived: Arrived, drive: Mount, ledger: Ledger
) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    run("rsync", "-a", source, tmp_path / "notes.txt", task)
    assert (task / source.name).stat().st_mtime_ns == source.stat().st_mtime_ns
    arrived({source.name: source.read_bytes(), "notes.txt": b"notes"})
    again = run("rsync", "-ai", "--no-o", "--no-g", "--no-p", source, tmp_path / "notes.txt", task)
    assert again.out == ""
    everything = run("rsync", "-a", "--stats", source, tmp_path / "notes.txt", task)
    assert "Number of regular files transferred: 0" in everything.lines
    drive.settled()
    assert ledger.actions() == []


def test_a_python_program_that_replaces_its_file_makes_one_upload(task: Path, arrived: Arrived) -> None:
    script = (
        "import os, sys; p = sys.argv[1]; open(p, 'w').write('first'); f = open(p + '.tmp', 'w'); "
        "f.write('saved'); f.flush(); os.fsync(f.fileno()); f.close(); os.replace(p + '.tmp', p)"
    )
    run("python3", "-c", script, task / "document.txt")
    arrived({"document.txt": b"saved"})


def test_temporary_and_lock_files_work_and_are_never_sent(task: Path, drive: Mount, arrived: Arrived) -> None:
    names = (
        ".report.odt.swp",
        ".~lock.report.odt#",
        "~$report.docx",
        "x.tmp",
        ".DS_Store",
        "Thumbs.db",
        "a~",
    )
    for name in names:
        run("tee", task / name, stdin="noise")
        assert (task / name).read_text() == "noise"
    run("tee", task / "real.txt", stdin="x")
    arrived({"real.txt": b"x"})
    for name in names:
        assert not is_attachment(task / name)
        run("rm", task / name)
        assert not (task / name).exists()


def test_an_editor_s_lock_holds_its_file_back(task: Path, arrived: Arrived, ledger: Ledger) -> None:
    shell("echo me > .~lock.report.odt#; printf words > report.odt; printf x > other.txt", task)
    eventually(lambda: is_attachment(task / "other.txt"))
    assert not is_attachment(task / "report.odt")
    run("rm", task / ".~lock.report.odt#")
    arrived({"other.txt": b"x", "report.odt": b"words"}, posts=2)


def test_a_file_that_stays_open_is_not_sent(task: Path, drive: Mount, arrived: Arrived) -> None:
    with (task / "growing.log").open("w") as growing:
        growing.write("one\n")
        growing.flush()
        run("tee", task / "other.txt", stdin="x")
        drive.ask("flush", "/" + str((task / "other.txt").relative_to(drive.place)))
        assert is_attachment(task / "other.txt")
        assert not is_attachment(task / "growing.log")
        growing.write("two\n")
    arrived({"growing.log": b"one\ntwo\n", "other.txt": b"x"}, posts=2)


def test_a_copy_that_was_interrupted_is_kept_and_not_sent(
    task: Path, drive: Mount, service: Process, ledger: Ledger
) -> None:
    script = "import sys, time; f = open(sys.argv[1], 'wb', 0); f.write(b'half'); print(flush=True); time.sleep(60)"
    half = task / "half.bin"
    with subprocess.Popen(["python3", "-S", "-c", script, half], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.wait()
    eventually(lambda: xattr(half, "user.wsfs.upload").startswith("interrupted: "))
    assert half.read_bytes() == b"half"
    [item] = drive.ask("uploads")["files"]
    assert (item["state"], item["path"]) == ("interrupted", "/" + str(half.relative_to(drive.place)))
    run("tee", task / "whole.txt", stdin="x")
    eventually(lambda: is_attachment(task / "whole.txt"))
    assert "half.bin" not in files_of(service, node_id(task))
    drive.wsfs("uploads", "send", half)
    eventually(lambda: is_attachment(half))
    assert [post["files"] for post in ledger.posts()] == [["whole.txt"], ["half.bin"]]


def test_large_files_are_sent_whole(task: Path, tmp_path: Path, arrived: Arrived) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(1 << 20) * 40)
    run("cp", large, task)
    run("cmp", large, task / "large.bin")
    arrived({"large.bin": large.read_bytes()})


def test_directories_say_when_something_came_into_them(task: Path) -> None:
    before = task.stat().st_mtime_ns
    run("tee", task / "new.txt", stdin="x")
    assert task.stat().st_mtime_ns > before


def test_a_task_s_directory_is_renamed_with_its_title(
    task: Path, task_id: int, ledger: Ledger, service: Process
) -> None:
    inode = task.stat().st_ino
    title = f"{task.name} renamed"
    run("mv", task, task.with_name(title))
    assert not task.exists()
    assert task.with_name(title).stat().st_ino == inode
    assert [(post["action"], post["params"]["title"]) for post in ledger.posts()] == [("update_task", title)]
    assert {f["task"]["name"] for f in service.files() if f["task"] and f["task"]["id"] == task_id} == {title}
    assert "file 01.jpg" in run("ls", task.with_name(title)).lines


@pytest.mark.promise(
    "`gzip` and the like make the compressed file, which is uploaded, and can't take the attachment away."
)
@pytest.mark.parametrize(("program", "extension"), [("gzip", "gz"), ("xz", "xz")])
def test_compressing_an_attachment_leaves_both(
    program: str, extension: str, task: Path, drive: Mount, service: Process, ledger: Ledger
) -> None:
    done = run(program, task / "file 01.jpg", ok=False)
    assert done.code != 0
    assert "Operation not permitted" in done.err
    drive.settled()
    names = ["file 01.jpg", f"file 01.jpg.{extension}", "file 02.docx"]
    assert run("ls", "-A", task).lines == names
    assert sorted(files_of(service, node_id(task))) == names
    assert len(ledger.posts()) == 1
