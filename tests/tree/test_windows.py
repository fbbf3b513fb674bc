"""Names that Windows can have: injective, reversible, and stable where the option comes and goes."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from wsfs.tree.layout import LayoutOptions, Tree
from wsfs.tree.names import MAX_NAME_BYTES, Candidate, assign, safe_name
from wsfs.tree.nodes import AttachmentRecord, Directory, ProjectRecord, TaskRecord
from wsfs.tree.windows import from_windows, is_possible, to_windows

PIECES = [*'<>:"\\|?*. ‛＜＞：＂＼｜？＊．␠aЇ', "con", "CON", "ｃon", "Ｃ", "nul", "com1", "ＬPT²", ".txt"]
names = st.one_of(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join),
    st.text(min_size=1, max_size=10),
).filter(lambda name: "/" not in name and not any(unicodedata.category(one) in ("Cc", "Cs") for one in name))


def windows_can_have(name: str) -> bool:
    """By Microsoft's rules, written down apart from the module's."""
    stem = name.split(".")[0].rstrip(" ").upper()
    device = stem in {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} or (
        len(stem) == 4 and stem[:3] in ("COM", "LPT") and stem[3] in "0123456789¹²³"
    )
    return (
        bool(name)
        and not device
        and name[-1] not in ". "
        and not set(name) & set('<>:"/\\|?*')
        and all(ord(one) >= 32 for one in name)
    )


@given(names)
@example("con .txt")
@example("‛con")
@example("‛ｃon")
@example("a‛:.")
def test_every_name_gets_one_that_windows_can_have_and_back(name: str) -> None:
    shown = to_windows(name)
    assert windows_can_have(shown)
    assert from_windows(shown) == name


@given(names, names)
@example("a:", "a：")
@example("a‛：", "a‛‛:")
@example("CON", "ＣON")
def test_no_two_names_come_to_one(one: str, other: str) -> None:
    assert (to_windows(one) == to_windows(other)) == (one == other)


@given(names)
@example("a‛：b")
@example("ＣON.txt")
@example("report.")
def test_what_windows_can_have_is_kept_and_all_else_is_impossible(name: str) -> None:
    assert is_possible(name) == (windows_can_have(name) and name not in ("．", ".．"))
    if is_possible(name):
        assert to_windows(from_windows(name)) == name


@given(st.text(alphabet=st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=12))
def test_a_plain_name_stays_as_it_is(name: str) -> None:
    assume(windows_can_have(name))
    assert to_windows(name) == from_windows(name) == name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Хто? Що? Коли?", "Хто？ Що？ Коли？"),
        ("a/b: c", "a／b： c"),
        ("Quarter 3.", "Quarter 3．"),
        ("Draft ", "Draft␠"),
        ("con", "ｃon"),
        ("Aux.tar.gz", "Ａux.tar.gz"),
        ("COM¹", "ＣOM¹"),
        ("common.txt", "common.txt"),
        ("COM10", "COM10"),
        ("What？", "What‛？"),
        ("..", ".．"),
        (".", "．"),
        ("tab\there", "tab␉here"),
        ("", "untitled"),
    ],
)
def test_what_a_title_is_called(title: str, name: str) -> None:
    assert safe_name(title, is_directory=True, windows=True) == name


@given(
    st.one_of(names, st.text(max_size=300), st.text(alphabet="?. ї", min_size=80, max_size=400)),
    st.booleans(),
)
@example("." * 300, True)
@example("x" * 254 + ".", True)
@example("?" * 300 + ".pdf", False)
def test_any_title_has_a_name_that_fits(title: str, is_directory: bool) -> None:
    name = safe_name(title, is_directory=is_directory, windows=True)
    assert len(name.encode()) <= MAX_NAME_BYTES
    assert windows_can_have(name)


@given(st.lists(names, max_size=6), st.lists(names, max_size=2))
@example(["Plan.txt", "plan.txt", "PLAN.TXT"], [])
@example(["done", "DONE"], ["Done"])
def test_names_of_a_directory_differ_by_more_than_case(titles: list[str], taken: list[str]) -> None:
    candidates = [Candidate(id, id, title, bool(id % 2)) for id, title in enumerate(titles, 1)]
    found = assign(candidates, taken, windows=True)
    assert found.keys() == {one.key for one in candidates}
    assert all(windows_can_have(name) and len(name.encode()) <= MAX_NAME_BYTES for name in found.values())
    shown = [name.casefold() for name in found.values()]
    assert len(set(shown)) == len(shown)
    assert not set(shown) & {name.casefold() for name in taken}
    assert assign(reversed(candidates), taken, windows=True) == found


def test_the_newest_has_the_plain_name_whatever_its_case() -> None:
    found = assign([Candidate(1, 1, "Plan.txt", False), Candidate(2, 2, "PLAN.txt", False)], (), windows=True)
    assert found == {1: "Plan (id 1).txt", 2: "PLAN.txt"}


def told(windows: bool) -> tuple[Tree, Directory]:
    tree = Tree(LayoutOptions(windows_names=windows))
    tree.set_projects([ProjectRecord(1, "Work: now")])
    tree.set_tasks([TaskRecord(2, 1, "Why?"), TaskRecord(3, 1, "aux"), TaskRecord(4, 1, "AUX")])
    tree.set_attachments(("task", 2), [AttachmentRecord(5, 'a "quote".pdf', 1)])
    task = tree.tasks[2]
    return tree, task


def everything(tree: Tree) -> dict[str, int]:
    found = {}
    for inode, node in tree.by_inode.items():
        if node.parent is not None:
            found[node.path()] = inode
    return found


def test_the_whole_tree_is_shown_so_and_inodes_are_the_same_without() -> None:
    with_it, _ = told(True)
    without, _ = told(False)
    assert everything(with_it).keys() == {
        "/Work： now",
        "/Work： now/Why？",
        "/Work： now/Ａux (id 4)".replace("Ａux", "ＡUX"),
        "/Work： now/ａux",
        "/Work： now/Why？/a ＂quote＂.pdf",
    }
    assert everything(without).keys() == {
        "/Work: now",
        "/Work: now/Why?",
        "/Work: now/AUX",
        "/Work: now/aux",
        '/Work: now/Why?/a "quote".pdf',
    }
    assert sorted(everything(with_it).values()) == sorted(everything(without).values())


def test_what_is_pending_is_kept_by_its_title_so_that_the_option_may_come_and_go() -> None:
    for windows, name in ((True, "b？.txt"), (False, "b?.txt")):
        tree, task = told(windows)
        tree.add_local(2**48, task.inode, "b?.txt", is_directory=False)
        assert name in task.names
        # It keeps its name when it has become an attachment.
        tree.adopt_file(2**48, ("task", 2), AttachmentRecord(6, "b?.txt", 1))
        assert task.names[name].inode == 2**48


def test_a_pending_name_that_gets_too_long_is_cut() -> None:
    tree, task = told(True)
    tree.add_local(2**48, task.inode, "?" * 250 + ".pdf", is_directory=False)
    tree.add_local(2**48 + 1, task.inode, "?" * 249 + ".pdf", is_directory=False)
    names = [name for name, node in task.names.items() if node.inode >= 2**48]
    assert len(names) == 2
    assert all(re.fullmatch(r"？+( \(id \d+\))?\.pdf", name) for name in names)
    assert all(len(name.encode()) <= MAX_NAME_BYTES for name in names)


def test_what_is_made_beside_a_name_of_other_case_gets_its_plain_name() -> None:
    """Names that have been looked at are named one by one as files come in."""
    tree, task = told(True)
    tree.set_attachments(("task", 2), [AttachmentRecord(7, "Plan?.txt", 1)])
    assert list(task.names) == ["Plan？.txt"]
    tree.take_changes()
    tree.add_local(2**48, task.inode, "new?.txt", is_directory=False)
    assert set(task.names) == {"Plan？.txt", "new？.txt"}
    assert tree.take_changes().entries == {(task.inode, "new？.txt")}
    tree.add_local(2**48 + 1, task.inode, "PLAN?.txt", is_directory=False)
    assert set(task.names) == {"Plan？ (id 7).txt", "new？.txt", "PLAN？.txt"}
