"""The documents open: read back with the standard library, and with real programs."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.conftest import leave_out
from wsfs.emulator import documents, pictures
from wsfs.emulator.demo import MAKERS

TITLES = ("Plan (draft) & \\more", "Кошторис «1» & <план>", "")


def need(program: str) -> None:
    leave_out(None if shutil.which(program) else f"{program} is missing")


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("extension", MAKERS)
def test_the_same_again(extension: str, title: str) -> None:
    assert MAKERS[extension](title, 5) == MAKERS[extension](title, 5)
    assert MAKERS[extension](title, 5) != MAKERS[extension](title, 6)


@pytest.mark.parametrize("title", TITLES)
def test_pdf_has_its_objects_where_it_says(title: str) -> None:
    data = documents.pdf(title, 7)
    assert data.startswith(b"%PDF-1.4")
    start = int(data.rsplit(b"startxref\n", 1)[1].split()[0])
    entries = re.findall(rb"(\d{10}) 00000 n", data[start:])
    for number, offset in enumerate(entries, 1):
        assert data[int(offset) :].startswith(b"%d 0 obj\n" % number)
    streams = re.findall(rb"/Length (\d+) /Filter /FlateDecode >>\nstream\n", data)
    assert len(streams) == 2 + 7 % 4
    position = data.index(b"stream\n") + 7
    assert b"Tj" in zlib.decompress(data[position : position + int(streams[0])])


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("maker", [documents.docx, documents.xlsx])
def test_office_documents_are_packages_of_well_formed_xml(maker: documents.Maker, title: str) -> None:
    with zipfile.ZipFile(io.BytesIO(maker(title, 3))) as package:
        assert package.testzip() is None
        parts = {name: ET.fromstring(package.read(name)) for name in package.namelist()}
    told = {
        part.attrib["PartName"].lstrip("/")
        for part in parts["[Content_Types].xml"]
        if "PartName" in part.attrib
    }
    assert told == {name for name in parts if not name.endswith(".rels") and not name.startswith("[")}


@pytest.mark.parametrize("title", TITLES)
def test_zip_opens_and_holds_documents(title: str) -> None:
    with zipfile.ZipFile(io.BytesIO(documents.bundle(title, 1))) as package:
        assert package.testzip() is None
        assert package.read("documents/summary.pdf").startswith(b"%PDF")


def test_csv_and_text_are_utf8() -> None:
    rows = documents.csv("Кошторис", 1).decode().split("\r\n")
    assert rows[0] == "№;Стаття;Кількість;Ціна;Сума"
    assert documents.text("Кошторис", 1).decode().startswith("Кошторис\n========\n")


def test_jpeg_is_framed_right() -> None:
    data = pictures.photo("Photo", 1)
    assert data[:2] == b"\xff\xd8"
    assert data[-2:] == b"\xff\xd9"
    scan = data[data.index(b"\xff\xda") + 14 : -2]
    assert b"\xff" not in scan.replace(b"\xff\0", b"")


def test_file_knows_them(tmp_path: Path) -> None:
    need("file")
    known = {
        "pdf": "PDF document",
        "docx": "Microsoft Word 2007+",
        "xlsx": "Microsoft Excel 2007+",
        "png": "PNG image data, 960 x 600",
        "jpg": "JPEG image data",
        "zip": "Zip archive data",
        "csv": "CSV text|ASCII text|Unicode text",
    }
    for extension, words in known.items():
        path = tmp_path / f"a.{extension}"
        path.write_bytes(MAKERS[extension]("Title", 2))
        said = subprocess.run(["file", "-b", path], capture_output=True, text=True, check=True).stdout
        assert re.match(words, said), said


def test_poppler_reads_the_pdf(tmp_path: Path) -> None:
    need("pdftotext")
    path = tmp_path / "a.pdf"
    path.write_bytes(documents.pdf("Plan (draft)", 7))
    result = subprocess.run(["pdftotext", path, "-"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("Plan (draft)")
    assert "Page 5 of 5" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(("maker", "extension"), [(pictures.photo, "jpg"), (pictures.diagram, "png")])
def test_imagemagick_decodes_the_pictures(maker: documents.Maker, extension: str, tmp_path: Path) -> None:
    need("convert")
    path = tmp_path / f"a.{extension}"
    path.write_bytes(maker("Title", 4))
    command = ["convert", str(path), "-resize", "2x2!", "-depth", "8", "rgb:-"]
    result = subprocess.run(command, capture_output=True, check=True)
    assert result.stderr == b""
    assert len(result.stdout) == 12


def test_a_jpeg_has_the_colours_that_were_given(tmp_path: Path) -> None:
    need("convert")
    path = tmp_path / "a.jpg"
    colours = [(255, 0, 0), (0, 128, 0), (0, 0, 255), (250, 250, 250), (3, 3, 3), (120, 60, 30)]
    path.write_bytes(pictures.jpeg(24, 16, colours))
    command = ["convert", str(path), "-sample", "3x2!", "-depth", "8", "rgb:-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    for index, colour in enumerate(colours):
        found = tuple(raw[3 * index : 3 * index + 3])
        assert all(abs(a - b) <= 3 for a, b in zip(found, colour, strict=True)), (found, colour)


@pytest.mark.parametrize("size", [20_000, 70_000, 65_535 * 3 + 20_003, 3_000_000, 3_000_001])
def test_a_photograph_has_the_size_that_was_asked_for_and_is_framed_right(size: int) -> None:
    photograph = pictures.Photograph(7, size)
    data = photograph.read(0, size + 1)
    assert len(data) == photograph.size == size
    assert data.startswith(b"\xff\xd8\xff")
    assert photograph.sha256() == hashlib.sha256(data).hexdigest()
    place = 2
    while data[place + 1] != 0xDA:  # to where the picture begins
        assert data[place] == 0xFF
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    assert pictures.photo("", 7)[-1000:] in data[place:]
