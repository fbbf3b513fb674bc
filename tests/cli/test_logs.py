from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsfs.cli import logs


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in logs.TALKATIVE}
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, number in levels.items():
        logging.getLogger(name).setLevel(number)
    logging.captureWarnings(False)


def test_the_file_is_private_and_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 300)
    path = tmp_path / "wsfs.log"
    path.touch(0o644)
    logs.set_up("info", path)
    for number in range(30):
        logging.getLogger("wsfs.test").info("Проєкт \udcff %d", number)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["wsfs.log", "wsfs.log.1", "wsfs.log.2", "wsfs.log.3"]
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
    assert "INFO wsfs.test: Проєкт \\udcff 29" in path.read_text()


def test_requests_are_not_logged_by_the_libraries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.set_up("debug", None)
    logging.getLogger("wsfs.test").debug("seen")
    logging.getLogger("httpx").info("GET /?hash=0123")
    logging.getLogger("httpcore.http11").debug("hash=0123")
    text = capsys.readouterr().err
    assert "seen" in text
    assert "0123" not in text


def test_started_by_systemd_each_line_has_its_level_and_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "journal").open("w+") as journal:
        status = os.fstat(journal.fileno())
        monkeypatch.setattr("sys.stderr", journal)
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        logs.set_up("debug", None)
        log = logging.getLogger("wsfs.x")
        log.debug("a")
        log.info("b\nc")
        try:
            raise ValueError("broken")
        except ValueError:
            log.exception("d")
        journal.seek(0)
        lines = journal.read().splitlines()
    assert lines[:4] == ["<7>wsfs.x: a", "<6>wsfs.x: b", "<6>c", "<3>wsfs.x: d"]
    assert all(line.startswith("<3>") for line in lines[3:]) and lines[-1] == "<3>ValueError: broken"


def test_a_terminal_is_no_journal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    logs.set_up("info", None)
    logging.getLogger("wsfs.x").info("a")
    assert capsys.readouterr().err.endswith(" INFO wsfs.x: a\n")
