from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wsfs.config import OPTIONS, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1048576", 2**20),
        ("500M", 500 * 2**20),
        ("5GiB", 5 * 2**30),
        ("5 gb", 5 * 10**9),
        ("1.5k", 1536),
        (7, 7),
    ],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(("said", "size"), [("no", 0), (False, 0), ("0", 0), ("20M", 20 * 2**20), (7, 7)])
def test_how_much_is_fetched_for_thumbnails(said: object, size: int) -> None:
    assert OPTIONS["thumbnails"].parse(said) == size


@pytest.mark.parametrize("said", ["yes", True, "large", ""])
def test_what_says_nothing_of_thumbnails(said: object) -> None:
    with pytest.raises(ValueError, match="50M, or no"):
        OPTIONS["thumbnails"].parse(said)


@given(st.integers(0, 2**60))
def test_a_number_alone_is_bytes(number: int) -> None:
    assert parse_size(str(number)) == number


@example("cache_dir", "~nobody-of-that-name/x")
@given(
    st.sampled_from(sorted(OPTIONS)),
    st.one_of(st.text(), st.booleans(), st.integers(), st.floats(), st.none()),
)
def test_any_value_is_read_or_refused(name: str, raw: object) -> None:
    try:
        OPTIONS[name].parse(raw)
    except ValueError as error:
        assert str(error)
