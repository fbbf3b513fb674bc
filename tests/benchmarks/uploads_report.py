"""What comes out of `scripts/bench uploads`: the table and the limits."""

from __future__ import annotations

from tests.benchmarks.content_report import Conclusions, Figures, median, speed_ratio
from tests.benchmarks.report import table

SYSTEMS = ("plain", "floor", "wsfs", "paced", "rclone")
TITLES = {
    "plain": "plain disk",
    "floor": "pyfuse3 floor",
    "wsfs": "wsfs",
    "paced": "wsfs at 1 request/s",
    "rclone": "rclone mount",
}
ROWS = {
    "small copied": "small files: `cp` returns",
    "small sent": "… everything is uploaded, by itself",
    "at once sent": "… the same, told not to wait",
    "small processor": "… processor seconds of the mount, for the first two",
    "large copied": "large file: `cp` returns",
    "large sent": "… it is uploaded, by itself",
    "large at once sent": "… the same, told not to wait",
    "large processor": "… processor seconds of the mount, for the first two",
    "memory": "memory of the mount at most (MiB)",
}
FLOOR = 1.2
"""How many times the floor's time wsfs may take until `cp` returns."""

LIMITS = (
    ("small copied", "rclone", 1.0),
    ("small copied", "floor", FLOOR),
    ("small sent", "rclone", 1.0),
    ("at once sent", "rclone", 1.0),
    ("large copied", "rclone", 1.0),
    ("large copied", "floor", FLOOR),
    ("large sent", "rclone", 1.0),
    ("large at once sent", "rclone", 1.0),
)
"""Row, beside whom, and how many times its time at most."""

_WITHOUT_RATIO = ("memory", "small processor", "large processor")


def figures_table(figures: Figures) -> str:
    """All medians; in brackets how many times wsfs's time."""
    rows = []
    for row, title in ROWS.items():
        if row not in figures:
            continue
        cells = []
        for system in SYSTEMS:
            value = median(figures, row, system)
            if value is None:
                cells.append("–")
                continue
            cell = f"{value / 2**20:.0f}" if row == "memory" else f"{value:.2f}"
            ratio = None
            if system != "wsfs" and row not in _WITHOUT_RATIO:
                ratio = speed_ratio(figures, row, "wsfs", system)
            cells.append(f"{cell} ({ratio:.2g}×)" if ratio is not None else cell)
        rows.append((title, *cells))
    return table(("", *(TITLES[system] for system in SYSTEMS)), rows)


def conclusions(figures: Figures) -> Conclusions:
    """Every limit, and whether it is kept."""
    rows = []
    kept = True
    for row, other, most in LIMITS:
        says = f"≤ {most:g} × {TITLES[other]}"
        # How many times the speed of wsfs the other has is how many times its time wsfs takes.
        value = speed_ratio(figures, row, other, "wsfs")
        if value is None:
            rows.append((ROWS[row], says, "not measured", "–"))
            continue
        good = value <= most
        kept = kept and good
        rows.append((ROWS[row], says, f"{value:.2f} ×", "yes" if good else "**no**"))
    return Conclusions(table(("row", "wsfs is to take", "it takes", "kept"), rows), kept)
