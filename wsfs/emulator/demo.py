"""The demo account: a small agency's projects, in English and Ukrainian, with attachments that open.

Every id, date and byte is the same each time. What is odd in real accounts is there too: equal titles in one
place, quotes, slashes, very long and empty names, an empty file, one name in several comments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from wsfs.emulator import documents, pictures
from wsfs.emulator.account import Account, NewFile
from wsfs.emulator.contents import Content, Fixed, Generated, Maker, Noise, StoredZip
from wsfs.emulator.entities import Project, Task, User

SURVEY = "Аерозйомка майданчика 2024-09.zip"
MAKERS: dict[str, Maker] = {
    "pdf": documents.pdf,
    "docx": documents.docx,
    "xlsx": documents.xlsx,
    "txt": documents.text,
    "csv": documents.csv,
    "zip": documents.bundle,
    "png": pictures.diagram,
    "jpg": pictures.photo,
    "jpeg": pictures.photo,
}


@dataclass(frozen=True)
class Said:
    """A comment: who (an index of the people), what, and with which files."""

    who: int
    text: str
    files: Sequence[str] = ()


@dataclass(frozen=True)
class Plan:
    """A task, or a project at the top: its title, the files of its description, what is said and what is below."""

    title: str
    files: Sequence[str] = ()
    said: Sequence[Said] = ()
    below: Sequence[Plan] = ()
    done: bool = False
    text: str = ""
    status: str = "active"
    company: str | None = None
    section: Sequence[str] = field(default_factory=tuple)


LONG_UKRAINIAN = (
    "Погодити з управлінням архітектури проєкт благоустрою прибудинкової території, включно з під'їзними шляхами, "
    "зовнішнім освітленням, озелененням та місцями для паркування відвідувачів і мешканців будинку"
)

PLANS = (
    Plan(
        "Website relaunch",
        ("Brief.docx", "Sitemap.png"),
        company="Northwind Coffee",
        section=("Contract.pdf", "Price list.xlsx", "Logo originals.zip"),
        text="Northwind's site in two languages, launched before the trade fair in October.",
        below=(
            Plan(
                "Design",
                ("Moodboard.png", "Style guide.pdf"),
                (
                    Said(1, "First round of the home page.", ("Home page.png", "Home page mobile.png")),
                    Said(3, "The client's remarks are in the document.", ("Remarks.docx",)),
                    Said(1, "Second round.", ("Home page.png",)),
                    Said(1, "Third round, with the new photographs.", ("Home page.png", "Hero.jpg")),
                ),
                (
                    Plan("Icons", ("Icons.zip",), (Said(1, "Shall we keep the old cup?"),)),
                    Plan(
                        "Photographs",
                        ("Shot list.csv",),
                        (
                            Said(
                                2, "A selection.", ("Beans.jpg", "Barista.jpg", "Terrace.jpeg", "Roaster.jpg")
                            ),
                        ),
                        (
                            Plan("Retouching", ("Beans retouched.jpg",)),
                            Plan("Licences", ("Model release.pdf",), done=True),
                        ),
                    ),
                ),
            ),
            Plan(
                "Texts for \"About us\" and 'Our coffee'",
                ("About us.docx", 'The "real" story (draft).txt'),
                (Said(4, "Proofread.", ("About us.docx",)),),
                (
                    Plan("English", ("Home EN.docx", "Menu EN.docx")),
                    Plan("Українська", ("Головна.docx", "Меню.docx", "Про нас — чернетка.txt")),
                ),
            ),
            Plan(
                "Front end / templates",
                ("Grid.pdf",),
                (Said(2, "Measured on a slow phone.", ("Lighthouse 2024-06-03.csv", "Waterfall.png")),),
                (
                    Plan("Home", ("Home spec.pdf",), done=True),
                    Plan("Shop", ("Shop spec.pdf", "Checkout flow.png")),
                    Plan("Blog"),
                ),
            ),
            Plan("Kick-off", ("Minutes.docx",), (Said(0, "Signed.", ("Minutes signed.pdf",)),), done=True),
            Plan("Hosting offers", ("Comparison.xlsx",), done=True),
            Plan("Launch checklist", ("Checklist.xlsx",)),
            Plan(
                "Feedback", (), (Said(3, "From the café in Lviv.", ("Feedback.txt",)), Said(0, "Thank you!"))
            ),
            Plan("Feedback", ("Feedback form.pdf",)),
        ),
    ),
    Plan(
        "Мобільний застосунок «Кава поруч»",
        ("Технічне завдання.docx",),
        company="Northwind Coffee",
        section=("Договір.pdf", "Кошторис.xlsx"),
        text="Замовлення кави наперед: iOS та Android.",
        below=(
            Plan(
                "Дослідження користувачів",
                ("Питання інтерв'ю.docx",),
                (
                    Said(4, "Результати першого тижня.", ("Відповіді.csv", "Підсумок.pdf")),
                    Said(4, "Оновлені результати.", ("Відповіді.csv",)),
                ),
                done=True,
            ),
            Plan(
                "Прототип",
                ("Екрани.zip", "Карта екранів.png"),
                (Said(1, "Варіант А і варіант Б.", ("Варіант А.png", "Варіант Б.png")),),
                (
                    Plan("Реєстрація", ("Реєстрація.png",)),
                    Plan(
                        "Оплата",
                        ("Схема оплати.pdf",),
                        below=(Plan("Apple Pay", ("Вимоги.pdf",)), Plan("Google Pay", ("Вимоги.pdf",))),
                    ),
                ),
            ),
            Plan(
                "API та сервер",
                ("Опис API.txt", "Навантаження.xlsx"),
                (Said(2, "Журнал за ніч.", ("server.csv",)),),
                (Plan("Резервні копії", ("План відновлення.docx",)), Plan("Сертифікати", done=True)),
            ),
            Plan("Публікація в App Store та Google Play", ("Іконка.png", "Знімки екранів.zip")),
            Plan("Помилки після тестування", (), (Said(3, "Список.", ("Помилки.xlsx", "Екран 1.png")),)),
        ),
    ),
    Plan(
        "Будівництво котеджу, вул. Садова, 12",
        ("Завдання на проєктування.pdf",),
        section=("Дозвіл на будівництво.pdf", "Геологія.pdf", "Загальний кошторис.xlsx"),
        text="Двоповерховий будинок, 186 м², здача у червні.",
        below=(
            Plan(
                "Проєкт",
                ("Пояснювальна записка.docx", "Генплан.png", "Специфікація.xlsx"),
                (Said(4, "Зауваження експертизи.", ("Зауваження.pdf",)),),
                (
                    Plan("Фасади", ("Фасад північ.png", "Фасад південь.png")),
                    Plan("Плани поверхів", ("План 1 поверху.png", "План 2 поверху.png"), done=True),
                ),
            ),
            Plan(
                "Фундамент",
                ("Армування.pdf",),
                (Said(2, "Заливка, день перший.", ("IMG_0412.jpg", "IMG_0413.jpg", "IMG_0414.jpg")),),
                done=True,
            ),
            Plan(
                "Стіни та дах",
                ("Графік робіт.xlsx",),
                (
                    Said(2, "Тиждень 31.", ("IMG_0512.jpg", "Акт.docx")),
                    Said(2, "Тиждень 32.", ("IMG_0534.jpg", "Акт.docx")),
                    Said(2, "Зйомка з дрона, увесь майданчик.", (SURVEY,)),
                ),
            ),
            Plan(LONG_UKRAINIAN, (f"{LONG_UKRAINIAN}.docx", "Лист.pdf")),
            Plan("Інженерні мережі", (), (), (Plan("Вода", ("Схема.pdf",)), Plan("Світло", ("Схема.pdf",)))),
            Plan("", ("Без назви.txt",)),
        ),
    ),
    Plan(
        "Brand book & print",
        (),
        company="Hanseatic Tea",
        section=("Brand book v3.pdf",),
        below=(
            Plan(
                "Business cards",
                ("Cards.pdf", "Names.csv"),
                (Said(1, "For the printer.", ("Cards print-ready.pdf",)),),
            ),
            Plan("Packaging", ("Dieline.png", "Tea box.jpg"), (Said(3, "50% off? Really?"),)),
            Plan("Signage: entrance, windows & van", ("Van.jpg", "Measurements.xlsx", "empty note.txt")),
        ),
    ),
    Plan(
        "Office move / Переїзд офісу",
        ("Floor plan.png",),
        status="pending",
        company="Internal",
        below=(
            Plan("Movers", ("Offer A.pdf", "Offer B.pdf")),
            Plan("Inventory / Інвентар", ("Inventory.xlsx",)),
        ),
    ),
    Plan(
        "Trade fair 2023",
        ("Concept.pdf",),
        status="archived",
        section=("Invoice.pdf",),
        below=(
            Plan("Stand", ("Stand.png", "Stand photo.jpg"), done=True),
            Plan("Leaflets", ("Leaflet.pdf",), (Said(1, "Final.", ("Leaflet final.pdf",)),), done=True),
        ),
    ),
)


def content_of(name: str, seed: int) -> Content:
    """Return the content of a demo file by its name: made of it and the seed, nothing of it made yet."""
    if name == SURVEY:
        return survey(seed)
    if name.startswith("empty"):
        return Fixed(b"")
    stem, _, extension = name.rpartition(".")
    return Generated(MAKERS[extension.lower()], stem, seed)


def survey(seed: int) -> StoredZip:
    """Return an archive of 300 MB, whose size is known at once and whose bytes are computed where they are read."""
    note = "Шість обльотів майданчика, RAW. Камера калібрована 3 вересня 2024.\n"
    members: list[tuple[str, Content]] = [("ПРОЧИТАЙ.txt", Fixed(note.encode()))]
    members += [
        (f"Обліт {number}/scan-{number:02}.raw", Noise(seed + number, 50_000_000)) for number in range(1, 7)
    ]
    return StoredZip(members)


def demo_account(*, seed: int = 0, clock: Callable[[], datetime] = datetime.now) -> Account:
    """Return the demo account; documents are made when their size or bytes are first asked for."""
    return _Builder(seed, clock).account


class _Builder:
    def __init__(self, seed: int, clock: Callable[[], datetime]) -> None:
        self.seed = seed
        self.count = 0
        self.when = datetime(2023, 9, 4, 9, 12)
        self.account = Account(clock=clock, first_id=10_001)
        self.people: list[User] = [
            self.account.owner,
            self.account.add_user("Marta Bondar", "marta@example.com", title="Designer"),
            self.account.add_user("Taras Shevchuk", "taras@example.com", title="Engineer"),
            self.account.add_user("John Whitfield", "john@example.com", role="guest", title="Client"),
            self.account.add_user("Ірина Мельник", "iryna@example.com", role="account admin"),
        ]
        self.account.add_folder("Northwind Coffee", client=True)
        self.account.add_folder("Hanseatic Tea", client=True)
        self.account.add_folder("Internal")
        for plan in (PLANS[-1], *PLANS[:-1]):  # the archived one is the oldest
            self.project(plan)
            self.when += timedelta(days=23)
        # Its publication is delayed: no answer shows it.
        site = next(project for project in self.account.projects.values() if project.name == PLANS[0].title)
        self.account.add_task(site, "Autumn campaign", when=self.tick(), delayed=True)
        self.account.events.clear()

    def tick(self) -> datetime:
        """Return the next moment in working hours."""
        self.when += timedelta(minutes=97)
        if self.when.hour >= 18:
            self.when += timedelta(hours=15)
        return self.when

    def files(self, names: Sequence[str]) -> list[NewFile]:
        """Return new files; each has contents of its own, also where names are equal."""
        made = []
        for name in names:
            self.count += 1
            made.append(NewFile(name, content_of(name, self.seed * 1000 + self.count)))
        return made

    def project(self, plan: Plan) -> None:
        project = self.account.add_project(
            plan.title,
            status=plan.status,
            company=plan.company,
            text=plan.text,
            when=self.tick(),
            files=self.files(plan.files),
        )
        project.members = list(self.people)
        for file in self.files(plan.section):
            self.account.add_file_to_project(project, file, user=self.people[4], when=self.tick())
        for below in plan.below:
            self.task(project, None, below)
        if plan.status == "archived":
            project.date_closed = self.tick()

    def task(self, project: Project, parent: Task | None, plan: Plan) -> None:
        task = self.account.add_task(
            project,
            plan.title,
            parent=parent,
            text=plan.text,
            user=self.people[0],
            user_to=self.people[1 + len(plan.title) % 4],
            when=self.tick(),
            files=self.files(plan.files),
        )
        for said in plan.said:
            self.account.add_comment(
                task, said.text, user=self.people[said.who], when=self.tick(), files=self.files(said.files)
            )
        for below in plan.below:
            self.task(project, task, below)
        if plan.done:
            task.done, task.date_closed = True, self.tick()
