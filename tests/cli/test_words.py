from __future__ import annotations

import datetime

import pytest

from wsfs.cli import words

NOW = datetime.datetime(2026, 11, 24, 15, 0, tzinfo=datetime.UTC).astimezone()


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 2**30, "5.0 GiB"), (2**41, "2.0 TiB")],
)
def test_sizes(number: int, said: str) -> None:
    assert words.size(number) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.42, "0.4 s"),
        (12.3, "12 s"),
        (89, "89 s"),
        (91, "2 min"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (4 * 86_400, "4 days"),
    ],
)
def test_spans(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


def test_moments() -> None:
    def before(**span: float) -> str:
        return (NOW - datetime.timedelta(**span)).isoformat()

    assert words.ago(before(seconds=12), NOW) == "12 s ago"
    assert words.ago(before(seconds=-3), NOW) == "now"  # the clock was set back
    assert words.ago(None, NOW) == words.ago("soon", NOW) == "never"
    then = NOW - datetime.timedelta(days=3)
    assert words.clock(NOW.isoformat(), NOW) == f"{NOW:%H:%M}"
    assert words.clock(then.isoformat(), NOW) == f"{then:%d %b %H:%M}"
    assert words.clock("soon", NOW) == "?"


def test_only_what_says_something_is_joined() -> None:
    assert words.joined("a", "", "b") == "a · b"
