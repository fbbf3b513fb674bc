"""What the entries of a file manager's menu do, and what a person is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.conftest import FakeDrive
from wsfs.cli import open as opening
from wsfs.cli import shell_actions
from wsfs.cli.upload_words import WORDS
from wsfs.desktop import clipboard, notice
from wsfs.desktop.menu import ITEMS
from wsfs.uploads.states import State

Run = Callable[..., Result]
LINK, PAGE = "https://acme/download/7", "https://acme/project/1/2/"
Said = list[tuple[str, str, bool]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    """The notifications that were shown."""
    shown: Said = []

    def show(title: str, body: str = "", *, trouble: bool = False) -> bool:
        shown.append((title, body, trouble))
        return True

    monkeypatch.setattr(notice, "show", show)
    return shown


@pytest.fixture
def run(wsfs: Run, drive: FakeDrive) -> Callable[..., int]:
    """Chooses an entry for the drive's paths; the exit code."""

    def choose(action: str, *paths: str) -> int:
        places = [drive.mountpoint / path for path in paths] or [drive.mountpoint]
        return wsfs("desktop", "run", action, "--", *places).exit_code

    return choose


def test_every_entry_does_something(run: Callable[..., int], said: Said, drive: FakeDrive) -> None:
    for command in ("url", "pin", "unpin", "uploads"):
        drive.refusals[command] = "the drive is busy"
    for item in ITEMS:
        assert run(item.action) == 1
    assert [(body, trouble) for _, body, trouble in said] == [("The drive is busy", True)] * len(ITEMS)
    assert len({title for title, _, _ in said}) == len(ITEMS)


def test_open_shows_the_pages(
    run: Callable[..., int], said: Said, drive: FakeDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive.answers["url"] = {"link": LINK, "page": PAGE}
    pages: list[str] = []
    monkeypatch.setattr(opening, "browse", lambda page: pages.append(page) or True)  # type: ignore[func-returns-value]
    assert run("open", "a", "b") == 0
    assert (pages, said) == ([PAGE], [])
    monkeypatch.setattr(opening, "browse", lambda page: False)
    assert run("open", "a") == 1
    assert said == [("No browser could be started", PAGE, True)]


def test_the_links_are_copied_or_shown(
    run: Callable[..., int], said: Said, drive: FakeDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive.answers["url"] = {"link": LINK, "page": PAGE}
    copied: list[str] = []
    monkeypatch.setattr(clipboard, "copy", lambda text: copied.append(text) or True)  # type: ignore[func-returns-value]
    assert run("copy-link", "a") == run("copy-link", "a", "b") == 0
    assert copied == [LINK, f"{LINK}\n{LINK}"]
    assert [title for title, _, _ in said] == ["Link copied", "2 links copied"]
    monkeypatch.setattr(clipboard, "copy", lambda text: False)
    assert run("copy-link", "a") == 1
    assert said[-1] == ("The clipboard can't be reached: install xclip (or wl-clipboard)", LINK, True)


def test_keeping_offline_tells_how_it_ended(run: Callable[..., int], said: Said, drive: FakeDrive) -> None:
    drive.answers["pin"] = {"files": 2, "bytes": 2048, "left": []}
    assert run("keep", "a", "b") == 0
    assert said == [("4 files, 4.0 KiB, stay on this computer", "", False)]
    assert drive.calls == [("pin", "/a"), ("pin", "/b")]
    drive.answers["pin"] = {"files": 0}
    assert run("keep", "a") == 0
    assert said[-1][0] == "There is no file to keep"
    drive.answers["pin"] = {"files": 1, "left": [{"path": "/a/b.png", "reason": "no room"}]}
    assert run("keep", "a") == 1
    assert said[-1] == ("1 file could not be fetched", "/a/b.png (no room)", True)


def test_what_takes_long_is_said_at_once(
    said: Said, drive: FakeDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pin(path: str | None, progress: Callable[..., object]) -> dict[str, object]:
        for left in (90, 80):
            await progress({"files": 91, "seconds_left": left})  # type: ignore[misc]
        return {"files": 91, "bytes": 0}

    monkeypatch.setattr(drive, "pin", pin)
    assert shell_actions.run("keep", [str(drive.mountpoint)])
    assert [title for title, _, _ in said] == ["Fetching 91 files", "91 files, 0 B, stay on this computer"]


def test_letting_go(run: Callable[..., int], said: Said, drive: FakeDrive) -> None:
    drive.answers["unpin"] = {"files": 3}
    assert run("release") == 0
    drive.answers["unpin"] = {"files": 0}
    assert run("release") == 0
    assert [title for title, _, _ in said] == ["3 files may make room again", "Nothing was kept there"]


def test_how_the_upload_is(run: Callable[..., int], said: Said, drive: FakeDrive) -> None:
    drive.answers["uploads"] = {
        "files": [
            {"path": "/P/T/a.txt", "state": "settling", "reason": ""},
            {"path": "/P/T/b\x1b.txt", "state": "quarantined", "reason": "the task is closed"},
            {"path": "/P/Tower/c.txt", "state": "sending", "reason": ""},
        ]
    }
    assert run("state", "P/T/a.txt") == 0
    assert said[-1] == ("1 file isn't on the server yet", "a.txt: goes in a few seconds", False)
    run("state", "P/T")
    title, body, trouble = said[-1]
    assert (title, trouble) == ("2 files aren't on the server yet", True)
    assert body.splitlines()[1] == "b\N{REPLACEMENT CHARACTER}.txt: could not be sent: the task is closed"
    run("state", "P/T/other.txt")
    assert said[-1][0] == "other.txt: everything is on the server"
    run("state", "P/T/x", "P/T/y")
    assert said[-1][0] == "All 2: everything is on the server"
    drive.answers["uploads"] = {"files": [{"path": f"/{n}", "state": "open"} for n in range(9)]}
    run("state")
    assert said[-1][1].splitlines()[-1] == "and 4 more; `wsfs uploads` lists them"


def test_outside_a_drive(wsfs: Run, said: Said, tmp_path: Path) -> None:
    assert wsfs("desktop", "run", "open", tmp_path / "a").exit_code == 1
    sentence = f"{tmp_path / 'a'} lies in no drive of wsfs; `wsfs status` lists those there are"
    assert said == [("The page could not be opened", sentence, True)]


def test_without_a_desktop_it_is_printed(
    wsfs: Run, drive: FakeDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "show", lambda *rest, **more: False)
    drive.answers["unpin"] = {"files": 0}
    assert wsfs("desktop", "run", "release", drive.mountpoint).stderr == "wsfs: Nothing was kept there\n"


def test_every_state_of_an_upload_has_words() -> None:
    assert set(State) - {State.LOCAL, State.DROPPED} <= set(WORDS)
    assert "held" in WORDS
