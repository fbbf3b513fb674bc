"""Benchmark tables, and their place in docs/benchmarks.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write_part(name: str, text: str, page: Path = PAGE) -> None:
    """Put `text` between the marks of part `name` in docs/benchmarks.md, adding them at the end if need be."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    part = f"{begin}\n{text.strip()}\n{end}"
    whole = page.read_text() if page.exists() else "# Benchmarks\n"
    if begin in whole:
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        whole = pattern.sub(lambda _: part, whole)
    else:
        whole = f"{whole.rstrip()}\n\n{part}\n"
    page.write_text(whole)
