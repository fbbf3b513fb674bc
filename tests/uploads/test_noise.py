"""Names: those that programs were measured to use, and those of real documents that look like them."""

from __future__ import annotations

import pytest

from wsfs.uploads.noise import (
    is_lock,
    is_noise,
    is_noise_directory,
    is_placeholder_directory,
    is_refused_directory,
    is_temporary,
    lock_matcher,
    never_on_server,
)

_SEEN = """
.report.txt.swp .report.txt.swx .report.txt.swpx .report.txt.swo .swp report.txt~ report.txt.bak report.txt.save
report.txt.save.1 report.txt.oA1b2C3 .~lock.report.docx# lu12345abcde.tmp lu9876k.tmp .goutputstream-XY12ab
.goutputstream-abcdef .photo.jpg.Ab12Cd sedA1b2C3 XXa1b2C3 ziA1b2C3 CuA1b2C3 movie.mp4.part
movie.xKq3.mp4.part Unconfirmed.crdownload .org.chromium.Chromium.Ab12Cd HEAD.lock config.lock tmp_obj_Ab12Cd
report.trashinfo report.trashinfo.Ab12Cd ._report.docx .DS_Store Thumbs.db thumbs.db desktop.ini Desktop.ini
.nfs000000000012abcd00000001 4913 ~$report.docx ~WRD0001.tmp .#report.txt .directory
tmpab12cd_e tmp8r1w3q0z tmp.Ab12Cd34Ef report.pdf.~qpdf-temp# report.pdf.~qpdf-orig .git
"""

_REAL = """
report.docx photo.jpg sedan sedentary zimbabwe notes.outline poetry.lock Cargo.lock yarn.lock zip sed part
XXL.pdf 20241231 backup.zip .profile .gitignore .bash.config README save.txt swap.swf tmp lockers.txt
Звіт.docx розділ~1.pdf a 4914 IMG_4913.jpg tmpfolders tmpdocument tmp2024.csv tmp.backup tmp_1
qpdf-temp report.git a.gitignore
"""


@pytest.mark.parametrize("name", _SEEN.split())
def test_a_temporary_lock_or_litter_name_is_noise(name: str) -> None:
    assert is_noise(name)


@pytest.mark.parametrize("name", _REAL.split())
def test_a_document_is_not_noise(name: str) -> None:
    assert not is_noise(name)


@pytest.mark.parametrize("name", ["a.part", ".a.pdf.Ab12Cd", ".goutputstream-XY12ab", "lu12345abcde.tmp"])
def test_a_temporary_name_is_told_from_a_lock(name: str) -> None:
    assert is_temporary(name)
    assert not is_lock(name)


@pytest.mark.parametrize("name", [".~lock.a.odt#", ".a.swp", "~$a.xlsx", "index.lock", ".#a"])
def test_a_lock_is_told_from_a_temporary_name(name: str) -> None:
    assert is_lock(name)
    assert not is_temporary(name)


@pytest.mark.parametrize(
    ("lock", "held", "free"),
    [
        (".~lock.report.docx#", "report.docx", "report.doc"),
        (".notes.txt.swp", "notes.txt", "notes"),
        (".notes.txt.swp", ".notes.txt", "txt"),
        (".notes.txt.swo", "notes.txt", "notes.txt.swo"),
        ("~$budget.xlsx", "budget.xlsx", "dget.xls"),
        ("~$nthly report.docx", "monthly report.docx", "a monthly report.docx"),
    ],
)
def test_an_editors_lock_holds_its_document_and_no_other(lock: str, held: str, free: str) -> None:
    matcher = lock_matcher(lock)
    assert matcher is not None
    assert matcher(held)
    assert not matcher(free)


@pytest.mark.parametrize("name", ["index.lock", "report.docx", ".swp", "~$", ".#a"])
def test_other_names_hold_nothing(name: str) -> None:
    assert lock_matcher(name) is None


@pytest.mark.parametrize(
    "name",
    [
        *("Untitled Folder", "untitled folder", "Untitled Folder 2", "Untitled Folder (2)", "New Folder"),
        *("New folder (3)", "Нова папка", "Нова папка (2)", "Новая папка", "Неназванная папка", "Без назви"),
        *("Тека без назви", "Neuer Ordner", "Nouveau dossier", "Nueva carpeta", "Nowy folder", "新建文件夹"),
    ],
)
def test_a_file_managers_name_for_a_new_directory_is_a_placeholder(name: str) -> None:
    assert is_placeholder_directory(name)


@pytest.mark.parametrize("name", ["New Folder plans", "Folder", "Папка", "Neue Ordnung", "2", "Untitled"])
def test_a_name_of_ones_own_is_no_placeholder(name: str) -> None:
    assert not is_placeholder_directory(name)


@pytest.mark.parametrize("name", [".Trash", ".Trash-1000", ".git", "notes.git", ".hg", ".svn"])
def test_the_trash_and_repositories_are_refused(name: str) -> None:
    assert is_refused_directory(name)


@pytest.mark.parametrize("name", ["Trash", ".Trash-can", ".github", "git", ".gitlab", "legit", "CVS"])
def test_other_directories_are_not_refused(name: str) -> None:
    assert not is_refused_directory(name)


def test_a_directory_is_less_often_noise_than_a_file() -> None:
    assert is_noise_directory("__MACOSX")
    assert is_noise_directory(".Spotlight-V100")
    assert not is_noise_directory("Backup.save")
    assert not is_noise_directory("Old~")


@pytest.mark.parametrize(
    "name",
    [
        *(".hidden", ".Trash", ".Trash-1000", ".sh_thumbnails", ".directory", "autorun.inf", "desktop.ini"),
        *(".svn", ".hg", ".trackerignore", ".Spotlight-V100", "ehthumbs.db"),
    ],
)
def test_what_programs_only_ask_for_costs_no_request(name: str) -> None:
    assert never_on_server(name)


@pytest.mark.parametrize("name", ["report.pdf", "hidden", "a.lock", "a~", "a.bak", "a.part"])
def test_what_a_colleague_may_have_attached_is_asked_for(name: str) -> None:
    assert not never_on_server(name)
