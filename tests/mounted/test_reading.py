"""Reading attachments with real programs: every byte right, one request a file, and none a second time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import ExpectedWarnings
from wsfs.emulator.testing import Process

from .conftest import QUIET, Mounter
from .drives import Ledger, Mount, eventually, node_id, run, xattr

LARGE = 100_000_000
ARCHIVED = "Trade fair 2023"


def shown(demo: Process) -> dict[int, dict[str, object]]:
    """The files that the mount shows, by id."""
    files = demo.files()
    return {file["id"]: file for file in files if file["project"] and file["project"]["name"] != ARCHIVED}


def paths(mount: Mount) -> dict[int, Path]:
    """The path of every attachment, by its id."""
    return {node_id(path): path for path in mount.place.rglob("*") if path.is_file()}


def test_every_attachment_has_the_sha256_that_the_account_reports(demo_mount: Mount, demo: Process) -> None:
    account = shown(demo)
    found = paths(demo_mount)
    assert found.keys() == account.keys()
    small = {id: path for id, path in found.items() if path.stat().st_size < LARGE}
    assert len(small) > 90
    lines = run("sha256sum", "-z", *small.values()).out.split("\0")
    sums = {path: sha256 for sha256, _, path in (line.partition("  ") for line in lines)}
    for id, path in small.items():
        assert sums[str(path)] == account[id]["sha256"], path


def test_the_archive_of_300_megabytes_is_read_whole_with_one_request(
    demo: Process, mounting: Mounter
) -> None:
    mount = mounting(demo, options=QUIET)
    [(id, file)] = [(id, file) for id, file in shown(demo).items() if int(str(file["size"])) > LARGE]
    [path] = mount.place.rglob(str(file["name"]))
    ledger = Ledger(demo)
    assert run("sha256sum", path).out.split(" ")[0] == file["sha256"]
    assert [(one["action"], one["params"]["id_file"]) for one in ledger.take()] == [("download", str(id))]
    assert xattr(path, "user.wsfs.cached") == "100"


def test_nothing_is_fetched_at_open_or_stat(mounting: Mounter, small_service: Process) -> None:
    mount = mounting(small_service, options=QUIET)
    file = mount.place / "Project 001" / "Task 001-0001" / "file 01.jpg"
    assert file.stat().st_size > 0
    ledger = Ledger(small_service)
    descriptor = os.open(file, os.O_RDONLY)
    try:
        assert xattr(file, "user.wsfs.cached") == "0"
        assert ledger.actions() == []
        assert os.pread(descriptor, 10, 0)
        assert ledger.actions() == ["download"]
    finally:
        os.close(descriptor)


def test_a_file_costs_one_request_however_it_is_read_and_none_after_a_remount(
    mounting: Mounter, small_service: Process, tmp_path: Path
) -> None:
    mount = mounting(small_service, options=QUIET)
    directory = mount.place / "Project 001" / "Task 001-0001"
    file = directory / "file 01.jpg"
    run("ls", directory)
    sha256 = {one["id"]: one["sha256"] for one in small_service.files()}[node_id(file)]
    ledger = Ledger(small_service)
    run("cat", file)
    run("dd", f"if={file}", f"of={tmp_path / 'part'}", "bs=1000", "skip=1", "count=1")
    run("cp", "-p", file, tmp_path / "copy")
    run("tail", "-c", "100", file)
    assert ledger.actions() == ["download"]
    assert (tmp_path / "part").read_bytes() == (tmp_path / "copy").read_bytes()[1000:2000]
    assert (tmp_path / "copy").stat().st_mtime_ns == file.stat().st_mtime_ns
    assert run("sha256sum", tmp_path / "copy").out.startswith(sha256)
    assert mount.stop() == 0
    again = mounting(small_service, options=QUIET, scratch=mount.scratch)
    assert run("sha256sum", again.place / file.relative_to(mount.place)).out.startswith(sha256)
    assert ledger.actions() == []


def test_documents_open_in_their_programs(demo_mount: Mount) -> None:
    project = demo_mount.place / "Website relaunch"
    run("unzip", "-tq", project / "Logo originals.zip")
    run("unzip", "-tq", project / "Brief.docx")
    assert run("head", "-c", "5", project / "Contract.pdf").out == "%PDF-"
    assert (project / "Sitemap.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_a_project_is_copied_out_whole(demo_mount: Mount, tmp_path: Path) -> None:
    project = demo_mount.place / "Brand book & print"
    run("cp", "-a", project, tmp_path / "cp")
    run("rsync", "-a", f"{project}/", tmp_path / "rsync")
    (tmp_path / "tar").mkdir()
    run("tar", "-cf", tmp_path / "all.tar", "-C", project, ".")
    run("tar", "-xf", tmp_path / "all.tar", "-C", tmp_path / "tar")
    for copy in ("cp", "rsync", "tar"):
        assert run("diff", "-r", project, tmp_path / copy).out == ""
    file = project / "Packaging" / "Tea box.jpg"
    assert (tmp_path / "cp" / "Packaging" / "Tea box.jpg").stat().st_mtime_ns == file.stat().st_mtime_ns
    assert run("rsync", "-ai", f"{project}/", tmp_path / "rsync").out == ""


def test_an_empty_attachment_is_empty(demo_mount: Mount) -> None:
    [empty] = demo_mount.place.rglob("empty note.txt")
    assert run("cat", empty).out == ""


def test_programs_map_an_attachment_into_memory(demo_mount: Mount) -> None:
    file = demo_mount.place / "Website relaunch" / "Design" / "Style guide.pdf"
    script = (
        "import mmap, sys; f = open(sys.argv[1], 'rb'); m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ); "
        "print(m[:5].decode(), len(m), m[-6:].strip().decode())"
    )
    words = run("python3", "-c", script, file).out.split()
    assert words == ["%PDF-", str(file.stat().st_size), "%%EOF"]


@pytest.mark.parametrize("fault", ["short", "long"])
def test_a_download_of_the_wrong_size_is_an_error_and_never_zeros(
    fault: str, mounting: Mounter, small_service: Process, expected_warnings: ExpectedWarnings
) -> None:
    mount = mounting(small_service, options=QUIET)
    file = mount.place / "Project 001" / "Task 001-0001" / "file 01.jpg"
    file.stat()
    small_service.arm(fault)
    expected_warnings.expect(f"attachment {node_id(file)} has")
    refused = run("cat", file, ok=False)
    assert "Input/output error" in refused.err
    assert f"read of /Project 001/Task 001-0001/{file.name} refused (EIO): " in mount.log.read_text()
    small_service.clear_faults()
    sha256 = {one["id"]: one["sha256"] for one in small_service.files()}[node_id(file)]
    eventually(lambda: run("sha256sum", file, ok=False).out.startswith(sha256), "a good download", 10)


def test_a_broken_download_is_mended_without_a_program_seeing_it(
    mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service, options=QUIET)
    file = mount.place / "Project 001" / "Task 001-0001" / "file 02.docx"
    sha256 = {one["id"]: one["sha256"] for one in small_service.files()}[node_id(file)]
    small_service.arm("reset-body:download:1")
    assert run("sha256sum", file).out.startswith(sha256)


def test_too_many_requests_are_waited_out_without_a_program_seeing_it(
    mounting: Mounter, small_service: Process
) -> None:
    mount = mounting(small_service, options=QUIET)
    small_service.arm("429::2", "429-json::1")
    assert run("ls", mount.place / "Project 001" / "Task 001-0001").lines == ["file 01.jpg", "file 02.docx"]


def test_the_cache_keeps_its_limit(mounting: Mounter, small_service: Process) -> None:
    task = next(file["task"]["id"] for file in small_service.files())
    files = [{"name": f"large {n}.bin", "size": 400_000, "seed": n} for n in range(6)]
    small_service.act("add_comment", task=task, text="large", files=files)
    mount = mounting(small_service, options=QUIET, arguments=("--cache-size", "1M"))
    for file in sorted(mount.place.rglob("*.bin")):
        sha256 = {one["id"]: one["sha256"] for one in small_service.files()}[node_id(file)]
        assert run("sha256sum", file).out.startswith(sha256)
        held = run("du", "-sk", "--apparent-size", mount.cache / "content").out.split()[0]
        assert int(held) <= 1024 + 200  # its index beside the content
    assert len(list(mount.place.rglob("*.bin"))) == 6
