from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsfs.api.answers import parse
from wsfs.api.models import (
    UNDECODABLE,
    Comment,
    Event,
    File,
    Project,
    ProjectGroup,
    Task,
    User,
    decode,
    decode_many,
    decode_one,
    mend,
    moment,
)


def many(data: str | bytes, kind: type[Any]) -> list[Any]:
    raw = data.encode() if isinstance(data, str) else data
    answer = parse(b'{"status":"ok","data":' + raw + b"}")
    assert answer is not None
    return decode_many(answer, kind)


def test_numbers_in_strings_and_dates() -> None:
    (file,) = many(
        '[{"id":"16246","name":"a.pdf","size":"111303","page":"/download/16246","date_added":"2024-03-01 09:07",'
        '"user_from":{"id":"7","name":"Ann","email":"ann@acme.example"}}]',
        File,
    )
    assert file == File(
        id=16246,
        name="a.pdf",
        size=111303,
        page="/download/16246",
        date_added=datetime(2024, 3, 1, 9, 7),
        user_from=User(id=7, name="Ann", email="ann@acme.example"),
    )


def test_what_is_not_told_is_none_and_what_is_empty_is_empty() -> None:
    told, untold = many('[{"files":[],"has_comments":"0","comments":[]},{}]', Task)
    assert (told.files, told.has_comments, told.comments) == ([], False, [])
    assert (untold.files, untold.has_comments, untold.comments) == (None, None, None)
    assert (untold.id, untold.name, untold.child) == (0, "", [])


def test_subtasks_nest_and_parents_chain() -> None:
    (task,) = many(
        '[{"id":1,"child":[{"id":"2","child":[{"id":"3","name":"c"}]}],"project":{"id":"9","name":"P"},'
        '"parent":{"id":"4","parent":{"id":"5"}}}]',
        Task,
    )
    assert task.child[0].child[0].name == "c"
    assert task.project is not None and task.project.id == 9
    assert task.parent is not None and task.parent.parent is not None and task.parent.parent.id == 5


@pytest.mark.parametrize("odd", ["null", "[]", "false", '""', '"text"', "7"])
def test_an_odd_value_in_place_of_an_object_is_a_missing_one(odd: str) -> None:
    (project,) = many(f'[{{"id":"3","name":"x","user_from":{odd},"company":"Acme"}}]', Project)
    assert project == Project(id=3, name="x", company="Acme")


@pytest.mark.parametrize("odd", ["null", '""', "{}", "[]", '"many"', "1.5", "true"])
def test_an_odd_value_in_place_of_a_number_is_the_default(odd: str) -> None:
    (file,) = many(f'[{{"id":"3","size":{odd}}}]', File)
    assert file.id == 3
    assert file.size in (0, 1)


def test_a_number_in_place_of_a_name_is_its_digits() -> None:
    assert many('[{"id":1,"name":2024}]', Task)[0].name == "2024"


def test_one_odd_thing_costs_only_itself() -> None:
    tasks = many('[{"id":1},17,"x",null,{"id":"two","name":"kept"},{"id":3}]', Task)
    assert [(task.id, task.name) for task in tasks] == [(1, ""), (0, "kept"), (3, "")]


@pytest.mark.parametrize("data", ["[]", "{}", "null", "false", '""', "0"])
def test_an_empty_list_in_every_form(data: str) -> None:
    assert many(data, Task) == []


def test_missing_data_is_an_empty_list_and_no_thing() -> None:
    answer = parse(b'{"status":"ok"}')
    assert answer is not None
    assert decode_many(answer, Task) == []
    assert decode_one(answer, Task) is None


def test_a_list_written_as_an_object_with_numbers() -> None:
    assert [file.id for file in many('{"0":{"id":"1"},"5":{"id":"2"}}', File)] == [1, 2]
    assert [len(task.files) for task in many('[{"id":1,"files":{"3":{"id":"1"}}}]', Task)] == [1]


@pytest.mark.parametrize("data", [b'{"id":"4"}', b'[{"id":"4"}]', b'[{"id":"4"},{"id":"5"}]'])
def test_one_thing_alone_or_first_in_a_list(data: bytes) -> None:
    answer = parse(b'{"status":"ok","data": ' + data + b"}")
    assert answer is not None
    assert decode_one(answer, Comment) == Comment(id=4)


def test_events_and_groups() -> None:
    update, close = many(
        '[{"action":"update","object":{"type":"task","id":"8","page":"/project/1/8/"},"date_added":"2024-01-02 03:04",'
        '"new":{"title":"b"},"old":{"title":"a"}},{"action":"close","object":{"type":"project","id":1},"new":[],"old":[]}]',
        Event,
    )
    assert update.new == {"title": "b"} and update.object.id == 8
    assert close == Event(action="close", object=close.object) and close.object.type == "project"
    (group,) = many('[{"id":"1","title":"Clients","type":"folder","client":"0"}]', ProjectGroup)
    assert group == ProjectGroup(id=1, title="Clients", type="folder", client=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29 23:59", datetime(2024, 2, 29, 23, 59)),
        ("2024-02-29 23:59:58", datetime(2024, 2, 29, 23, 59, 58)),
        ("2024-02-29", datetime(2024, 2, 29)),
        ("", None),
        ("0000-00-00 00:00", None),
        ("yesterday", None),
    ],
)
def test_moments(text: str, expected: datetime | None) -> None:
    assert moment(text) == expected
    assert many(msgspec.json.encode([{"id": 1, "date_added": text}]), File)[0].date_added == expected


def test_encoded_and_decoded_again_it_is_the_same() -> None:
    task = Task(id=1, date_added=datetime(2024, 1, 2, 3, 4), files=[File(id=2)], child=[Task(id=3)])
    assert decode(msgspec.json.encode(task), Task) == task


def test_a_text_cut_in_the_middle_of_a_letter_is_mended() -> None:
    cut = '[{"id":"1","text":"при'.encode()[:-1] + b'"},{"id":"2"}]'
    assert [(task.id, task.text) for task in many(cut, Task)] == [(1, "пр�"), (2, "")]
    assert many('[{"id":1,"text":"\\ud83d"}]', Task)[0].text == "?"
    assert mend(b"<html>") is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
names = [
    "id",
    "name",
    "size",
    "files",
    "child",
    "comments",
    "has_comments",
    "user_from",
    "date_added",
    "parent",
]


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(names), json_values), max_size=4))
def test_no_answer_that_is_json_breaks_decoding(things: list[dict[str, Any]]) -> None:
    tasks = many(msgspec.json.encode(things), Task)
    assert len(tasks) == len(things)
    for task in tasks:
        assert isinstance(task.id, int) and isinstance(task.name, str) and isinstance(task.child, list)
        assert task.date_added is None or isinstance(task.date_added, datetime)


@settings(deadline=None)
@given(st.binary())
def test_no_bytes_raise_anything_unforeseen(data: bytes) -> None:
    answer = parse(data)
    if answer is not None:
        try:
            decode_many(answer, Task)
        except UNDECODABLE as error:  # pragma: no cover
            raise AssertionError(data) from error
