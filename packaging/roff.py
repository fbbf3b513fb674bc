"""Markdown as a manual page: the part of it that wsfs's documents use, in the man macros of groff.

Headings become sections, lists and tables become tagged paragraphs or items, code becomes bold or an example.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

_SPECIAL = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}


def escaped(text: str) -> str:
    """Text in which nothing means anything to groff, and that can be copied from the page as it stands."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def line(text: str) -> str:
    """A line of text that is no request, whatever it begins with."""
    return f"\\&{text}" if text[:1] in (".", "'") else text


def bold(text: str) -> str:
    return f"\\fB{escaped(text)}\\fR" if text else ""


def italic(text: str) -> str:
    return f"\\fI{escaped(text)}\\fR" if text else ""


def heading(name: str, section: int, summary: str, date: str, version: str) -> list[str]:
    """The head of a page and its NAME."""
    title = escaped(name.upper())
    return [
        f'.TH "{title}" "{section}" "{date}" "wsfs {version}" "wsfs"',
        ".nh",
        ".SH NAME",
        line(f"{escaped(name)} \\- {escaped(summary)}"),
    ]


def section(title: str) -> str:
    return f'.SH "{escaped(title.upper())}"'


def tagged(tag: str, body: Iterable[str]) -> list[str]:
    """A tag, marked up, and what it means, as lines."""
    return [".TP", line(tag), *body]


def example(text: str) -> list[str]:
    """Lines as they are to be typed."""
    return [
        ".PP",
        ".RS 4",
        ".nf",
        *(line(escaped(one)) for one in text.rstrip("\n").split("\n")),
        ".fi",
        ".RE",
    ]


def with_code(text: str) -> str:
    """A sentence of a docstring, with what stands in `backquotes` in bold."""
    parts = re.split(r"`([^`]*)`", text)
    return "".join(bold(part) if index % 2 else escaped(part) for index, part in enumerate(parts))


def from_markdown(text: str) -> list[str]:
    """The lines of a page's body. The first heading is left out, as it is the page's."""
    return _Writer().write(MarkdownIt("commonmark").enable("table").parse(text))


class _Writer:
    def __init__(self) -> None:
        self._lines: list[str] = []

    def write(self, tokens: Sequence[Token]) -> list[str]:
        index = 0
        while index < len(tokens):
            token = tokens[index]
            if token.type == "heading_open":
                if token.tag != "h1":
                    macro = ".SH" if token.tag == "h2" else ".SS"
                    title = _title(tokens[index + 1], capitals=token.tag == "h2")
                    self._lines.append(f'{macro} "{escaped(title)}"')
                index += 3
            elif token.type == "table_open":
                index = self._table(tokens, index)
            elif token.type in ("fence", "code_block"):
                self._lines += example(token.content)
                index += 1
            elif token.type == "list_item_open":
                self._lines += ['.IP "\\(bu" 2']
                index += 1
            elif token.type == "paragraph_open":
                if not token.hidden and self._lines[-1:] != ['.IP "\\(bu" 2']:
                    self._lines.append(".PP")
                self._lines += _inline(tokens[index + 1])
                index += 3
            else:
                index += 1
        return self._lines

    def _table(self, tokens: Sequence[Token], index: int) -> int:
        """One item a row: its first cell the tag, the others the text; a third one is the default."""
        rows: list[list[Token]] = []
        while tokens[index].type != "table_close":
            if tokens[index].type == "tr_open":
                rows.append([])
            elif tokens[index].type == "inline":
                rows[-1].append(tokens[index])
            index += 1
        head, *body = rows
        titles = [_plain(cell) for cell in head]
        for first, *rest in body:
            text: list[str] = []
            for title, cell in zip(titles[1:], rest, strict=False):
                words = _inline(cell)
                text += [f"{escaped(title.capitalize())}: {words[0]}", *words[1:]] if text else words
                if title and cell is not rest[-1]:
                    text.append(".br")
            self._lines += tagged("".join(_inline(first)), text or [""])
        return index + 1


def _plain(token: Token) -> str:
    return "".join(child.content for child in token.children or ())


def _title(token: Token, *, capitals: bool) -> str:
    """A heading's text, where wanted in capitals, but for what is code in it."""
    children = token.children or ()
    return "".join(
        one.content.upper() if capitals and one.type != "code_inline" else one.content for one in children
    )


def _inline(token: Token) -> list[str]:
    """The lines of a paragraph. A link's text stays; its address only where it leads out of the documents."""
    found: list[str] = [""]
    target = ""
    for child in token.children or ():
        if child.type == "text":
            found[-1] += escaped(child.content)
        elif child.type == "code_inline":
            found[-1] += bold(child.content)
        elif child.type in ("strong_open", "em_open"):
            found[-1] += "\\fB" if child.type == "strong_open" else "\\fI"
        elif child.type in ("strong_close", "em_close"):
            found[-1] += "\\fR"
        elif child.type in ("softbreak", "hardbreak"):
            found.append("")
        elif child.type == "link_open":
            target = str(child.attrGet("href") or "")
        elif child.type == "link_close" and "://" in target:
            found[-1] += escaped(f" <{target}>")
    return [line(one) for one in found]
