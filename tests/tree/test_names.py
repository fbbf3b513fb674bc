"""Names: safe, unique, stable, and decided by ids alone."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wsfs.tree.names import (
    MAX_NAME_BYTES,
    UNTITLED,
    Candidate,
    assign,
    safe_name,
    split_extension,
    with_id,
)

NASTY = [
    "",
    ".",
    "..",
    "/",
    "\0",
    "a/b",
    "\x7f",
    "\x85",
    "звіт.pdf",
    "e\u0301.txt",
    "a (id 5)",
    "a (id 5).txt",
]
NASTY += [
    "x" * 300,
    "ї" * 200 + ".docx",
    "😀" * 80,
    ".bashrc",
    "...",
    "a.",
    "a. b",
    "\ud800",
    "Done",
    "é" * 127,
]
titles = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=12),
    st.text(alphabet="ab/.\0 (id)5\u0301ї", max_size=8),
    st.text(min_size=100, max_size=300),
)


@st.composite
def directories(draw: st.DrawFn, max_size: int = 12) -> list[Candidate]:
    """What one directory may hold: tasks and files, ids unique among each."""
    some = [*draw(st.lists(titles, max_size=4)), "plan.pdf", "plan.pdf (id 3)", "plan (id 3).pdf"]
    wanted = st.tuples(st.integers(1, 30), st.booleans(), st.sampled_from(some))
    chosen = draw(st.lists(wanted, max_size=max_size, unique_by=lambda one: one[:2]))
    return [Candidate(id * 4 + 2 + (not folder), id, title, folder) for id, folder, title in chosen]


def ok(name: str) -> bool:
    return (
        name not in ("", ".", "..")
        and "/" not in name
        and len(name.encode()) <= MAX_NAME_BYTES
        and not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)
        and unicodedata.is_normalized("NFC", name)
    )


@given(titles, st.booleans())
def test_any_title_has_a_safe_name(title: str, is_directory: bool) -> None:
    name = safe_name(title, is_directory=is_directory)
    assert ok(name)
    assert safe_name(name, is_directory=is_directory) == name


@given(titles, st.integers(1, 10**18), st.booleans())
def test_a_suffix_fits_and_is_kept(title: str, id: int, is_directory: bool) -> None:
    name = safe_name(title, is_directory=is_directory)
    suffixed = with_id(name, id, is_directory=is_directory)
    assert ok(suffixed)
    stem, extension = (suffixed, "") if is_directory else split_extension(suffixed)
    assert stem.endswith(f" (id {id})")
    if not is_directory:
        assert extension == split_extension(name)[1]


@given(st.text(min_size=1, max_size=400), st.sampled_from([".pdf", ".docx", ".tar", ".7z", ".ПДФ"]))
@example("ї" * 127, ".pdf")
def test_the_extension_is_kept(stem: str, extension: str) -> None:
    name = safe_name(f"a{stem}b{extension}", is_directory=False)
    assert name.endswith(unicodedata.normalize("NFC", extension))


def test_a_cyrillic_title_is_cut_on_a_character() -> None:
    name = safe_name("Ї" * 200 + ".pdf", is_directory=False)
    assert name == "Ї" * 125 + ".pdf"
    assert safe_name("Ї" * 200, is_directory=True) == "Ї" * 127


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("a/b", "a／b"),
        ("a\0b", "a␀b"),
        ("line\nbreak", "line␊break"),
        (".", "．"),
        ("..", "．．"),
        ("...", "..."),
        ("", UNTITLED),
        ("e\u0301", "é"),
        ("\x7f", "␡"),
    ],
)
def test_stand_ins(title: str, name: str) -> None:
    assert safe_name(title, is_directory=False) == safe_name(title, is_directory=True) == name


@given(directories(), st.sets(st.sampled_from(["plan.pdf", "plan (id 3).pdf", "a", "Done"])), st.randoms())
def test_names_are_unique_and_the_order_of_the_answer_does_not_matter(
    candidates: list[Candidate], taken: set[str], shuffler: random.Random
) -> None:
    names = assign(candidates, taken)
    assert names.keys() == {candidate.key for candidate in candidates}
    assert len(set(names.values())) == len(candidates)
    assert not taken & set(names.values())
    assert all(ok(name) for name in names.values())
    shuffled = list(candidates)
    shuffler.shuffle(shuffled)
    assert assign(shuffled, taken) == names


def test_folders_of_equal_names_do_not_depend_on_the_order() -> None:
    # Folders have no id: two titles that come to one name are told apart by the titles.
    first, second = Candidate(11, 0, "A/B", True), Candidate(12, 0, "A／B", True)
    assert assign([first, second]) == assign([second, first])
    assert len(set(assign([first, second]).values())) == 2


@given(directories())
def test_who_has_the_plain_name(candidates: list[Candidate]) -> None:
    names = assign(candidates)
    groups: dict[str, list[Candidate]] = {}
    for one in candidates:
        groups.setdefault(safe_name(one.title, is_directory=one.is_directory), []).append(one)
    for name, group in groups.items():
        if "(id" in name:
            continue
        folders = [one for one in group if one.is_directory]
        winner = min(folders, key=lambda one: one.id) if folders else max(group, key=lambda one: one.id)
        assert names[winner.key] == name
        for one in group:
            if one is not winner:
                assert f"(id {one.id})" in names[one.key]


@given(directories(), st.integers(31, 40), st.booleans(), titles)
def test_a_newcomer_renames_nobody_but_those_of_its_name(
    candidates: list[Candidate], id: int, is_directory: bool, title: str
) -> None:
    before = assign(candidates)
    newcomer = Candidate(id * 4 + 2 + (not is_directory), id, title, is_directory)
    after = assign([*candidates, newcomer])
    plain = safe_name(title, is_directory=is_directory)
    for one in candidates:
        if safe_name(one.title, is_directory=one.is_directory) != plain:
            assert after[one.key] == before[one.key]


def test_a_title_that_looks_suffixed_gets_a_suffix_of_its_own() -> None:
    names = assign(
        [Candidate(1, 5, "a", True), Candidate(2, 7, "a", True), Candidate(3, 9, "a (id 7)", True)],
    )
    assert names == {1: "a", 2: "a (id 7)", 3: "a (id 7) (id 9)"}


def test_a_pending_name_is_never_given_away() -> None:
    assert assign([Candidate(1, 5, "a.txt", False)], {"a.txt"}) == {1: "a (id 5).txt"}
    assert assign([Candidate(1, 5, "a.txt", False)], {"a.txt", "a (id 5).txt"}) == {1: "a (id 5) (id 5).txt"}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.pdf", ("a", ".pdf")),
        ("a.tar.gz", ("a.tar", ".gz")),
        (".bashrc", (".bashrc", "")),
        ("..a", ("..a", "")),
        ("a.", ("a.", "")),
        ("a. b", ("a. b", "")),
        ("a." + "x" * 24, ("a." + "x" * 24, "")),
    ],
)
def test_extensions(name: str, parts: tuple[str, str]) -> None:
    assert split_extension(name) == parts
