"""One mount and several users of the machine: whose what is, who may do what, and in whose name it is posted."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ExpectedWarnings, leave_out
from wsfs.emulator.testing import Process

from .conftest import QUIET, Mounter
from .drives import Done, Ledger, Mount, eventually, is_attachment

# Users that every Debian has, who never do anything there.
ANN, BOB, EVE = "games", "daemon", "nobody"
OFFICE = grp.getgrnam("games").gr_gid
IN_OFFICE = frozenset({ANN, BOB})
ANN_ID, BOB_ID = (pwd.getpwnam(name).pw_uid for name in (ANN, BOB))

DENIED = "Permission denied"


def as_user(name: str, *command: str | Path, ok: bool = True, stdin: str = "") -> Done:
    """Run a program as another user of the machine; Ann and Bob are in the office's group."""
    user = pwd.getpwnam(name)
    outcome = subprocess.run(
        [str(word) for word in command],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[OFFICE] if name in IN_OFFICE else [],
        umask=0o022,
        cwd="/",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    done = Done(outcome.returncode, outcome.stdout, outcome.stderr)
    assert not ok or done.code == 0, f"{command} as {name} ended with {done.code}: {done.err}{done.out}"
    return done


def refused(name: str, *command: str | Path) -> str:
    """What a program says that can't do it."""
    done = as_user(name, *command, ok=False)
    assert done.code, f"{command} as {name} was not refused"
    return done.err.rpartition(": ")[2].strip()


def owner(path: Path) -> tuple[int, int, str]:
    """User, group and mode in eights."""
    found = path.stat()
    return found.st_uid, found.st_gid, f"{stat.S_IMODE(found.st_mode):o}"


@pytest.fixture(scope="module", autouse=True)
def need_root() -> None:
    """Only root can be several users. (CI runs as root.)"""
    leave_out(None if os.geteuid() == 0 else "only root can be other users")


@pytest.fixture
def place() -> Iterator[Path]:
    """A mountpoint that every user can reach: pytest's own directories aren't."""
    directory = Path(tempfile.mkdtemp(prefix="wsfs-shared-"))
    directory.chmod(0o755)
    yield directory / "drive"
    for one in (*directory.iterdir(), directory):
        one.rmdir()  # nothing more: what is still mounted must not be emptied


@pytest.fixture
def mounting(place: Path, mounting: Mounter) -> Mounter:
    """Its mounts end before their place goes."""
    return mounting


def task_of(mount: Mount, number: int = 1) -> Path:
    return mount.place / "Project 001" / f"Task 001-{number:04}"


OFFICE_OPTIONS = f"uid=root,gid={OFFICE},umask=007"


def test_by_default_everybody_looks_and_the_owner_writes(
    mounting: Mounter, small_service: Process, place: Path
) -> None:
    mount = mounting(small_service, options=f"allow_other,{QUIET}", place=place)
    task = task_of(mount)
    assert as_user(EVE, "ls", task).lines == ["file 01.jpg", "file 02.docx"]
    assert as_user(EVE, "sha256sum", task / "file 01.jpg").out
    assert owner(task) == (0, 0, "755")
    assert owner(task / "file 01.jpg") == (0, 0, "444")
    assert owner(mount.place) == (0, 0, "555")
    ledger = Ledger(small_service)
    for command in (
        ("touch", task / "new"),
        ("mkdir", task / "new"),
        ("rm", task / "file 01.jpg"),
        ("mv", task, task.with_name("Other")),
        ("truncate", "-s", "0", task / "file 01.jpg"),
        ("mkdir", mount.place / "Project"),
    ):
        assert refused(EVE, *command) == DENIED, command
    # The kernel goes by the mode of the root, and doesn't ask; root it lets through, and wsfs says no.
    done = subprocess.run(["mkdir", mount.place / "Project"], capture_output=True, text=True, check=False)
    assert "Operation not permitted" in done.stderr
    assert ledger.posts() == []


def test_the_one_whom_it_belongs_to_may_write(mounting: Mounter, small_service: Process, place: Path) -> None:
    mount = mounting(
        small_service, options=f"allow_other,{QUIET},settle=0.5,uid={ANN},gid={OFFICE}", place=place
    )
    task = task_of(mount)
    assert owner(task) == (ANN_ID, OFFICE, "755")
    as_user(ANN, "tee", task / "ann.txt", stdin="a")
    assert refused(BOB, "touch", task / "bob.txt") == DENIED
    mount.settled()
    assert owner(task / "ann.txt") == (ANN_ID, OFFICE, "644")
    as_user(ANN, "touch", "-d", "2020-01-01", task / "ann.txt")


@pytest.mark.promise("With `umask` the modes of what is on the server lack the bits that it names.")
def test_a_group_shares_a_drive_and_others_see_nothing(
    mounting: Mounter, small_service: Process, place: Path
) -> None:
    mount = mounting(small_service, options=f"allow_other,{QUIET},settle=0.5,{OFFICE_OPTIONS}", place=place)
    task = task_of(mount)
    assert owner(mount.place) == (0, OFFICE, "550")
    assert owner(task) == (0, OFFICE, "2770")
    assert owner(task / "file 01.jpg") == (0, OFFICE, "440")
    assert as_user(BOB, "sha256sum", task / "file 01.jpg").out
    for path in (mount.place, task / "file 01.jpg", mount.place / ".wsfs" / "status.json"):
        assert refused(EVE, "ls" if path.is_dir() else "cat", path) == DENIED
    assert as_user(BOB, "ls", mount.place / ".wsfs").lines
    assert refused(ANN, "mkdir", mount.place / "Project") == DENIED


@pytest.mark.promise(
    "What somebody makes on a shared drive is theirs until it is uploaded, and then the mount's."
)
def test_whose_a_file_is(mounting: Mounter, small_service: Process, place: Path) -> None:
    mount = mounting(small_service, options=f"allow_other,{QUIET},settle=1.5,{OFFICE_OPTIONS}", place=place)
    task = task_of(mount)
    as_user(ANN, "cp", "-p", "/etc/hostname", task / "ann.txt")
    as_user(BOB, "mkdir", task / "bob")
    as_user(BOB, "tee", task / "bob" / "file", stdin="by bob")
    # Directories hand the office's group down, at every level.
    assert owner(task / "ann.txt")[:2] == (ANN_ID, OFFICE)
    assert owner(task / "bob") == (BOB_ID, OFFICE, "2755")
    assert owner(task / "bob" / "file") == (BOB_ID, OFFICE, "644")
    # It is an ordinary file of Bob's: Ann can read it and not write it, and can't give it away.
    assert as_user(ANN, "cat", task / "bob" / "file").out == "by bob"
    assert refused(ANN, "tee", task / "bob" / "file") == DENIED
    assert refused(ANN, "touch", task / "bob" / "new") == DENIED
    assert refused(ANN, "chmod", "600", task / "bob" / "file") == "Operation not permitted"
    assert refused(BOB, "chown", ANN, task / "bob" / "file") == "Operation not permitted"
    as_user(BOB, "chmod", "g+w", task / "bob")
    as_user(ANN, "tee", task / "bob" / "by ann", stdin="by ann")
    as_user(BOB, "chmod", "600", task / "bob" / "file")
    assert refused(ANN, "cat", task / "bob" / "file") == DENIED
    mount.flush()
    eventually(lambda: is_attachment(task / "bob" / "file"), "the upload")
    assert owner(task / "bob") == (0, OFFICE, "2770")
    # For an hour it can be saved over, by whoever may write here.
    assert owner(task / "bob" / "file") == (0, OFFICE, "660")
    assert as_user(ANN, "cat", task / "bob" / "file").out == "by bob"
    as_user(ANN, "tee", task / "bob" / "file", stdin="by ann")
    assert owner(task / "bob" / "file") == (ANN_ID, OFFICE, "660")
    mount.flush()


def test_a_root_that_is_writable_makes_projects_of_directories(
    mounting: Mounter, small_service: Process, place: Path
) -> None:
    options = f"allow_other,{QUIET},settle=0.5,{OFFICE_OPTIONS},create=projects"
    mount = mounting(small_service, options=options, place=place)
    assert owner(mount.place) == (0, OFFICE, "2770")
    ledger = Ledger(small_service)
    as_user(ANN, "mkdir", mount.place / "Plans")
    as_user(ANN, "tee", mount.place / "Plans" / "a", stdin="a")
    assert refused(EVE, "mkdir", mount.place / "Other") == DENIED
    mount.settled()
    assert [post["action"] for post in ledger.posts()] == ["post_project"]


def test_only_the_one_whose_mount_it_is_can_pin(
    mounting: Mounter, small_service: Process, place: Path
) -> None:
    mount = mounting(small_service, options=f"allow_other,{QUIET},{OFFICE_OPTIONS}", place=place)
    file = task_of(mount) / "file 01.jpg"
    for name in ("system.wsfs.pin", "user.wsfs.pin"):
        done = as_user(ANN, "setfattr", "-n", name, "-v", "1", file, ok=False)
        assert DENIED in done.err or "not permitted" in done.err
    os.setxattr(file, "system.wsfs.pin", b"1")
    done = as_user(ANN, "setfattr", "-x", "system.wsfs.pin", file, ok=False)
    assert DENIED in done.err
    assert os.getxattr(file, "user.wsfs.pin") == b"1"


# In whose name

AUTHORS = f"authors={ANN}=taras@example.com:{BOB}=olena@example.com"


@pytest.mark.promise(
    "With `authors` files are posted in the name of the user who wrote them, in a comment of their own."
)
def test_two_users_settle_in_one_task_as_two_comments(
    mounting: Mounter, small_service: Process, place: Path
) -> None:
    mount = mounting(
        small_service, options=f"allow_other,{QUIET},settle=1.5,{OFFICE_OPTIONS},{AUTHORS}", place=place
    )
    task = task_of(mount)
    list(task.iterdir())
    ledger = Ledger(small_service)
    for number in range(3):
        as_user(ANN, "tee", task / f"ann {number}", stdin="a")
        as_user(BOB, "tee", task / f"bob {number}", stdin="b")
    mount.settled()
    posts = [(post["params"]["email_user_from"], post["params"]["text"]) for post in ledger.posts()]
    assert sorted(posts) == [
        ("olena@example.com", "bob 0\nbob 1\nbob 2"),
        ("taras@example.com", "ann 0\nann 1\nann 2"),
    ]


@pytest.mark.promise("With `authors` who isn't among them can't change anything.")
def test_who_is_no_author_can_look_but_change_nothing(
    mounting: Mounter, small_service: Process, place: Path
) -> None:
    options = f"allow_other,{QUIET},settle=600,umask=000,{AUTHORS}"
    mount = mounting(small_service, options=options, place=place)
    task = task_of(mount)
    as_user(ANN, "tee", task / "ann.txt", stdin="a")
    as_user(ANN, "chmod", "666", task / "ann.txt")
    as_user(ANN, "mkdir", task / "ann")
    ledger = Ledger(small_service)
    for name in (EVE, "root"):
        assert as_user(name, "cat", task / "ann.txt").out == "a"
        for command in (
            ("touch", task / "new"),
            ("mkdir", task / "new"),
            ("mkdir", mount.place / "Project 001" / "new"),
            ("tee", task / "ann.txt"),
            ("truncate", "-s", "0", task / "ann.txt"),
            ("rm", "-f", task / "ann.txt"),
            ("rmdir", task / "ann"),
            ("mv", task / "ann.txt", task / "other"),
            ("mv", task, task.with_name("Other")),
        ):
            assert refused(name, *command) == DENIED, (name, command)
    assert ledger.posts() == []
    assert "isn't among the authors" in mount.log.read_text()
    as_user(BOB, "mv", task, task.with_name("Other"))
    assert [post["action"] for post in ledger.posts()] == ["update_task"]


def test_a_new_version_is_by_the_one_who_wrote_it(
    mounting: Mounter, small_service: Process, place: Path
) -> None:
    options = f"allow_other,{QUIET},settle=0.5,versions,{OFFICE_OPTIONS},{AUTHORS}"
    mount = mounting(small_service, options=options, place=place)
    task = task_of(mount)
    list(task.iterdir())
    ledger = Ledger(small_service)
    as_user(BOB, "tee", task / "file 01.jpg", stdin="by bob")
    assert owner(task / "file 01.jpg") == (BOB_ID, OFFICE, "660")
    as_user(ANN, "truncate", "-s", "3", task / "file 02.docx")
    as_user(ANN, "mv", task_of(mount, 2) / "file 01.jpg", task_of(mount, 2) / "file 01.jpg~")
    as_user(ANN, "tee", task_of(mount, 2) / "file 01.jpg", stdin="by ann")
    mount.flush()
    posts = [(post["params"]["email_user_from"], post["params"]["text"]) for post in ledger.posts()]
    assert sorted(posts) == [
        ("olena@example.com", "file 01.jpg"),
        ("taras@example.com", "file 01.jpg"),
        ("taras@example.com", "file 02.docx"),
    ]


def test_a_mistaken_email_is_said_and_nothing_is_lost(
    mounting: Mounter, small_service: Process, place: Path, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("Worksection doesn't take ann.txt")
    options = f"allow_other,{QUIET},settle=0.3,{OFFICE_OPTIONS},authors={ANN}"
    mount = mounting(small_service, options=f"{options}=tarass@example.com", place=place)
    file = task_of(mount) / "ann.txt"
    as_user(ANN, "tee", file, stdin="a")
    eventually(
        lambda: {one["state"] for one in mount.ask("uploads")["files"]} == {"quarantined"}, "the refusal"
    )
    [refused_file] = json.loads(mount.wsfs("uploads", mount.place, "--json").out)["files"]
    assert "Worksection has no user tarass@example.com" in refused_file["reason"]
    assert as_user(ANN, "cat", file).out == "a"
    mount.stop()
    again = mounting(
        small_service, options=f"{options}=taras@example.com", place=place, scratch=mount.scratch
    )
    again.wsfs("uploads", "retry", file)
    eventually(lambda: is_attachment(file), "the upload")


def test_authors_need_the_account_s_key(
    mounting: Mounter, small_service: Process, place: Path, tmp_path: Path
) -> None:
    mount = Mount(tmp_path, small_service.url, "", options=AUTHORS, place=place)
    mount.stop()
    env = {**os.environ, **mount.env, "WSFS_ACCESS_TOKEN": small_service.token}
    del env["WSFS_API_KEY"]
    done = subprocess.run(mount.command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode
    assert "authors needs the account's API key" in done.stderr


def test_an_author_whom_the_machine_does_not_know_is_news(
    mounting: Mounter, small_service: Process, place: Path, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("authors names nobody-is-called-so")
    options = f"{QUIET},authors=root=taras@example.com:nobody-is-called-so=olena@example.com"
    mount = mounting(small_service, options=options, place=place)
    (task_of(mount) / "a").write_text("a")
