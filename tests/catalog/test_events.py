"""Which events are news, what they name, and how far back to ask."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsfs.api.models import Event, EventObject
from wsfs.catalog.events import KEEP, EventLog, OwnPosts, Todo, period, project_of_event, seconds, target_of

NOON = datetime(2024, 3, 5, 12, 0)


def event(minute: int = 0, number: int = 5, **changed: str) -> Event:
    return Event(
        action="update",
        object=EventObject(type="task", id=number, page=f"/project/1/{number}/"),
        date_added=NOON + timedelta(minutes=minute),
        new=dict(changed),
    )


def test_an_event_is_news_once() -> None:
    log = EventLog()
    assert [news.event for news in log.take([event()], 300)] == [event()]
    assert log.take([event()], 300) == []
    assert [news.event for news in log.take([event(1), event()], 300)] == [event(1)]


def test_equal_events_are_counted_and_not_merged() -> None:
    log = EventLog()
    assert len(log.take([event(), event()], 300)) == 2
    assert len(log.take([event(), event(), event()], 300)) == 1
    assert log.take([event()], 300) == []  # the others have left the window
    assert log.take([event(), event(), event()], 300) == []


def test_what_differs_in_what_changed_is_another_event() -> None:
    log = EventLog()
    log.take([event(title="a")], 300)
    assert len(log.take([event(title="b"), event(title="a")], 300)) == 1


def test_the_minute_of_the_newest_event_is_not_over() -> None:
    news = EventLog().take([event(3), event(2), event(3, 6)], 300)
    assert [(one.event.date_added, one.settled) for one in news] == [
        (NOON + timedelta(minutes=3), False),
        (NOON + timedelta(minutes=2), True),
        (NOON + timedelta(minutes=3), False),
    ]


def test_counted_events_survive_as_json() -> None:
    log = EventLog()
    log.take([event(), event(1)], 300)
    again = EventLog(json.loads(json.dumps(log.counted())))
    assert again.take([event(1), event()], 300) == []


def test_a_long_look_back_brings_no_old_news() -> None:
    log = EventLog()
    log.take([event(0)], 300)
    old = event(-int(KEEP.total_seconds() / 60) - 10, 9)
    assert log.take([event(30), event(0), old], seconds("2d"))[0].event == event(30)
    assert len(log.take([event(31), old], seconds("2d"))) == 1


def test_a_clock_that_is_set_back_hides_nothing_for_long() -> None:
    log = EventLog()
    log.take([event(0)], 300)
    for minute in range(-600, -590):
        assert len(log.take([event(minute)], 300)) == 1
        assert log.take([event(minute)], 300) == []


def test_what_is_forgotten_is_older_than_any_overlap() -> None:
    log = EventLog()
    for minute in range(600):
        log.take([event(minute)], 300)
    assert len(log.counted()) <= KEEP.total_seconds() / 60 + 1


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 3)), max_size=40), st.integers(1, 9))
def test_overlapping_polls_tell_each_event_once(happened: list[tuple[int, int]], overlap: int) -> None:
    events = [event(minute, number) for minute, number in sorted(happened)]
    log = EventLog()
    told = 0
    for now in range(25):
        window = [
            one
            for one in events
            if one.date_added and now - overlap <= (one.date_added - NOON).seconds // 60 <= now
        ]
        told += len(log.take(window, 600))
    assert told == len(events)


@pytest.mark.parametrize(
    ("kind", "number", "page", "target", "project"),
    [
        ("project", 3, "/project/3/", ("projects", 0), 3),
        ("project", 3, "", ("projects", 0), 3),
        ("task", 5, "/project/3/5/", ("task", 5), 3),
        ("task", 6, "/project/3/5/6/", ("task", 6), 3),
        ("comment", 9, "/project/3/5/#com9", ("files", 5), 3),
        ("comment", 9, "/project/3/5/6/7/?x=1#com9", ("files", 7), 3),
        ("comment", 9, "/project/3/5/9/", ("files", 5), 3),
        ("comment", 9, "/project/3/", None, 3),
        ("comment", 9, "", None, 0),
        ("timer", 9, "/project/3/5/", None, 3),
    ],
)
def test_what_an_event_names(
    kind: str, number: int, page: str, target: tuple[str, int] | None, project: int
) -> None:
    named = Event(action="post", object=EventObject(type=kind, id=number, page=page))
    assert target_of(named) == target
    assert project_of_event(named) == project


def test_an_event_of_nothing_names_nothing() -> None:
    assert target_of(Event()) is None
    assert project_of_event(Event()) == 0


@given(st.floats(0, 30 * 86400 - 1))
def test_a_period_covers_what_it_is_asked_for(span: float) -> None:
    said = period(span)
    assert seconds(said) >= min(span, 30 * 86400)
    number, unit = int(said[:-1]), said[-1]
    assert 1 <= number <= {"m": 360, "h": 72, "d": 30}[unit]
    assert seconds(said) <= span + {"m": 61, "h": 3661, "d": 90061}[unit]


def test_a_target_is_done_when_it_was_read_after_its_minute() -> None:
    todo = Todo()
    todo.add(("task", 1), 10.0, 70.0)
    assert todo.due(9.0) == []
    assert todo.due(10.0) == [("task", 1)]
    todo.done(("task", 1), 10.0)
    assert todo.due(69.0) == [] and todo.next_time() == 70.0
    todo.done(("task", 1), 71.0)
    assert len(todo) == 0


def test_a_second_event_makes_it_due_again_at_once() -> None:
    todo = Todo()
    todo.add(("task", 1), 10.0, 70.0)
    todo.done(("task", 1), 10.0)
    todo.add(("task", 1), 20.0, 80.0)
    assert todo.due(20.0) == [("task", 1)]
    todo.done(("task", 1), 75.0)  # later than the first minute, and not than the second
    assert todo.next_time() == 80.0


def test_what_is_to_be_done_can_be_kept() -> None:
    todo = Todo()
    todo.add(("task", 1), 10.0, 70.0, project=4)
    todo.add(("files", 2))
    todo.add(("task", 1), 20.0, project=9)
    assert todo.to_keep() == [("task", 1, [4, 9]), ("files", 2, [])]
    again = Todo()
    again.load(json.loads(json.dumps(todo.to_keep())))
    assert again.due(0.0) == [("task", 1), ("files", 2)]
    assert again.projects(("task", 1)) == {4, 9}
    todo.put_off(("files", 2), 99.0)
    assert todo.due(50.0) == [("task", 1)]
    todo.drop(("task", 1))
    assert ("task", 1) not in todo and todo.projects(("task", 1)) == set()


def test_each_post_of_ours_is_expected_once_and_not_for_ever() -> None:
    own = OwnPosts()
    own.expect(("files", 1), 0.0)
    own.expect(("files", 1), 5.0)
    assert own.take(("files", 1), 10.0)
    assert own.take(("files", 1), 10.0)
    assert not own.take(("files", 1), 10.0)
    own.expect(("files", 1), 0.0)
    assert not own.take(("files", 1), 10_000.0)
