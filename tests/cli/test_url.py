from __future__ import annotations

import webbrowser
from collections.abc import Callable

import pytest
from click.testing import Result

from tests.cli.conftest import FakeDrive

Run = Callable[..., Result]

PAGE = "https://acme.worksection.com/project/1/2/"
LINK = "https://acme.worksection.com/download/7"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A desktop, and the pages that its browser was asked to show."""
    pages: list[str] = []

    def show(page: str) -> bool:
        pages.append(page)
        return True

    monkeypatch.setattr(webbrowser, "open", show)
    monkeypatch.setenv("DISPLAY", ":99")
    return pages


def test_each_path_has_its_link_on_a_line(wsfs: Run, drive: FakeDrive) -> None:
    drive.answers["url"] = {"link": LINK, "page": PAGE}
    result = wsfs("url", drive.mountpoint / "Website" / "a.pdf", drive.mountpoint)
    assert (result.exit_code, result.stdout) == (0, f"{LINK}\n{LINK}\n")
    assert drive.calls == [("url", "/Website/a.pdf"), ("url", None)]


def test_one_path_without_a_link_leaves_the_others_theirs(
    wsfs: Run, drive: FakeDrive, tmp_path_factory: pytest.TempPathFactory
) -> None:
    drive.answers["url"] = {"link": LINK, "page": PAGE}
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    result = wsfs("url", elsewhere, drive.mountpoint)
    assert (result.exit_code, result.stdout) == (1, f"{LINK}\n")
    assert "lies in no drive of wsfs" in result.stderr
    drive.refusals["url"] = "there is no such name"
    result = wsfs("url", drive.mountpoint / "nothing")
    assert result.exit_code == 1
    assert "nothing: there is no such name" in result.stderr


def test_a_browser_shows_the_page_once(wsfs: Run, drive: FakeDrive, opened: list[str]) -> None:
    drive.answers["url"] = {"link": LINK, "page": PAGE}
    result = wsfs("open", drive.mountpoint / "a.pdf", drive.mountpoint / "b.pdf")
    assert (result.exit_code, result.output) == (0, "")
    assert opened == [PAGE]


def test_many_pages_are_rather_a_slip(wsfs: Run, drive: FakeDrive, opened: list[str]) -> None:
    numbers = iter(range(100))

    def answer(command: str, path: str | None = None) -> dict[str, str]:
        return {"link": LINK, "page": f"{PAGE}{next(numbers)}/"}

    drive._answer = answer  # type: ignore[method-assign]
    result = wsfs("open", *(drive.mountpoint / str(number) for number in range(11)))
    assert result.exit_code == 1
    assert "11 tasks" in result.stderr
    assert opened == []


@pytest.mark.parametrize("desktop", [False, True])
def test_without_a_browser_the_page_is_printed(
    wsfs: Run, drive: FakeDrive, monkeypatch: pytest.MonkeyPatch, desktop: bool
) -> None:
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if desktop:
        monkeypatch.setenv("DISPLAY", ":99")
        monkeypatch.setattr(webbrowser, "open", lambda page: False)
    else:
        monkeypatch.setattr(webbrowser, "open", None)  # not even tried: it might start one in the terminal
    drive.answers["url"] = {"link": LINK, "page": PAGE}
    result = wsfs("open", drive.mountpoint)
    assert (result.exit_code, result.stdout) == (0, f"{PAGE}\n")
    assert "no browser" in result.stderr
