"""What comes out of `scripts/bench content`: the table, the limits, the plot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import report
from tests.benchmarks.report import Conclusions, Figures, median, table

TITLES = {
    "httpx": "httpx alone",
    "plain": "plain disk",
    "bindfs": "bindfs",
    "floor": "pyfuse3 floor",
    "wsfs": "wsfs",
    "rclone": "rclone mount",
}
SPEEDS = frozenset({"random 4k", "random 1M"})
"""Rows in which more is better; in all others less is."""
WITHOUT_RATIO = frozenset({"memory", "processor", "cold processor"})

ROWS = {
    "cold": "large file, first read",
    "first byte": "… its first 4 KiB",
    "cold processor": "… processor seconds of the mount",
    "warm": "large file, again (page cache)",
    "refetched": "large file, its mount's pages dropped",
    "disk": "large file, all pages dropped",
    "random 4k": "random reads of 4 KiB, a second",
    "random 1M": "random reads of 1 MiB, a second",
    "small first": "small files, first",
    "small again": "small files, again",
    "small refetched": "small files, their mount's pages dropped",
    "ls": "ls -lU, dentries dropped",
    "read, 20 stalled": "a cached read beside 20 stalled downloads, worst of 50",
    "stat, 20 stalled": "a stat, the same",
    "read, 120 stalled": "a cached read beside 120 stalled downloads, worst of 50",
    "stat, 120 stalled": "a stat, the same",
    "processor": "processor seconds of the mount, but for the stalled",
    "memory": "memory of the mount at most (MiB)",
}
PLOTTED = ("cold", "warm", "refetched", "disk", "random 4k", "random 1M", "small first", "small again",
           "small refetched", "ls")  # fmt: skip


@dataclass(frozen=True)
class Limit:
    """`row`: at `least` so many times the speed of `other`, or, without one, at most so many seconds."""

    row: str
    other: str
    least: float

    def measured(self, figures: Figures) -> float | None:
        if self.other:
            return speed_ratio(figures, self.row, "wsfs", self.other)
        return median(figures, self.row, "wsfs")

    def kept(self, value: float) -> bool:
        return value >= self.least if self.other else value < self.least

    @property
    def says(self) -> str:
        if not self.other:
            return f"under {self.least * 1000:g} ms"
        return f"≥ {self.least:.2g} × {TITLES[self.other]}"


LIMITS = (
    Limit("cold", "httpx", 0.7),
    Limit("cold", "rclone", 1),
    Limit("warm", "plain", 1 / 2),
    Limit("warm", "rclone", 5),
    Limit("refetched", "bindfs", 1),
    Limit("refetched", "rclone", 3),
    Limit("disk", "bindfs", 1),
    Limit("disk", "rclone", 3),
    Limit("small again", "floor", 1 / 1.5),
    Limit("small again", "rclone", 4),
    Limit("small refetched", "floor", 1 / 1.5),
    Limit("read, 20 stalled", "", 0.020),
    Limit("stat, 20 stalled", "", 0.005),
    Limit("read, 120 stalled", "", 0.020),
    Limit("stat, 120 stalled", "", 0.005),
)


def speed_ratio(figures: Figures, row: str, one: str, other: str) -> float | None:
    """How many times the speed of `other` `one` has: the median of the rounds' ratios."""
    return report.speed_ratio(figures, row, one, other, is_speed=row in SPEEDS)


def conclusions(figures: Figures) -> Conclusions:
    """Every limit that could be measured, and whether it is kept."""
    rows = []
    kept = True
    for limit in LIMITS:
        value = limit.measured(figures)
        if value is None:
            rows.append((ROWS[limit.row], limit.says, "not measured", "–"))
            continue
        good = limit.kept(value)
        kept = kept and good
        shown = f"{value:.2f} ×" if limit.other else f"{value * 1000:.1f} ms"
        rows.append((ROWS[limit.row], limit.says, shown, "yes" if good else "**no**"))
    return Conclusions(table(("row", "wsfs is to have", "it has", "kept"), rows), kept)


def figures_table(figures: Figures) -> str:
    """All medians; in brackets how many times wsfs's speed."""

    def ratio(row: str, system: str) -> float | None:
        return None if row in WITHOUT_RATIO else speed_ratio(figures, row, system, "wsfs")

    return report.figures_table(figures, ROWS, TITLES, _shown, ratio)


def _shown(row: str, value: float) -> str:
    if math.isinf(value):
        return "over 10"
    if row == "memory":
        return f"{value / 2**20:.0f}"
    if row in SPEEDS:
        return f"{value:,.0f}"
    return f"{value:.4f}" if value < 0.01 else f"{value:.3f}" if value < 1 else f"{value:.2f}"


COLOURS = {
    "httpx": "#999999",
    "bindfs": "#d9a441",
    "floor": "#5b8db8",
    "wsfs": "#1b7f4b",
    "rclone": "#b5483a",
}
LEFT, WIDTH, BAR, GAP, TOP = 270, 580, 9, 14, 56


def plot(figures: Figures, path: Path) -> None:
    """Bars of speed as times wsfs's, on a logarithmic scale, as an SVG picture."""
    groups: list[tuple[str, list[tuple[str, float]]]] = []
    for row in PLOTTED:
        bars = []
        for system in COLOURS:
            ratio = 1.0 if system == "wsfs" else speed_ratio(figures, row, system, "wsfs")
            if figures.get(row, {}).get(system) and ratio and math.isfinite(ratio):
                bars.append((system, ratio))
        if bars:
            groups.append((row, bars))
    ratios = [ratio for _, bars in groups for _, ratio in bars]
    low, high = math.floor(math.log2(min(ratios)) - 0.5), math.ceil(math.log2(max(ratios)) + 0.5)

    def x(ratio: float) -> float:
        return LEFT + WIDTH * (math.log2(ratio) - low) / (high - low)

    parts = []
    y = TOP
    for row, bars in groups:
        middle = y + len(bars) * BAR / 2 + 4
        parts.append(f'<text x="{LEFT - 10}" y="{middle:g}" text-anchor="end">{ROWS[row]}</text>')
        for system, ratio in bars:
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{x(ratio) - LEFT:.1f}" height="{BAR - 1}" '
                f'fill="{COLOURS[system]}"><title>{TITLES[system]}: {ratio:.2g}×</title></rect>'
            )
            y += BAR
        y += GAP
    for power in range(low, high + 1):
        place = x(2.0**power)
        style = 'stroke="#1b7f4b"' if power == 0 else 'stroke="#dddddd"'
        parts.insert(0, f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{TOP - 8}" y2="{y}" {style}/>')
        label = f"{2**power:g}×" if power >= 0 else f"1/{2**-power}"
        parts.append(f'<text x="{place:.1f}" y="{y + 14}" text-anchor="middle">{label}</text>')
    parts.append(
        f'<text x="{LEFT + WIDTH / 2:g}" y="{y + 34}" text-anchor="middle">speed; wsfs is 1, longer is faster</text>'
    )
    for index, (system, colour) in enumerate(COLOURS.items()):
        place = LEFT + index * 118
        parts.append(f'<rect x="{place}" y="18" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{place + 18}" y="28">{TITLES[system]}</text>')
    whole = LEFT + WIDTH + 30
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {y + 46}" width="{whole}" '
        'font-family="sans-serif" font-size="12" fill="#222222">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{chr(10).join(parts)}\n</svg>\n'
    )
