"""Benchmark tables, what stands in them, and their place in docs/benchmarks.md."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Figures = Mapping[str, Mapping[str, list[float]]]
"""Row → system → one value a round."""

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


@dataclass(frozen=True)
class Conclusions:
    """The limits beside what was measured."""

    text: str
    kept: bool


def median(figures: Figures, row: str, system: str) -> float | None:
    """The median of the rounds; None where it wasn't measured."""
    values = figures.get(row, {}).get(system)
    return statistics.median(values) if values else None


def speed_ratio(figures: Figures, row: str, one: str, other: str, *, is_speed: bool = False) -> float | None:
    """How many times the speed of `other` `one` has: the median of the rounds' ratios.

    With `is_speed` more is better in this row, else it holds times.
    """
    pairs = list(zip(figures.get(row, {}).get(one, ()), figures.get(row, {}).get(other, ()), strict=False))
    ratios = [a / b if is_speed else b / a for a, b in pairs if not (math.isinf(a) and math.isinf(b))]
    return statistics.median(ratios) if ratios else None


def figures_table(
    figures: Figures,
    rows: Mapping[str, str],
    systems: Mapping[str, str],
    shown: Callable[[str, float], str],
    ratio: Callable[[str, str], float | None],
) -> str:
    """The medians of all `rows` that were measured, of all `systems`; both give the titles by name, in their order.

    `shown(row, value)` is what stands there of a value; behind it, in brackets, stands what `ratio(row, system)` tells
    of another system beside wsfs, if anything.
    """
    lines = []
    for row, title in rows.items():
        if row not in figures:
            continue
        cells = []
        for system in systems:
            value = median(figures, row, system)
            beside = ratio(row, system) if value is not None and system != "wsfs" else None
            cell = "–" if value is None else shown(row, value)
            cells.append(cell if beside is None else f"{cell} ({beside:.2g}×)")
        lines.append((title, *cells))
    return table(("", *systems.values()), lines)


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
