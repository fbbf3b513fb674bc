"""Documents that open in their programs, made with the standard library alone.

Every maker takes a title and a seed and gives the same bytes for the same ones (zlib permitting).
"""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from collections.abc import Callable, Iterable
from xml.sax.saxutils import escape

from wsfs.emulator import pictures

Maker = Callable[[str, int], bytes]
MOMENT = (2024, 9, 12, 10, 0, 0)

ENGLISH = (
    "The scope was agreed with the client at the kick-off meeting.",
    "All deliverables are reviewed by two people before they are sent.",
    "The budget covers design, development and three rounds of changes.",
    "Please comment on the open questions before Thursday.",
    "Figures include VAT unless it is stated otherwise.",
    "The schedule leaves one week for tests with real users.",
    "Risks are listed in order of their cost, the largest first.",
    "Contractors get access to the site from seven in the morning.",
    "The old system stays in parallel operation for a month.",
    "Photographs are to be taken from the same points every week.",
    "Texts are in two languages, and the second one is never a machine's.",
    "Delivery is counted from the day the advance is received.",
)
UKRAINIAN = (
    "Обсяг робіт погоджено із замовником на першій зустрічі.",
    "Усі матеріали перевіряють двоє людей, перш ніж їх надсилати.",
    "Бюджет охоплює дизайн, розробку й три раунди правок.",
    "Просимо залишити зауваження до четверга.",
    "Суми наведено з ПДВ, якщо не зазначено інше.",
    "Графік залишає тиждень на перевірку зі справжніми користувачами.",
    "Ризики впорядковано за вартістю, найбільші — перші.",
    "Підрядники мають доступ на майданчик із сьомої ранку.",
    "Стара система ще місяць працює паралельно з новою.",
    "Фотографії щотижня роблять із тих самих точок.",
)


def _ukrainian(title: str) -> bool:
    return any("Ѐ" <= letter <= "ӿ" for letter in title)


def paragraphs(title: str, seed: int, count: int) -> list[str]:
    """Return some paragraphs in the title's language."""
    rng = random.Random(seed)
    sentences = UKRAINIAN if _ukrainian(title) else ENGLISH
    return [" ".join(rng.sample(sentences, rng.randrange(3, 6))) for _ in range(count)]


def text(title: str, seed: int) -> bytes:
    """Return a UTF-8 text."""
    body = "\n\n".join(paragraphs(title, seed, 4 + seed % 5))
    return f"{title}\n{'=' * len(title)}\n\n{body}\n".encode()


def csv(title: str, seed: int) -> bytes:
    """Return a table as CSV, in UTF-8 with CRLF."""
    rows = [";".join(str(cell) for cell in row) for row in table(title, seed)]
    return "".join(f"{row}\r\n" for row in rows).encode()


def table(title: str, seed: int) -> list[list[str | int]]:
    """Return a table with a header and a total."""
    rng = random.Random(seed)
    if _ukrainian(title):
        header, total = ["№", "Стаття", "Кількість", "Ціна", "Сума"], "Разом"
        items = ["Бетон B25", "Арматура А500С", "Цегла", "Дизайн", "Розробка", "Друк", "Доставка", "Монтаж"]
    else:
        header, total = ["No", "Item", "Quantity", "Price", "Amount"], "Total"
        items = ["Concept", "Design", "Development", "Copywriting", "Photography", "Testing", "Hosting"]
    rows: list[list[str | int]] = [list(header)]
    amount = 0
    for number in range(1, 12 + seed % 30):
        quantity, price = rng.randrange(1, 40), rng.randrange(5, 400) * 10
        amount += quantity * price
        rows.append([number, f"{rng.choice(items)} {number}", quantity, price, quantity * price])
    rows.append(["", total, "", "", amount])
    return rows


def pdf(title: str, seed: int) -> bytes:
    """Return a PDF of some pages of text. Its base fonts know Latin letters only, so its text is English."""
    heading = title.encode("ascii", "ignore").decode().strip(" -_.,") or "Document"
    pages = 2 + seed % 4
    objects: list[bytes] = []
    kids = " ".join(f"{5 + 2 * page} 0 R" for page in range(pages))
    objects.append(b"<< /Type /Catalog /Pages 2 0 R >>")
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>")
    for page in range(pages):
        drawing = ["0.16 0.32 0.52 rg 50 770 495 3 re f 0 g"]
        drawing.append(f"BT /F2 20 Tf 50 785 Td ({_pdf_text(heading)}) Tj ET")
        drawing.append("BT /F1 11 Tf 50 740 Td 15 TL")
        for paragraph in paragraphs("", seed * 31 + page, 6):
            for line in _wrapped(paragraph, 92):
                drawing.append(f"({_pdf_text(line)}) Tj T*")
            drawing.append("T*")
        drawing.append("ET")
        drawing.append(f"BT /F1 9 Tf 270 40 Td (Page {page + 1} of {pages}) Tj ET")
        stream = zlib.compress("\n".join(drawing).encode("cp1252", "replace"))
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {6 + 2 * page} 0 R "
            "/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>".encode()
        )
        objects.append(
            f"<< /Length {len(stream)} /Filter /FlateDecode >>\nstream\n".encode() + stream + b"\nendstream"
        )
    objects.append(f"<< /Title ({_pdf_text(heading)}) /CreationDate (D:20240912100000Z) >>".encode())
    data = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table_at = len(data)
    data += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    data += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    trailer = f"<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>"
    return data + f"trailer\n{trailer}\nstartxref\n{table_at}\n%%EOF\n".encode()


def _pdf_text(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _wrapped(paragraph: str, width: int) -> Iterable[str]:
    line = ""
    for word in paragraph.split():
        if len(line) + len(word) >= width:
            yield line
            line = ""
        line = f"{line} {word}".strip()
    yield line


def archive(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a ZIP archive with fixed times."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in members:
            info = zipfile.ZipInfo(name, MOMENT)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o100644 << 16
            info.create_system = 3
            file.writestr(info, data)
    return buffer.getvalue()


def bundle(title: str, seed: int) -> bytes:
    """Return a ZIP archive of a few documents."""
    return archive(
        [
            ("README.txt", text(title, seed)),
            ("documents/summary.pdf", pdf(title, seed + 1)),
            ("documents/Кошторис.xlsx", xlsx("Кошторис", seed + 2)),
            ("pictures/cover.png", pictures.diagram(title, seed + 3)),
            ("pictures/site.jpg", pictures.photo(title, seed + 4)),
        ]
    )


_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
_APPLICATION = "application/vnd.openxmlformats-officedocument"


def _office(title: str, main: str, kind: str, parts: list[tuple[str, str, str]], body: str) -> bytes:
    """Return an Office Open XML package: `parts` are (name, relation, XML) beside the main part."""
    folder = main.partition("/")[0]
    types = "".join(
        f'<Override PartName="/{folder}/{name}" ContentType="{_APPLICATION}.{content_type}+xml"/>'
        for name, content_type, _ in parts
    )
    relations = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/relationships/{content_type.rpartition(".")[2]}" '
        f'Target="{name}"/>'
        for number, (name, content_type, _) in enumerate(parts, 1)
    )
    head = (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{main}" ContentType="{_APPLICATION}.{kind}.main+xml"/>{types}'
        '<Override PartName="/docProps/core.xml" '
        'ContentType="application/vnd.openxmlformats-package.core-properties+xml"/></Types>'
    )
    package = (
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/relationships/officeDocument" Target="{main}"/>'
        f'<Relationship Id="rId2" Type="{_PACKAGE}/relationships/metadata/core-properties" '
        'Target="docProps/core.xml"/></Relationships>'
    )
    core = (
        f'{_XML}<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{escape(title)}</dc:title><dc:creator>Olena Kovalenko</dc:creator></cp:coreProperties>"
    )
    members = [
        ("[Content_Types].xml", head),
        ("_rels/.rels", package),
        ("docProps/core.xml", core),
        (main, body),
        (
            f"{folder}/_rels/{main.rpartition('/')[2]}.rels",
            f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>',
        ),
        *((f"{folder}/{name}", part) for name, _, part in parts),
    ]
    return archive((name, part.encode()) for name, part in members)


def docx(title: str, seed: int) -> bytes:
    """Return a Word document: a heading, paragraphs and a table."""
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"

    def paragraph(words: str, style: str = "") -> str:
        look = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
        return f'<w:p>{look}<w:r><w:t xml:space="preserve">{escape(words)}</w:t></w:r></w:p>'

    def cell(words: str | int) -> str:
        return f'<w:tc><w:tcPr><w:tcW w:w="1800" w:type="dxa"/></w:tcPr>{paragraph(str(words))}</w:tc>'

    rows = "".join(f"<w:tr>{''.join(map(cell, row))}</w:tr>" for row in table(title, seed)[:8])
    grid = '<w:gridCol w:w="1800"/>' * 5
    body = (
        f'{_XML}<w:document xmlns:w="{namespace}"><w:body>{paragraph(title, "Heading1")}'
        + "".join(map(paragraph, paragraphs(title, seed, 6)))
        + '<w:tbl><w:tblPr><w:tblW w:w="9000" w:type="dxa"/></w:tblPr>'
        + f"<w:tblGrid>{grid}</w:tblGrid>{rows}</w:tbl>"
        + paragraph("")
        + '<w:sectPr><w:pgSz w:w="11906" w:h="16838"/></w:sectPr></w:body></w:document>'
    )
    styles = (
        f'{_XML}<w:styles xmlns:w="{namespace}">'
        '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/>'
        '<w:pPr><w:spacing w:after="160"/></w:pPr><w:rPr><w:sz w:val="22"/></w:rPr></w:style>'
        '<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/>'
        '<w:basedOn w:val="Normal"/><w:rPr><w:b/><w:sz w:val="36"/></w:rPr></w:style></w:styles>'
    )
    parts = [("styles.xml", "wordprocessingml.styles", styles)]
    return _office(title, "word/document.xml", "wordprocessingml.document", parts, body)


def xlsx(title: str, seed: int) -> bytes:
    """Return an Excel workbook of one sheet, its amounts computed by formulas."""
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rows = table(title, seed)

    def cell(row: int, column: int, value: str | int) -> str:
        place = f"{'ABCDE'[column]}{row}"
        if isinstance(value, str):
            return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>' if value else ""
        formula = ""
        if column == 4:
            formula = f"<f>SUM(E2:E{row - 1})</f>" if row == len(rows) else f"<f>C{row}*D{row}</f>"
        return f'<c r="{place}">{formula}<v>{value}</v></c>'

    data = "".join(
        f'<row r="{number}">{"".join(cell(number, column, value) for column, value in enumerate(row))}</row>'
        for number, row in enumerate(rows, 1)
    )
    sheet = f'{_XML}<worksheet xmlns="{namespace}"><sheetData>{data}</sheetData></worksheet>'
    book = (
        f'{_XML}<workbook xmlns="{namespace}" xmlns:r="{_OFFICE}/relationships">'
        '<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )
    parts = [("worksheet1.xml", "spreadsheetml.worksheet", sheet)]
    return _office(title, "xl/workbook.xml", "spreadsheetml.sheet", parts, book)
