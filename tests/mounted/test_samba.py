"""A drive that Samba shares, by the configuration of docs/sharing.md: a real smbd and smbclient.

What smbd 4.17 does, measured by a log of the kernel's calls: a put is CREATE of the final name (O_RDWR|O_EXCL, the
create mask's mode), SETATTR of the mode, WRITE at offsets, SETATTR of the times through the path, FLUSH, RELEASE; no
temporary name and no rename. Saving over is OPEN (O_RDWR), SETATTR size=0 through the handle, WRITE. A name that isn't
found as it is written is looked for in a listing of its directory, case aside. With `ea support` (its default) each
entry of a listing is asked for every extended attribute, with `store dos attributes` a new file gets user.DOSATTRIB.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ExpectedWarnings
from wsfs.emulator.testing import Process, running_process

from .conftest import QUIET, Mounter, account
from .drives import Ledger, Mount, eventually, files_of, node_id, run, xattr
from .samba import ANN, BOB, Samba, documented_options, documented_share, need_samba, samba

TASK = r"Project 001\Task 001-{:04}"


@pytest.fixture(scope="module")
def shared_service() -> Iterator[Process]:
    """Two projects of thirty tasks with two files each."""
    need_samba()
    with running_process("--scale", "2,30,2") as service:
        yield service


@pytest.fixture(scope="module")
def open_place() -> Iterator[Path]:
    """A directory that every user can reach: pytest's own aren't."""
    place = Path(tempfile.mkdtemp(prefix="wsfs-shared-"))
    place.chmod(0o755)
    yield place
    for one in (*place.iterdir(), place):
        one.rmdir()  # nothing more: what is still mounted must not be emptied


@pytest.fixture(scope="module")
def shared(shared_service: Process, mounter: Mounter, open_place: Path) -> Iterator[Mount]:
    """The account for sharing, mounted as the documentation says."""
    options = f"{documented_options()},{QUIET},settle=0.5"
    mount = mounter(shared_service, options=options, place=open_place / "drive")
    run("find", mount.place)
    yield mount
    mount.stop()


@pytest.fixture(scope="module")
def share(shared: Mount, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    with samba(tmp_path_factory.mktemp("samba"), shared.place) as server:
        yield server


@pytest.fixture(scope="module")
def _numbers() -> Iterator[int]:
    return iter(range(1, 31))


@pytest.fixture
def number(_numbers: Iterator[int]) -> int:
    """The number of a task that no other test uses."""
    return next(_numbers)


@pytest.fixture
def task(number: int) -> str:
    """Its directory as a client names it."""
    return TASK.format(number)


@pytest.fixture
def local(shared: Mount, number: int) -> Path:
    """Its directory on the server."""
    return shared.place / "Project 001" / f"Task 001-{number:04}"


@pytest.fixture
def ledger(shared_service: Process, shared: Mount) -> Ledger:
    shared.settled()
    return Ledger(shared_service)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(os.urandom(2_500_000))
    return path


def content(mount: Mount, service: Process, task: Path) -> dict[str, int]:
    """Sizes of the task's files on the server."""
    mount.settled()
    return {name: file["size"] for name, file in files_of(service, node_id(task)).items()}


def test_a_directory_is_listed_for_nothing_and_a_file_read_for_one_request(
    share: Samba, task: str, local: Path, ledger: Ledger, tmp_path: Path
) -> None:
    assert set(share.listing("")) == {"Project 001", "Project 002"}
    before = share.listing(task)
    assert set(before) == {"file 01.jpg", "file 02.docx"}
    # They are read-only, and say so.
    assert {attributes for attributes, _ in before.values()} == {"R"}
    assert before["file 01.jpg"][1] == (local / "file 01.jpg").stat().st_size
    assert ledger.take() == []
    for _ in range(2):
        share.client(f'cd "{task}"', f'get "file 01.jpg" "{tmp_path}/got"')
    assert (tmp_path / "got").read_bytes() == (local / "file 01.jpg").read_bytes()
    assert ledger.actions() == ["download"]


def test_times_and_free_space_are_the_drive_s(share: Samba, shared: Mount, task: str, local: Path) -> None:
    said = share.client(f'cd "{task}"', 'allinfo "file 01.jpg"', "du").out
    seconds = int((local / "file 01.jpg").stat().st_mtime)
    moment = run("date", "-d", f"@{seconds}", "+%a %b %_d %H:%M:%S %Y").out.strip()
    assert f"write_time:     {moment}" in said
    room = os.statvfs(shared.place)
    [line] = [line for line in said.splitlines() if "blocks of size" in line]
    words = line.replace(".", "").split()
    assert abs(int(words[0]) * int(words[4]) - room.f_blocks * room.f_frsize) < 1 << 20


def test_a_put_is_one_post_of_the_right_name_and_bytes(
    share: Samba, shared: Mount, shared_service: Process, task: str, local: Path, file: Path, ledger: Ledger
) -> None:
    names = [
        "Звіт за квартал.bin",
        "Їжак ґанок.bin",
        "plan: really?.bin".replace(":", "：").replace("?", "？"),
    ]
    share.client(f'cd "{task}"', *(f'put "{file}" "{name}"' for name in names))
    listed = share.listing(task)
    assert set(names) <= set(listed), share.client(f'cd "{task}"', "ls").out
    assert {name: size for name, (_, size) in listed.items() if name in names} == dict.fromkeys(
        names, 2_500_000
    )
    shared.settled()
    [post] = ledger.posts()
    assert post["action"] == "post_comment"
    found = files_of(shared_service, node_id(local))
    sums = {run("sha256sum", path).out.split()[0] for path in [file]}
    wanted = {"Звіт за квартал.bin", "Їжак ґанок.bin", "plan: really?.bin"}
    assert {name: found[name]["sha256"] for name in wanted} == dict.fromkeys(wanted, sums.pop())
    assert set(share.listing(task)) == set(listed)
    assert all((local / name).read_bytes() == file.read_bytes() for name in names)


def test_a_small_put_after_another_is_one_comment(
    share: Samba, shared: Mount, task: str, file: Path, ledger: Ledger, tmp_path: Path
) -> None:
    for number in range(20):
        (tmp_path / f"small {number}.txt").write_text(f"{number}")
    share.client(f'cd "{task}"', "prompt", f'lcd "{tmp_path}"', 'mput "small*"')
    shared.settled()
    assert [post["action"] for post in ledger.posts()] == ["post_comment"]


def test_the_time_that_a_client_sets_stays(
    share: Samba, shared: Mount, task: str, local: Path, file: Path
) -> None:
    share.client(
        f'cd "{task}"',
        f'put "{file}" dated.bin',
        'utimes dated.bin "2020:02:03-04:05:06" "2020:02:03-04:05:06" "2021:03:04-05:06:07" "2021:03:04-05:06:07"',
    )
    shared.settled()
    assert (local / "dated.bin").stat().st_mtime == int(run("date", "-d", "2021-03-04 05:06:07", "+%s").out)


def test_a_folder_with_files_is_a_task(
    share: Samba, shared: Mount, task: str, local: Path, file: Path, ledger: Ledger
) -> None:
    share.client(f'cd "{task}"', 'mkdir "New folder"', 'cd "New folder"', f'put "{file}" inside.bin')
    share.client(f'cd "{task}"', 'rename "New folder" "Етап 2： план"')
    shared.settled()
    [post] = ledger.posts()
    assert (post["action"], post["params"]["title"]) == ("post_task", "Етап 2: план")
    assert set(share.listing(f"{task}\\Етап 2： план")) == {"inside.bin"}
    share.client(f'cd "{task}"', "mkdir empty", "rmdir empty")
    assert ledger.posts() == []


def test_a_task_s_folder_is_renamed_to_what_the_look_alikes_mean(
    share: Samba, task: str, number: int, ledger: Ledger
) -> None:
    share.client('cd "Project 001"', f'rename "Task 001-{number:04}" "10：45 meeting？"')
    [post] = ledger.posts()
    assert (post["action"], post["params"]["title"]) == ("update_task", "10:45 meeting?")
    assert set(share.listing(r"Project 001\10：45 meeting？")) == {"file 01.jpg", "file 02.docx"}


def test_what_cannot_be_done_is_access_denied_and_nothing_is_sent(
    share: Samba, shared: Mount, task: str, local: Path, file: Path, ledger: Ledger
) -> None:
    before = share.listing(task)
    for command in (
        'del "file 01.jpg"',
        'rename "file 01.jpg" other.jpg',
        f'put "{file}" "file 01.jpg"',
        "mkdir .Trash",
        "mkdir .git",
    ):
        assert share.refusal(f'cd "{task}"', command) == "NT_STATUS_ACCESS_DENIED", command
    # What it would make in the root is a project, which needs create=projects.
    assert share.refusal("mkdir Project") == "NT_STATUS_ACCESS_DENIED"
    assert share.refusal(f'put "{file}" file.bin') == "NT_STATUS_ACCESS_DENIED"
    assert share.refusal(f'cd "{task}"', f'put "{file}" "a:b"') == "NT_STATUS_OBJECT_NAME_INVALID"
    shared.settled()
    assert ledger.posts() == []
    assert share.listing(task) == before
    assert local.is_dir()


def test_a_file_that_was_put_in_is_renamed_saved_over_and_deleted_before_it_is_sent(
    share: Samba, shared: Mount, shared_service: Process, task: str, local: Path, tmp_path: Path
) -> None:
    (tmp_path / "one").write_bytes(b"one")
    (tmp_path / "two").write_bytes(b"second")
    share.client(
        f'cd "{task}"',
        f'put "{tmp_path}/one" a.txt',
        "rename a.txt b.txt",
        f'put "{tmp_path}/two" B.TXT',  # the same file, whatever the case
        "rename b.txt B.txt",
        f'put "{tmp_path}/one" gone.txt',
        "del gone.txt",
    )
    found = content(shared, shared_service, local)
    assert {name: size for name, size in found.items() if not name.startswith("file")} == {"B.txt": 6}


def test_what_was_uploaded_lately_is_saved_over_as_a_new_version(
    share: Samba,
    shared: Mount,
    shared_service: Process,
    task: str,
    local: Path,
    tmp_path: Path,
    ledger: Ledger,
) -> None:
    (tmp_path / "one").write_bytes(b"one")
    (tmp_path / "two").write_bytes(b"second")
    share.client(f'cd "{task}"', f'put "{tmp_path}/one" notes.txt')
    shared.settled()
    assert share.listing(task)["notes.txt"] == ("N", 3)
    share.client(f'cd "{task}"', f'put "{tmp_path}/two" notes.txt')
    assert share.listing(task)["notes.txt"] == ("N", 6)
    shared.flush()
    assert [post["action"] for post in ledger.posts()] == ["post_comment"] * 2
    sizes = sorted(
        file["size"]
        for file in shared_service.files(sha256=False)
        if file["name"] == "notes.txt" and file["task"]["id"] == node_id(local)
    )
    assert sizes == [3, 6]


@pytest.mark.parametrize(
    ("written", "aside"), [("~WRD0001.tmp", "~WRL0002.tmp"), ("C3A4E100", "5F2B1A00.TMP")]
)
def test_an_office_program_saves_what_was_put_in_lately(
    share: Samba,
    shared: Mount,
    shared_service: Process,
    task: str,
    local: Path,
    tmp_path: Path,
    written: str,
    aside: str,
) -> None:
    """As Word and Excel do: a temporary file is written, the document renamed away, the new one renamed to it."""
    (tmp_path / "one").write_bytes(b"one")
    (tmp_path / "two").write_bytes(b"second")
    share.client(f'cd "{task}"', f'put "{tmp_path}/one" "Звіт.docx"')
    shared.settled()
    share.client(
        f'cd "{task}"',
        f'put "{tmp_path}/one" "~$Звіт.docx"',
        f'put "{tmp_path}/two" "{written}"',
        f'rename "Звіт.docx" "{aside}"',
        f'rename "{written}" "Звіт.docx"',
        f'del "{aside}"',
        'del "~$Звіт.docx"',
    )
    assert share.listing(task)["Звіт.docx"] == ("N", 6)
    shared.flush()
    assert (local / "Звіт.docx").read_bytes() == b"second"
    names = sorted(share.listing(task))
    assert [name for name in names if name.startswith("Звіт")] == [
        f"Звіт (id {node_id(local / names[-2])}).docx",
        "Звіт.docx",
    ]
    assert sorted(
        file["size"]
        for file in shared_service.files(sha256=False)
        if file["task"]["id"] == node_id(local) and file["name"] == "Звіт.docx"
    ) == [3, 6]


def test_a_name_in_other_letters_is_found_and_a_missing_one_costs_nothing(
    share: Samba, task: str, ledger: Ledger, tmp_path: Path
) -> None:
    share.client(f'cd "{task.upper()}"', f'get "FILE 01.JPG" "{tmp_path}/got"')
    assert (tmp_path / "got").stat().st_size > 0
    assert share.refusal(f'cd "{task}"', "get nosuch.txt /dev/null") == "NT_STATUS_OBJECT_NAME_NOT_FOUND"
    assert share.refusal(f'cd "{task}"', "cd nosuch") == "NT_STATUS_OBJECT_NAME_NOT_FOUND"
    assert ledger.actions() == ["download"]


def test_who_has_a_window_open_is_told_of_what_others_do_here(
    share: Samba, shared: Mount, task: str, local: Path, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(b"x")
    said = tmp_path / "said"
    with share.watching(task, said):
        # Nothing says when it has begun to watch: so again, until it was told of one.
        numbers = iter(range(1000))

        def told() -> bool:
            (local / f".probe{next(numbers)}.swp").touch()
            return ".probe" in said.read_text()

        eventually(told, "the client is told")
        share.client(f'cd "{task}"', f'put "{tmp_path}/x" "Новий.txt"', user=BOB)
        run("mkdir", local / "Folder")
        eventually(lambda: {"Новий.txt", "Folder"} <= set(said.read_text().split()), "what others do")
    shared.settled()


def test_what_macs_and_windows_strew_about_stays_here(
    share: Samba, shared: Mount, task: str, tmp_path: Path, ledger: Ledger
) -> None:
    (tmp_path / "x").write_bytes(b"x")
    noise = ("._a.txt", ".DS_Store", "Thumbs.db", "desktop.ini", "~$report.docx")
    share.client(f'cd "{task}"', *(f'put "{tmp_path}/x" "{name}"' for name in noise))
    share.client(f'cd "{task}"', f'put "{tmp_path}/x" real.txt')
    shared.settled()
    [post] = ledger.posts()
    assert post["params"]["text"] == "real.txt"
    share.client(f'cd "{task}"', *(f'del "{name}"' for name in noise))


def test_a_thousand_files(
    mounting: Mounter, expected_warnings: ExpectedWarnings, open_place: Path, tmp_path: Path
) -> None:
    need_samba()
    with account("--scale", "1,1,1000", expected=expected_warnings) as service:
        options = f"{documented_options()},{QUIET}"
        mount = mounting(service, options=options, place=open_place / "thousand")
        with samba(tmp_path / "samba", mount.place) as server:
            ledger = Ledger(service)
            listed = server.listing(TASK.format(1))
            assert len(listed) == 1000
            # The whole tree was known from one request; the files of a description come with it.
            assert set(ledger.actions()) <= {"get_all_tasks", "get_files"}
            assert server.listing(TASK.format(1)) == listed
            name = sorted(listed)[500].upper()
            server.client(f'cd "{TASK.format(1)}"', f'get "{name}" "{tmp_path}/got"', "ls")
            assert set(ledger.actions()) <= {"download"}


NASTY = {
    "What? Why?": "What？ Why？",
    'a/b\\c:d*e"f<g>h|i': "a／b＼c：d＊e＂f＜g＞h｜i",
    "CON": "ＣON",
    "nul.txt": "ｎul.txt",
    "The end.": "The end．",
    "A space ": "A space␠",
    "Already？": "Already‛？",
    "Їжак ☃ 😀": "Їжак ☃ 😀",
    "Plan": "Plan",
    "PLAN": "PLAN (id {})",
}


@pytest.mark.promise(
    "With `windows_names` every name is one that Windows can have, and means one title in Worksection."
)
def test_every_name_of_the_account_is_one_that_a_client_can_use(
    mounting: Mounter, small_service: Process, open_place: Path, tmp_path: Path
) -> None:
    need_samba()
    shown = {}
    for title, name in NASTY.items():
        made = small_service.act("add_task", project=1003, name=title, files=[{"name": title, "text": title}])
        shown[name.format(made["id"])] = title
    options = f"{documented_options()},{QUIET}"
    mount = mounting(small_service, options=options, place=open_place / "names")
    [project] = [path for path in mount.place.iterdir() if node_id(path) == 1003]
    with samba(tmp_path / "samba", mount.place) as server:
        assert shown.keys() <= server.listing(project.name).keys()
        for name, title in shown.items():
            [file] = server.listing(f"{project.name}\\{name}")
            server.client(f'cd "{project.name}\\{name}"', f'get "{file}" "{tmp_path}/got"')
            assert (tmp_path / "got").read_text() == title


def test_samba_s_own_defaults_work_too(
    shared: Mount, shared_service: Process, task: str, local: Path, file: Path, tmp_path: Path
) -> None:
    """DOS attributes go to an extended attribute of what isn't uploaded yet, and are nobody's afterwards."""
    plain = "[worksection]\npath = /srv/worksection\nread only = no\nforce group = office\n"
    with samba(tmp_path / "samba", shared.place, plain) as server:
        server.client(f'cd "{task}"', f'put "{file}" plain.bin', "mkdir Sub", "rmdir Sub")
        assert server.listing(task)["plain.bin"][1] == 2_500_000
        assert content(shared, shared_service, local)["plain.bin"] == 2_500_000
        assert set(server.listing(task)) == {"file 01.jpg", "file 02.docx", "plain.bin"}
        assert server.refusal(f'cd "{task}"', 'del "file 01.jpg"') == "NT_STATUS_ACCESS_DENIED"


def test_what_a_listing_costs_where_samba_asks_for_extended_attributes(
    shared: Mount, ledger: Ledger, tmp_path: Path
) -> None:
    """Its default: authors come with a listing of the task, one request a directory and once. So it is off."""
    plain = "[worksection]\npath = /srv/worksection\nread only = no\nforce group = office\n"
    with samba(tmp_path / "samba", shared.place, plain) as server:
        for _ in range(2):
            server.listing(r"Project 002\Task 002-0001")
        assert ledger.actions() == ["get_files"]
    assert "ea support = no" in documented_share()


@pytest.mark.parametrize("objects", ["acl_xattr", "streams_xattr", "fruit streams_xattr"])
def test_modules_of_samba_that_keep_what_a_drive_has_no_place_for(
    shared: Mount, shared_service: Process, task: str, local: Path, file: Path, tmp_path: Path, objects: str
) -> None:
    with samba(tmp_path / "samba", shared.place, f"{documented_share()}vfs objects = {objects}\n") as server:
        server.client(f'cd "{task}"', f'put "{file}" kept.bin')
        if "streams" in objects:  # what Windows writes beside a download, to say where it is from
            (tmp_path / "zone").write_text("[ZoneTransfer]")
            server.client(f'cd "{task}"', f'put "{tmp_path}/zone" "kept.bin:Zone.Identifier"')
        assert content(shared, shared_service, local)["kept.bin"] == 2_500_000
        assert "kept.bin" in server.listing(task)


def test_without_the_drive_there_is_no_share(
    mounting: Mounter, small_service: Process, open_place: Path, tmp_path: Path
) -> None:
    """Else files would be copied into the directory below the mount, and nobody would know that they aren't sent."""
    need_samba()
    mount = mounting(small_service, options=f"{documented_options()},{QUIET}", place=open_place / "gone")
    with samba(tmp_path / "samba", mount.place) as server:
        assert set(server.listing("")) == {"Project 001", "Project 002"}
        mount.stop()
        mount.place.chmod(0o777)
        done = server.client("ls", ok=False)
        assert done.code
        assert "NT_STATUS_ACCESS_DENIED" in done.out


@pytest.mark.promise(
    "With `authors` files are posted in the name of the user who wrote them, in a comment of their own."
)
def test_two_users_of_samba_are_two_authors(
    mounting: Mounter, small_service: Process, open_place: Path, tmp_path: Path
) -> None:
    need_samba()
    authors = f"authors={ANN}=taras@example.com:{BOB}=olena@example.com"
    options = f"{documented_options()},{QUIET},settle=1.5,{authors}"
    mount = mounting(small_service, options=options, place=open_place / "authors")
    ledger = Ledger(small_service)
    (tmp_path / "x").write_bytes(b"x")
    with samba(tmp_path / "samba", mount.place) as server:
        for user in (ANN, BOB):
            server.client(f'cd "{TASK.format(1)}"', f'put "{tmp_path}/x" {user}.txt', user=user)
        mount.settled()
    posts = [(post["params"]["email_user_from"], post["params"]["text"]) for post in ledger.posts()]
    assert sorted(posts) == [("olena@example.com", f"{BOB}.txt"), ("taras@example.com", f"{ANN}.txt")]
    name = mount.place / "Project 001" / "Task 001-0001" / f"{ANN}.txt"
    assert xattr(name, "user.worksection.author") == "Taras Shevchuk <taras@example.com>"


def test_who_is_no_author_is_denied_in_samba_too(
    mounting: Mounter, small_service: Process, open_place: Path, tmp_path: Path
) -> None:
    need_samba()
    options = f"{documented_options()},{QUIET},settle=0.5,authors={ANN}=taras@example.com"
    mount = mounting(small_service, options=options, place=open_place / "denied")
    ledger = Ledger(small_service)
    (tmp_path / "x").write_bytes(b"x")
    with samba(tmp_path / "samba", mount.place) as server:
        for command in (f'put "{tmp_path}/x" x.txt', "mkdir Sub"):
            assert server.refusal(f'cd "{TASK.format(1)}"', command, user=BOB) == "NT_STATUS_ACCESS_DENIED"
        assert server.refusal('cd "Project 001"', 'rename "Task 001-0001" Other', user=BOB) == (
            "NT_STATUS_ACCESS_DENIED"
        )
        assert set(server.listing(TASK.format(1), user=BOB)) == {"file 01.jpg", "file 02.docx"}
    assert ledger.posts() == []
