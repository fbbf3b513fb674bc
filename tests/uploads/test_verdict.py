"""Which errors let a batch go again, and which don't."""

from __future__ import annotations

import pytest

from wsfs.api import errors as api
from wsfs.uploads.nodes import BatchRecord
from wsfs.uploads.verdict import Verdict, post_verdict, read_verdict, refused_sentence, uncertain_sentence


def kinds(of: type[api.ApiError]) -> list[type[api.ApiError]]:
    return [of, *(below for kind in of.__subclasses__() for below in kinds(kind))]


PLAIN = [kind for kind in kinds(api.ApiError) if kind is not api.OutcomeUnknown]


@pytest.mark.parametrize("kind", PLAIN)
def test_after_a_first_byte_only_what_says_so_was_not_done(kind: type[api.ApiError]) -> None:
    verdict = post_verdict(api.OutcomeUnknown(kind()))
    assert verdict is (Verdict.REFUSED if kind is api.AttachmentUnreadable else Verdict.UNKNOWN)


@pytest.mark.parametrize("kind", PLAIN)
def test_each_error_of_a_post_has_a_verdict(kind: type[api.ApiError]) -> None:
    verdict = post_verdict(kind())
    if issubclass(kind, api.LoginRefused):
        assert verdict is Verdict.LOGIN
    elif kind.permanent or kind is api.AttachmentUnreadable:
        assert verdict is Verdict.REFUSED
    elif kind in {api.Unreachable, api.ServerFailed, api.TooManyRequests}:
        assert verdict is Verdict.AGAIN
    else:
        assert verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("kind", PLAIN)
def test_a_failed_question_has_done_nothing(kind: type[api.ApiError]) -> None:
    assert read_verdict(kind()) is not Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (api.StorageFull(), ("storage in Worksection is full", "make room", "`wsfs uploads retry`")),
        (api.TaskClosed(), ("task is closed", "reopen it", "`wsfs uploads retry`", "another task")),
        (api.TaskInvalid(), ("no such task", "another task", "`wsfs uploads save DIR`")),
        (api.ProjectInvalid(), ("no such project", "`wsfs uploads save DIR`")),
        (api.AccessDenied("x"), ("no right", "(x)", "ask the project's manager", "`wsfs uploads retry`")),
        (api.TooLarge(), ("larger than Worksection takes", "smaller", "`wsfs uploads discard`")),
        (
            api.OutcomeUnknown(api.AttachmentUnreadable("gone")),
            ("can't be read", "copy it in once more", "`wsfs uploads discard`"),
        ),
        (api.InvalidValue("email"), ("(email)", "`wsfs uploads retry`", "`wsfs uploads save DIR`")),
    ],
)
def test_a_refusal_says_what_happened_and_what_to_do(error: api.ApiError, words: tuple[str, ...]) -> None:
    sentence = refused_sentence(error)
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize("kind", ["comment", "task", "project"])
def test_the_sentence_says_what_happened_and_what_to_do(kind: str) -> None:
    record = BatchRecord(1, kind, 10, 20, None, False, frozenset())  # type: ignore[arg-type]
    sentence = uncertain_sentence(record, str(api.OutcomeUnknown(api.ConnectionBroken())))
    assert "broke off" in sentence
    assert kind in sentence
    assert "`wsfs uploads retry`" in sentence
    assert "`wsfs uploads discard`" in sentence
