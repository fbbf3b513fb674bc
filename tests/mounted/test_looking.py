"""Looking around with real programs: ls, find, stat, getfattr, df, and what that costs."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path

from wsfs.emulator.testing import Process

from .conftest import QUIET, Mounter
from .drives import Ledger, Mount, eventually, node_id, run, status_file, xattr

DESIGN = Path("Website relaunch/Design")


def test_projects_tasks_and_subtasks_are_directories_and_attachments_files(demo_mount: Mount) -> None:
    place = demo_mount.place
    names = run("ls", place).lines
    assert "Website relaunch" in names
    assert "Office move ／ Переїзд офісу" in names
    assert "Trade fair 2023" not in names  # archived
    assert {"Icons", "Photographs", "Moodboard.png", "Hero.jpg"} <= set(run("ls", place / DESIGN).lines)
    below = run("ls", place / DESIGN / "Photographs" / "Retouching").lines
    assert below == ["Beans retouched.jpg"]


def test_done_tasks_are_in_a_directory_of_their_own(demo_mount: Mount) -> None:
    project = demo_mount.place / "Website relaunch"
    assert set(run("ls", project / "Done").lines) == {"Kick-off", "Hosting offers"}
    assert "Kick-off" not in run("ls", project).lines
    assert run("ls", project / "Design" / "Photographs" / "Done").lines == ["Licences"]


def test_equal_names_are_told_apart_the_newest_having_the_plain_one(demo_mount: Mount) -> None:
    pages = [name for name in run("ls", demo_mount.place / DESIGN).lines if name.startswith("Home page")]
    assert len(pages) == 4
    assert {"Home page.png", "Home page mobile.png"} < set(pages)
    ids = {name: node_id(demo_mount.place / DESIGN / name) for name in pages}
    for name in set(pages) - {"Home page.png", "Home page mobile.png"}:
        assert name == f"Home page (id {ids[name]}).png"
        assert ids[name] < ids["Home page.png"]


def test_every_attachment_of_the_account_is_found_once_with_its_size(
    demo_mount: Mount, demo: Process
) -> None:
    found = run("find", demo_mount.place, "-type", "f", "-printf", "%s\n").lines
    archived = {"Trade fair 2023"}
    there = [file for file in demo.files() if file["project"] and file["project"]["name"] not in archived]
    assert sorted(map(int, found)) == sorted(file["size"] for file in there)


def test_ls_lists_everything_without_an_error(demo_mount: Mount) -> None:
    listed = run("ls", "-laR", demo_mount.place)
    assert listed.err == ""
    assert "?" not in "".join(line.split(" ")[0] for line in listed.lines)


def test_stat_shows_what_is_promised(demo_mount: Mount) -> None:
    task, file = demo_mount.place / DESIGN, demo_mount.place / DESIGN / "Hero.jpg"
    inode, mode, links, kind, owner = run("stat", "-c", "%i\n%a\n%h\n%F\n%u", task).lines
    assert (int(inode), mode, links, kind) == (node_id(task) * 4 + 2, "755", "1", "directory")
    assert int(owner) == os.getuid()
    inode, mode, links, kind = run("stat", "-c", "%i\n%a\n%h\n%F", file).lines
    assert (int(inode), mode, links, kind) == (node_id(file) * 4 + 3, "444", "1", "regular file")
    assert run("stat", "-c", "%a", demo_mount.place).out == "555\n"


def test_getfattr_tells_what_worksection_knows(demo_mount: Mount, demo: Process) -> None:
    file = demo_mount.place / DESIGN / "Hero.jpg"
    said = run("getfattr", "-d", "--absolute-names", file).out
    for name in ("id", "url", "author", "date"):
        assert f"user.worksection.{name}=" in said
    assert xattr(file, "user.worksection.author") == "Marta Bondar <marta@example.com>"
    assert xattr(demo_mount.place / DESIGN, "user.worksection.status") == "active"
    assert xattr(demo_mount.place / DESIGN, "user.worksection.url").startswith(demo.url)
    assert "Operation not supported" in run("setfattr", "-n", "user.mine", "-v", "1", file, ok=False).err
    missing = run("getfattr", "-n", "user.nothing", "--absolute-names", file, ok=False)
    assert missing.code == 1
    assert "No such attribute" in missing.err


def test_df_shows_the_room_there_is_for_writing(demo_mount: Mount) -> None:
    here = run("df", "--output=size", "-k", demo_mount.place).lines[-1]
    spool = run("df", "--output=size", "-k", demo_mount.data).lines[-1]
    assert int(here) == int(spool)


def test_the_mount_says_what_it_is_and_takes_no_devices_nor_setuid(demo_mount: Mount, demo: Process) -> None:
    [line] = [
        line for line in Path("/proc/self/mounts").read_text().splitlines() if f" {demo_mount.place} " in line
    ]
    source, _, kind, options = line.split(" ")[:4]
    assert (source, kind) == (demo.url.removeprefix("http://"), "fuse.wsfs")
    assert {"nosuid", "nodev", "default_permissions"} <= set(options.split(","))


def test_a_name_that_is_not_there_is_not_there(demo_mount: Mount) -> None:
    for name in ("nothing", ".Trash", ".hidden", ".git", "Done/nothing"):
        refused = run("stat", demo_mount.place / DESIGN / name, ok=False)
        assert "No such file or directory" in refused.err


def test_the_drive_s_own_directory_is_reachable_and_not_listed(demo_mount: Mount, demo: Process) -> None:
    place = demo_mount.place
    assert ".wsfs" not in run("ls", "-a", place).lines
    assert set(run("ls", place / ".wsfs").lines) == {"status.json", "uploads.json", "requests.log"}
    status = json.loads(run("cat", place / ".wsfs" / "status.json").out)
    assert status["account"].startswith(demo.url)
    assert status["mountpoint"] == str(place)
    assert json.loads(run("cat", place / ".wsfs" / "uploads.json").out)["files"] == []
    assert "get_projects" in run("cat", place / ".wsfs" / "requests.log").out
    refused = run("tee", place / ".wsfs" / "status.json", stdin="x", ok=False)
    assert "Permission denied" in refused.err


def test_what_was_seen_once_costs_no_request(demo_mount: Mount, demo: Process) -> None:
    run("find", demo_mount.place)
    ledger = Ledger(demo)
    run("find", demo_mount.place)
    run("ls", "-lR", demo_mount.place)
    run("stat", demo_mount.place / DESIGN / "Hero.jpg", demo_mount.place / DESIGN)
    run("stat", demo_mount.place / DESIGN / "not there", ok=False)
    assert ledger.actions() == []


def test_the_kernel_answers_a_warm_stat_itself(demo_mount: Mount) -> None:
    file = demo_mount.place / DESIGN / "Hero.jpg"
    run("stat", file)
    demo_mount.process.send_signal(signal.SIGSTOP)
    try:
        assert run("stat", "-c", "%s", file, seconds=5).out
    finally:
        demo_mount.process.send_signal(signal.SIGCONT)


def test_the_first_look_at_everything_costs_what_the_table_says(
    mounting: Mounter, small_service: Process
) -> None:
    task = next(file["task"]["id"] for file in small_service.files())
    small_service.act("add_comment", task=task, text="See there", files=[{"name": "new.txt", "text": "new"}])
    ledger = Ledger(small_service)
    mount = mounting(small_service, options=QUIET)
    run("ls", mount.place)
    asked = ledger.actions()
    assert asked[0] == "get_projects"
    listed = run("find", mount.place, "-type", "f").lines
    assert len(listed) == 2 * 3 * 2 + 1
    asked += ledger.actions()
    # The tree, of which nobody had to wait for the tasks; the own files of two projects, and one commented task.
    assert sorted(asked) == ["get_all_tasks", "get_files", "get_files", "get_files", "get_projects"]


def test_a_remount_knows_everything_without_asking(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=QUIET)
    run("find", mount.place)  # a directory has the date of its newest child, so now the dates change once
    before = run("find", mount.place, "-printf", "%P %i %s %T@ %m\n").lines
    assert len(before) > 10
    assert mount.stop() == 0
    ledger = Ledger(small_service)
    again = mounting(small_service, options=QUIET, scratch=mount.scratch)
    assert run("find", again.place, "-printf", "%P %i %s %T@ %m\n").lines == before
    assert ledger.actions() == []


def test_without_the_account_a_remount_shows_what_it_knew(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=QUIET)
    before = run("find", mount.place).lines
    assert mount.stop() == 0
    small_service.stop()
    again = mounting(small_service, options=QUIET, scratch=mount.scratch)
    assert run("find", again.place).lines == before


def test_the_crawl_fills_in_what_nobody_looked_at(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options="poll=3600")
    eventually(lambda: status_file(mount)["account_known"]["crawl"]["left"] == 0, "the crawl")
    ledger = Ledger(small_service)
    run("find", mount.place)
    assert ledger.actions() == []


def test_times_are_those_of_the_account_s_zone(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=f"{QUIET},timezone=Pacific/Auckland")
    file = mount.place / "Project 001" / "Task 001-0001" / "file 01.jpg"
    assert run("date", "-u", "-r", file, "+%F %H:%M").out == "2024-01-07 20:00\n"


def test_directories_and_files_are_the_mounting_user_s_or_whose_the_options_say(
    mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service, options=f"{QUIET},uid=1234,gid=2345")
    file = mount.place / "Project 001" / "Task 001-0001" / "file 01.jpg"
    for path in (file, file.parent, mount.place):
        assert run("stat", "-c", "%u %g", path).out == "1234 2345\n"


def test_done_tasks_beside_the_others_or_nowhere(mounting: Mounter, demo: Process) -> None:
    mixed = mounting(demo, options=f"{QUIET},done=mixed")
    names = run("ls", mixed.place / "Website relaunch").lines
    assert "Kick-off" in names
    assert "Done" not in names
    hidden = mounting(demo, options=f"{QUIET},done=hide")
    names = run("ls", hidden.place / "Website relaunch").lines
    assert "Launch checklist" in names
    assert not {"Kick-off", "Done"} & set(names)
    refused = run("ls", hidden.place / "Website relaunch" / "Done", ok=False)
    assert "No such file or directory" in refused.err


def test_projects_in_their_folders_and_archived_ones(mounting: Mounter, demo: Process) -> None:
    mount = mounting(demo, options=f"{QUIET},folders,archived")
    names = run("ls", mount.place).lines
    assert {"Northwind Coffee", "Hanseatic Tea", "Trade fair 2023"} <= set(names)
    assert "Website relaunch" not in names
    assert "Website relaunch" in run("ls", mount.place / "Northwind Coffee").lines
    assert "Contract.pdf" in run("ls", mount.place / "Northwind Coffee" / "Website relaunch").lines
    assert "Stand.png" in run("find", mount.place / "Trade fair 2023", "-printf", "%f\n").lines


def test_a_project_s_own_files_lie_in_it_beside_its_tasks(demo_mount: Mount) -> None:
    project = demo_mount.place / "Website relaunch"
    for name in ("Contract.pdf", "Price list.xlsx", "Logo originals.zip", "Brief.docx", "Sitemap.png"):
        assert stat.S_IMODE((project / name).stat().st_mode) == 0o444
