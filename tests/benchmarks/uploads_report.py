"""What comes out of `scripts/bench uploads`: the table and the limits."""

from __future__ import annotations

from tests.benchmarks import report
from tests.benchmarks.report import Conclusions, Figures, speed_ratio, table

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

WITHOUT_RATIO = frozenset({"memory", "small processor", "large processor"})


def figures_table(figures: Figures) -> str:
    """All medians; in brackets how many times wsfs's time."""

    def ratio(row: str, system: str) -> float | None:
        return None if row in WITHOUT_RATIO else speed_ratio(figures, row, "wsfs", system)

    return report.figures_table(figures, ROWS, TITLES, _shown, ratio)


def _shown(row: str, value: float) -> str:
    return f"{value / 2**20:.0f}" if row == "memory" else f"{value:.2f}"


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
