from __future__ import annotations

import time
import zipfile
from pathlib import Path

from wsfs.emulator.contents import pieces
from wsfs.emulator.demo import LONG_UKRAINIAN, SURVEY, demo_account


def test_it_is_the_same_each_time() -> None:
    one, two = demo_account(), demo_account()
    assert [(file.id, file.name, file.date_added) for file in one.files.values()] == [
        (file.id, file.name, file.date_added) for file in two.files.values()
    ]
    assert [one.sha256(number) for number in one.files] == [two.sha256(number) for number in two.files]
    other = demo_account(seed=1)
    assert [one.sha256(number) for number in one.files] != [other.sha256(number) for number in other.files]


def test_what_it_holds() -> None:
    account = demo_account()
    assert [project.status for project in account.projects.values()].count("active") == 4
    assert {project.status for project in account.projects.values()} == {"active", "pending", "archived"}
    tasks = list(account.walk())
    assert {task.level for task in tasks} == {1, 2, 3}
    assert any(task.done for task in tasks)
    assert len({comment.user_from for comment in account.comments.values()}) >= 4
    names = [file.name for file in account.files.values()]
    assert len(names) >= 100
    extensions = {name.rpartition(".")[2] for name in names}
    assert extensions >= {"pdf", "png", "jpg", "docx", "xlsx", "zip", "txt", "csv"}
    assert account.events == []  # it is older than what events tell


def test_its_oddities() -> None:
    account = demo_account()
    tasks = list(account.walk())
    titles = [(task.project.id, task.name) for task in tasks if task.level == 1]
    assert len(titles) > len(set(titles))  # equal names in one directory
    assert any("/" in task.name for task in tasks)
    assert any('"' in task.name for task in tasks)
    assert any(task.name == "" for task in tasks)
    assert len(LONG_UKRAINIAN) > 127
    assert any(task.name == LONG_UKRAINIAN for task in tasks)
    assert any('"' in file.name for file in account.files.values())
    assert any(file.size == 0 for file in account.files.values())
    assert any(project.files for project in account.projects.values())
    versions = [task for task in tasks if len({f.name for f in task.all_files()}) < len(task.all_files())]
    assert {task.name for task in versions} >= {"Design", "Стіни та дах"}
    home_pages = [file for file in account.files.values() if file.name == "Home page.png"]
    assert len({account.sha256(file) for file in home_pages}) == len(home_pages)  # versions differ


def test_it_starts_at_once_and_knows_its_sizes() -> None:
    start = time.perf_counter()
    account = demo_account()
    survey = next(file for file in account.files.values() if file.name == SURVEY)
    assert 299_000_000 < survey.size < 301_000_000
    assert time.perf_counter() - start < 0.5


def test_the_large_archive_opens(tmp_path: Path) -> None:
    account = demo_account()
    survey = next(file for file in account.files.values() if file.name == SURVEY)
    path = tmp_path / "survey.zip"
    with path.open("wb") as target:
        for piece in pieces(survey.content, 8 * 1024 * 1024):
            target.write(piece)
    assert path.stat().st_size == survey.size
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        assert len(package.namelist()) == 7
    path.unlink()
