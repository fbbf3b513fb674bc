"""docs/semantics.md is kept: each promise is quoted by a test, and no test quotes what isn't promised."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def promises_of(text: str) -> list[str]:
    """The sentences in the lists of a document, up to what is not promised yet."""
    promised = text.partition("## Not yet")[0]
    return [" ".join(item.split()) for item in re.findall(r"^- (.+(?:\n  \S.*)*)", promised, re.MULTILINE)]


def quoted_in(source: str) -> set[str]:
    """What `promise("…")` marks in a module, as a decorator, under that name or pytest.mark's."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test"):
            continue
        for decorator in node.decorator_list:
            if not isinstance(decorator, ast.Call):
                continue
            function, arguments = decorator.func, decorator.args
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name == "promise" and len(arguments) == 1 and isinstance(arguments[0], ast.Constant):
                found.add(str(arguments[0].value))
    return found


PROMISES = promises_of((ROOT / "docs" / "semantics.md").read_text())


@pytest.fixture(scope="module")
def quoted() -> set[str]:
    return set[str]().union(*(quoted_in(path.read_text()) for path in (ROOT / "tests").rglob("test_*.py")))


@pytest.mark.parametrize("sentence", PROMISES)
def test_each_promise_has_a_test(sentence: str, quoted: set[str]) -> None:
    assert sentence in quoted, "no test quotes this promise"


def test_nothing_is_quoted_that_is_not_promised(quoted: set[str]) -> None:
    assert not quoted - set(PROMISES)


def test_promises_are_sentences_that_can_be_quoted() -> None:
    assert len(PROMISES) > 40
    assert len(set(PROMISES)) == len(PROMISES)
    for sentence in PROMISES:
        assert sentence.endswith(".")
        assert len(sentence) < 160


def test_how_promises_are_found() -> None:
    assert promises_of("- One.\n- Two\n  lines.\n\n- Three.\n## Not yet\n- Four.") == [
        "One.",
        "Two lines.",
        "Three.",
    ]
    source = '@promise("a")\nasync def test_a(): ...\n@pytest.mark.promise("b")\ndef test_b(): ...\n'
    source += '@promise("c")\ndef helper(): ...\n# promise("d")\n'
    assert quoted_in(source) == {"a", "b"}
