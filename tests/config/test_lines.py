from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wsfs.config.lines import key_lines

TEXT = '''# a comment = 1
[defaults]   # [accounts.acme]
rate = 2

"cache_size" = "5G"
comment_template = """
rate = 9
[accounts.acme]
{names}"""
hidden = [
    "a",  # rate = 3
    "b",
]
timezone = "Europe/Kyiv"

[accounts]
short.rate = 4
inline = { rate = 5, ro = true }

[ accounts . "my firm" ]
rate = 6
'''


def test_each_key_has_its_line_however_it_is_spelt() -> None:
    lines = key_lines(TEXT)
    assert lines["defaults",] == 2
    assert lines["defaults", "rate"] == 3
    assert lines["defaults", "cache_size"] == 5
    assert lines["defaults", "comment_template"] == 6
    assert lines["defaults", "hidden"] == 10
    assert lines["defaults", "timezone"] == 14
    assert lines["accounts", "short", "rate"] == 17
    assert lines["accounts", "inline", "ro"] == 18
    assert lines["accounts", "my firm"] == 20
    assert lines["accounts", "my firm", "rate"] == 21


def test_lines_end_as_on_other_systems() -> None:
    assert key_lines("[defaults]\r\nrate = 2\r\n") == {("defaults",): 1, ("defaults", "rate"): 2}


def test_an_array_of_tables_is_a_table() -> None:
    assert key_lines("[[accounts]]\nrate = 1\n[[accounts]]\nro = true\n")["accounts", "ro"] == 4


NAMES = st.text("abc d.é\"'=#[", min_size=1)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, st.integers() | st.text("ab\n#[=", max_size=9))))
def test_any_file_has_a_line_for_each_key(tables: dict[str, dict[str, Any]]) -> None:
    text = ""
    expected: dict[tuple[str, ...], int] = {}
    for header, table in tables.items():
        expected[header,] = text.count("\n") + 1
        text += f"[{quoted(header)}]\n"
        for name, value in table.items():
            expected[header, name] = text.count("\n") + 1
            text += f"{quoted(name)} = {value if isinstance(value, int) else multiline(value)}\n"
    assert tomllib.loads(text) == tables
    assert key_lines(text) == expected


def quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def multiline(value: str) -> str:
    return f'"""\n{value}"""'
