"""The pages of what lies in a drive."""

from __future__ import annotations

import pytest

from tests.drive.harness import ME, Desk
from wsfs.drive import errors
from wsfs.drive.pages import Pages

REPORT = "/Office/Report"


@pytest.fixture
def pages(desk: Desk) -> Pages:
    return Pages(desk.drive, desk.emulator.url + "/")


async def told(desk: Desk, pages: Pages, path: str) -> tuple[str, str]:
    node = await pages.find(path, ME)
    base = desk.emulator.url
    return pages.link(node).removeprefix(base), pages.page(node).removeprefix(base)


async def test_projects_tasks_and_attachments(desk: Desk, pages: Pages) -> None:
    office = next(iter(desk.account.projects.values()))
    task = office.tasks[0]
    file, details = task.files[0], task.children[0]
    page = f"/project/{office.id}/{task.id}/"
    assert await told(desk, pages, "/") == ("/", "/")
    assert await told(desk, pages, "/Office") == (office.page, office.page)
    assert await told(desk, pages, REPORT) == (page, page)
    assert await told(desk, pages, f"{REPORT}/Details") == (f"{page}{details.id}/",) * 2
    # The link to a file fetches it; its page is that of the task.
    assert await told(desk, pages, f"{REPORT}/old.txt") == (f"/download/{file.id}", page)


async def test_what_is_pending_has_that_of_its_task(desk: Desk, pages: Pages) -> None:
    office = next(iter(desk.account.projects.values()))
    page = f"/project/{office.id}/{office.tasks[0].id}/"
    await desk.write(f"{REPORT}/new.txt")
    await desk.mkdir(f"{REPORT}/part")
    await desk.write(f"{REPORT}/part/inner.txt")
    await desk.write("/Office/dropped.txt")
    for path in ("new.txt", "part", "part/inner.txt"):
        assert await told(desk, pages, f"{REPORT}/{path}") == (page, page)
    assert await told(desk, pages, "/Office/dropped.txt") == (office.page, office.page)


async def test_done_tasks_and_their_directory(desk: Desk, pages: Pages) -> None:
    office = next(iter(desk.account.projects.values()))
    task = office.tasks[0]
    desk.account.close_task(task)
    await desk.refresh()
    assert await told(desk, pages, "/Office/Done") == (office.page, office.page)
    assert (await told(desk, pages, "/Office/Done/Report"))[0] == f"/project/{office.id}/{task.id}/"


async def test_what_was_put_onto_a_project_has_the_page_of_its_task(desk: Desk, pages: Pages) -> None:
    office = next(iter(desk.account.projects.values()))
    await desk.write("/Office/dropped.txt")
    await desk.flush()
    link, page = await told(desk, pages, "/Office/dropped.txt")
    drop = next(task for task in office.tasks if task.name == "Project files")
    assert link.startswith("/download/")
    assert page == f"/project/{office.id}/{drop.id}/"


async def test_what_has_none(desk: Desk, pages: Pages) -> None:
    own = await desk.node("/.wsfs")
    for ask in (pages.link, pages.page):
        with pytest.raises(errors.NoSuchName, match="no page"):
            ask(own)
    with pytest.raises(errors.NoSuchName):
        await pages.find("/Office/nothing", ME)
