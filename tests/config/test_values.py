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


def test_users_and_groups_go_by_name_or_number() -> None:
    assert (OPTIONS["uid"].parse("root"), OPTIONS["uid"].parse("1000"), OPTIONS["uid"].parse(7)) == (
        0,
        1000,
        7,
    )
    assert OPTIONS["gid"].parse("root") == 0
    with pytest.raises(ValueError, match="group of this machine"):
        OPTIONS["gid"].parse("no-group-is-called-so")


@pytest.mark.parametrize(("text", "umask"), [("022", 0o022), ("0027", 0o027), ("0o7", 7), ("77", 0o77)])
def test_a_umask_is_in_eights(text: str, umask: int) -> None:
    assert OPTIONS["umask"].parse(text) == umask


@pytest.mark.parametrize("raw", [22, 0o22, "888", "-22", "", "00077", "rwx", True])
def test_what_could_be_meant_in_tens_is_no_umask(raw: object) -> None:
    with pytest.raises(ValueError, match="octal"):
        OPTIONS["umask"].parse(raw)


def test_authors_are_a_table_or_a_line() -> None:
    emails = {"ann": "ann@example.com", "1002": "bob@example.com"}
    parse = OPTIONS["authors"].parse
    assert parse(emails) == parse("ann=ann@example.com:1002=bob@example.com") == emails
    assert str(parse(emails)) == "ann=ann@example.com:1002=bob@example.com"
    assert parse("") == {}


@pytest.mark.parametrize(
    "raw", ["ann", "ann=", "=a@b", "ann=a b@c", {"ann": 5}, {"ann": "example.com"}, True]
)
def test_what_gives_no_email_is_no_author(raw: object) -> None:
    with pytest.raises(ValueError, match=r"email|text"):
        OPTIONS["authors"].parse(raw)


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
